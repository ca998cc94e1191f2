"""Why two engines do not make a trade alike: the first thing that differs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mlstrat.arrays import BoolArray, FloatArray
from mlstrat.data.bars import Bars
from mlstrat.execution.types import OPEN, REASON_NAMES, SIDE_NAMES, Result

COUNTERS = ("sent", "blocked", "zero_units", "cancelled")
# The position of a difference that is of no single trade.
WHOLE_RUN = -1
# Engines add up in another order, so that sums part in the last bits. Numbers this close are the same: a
# share of the price, of the quantity, of the value traded, or of equity (a ten-millionth of a cent on 1).
SAME = 1e-9
# Prices one tick apart differ by a tick less some last bits.
_TICK_SLACK = 1e-6


@dataclass(frozen=True)
class Difference:
    """One thing that two engines do not make alike.

    Parameters
    ----------
    trade : int
        Position among the reference's trades; among the other's for a trade that only the other made;
        `WHOLE_RUN` where no single trade differs.
    time : str
        Open time of the bar of the trade's entry, or of the first close that differs, UTC; may be empty.
    cause : str
        Of a trade that both made: side, fill bar, price (by a tick or more), rounding (by less), size,
        reason, commission, funding or profit. Of a trade that one made: warm-up, breaker, size, missing or
        extra. Of the whole run: equity or counters.
    what : str
        What differs, the reference's value first.
    """

    trade: int
    time: str
    cause: str
    what: str


def of_pair(reference: Result, other: Result, bars: Bars, k: int, j: int, first: int) -> Difference:
    """Name the cause for trade `k` of the reference, which is trade `j` of the other.

    Of several differences the first is named, for what comes later follows from it: another fill gives
    another commission and profit.
    """
    cause, what = next(_of_pair(reference, other, bars, k, j, first))
    return Difference(k, _stamp(bars, int(reference.trades.entry_bar[k])), cause, what)


def _of_pair(
    reference: Result, other: Result, bars: Bars, k: int, j: int, first: int
) -> Iterator[tuple[str, str]]:
    ours, theirs = reference.trades, other.trades
    if ours.side[k] != theirs.side[j]:
        yield "side", f"{SIDE_NAMES[int(ours.side[k])]} and {SIDE_NAMES[int(theirs.side[j])]}"
    for name, label in (("entry_bar", "entry"), ("exit_bar", "exit")):
        bar, bar_there = int(getattr(ours, name)[k]), int(getattr(theirs, name)[j])
        if bar != bar_there:
            yield "fill bar", f"{label} in the bar of {_stamp(bars, bar)} and of {_stamp(bars, bar_there)}"
    tick = reference.rules.tick
    for name, label in (("entry_price", "entry"), ("exit_price", "exit")):
        one, two = float(getattr(ours, name)[k]), float(getattr(theirs, name)[j])
        ticks = abs(one - two) / tick
        if not _close(one, two):
            cause = "rounding" if ticks < 1.0 - _TICK_SLACK else "price"
            yield cause, f"{label} at {one:.12g} and {two:.12g}, {ticks:.3g} ticks apart"
    if not _close(float(ours.units[k]), float(theirs.units[j])):
        yield "size", _sizes(reference, other, k, j, first)
    if ours.reason[k] != theirs.reason[j]:
        yield "reason", f"{REASON_NAMES[int(ours.reason[k])]} and {REASON_NAMES[int(theirs.reason[j])]}"
    traded = float(ours.units[k] * (ours.entry_price[k] + ours.exit_price[k]))
    for name in ("commission", "funding", "profit"):
        one, two = float(getattr(ours, name)[k]), float(getattr(theirs, name)[j])
        if not abs(one - two) <= SAME * traded:
            yield name, f"{name} {one:.12g} and {two:.12g}"


def _close(one: float, two: float) -> bool:
    return abs(one - two) <= SAME * abs(one)


def _sizes(reference: Result, other: Result, k: int, j: int, first: int) -> str:
    text = f"{reference.trades.units[k]:.12g} and {other.trades.units[j]:.12g} units"
    bar = int(reference.trades.signal_bar[k])
    if bar < first:
        return text
    one, two = float(reference.equity[bar]), float(other.equity[bar - first])
    return text if _close(one, two) else f"{text}, from an equity of {one:.12g} and {two:.12g} at that close"


def of_one_alone(
    maker: Result, other: Result, bars: Bars, k: int, first: int, extra: bool = False
) -> Difference:
    """Name the cause for trade `k` that `maker` made and the other engine did not.

    Parameters
    ----------
    maker, other : Result
        Who made it and who did not; the trades count all bars.
    bars : Bars
        The bars.
    k : int
        Position of the trade.
    first : int
        First bar of the engine that is compared with the reference.
    extra : bool
        Whether the maker is that engine, and not the reference.
    """
    trades = maker.trades
    bar = int(trades.signal_bar[k])
    entered = int(trades.entry_bar[k])
    cause, why = _why_not(maker, other, bars, bar, 0 if extra else first)
    what = f"{SIDE_NAMES[int(trades.side[k])]} entry made by {maker.engine} alone: {other.engine} {why}"
    known = cause if cause != "missing" or not extra else "extra"
    return Difference(k, _stamp(bars, entered), known, what)


def _why_not(maker: Result, other: Result, bars: Bars, bar: int, first: int) -> tuple[str, str]:
    """Return the cause for which an engine made no entry on a signal at `bar`, and a predicate."""
    if bar < first:
        return "warm-up", f"begins with the bar of {_stamp(bars, first)}"
    held = _holding(other, bar)
    if held >= 0:
        return "missing", f"still held its trade of {_stamp(bars, int(other.trades.entry_bar[held]))}"
    more = {name: getattr(other, name) - getattr(maker, name) for name in COUNTERS}
    if more["blocked"] > 0:
        return "breaker", f"blocked {more['blocked']:,} candidates more by its breakers"
    if more["zero_units"] > 0:
        return "size", f"rounded {more['zero_units']:,} quantities more to 0"
    if more["cancelled"] > 0:
        return "missing", f"cancelled {more['cancelled']:,} entries more that it could not pay"
    return "missing", "did not enter"


def _holding(result: Result, bar: int) -> int:
    """Return the trade held at the close of a bar; -1 for none."""
    trades = result.trades
    ended = (trades.exit_bar <= bar) & (trades.reason != OPEN)
    held = np.flatnonzero((trades.entry_bar <= bar) & ~ended)
    return int(held[0]) if len(held) else -1


def of_equity(bars: Bars, gap: FloatArray, alike: BoolArray, first: int) -> list[Difference]:
    """Name the first close at which equity is not `alike`, though the trades are."""
    if alike.all():
        return []
    bar = int(np.argmin(alike))
    what = f"equity differs by {gap[bar]:.12g} at this close, although the trades are the same"
    return [Difference(WHOLE_RUN, _stamp(bars, first + bar), "equity", what)]


def of_counters(reference: Result, other: Result) -> list[Difference]:
    """Name the counters that differ though the trades do not."""
    counts = [(name, getattr(reference, name), getattr(other, name)) for name in COUNTERS]
    return [
        Difference(WHOLE_RUN, "", "counters", f"{one:,} and {two:,} candidates {name.replace('_', ' ')}")
        for name, one, two in counts
        if one != two
    ]


def _stamp(bars: Bars, bar: int) -> str:
    return str(np.datetime_as_string(bars.time[bar], "m")).replace("T", " ")
