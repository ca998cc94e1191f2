"""One bar's forecast in the guide's form: plain numbers, names and a reason in words."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mlstrat.execution.types import SIDE_NAMES
from mlstrat.live import LiveForecast, Predictor
from mlstrat.models.contributions import contributions
from mlstrat.signals.funnel import BAR, KELLY, PREDICTED, THRESHOLD
from mlstrat.signals.quality import grade_of
from mlstrat.signals.risk import why_skipped
from mlstrat.signals.rule import signal_rules

_TOP = 5
_ACTIONS = {"long": "buy", "short": "sell", "flat": "hold"}
# Least probability of the predicted direction for each word; the quality score calls 0.6 full confidence.
_WORDS = ((0.60, "high"), (0.55, "medium"))


def answer(predictor: Predictor, forecast: LiveForecast) -> dict[str, Any]:
    """Return what is said about the last bar of a forecast.

    Returns
    -------
    dict
        Keys and units as in docs/models.md; ready for JSON, None where a number does not exist.
    """
    t = len(forecast.bars) - 1
    said, made, bars = forecast.predictions, forecast.decisions, forecast.bars
    votes = dict(zip(said.vote_names, said.votes[t], strict=True))
    side = SIDE_NAMES[int(made.side[t])]
    return {
        "symbol": bars.symbol,
        "timeframe": str(bars.timeframe),
        "bar": _stamp(bars.time[t]),
        "valid_from": _stamp(bars.close_time[t]),
        "direction_probability": _number(said.prob_up[t]),
        "magnitude_prediction": _number(votes["boosting"]),
        "lstm_prediction": _number(votes["lstm"]),
        "ensemble_magnitude": _number(said.magnitude[t]),
        "confidence": _number(said.confidence[t]),
        "signal_strength": _number(abs(said.magnitude[t])),
        "top_features": _top_features(predictor, forecast, t),
        "recommendation": {
            "action": _ACTIONS[side],
            "confidence": _word(said.confidence[t]),
            "reason": reason(predictor, forecast, t),
        },
        "side": side,
        "fraction": _number(made.fraction[t]),
        "stop": _number(made.stop[t]),
        "target": _number(made.target[t]),
        "max_bars": int(made.max_bars[t]),
        "model_sha256": predictor.capsule.window.model_sha256,
    }


def reason(predictor: Predictor, forecast: LiveForecast, t: int) -> str:
    """Say in words why bar t of a forecast is traded or not: the last step of the decision rule it passed."""
    said, made, config = forecast.predictions, forecast.decisions, predictor.config
    stage = int(made.stage[t])
    if stage == BAR:
        return "No forecast: a feature or the ATR of this bar is not known."
    outlook = (
        f"A rise over the next {config.labels.target_periods} bars has probability {said.prob_up[t]:.1%}, "
        f"the expected move is {said.magnitude[t]:+.2%}."
    )
    if stage == PREDICTED:
        return (
            f"{outlook} The score of {said.score[t]:.3f} passes no entry threshold: {_thresholds(predictor)}."
        )
    column = 0 if said.score[t] > 0.5 else 1
    odds = (
        f"A {('long', 'short')[column]} trade is estimated to end in profit with probability "
        f"{said.win_prob[t, column]:.1%} and to win {said.payoff[t, column]:.2f} times what it loses"
    )
    if stage == THRESHOLD:
        return f"{outlook} {odds}; after the deduction for uncertainty that leaves nothing to bet on."
    if stage == KELLY:
        grade = grade_of(float(made.quality[t]))
        return f"{outlook} {odds}; its grade {grade} or its confidence is below what the settings ask for."
    if made.side[t] == 0:
        return f"{outlook} {odds}; no entry is made: {why_skipped(made, t)}."
    return f"{outlook} {odds}; Kelly's rule puts {made.fraction[t]:.2%} of equity on it."


def _thresholds(predictor: Predictor) -> str:
    rules = signal_rules(predictor.config, predictor.capsule.about.facts().tick)
    fixed = rules.threshold
    long_at, short_at = predictor.capsule.threshold if math.isnan(fixed) else (fixed, 1.0 - fixed)
    sides = (("long", "from", rules.long, long_at), ("short", "to", rules.short, short_at))
    said = [
        f"{name} never" if math.isnan(at) else f"{name} {word} {at:.3f}"
        for name, word, allowed, at in sides
        if allowed
    ]
    return ", ".join(said)


def _top_features(predictor: Predictor, forecast: LiveForecast, t: int) -> list[tuple[str, float]]:
    if not np.isfinite(forecast.x[t]).all():
        return []
    state = predictor.state_at(forecast, t)
    capsule = predictor.capsule
    credit = contributions(forecast.x[t], state, capsule.ensemble, capsule.guests)
    if not np.isfinite(credit).all():
        return []
    order = np.argsort(-np.abs(credit), kind="stable")[:_TOP]
    names = capsule.about.features
    return [(names[k], float(credit[k])) for k in order if credit[k] != 0.0]


def _word(confidence: float) -> str:
    return next((word for least, word in _WORDS if confidence >= least), "low")


def _stamp(moment: np.datetime64) -> str:
    return f"{np.datetime_as_string(moment, 's')}Z"


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
