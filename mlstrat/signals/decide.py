"""One signal rule: a bar's prediction, sentiment and price become at most one candidate trade.

`decide_row` is compiled and shared by batch, stream and sweep; the batch is its loop.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from mlstrat.arrays import BoolArray, FloatArray, SideArray, njit
from mlstrat.config import RunConfig
from mlstrat.data.bars import Bars
from mlstrat.data.instrument import Instrument
from mlstrat.errors import ConfigError, DataError
from mlstrat.execution.rule import bracket, bracket_holds
from mlstrat.execution.types import Decisions, RiskRules
from mlstrat.predictions import Predictions, TradeTerms
from mlstrat.sentiment.align import SentimentSeries, check_mood
from mlstrat.signals.confirmation import confirmed_at, of_side
from mlstrat.signals.conformal import Conformal, conformal
from mlstrat.signals.flags import bar_flags
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


def risk_rules(config: RunConfig, bars: Bars) -> RiskRules:
    """Return what execution needs of a run."""
    facts, breakers = bars.instrument, config.breakers
    return RiskRules(
        cash=config.execution.cash,
        fee_share=facts.fee_share,
        tick=facts.tick,
        step=facts.step,
        min_notional=facts.min_notional,
        slippage_ticks=config.execution.slippage_ticks,
        gap_reserve=config.execution.gap_reserve,
        max_drawdown=breakers.max_drawdown,
        max_daily_loss=breakers.max_daily_loss,
        max_losing_streak=breakers.max_losing_streak,
        cooldown_bars=breakers.cooldown_bars,
    )


def trade_terms(config: RunConfig, instrument: Instrument) -> TradeTerms:
    """Return what a run's odds are calibrated for."""
    return TradeTerms(
        stop_atr=config.stops.atr,
        target_atr=config.stops.target_atr,
        max_bars=config.stops.max_bars,
        fee_share=instrument.fee_share,
        slippage_ticks=config.execution.slippage_ticks,
        ml_weight=config.signals.ml_weight,
        sentiment_weight=config.signals.sentiment_weight,
    )


def _refuse_other_terms(predictions: Predictions, config: RunConfig, bars: Bars) -> None:
    if predictions.terms is None:
        return
    asked = trade_terms(config, bars.instrument)
    for name, calibrated, wanted in zip(asked._fields, predictions.terms, asked, strict=True):
        if calibrated != wanted:
            raise ConfigError(
                f"the odds of these predictions were calibrated for {name} = {calibrated:g}, and the "
                f"configuration says {wanted:g}: run the walk-forward with it, or keep {calibrated:g}."
            )


