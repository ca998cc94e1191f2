"""What a repair may do to rows, rule by rule. Prices are never invented and gaps never filled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlstrat.arrays import BoolArray, FloatArray, IntArray, TimeArray
from mlstrat.data.plausible import SPIKE_FACTOR, spikes
from mlstrat.data.spacing import common_spacing

_DAY = 86_400
_HOUR = 3600
_NS = 1_000_000_000
_OPEN, _HIGH, _LOW, _CLOSE, _VOLUME = range(5)


@dataclass(frozen=True)
class Change:
    """One kind of repair.

    Parameters
    ----------
    what : str
        The defect, as the predicate of a sentence about a row.
    done : str
        What was done about it.
    rows : tuple of int
        0-based data rows of the source.
    """

    what: str
    done: str
    rows: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows under repair: (n,) rows of the source, (n,) open times in UTC, (n, 5) prices and volume."""

    row: IntArray
    time: TimeArray
    values: FloatArray

    def __len__(self) -> int:
        return len(self.row)

    def at(self, which: IntArray | BoolArray) -> Rows:
        """Return the chosen rows, in the order given."""
        return Rows(self.row[which], self.time[which], self.values[which])


Repaired = tuple[Rows, list[Change]]


def repair_rows(rows: Rows, now: np.datetime64) -> Repaired:
    """Apply every rule in its order.

    Parameters
    ----------
    rows : Rows
        In the order of the source.
    now : datetime64[ns]
        The clock, UTC.

    Returns
    -------
    (Rows, list of Change)
        Rows sorted by time that obey the laws of a bar, and what was changed.
    """
    changes: list[Change] = []
    rules = (_drop_no_price, _drop_future, _sort, _drop_repeated, _move_local_days, _drop_between)
    for rule in (*rules, _drop_spikes, _clear_volume, _widen):
        rows, more = rule(rows, now)
        changes += more
    return rows, changes


def change_of(what: str, done: str, rows: IntArray) -> list[Change]:
    """Return the change as a list, empty where no row is concerned."""
    return [Change(what, done, tuple(int(row) for row in rows))] if len(rows) else []


def _drop(rows: Rows, bad: BoolArray, what: str) -> Repaired:
    return rows.at(~bad), change_of(what, "dropped", rows.row[bad])


def _drop_no_price(rows: Rows, _: np.datetime64) -> Repaired:
    lost = np.any(~np.isfinite(rows.values[:, :_VOLUME]), axis=1)
    kept, unknown = _drop(rows, np.asarray(lost), "has a price that is not a finite number")
    worthless = np.any(kept.values[:, :_VOLUME] <= 0, axis=1)
    kept, nothing = _drop(kept, np.asarray(worthless), "has a price of zero or less")
    return kept, unknown + nothing


def _drop_future(rows: Rows, now: np.datetime64) -> Repaired:
    return _drop(rows, rows.time > now, "lies in the future of the clock")


def _sort(rows: Rows, _: np.datetime64) -> Repaired:
    early = np.r_[False, rows.time[1:] < rows.time[:-1]][: len(rows)]
    order = np.argsort(rows.time, kind="stable")
    return rows.at(order), change_of("is earlier than the row before", "sorted by time", rows.row[early])


def _drop_repeated(rows: Rows, _: np.datetime64) -> Repaired:
    """Keep the last row of a time: exporters append corrections."""
    repeated = np.r_[rows.time[1:] == rows.time[:-1], False][: len(rows)]
    following = np.minimum(np.arange(len(rows)) + 1, len(rows) - 1)
    same = repeated & np.all(rows.values == rows.values[following], axis=1)
    kept, what = "the last row of that time kept", "has the time of a later row"
    changes = change_of(f"{what} and its values", kept, rows.row[same])
    return rows.at(~repeated), changes + change_of(f"{what}, other values", kept, rows.row[repeated & ~same])


def _move_local_days(rows: Rows, _: np.datetime64) -> Repaired:
    """Stamp daily bars of a local clock as its winter does: known up to an hour late, never early."""
    seconds = rows.time.astype(np.int64) // _NS
    hours = np.unique(seconds % _DAY)
    shorter = np.diff(seconds) == _DAY - _HOUR
    if common_spacing(rows.time) != _DAY or len(hours) != 2 or not shorter.any():
        return rows, []
    summer = hours[(hours + _HOUR) % _DAY == hours[::-1]]
    if len(summer) != 1:
        return rows, []
    moved = seconds % _DAY == summer[0]
    time = rows.time + np.where(moved, _HOUR, 0).astype("timedelta64[s]")
    done = f"moved an hour later, to {(int(summer[0]) + _HOUR) % _DAY // _HOUR:02d}:00 UTC"
    change = change_of("is a daily bar stamped by a clock in summer time", done, rows.row[moved])
    return Rows(rows.row, time, rows.values), change


def _drop_between(rows: Rows, _: np.datetime64) -> Repaired:
    """Drop rows that lie closer to a neighbour than one bar and off the grid of most rows."""
    length = common_spacing(rows.time)
    if not length:
        return rows, []
    seconds = rows.time.astype(np.int64) / _NS
    _phase, of_row, counts = np.unique(seconds % length, return_inverse=True, return_counts=True)
    close = np.diff(seconds) < length
    bad = (np.r_[False, close] | np.r_[close, False]) & (of_row != np.argmax(counts))
    return _drop(rows, bad, "lies between the times of the bars")


def _drop_spikes(rows: Rows, _: np.datetime64) -> Repaired:
    bad = spikes(*rows.values[:, :_VOLUME].T)
    return _drop(rows, bad, f"leaves both neighbouring closes by a factor of {SPIKE_FACTOR:g} or more")


def _clear_volume(rows: Rows, _: np.datetime64) -> Repaired:
    volume = rows.values[:, _VOLUME]
    unknown, negative = ~np.isfinite(volume), volume < 0
    values = rows.values.copy()
    values[unknown | negative, _VOLUME] = 0.0
    changes = change_of("has a volume that is not a finite number", "volume set to 0", rows.row[unknown])
    changes += change_of("has a negative volume", "volume set to 0", rows.row[negative & ~unknown])
    return Rows(rows.row, rows.time, values), changes


def _widen(rows: Rows, _: np.datetime64) -> Repaired:
    values = rows.values.copy()
    top = np.maximum(values[:, _OPEN], values[:, _CLOSE])
    bottom = np.minimum(values[:, _OPEN], values[:, _CLOSE])
    lifted, lowered = values[:, _HIGH] < top, values[:, _LOW] > bottom
    values[:, _HIGH] = np.maximum(values[:, _HIGH], top)
    values[:, _LOW] = np.minimum(values[:, _LOW], bottom)
    changes = change_of("has a high below its open or close", "high raised to it", rows.row[lifted])
    changes += change_of("has a low above its open or close", "low lowered to it", rows.row[lowered])
    return Rows(rows.row, rows.time, values), changes
