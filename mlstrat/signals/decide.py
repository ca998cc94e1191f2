"""Decisions of all bars: the signal rule of one bar (`mlstrat.signals.rule`) in a loop, as if flat."""

from __future__ import annotations

import numpy as np

from mlstrat.arrays import BoolArray, FloatArray, SideArray, njit
from mlstrat.config import RunConfig
from mlstrat.data.bars import Bars
from mlstrat.errors import ConfigError, DataError
from mlstrat.execution.types import Decisions
from mlstrat.predictions import Predictions
from mlstrat.sentiment.align import SentimentSeries, check_mood
from mlstrat.signals.confirmation import confirmed_at, of_side
from mlstrat.signals.conformal import Conformal, conformal
from mlstrat.signals.flags import bar_flags
from mlstrat.signals.funnel import PREDICTED, THRESHOLD
from mlstrat.signals.rule import (
    FRACTION,
    GRADE,
    SIDE,
    STAGE,
    STOP_PX,
    TARGET_PX,
    Forecast,
    SignalRules,
    chosen_side,
    decide_side,
    signal_rules,
)
from mlstrat.signals.terms import trade_terms


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
        The odds were calibrated for another trade: stop, target, time exit, costs or blend.
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
        mood.confidence * predictions.sentiment_share,
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
