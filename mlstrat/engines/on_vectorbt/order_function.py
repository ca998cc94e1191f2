"""The one execution rule as vectorbt's callbacks: one asks for the fills of a bar, one acts at its close.

They decide from vectorbt's own cash, position and order records, never from books of their own; funding,
which vectorbt does not know, they take from its cash and write down.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np
from vectorbt.portfolio import nb as vectorbt_nb
from vectorbt.portfolio.enums import NoOrder, OrderStatus
from vectorbt.portfolio.nb import order_nb

from mlstrat.arrays import FloatArray, IntArray, SideArray, njit
from mlstrat.execution.carry import close_charge, exit_charge, gap_charge
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
from mlstrat.execution.types import FEE, OPEN, SLIP, TICK

P = ParamSpec("P")
R = TypeVar("R")

# Positions in `Desk.counts`; REFUSED is the first bar whose fill vectorbt would not book, -1 for none.
CANCELLED, SENT, BLOCKED, ZERO_UNITS, SIGNAL_BAR, REFUSED = range(6)


class Plan(NamedTuple):
    """What is executed: bars (n_bars, 6), the columns of the decisions, and the rules as a row.

    `spare` is cash that vectorbt's account holds besides that of the rules. vectorbt takes amounts within a
    billionth of each other for equal and forgets what remains; with cash to spare no entry takes nearly all.
    `rates` are those of `mlstrat.execution.carry`, without rows where nothing is charged.
    """

    bars: FloatArray
    bar_seconds: float
    side: SideArray
    fraction: FloatArray
    units: FloatArray
    stop: FloatArray
    target: FloatArray
    max_bars: IntArray
    rules: FloatArray
    rates: FloatArray
    spare: float


class Desk(NamedTuple):
    """What the callbacks hand to one another and vectorbt does not keep.

    `pending` holds the units of the entry that was sent at the last close, 0 for none; `reason` says of
    each bar why a trade ended in it, OPEN where none did; `charged` says what was
    taken from cash in each bar, `paid` what the last trade has paid so far, and `funding` of each bar what
    the trade that ended in it had paid.
    """

    pending: FloatArray
    breakers: FloatArray
    counts: IntArray
    reason: SideArray
    charged: FloatArray
    paid: FloatArray
    funding: FloatArray


def _compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile, and compile again with another vectorbt, whose `order_nb` becomes part of the code."""
    return njit(function, also=vectorbt_nb.__file__)


def new_desk(plan: Plan) -> Desk:
    """Return the desk before the first bar."""
    counts = np.zeros(6, np.int64)
    counts[SIGNAL_BAR] = counts[REFUSED] = -1
    n = len(plan.bars)
    breakers = breaker_start(plan.rules)
    reason, charged, funding = np.zeros(n, np.int8), np.zeros(n), np.zeros(n)
    return Desk(np.zeros(1), breakers, counts, reason, charged, np.zeros(1), funding)


@_compiled
def ask_fills(ctx: Any, plan: Plan, desk: Desk) -> tuple[int, Any]:
    """Flexible order function: the pending entry, then the exit of what is held, then column -1."""
    column, t = ctx.from_col, ctx.i
    signal = desk.counts[SIGNAL_BAR]
    if signal < 0 or desk.counts[REFUSED] >= 0:
        return -1, NoOrder
    side, charged = int(plan.side[signal]), len(plan.rates) > 0
    open_, high, low = plan.bars[t, 0], plan.bars[t, 1], plan.bars[t, 2]
    held = ctx.last_position[column]
    if charged and held != 0.0 and ctx.call_idx == 0:
        _charge(ctx, gap_charge(plan.rates, t, side, abs(held), open_), desk)
    units, price = desk.pending[0], entry_price(side, open_, plan.rules)
    if units > 0.0:
        desk.pending[0] = 0.0
        if payable(side, units, price, ctx.last_cash[column] - plan.spare, plan.rules):
            desk.paid[0] = 0.0
            return _order(ctx, side * units, price, plan, desk)
        desk.counts[CANCELLED] += 1
    held = ctx.last_position[column]
    if held == 0.0:
        return -1, NoOrder
    slip = plan.rules[SLIP] * plan.rules[TICK]
    due = plan.max_bars[signal] > 0 and t > signal + plan.max_bars[signal]
    reason, price = step_bar(side, plan.stop[signal], plan.target[signal], due, open_, high, low, slip)
    if reason == OPEN:
        return -1, NoOrder
    desk.reason[t] = reason
    if charged:
        stop, target = plan.stop[signal], plan.target[signal]
        _charge(ctx, exit_charge(plan.rates, t, side, abs(held), stop, target, due, open_, price), desk)
    desk.funding[t] = desk.paid[0]
    return _order(ctx, -held, price, plan, desk)


@_compiled
def _charge(ctx: Any, amount: float, desk: Desk) -> None:
    column = ctx.from_col
    ctx.last_cash[column] -= amount
    ctx.last_free_cash[column] -= amount
    desk.charged[ctx.i] += amount
    desk.paid[0] += amount


@_compiled
def _order(ctx: Any, signed_units: float, price: float, plan: Plan, desk: Desk) -> tuple[int, Any]:
    if price <= 0.0:
        desk.counts[REFUSED] = ctx.i
        return -1, NoOrder
    return ctx.from_col, order_nb(size=signed_units, price=price, fees=plan.rules[FEE], allow_partial=False)


@_compiled
def note_refusal(ctx: Any, plan: Plan, desk: Desk) -> None:
    """Post-order callback: remember the bar of a fill that vectorbt did not book."""
    if ctx.order_result.status != OrderStatus.Filled:
        desk.counts[REFUSED] = ctx.i


@_compiled
def act_at_close(ctx: Any, plan: Plan, desk: Desk) -> None:
    """Post-segment callback: breakers and, when flat with none open, the candidate of this close."""
    column, t, counts = ctx.from_col, ctx.i, desk.counts
    held = ctx.last_position[column]
    if held != 0.0 and len(plan.rates):
        side = 1 if held > 0.0 else -1
        _charge(ctx, close_charge(plan.rates, t, side, abs(held), plan.bars[t, 3]), desk)
    if held != 0.0 or counts[REFUSED] >= 0:
        return
    if desk.reason[t] != OPEN:
        _tell_breakers(ctx, plan, desk)
    cash, close = ctx.last_cash[column] - plan.spare, plan.bars[t, 3]
    allowed = breaker_step(desk.breakers, t, plan.bars[t, 5] + plan.bar_seconds, cash, plan.rules)
    if plan.side[t] == 0:
        return
    counts[SENT] += 1
    if not allowed:
        counts[BLOCKED] += 1
        return
    desk.pending[0] = units_for(cash, close, plan.fraction[t], plan.units[t], plan.rules)
    if desk.pending[0] == 0.0:
        counts[ZERO_UNITS] += 1
    counts[SIGNAL_BAR] = t


@_compiled
def _tell_breakers(ctx: Any, plan: Plan, desk: Desk) -> None:
    last = ctx.last_oidx[ctx.from_col]
    entry, exit_ = ctx.order_records[last - 1], ctx.order_records[last]
    side = int(plan.side[desk.counts[SIGNAL_BAR]])
    fees = entry["fees"] + exit_["fees"] + desk.paid[0]
    breaker_trade(desk.breakers, profit_of(side, entry["size"], entry["price"], exit_["price"], fees))
