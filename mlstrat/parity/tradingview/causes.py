"""Why one trade of TradingView's list is not the run's: one named cause and a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.data.bars import Bars
from mlstrat.execution.types import OPEN, SIDE_NAMES, STOP, TARGET, TIME, Decisions, Result
from mlstrat.parity.tradingview.reading import ListedTrades
from mlstrat.parity.tradingview.world import World, sizes_alike

EQUAL, UNEXPLAINED = "equal", "not explained"
TIME_ZONE, OTHER_CHART = "time zone", "other chart"
SIDE, ENTRY_TIME, ENTRY_PRICE, SIZE, EXIT_TIME, EXIT_PRICE, PROFIT = (
    "side",
    "entry time",
    "entry price",
    "size",
    "exit time",
    "exit price",
    "profit",
)
# Which setting explains a field first, among those that the whole list shows to differ.
_SIZES = ("contract step", "capital", "sizes", "chart start", "newest window", "slippage", "commission")
_FIRST = {
    ENTRY_PRICE: ("slippage",),
    SIZE: _SIZES,
    EXIT_PRICE: ("slippage",),
    PROFIT: ("commission", "slippage", *_SIZES),
}
# An account parted by so little is taken to explain a size, beyond steps and digits.
_NEAR = 1e-3

Explained = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Case:
    """A run and a list, with what the whole list shows.

    Parameters
    ----------
    bars : Bars
        The run's.
    decisions : Decisions
        The run's.
    ours : Result
        What the kernel makes of them.
    listed : ListedTrades
        The list, in UTC.
    world : World
        The decisions executed as TradingView seems to have.
    overall : (str, str) or None
        A cause that bears on every trade, and its clause: another time zone, bar length or chart.
    """

    bars: Bars
    decisions: Decisions
    ours: Result
    listed: ListedTrades
    world: World
    overall: Explained | None = None

    @property
    def unlike_chart(self) -> tuple[Explained, ...]:
        """The cause of every difference where the chart is another one; empty where it is not."""
        return (self.overall,) if self.overall and self.overall[0] != TIME_ZONE else ()

    @cached_property
    def bar_of(self) -> IntArray:
        """(n_listed,) int64: bar of each listed entry; -1 where the run has none at that time."""
        place = np.minimum(np.searchsorted(self.bars.time, self.listed.entry_time), len(self.bars) - 1)
        return np.where(self.bars.time[place] == self.listed.entry_time, place, -1)

    @cached_property
    def equity_before(self) -> FloatArray:
        """(n_listed,) float64: the list's account before each trade, as its profits add up."""
        profits = np.nan_to_num(self.listed.profit)
        return np.asarray(self.world.rules.cash + np.cumsum(profits) - profits)

    @cached_property
    def world_entry(self) -> dict[tuple[int, int], int]:
        """Positions of the world's trades by entry bar and side."""
        trades = self.world.result.trades
        pairs = zip(trades.entry_bar.tolist(), trades.side.tolist(), strict=True)
        return {key: k for k, key in enumerate(pairs)}


def first_difference(result: Result, k: int, listed: ListedTrades, j: int) -> str:
    """Return the first field in which a trade of a result differs from a listed one; empty where none does.

    Prices are the same within half a tick, sizes as far as they are printed, profits to one unit of the last
    digit printed. An exit is compared where both have one; a trade open at the end of either is left later in
    the other.
    """
    trades, half_tick = result.trades, 0.5 * result.rules.tick
    entry, leave = result.time[trades.entry_bar[k]], result.time[trades.exit_bar[k]]
    units = trades.units[k : k + 1]
    ours_open, theirs_open = trades.reason[k] == OPEN, bool(listed.is_open[j])
    if trades.side[k] != listed.side[j]:
        return SIDE
    if entry != listed.entry_time[j]:
        return ENTRY_TIME
    if abs(trades.entry_price[k] - listed.entry_price[j]) >= half_tick:
        return ENTRY_PRICE
    if not sizes_alike(units, listed.units[j : j + 1], listed.units_step)[0]:
        return SIZE
    if ours_open or theirs_open:
        later = leave > listed.last_time if theirs_open else listed.exit_time[j] > result.time[-1]
        return "" if later or (ours_open and theirs_open) else EXIT_TIME
    if leave != listed.exit_time[j]:
        return EXIT_TIME
    if abs(trades.exit_price[k] - listed.exit_price[j]) >= half_tick:
        return EXIT_PRICE
    traded = units[0] * (trades.entry_price[k] + trades.exit_price[k])
    wide = abs(trades.profit[k] - listed.profit[j]) > listed.profit_step * (1 + 1e-6) + 1e-9 * traded
    return PROFIT if wide else ""


