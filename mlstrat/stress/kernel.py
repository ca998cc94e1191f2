"""Execution of the same decisions under worse fills: the kernel's loop with an assumption in it."""

from __future__ import annotations

import numpy as np

from mlstrat.arrays import FloatArray, IntArray, SideArray, njit
from mlstrat.data.bars import Bars
from mlstrat.execution.carry import close_charge, exit_charge, gap_charge, rates_of
from mlstrat.execution.kernel import (
    BLOCKED,
    CANCELLED,
    ROW_WIDTH,
    SENT,
    ZERO,
    check_aligned,
    record,
    result_of,
)
from mlstrat.execution.rule import (
    breaker_start,
    breaker_step,
    breaker_trade,
    payable,
    units_for,
)
from mlstrat.execution.types import CASH, FEE, OPEN, SLIP, TICK, Decisions, Result, RiskRules
from mlstrat.stress.assumption import DELAY, HALF_SPREAD, SHARE, WORST, Assumption
from mlstrat.stress.fills import at_most, paid_under, seen_target, step_under


def simulate_under(bars: Bars, decisions: Decisions, rules: RiskRules, assumption: Assumption) -> Result:
    """Execute decisions under an assumption; under `Assumption()` the bits are those of `simulate`.

    While an order waits for its late open the account is not flat, so that later candidates are passed over.
    An order whose open lies beyond the last bar never fills. A volume cap cuts entries only: a position is
    left whole, as the rule knows no partial exit.

    Parameters
    ----------
    bars, decisions, rules
        As in `mlstrat.execution.kernel.simulate`.
    assumption : Assumption
        What makes fills worse.

    Returns
    -------
    Result
        `cancelled` also counts entries for which the filling bar has too little volume, `zero_units` those
        for which the deciding bar has.

    Raises
    ------
    DataError
        The decisions are not aligned with the bars.
    """
    check_aligned(bars, decisions)
    row = rules.as_row()
    row[SLIP] += assumption.slippage_ticks
    rows, equity, counts = _simulate(
        bars.matrix,
        float(bars.timeframe.seconds),
        decisions.side,
        decisions.fraction,
        decisions.units,
        decisions.stop,
        decisions.target,
        decisions.max_bars,
        row,
        rates_of(bars),
        assumption.as_row(),
    )
    return result_of(bars, rules, rows, equity, counts)


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
    assumed: FloatArray,
) -> tuple[FloatArray, FloatArray, IntArray]:
    n = len(bars)
    rows = np.zeros((n, ROW_WIDTH))
    equity = np.empty(n)
    counts = np.zeros(4, np.int64)
    breakers = breaker_start(rules)
    slip, fee, cash = rules[SLIP] * rules[TICK], rules[FEE], rules[CASH]
    spread, late, worst, share = (
        assumed[HALF_SPREAD],
        int(assumed[DELAY]),
        assumed[WORST] != 0,
        assumed[SHARE],
    )
    n_trades = 0
    signal, entry, held = -1, -1, 0
    quantity, paid, order, funding, due_now = 0.0, 0.0, 0.0, 0.0, 0.0
    charged = len(rates) > 0
    for t in range(n):
        open_, high, low, close = bars[t, 0], bars[t, 1], bars[t, 2], bars[t, 3]
        capacity = share * bars[t, 4] if share < np.inf else np.inf
        if charged and held != 0:
            due_now = gap_charge(rates, t, held, quantity, open_)
            cash -= due_now
            funding += due_now
        if order > 0.0 and t == signal + 1 + late:
            order = at_most(order, capacity, open_, rules)
            price = paid_under(side[signal], open_, spread, rules)
            if order > 0.0 and payable(side[signal], order, price, cash, rules):
                held, quantity, paid, entry = int(side[signal]), order, price, t
                cash -= quantity * paid * (held + fee)
                funding = 0.0
            else:
                counts[CANCELLED] += 1
            order = 0.0
        if held != 0:
            due = max_bars[signal] > 0 and t > signal + max_bars[signal] + late
            reason, price = step_under(
                held, stop[signal], target[signal], due, open_, high, low, slip, spread, worst
            )
            if charged:
                if reason == OPEN:
                    due_now = close_charge(rates, t, held, quantity, close)
                else:
                    seen = seen_target(held, target[signal], spread)
                    due_now = exit_charge(rates, t, held, quantity, stop[signal], seen, due, open_, price)
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
        if held == 0 and order == 0.0:
            allowed = breaker_step(breakers, t, bars[t, 5] + bar_seconds, cash, rules)
            if side[t] != 0:
                counts[SENT] += 1
                if not allowed:
                    counts[BLOCKED] += 1
                    continue
                order = at_most(units_for(cash, close, fraction[t], units[t], rules), capacity, close, rules)
                if order == 0.0:
                    counts[ZERO] += 1
                signal = t
    if held != 0:
        mark, fees = bars[n - 1, 3], quantity * paid * fee
        record(rows[n_trades], signal, entry, n - 1, held, quantity, paid, mark, fees, funding, OPEN)
        n_trades += 1
    return rows[:n_trades].copy(), equity, counts