def decide(
    bars: Bars,
    predictions: Predictions,
    mood: SentimentSeries,
    atr_px: FloatArray,
    config: RunConfig,
    rules: SignalRules | None = None,
    flags: SideArray | None = None,
    *,
    confirmed: BoolArray | None = None,
    sides: SideArray | None = None,
) -> Decisions:
    """Decide every bar as if flat.

    Parameters
    ----------
    bars : Bars
        The bars.
    predictions : Predictions
        Aligned with the bars.
    mood : SentimentSeries
        Aligned with the bars.
    atr_px : (n_bars,) float64
        ATR(14) at each close, in price.
    config : RunConfig
        The sections signals, kelly, stops and risk.
    rules : SignalRules, optional
        Instead of those of the configuration, for studies that vary them.
    flags : (n_bars,) int8, optional
        Breakers on data, where they are known already: from `mlstrat.signals.flags.bar_flags`, or of other
        decisions on these bars. A flagged bar keeps its stage and its quality, and has no trade.
    confirmed : (n_bars, 2) bool, optional
        Where the conditions of the configuration hold for a long and for a short, where that is known
        already: from `mlstrat.signals.confirmation.confirmed_at`. Needed for bars without their warm-up, and
        for conditions on other symbols. A bar that is not confirmed has no trade either.
    sides : (n_bars,) int8, optional
        The side to judge at each bar, 1, -1 or 0 for none, in place of the one that the score chooses; the
        model then says whether to take it and how much (meta-labels, Lopez de Prado 2018, ch. 3.6).

    Returns
    -------
    Decisions
        Aligned with the bars.

    Raises
    ------
    DataError
        Predictions, sentiment, flags, confirmations or sides are of other bars, or a side is none.
    ConfigError
        The odds were calibrated for another trade: stop, target, time exit, costs or blend. Or
        `risk.novelty` is set and no flags are given.
    """
    check_mood(mood, bars)
    if not np.array_equal(predictions.time, bars.time):
        raise DataError(
            f"the predictions of {len(predictions):,} bars do not match the {len(bars):,} bars of "
            f"{bars.symbol}: decide on the bars that were predicted."
        )
    _refuse_other_terms(predictions, config, bars)
    rules = rules or signal_rules(config, bars.instrument.tick)
    chosen = _chosen(predictions.score, predictions.threshold, rules) if sides is None else sides
    _check_sides(chosen, bars)
    table = _decide(
        chosen,
        bars.close,
        atr_px,
        predictions.prob_up,
        predictions.votes,
        predictions.score,
        predictions.win_prob,
        predictions.win_se,
        predictions.payoff,
        predictions.threshold,
        mood.score,
        mood.confidence,
        rules,
    )
    if config.signals.conformal:
        _abstain(table, chosen, bars, predictions, config)
    if flags is None:
        flags = bar_flags(bars, atr_px, config, predictions.novelty)
    if len(flags) != len(bars):
        raise DataError(f"flags of {len(flags):,} rows do not match {len(bars):,} bars: give one a bar.")
    _take_back(table, flags != 0)
    if confirmed is None:
        confirmed = confirmed_at(bars, config)
    if confirmed is not None:
        _take_back(table, ~of_side(confirmed, table[:, SIDE]))
    side = table[:, SIDE].astype(np.int8)
    return Decisions(
        symbol=bars.symbol,
        time=bars.time,
        side=side,
        fraction=table[:, FRACTION].copy(),
        units=np.full(len(bars), np.nan),
        stop=table[:, STOP_PX].copy(),
        target=table[:, TARGET_PX].copy(),
        max_bars=np.where(side != 0, config.stops.max_bars, 0).astype(np.int64),
        stage=table[:, STAGE].astype(np.int8),
        quality=table[:, GRADE].copy(),
        flags=flags.copy(),
    )


def conformal_of(bars: Bars, predictions: Predictions, config: RunConfig) -> Conformal:
    """Return the conformal sets of a run whose `signals.conformal` is not 0."""
    coverage, ahead = config.signals.conformal, config.labels.target_periods
    return conformal(bars.open, predictions.prob_up, coverage, ahead)


def _check_sides(sides: SideArray, bars: Bars) -> None:
    if sides.shape != (len(bars),) or not np.isin(sides, (-1, 0, 1)).all():
        raise DataError(
            f"sides of shape {sides.shape} do not fit {len(bars):,} bars: give 1, -1 or 0 for each bar."
        )


def _abstain(
    table: FloatArray, chosen: SideArray, bars: Bars, predictions: Predictions, config: RunConfig
) -> None:
    """Take back every candidate whose direction is not alone in its conformal set."""
    said = conformal_of(bars, predictions, config)
    unsure = (table[:, STAGE] >= THRESHOLD) & (chosen != said.direction)
    _take_back(table, unsure)
    table[unsure, STAGE], table[unsure, GRADE] = PREDICTED, np.nan


def _take_back(table: FloatArray, bars: BoolArray) -> None:
    table[bars, SIDE] = table[bars, FRACTION] = 0.0
    table[bars, STOP_PX] = table[bars, TARGET_PX] = np.nan


@njit
def _chosen(score: FloatArray, threshold: FloatArray, rules: SignalRules) -> SideArray:
    out = np.empty(len(score), np.int8)
    for t in range(len(score)):
        out[t] = chosen_side(score[t], threshold[t], rules)
    return out


@njit
def _decide(
    sides: SideArray,
    close: FloatArray,
    atr_px: FloatArray,
    prob_up: FloatArray,
    votes: FloatArray,
    score: FloatArray,
    win_prob: FloatArray,
    win_se: FloatArray,
    payoff: FloatArray,
    threshold: FloatArray,
    mood_score: FloatArray,
    mood_confidence: FloatArray,
    rules: SignalRules,
) -> FloatArray:
    out = np.empty((len(close), 6))
    for t in range(len(close)):
        forecast = Forecast(prob_up[t], votes[t], score[t], win_prob[t], win_se[t], payoff[t], threshold[t])
        mood = mood_score[t], mood_confidence[t]
        decide_side(sides[t], forecast, mood, close[t], atr_px[t], rules, out[t])
    return out


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
