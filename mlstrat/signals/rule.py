"""The signal rule of one bar, compiled: a prediction, sentiment and price become at most one candidate trade.

It is shared by batch, stream and sweep.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from mlstrat.arrays import FloatArray, njit
from mlstrat.config import RunConfig
from mlstrat.execution.rule import bracket, bracket_holds
from mlstrat.signals.funnel import BAR, KELLY, PREDICTED, QUALITY, THRESHOLD
from mlstrat.signals.kelly import STANDARD_ERRORS, kelly_fraction, position_fraction
from mlstrat.signals.quality import least_quality, quality_score

# Columns of a decision row.
SIDE, FRACTION, STOP_PX, TARGET_PX, STAGE, GRADE = range(6)


class SignalRules(NamedTuple):
    """The signal settings of a run as numbers, for the compiled rule.

    `threshold` is the entry threshold the user fixed, NaN = each window's own.
    """

    threshold: float
    long: bool
    short: bool
    standard_errors: float
    multiplier: float
    max_position: float
    min_fraction: float
    by_risk: bool
    min_confidence: float
    min_quality: float
    stop_atr: float
    target_atr: float
    tick: float


class Forecast(NamedTuple):
    """One bar's prediction, per-side values as (long, short) arrays of 2."""

    prob_up: float
    votes: FloatArray
    score: float
    win_prob: FloatArray
    win_se: FloatArray
    payoff: FloatArray
    threshold: FloatArray


def signal_rules(config: RunConfig, tick: float) -> SignalRules:
    """Return the compiled rule's settings for a run."""
    signals, kelly = config.signals, config.kelly
    return SignalRules(
        threshold=math.nan if signals.threshold == "auto" else float(signals.threshold),
        long=signals.direction != "short",
        short=signals.direction != "long",
        standard_errors=STANDARD_ERRORS[kelly.shrink],
        multiplier=kelly.multiplier,
        max_position=kelly.max_position,
        min_fraction=kelly.min_fraction,
        by_risk=kelly.basis == "risk",
        min_confidence=signals.min_confidence,
        min_quality=least_quality(signals.min_grade),
        stop_atr=config.stops.atr,
        target_atr=config.stops.target_atr,
        tick=tick,
    )


@njit
def decide_row(
    forecast: Forecast,
    mood_score: float,
    mood_confidence: float,
    close: float,
    atr_px: float,
    rules: SignalRules,
    out: FloatArray,
) -> None:
    """Decide one bar into `out`: side, fraction, stop, target, stage, quality.

    The score chooses the side, so that there is never a candidate for both.
    """
    side = chosen_side(forecast.score, forecast.threshold, rules)
    decide_side(side, forecast, (mood_score, mood_confidence), close, atr_px, rules, out)


@njit
def decide_side(
    side: int,
    forecast: Forecast,
    mood: tuple[float, float],
    close: float,
    atr_px: float,
    rules: SignalRules,
    out: FloatArray,
) -> None:
    """Decide one bar as `decide_row` does, for a side that is given: 1, -1, or 0 for none.

    Kelly sizes it by the odds of that side's trade; a side that the rules do not allow is none. `mood` is
    the score and the confidence of sentiment. What is not reached stays 0 (side, fraction) or NaN.
    """
    out[SIDE], out[FRACTION], out[STAGE] = 0.0, 0.0, BAR
    out[STOP_PX], out[TARGET_PX], out[GRADE] = np.nan, np.nan, np.nan
    if not (math.isfinite(forecast.prob_up) and math.isfinite(atr_px)):
        return
    out[STAGE] = PREDICTED
    if side == 0 or (side > 0 and not rules.long) or (side < 0 and not rules.short):
        return
    out[STAGE] = THRESHOLD
    column = (1 - side) // 2
    win_prob, win_se = forecast.win_prob[column], forecast.win_se[column]
    payoff = forecast.payoff[column]
    stop, target = bracket(side, close, atr_px, rules.stop_atr, rules.target_atr, rules.tick)
    kelly = kelly_fraction(win_prob, win_se, payoff, rules.standard_errors)
    risk_share = side * (close - stop) / close if rules.by_risk else 1.0
    fraction = position_fraction(kelly, rules.multiplier, rules.max_position, rules.min_fraction, risk_share)
    if fraction <= 0.0 or not bracket_holds(side, stop, target):
        return
    out[STAGE] = KELLY
    forest, boosting, lstm = forecast.votes[0], forecast.votes[1], forecast.votes[2]
    out[GRADE] = quality_score(
        side, forecast.prob_up, forest, boosting, lstm, win_prob, win_se, payoff, mood[0], mood[1]
    )
    confidence = forecast.prob_up if side > 0 else 1.0 - forecast.prob_up
    if confidence < rules.min_confidence or out[GRADE] < rules.min_quality:
        return
    out[STAGE] = QUALITY
    out[SIDE], out[FRACTION], out[STOP_PX], out[TARGET_PX] = side, fraction, stop, target


@njit
def chosen_side(score: float, threshold: FloatArray, rules: SignalRules) -> int:
    """Return 1, -1 or 0: the side whose entry threshold the score passes."""
    long_at, short_at = threshold[0], threshold[1]
    if not math.isnan(rules.threshold):
        long_at, short_at = rules.threshold, 1.0 - rules.threshold
    if rules.long and score >= long_at and score > 0.5:
        return 1
    if rules.short and score <= short_at and score < 0.5:
        return -1
    return 0
