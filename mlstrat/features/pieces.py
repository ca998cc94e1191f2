"""A file of bars, read piece by piece: the same laws as `read_bars`, in memory that the pieces bound."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlstrat.arrays import TimeArray
from mlstrat.data import samples, stamps, table_files, tables
from mlstrat.data.bars import Bars, RowError
from mlstrat.data.plausible import Plausibility
from mlstrat.data.sources import Raw, name_facts, understood
from mlstrat.data.stored import origin_of
from mlstrat.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class BarFile:
    """A file of bars and how to read it.

    Parameters
    ----------
    source : str
        CSV or Parquet file, or sample:NAME.
    rows : int
        Rows of a piece.
    symbol, timeframe, tz : str
        As for `read_bars`; symbol and timeframe from the file's name or its first piece where empty.
    now : datetime, optional
        The moment of reading, with time zone; default the system clock.
    """

    source: str
    rows: int
    symbol: str = ""
    timeframe: str = ""
    tz: str = ""
    now: datetime | None = None

    def pieces(self, say: Callable[[str], None] = lambda note: None) -> Iterator[Bars]:
        """Yield the bars in time order, `rows` at a time; a last bar that has not closed is left out.

        Parameters
        ----------
        say : callable
            Told what was left out.

        Raises
        ------
        DataError
            As `read_bars`, with rows counted from the start of the file.
        """
        past: _Piece | None = None
        unfinished = False
        closes_by = stamps.now_utc(self.now)
        plausibility = Plausibility()
        for frame, row in zip(self._frames(), itertools.count(0, self.rows), strict=False):
            try:
                past = self._first(frame) if past is None else self._next(frame, past)
                bars = past.bars
                late = np.flatnonzero(bars.close_time > closes_by)
                open_bars = int(unfinished) + len(late)
                if open_bars > 1:
                    self._refuse_future(bars, len(bars) - open_bars + 1)
                unfinished = len(late) > 0
                closed = bars[: len(bars) - len(late)] if len(late) < len(bars) else None
                if closed is not None:
                    plausibility.take(closed)
            except RowError as error:
                # How many rows share a defect is known of a piece only, and not of the file.
                what = error.what.partition(" (rows with this defect")[0]
                raise RowError(error.row + row, error.where, what, error.remedy) from error
            if unfinished:
                when = np.datetime_as_string(bars.time[-1], "m")
                say(f"The last bar ({when} UTC) had not closed when it was read and was dropped.")
            if closed is not None:
                yield closed
        if past is None:
            raise DataError(f"{self.source} has no bars: check the file.")
        plausibility.end()

    def _refuse_future(self, bars: Bars, at: int) -> None:
        """Refuse bar `at`: it opens after a bar that has not closed."""
        where = f"{self.source} ({np.datetime_as_string(bars.time[at], 'm')})"
        remedy = "check the time zone and the unit of the stamps, or set the clock"
        raise RowError(at, where, "lies in the future of the clock", remedy)

    def _first(self, frame: pd.DataFrame) -> _Piece:
        own = origin_of(self.source)
        named, length = name_facts(_stem(self.source))
        raw = Raw(frame, self._name, own.symbol or named, own.timeframe or length, own)
        # Every bar is judged against the clock by `pieces`, so that the rule is the same in each piece.
        end_of_time = datetime.fromisoformat("2261-01-01T00:00+00:00")
        reading = understood(raw, self.symbol, self.timeframe, self.tz, None, end_of_time, "")
        table = tables.from_frame(frame, reading.symbol, self._name)
        return _Piece(Bars(**vars(reading)), table.stamps.iloc[[-1]])

    def _next(self, frame: pd.DataFrame, before: _Piece) -> _Piece:
        past = before.bars
        table = tables.from_frame(frame, past.symbol, self._name)
        time = self._times(before.last_stamp, table.stamps)
        prices = table.columns
        bars = Bars(
            time=time,
            symbol=past.symbol,
            timeframe=past.timeframe,
            instrument=past.instrument,
            open=prices["open"],
            high=prices["high"],
            low=prices["low"],
            close=prices["close"],
            volume=prices["volume"],
        )
        if time[0] - past.time[-1] < past.timeframe.delta:
            where = f"{self._name} ({np.datetime_as_string(time[0], 'm')})"
            raise RowError(
                0,
                where,
                f"opens less than one {past.timeframe} after the row before",
                "sort by time, one row a bar",
            )
        return _Piece(bars, table.stamps.iloc[[-1]])

    def _times(self, last_stamp: pd.Series, new: pd.Series) -> TimeArray:
        """Convert the stamps of a piece; they must be of the unit and form of the piece before."""
        import pandas as pd

        joined = pd.concat([last_stamp, new], ignore_index=True)
        try:
            return stamps.to_utc(joined, self.tz, self._name)[1:]
        except RowError as error:
            raise RowError(error.row - 1, error.where, error.what, error.remedy) from error

    @property
    def _name(self) -> str:
        return self.source if self.source.startswith(samples.PREFIX) else Path(self.source).name

    def _frames(self) -> Iterator[pd.DataFrame]:
        if self.source.startswith(samples.PREFIX):
            whole = samples.load_frame(self.source)
            return (whole.iloc[k : k + self.rows] for k in range(0, len(whole), self.rows))
        return table_files.read_pieces(Path(self.source), self.rows)


@dataclass(frozen=True, eq=False)
class _Piece:
    """Bars, and the last of their stamps as it is written."""

    bars: Bars
    last_stamp: pd.Series


def _stem(source: str) -> str:
    if source.startswith(samples.PREFIX):
        return source.removeprefix(samples.PREFIX)
    return Path(source).name.split(".csv")[0].removesuffix(".parquet")
