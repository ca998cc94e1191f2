"""A file of bars, read piece by piece: the same laws as `read_bars`, in memory that the pieces bound."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlstrat.data import samples, stamps, tables
from mlstrat.data.bars import Bars, RowError
from mlstrat.data.sources import name_facts, take
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

    def pieces(self) -> Iterator[Bars]:
        """Yield the bars in time order, `rows` at a time; a last bar that has not closed is left out.

        Raises
        ------
        DataError
            As `read_bars`, with rows counted from the start of the file.
        """
        past: Bars | None = None
        unfinished = False
        closes_by = stamps.now_utc(self.now)
        for frame, row in zip(self._frames(), itertools.count(0, self.rows), strict=False):
            try:
                bars = self._first(frame) if past is None else self._next(frame, past)
            except RowError as error:
                raise RowError(error.row + row, error.where, error.what, error.remedy) from error
            late = np.flatnonzero(bars.close_time > closes_by)
            open_bars = int(unfinished) + len(late)
            if open_bars > 1:
                self._refuse_future(bars, len(bars) - open_bars + 1, row)
            past, unfinished = bars, len(late) > 0
            if len(late) < len(bars):
                yield bars[: len(bars) - len(late)]
        if past is None:
            raise DataError(f"{self.source} has no bars: check the file.")

    def _refuse_future(self, bars: Bars, at: int, row: int) -> None:
        """Refuse bar `at` of the piece that begins at `row`: it opens after a bar that has not closed."""
        where = f"{self.source} ({np.datetime_as_string(bars.time[at], 'm')})"
        remedy = "check the time zone and the unit of the stamps, or set the clock"
        raise RowError(row + at, where, "lies in the future of the clock", remedy)

    def _first(self, frame: pd.DataFrame) -> Bars:
        own = origin_of(self.source)
        named, length = name_facts(_stem(self.source))
        symbol = self.symbol or own.symbol or named
        timeframe = self.timeframe or own.timeframe or length
        if not symbol:
            raise DataError(f"the symbol of {self.source} is not known: pass --symbol, such as BTCUSDT.")
        # Every bar is judged against the clock by `pieces`, so that the rule is the same in each piece.
        end_of_time = datetime.fromisoformat("2261-01-01T00:00+00:00")
        return take(frame, symbol, timeframe, self.tz, None, end_of_time).bars()

    def _next(self, frame: pd.DataFrame, past: Bars) -> Bars:
        table = tables.from_frame(frame, past.symbol, self.source)
        time = stamps.to_utc(table.stamps, self.tz, self.source)
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
            where = f"{self.source} ({np.datetime_as_string(time[0], 'm')})"
            raise RowError(
                0,
                where,
                f"opens less than one {past.timeframe} after the row before",
                "sort by time, one row a bar",
            )
        return bars

    def _frames(self) -> Iterator[pd.DataFrame]:
        if self.source.startswith(samples.PREFIX):
            whole = samples.load_frame(self.source)
            return (whole.iloc[k : k + self.rows] for k in range(0, len(whole), self.rows))
        path = Path(self.source)
        return _parquet(path, self.rows) if _is_parquet(path) else _csv(path, self.rows)


def _stem(source: str) -> str:
    if source.startswith(samples.PREFIX):
        return source.removeprefix(samples.PREFIX)
    return Path(source).name.split(".csv")[0].removesuffix(".parquet")


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() in (".parquet", ".pq")


def _parquet(path: Path, rows: int) -> Iterator[pd.DataFrame]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            batches = file.iter_batches(batch_size=rows)
            # A batch ends with its row group: gather them, so that pieces have the length asked for.
            held: list[pa.RecordBatch] = []
            for batch in batches:
                held.append(batch)
                table = pa.Table.from_batches(held)
                while table.num_rows >= rows:
                    yield table.slice(0, rows).to_pandas()
                    table = table.slice(rows)
                held = table.to_batches()
            if held:
                yield pa.Table.from_batches(held).to_pandas()
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read as Parquet ({error}): give a whole .parquet file.") from error


def _csv(path: Path, rows: int) -> Iterator[pd.DataFrame]:
    import pandas as pd

    try:
        top = pd.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        has_names = not all(_is_number(str(cell)) for cell in top.iloc[0])
        with pd.read_csv(
            path,
            header=0 if has_names else None,
            index_col=False,
            encoding="utf-8-sig",
            float_precision="round_trip",
            low_memory=False,
            chunksize=rows,
        ) as reader:
            yield from reader
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0][:200]
        raise DataError(f"{path} cannot be read as CSV ({reason}): give a CSV or Parquet file.") from error


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