def of_pair(case: Case, k: int, j: int) -> Explained:
    """Explain trade `k` of the run, which is trade `j` of the list; `EQUAL` where nothing differs."""
    field = first_difference(case.ours, k, case.listed, j)
    if not field:
        return case.overall if case.overall and not case.unlike_chart else (EQUAL, "")
    return next(_of_pair(case, k, j, field))


def _of_pair(case: Case, k: int, j: int, field: str) -> Iterator[Explained]:
    yield from case.unlike_chart
    setting = proved(case, j, field)
    if setting:
        yield setting
    trades, listed = case.ours.trades, case.listed
    if field == SIDE:
        decided, made = SIDE_NAMES[int(trades.side[k])], SIDE_NAMES[int(listed.side[j])]
        yield (
            "inputs",
            f"the run decided a {decided} and TradingView a {made}: an input or the chart is another",
        )
    if field == ENTRY_TIME:
        yield from _entry_time(case, k, j)
    if field in (ENTRY_PRICE, EXIT_PRICE):
        yield from _price(case, k, j, field)
    if field == SIZE:
        yield from _size(case, k, j)
    if field == EXIT_TIME:
        yield from _exit_time(case, k, j)
    if field == PROFIT and "commission" in case.world.found:
        yield "commission", case.world.found["commission"]
    yield UNEXPLAINED, f"its {field} is another: {_values(case, k, j, field)}"


def proved(case: Case, j: int, field: str) -> Explained | None:
    """Return the setting under which the kernel makes this listed trade too."""
    key = (int(case.bar_of[j]), int(case.listed.side[j]))
    k = case.world_entry.get(key)
    if not case.world.found or k is None or first_difference(case.world.result, k, case.listed, j):
        return None
    found = case.world.found
    cause = next((name for name in _FIRST.get(field, ()) if name in found), next(iter(found)))
    return cause, f"{found[cause]}; executed like that, the run makes this trade"


def _entry_time(case: Case, k: int, j: int) -> Iterator[Explained]:
    trades, bar = case.ours.trades, int(case.bar_of[j])
    bars_late = bar - int(trades.entry_bar[k])
    slip = trades.side[k] * case.world.rules.slippage_ticks * case.world.rules.tick
    at_open = bar >= 0 and _near(case, case.bars.open[bar] + slip, float(case.listed.entry_price[j]))
    if not (bars_late > 0 and at_open):
        return
    missing, signal = stamp(case.bars.time[trades.entry_bar[k]]), int(trades.signal_bar[k])
    fixed = (float(case.decisions.stop[signal]), float(case.decisions.target[signal]))
    kept = any(_near(case, price, float(case.listed.exit_price[j]), abs(slip)) for price in fixed)
    if case.decisions.side[bar - 1] == trades.side[k] and not kept:
        yield (
            "later decision",
            f"entered {bars_late} bars later, where the run decides the same again: an input that "
            f"changes trades silenced the first, or the chart lacks the bar of {missing}",
        )
    yield "missing bar", f"the chart lacks the bar of {missing}, so that the entry fills at the next open"


def _price(case: Case, k: int, j: int, field: str) -> Iterator[Explained]:
    ours, theirs = _prices(case, k, j, field)
    tick, step = case.ours.rules.tick, case.listed.price_step
    apart = abs(ours - theirs)
    if step > tick * (1 + 1e-6) and apart < step * (1 + 1e-6):
        yield (
            "tick",
            f"prices are printed in steps of {step:g} there and {tick:g} in the run: {apart:g} apart",
        )
    slipped = case.world.found.get("slippage")
    expected = (case.world.rules.slippage_ticks - case.ours.rules.slippage_ticks) * tick
    if slipped and abs(apart - abs(expected)) < 0.5 * tick:
        yield "slippage", slipped
    what = f"the {field} is {theirs:.12g} there and {ours:.12g} in the run, {apart / ours:.3%} apart"
    yield "price data", f"{what}: another exchange, contract or adjusted prices"


