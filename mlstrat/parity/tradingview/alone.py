"""Why only one of a run and TradingView's list has a trade: one named cause and a sentence."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mlstrat.execution.types import SIDE_NAMES
from mlstrat.parity.tradingview.causes import SIZE, UNEXPLAINED, Case, Explained, proved, stamp


def of_ours_alone(case: Case, k: int) -> tuple[Explained, bool]:
    """Explain a trade that the list lacks; and whether it lies inside the span of the list."""
    trades, listed, found = case.ours.trades, case.listed, case.world.found
    entry, signal = case.bars.time[trades.entry_bar[k]], case.bars.time[trades.signal_bar[k]]
    if case.unlike_chart:
        return case.unlike_chart[0], bool(listed.entry_time[0] <= entry <= listed.last_time)
    if entry < listed.entry_time[0]:
        begun = next((name for name in ("order limit", "newest window", "chart start") if name in found), "")
        if begun:
            return (begun, found[begun]), False
        if listed.entry_time[0] > case.bars.time[-1]:
            return (
                "chart start",
                f"the list begins with {stamp(listed.entry_time[0])}, after the run",
            ), False
    if entry > listed.last_time:
        end = stamp(listed.last_time)
        return ("chart end", f"the list ends at {end}: the chart, or the script on it, ends there"), False
    return next(_ours_alone(case, k, signal)), True


def _ours_alone(case: Case, k: int, signal: np.datetime64) -> Iterator[Explained]:
    trades, listed = case.ours.trades, case.listed
    made = (int(trades.entry_bar[k]), int(trades.side[k])) in case.world_entry
    if case.world.found and not made:
        cause, clause = next(iter(case.world.found.items()))
        yield cause, f"{clause}; executed like that, the run does not make this trade"
    held = np.flatnonzero((listed.entry_time <= signal) & ~(listed.exit_time <= signal))
    if len(held):
        yield "follows", f"TradingView still held its trade of {stamp(listed.entry_time[held[0]])}"
    before = int(np.searchsorted(listed.entry_time, signal, side="right"))
    ended = np.nansum(listed.profit[:before])
    account = float(case.world.rules.cash + ended)
    value = float(trades.units[k] * trades.entry_price[k] * (1.0 + case.world.rules.fee_share))
    if value > account * (1.0 - case.world.rules.gap_reserve):
        yield (
            "margin",
            f"the entry is worth {value:,.2f} with its commission and that account stood at {account:,.2f}: "
            "TradingView rejects what the account cannot pay at the open",
        )
    side = SIDE_NAMES[int(trades.side[k])]
    yield (
        UNEXPLAINED,
        f"the run decided a {side} at the close of {stamp(signal)}; TradingView was flat and did not enter: "
        "look at the script's inputs, and whether the chart has this bar",
    )


def of_theirs_alone(case: Case, j: int) -> tuple[Explained, bool]:
    """Explain a trade that the run lacks; and whether it lies inside the span of the run."""
    entry, bars = case.listed.entry_time[j], case.bars
    if case.unlike_chart:
        return case.unlike_chart[0], bool(bars.time[0] <= entry <= bars.time[-1])
    if entry > bars.time[-1]:
        return (
            "after the run",
            f"the run's last bar is {stamp(bars.time[-1])}: nothing to compare with",
        ), False
    if entry < bars.time[0]:
        return (
            "before the run",
            f"the run's first bar is {stamp(bars.time[0])}: nothing to compare with",
        ), False
    return next(_theirs_alone(case, j)), True


def _theirs_alone(case: Case, j: int) -> Iterator[Explained]:
    listed, bars, bar = case.listed, case.bars, int(case.bar_of[j])
    if "margin" in listed.exit_signal[j].casefold():
        yield "margin", "a part of a trade that TradingView ended by a margin call"
    if bar < 0:
        yield "missing bar", f"the run's data lack the bar of {stamp(listed.entry_time[j])}"
    setting = proved(case, j, SIZE)
    if setting:
        yield setting
    price, tick = float(listed.entry_price[j]), max(case.ours.rules.tick, listed.price_step)
    if bar >= 0 and not bars.low[bar] - tick <= price <= bars.high[bar] + tick:
        yield (
            "price data",
            f"filled at {price:.12g}, outside the run's bar ({bars.low[bar]:g} to {bars.high[bar]:g})",
        )
    signal = bar - 1
    trades = case.ours.trades
    held = np.flatnonzero((trades.entry_bar <= signal) & (trades.exit_bar > signal))
    decided = signal >= 0 and case.decisions.side[signal] == listed.side[j]
    if len(held) and decided:
        yield "follows", f"the run still held its trade of {stamp(bars.time[trades.entry_bar[held[0]]])}"
    if not decided:
        made = SIDE_NAMES[int(listed.side[j])]
        yield (
            "inputs",
            f"the run decided no {made} at the close before {stamp(listed.entry_time[j])}: an input that "
            "changes trades has another value (the script's asTested tells), or the chart shows other bars",
        )
    yield (
        UNEXPLAINED,
        "the run decided it too, and was flat: breakers or the minimum order may have stopped it",
    )
