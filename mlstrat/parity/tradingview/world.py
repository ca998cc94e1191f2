"""What TradingView seems to have executed otherwise, proved by executing the run's decisions that way.

A setting that differs bears on every later trade through the account. So each is inferred from the list, and
the kernel then executes the decisions under it: where it makes the listed trades, the setting explains them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from mlstrat.arrays import BoolArray, FloatArray, IntArray
from mlstrat.data.bars import Bars
from mlstrat.execution.kernel import simulate
from mlstrat.execution.types import FLAT, Decisions, Result, RiskRules
from mlstrat.parity.tradingview.reading import ListedTrades

# TradingView keeps so many filled orders, of which a closed trade has two; it cuts the oldest trades.
MOST_ORDERS = 9_000
# Lists this near to it count as cut.
_NEARLY = 8_900
# Share of trades that have to agree with a setting for it to be taken.
_MOST = 0.9
# Trades from which a setting that is the same in all can be told from chance.
_ENOUGH = 3
# Sizes in about this ratio throughout follow from one setting, though not which.
_ABOUT = 0.03


@dataclass(frozen=True, eq=False)
class World:
    """The run's decisions executed as TradingView seems to have.

    Parameters
    ----------
    result : Result
        The trades.
    decisions, rules : Decisions, RiskRules
        What was executed.
    found : dict
        By cause, what differs from the run, as a clause.
    ratio : float
        About how many times the run's sizes the listed ones are, where no setting gives them; else NaN.
    """

    result: Result
    decisions: Decisions
    rules: RiskRules
    found: dict[str, str] = field(default_factory=dict)
    ratio: float = float("nan")


def infer(
    bars: Bars,
    decisions: Decisions,
    rules: RiskRules,
    listed: ListedTrades,
    newest: np.datetime64 | None = None,
) -> World:
    """Infer what TradingView executed otherwise, from the whole list.

    Parameters
    ----------
    bars, decisions, rules
        Those of the run.
    listed : ListedTrades
        The list, in UTC.
    newest : datetime64, optional
        Open time of the first bar of the run's newest window.
    """
    world = World(simulate(bars, decisions, rules), decisions, rules)
    for step in (_begun, _slipped, _charged, _sized):
        world = step(world, bars, listed, newest)
    return world


def same_entries(result: Result, listed: ListedTrades) -> tuple[IntArray, IntArray]:
    """Return the positions of trades that enter at the same time on the same side."""
    times, sides = result.time[result.trades.entry_bar], result.trades.side
    _, ours, theirs = np.intersect1d(times, listed.entry_time, return_indices=True)
    alike = sides[ours] == listed.side[theirs]
    return ours[alike], theirs[alike]


def sizes_alike(units: FloatArray, listed: FloatArray, step: float) -> BoolArray:
    """(n,) bool: whether sizes are the same as far as the list prints them."""
    return np.asarray(~(np.abs(units - listed) > 0.5 * step * (1.0 + 1e-6) + 1e-9 * units))


def _again(world: World, bars: Bars, cause: str, clause: str, **changed: Decisions | RiskRules) -> World:
    changed_world = replace(world, **changed, found={**world.found, cause: clause})  # type: ignore[arg-type]
    return replace(changed_world, result=simulate(bars, changed_world.decisions, changed_world.rules))


def _begun(world: World, bars: Bars, listed: ListedTrades, newest: np.datetime64 | None) -> World:
    """Take the decisions before the list's first trade away, where the run had traded before it."""
    first = listed.entry_time[0]
    times = world.result.time[world.result.trades.entry_bar]
    leading = int((times < first).sum())
    if not leading or first > bars.time[-1]:
        return world
    day = str(first.astype("datetime64[m]")).replace("T", " ")
    if 2 * len(listed) >= _NEARLY:
        clause = (
            f"the list begins with {day}: TradingView keeps {MOST_ORDERS:,} orders and cuts the oldest trades"
        )
        return replace(world, found={**world.found, "order limit": clause})
    if newest is not None and first > newest:
        latest = _again(
            world,
            bars,
            "newest window",
            "the script holds the newest window only, which speaks from "
            f"{str(newest.astype('datetime64[m]')).replace('T', ' ')} on",
            decisions=_from(world.decisions, int(np.searchsorted(bars.time, newest))),
        )
        trades = latest.result.trades
        if len(trades) and bars.time[trades.entry_bar[0]] == first:
            return latest
    clause = (
        f"the chart, or what it needs to warm up, begins later than the run, shortly before {day}: a plan "
        "limits its bars, and the account starts there with its initial capital"
    )
    signal = max(int(np.searchsorted(bars.time, first)) - 1, 0)
    later = _again(world, bars, "chart start", clause, decisions=_from(world.decisions, signal))
    # One or two trades may be missing for any other reason, unless all the rest follows from a later start.
    proved = len(same_entries(later.result, listed)[0]) >= _MOST * len(listed)
    return later if leading >= _ENOUGH or proved else world


def _from(decisions: Decisions, bar: int) -> Decisions:
    side = decisions.side.copy()
    side[:bar] = FLAT
    return replace(decisions, side=side)


