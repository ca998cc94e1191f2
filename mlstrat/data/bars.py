"""`Bars`: validated, read-only OHLCV. Everything downstream may trust it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from mlstrat.arrays import FloatArray, TimeArray, read_only
from mlstrat.data.instrument import Instrument
from mlstrat.data.timeframe import Timeframe
from mlstrat.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

PRICES = ("open", "high", "low", "close")
COLUMNS = (*PRICES, "volume")


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

    def __post_init__(self) -> None:
        object.__setattr__(self, "time", read_only(np.asarray(self.time, "datetime64[ns]")))
        for name in COLUMNS:
            object.__setattr__(self, name, read_only(np.asarray(getattr(self, name), np.float64)))
        _check(self)

    def __len__(self) -> int:
        return len(self.time)

    def __getitem__(self, part: slice) -> Bars:
        """Return a slice of the bars, still validated."""
        columns = {name: getattr(self, name)[part] for name in ("time", *COLUMNS)}
        return replace(self, **columns)

    @cached_property
    def close_time(self) -> TimeArray:
        """Close time of each bar, UTC: the moment from which the bar is known."""
        return read_only(self.time + self.timeframe.delta)

    @cached_property
    def matrix(self) -> FloatArray:
        """(n_bars, 6) float64, row by row: open, high, low, close, volume, open time in epoch seconds."""
        seconds = self.time.astype("datetime64[s]").astype(np.float64)
        return read_only(np.column_stack([*(getattr(self, name) for name in COLUMNS), seconds]))

    @cached_property
    def sha256(self) -> str:
        """Hash of the times, prices and volumes: the identity of this data."""
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
        """Bars in a year of this market, for annualisation."""
        return self.instrument.bars_per_year or self.timeframe.bars_per_year

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
                f"the data runs from {self.time[0]} to {self.close_time[-1]}; move the dates."
            )
        return self[int(where[0]) : int(where[-1]) + 1]

    def frame(self) -> pd.DataFrame:
        """Return the bars as a DataFrame with a UTC DatetimeIndex named `time`."""
        import pandas as pd

        index = pd.DatetimeIndex(self.time, tz="UTC", name="time")
        return pd.DataFrame({name: getattr(self, name) for name in COLUMNS}, index=index)


def _check(bars: Bars) -> None:
    n = len(bars.time)
    if n == 0:
        raise DataError(f"{bars.symbol} has no bars: check the file and the dates asked for.")
    for name in COLUMNS:
        column = getattr(bars, name)
        if column.shape != (n,):
            raise DataError(f"{name} has shape {column.shape}, time has ({n},): give columns of one length.")
    if np.isnat(bars.time).any():
        _refuse(bars, np.isnat(bars.time), "has no time", "drop the row or give its open time")
    step = np.diff(bars.time)
    if (step == np.timedelta64(0)).any():
        repeated = np.r_[False, step == np.timedelta64(0)]
        _refuse(bars, repeated, "repeats the time of the row before", "keep one row a bar")
    if (step < np.timedelta64(0)).any():
        _refuse(
            bars, np.r_[False, step < np.timedelta64(0)], "is earlier than the row before", "sort by time"
        )
    if n > 1 and (step < bars.timeframe.delta).any():
        closer = np.r_[False, step < bars.timeframe.delta]
        _refuse(bars, closer, f"follows sooner than one {bars.timeframe}", "give the right timeframe")
    for name in COLUMNS:
        column = getattr(bars, name)
        _refuse(bars, ~np.isfinite(column), f"has a {name} that is not a finite number", "repair or drop it")
    for name in PRICES:
        bad = getattr(bars, name) <= 0
        _refuse(bars, bad, f"has a {name} of zero or less", "repair the price or drop the row")
    _refuse(bars, bars.volume < 0, "has a negative volume", "repair it or drop the row")
    top = np.maximum(bars.open, bars.close)
    bottom = np.minimum(bars.open, bars.close)
    _refuse(bars, bars.high < top, "has a high below its open or close", "repair the high or drop the row")
    _refuse(bars, bars.low > bottom, "has a low above its open or close", "repair the low or drop the row")


def _refuse(bars: Bars, bad: np.ndarray, what: str, remedy: str) -> None:
    if not bad.any():
        return
    row = int(np.argmax(bad))
    values = ", ".join(f"{name} {getattr(bars, name)[row]:g}" for name in COLUMNS)
    raise DataError(
        f"row {row} of {bars.symbol} ({bars.time[row]}: {values}) {what}"
        f" (rows with this defect: {int(bad.sum()):,}): {remedy}."
    )
