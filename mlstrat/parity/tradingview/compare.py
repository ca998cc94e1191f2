"""A run's trades beside those that TradingView's Strategy Tester listed: every difference with its cause."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mlstrat.data.bars import Bars
from mlstrat.errors import ReproductionError
from mlstrat.execution.kernel import simulate
from mlstrat.execution.types import Decisions, Result, RiskRules, Trades
from mlstrat.parity.pairing import Pairs, pair
from mlstrat.parity.tradingview.alone import of_ours_alone, of_theirs_alone
from mlstrat.parity.tradingview.causes import (
    EQUAL,
    OTHER_CHART,
    TIME_ZONE,
    Case,
    Explained,
    of_pair,
)
from mlstrat.parity.tradingview.other_symbol import other_prices
from mlstrat.parity.tradingview.reading import ListedTrades, read_trades
from mlstrat.parity.tradingview.world import World, infer
from mlstrat.parity.tradingview.zone import FEW, entries_matched, find_zone, other_timeframe
from mlstrat.parity.verify import TRADES, Past, read_past
from mlstrat.parity.written_trades import compare_written
from mlstrat.runfolder import PREDICTIONS

_UNCHARGED = (
    "The run charged funding or borrow, which a script cannot: the list is compared with the run without."
)


@dataclass(frozen=True)
class Line:
    """One trade, of the run, of the list or of both.

    Parameters
    ----------
    ours, theirs : int
        Its position in the run's trades and in the list; -1 where it is not there.
    cause : str
        `EQUAL`, or why it differs.
    sentence : str
        The difference; empty where there is none.
    inside : bool
        Whether it lies inside the spans of both, so that it counts.
    """

    ours: int
    theirs: int
    cause: str
    sentence: str
    inside: bool = True


@dataclass(frozen=True, eq=False)
class Compared:
    """Every trade of a run and of a list.

    Parameters
    ----------
    ours : Result
        The run's trades.
    listed : ListedTrades
        The list, its times put right where their zone was another.
    lines : tuple of Line
        In order of entry.
    settings : tuple of str
        What the whole list shows to differ, as sentences.
    """

    ours: Result
    listed: ListedTrades
    lines: tuple[Line, ...]
    settings: tuple[str, ...]

    @property
    def total(self) -> int:
        """Trades inside both spans."""
        return sum(line.inside for line in self.lines)

    @property
    def equal(self) -> int:
        """Trades that are equal."""
        return sum(line.cause == EQUAL for line in self.lines)

    @property
    def all_equal(self) -> bool:
        """Whether there was something to compare, and all of it is equal."""
        return 0 < self.total == self.equal

    @property
    def causes(self) -> dict[str, int]:
        """How many trades differ by which cause, inside both spans or not; the most frequent first."""
        return dict(Counter(line.cause for line in self.lines if line.cause != EQUAL).most_common())


def compare(
    bars: Bars,
    decisions: Decisions,
    rules: RiskRules,
    listed: ListedTrades,
    *,
    tz: str = "UTC",
    newest: np.datetime64 | None = None,
) -> Compared:
    """Compare what the kernel makes of decisions with a list of TradingView's trades.

    Parameters
    ----------
    bars, decisions, rules
        Those of the run.
    listed : ListedTrades
        From `read_trades`.
    tz : str
        The zone that the list was read with.
    newest : datetime64, optional
        Open time of the first bar of the run's newest window: a script may hold that window only.
    """
    ours = simulate(bars, decisions, rules)
    listed, overall = _placed(ours, bars, listed, tz)
    elsewhere = overall is not None and overall[0] != TIME_ZONE
    world = World(ours, decisions, rules) if elsewhere else infer(bars, decisions, rules, listed, newest)
    case = Case(bars, decisions, ours, listed, world, overall)
    said = [*([overall[1]] if overall else []), *world.found.values()]
    return Compared(
        ours, listed, tuple(_lines(case)), tuple(f"{clause[0].upper()}{clause[1:]}." for clause in said)
    )


def _placed(ours: Result, bars: Bars, listed: ListedTrades, tz: str) -> tuple[ListedTrades, Explained | None]:
    """Return the list with its times put right, and what bears on all of its trades."""
    symbol = other_prices(listed, bars)
    if symbol:
        return listed, (OTHER_CHART, symbol)
    times, sides = ours.time[ours.trades.entry_bar], ours.trades.side
    zone = find_zone(times, sides, listed, tz)
    if zone is not None:
        return zone.listed, (TIME_ZONE, zone.sentence)
    matched = entries_matched(times, sides, listed.entry_time, listed.side)
    few = matched < FEW * _possible(times, listed)
    return listed, _of_the_chart(listed, bars, matched) if few else None


def _possible(times: np.ndarray, listed: ListedTrades) -> int:
    """Return how many entries could match: those of the run in the list's span."""
    inside = (times >= listed.entry_time[0]) & (times <= listed.last_time)
    return min(int(inside.sum()), len(listed))


