"""The kernel against the execution rule, written out as a plain loop from the document's paragraphs.

Prices lie on a grid of quarters and all shares are powers of two, so that every sum here is exact in
binary: the two must agree to the last bit, ties included.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlstrat.data.bars import Bars
from mlstrat.data.instrument import Instrument
from mlstrat.data.timeframe import Timeframe
from mlstrat.errors import DataError
from mlstrat.execution.kernel import simulate
from mlstrat.execution.types import REASON_NAMES, Decisions, RiskRules

TICK = 0.25
FIRST = datetime(2024, 3, 9, 13)


@dataclass
class Account:
    cash: float
    trades: list = field(default_factory=list)
    equity: list = field(default_factory=list)
    counts: dict = field(default_factory=lambda: dict.fromkeys(("sent", "blocked", "zero", "cancelled"), 0))


class Breakers:
    """Paragraph 9: asked at flat closes only; opening one makes what it measures start afresh."""

    def __init__(self, rules: RiskRules) -> None:
        self.rules, self.peak, self.closed_until = rules, rules.cash, -1
        self.losses, self.day, self.morning, self.evening = 0, None, rules.cash, rules.cash

    def may_enter(self, t: int, when: datetime, cash: float) -> bool:
        if when.date() != self.day:
            self.day, self.morning = when.date(), self.evening
        self.evening = cash
        if cash > self.peak:
            self.peak = cash
        if t < self.closed_until:
            return False
        r = self.rules
        too_deep = r.max_drawdown and cash < self.peak - self.peak * r.max_drawdown
        bad_day = r.max_daily_loss and cash < self.morning - self.morning * r.max_daily_loss
        bad_luck = r.max_losing_streak and self.losses >= r.max_losing_streak
        if too_deep or bad_day or bad_luck:
            self.closed_until = t + r.cooldown_bars
            self.peak = self.morning = cash
            self.losses = 0
            return False
        return True


def exit_of(side, stop, target, bar, time_exit_due):
    """Paragraph 4, a to d: why and at which price a position leaves this bar; None if it stays."""
    open_, high, low, _ = bar
    if time_exit_due:
        return "time", open_
    below, above = (stop, target) if side == "long" else (target, stop)
    name = {below: "stop", above: "target"} if side == "long" else {below: "target", above: "stop"}
    for level, beyond in ((below, open_ <= below), (above, open_ >= above)):
        if beyond:
            return name[level], open_
    touched = [level for level, hit in ((below, low <= below), (above, high >= above)) if hit]
    if len(touched) == 2:
        touched = [above] if high - open_ < open_ - low else [below]
    return (name[touched[0]], touched[0]) if touched else None


def quantity_of(equity, close, fraction, units, rules):
    """Paragraph 2."""
    whole = round(1 / rules.step)

    def on_grid(wanted):
        return math.floor(wanted * whole + 1e-9) / whole

    wanted = on_grid(equity * fraction / close) if math.isnan(units) else on_grid(units)
    payable = on_grid(equity / (close * (1 + rules.fee_share + rules.gap_reserve)))
    quantity = min(wanted, payable)
    return quantity if quantity > 0 and quantity * close >= rules.min_notional else 0.0


def by_hand(bars: Bars, d: Decisions, rules: RiskRules) -> Account:
    account, breakers = Account(rules.cash), Breakers(rules)
    slip = rules.slippage_ticks * rules.tick
    pending = position = None
    for t in range(len(bars)):
        bar = tuple(float(column[t]) for column in (bars.open, bars.high, bars.low, bars.close))
        open_, close = bar[0], bar[3]
        if pending is not None:
            worse = slip if pending["side"] == "long" else -slip
            cost = pending["units"] * (open_ + worse)
            if cost + cost * rules.fee_share > account.cash:
                account.counts["cancelled"] += 1
            else:
                position = {**pending, "entry": t, "paid": open_ + worse, "fees": cost * rules.fee_share}
                account.cash += -cost if position["side"] == "long" else cost
                account.cash -= position["fees"]
            pending = None
        if position is not None:
            due = position["max_bars"] > 0 and t - 1 >= position["signal"] + position["max_bars"]
            left = exit_of(position["side"], position["stop"], position["target"], bar, due)
            if left is not None:
                long = position["side"] == "long"
                price = left[1] if left[0] == "target" else left[1] - (slip if long else -slip)
                value = position["units"] * price
                account.cash += (value if long else -value) - value * rules.fee_share
                position["fees"] += value * rules.fee_share
                close_trade(account, breakers, position, t, price, left[0])
                position = None
        held = 0.0 if position is None else position["units"] * (1 if position["side"] == "long" else -1)
        account.equity.append(account.cash + held * close)
        if position is None:
            allowed = breakers.may_enter(t, FIRST + timedelta(hours=t), account.cash)
            pending = order_at(account, allowed, d, t, close, rules)
    if position is not None:
        close_trade(account, breakers, position, len(bars) - 1, close, "open")
    return account


def order_at(account, allowed, d, t, close, rules):
    if d.side[t] == 0:
        return None
    account.counts["sent"] += 1
    if not allowed:
        account.counts["blocked"] += 1
        return None
    units = quantity_of(account.cash, close, float(d.fraction[t]), float(d.units[t]), rules)
    if units == 0:
        account.counts["zero"] += 1
        return None
    side = "long" if d.side[t] > 0 else "short"
    stop, target, max_bars = float(d.stop[t]), float(d.target[t]), int(d.max_bars[t])
    return {
        "signal": t,
        "side": side,
        "units": units,
        "stop": stop,
        "target": target,
        "max_bars": max_bars,
    }


def close_trade(account, breakers, position, t, price, why):
    gain = (price - position["paid"]) * position["units"]
    profit = (gain if position["side"] == "long" else -gain) - position["fees"]
    breakers.losses = breakers.losses + 1 if profit < 0 else 0
    account.trades.append(
        (
            position["signal"],
            position["entry"],
            t,
            position["side"],
            position["units"],
            position["paid"],
            price,
            position["fees"],
            profit,
            why,
        )
    )


def rows_of(trades):
    return [
        (
            int(trades.signal_bar[i]),
            int(trades.entry_bar[i]),
            int(trades.exit_bar[i]),
            "long" if trades.side[i] > 0 else "short",
            float(trades.units[i]),
            float(trades.entry_price[i]),
            float(trades.exit_price[i]),
            float(trades.commission[i]),
            float(trades.profit[i]),
            REASON_NAMES[int(trades.reason[i])],
        )
        for i in range(len(trades))
    ]


def bars_of(moves) -> Bars:
    """Bars in whole ticks: each move is (gap of the open, change to the close, wick up, wick down)."""
    last, rows = 400, []
    for gap, change, up, down in moves:
        open_ = max(last + gap, 20)
        last = max(open_ + change, 20)
        rows.append((open_, max(open_, last) + up, max(min(open_, last) - down, 1), last))
    columns = (np.array(rows, np.float64) * TICK).T
    start = np.datetime64(FIRST, "ns")
    time = start + np.arange(len(rows)) * np.timedelta64(3_600_000_000_000, "ns")
    return Bars(time, *columns, np.ones(len(rows)), "T", Timeframe("1h"), Instrument("T", TICK, 1.0))


def decisions_of(bars: Bars, wishes) -> Decisions:
    """Each wish is (side, stop distance, target distance, time exit, fraction, units) with ticks."""
    side, stop, target, max_bars, fraction, units = (np.array(column) for column in zip(*wishes, strict=True))
    close = np.array(bars.close)
    return Decisions(
        "T",
        np.array(bars.time),
        side.astype(np.int8),
        fraction.astype(np.float64),
        units.astype(np.float64),
        np.where(side == 0, np.nan, close - side * stop * TICK),
        np.where(side == 0, np.nan, close + side * target * TICK),
        max_bars.astype(np.int64),
        np.zeros(len(side), np.int8),
        np.full(len(side), np.nan),
    )


MOVES = st.tuples(
    st.sampled_from((0, 0, 0, 0, 1, -1, 3, -4, 12, -12)),
    st.integers(-6, 6),
    st.integers(0, 6),
    st.integers(0, 6),
)
WISHES = st.tuples(
    st.sampled_from((0, 1, 1, -1, -1)),
    st.integers(0, 12),
    st.integers(1, 12),
    st.integers(0, 5),
    st.sampled_from((0.0, 0.125, 0.5, 1.0)),
    st.sampled_from((np.nan, np.nan, np.nan, 3.0, 50.0, 0.0)),
)
RULES = st.builds(
    RiskRules,
    cash=st.sampled_from((64.0, 1024.0, 8192.0)),
    fee_share=st.sampled_from((0.0, 2.0**-9)),
    tick=st.just(TICK),
    step=st.sampled_from((1.0, 0.125)),
    min_notional=st.sampled_from((0.0, 128.0)),
    slippage_ticks=st.sampled_from((0.0, 1.0, 3.0)),
    gap_reserve=st.sampled_from((0.0, 2.0**-6)),
    max_drawdown=st.sampled_from((0.0, 0.0, 2.0**-6)),
    max_daily_loss=st.sampled_from((0.0, 0.0, 2.0**-7)),
    max_losing_streak=st.sampled_from((0, 0, 1, 3)),
    cooldown_bars=st.sampled_from((1, 2, 7)),
)
RUNS = st.lists(st.tuples(MOVES, WISHES), min_size=1, max_size=60)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(run=RUNS, rules=RULES)
def test_kernel_is_the_rule_to_the_last_bit(run, rules):
    bars = bars_of([moves for moves, _ in run])
    decisions = decisions_of(bars, [wish for _, wish in run])
    expected = by_hand(bars, decisions, rules)
    got = simulate(bars, decisions, rules)
    assert rows_of(got.trades) == expected.trades
    assert got.equity.tolist() == expected.equity
    counted = {
        "sent": got.sent,
        "blocked": got.blocked,
        "zero": got.zero_units,
        "cancelled": got.cancelled,
    }
    assert counted == expected.counts


def one_trade(moves, wish, **rules):
    """Trade once, at the close of bar 0."""
    bars = bars_of([(0, 0, 0, 0), *moves])
    quiet = (0, 0, 1, 0, 0.0, np.nan)
    decisions = decisions_of(bars, [wish] + [quiet] * len(moves))
    facts = {"cash": 8192.0, "tick": TICK, "step": 1.0, "gap_reserve": 0.0, **rules}
    return simulate(bars, decisions, RiskRules(**facts))


# The entry is at bar 1; stop 4 ticks (1.00) and target 4 ticks away from a close of 100.
LONG, SHORT = (1, 4, 4, 0, 0.5, np.nan), (-1, 4, 4, 0, 0.5, np.nan)


@pytest.mark.parametrize(
    ("wish", "moves", "bar", "price", "reason"),
    [
        pytest.param(LONG, [(0, 0, 4, 0)], 1, 101.0, "target", id="4d target on the entry bar"),
        pytest.param(LONG, [(0, 0, 0, 4)], 1, 99.0, "stop", id="4d stop on the entry bar"),
        pytest.param(LONG, [(-6, 0, 9, 0)], 1, 98.5, "stop", id="4b open beyond the stop on the entry bar"),
        pytest.param(LONG, [(6, 0, 0, 9)], 1, 101.5, "target", id="4b open beyond the target"),
        pytest.param(LONG, [(-4, 0, 9, 0)], 1, 99.0, "stop", id="4b open at the stop"),
        pytest.param(LONG, [(-4, 0, 8, 12)], 1, 99.0, "stop", id="4b before 4c, high first"),
        pytest.param(SHORT, [(4, 0, 12, 8)], 1, 101.0, "stop", id="4b before 4c, low first"),
        pytest.param(LONG, [(0, 0, 4, 5)], 1, 101.0, "target", id="4c high nearer: high first"),
        pytest.param(LONG, [(0, 0, 5, 4)], 1, 99.0, "stop", id="4c low nearer: low first"),
        pytest.param(LONG, [(0, 0, 4, 4)], 1, 99.0, "stop", id="4c tie: low first"),
        pytest.param(SHORT, [(0, 0, 4, 5)], 1, 101.0, "stop", id="4c short, high first"),
        pytest.param(SHORT, [(0, 0, 4, 4)], 1, 99.0, "target", id="4c short, tie: low first"),
        pytest.param(SHORT, [(9, 0, 0, 0)], 1, 102.25, "stop", id="4b short, open beyond the stop"),
        pytest.param(
            (1, 4, 4, 1, 0.5, np.nan), [(0, 0, 0, 0), (-9, 0, 0, 0)], 2, 97.75, "time", id="4a before 4b"
        ),
        pytest.param((1, 4, 4, 2, 0.5, np.nan), [(0, 1, 0, 0)] * 3, 3, 100.5, "time", id="5 N = 2"),
        pytest.param(LONG, [(0, 1, 0, 0), (0, 1, 0, 0)], 2, 100.5, "open", id="10 marked, not dropped"),
    ],
)
def test_each_paragraph_by_hand(wish, moves, bar, price, reason):
    trades = one_trade(moves, wish).trades
    assert len(trades) == 1
    assert (int(trades.exit_bar[0]), float(trades.exit_price[0])) == (bar, price)
    assert REASON_NAMES[int(trades.reason[0])] == reason


def test_slippage_is_lost_on_market_and_stop_fills_only():
    stopped = one_trade([(0, 0, 0, 4)], LONG, slippage_ticks=2.0).trades
    assert (stopped.entry_price[0], stopped.exit_price[0]) == (100.5, 98.5)
    won = one_trade([(0, 0, 4, 0)], SHORT, slippage_ticks=2.0).trades
    assert (won.entry_price[0], won.exit_price[0]) == (99.5, 101.5)
    reached = one_trade([(0, 0, 4, 0)], LONG, slippage_ticks=2.0).trades
    assert (reached.entry_price[0], reached.exit_price[0]) == (100.5, 101.0)


def test_an_open_too_dear_to_pay_cancels_the_order():
    result = one_trade([(1, 0, 0, 0)], (1, 40, 40, 0, 1.0, np.nan), cash=800.0)
    assert (result.cancelled, len(result.trades)) == (1, 0)
    reserved = one_trade([(1, 0, 0, 0)], (1, 40, 40, 0, 1.0, np.nan), cash=800.0, gap_reserve=0.01)
    assert (reserved.cancelled, float(reserved.trades.units[0])) == (0, 7.0)


def test_decisions_on_other_bars_are_refused():
    bars = bars_of([(0, 0, 0, 0)] * 3)
    decisions = decisions_of(bars[:2], [LONG, LONG])
    with pytest.raises(DataError, match="decide on the same bars that you execute on"):
        simulate(bars, decisions, RiskRules())
