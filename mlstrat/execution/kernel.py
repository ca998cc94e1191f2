"""Execution by the numba kernel: the fastest of the engines and the one the others are compared with."""

import numpy as np

from mlstrat.arrays import FloatArray, IntArray, SideArray, njit
from mlstrat.data.bars import Bars
from mlstrat.errors import DataError
from mlstrat.execution.carry import close_charge, exit_charge, gap_charge, rates_of
from mlstrat.execution.rule import (
    breaker_start,
    breaker_step,
    breaker_trade,
    entry_price,
    payable,
    profit_of,
    step_bar,
    units_for,
)
from mlstrat.execution.types import CASH, FEE, OPEN, SLIP, TICK, Decisions, Result, RiskRules, Trades

# Columns of the kernel's trade rows.
_SIGNAL, _ENTRY, _EXIT, _SIDE, _UNITS, _BUY, _SELL, _COMMISSION, _PROFIT, _REASON, _FUNDING = range(11)
ROW_WIDTH = 11
# Counters.
CANCELLED, SENT, BLOCKED, ZERO = range(4)


def simulate(bars: Bars, decisions: Decisions, rules: RiskRules) -> Result:
    """Execute decisions on bars by the one execution rule.

    Parameters
    ----------
    bars : Bars
        The bars decided on; a decision at bar t fills at the open of bar t + 1. Where they have a carry,
        funding and borrow are charged.
    decisions : Decisions
        One candidate a bar, aligned with `bars`.
    rules : RiskRules
        Cash, costs, grids and breakers.

    Returns
    -------
    Result
        Trades and equity; a trade open at the last bar is marked to its close, never dropped.

    Raises
    ------
    DataError
        The decisions are not aligned with the bars.
    """
    check_aligned(bars, decisions)
    rows, equity, counts = _simulate(
        bars.matrix,
        float(bars.timeframe.seconds),
        decisions.side,
        decisions.fraction,
        decisions.units,
        decisions.stop,
        decisions.target,
        decisions.max_bars,
        rules.as_row(),
        rates_of(bars),
    )
    return result_of(bars, rules, rows, equity, counts)


def check_aligned(bars: Bars, decisions: Decisions) -> None:
    """Raise DataError unless there is one decision a bar, at the same times."""
    if len(bars) != len(decisions) or not np.array_equal(bars.time, decisions.time):
        raise DataError(
            f"decisions of {decisions.symbol} ({len(decisions):,} rows) do not match the bars of "
            f"{bars.symbol} ({len(bars):,} rows): decide on the same bars that you execute on."
        )


def result_of(bars: Bars, rules: RiskRules, rows: FloatArray, equity: FloatArray, counts: IntArray) -> Result:
    """Return what a loop over the bars wrote down as a result."""
    return Result(
        symbol=bars.symbol,
        time=bars.time,
        equity=equity,
        trades=_trades(rows),
        cancelled=int(counts[CANCELLED]),
        sent=int(counts[SENT]),
        blocked=int(counts[BLOCKED]),
        zero_units=int(counts[ZERO]),
        rules=rules,
        charged=bars.carry is not None,
    )


def _trades(rows: FloatArray) -> Trades:
    whole, side = np.int64, np.int8
    return Trades(
        signal_bar=rows[:, _SIGNAL].astype(whole),
        entry_bar=rows[:, _ENTRY].astype(whole),
        exit_bar=rows[:, _EXIT].astype(whole),
        side=rows[:, _SIDE].astype(side),
        units=rows[:, _UNITS].copy(),
        entry_price=rows[:, _BUY].copy(),
        exit_price=rows[:, _SELL].copy(),
        commission=rows[:, _COMMISSION].copy(),
        profit=rows[:, _PROFIT].copy(),
        reason=rows[:, _REASON].astype(side),
        funding=rows[:, _FUNDING].copy(),
    )


@njit
def record(
    row: FloatArray,
    signal: int,
    entry: int,
    exit_: int,
    held: int,
    quantity: float,
    paid: float,
    price: float,
    fees: float,
    funding: float,
    reason: int,
) -> float:
    """Write a trade down in a row of width `ROW_WIDTH`, and return its profit."""
    row[_SIGNAL], row[_ENTRY], row[_EXIT], row[_SIDE] = signal, entry, exit_, held
    row[_UNITS], row[_BUY], row[_SELL] = quantity, paid, price
    row[_COMMISSION], row[_FUNDING], row[_REASON] = fees, funding, reason
    row[_PROFIT] = profit_of(held, quantity, paid, price, fees + funding)
    return float(row[_PROFIT])


@njit
def _simulate(
    bars: FloatArray,
    bar_seconds: float,
    side: SideArray,
    fraction: FloatArray,
    units: FloatArray,
    stop: FloatArray,
    target: FloatArray,
    max_bars: IntArray,
    rules: FloatArray,
    rates: FloatArray,
) -> tuple[FloatArray, FloatArray, IntArray]:
    n = len(bars)
    rows = np.zeros((n, ROW_WIDTH))
    equity = np.empty(n)
    counts = np.zeros(4, np.int64)
    breakers = breaker_start(rules)
    slip = rules[SLIP] * rules[TICK]
    fee = rules[FEE]
    cash = rules[CASH]
    n_trades = 0
    signal, entry, held = -1, -1, 0
    quantity, paid, order, funding, due_now = 0.0, 0.0, 0.0, 0.0, 0.0
    charged = len(rates) > 0
    for t in range(n):
        open_, high, low, close = bars[t, 0], bars[t, 1], bars[t, 2], bars[t, 3]
        if charged and held != 0:
            due_now = gap_charge(rates, t, held, quantity, open_)
            cash -= due_now
            funding += due_now
        if order > 0.0:
            price = entry_price(side[signal], open_, rules)
            if payable(side[signal], order, price, cash, rules):
                held, quantity, paid, entry = int(side[signal]), order, price, t
                cash -= quantity * paid * (held + fee)
                funding = 0.0
            else:
                counts[CANCELLED] += 1
            order = 0.0
        if held != 0:
            due = max_bars[signal] > 0 and t > signal + max_bars[signal]
            reason, price = step_bar(held, stop[signal], target[signal], due, open_, high, low, slip)
            if charged:
                if reason == OPEN:
                    due_now = close_charge(rates, t, held, quantity, close)
                else:
                    due_now = exit_charge(
                        rates, t, held, quantity, stop[signal], target[signal], due, open_, price
                    )
                cash -= due_now
                funding += due_now
            if reason != OPEN:
                cash += quantity * price * (held - fee)
                fees = quantity * (paid + price) * fee
                row = rows[n_trades]
                profit = record(row, signal, entry, t, held, quantity, paid, price, fees, funding, reason)
                n_trades += 1
                breaker_trade(breakers, profit)
                held = 0
        equity[t] = cash + held * quantity * close
        if held == 0:
            allowed = breaker_step(breakers, t, bars[t, 5] + bar_seconds, cash, rules)
            if side[t] != 0:
                counts[SENT] += 1
                if not allowed:
                    counts[BLOCKED] += 1
                    continue
                order = units_for(cash, close, fraction[t], units[t], rules)
                if order == 0.0:
                    counts[ZERO] += 1
                signal = t
    if held != 0:
        mark, fees = bars[n - 1, 3], quantity * paid * fee
        record(rows[n_trades], signal, entry, n - 1, held, quantity, paid, mark, fees, funding, OPEN)
        n_trades += 1
    return rows[:n_trades].copy(), equity, counts
