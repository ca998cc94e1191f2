"""Many columns of trades at once: the one execution rule, asked only at the bars where something happens.

A column is one setting of a sweep. What a trade makes of its bars does not depend on the columns that take
it, so its end is looked up; a column walks the bars of its trades for their equity and skips all others, at
which equity stands still. Every decision of the rule is made by the functions of `mlstrat.execution.rule`.

The breakers are asked at the close that ends a trade and at each candidate, instead of at every flat close:
between the two, cash does not change, so that no breaker can open, and the first cash of a new day is the
last one of the day before.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from mlstrat.arrays import FloatArray, IntArray, SideArray, njit
from mlstrat.execution.rule import breaker_start, breaker_step, breaker_trade, entry_price, step_bar
from mlstrat.execution.types import CASH, OPEN
from mlstrat.signals.kelly import position_fraction
from mlstrat.signals.rule import SignalRules, chosen_side
from mlstrat.sweep.account import (
    asked,
    booked,
    gains_of,
    logged,
    opened,
    ordered,
    rules_row,
    within,
    written,
)
from mlstrat.sweep.charges import Charges, due_at_end


class Candidates(NamedTuple):
    """The bars at which some column of a group may enter, in order, and what their trades come to.

    Parameters
    ----------
    bars : (n_bars, 6) float64
        `Bars.matrix`.
    bar_seconds : float
        Length of a bar.
    at : (n,) int64
        Index of the deciding bar.
    first_from : (n_bars + 1,) int64
        Position of the first candidate at or after each bar.
    side : (n,) int8
        The side the score points to.
    score, confidence, quality, risk_share : (n,) float64
        As in `decide_row`.
    threshold : (n, 2) float64
        The window's own.
    kelly : (n, k) float64
        Full Kelly at each number of standard errors in use.
    ends : (n,) int64
        Bar on which the trade ends; the last bar where it has not.
    reason : (n,) int8
        Why it ends there.
    price : (n,) float64
        Price it ends at.
    last_due : (n,) float64
        What a unit of it is charged of funding and borrow where it ends.
    charges : Charges or None
        From `charges_of`.
    """

    bars: FloatArray
    bar_seconds: float
    at: IntArray
    first_from: IntArray
    side: SideArray
    score: FloatArray
    confidence: FloatArray
    quality: FloatArray
    risk_share: FloatArray
    threshold: FloatArray
    kelly: FloatArray
    ends: IntArray
    reason: SideArray
    price: FloatArray
    last_due: FloatArray
    charges: Charges | None


@within
def ending(
    bars: FloatArray, signal: int, side: int, stop: float, target: float, max_bars: int, slip: float
) -> tuple[int, int, float]:
    """Return the bar, the reason and the price at which a trade decided at `signal` ends.

    A trade that has not ended is marked to the last close, with the reason `OPEN`.
    """
    n = len(bars)
    for t in range(signal + 1, n):
        due = max_bars > 0 and t > signal + max_bars
        reason, price = step_bar(side, stop, target, due, bars[t, 0], bars[t, 1], bars[t, 2], slip)
        if reason != OPEN:
            return t, reason, price
    return n - 1, OPEN, bars[n - 1, 3]


@njit
def endings(
    bars: FloatArray,
    at: IntArray,
    side: SideArray,
    stop: FloatArray,
    target: FloatArray,
    max_bars: IntArray,
    slip: float,
    charges: Charges | None,
) -> tuple[IntArray, SideArray, FloatArray, FloatArray]:
    """Return `ending` and `due_at_end` of every candidate, arrays aligned with `at`."""
    n = len(at)
    ends, reasons, prices, dues = np.empty(n, np.int64), np.empty(n, np.int8), np.empty(n), np.zeros(n)
    for i in range(n):
        ends[i], reasons[i], prices[i] = ending(bars, at[i], side[i], stop[i], target[i], max_bars[i], slip)
        if charges is not None:
            ended = ends[i], prices[i]
            dues[i] = due_at_end(charges, bars, at[i], ended, side[i], stop[i], target[i], max_bars[i])
    return ends, reasons, prices, dues


@within
def signal_rules_of(row: FloatArray) -> SignalRules:
    """Return the compiled rule's settings from a row of numbers, in the order of the fields."""
    return SignalRules(
        row[0],
        row[1] != 0.0,
        row[2] != 0.0,
        row[3],
        row[4],
        row[5],
        row[6],
        row[7] != 0.0,
        row[8],
        row[9],
        row[10],
        row[11],
        row[12],
    )


