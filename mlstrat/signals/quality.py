"""Signal quality: 0 to 100 and a grade, from four things that can be said before the trade."""

import math

from mlstrat.arrays import njit

# Least score of each grade.
GRADES = (("A", 80.0), ("B", 65.0), ("C", 50.0), ("D", 35.0), ("F", 0.0))
EDGE_WEIGHT, AGREEMENT_WEIGHT, CONFIDENCE_WEIGHT, SENTIMENT_WEIGHT = 0.35, 0.30, 0.20, 0.15


def least_quality(grade: str) -> float:
    """Return the least score of a grade."""
    return dict(GRADES)[grade]


def grade_of(quality: float) -> str:
    """Return the grade of a score from 0 to 100."""
    return next(grade for grade, least in GRADES if quality >= least)


@njit
def quality_score(
    side: int,
    prob_up: float,
    forest: float,
    boosting: float,
    lstm: float,
    win_prob: float,
    win_se: float,
    payoff: float,
    mood_score: float,
    mood_confidence: float,
) -> float:
    """Return the quality of a signal, 0 to 100.

    The weighted mean of: the edge over break-even in standard errors (0 at none, 1 at two), the share
    of the three models that vote for the side, the confidence above one half (1 at 0.6), and whether
    sentiment agrees (0.5 where it is unknown).
    """
    margin = math.log(win_prob / (1.0 - win_prob)) + math.log(payoff)
    edge = min(max(margin / (2.0 * max(win_se, 1e-9)), 0.0), 1.0)
    agree = (side * (forest - 0.5) > 0.0) + (side * boosting > 0.0) + (side * lstm > 0.0)
    confidence = min(max(side * (prob_up - 0.5) / 0.1, 0.0), 1.0)
    sentiment = 0.5 + 0.5 * side * mood_score * mood_confidence
    return 100.0 * (
        EDGE_WEIGHT * edge
        + AGREEMENT_WEIGHT * agree / 3.0
        + CONFIDENCE_WEIGHT * confidence
        + SENTIMENT_WEIGHT * sentiment
    )
