"""Bars and decisions in whole ticks, and the execution under worse fills written out from its definitions."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from mlstrat.data.bars import Bars
from mlstrat.data.instrument import Instrument
from mlstrat.data.timeframe import Timeframe
from mlstrat.execution.types import REASON_NAMES, Decisions, RiskRules
from mlstrat.stress import Assumption

TICK = 0.25
FIRST = datetime(2024, 3, 9, 13)


def bars_of(moves, volume=None) -> Bars:
    """Bars in whole ticks: each move is (gap of the open, change to the close, wick up, wick down)."""
    last, rows = 400, []
    for gap, change, up, down in moves:
        open_ = max(last + gap, 20)
        last = max(open_ + change, 20)
        rows.append((open_, max(open_, last) + up, max(min(open_, last) - down, 1), last))
    columns = (np.array(rows, np.float64) * TICK).T
    time = np.datetime64(FIRST, "ns") + np.arange(len(rows)) * np.timedelta64(3_600_000_000_000, "ns")
    volume = np.ones(len(rows)) if volume is None else np.array(volume, np.float64)
    return Bars(time, *columns, volume, "T", Timeframe("1h"), Instrument("T", TICK, 1.0))


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


QUIET = (0, 0, 1, 0, 0.0, math.nan)


def one_wish(moves, wish, volume=None):
    """A flat bar at 100 that decides, then the moves."""
    bars = bars_of([(0, 0, 0, 0), *moves], volume)
    return bars, decisions_of(bars, [wish] + [QUIET] * len(moves))


def random_case(seed: int, n: int = 60):
    """Bars with ties of every kind, wishes at most bars, costs and breakers; all sums are exact in binary."""
    rng = np.random.default_rng(seed)
    pick = rng.choice
    gaps = pick((0, 0, 0, 1, -1, 3, -4, 12, -12), n)
    moves = np.column_stack([gaps, rng.integers(-6, 7, n), rng.integers(0, 7, (n, 2))]).tolist()
    wishes = list(
        zip(
            pick((0, 1, 1, -1, -1), n),
            rng.integers(0, 13, n),
            rng.integers(1, 13, n),
            rng.integers(0, 6, n),
            pick((0.0, 0.125, 0.5, 1.0), n),
            pick((math.nan, math.nan, math.nan, 3.0, 50.0, 0.0), n),
            strict=True,
        )
    )
    rules = RiskRules(
        cash=float(pick((64.0, 1024.0, 8192.0))),
        fee_share=float(pick((0.0, 2.0**-9))),
        tick=TICK,
        step=float(pick((1.0, 0.125))),
        min_notional=float(pick((0.0, 128.0))),
        slippage_ticks=float(pick((0.0, 1.0, 3.0))),
        gap_reserve=float(pick((0.0, 2.0**-6))),
        max_drawdown=float(pick((0.0, 0.0, 2.0**-6))),
        max_daily_loss=float(pick((0.0, 0.0, 2.0**-7))),
        max_losing_streak=int(pick((0, 0, 1, 3))),
        cooldown_bars=int(pick((1, 2, 7))),
    )
    bars = bars_of(moves, rng.integers(0, 200, n))
    return bars, decisions_of(bars, wishes), rules


def random_assumption(seed: int) -> Assumption:
    rng = np.random.default_rng(seed)
    return Assumption(
        slippage_ticks=float(rng.choice((0.0, 1.0, 4.0))),
        half_spread=float(rng.choice((0.0, 2.0**-8, 2.0**-5))),
        delay_bars=int(rng.choice((0, 0, 1, 2, 5))),
        worst_order=bool(rng.choice((True, False))),
        volume_share=float(rng.choice((math.inf, 0.5, 2.0**-6))),
    )


@dataclass
class Book:
    cash: float
    trades: list = field(default_factory=list)
    equity: list = field(default_factory=list)
    counts: dict = field(default_factory=lambda: dict.fromkeys(("sent", "blocked", "zero", "cancelled"), 0))


class Breakers:
    """Asked at closes without position and without a waiting order."""

    def __init__(self, rules: RiskRules) -> None:
        self.rules, self.peak, self.closed_until = rules, rules.cash, -1
        self.losses, self.day, self.morning, self.evening = 0, None, rules.cash, rules.cash

    def may_enter(self, t: int, cash: float) -> bool:
        today = (FIRST + timedelta(hours=t)).date()
        if today != self.day:
            self.day, self.morning = today, self.evening
        self.evening, self.peak = cash, max(self.peak, cash)
        if t < self.closed_until:
            return False
        r = self.rules
        if (
            (r.max_drawdown and cash < self.peak - self.peak * r.max_drawdown)
            or (r.max_daily_loss and cash < self.morning - self.morning * r.max_daily_loss)
            or (r.max_losing_streak and self.losses >= r.max_losing_streak)
        ):
            self.closed_until, self.peak, self.morning, self.losses = t + r.cooldown_bars, cash, cash, 0
            return False
        return True


def floored(units: float, step: float) -> float:
    return math.floor(units / step + 1e-9) * step


def leaving(long: bool, stop, target, due, bar, assumed: Assumption, slip: float):
    """Why and at which price a position leaves a bar; None if it stays.

    A long sells at the bid, a short buys at the ask; the bar's prices lie in the middle. Stops are set off by
    the prices of the bar, targets fill against the quote.
    """
    open_, high, low = bar
    sign = 1 if long else -1

    def quote(price):
        return price * (1 - sign * assumed.half_spread)

    def market(price):
        return quote(price) - sign * slip

    if due:
        return "time", market(open_)
    if open_ <= stop if long else open_ >= stop:
        return "stop", market(open_)
    if quote(open_) >= target if long else quote(open_) <= target:
        return "target", quote(open_)
    stopped = low <= stop if long else high >= stop
    won = quote(high) >= target if long else quote(low) <= target
    if stopped and won:
        high_first = high - open_ < open_ - low
        won = not assumed.worst_order and high_first == long
        stopped = not won
    if stopped:
        return "stop", market(stop)
    return ("target", target) if won else None


def by_hand(bars: Bars, d: Decisions, rules: RiskRules, assumed: Assumption) -> Book:
    book, breakers = Book(rules.cash), Breakers(rules)
    slip = (rules.slippage_ticks + assumed.slippage_ticks) * rules.tick
    waiting = position = None
    for t in range(len(bars)):
        open_, high, low, close, volume = (float(getattr(bars, name)[t]) for name in COLUMNS)
        room = assumed.volume_share * volume if math.isfinite(assumed.volume_share) else math.inf
        if waiting is not None and t == waiting["signal"] + 1 + assumed.delay_bars:
            position = filled(book, waiting, t, open_, room, rules, assumed, slip)
            waiting = None
        if position is not None:
            due = position["max_bars"] > 0 and (
                t >= position["signal"] + position["max_bars"] + 1 + assumed.delay_bars
            )
            left = leaving(
                position["long"], position["stop"], position["target"], due, (open_, high, low), assumed, slip
            )
            if left is not None:
                reason, price = left
                value = position["units"] * price
                book.cash += (value if position["long"] else -value) - value * rules.fee_share
                position["fees"] += value * rules.fee_share
                booked(book, breakers, position, t, price, reason)
                position = None
        worth = 0.0 if position is None else (1 if position["long"] else -1) * position["units"] * close
        book.equity.append(book.cash + worth)
        if position is None and waiting is None:
            waiting = wanted(book, breakers.may_enter(t, book.cash), d, t, close, room, rules)
    if position is not None:
        booked(book, breakers, position, len(bars) - 1, close, "open")
    return book


COLUMNS = ("open", "high", "low", "close", "volume")


def filled(book, order, t, open_, room, rules, assumed, slip):
    sign = 1 if order["long"] else -1
    price = open_ + sign * (slip + assumed.half_spread * open_)
    units = order["units"]
    if units > room:
        units = floored(room, rules.step)
        units = units if units * open_ >= rules.min_notional else 0.0
    cost = units * price
    if not units or cost + cost * rules.fee_share > book.cash:
        book.counts["cancelled"] += 1
        return None
    book.cash -= sign * cost + cost * rules.fee_share
    return {**order, "units": units, "entry": t, "paid": price, "fees": cost * rules.fee_share}


def wanted(book, allowed, d, t, close, room, rules):
    if d.side[t] == 0:
        return None
    book.counts["sent"] += 1
    if not allowed:
        book.counts["blocked"] += 1
        return None
    given = float(d.units[t])
    units = book.cash * float(d.fraction[t]) / close if math.isnan(given) else given
    most = book.cash / (close * (1 + rules.fee_share + rules.gap_reserve))
    units = min(floored(each, rules.step) for each in (units, most, min(room, 1e9)))
    if units <= 0 or units * close < rules.min_notional:
        book.counts["zero"] += 1
        return None
    return {
        "signal": t,
        "long": bool(d.side[t] > 0),
        "units": units,
        "stop": float(d.stop[t]),
        "target": float(d.target[t]),
        "max_bars": int(d.max_bars[t]),
    }


def booked(book, breakers, position, t, price, reason):
    gain = (price - position["paid"]) * position["units"]
    profit = (gain if position["long"] else -gain) - position["fees"]
    if reason != "open":
        breakers.losses = breakers.losses + 1 if profit < 0 else 0
    book.trades.append(
        (
            position["signal"],
            position["entry"],
            t,
            position["long"],
            position["units"],
            position["paid"],
            price,
            position["fees"],
            profit,
            reason,
        )
    )


def rows_of(trades):
    return [
        (
            int(trades.signal_bar[i]),
            int(trades.entry_bar[i]),
            int(trades.exit_bar[i]),
            bool(trades.side[i] > 0),
            float(trades.units[i]),
            float(trades.entry_price[i]),
            float(trades.exit_price[i]),
            float(trades.commission[i]),
            float(trades.profit[i]),
            REASON_NAMES[int(trades.reason[i])],
        )
        for i in range(len(trades))
    ]
