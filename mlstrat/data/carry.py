"""What holding a position costs, bar by bar: dated rates of funding and borrow, brought onto the bars."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mlstrat.arrays import FloatArray, TimeArray, read_only
from mlstrat.errors import DataError

FUNDING, BORROW = "funding", "borrow"
# Columns of `Carry.table` for a long; those of a short follow in the same order.
GAP, HELD, ENDED = range(3)
WIDTH = 6
# A series with a hole of more than so many of its usual steps is said to have one.
_HOLE = 5


@dataclass(frozen=True, eq=False)
class RateSeries:
    """A dated series of rates.

    Parameters
    ----------
    name : str
        `FUNDING` (positive: longs pay, shorts receive) or `BORROW` (paid by shorts).
    time : (n_stamps,) datetime64[ns]
        When each is due, UTC, strictly increasing; at least one.
    rate : (n_stamps,) float64
        Share of the position's value, for this stamp and not a year.
    """

    name: str
    time: TimeArray
    rate: FloatArray

    def of_long(self) -> FloatArray:
        """Return what a long pays, as a share of its value; negative = it receives."""
        return self.rate if self.name == FUNDING else np.zeros(len(self.rate))

    def of_short(self) -> FloatArray:
        """Return what a short pays, as a share of its value; negative = it receives."""
        return -self.rate if self.name == FUNDING else self.rate

    @property
    def step(self) -> np.timedelta64:
        """The usual time between two stamps; 0 where there is one."""
        steps = np.diff(self.time).astype(np.int64)
        return np.timedelta64(int(np.median(steps)) if len(steps) else 0, "ns")

    def silences(self, first: np.datetime64, last: np.datetime64) -> Iterator[str]:
        """Yield predicates on where it is silent between two moments: before it, after it, or in a hole."""
        step = self.step
        if self.time[0] - step > first:
            yield f"begins with {_minute(self.time[0])}, after {_minute(first)}"
        if self.time[-1] + step <= last:
            yield f"ends with {_minute(self.time[-1])}, before {_minute(last)}"
        holes = np.diff(self.time)
        inside = (self.time[1:] > first) & (self.time[:-1] < last)
        long = np.flatnonzero(inside & (holes > _HOLE * step))
        if len(long):
            hole = int(long[0])
            yield f"has no stamp between {_minute(self.time[hole])} and {_minute(self.time[hole + 1])}"


@dataclass(frozen=True, eq=False)
class Carry:
    """What a position pays at each bar, as shares of its value; negative = it receives.

    Parameters
    ----------
    table : (n_bars, 6) float64
        For a long, then for a short: what is due between the close before the bar and its open (`GAP`), up
        to its close (`HELD`), and at most before an exit inside the bar (`ENDED`). Row t holds rates stamped
        up to the close of bar t and no later one.
    series : tuple of RateSeries
        What it was made of, up to the close of the last bar.
    """

    table: FloatArray
    series: tuple[RateSeries, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", read_only(np.asarray(self.table, np.float64)))

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, part: slice) -> Carry:
        """Return the carry of a slice of the bars."""
        return replace(self, table=self.table[part])

    def told(self, first: np.datetime64, last: np.datetime64) -> tuple[str, ...]:
        """Return sentences on where the series are silent between two moments."""
        return tuple(
            f"The series of {one.name} {silence}: there it charges nothing."
            for one in self.series
            for silence in one.silences(first, last)
        )

    @property
    def sha256(self) -> str:
        """Hash of what the bars pay and of the series: the identity of this data."""
        digest = hashlib.sha256(self.table.tobytes())
        for one in self.series:
            digest.update(one.name.encode() + one.time.astype(np.int64).tobytes() + one.rate.tobytes())
        return digest.hexdigest()


def carry_of(open_time: TimeArray, close_time: TimeArray, series: Sequence[RateSeries]) -> Carry:
    """Bring series of rates onto bars.

    A stamp belongs to the bar with open time < stamp <= close time, so that one at the very open of a bar is
    of the bar before: who enters at that open was not there. One between two bars belongs to the gap before
    the later bar. Stamps before the first bar count for none, those after the last close are dropped, and
    bars without a stamp pay nothing.

    Parameters
    ----------
    open_time, close_time : (n_bars,) datetime64[ns]
        Of each bar, UTC.
    series : sequence of RateSeries
        At least one.

    Raises
    ------
    DataError
        No series was given, or one begins after the last close.
    """
    if not series:
        raise DataError("carry was asked of no series of rates: give funding, borrow, or both.")
    series = tuple(_known(one, close_time[-1]) for one in series)
    table = np.zeros((len(open_time), WIDTH))
    due = np.unique(np.concatenate([one.time for one in series]))
    rates = np.zeros((len(due), 2))
    for one in series:
        rates[np.searchsorted(due, one.time)] += np.column_stack([one.of_long(), one.of_short()])
    bar = np.searchsorted(close_time, due, side="left")
    inside = np.zeros((len(open_time), 2))
    for k in range(len(due)):
        t, stamp = bar[k], due[k]
        if stamp <= open_time[t]:
            table[t, GAP::3] += rates[k]
            continue
        table[t, HELD::3] += rates[k]
        if stamp < close_time[t]:
            # Nobody knows which of the stamps inside a bar an exit came before: the dearest reading.
            inside[t] += rates[k]
            table[t, ENDED::3] = np.maximum(table[t, ENDED::3], inside[t])
    table[0, GAP::3] = 0.0
    return Carry(table, series)


def _known(series: RateSeries, until: np.datetime64) -> RateSeries:
    known = series.time <= until
    if not known.any():
        raise DataError(
            f"the series of {series.name} begins with {_minute(series.time[0])}, after the last bar's close "
            f"({_minute(until)}): give rates of the time of the bars."
        )
    return replace(series, time=series.time[known], rate=series.rate[known])


def _minute(moment: np.datetime64) -> str:
    return str(np.datetime_as_string(moment, "m")).replace("T", " ")