def _of_the_chart(listed: ListedTrades, bars: Bars, matched: int) -> Explained | None:
    seconds = bars.timeframe.seconds
    other = other_timeframe(listed, seconds)
    if other:
        return "timeframe", f"the chart has another bar length: {other}"
    if matched == 0:
        return (
            OTHER_CHART,
            "no entry of the list is one of the run's, in no time zone: use the standard candles (not "
            f"Heikin-Ashi or Renko) of {bars.symbol} at {bars.timeframe}, and the script of this run",
        )
    return None


def _lines(case: Case) -> list[Line]:
    """Return one line a trade, in order of entry."""
    pairs = _paired(case)
    made = [
        Line(int(k), int(j), *of_pair(case, int(k), int(j)))
        for k, j in zip(pairs.ours, pairs.theirs, strict=True)
    ]
    for k in pairs.only_ours:
        explained, inside = of_ours_alone(case, int(k))
        made.append(Line(int(k), -1, *explained, inside))
    for j in pairs.only_theirs:
        explained, inside = of_theirs_alone(case, int(j))
        made.append(Line(-1, int(j), *explained, inside))
    times = case.bars.time[case.ours.trades.entry_bar]
    return sorted(
        made, key=lambda line: times[line.ours] if line.ours >= 0 else case.listed.entry_time[line.theirs]
    )


def _paired(case: Case) -> Pairs:
    """Pair by entry bar; then a trade with the same side one bar later, where a bar may be missing."""
    listed = case.listed
    nowhere = -10 * (1 + np.arange(len(listed)))
    entry = np.where(case.bar_of >= 0, case.bar_of, nowhere)
    theirs = Trades(
        signal_bar=entry - 1,
        entry_bar=entry,
        exit_bar=entry,
        side=listed.side,
        units=listed.units,
        entry_price=listed.entry_price,
        exit_price=listed.exit_price,
        commission=np.zeros(len(listed)),
        profit=listed.profit,
        reason=np.zeros(len(listed), np.int8),
    )
    return pair(case.ours.trades, theirs)


def compare_run(
    folder: Path, trades: Path, *, tz: str = "UTC", bars: str | None = None
) -> tuple[Past, Compared]:
    """Compare a finished run with a list of trades that TradingView exported.

    Parameters
    ----------
    folder : Path
        The run's folder.
    trades : Path
        The exported list (`read_trades`).
    tz : str
        The chart's time zone.
    bars : str, optional
        Where the run's bars lie now.

    Raises
    ------
    DataError
        The list cannot be read.
    RunFolderError, ReproductionError
        The run cannot be read, or the kernel makes other trades than it wrote.
    """
    listed = read_trades(trades, tz)
    past = read_past(folder, bars)
    made = simulate(past.bars, past.decisions, past.rules)
    if not compare_written((folder / TRADES).read_bytes(), made).same:
        raise ReproductionError(
            f"{folder / TRADES} does not hold the trades that follow from the run's decisions: see "
            f"`mlstrat verify {folder}`."
        )
    bars_there = past.bars.without_carry()
    found = compare(
        bars_there, past.decisions, past.rules, listed, tz=tz, newest=_newest(folder / PREDICTIONS)
    )
    if past.bars.carry is not None:
        found = replace(found, settings=(_UNCHARGED, *found.settings))
    return past, found


def _newest(predictions: Path) -> np.datetime64 | None:
    """Return the first bar of a run's newest window; None where the run has kept no predictions."""
    if not predictions.exists():
        return None
    import pandas as pd

    fold = pd.read_parquet(predictions, columns=["fold"])["fold"]
    times = pd.DatetimeIndex(fold.index[fold == fold.max()]).tz_convert("UTC").tz_localize(None)
    return None if fold.max() < 1 else np.datetime64(times[0].to_datetime64(), "ns")
