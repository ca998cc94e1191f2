"""`simulate`: decisions executed by vectorbt's own simulator, order by order."""

from typing import Any

import numpy as np
import vectorbt as vbt
from vectorbt.portfolio.enums import OrderSide

from mlstrat.data.bars import Bars
from mlstrat.engines.on_vectorbt.order_function import (
    BLOCKED,
    CANCELLED,
    REFUSED,
    SENT,
    ZERO_UNITS,
    Desk,
    Plan,
    act_at_close,
    ask_fills,
    new_desk,
    note_refusal,
)
from mlstrat.engines.on_vectorbt.rule_portfolio import closes
from mlstrat.errors import DataError
from mlstrat.execution.carry import rates_of
from mlstrat.execution.kernel import check_aligned
from mlstrat.execution.rule import profit_of
from mlstrat.execution.types import CASH, OPEN, Decisions, Result, RiskRules, Trades


def simulate(bars: Bars, decisions: Decisions, rules: RiskRules) -> Result:
    """Execute decisions on bars in vectorbt, by the one execution rule.

    `vectorbt.Portfolio.from_order_func` with a flexible order function: it asks for the fills, and vectorbt
    books cash, position and commission. Trades are read from its order records and equity is its value, so
    that they check the kernel's bookkeeping. vectorbt knows no funding: what is charged is taken from its
    cash during the simulation, and from its value and the trades' profits, which it makes of orders alone,
    afterwards. It is hundreds of times slower than the kernel.

    Parameters
    ----------
    bars : Bars
        The bars decided on; a decision at bar t fills at the open of bar t + 1.
    decisions : Decisions
        One candidate a bar, aligned with `bars`.
    rules : RiskRules
        Cash, costs, grids and breakers.

    Returns
    -------
    Result
        The trades, equity and counters of the kernel (floats within 1e-9), as vectorbt booked them.

    Raises
    ------
    DataError
        The decisions are not aligned with the bars, or a fill cannot be booked by vectorbt: a short that
        loses far more than the account holds, or a price that slippage takes to zero.
    """
    check_aligned(bars, decisions)
    plan = Plan(
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
        spare=rules.cash,
    )
    booked, desk = _booked(bars, plan)
    counts = desk.counts
    if counts[REFUSED] >= 0:
        raise DataError(
            f"vectorbt cannot book the fill in bar {counts[REFUSED]:,} of {bars.symbol} "
            f"({bars.time[counts[REFUSED]]}), which would leave debt or has a price of zero or less: "
            "trade a smaller share of equity or fewer ticks of slippage, or execute in the kernel."
        )
    return Result(
        symbol=bars.symbol,
        time=bars.time,
        equity=booked.value().to_numpy() - plan.spare - np.cumsum(desk.charged),
        trades=_trades(booked.orders.values, desk, bars),
        cancelled=int(counts[CANCELLED]),
        sent=int(counts[SENT]),
        blocked=int(counts[BLOCKED]),
        zero_units=int(counts[ZERO_UNITS]),
        rules=rules,
        engine="vectorbt",
        charged=bars.carry is not None,
    )


def _booked(bars: Bars, plan: Plan) -> tuple[vbt.Portfolio, Desk]:
    desk = new_desk(plan)
    booked = vbt.Portfolio.from_order_func(
        closes(bars),
        ask_fills,
        plan,
        desk,
        flexible=True,
        init_cash=plan.rules[CASH] + plan.spare,
        post_order_func_nb=note_refusal,
        post_order_args=(plan, desk),
        post_segment_func_nb=act_at_close,
        post_segment_args=(plan, desk),
        # A bar holds at most an entry and its exit: what was held before leaves no room for an entry.
        max_orders=2 * len(bars),
        max_logs=1,
        freq=bars.timeframe.delta,
    )
    return booked, desk


def _trades(orders: Any, desk: Desk, bars: Bars) -> Trades:
    """Pair the order records, which alternate between entries and exits."""
    entries, exits = orders[0::2], orders[1::2]
    n, n_closed = len(entries), len(exits)
    exit_bar, reason = np.full(n, len(bars) - 1, np.int64), np.full(n, OPEN, np.int8)
    exit_bar[:n_closed], reason[:n_closed] = exits["idx"], desk.reason[exits["idx"]]
    exit_price, commission = np.full(n, bars.close[-1]), entries["fees"].copy()
    exit_price[:n_closed] = exits["price"]
    commission[:n_closed] += exits["fees"]
    side = np.where(entries["side"] == OrderSide.Buy, 1, -1).astype(np.int8)
    units, entry_price = entries["size"].copy(), entries["price"].copy()
    funding = np.full(n, desk.paid[0])
    funding[:n_closed] = desk.funding[exits["idx"]]
    columns = zip(side, units, entry_price, exit_price, commission + funding, strict=True)
    return Trades(
        signal_bar=entries["idx"] - 1,
        entry_bar=entries["idx"].copy(),
        exit_bar=exit_bar,
        side=side,
        units=units,
        entry_price=entry_price,
        exit_price=exit_price,
        commission=commission,
        profit=np.array([profit_of(*row) for row in columns], np.float64),
        reason=reason,
        funding=funding,
    )
