"""`BarsFeed`: validated bars as a Backtrader feed, and the current bar of any feed as a row."""

from typing import Any

import backtrader as bt
import numpy as np

from mlstrat.arrays import FloatArray, TimeArray
from mlstrat.data.bars import COLUMNS, Bars
from mlstrat.errors import DataError

# Backtrader counts days from 0001-01-01 as day 1; 1970-01-01 is day 719,163.
UNIX_DAY = 719_163.0
DAY_SECONDS = 86_400.0

_UNITS = {
    "m": (bt.TimeFrame.Minutes, 1),
    "h": (bt.TimeFrame.Minutes, 60),
    "d": (bt.TimeFrame.Days, 1),
    "w": (bt.TimeFrame.Weeks, 1),
}
_SECONDS = {
    bt.TimeFrame.Seconds: 1.0,
    bt.TimeFrame.Minutes: 60.0,
    bt.TimeFrame.Days: DAY_SECONDS,
    bt.TimeFrame.Weeks: 7 * DAY_SECONDS,
}


class BarsFeed(bt.feed.DataBase):  # type: ignore[misc]
    """Bars as a feed: `cerebro.adddata(BarsFeed(dataname=bars))`.

    Stamps are the bars' open times, UTC; the index of the current bar in `bars` is `len(self.data) - 1`.
    Backtrader keeps a stamp as a float of days, which resolves 10 microseconds: whole seconds come back
    exactly from `num2date`, and `bars.time` at that index is always exact. Name, timeframe and
    compression are those of the bars.

    Parameters
    ----------
    dataname : Bars
        The bars; `fromdate` and `todate` are refused, since they would shift that index.

    Raises
    ------
    DataError
        `dataname` is not `Bars`, or a date bound was given.
    """

    params = (("dataname", None),)

    def __init__(self) -> None:
        super().__init__()
        bars = self.p.dataname
        if not isinstance(bars, Bars):
            raise DataError(
                f"BarsFeed was given {type(bars).__name__}: give it Bars, such as read_bars(path) returns."
            )
        if self.p.fromdate is not None or self.p.todate is not None:
            raise DataError(
                "BarsFeed takes no fromdate or todate: cut the bars, with bars.between(start, end)."
            )
        self._name = self.p.name or bars.symbol
        unit, count = _UNITS[bars.timeframe.text[-1]]
        self.p.timeframe = unit
        self.p.compression = count * int(bars.timeframe.text[:-1])

    @property
    def bars(self) -> Bars:
        """The bars behind the feed."""
        return self.p.dataname  # type: ignore[no-any-return]

    def start(self) -> None:
        """Prepare the columns; called by Backtrader at the start of every run."""
        super().start()
        bars = self.bars
        nanoseconds = bars.time.astype(np.int64)
        day, rest = np.divmod(nanoseconds, 86_400_000_000_000)
        dates = (day + UNIX_DAY) + rest / 86_400e9
        columns = [getattr(bars, name).tolist() for name in COLUMNS]
        self._rows = iter(list(zip(dates.tolist(), *columns, strict=True)))

    def _load(self) -> bool:
        row = next(self._rows, None)
        if row is None:
            return False
        lines = self.lines
        (
            lines.datetime[0],
            lines.open[0],
            lines.high[0],
            lines.low[0],
            lines.close[0],
            lines.volume[0],
        ) = row
        lines.openinterest[0] = 0.0
        return True


def row_of(data: Any) -> FloatArray:
    """Return the feed's current bar as a row of `Bars.matrix`.

    Parameters
    ----------
    data : backtrader feed
        A `BarsFeed`, or any other with OHLCV lines stamped with open times in UTC.

    Returns
    -------
    (6,) float64
        Open, high, low, close, volume, open time in epoch seconds.
    """
    if isinstance(data, BarsFeed):
        row: FloatArray = data.bars.matrix[len(data) - 1]
        return row
    seconds = float(np.round((data.datetime[0] - UNIX_DAY) * DAY_SECONDS))
    return np.array([data.open[0], data.high[0], data.low[0], data.close[0], data.volume[0], seconds])


def times_of(data: Any) -> TimeArray:
    """(n_bars,) datetime64[ns]: open times of the bars that the feed has shown so far, UTC."""
    if isinstance(data, BarsFeed):
        return data.bars.time[: len(data)]
    days = np.asarray(data.datetime.get(size=len(data)), np.float64)
    seconds = np.round((days - UNIX_DAY) * DAY_SECONDS).astype(np.int64)
    return (seconds * 1_000_000_000).astype("datetime64[ns]")


def seconds_of_a_bar(data: Any) -> float:
    """Length of the feed's bars in seconds.

    Raises
    ------
    DataError
        The feed's bars have no fixed length (ticks, months, years).
    """
    if data._timeframe not in _SECONDS:
        name = bt.TimeFrame.getname(data._timeframe, 1)
        raise DataError(f"the feed's bars are {name}, of no fixed length: use seconds to weeks.")
    return _SECONDS[data._timeframe] * float(data._compression)