def _slipped(world: World, bars: Bars, listed: ListedTrades, _: np.datetime64 | None) -> World:
    ours, theirs = same_entries(world.result, listed)
    trades, tick = world.result.trades, world.rules.tick
    ticks = trades.side[ours] * (listed.entry_price[theirs] - trades.entry_price[ours]) / tick
    if len(ticks) < _ENOUGH:
        return world
    more = float(np.round(np.median(ticks)))
    total = world.rules.slippage_ticks + more
    if more == 0 or total < 0 or np.mean(np.abs(ticks - more) < 0.01) < _MOST:
        return world
    clause = f"slippage is {total:g} ticks there and {world.rules.slippage_ticks:g} in the run"
    return _again(world, bars, "slippage", clause, rules=replace(world.rules, slippage_ticks=total))


def _charged(world: World, bars: Bars, listed: ListedTrades, _: np.datetime64 | None) -> World:
    """Infer the commission from the list alone: what its profits lack of its own prices times sizes."""
    closed = ~listed.is_open & np.isfinite(listed.units) & np.isfinite(listed.profit)
    if closed.sum() < _ENOUGH:
        return world
    units, entry, leave = listed.units[closed], listed.entry_price[closed], listed.exit_price[closed]
    lacking = listed.side[closed] * units * (leave - entry) - listed.profit[closed]
    value = units * (entry + leave)
    loose = listed.profit_step + 0.5 * listed.units_step * (np.abs(leave - entry) + 0.01 * (entry + leave))

    def holds(fee: float) -> bool:
        return bool(np.mean(np.abs(lacking - fee * value) <= loose) >= _MOST)

    if holds(world.rules.fee_share):
        return world
    near = (0.0, *_plainer(float(lacking.sum() / value.sum())))
    fee = next((fee for fee in near if 0 <= fee < 1 and holds(fee)), None)
    if fee is None:
        return world
    clause = f"the commission is {100 * fee:.4g} % there and {100 * world.rules.fee_share:.4g} % in the run"
    return _again(world, bars, "commission", clause, rules=replace(world.rules, fee_share=fee))


def _plainer(value: float) -> Iterator[float]:
    """Yield a number rounded to one digit, to two, and so on: people set plain numbers.

    With more than four digits, a setting that differs could pass for another that comes to the same.
    """
    for digits in range(1, 5):
        yield float(f"{value:.{digits}g}")


def _sized(world: World, bars: Bars, listed: ListedTrades, _: np.datetime64 | None) -> World:
    """Find the setting under which the sizes are those of the list."""
    if _agreement(world.result, listed) >= _MOST:
        return world
    ours, theirs = same_entries(world.result, listed)
    listed_units = listed.units[theirs]
    known = np.isfinite(listed_units) & (listed_units > 0)
    if not known.any():
        return world
    ratios = listed_units[known] / world.result.trades.units[ours][known]
    best, most = world, _MOST
    for tried in _sizings(world, bars, float(np.median(ratios)), listed.units_step):
        agreement = _agreement(tried.result, listed)
        if agreement == 1.0:
            return tried
        if agreement > most:
            best, most = tried, agreement
    if best is not world:
        return best
    middle = float(np.median(ratios))
    near = np.abs(ratios / middle - 1.0) <= _ABOUT
    if len(ratios) < _ENOUGH or abs(middle - 1.0) <= _ABOUT or near.mean() < _MOST:
        return world
    clause = f"its sizes are about {middle:.4g} times the run's: another multiplier, limit or initial capital"
    return replace(world, ratio=middle, found={**world.found, "sizes": clause})


def _sizings(world: World, bars: Bars, ratio: float, printed: float) -> Iterator[World]:
    """Yield the world with other sizes: a coarser step alone, then capital or multiplier, then with it."""
    bases = [world]
    if world.rules.step < printed <= 1.0:
        clause = f"quantities are cut to a step of {printed:g} there and {world.rules.step:g} in the run"
        bases.append(_again(world, bars, "contract step", clause, rules=replace(world.rules, step=printed)))
        yield bases[1]
    for base in bases:
        for cash in _plainer(world.rules.cash * ratio):
            clause = f"the initial capital is {cash:,.10g} there and {world.rules.cash:,.10g} in the run"
            yield _again(base, bars, "capital", clause, rules=replace(base.rules, cash=cash))
        for times in _plainer(ratio):
            share = np.minimum(world.decisions.fraction * times, 1.0)
            scaled = replace(base.decisions, fraction=share, units=base.decisions.units * times)
            clause = f"its sizes are {times:g} times the run's: another multiplier or limit of the position"
            yield _again(base, bars, "sizes", clause, decisions=scaled)


def _agreement(result: Result, listed: ListedTrades) -> float:
    """Return the share of trades with the same entry whose sizes agree; 1 where there is none."""
    ours, theirs = same_entries(result, listed)
    alike = sizes_alike(result.trades.units[ours], listed.units[theirs], listed.units_step)
    return float(alike.mean()) if len(alike) else 1.0
