"""Why a run made no trade: the step that stopped it, and the value that would have passed."""

from __future__ import annotations

import numpy as np

from mlstrat.arrays import BoolArray, FloatArray
from mlstrat.config import RunConfig
from mlstrat.execution.types import Decisions
from mlstrat.predictions import Predictions
from mlstrat.signals.confirmation import told
from mlstrat.signals.flags import FLAG_NAMES
from mlstrat.signals.funnel import KELLY, QUALITY, THRESHOLD, Funnel
from mlstrat.signals.kelly import kelly_fraction
from mlstrat.signals.quality import GRADES, grade_of
from mlstrat.signals.rule import SignalRules, chosen_side, signal_rules


def stopper(funnel: Funnel, predictions: Predictions, decisions: Decisions, config: RunConfig) -> str:
    """Return one sentence for a run without trades, empty where there are trades.

    Parameters
    ----------
    funnel : Funnel
        How far the bars came.
    predictions, decisions
        Of the run.
    config : RunConfig
        The run.
    """
    if funnel.trades:
        return ""
    if not funnel.predicted:
        return "No bar has an out-of-sample prediction: load more bars, or shorten splits.training_days."
    if not funnel.above_threshold and config.signals.conformal:
        return (
            "No bar passed its entry threshold in a direction that was alone in its conformal set at "
            f"signals.conformal = {config.signals.conformal:g}: lower it, or set 0."
        )
    if not funnel.above_threshold:
        return _below_threshold(predictions, config)
    if not funnel.positive_kelly:
        return _no_fraction(predictions, decisions, config)
    if not funnel.quality:
        return _too_poor(predictions, decisions, config)
    if not funnel.unflagged:
        return _all_flagged(decisions)
    if not funnel.confirmed:
        return _unconfirmed(funnel, config)
    if not funnel.breaker:
        return (
            "Breakers stopped every entry: raise breakers.max_drawdown or breakers.max_daily_loss, or set 0."
        )
    if not funnel.quantity:
        return (
            f"Every quantity rounded to zero: execution.cash = {config.execution.cash:g} is too little for "
            "the instrument's step and minimum notional at these fractions; raise it."
        )
    return "Every entry was cancelled, because the next open could not be paid: raise execution.gap_reserve."


def _below_threshold(predictions: Predictions, config: RunConfig) -> str:
    score = predictions.score[predictions.known]
    low, high = float(score.min()), float(score.max())
    span = f"the scores lie between {low:.4f} and {high:.4f}"
    if config.signals.threshold != "auto":
        asked = f"No score passed signals.threshold = {config.signals.threshold}"
        upward = 0.0 if config.signals.direction == "short" else high
        downward = 0.0 if config.signals.direction == "long" else 1.0 - low
        reach = max(upward, downward)
        if reach <= 0.5:
            return f"{asked}: {span}, all on the other side of one half; allow another signals.direction."
        return f"{asked}: {span}; a threshold of {np.floor(reach * 1e4) / 1e4:.4f} would have passed."
    threshold = predictions.threshold[predictions.known]
    if np.isnan(threshold).all():
        return f"In no window does any score pay the costs of its trade ({span}): there is nothing to enter."
    need = " or ".join(_needs(threshold, config))
    return f"No score passed the cost break-even of its window: {span}, and an entry needs {need}."


def _needs(threshold: FloatArray, config: RunConfig) -> list[str]:
    long, short = threshold[:, 0], threshold[:, 1]
    needs = []
    if config.signals.direction != "short" and not np.isnan(long).all():
        needs.append(f"at least {np.nanmin(long):.4f} (long)")
    if config.signals.direction != "long" and not np.isnan(short).all():
        needs.append(f"at most {np.nanmax(short):.4f} (short)")
    return needs or ["another direction"]


def _no_fraction(predictions: Predictions, decisions: Decisions, config: RunConfig) -> str:
    rules = signal_rules(config, tick=0.01)
    at = decisions.stage >= THRESHOLD
    held = config.kelly.multiplier * _best_kelly(predictions, at, rules)
    unshrunk = config.kelly.multiplier * _best_kelly(predictions, at, rules._replace(standard_errors=0.0))
    return (
        f"No Kelly fraction reached kelly.min_fraction = {config.kelly.min_fraction:g}: kelly.multiplier x "
        f"Kelly was at most {held:.5f} with kelly.shrink = {config.kelly.shrink}, and {unshrunk:.5f} without "
        "shrinking."
    )


def _best_kelly(predictions: Predictions, at: BoolArray, rules: SignalRules) -> float:
    best = 0.0
    for t in np.flatnonzero(at):
        side = chosen_side(float(predictions.score[t]), predictions.threshold[t], rules)
        column = (1 - side) // 2
        win_prob, win_se = predictions.win_prob[t, column], predictions.win_se[t, column]
        payoff = predictions.payoff[t, column]
        best = max(best, kelly_fraction(win_prob, win_se, payoff, rules.standard_errors))
    return best


def _all_flagged(decisions: Decisions) -> str:
    flags = decisions.flags[decisions.stage == QUALITY]
    count = {name: int(np.sum(flags & bit != 0)) for bit, name in FLAG_NAMES.items()}
    which = ", ".join(f"{name} at {bars:,}" for name, bars in count.items() if bars)
    return (
        f"Breakers on data stopped every one of {len(flags):,} signals ({which}): raise risk.shock_atr, "
        "risk.stale_bars or risk.novelty, or set 0."
    )


def _unconfirmed(funnel: Funnel, config: RunConfig) -> str:
    return (
        f"At none of {funnel.unflagged:,} signals did the condition for its side hold "
        f"({told(config.signals)}): loosen it, or leave it empty."
    )


def _too_poor(predictions: Predictions, decisions: Decisions, config: RunConfig) -> str:
    at = decisions.stage >= KELLY
    side = np.where(predictions.score[at] > 0.5, predictions.prob_up[at], 1.0 - predictions.prob_up[at])
    confidence = float(side.max())
    quality = float(decisions.quality[at].max())
    least = dict(GRADES)[config.signals.min_grade]
    return (
        f"No signal reached signals.min_confidence = {config.signals.min_confidence:g} and min_grade = "
        f"{config.signals.min_grade} (quality {least:g}): the best confidence was {confidence:.4f} and the "
        f"best quality {quality:.1f} (grade {grade_of(quality)})."
    )
