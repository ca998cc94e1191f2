"""From predictions to what every column of a group shares: the bars it may enter at, and their trades.

The candidates are what `decide` itself makes of the group under the loosest rules that any column may have.
Stops, targets, quality, abstentions and flags are therefore its own; a column only chooses among them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from math import prod
from typing import Any, NamedTuple

import numpy as np

from mlstrat.arrays import BoolArray, FloatArray, IntArray, SideArray, njit
from mlstrat.config import RunConfig
from mlstrat.data.bars import Bars
from mlstrat.execution.types import SLIP, TICK, Decisions
from mlstrat.predictions import Predictions
from mlstrat.signals.kelly import kelly_fraction
from mlstrat.signals.rule import SignalRules, signal_rules
from mlstrat.signals.terms import risk_rules
from mlstrat.sweep.charges import charges_of
from mlstrat.sweep.forecasts import Forecasts
from mlstrat.sweep.grid import Grid, config_of
from mlstrat.sweep.kernel import Candidates, endings

_ERRORS = SignalRules._fields.index("standard_errors")


class Rules(NamedTuple):
    """How each column of a group takes its candidates.

    Parameters
    ----------
    signals : (n_columns, 13) float64
        `SignalRules`, in the order of its fields.
    risks : (n_columns, 11) float64
        `RiskRules.as_row()`.
    """

    signals: FloatArray
    risks: FloatArray


@dataclass(frozen=True)
class Choices:
    """What each value of each setting in `TAKING` puts into the rules of a column.

    Each number of the rules depends on one setting, so that a column's rules are those of its group with the
    numbers of its own values put in.

    Parameters
    ----------
    shape : tuple of int
        Number of values of each key.
    moved : tuple of array
        Of each key: which numbers it sets, bool.
    rows : tuple of array
        Of each key: (n_values, n_numbers) float64, the rules with each value.
    """

    shape: tuple[int, ...]
    moved: tuple[BoolArray, ...]
    rows: tuple[FloatArray, ...]

    def rules(self, config: RunConfig, bars: Bars) -> Rules:
        """Return the rules of every column of a group, in the order of the columns."""
        n_columns = prod(self.shape)
        table = np.tile(_row(config, bars), (n_columns, 1))
        places = np.unravel_index(np.arange(n_columns), self.shape) if self.shape else ()
        for moved, rows, place in zip(self.moved, self.rows, places, strict=True):
            table[:, moved] = rows[place][:, moved]
        split = len(SignalRules._fields)
        return Rules(np.ascontiguousarray(table[:, :split]), np.ascontiguousarray(table[:, split:]))


def choices_of(config: RunConfig, bars: Bars, taking: Grid) -> Choices:
    """Return what the values of a grid within a group put into the rules."""
    base = _row(config, bars)
    moved, tables = [], []
    for key, values in zip(taking.keys, taking.values, strict=True):
        rows = np.array([_row(*_changed(config, bars, key, value)) for value in values])
        moved.append(~((rows == base) | (np.isnan(rows) & np.isnan(base))).all(axis=0))
        tables.append(rows)
    return Choices(taking.shape, tuple(moved), tuple(tables))


def _changed(config: RunConfig, bars: Bars, key: str, value: Any) -> tuple[RunConfig, Bars]:
    section, _, name = key.partition(".")
    if section == "instrument":
        bars = replace(bars, instrument=bars.instrument.with_facts(**{name: value}))
    return config_of(config, {key: value}), bars


def _row(config: RunConfig, bars: Bars) -> FloatArray:
    signals = np.array(signal_rules(config, bars.instrument.tick), np.float64)
    return np.concatenate([signals, risk_rules(config, bars).as_row()])


def candidates_of(made: Forecasts, rules: Rules) -> tuple[Candidates, IntArray]:
    """Return the candidates of a group, and which column of their `kelly` each column of the group reads."""
    bars, predictions, config = made.bars, made.predictions, made.config
    errors, kelly_column = np.unique(rules.signals[:, _ERRORS], return_inverse=True)
    loosest = signal_rules(config, bars.instrument.tick)._replace(
        threshold=0.5,
        long=True,
        short=True,
        standard_errors=float(errors[0]),
        multiplier=1.0,
        max_position=1.0,
        min_fraction=0.0,
        by_risk=False,
        min_confidence=-math.inf,
        min_quality=-math.inf,
    )
    decisions = made.decide(rules=loosest)
    at = np.flatnonzero(decisions.side)
    side = decisions.side[at]
    row = risk_rules(config, bars).as_row()
    charges = charges_of(bars)
    ends, reason, price, last_due = endings(
        bars.matrix,
        at,
        side,
        decisions.stop[at],
        decisions.target[at],
        decisions.max_bars[at],
        row[SLIP] * row[TICK],
        charges,
    )
    return (
        Candidates(
            bars=bars.matrix,
            bar_seconds=float(bars.timeframe.seconds),
            at=at,
            first_from=np.searchsorted(at, np.arange(len(bars) + 1)),
            side=side,
            score=predictions.score[at],
            confidence=np.where(side > 0, predictions.prob_up[at], 1.0 - predictions.prob_up[at]),
            quality=decisions.quality[at],
            risk_share=_risk_share(bars, decisions, at),
            threshold=predictions.threshold[at],
            kelly=_kelly(predictions, at, side, errors),
            ends=ends,
            reason=reason,
            price=price,
            last_due=last_due,
            charges=charges,
        ),
        kelly_column.astype(np.int64),
    )


def _risk_share(bars: Bars, decisions: Decisions, at: IntArray) -> FloatArray:
    close = bars.close[at]
    return np.asarray(decisions.side[at] * (close - decisions.stop[at]) / close)


def _kelly(predictions: Predictions, at: IntArray, side: SideArray, errors: FloatArray) -> FloatArray:
    column = (1 - side.astype(np.int64)) // 2
    return _kelly_table(
        predictions.win_prob[at, column],
        predictions.win_se[at, column],
        predictions.payoff[at, column],
        errors,
    )


@njit
def _kelly_table(
    win_prob: FloatArray, win_se: FloatArray, payoff: FloatArray, errors: FloatArray
) -> FloatArray:
    out = np.empty((len(win_prob), len(errors)))
    for i in range(len(win_prob)):
        for k in range(len(errors)):
            out[i, k] = kelly_fraction(win_prob[i], win_se[i], payoff[i], errors[k])
    return out
