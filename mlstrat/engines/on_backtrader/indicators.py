"""Predictions, sentiment and features as Backtrader indicators, which only show values made elsewhere."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import backtrader as bt
import numpy as np

from mlstrat.arrays import FloatArray, TimeArray
from mlstrat.engines.on_backtrader.feed import DAY_SECONDS, UNIX_DAY
from mlstrat.errors import ConfigError


class _ByTime(bt.Indicator):  # type: ignore[misc]
    """Shows columns of a table at the bars whose open time they carry; NaN at all others."""

    source: str
    columns: tuple[str, ...]

    def __init__(self) -> None:
        table = getattr(self.p, self.source)
        if table is None:
            raise ConfigError(
                f"{type(self).__name__} has nothing to show: give it {self.source}=..., one row a bar."
            )
        self._rows = _rows_by_second(table.time, [getattr(table, name) for name in self.columns])
        self._nothing = (math.nan,) * len(self.columns)

    def next(self) -> None:
        for line, value in zip(self.lines, self._at(self.data.datetime[0]), strict=True):
            line[0] = value

    def once(self, start: int, end: int) -> None:
        dates = self.data.datetime.array
        arrays = [line.array for line in self.lines]
        for i in range(start, end):
            for array, value in zip(arrays, self._at(dates[i]), strict=True):
                array[i] = value

    def _plotlabel(self) -> list[str]:
        # Backtrader would print the whole table into the legend.
        return []

    def _at(self, date: float) -> tuple[float, ...]:
        return self._rows.get(round((date - UNIX_DAY) * DAY_SECONDS), self._nothing)


class EnsembleSignal(_ByTime):
    """What the ensemble says of each bar, in lines `prob_up`, `magnitude` and `confidence`.

    Parameters
    ----------
    predictions : Predictions
        Looked up by the open time of the bar; NaN where no out-of-sample model speaks.
    """

    lines = ("prob_up", "magnitude", "confidence")
    params = (("predictions", None),)
    source, columns = "predictions", ("prob_up", "magnitude", "confidence")


class SentimentScore(_ByTime):
    """Sentiment as it was known at each close.

    Lines: `score` (-1 to 1), `confidence` (0 to 1), `count` (headlines that speak), and `shock` (1 where the
    news of the last hours is unlike that of the days before, else 0).

    Parameters
    ----------
    mood : SentimentSeries
        Looked up by the open time of the bar; NaN where it has no row.
    """

    lines = ("score", "confidence", "count", "shock")
    params = (("mood", None),)
    source, columns = "mood", ("score", "confidence", "count", "shock")


class _Feature(bt.Indicator):  # type: ignore[misc]
    """Streams one registered feature; the same step, in the same order, with and without runonce."""

    feature: str

    def __init__(self) -> None:
        from mlstrat.features.stream import FeatureStream

        self._stream = FeatureStream([self.feature])

    def next(self) -> None:
        self.lines[0][0] = self._value(0)

    def once(self, start: int, end: int) -> None:
        data, out = self.data, self.lines[0].array
        columns = [
            np.array(line.array[start:end], np.float64)
            for line in (data.open, data.high, data.low, data.close, data.volume, data.datetime)
        ]
        rows = np.column_stack(columns)
        rows[:, 5] = _seconds(rows[:, 5])
        for i, row in enumerate(rows, start):
            out[i] = self._stream.update(row)[0]

    def _value(self, ago: int) -> float:
        data = self.data
        lines = (data.open, data.high, data.low, data.close, data.volume, data.datetime)
        row = np.array([line[ago] for line in lines], np.float64)
        row[5] = _seconds(row[5])
        return float(self._stream.update(row)[0])


@cache
def feature_indicator(name: str) -> Any:
    """Return the indicator class of a registered feature; its one line carries the feature's name.

    Values are those of the feature matrix bar by bar, NaN before the feature's lookback; the period is
    1, so that a feature's warm-up never delays a strategy.

    Parameters
    ----------
    name : str
        Such as `rsi_14`.

    Raises
    ------
    ConfigError
        No feature of that name is registered.
    """
    from mlstrat.features.lookup import resolve

    resolve([name])
    title = "".join(part.capitalize() for part in name.split("_"))
    return type(f"{title}Feature", (_Feature,), {"lines": (name,), "feature": name, "__module__": __name__})


def _seconds(date: Any) -> Any:
    return np.round((date - UNIX_DAY) * DAY_SECONDS)


def _rows_by_second(time: TimeArray, columns: list[FloatArray]) -> dict[int, tuple[float, ...]]:
    seconds = (time.astype("datetime64[ns]").astype(np.int64) // 1_000_000_000).tolist()
    return dict(zip(seconds, zip(*(column.tolist() for column in columns), strict=True), strict=True))
