"""A file of decisions, from a run or written by hand -> `Decisions` aligned with bars."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlstrat.arrays import IntArray, TimeArray
from mlstrat.data import stamps
from mlstrat.data.bars import Bars, RowError
from mlstrat.data.table_files import read_frame
from mlstrat.errors import DataError
from mlstrat.execution.types import DECISION_COLUMNS, Decisions
from mlstrat.parity import signal_rows
from mlstrat.parity.decision_lines import check_names, read_lines

if TYPE_CHECKING:
    import pandas as pd

# What tells a run's table from a list of signals; `flags` may lack, as in runs of before there were any.
_OF_A_RUN = ("side", "fraction", "units", "stop", "target", "max_bars")
_INTEGERS: dict[str, type[np.signedinteger[Any]]] = {
    "side": np.int8,
    "max_bars": np.int64,
    "stage": np.int8,
    "flags": np.int8,
}
_EMPTY = {"stop": np.nan, "target": np.nan, "units": np.nan, "quality": np.nan}
# The line of a CSV file that holds row 0: counted from 1, below the header.
_FIRST_LINE = 2


@dataclass(frozen=True, eq=False)
class DecisionFile:
    """Decisions, and what was done to them on the way.

    Parameters
    ----------
    decisions : Decisions
        One a bar; bars that the file does not name have none.
    count : int
        Trades that the file asks for.
    notes : tuple of str
        Sentences on what was rounded or replaced.
    """

    decisions: Decisions
    count: int
    notes: tuple[str, ...] = ()


def read_decisions(path: Path, bars: Bars, tick: float, tz: str = "UTC") -> DecisionFile:
    """Read a file of decisions.

    A run's `decisions.parquet` is known by its columns and its sides, which are numbers. Any other table has
    one row a decision: `time` (open time of the deciding bar), `side` (long or short), `quantity` or
    `fraction` of equity, `stop`, `target`, and if wanted `exit_time` (open time of the bar at whose close a
    time exit is requested). An empty stop or target is never reached; other columns are ignored.

    Parameters
    ----------
    path : Path
        CSV or Parquet.
    bars : Bars
        The bars to execute on.
    tick : float
        Price grid, to which stops and targets are rounded.
    tz : str
        IANA zone of times without offset.

    Raises
    ------
    DataError
        The file or a decision cannot be used; the message names the line (counted from 1, header included).
    """
    lines = read_lines(path)
    if lines is not None:
        lines.check()
    frame = read_frame(path)
    if frame.index.name == "time" and "time" not in frame.columns:
        frame = frame.reset_index()
    check_names(frame, str(path))
    if "time" not in frame.columns:
        raise DataError(f"{path} has no column time: give the open time of each deciding bar there.")
    if not len(frame):
        raise DataError(f"{path} holds no decisions: give one row for each.")
    if _is_of_a_run(frame):
        return _of_a_run(frame, path, bars, tick, tz)
    if lines is not None:
        lines.refuse_words_for_nothing(frame)
    return _of_signals(frame, path, bars, tick, tz)


def _is_of_a_run(frame: pd.DataFrame) -> bool:
    import pandas as pd

    named = all(name in frame.columns for name in _OF_A_RUN)
    return named and pd.api.types.is_numeric_dtype(frame["side"])


def _of_a_run(frame: pd.DataFrame, path: Path, bars: Bars, tick: float, tz: str) -> DecisionFile:
    origin = str(path)
    place = places(frame["time"], bars, origin, tz, "time")
    notes = _other_symbol(frame, bars)
    columns: dict[str, np.ndarray] = {}
    for name in DECISION_COLUMNS:
        columns[name] = _column(name, len(bars))
        if name in frame.columns:
            values, said = _values(frame, name, tick, origin)
            columns[name][place] = values
            notes += said
    decisions = Decisions(symbol=bars.symbol, time=np.array(bars.time), **columns)
    return DecisionFile(decisions, int(np.sum(decisions.side != 0)), tuple(notes))


def _other_symbol(frame: pd.DataFrame, bars: Bars) -> list[str]:
    decided = str(frame["symbol"].iloc[0]) if "symbol" in frame.columns else bars.symbol
    return [] if decided == bars.symbol else [f"The decisions are of {decided}, the bars of {bars.symbol}."]


def _values(frame: pd.DataFrame, name: str, tick: float, origin: str) -> tuple[np.ndarray, list[str]]:
    """Return a column of a run's table, prices on the tick grid, and a sentence where one had to move."""
    kind = _INTEGERS.get(name)
    try:
        numbers = frame[name].to_numpy(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"column {name} of {origin} holds text: give a run's own decisions.") from error
    if kind and not np.all(np.abs(numbers) <= np.iinfo(kind).max):
        raise DataError(f"column {name} of {origin} does not hold whole numbers: give a run's own decisions.")
    if name in ("stop", "target"):
        return signal_rows.on_the_grid(numbers, name, tick)
    return numbers.astype(kind) if kind else numbers, []


