"""Predictions and sentiment become one score."""

from mlstrat.arrays import njit


@njit
def blend(
    prob_up: float,
    mood_score: float,
    mood_confidence: float,
    ml_weight: float,
    sentiment_weight: float,
) -> float:
    """Return the blended probability of a rise.

    w = sentiment_weight x confidence; score = (ml_weight x prob_up + w x (mood + 1) / 2) / (ml_weight + w),
    so that unknown sentiment (confidence 0) has no vote.

    Parameters
    ----------
    prob_up : float
        Calibrated probability; NaN stays NaN.
    mood_score, mood_confidence : float
        Sentiment in [-1, 1] and its confidence in [0, 1].
    ml_weight, sentiment_weight : float
        Weights, ml_weight > 0.
    """
    w = sentiment_weight * mood_confidence
    return (ml_weight * prob_up + w * (mood_score + 1.0) / 2.0) / (ml_weight + w)
