"""Columns of given entries, executed by the one execution rule."""

from __future__ import annotations

import math
from typing import Any

from mlstrat.arrays import FloatArray, IntArray, SideArray, njit
from mlstrat.execution.rule import breaker_start, breaker_step, breaker_trade, entry_price
from mlstrat.execution.types import CASH, OPEN, SLIP, TICK
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
from mlstrat.sweep.kernel import ending


@njit
def run_entries(
    bars: FloatArray,
    bar_seconds: float,
    side: SideArray,
    fraction: FloatArray,
    units: FloatArray,
    stop: FloatArray,
    target: FloatArray,
    max_bars: IntArray,
    risks: FloatArray,
    accounts: FloatArray,
    log: FloatArray,
    gains: FloatArray,
    every: int,
    charges: Charges | None = None,
) -> None:
    """Run columns of given decisions.

    Parameters
    ----------
    bars : (n_bars, 6) float64
        `Bars.matrix`.
    bar_seconds : float
        Length of a bar.
    side : (n_columns, n_bars) int8
        As in `Decisions`.
    fraction, units, stop, target, max_bars : (n_columns or 1, n_bars or 1)
        As in `Decisions`; one row or one value a row stands for all.
    risks : (n_columns, 11) float64
        `RiskRules.as_row()` of each column.
    accounts, log, gains, every
        As for `run_columns`.
    charges : Charges, optional
        From `charges_of`.
    """
    n, close, closing, opening = len(bars), bars[:, 3].copy(), bars[:, 5] + bar_seconds, bars[:, 0].copy()
    for column in range(len(accounts)):
        rules, state = rules_row(risks[column]), breaker_start(risks[column])
        account, slip = opened(rules[CASH]), rules[SLIP] * rules[TICK]
        into = gains_of(gains, column, every)
        t = 0
        while t < n:
            way = side[column, t]
            if way == 0:
                t += 1
                continue
            share, given = at_or_all(fraction, column, t), at_or_all(units, column, t)
            following = opening[t + 1] if t + 1 < n else math.nan
            account, order = ordered(
                account, t, closing[t], close[t], following, way, share, given, rules, state
            )
            if order == 0.0:
                t += 1
                continue
            low, high = at_or_all(stop, column, t), at_or_all(target, column, t)
            most = at_or_all(max_bars, column, t)
            end, reason, price = ending(bars, t, way, low, high, most, slip)
            due = 0.0
            if charges is not None:
                due = due_at_end(charges, bars, t, (end, price), way, low, high, most)
            paid = entry_price(way, following, rules)
            account, fees, funding, profit = booked(
                account, close, t, way, order, paid, end, reason, price, rules, into, charges, due
            )
            if account.tally.trades + account.tally.opened <= len(log):
                row = int(account.tally.trades + account.tally.opened) - 1
                logged(log, row, t, end, way, order, paid, price, fees, funding, profit, reason)
            if reason == OPEN:
                break
            breaker_trade(state, profit)
            account = asked(account, end, breaker_step(state, end, closing[end], account.cash, rules))
            t = end
        written(account, accounts[column])


@within
def at_or_all(table: Any, column: int, bar: int) -> Any:
    """Return a value of a table of which one row, or one value a row, may stand for all."""
    return table[min(column, table.shape[0] - 1), min(bar, table.shape[1] - 1)]


@njit
def first_defect(
    side: SideArray, fraction: FloatArray, stop: FloatArray, target: FloatArray
) -> tuple[int, int, int]:
    """Return column, bar and kind of the first entry that cannot be executed; kind 0 = there is none.

    Kinds: 1 the side is none of 1, 0, -1; 2 the fraction is no share; 3 the stop is not short of the target;
    4 one of these is not above zero. Tables as for `run_entries`.
    """
    for column in range(len(side)):
        for t in range(side.shape[1]):
            way = side[column, t]
            if way == 0:
                continue
            share = at_or_all(fraction, column, t)
            low, high = at_or_all(stop, column, t), at_or_all(target, column, t)
            if way != 1 and way != -1:
                return column, t, 1
            if not (share >= 0.0 and share <= 1.0):
                return column, t, 2
            if not (high - low) * way > 0.0:
                return column, t, 3
            if not min(low, high) > 0.0:
                return column, t, 4
    return -1, -1, 0