def _of_signals(frame: pd.DataFrame, path: Path, bars: Bars, tick: float, tz: str) -> DecisionFile:
    origin = str(path)
    signals = signal_rows.parse(frame, _FIRST_LINE, origin)
    place = places(frame["time"], bars, origin, tz, "time")
    signals.check_against(bars.close[place])
    stop, target, notes = signals.prices(bars, tick)
    given = {
        "side": signals.side,
        "units": signals.units,
        "fraction": signals.fraction,
        "stop": stop,
        "target": target,
        "max_bars": _time_exits(frame, place, bars, origin, tz),
    }
    columns = {name: _column(name, len(bars)) for name in DECISION_COLUMNS}
    for name, values in given.items():
        columns[name][place] = values
    return DecisionFile(Decisions(bars.symbol, np.array(bars.time), **columns), len(frame), notes)


def _column(name: str, n: int) -> np.ndarray:
    """Return a column of `Decisions` without any trade."""
    return np.full(n, _EMPTY.get(name, 0), _INTEGERS.get(name, np.float64))


def _time_exits(frame: pd.DataFrame, place: IntArray, bars: Bars, origin: str, tz: str) -> IntArray:
    """(n_rows,) int64: bars from the deciding bar to the one that requests a time exit; 0 = none."""
    exits = np.zeros(len(frame), np.int64)
    if "exit_time" not in frame.columns:
        return exits
    given = np.array([bool(stamps.as_text(value)) for value in frame["exit_time"]])
    rows = np.flatnonzero(given)
    if not len(rows):
        return exits
    exits[rows] = places(frame["exit_time"].iloc[rows], bars, origin, tz, "exit_time", rows) - place[rows]
    early = rows[exits[rows] <= 0]
    if len(early):
        raise DataError(
            f"line {early[0] + _FIRST_LINE} of {origin} has an exit_time that is not after its time: give "
            "the open time of a later bar, or leave it empty."
        )
    return exits


def places(
    raw: pd.Series, bars: Bars, origin: str, tz: str, name: str, rows: IntArray | None = None
) -> IntArray:
    """Return the bars that open at the given times.

    Parameters
    ----------
    raw : Series
        Times as `mlstrat.data.stamps.to_utc` reads them.
    bars : Bars
        The bars.
    origin, tz, name : str
        File, zone of times without offset, and column; a time may repeat in a column of another name than
        `time`.
    rows : (n,) int64, optional
        Rows of the file that `raw` holds; by default all.

    Raises
    ------
    DataError
        A time cannot be read, is not that of a bar, or repeats.
    """
    rows = np.arange(len(raw)) if rows is None else rows
    try:
        time: TimeArray = stamps.to_utc(raw, tz, origin)
    except RowError as error:
        line = int(rows[error.row]) + _FIRST_LINE
        what = error.what.partition(" (rows with")[0]  # rows would be counted otherwise than lines
        raise DataError(f"line {line} of {origin}, column {name}, {what}: {error.remedy}.") from error
    place = np.minimum(np.searchsorted(bars.time, time), len(bars) - 1)
    unknown = np.flatnonzero(bars.time[place] != time)
    if len(unknown):
        k = int(unknown[0])
        raise DataError(
            f"line {rows[k] + _FIRST_LINE} of {origin} has the {name} {_stamp(time[k])}, at which no bar of "
            f"{bars.symbol} opens ({_stamp(bars.time[0])} to {_stamp(bars.time[-1])}): give the open time "
            "of a bar, in UTC or with its offset."
        )
    if name == "time":
        _refuse_repeats(place, origin)
    return np.asarray(place, np.int64)


def _refuse_repeats(place: IntArray, origin: str) -> None:
    order = np.argsort(place, kind="stable")
    again = np.flatnonzero(np.diff(place[order]) == 0)
    if len(again):
        later = int(order[again + 1].min())
        before = int(np.flatnonzero(place == place[later])[0])
        raise DataError(
            f"line {later + _FIRST_LINE} of {origin} repeats the time of line {before + _FIRST_LINE}: give "
            "one decision a bar."
        )


def _stamp(time: np.datetime64) -> str:
    return str(np.datetime_as_string(time, "s")) + "Z"