@within
def fraction_of(
    score: float,
    threshold: FloatArray,
    confidence: float,
    quality: float,
    kelly: float,
    risk_share: float,
    rules: SignalRules,
) -> float:
    """Return the share of equity that a column puts on a candidate, as `decide_row` does; 0 = no trade."""
    if chosen_side(score, threshold, rules) == 0:
        return 0.0
    if confidence < rules.min_confidence or quality < rules.min_quality:
        return 0.0
    share = risk_share if rules.by_risk else 1.0
    return position_fraction(kelly, rules.multiplier, rules.max_position, rules.min_fraction, share)


@njit
def run_columns(
    candidates: Candidates,
    signals: FloatArray,
    risks: FloatArray,
    kelly_column: IntArray,
    accounts: FloatArray,
    log: FloatArray,
    gains: FloatArray,
    every: int,
) -> None:
    """Run columns that differ only in how they take the same candidates.

    Parameters
    ----------
    candidates : Candidates
        Of their group.
    signals : (n_columns, 13) float64
        `SignalRules` of each column.
    risks : (n_columns, 11) float64
        `RiskRules.as_row()` of each column.
    kelly_column : (n_columns,) int64
        Column of `candidates.kelly` that each reads.
    accounts : (n_columns, 19) float64
        Filled.
    log : (n_trades, 11) float64
        Filled with the trades of the last column (`LOGGED`), as far as it has room; no rows = not wanted.
    gains : (n_columns, n_periods) float64
        Zeros, to which the returns of each `every` bars are added; one empty row where `every` is 0.
    every : int
        Bars of a period, the first of which begins with the first bar; 0 = returns are not wanted.
    """
    bars, seconds, at, first_from = candidates[:4]
    side, score, confidence, quality, risk_share, threshold, kelly = candidates[4:11]
    ends, reasons, prices, dues, charges = candidates[11:]
    n, close, closing, opening = len(bars), bars[:, 3].copy(), bars[:, 5] + seconds, bars[:, 0].copy()
    for column in range(len(accounts)):
        rules, wanted = rules_row(risks[column]), signal_rules_of(signals[column])
        k, state = kelly_column[column], breaker_start(risks[column])
        account, into = opened(rules[CASH]), gains_of(gains, column, every)
        i = 0
        while i < len(at):
            own: Any = (threshold[i, 0], threshold[i, 1])
            share = fraction_of(score[i], own, confidence[i], quality[i], kelly[i, k], risk_share[i], wanted)
            if share <= 0.0:
                i += 1
                continue
            t, way = at[i], side[i]
            following = opening[t + 1] if t + 1 < n else math.nan
            account, units = ordered(
                account, t, closing[t], close[t], following, way, share, math.nan, rules, state
            )
            if units == 0.0:
                i += 1
                continue
            end, reason, price = ends[i], reasons[i], prices[i]
            paid = entry_price(way, following, rules)
            account, fees, funding, profit = booked(
                account, close, t, way, units, paid, end, reason, price, rules, into, charges, dues[i]
            )
            if account.tally.trades + account.tally.opened <= len(log):
                row = int(account.tally.trades + account.tally.opened) - 1
                logged(log, row, t, end, way, units, paid, price, fees, funding, profit, reason)
            if reason == OPEN:
                break
            breaker_trade(state, profit)
            account = asked(account, end, breaker_step(state, end, closing[end], account.cash, rules))
            i = first_from[end]
        written(account, accounts[column])
