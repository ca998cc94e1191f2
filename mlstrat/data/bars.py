"""`Bars`: validated, read-only OHLCV. Everything downstream may trust it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mlstrat.arrays import BoolArray, FloatArray, TimeArray, read_only
from mlstrat.data.calendars import Sessions, close_times, sessions_of
from mlstrat.data.carry import Carry
from mlstrat.data.instrument import Instrument
from mlstrat.data.timeframe import Timeframe
from mlstrat.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

PRICES = ("open", "high", "low", "close")
COLUMNS = (*PRICES, "volume")
_DAY = 86_400
_DAYS_TO_TELL_A_WEEK = 14


class RowError(DataError):
    """A row that cannot be a bar.

    Parameters
    ----------
    row : int
        0-based data row of the source.
    where : str
        What the row belongs to, with its time and values where they are known.
    what : str
        The defect, as the predicate of the sentence.
    remedy : str
        What to do.
    """

    def __init__(self, row: int, where: str, what: str, remedy: str) -> None:
        self.row, self.where, self.what, self.remedy = row, where, what, remedy
        super().__init__(f"row {row} of {where} {what}: {remedy}.")


@dataclass(frozen=True, eq=False)
class Bars:
    """Bars of one symbol, sorted by open time, with the laws of a bar checked on construction.

    Parameters
    ----------
    time : (n_bars,) datetime64[ns]
        Open time of each bar, UTC, strictly increasing. A bar is known at its close time.
    open, high, low, close : (n_bars,) float64
        Prices in quote currency; finite, positive, high the highest and low the lowest.
    volume : (n_bars,) float64
        Traded units; finite, not negative. All zero where the source has no volume.
    symbol : str
        Name of the instrument.
    timeframe : Timeframe
        Length of a bar. Missing bars (outages) are allowed and are never filled.
    instrument : Instrument
        Tick, step, fee and the other facts of the symbol.
    notes : tuple of str
        Sentences about what reading had to infer or to drop; no part of the identity of the data.
    carry : Carry, optional
        What holding a position costs at each bar (`mlstrat.data.rates.with_rates`); None = nothing.

    Raises
    ------
    DataError
        A law does not hold; the message names the first row and what to do.
    """

    time: TimeArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    symbol: str
    timeframe: Timeframe
    instrument: Instrument
    notes: tuple[str, ...] = ()
    carry: Carry | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "time", read_only(np.asarray(self.time, "datetime64[ns]")))
        for name in COLUMNS:
            object.__setattr__(self, name, read_only(np.asarray(getattr(self, name), np.float64)))
        for defect in defects(self):
            raise defect
        if self.carry is not None and len(self.carry) != len(self):
            raise DataError(
                f"{self.symbol} has {len(self):,} bars and a carry of {len(self.carry):,}: bring the rates "
                "onto these bars with with_rates."
            )

    def __len__(self) -> int:
        return len(self.time)

    def __getitem__(self, part: slice) -> Bars:
        """Return a slice of the bars, still validated."""
        columns = {name: getattr(self, name)[part] for name in ("time", *COLUMNS)}
        return replace(self, **columns, carry=self.carry and self.carry[part])

    def without_carry(self) -> Bars:
        """Return the same bars, on which holding a position costs nothing."""
        return self if self.carry is None else replace(self, carry=None)

    @cached_property
    def close_time(self) -> TimeArray:
        """Close time of each bar, UTC: the moment from which the bar is known.

        The end of the bar, or the session's close where the instrument has a calendar and it comes first.
        """
        return read_only(close_times(self.time, self.timeframe, self.instrument.calendar))

    @cached_property
    def sessions(self) -> Sessions | None:
        """Sessions of the instrument's calendar over the years of the bars; None without a calendar."""
        return sessions_of(self.instrument.calendar, self.time, self.timeframe.delta)

    @cached_property
    def matrix(self) -> FloatArray:
        """(n_bars, 6) float64, row by row: open, high, low, close, volume, open time in epoch seconds."""
        seconds = self.time.astype("datetime64[s]").astype(np.float64)
        return read_only(np.column_stack([*(getattr(self, name) for name in COLUMNS), seconds]))

    @cached_property
    def sha256(self) -> str:
        """Hash of the times, prices and volumes: the identity of this data, without its carry."""
        digest = hashlib.sha256(f"{self.symbol} {self.timeframe}".encode())
        digest.update(self.time.astype(np.int64).tobytes())
        digest.update(self.matrix.tobytes())
        return digest.hexdigest()

    @property
    def has_volume(self) -> bool:
        """Whether any bar has volume."""
        return bool(np.any(self.volume > 0))

    @property
    def bars_per_year(self) -> float:
        """Bars in a year of this market, for annualisation.

        From the instrument's calendar or sessions where they are given; else counted in the data where the
        market closes; else from the timeframe.
        """
        facts, year = self.instrument, np.timedelta64(31_557_600, "s")  # 365.25 days
        if self.timeframe.seconds > _DAY:
            return self.timeframe.bars_per_year
        if self.sessions is not None:
            return self.sessions.per_year * self._bars_per_session(self.sessions)
        if facts.sessions_per_year:
            return facts.sessions_per_year * max(facts.session_hours * 3600 / self.timeframe.seconds, 1.0)
        if self.closes:
            return float((len(self) - 1) / ((self.time[-1] - self.time[0]) / year))
        return self.timeframe.bars_per_year

    def _bars_per_session(self, sessions: Sessions) -> float:
        """Counted, because it depends on where bars begin and on whether there are bars outside of hours."""
        if self.timeframe.seconds == _DAY:
            return 1.0
        return len(self) / len(np.unique(sessions.index_of(self.time)))

    @property
    def closes(self) -> bool:
        """Whether the market closes: by its sessions, or because no bar lies on a Saturday or Sunday."""
        if self.sessions is not None:
            return self.sessions.closes
        if self.instrument.sessions_per_year > 0:
            return True
        long_enough = self.time[-1] - self.time[0] >= np.timedelta64(_DAYS_TO_TELL_A_WEEK, "D")
        # 1970-01-01 was a Thursday, so Saturday and Sunday leave 2 and 3.
        weekday = self.time.astype("datetime64[D]").astype(np.int64) % 7
        return bool(long_enough and self.timeframe.seconds <= _DAY and not np.isin(weekday, (2, 3)).any())

    def between(self, start: object = None, end: object = None) -> Bars:
        """Return the bars that open at or after `start` and close by `end` (UTC; None = no bound)."""
        keep = np.ones(len(self), bool)
        if start is not None:
            keep &= self.time >= np.datetime64(start, "ns")  # type: ignore[call-overload]
        if end is not None:
            keep &= self.close_time <= np.datetime64(end, "ns")  # type: ignore[call-overload]
        where = np.flatnonzero(keep)
        if not len(where):
            raise DataError(
                f"no bar of {self.symbol} lies between {start} and {end}: "
                f"the data runs from {np.datetime_as_string(self.time[0], 'm')} to "
                f"{np.datetime_as_string(self.close_time[-1], 'm')}; move the dates."
            )
        return self[int(where[0]) : int(where[-1]) + 1]

    def frame(self) -> pd.DataFrame:
        """Return the bars as a DataFrame with a UTC DatetimeIndex named `time`."""
        import pandas as pd

        index = pd.DatetimeIndex(self.time, tz="UTC", name="time")
        return pd.DataFrame({name: getattr(self, name) for name in COLUMNS}, index=index)