def _size(case: Case, k: int, j: int) -> Iterator[Explained]:
    listed, ours = float(case.listed.units[j]), float(case.ours.trades.units[k])
    loose = case.ours.rules.step + case.listed.units_step
    if np.isfinite(case.world.ratio) and abs(listed - ours * case.world.ratio) <= loose + 0.03 * listed:
        yield "sizes", case.world.found["sizes"]
    made = case.world_entry.get((int(case.bar_of[j]), int(case.listed.side[j])))
    if made is None:
        return
    base = case.world.result
    booked = float(base.rules.cash + base.trades.profit[:made].sum())
    account = float(case.equity_before[j])
    expected = float(base.trades.units[made]) * account / booked
    if abs(account / booked - 1.0) > 1e-9 and abs(listed - expected) <= loose + _NEAR * expected:
        yield (
            "follows",
            f"its size is {listed:.12g} and not {ours:.12g}, as that account stood at {account:,.2f} after "
            "other trades before",
        )


def _exit_time(case: Case, k: int, j: int) -> Iterator[Explained]:
    trades, listed, bars = case.ours.trades, case.listed, case.bars
    if listed.is_open[j]:
        return
    left = int(np.searchsorted(bars.time, listed.exit_time[j]))
    known = left < len(bars) and bars.time[left] == listed.exit_time[j]
    late = left - int(trades.exit_bar[k])
    reason, price = int(trades.reason[k]), float(listed.exit_price[j])
    signal = int(trades.signal_bar[k])
    bracket = {STOP: float(case.decisions.stop[signal]), TARGET: float(case.decisions.target[signal])}
    slip = case.world.rules.slippage_ticks * case.world.rules.tick
    if known and late > 0 and reason == TIME and _near(case, bars.open[left], price, slip):
        yield (
            "missing bar",
            f"left {late} bars later than at its time exit: the chart lacks as many bars between",
        )
    if "margin" in listed.exit_signal[j].casefold():
        yield (
            "margin",
            "TradingView ended it by a margin call: give the chart's strategy the run's margin settings",
        )
    touched = next((name for name, at in bracket.items() if _near(case, at, price, slip)), None)
    when = f"left at {stamp(listed.exit_time[j])} and not at {stamp(bars.time[trades.exit_bar[k]])}"
    if touched is not None or reason in bracket:
        yield "price data", f"{when}: the chart's high or low reaches its stop or target in another bar"


def _near(case: Case, one: float, other: float, slip: float = 0.0) -> bool:
    return bool(abs(one - other) <= slip + max(0.5 * case.ours.rules.tick, 0.5 * case.listed.price_step))


def _prices(case: Case, k: int, j: int, field: str) -> tuple[float, float]:
    name = "entry_price" if field == ENTRY_PRICE else "exit_price"
    return float(getattr(case.ours.trades, name)[k]), float(getattr(case.listed, name)[j])


def _values(case: Case, k: int, j: int, field: str) -> str:
    trades, listed, time = case.ours.trades, case.listed, case.bars.time
    values = {
        ENTRY_TIME: (stamp(time[trades.entry_bar[k]]), stamp(listed.entry_time[j])),
        EXIT_TIME: (stamp(time[trades.exit_bar[k]]), stamp(listed.exit_time[j])),
        SIZE: (f"{trades.units[k]:.12g}", f"{listed.units[j]:.12g}"),
        PROFIT: (f"{trades.profit[k]:.12g}", f"{listed.profit[j]:.12g}"),
    }
    ours, theirs = values[field]
    return f"{ours} in the run, {theirs} there"


def stamp(time: np.datetime64) -> str:
    """Return a time as text to the minute."""
    return str(np.datetime_as_string(time, "m")).replace("T", " ")