def defects(bars: Any) -> Iterator[DataError]:
    """Yield each law of a bar that the columns break, one error a law, most basic law first.

    `bars` needs the attributes of `Bars` but not their truth, so that a source can be described in full
    before it is refused.
    """
    n = len(bars.time)
    if n == 0:
        yield DataError(f"{bars.symbol} has no bars: check the file and the dates asked for.")
        return
    for name in COLUMNS:
        shape = getattr(bars, name).shape
        if shape != (n,):
            yield DataError(f"{name} has shape {shape}, time has ({n},): give columns of one length.")
            return
    for bad, what, remedy in (*_time_laws(bars), *_value_laws(bars)):
        if bad.any():
            yield _row_error(bars, bad, what, remedy)


def _time_laws(bars: Any) -> Iterator[tuple[BoolArray, str, str]]:
    step = np.r_[bars.timeframe.delta, np.diff(bars.time)]
    zero = np.timedelta64(0)
    yield np.isnat(bars.time), "has no time", "drop the row or give its open time"
    yield step == zero, "repeats the time of the row before", "keep one row a bar"
    yield step < zero, "is earlier than the row before", "sort by time"
    closer = (step > zero) & (step < bars.timeframe.delta)
    yield closer, f"follows sooner than one {bars.timeframe}", "give the right timeframe"


def _value_laws(bars: Any) -> Iterator[tuple[BoolArray, str, str]]:
    for name in COLUMNS:
        yield (
            ~np.isfinite(getattr(bars, name)),
            f"has {'an' if name == 'open' else 'a'} {name} that is not a finite number",
            "repair or drop it",
        )
    for name in PRICES:
        what = f"has {'an' if name == 'open' else 'a'} {name} of zero or less"
        yield getattr(bars, name) <= 0, what, "repair the price or drop the row"
    yield bars.volume < 0, "has a negative volume", "repair it or drop the row"
    top = np.maximum(bars.open, bars.close)
    bottom = np.minimum(bars.open, bars.close)
    yield bars.high < top, "has a high below its open or close", "repair the high or drop the row"
    yield bars.low > bottom, "has a low above its open or close", "repair the low or drop the row"


def count_of(bad: BoolArray) -> str:
    """Return how many rows share a defect, and where the second one is, to stand behind its sentence."""
    rows = np.flatnonzero(bad)
    following = f"; the next is row {rows[1]}" if len(rows) > 1 else ""
    return f" (rows with this defect: {len(rows):,}{following})"


def _row_error(bars: Any, bad: BoolArray, what: str, remedy: str) -> RowError:
    row = int(np.argmax(bad))
    values = ", ".join(f"{name} {getattr(bars, name)[row]:.10g}" for name in COLUMNS)
    where = f"{bars.symbol} ({np.datetime_as_string(bars.time[row], 'm')}: {values})"
    return RowError(row, where, what + count_of(bad), remedy)
