"""`FeatureStream`: the same features, one bar at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.data.bars import Bars
from mlstrat.data.timeframe import Timeframe
from mlstrat.errors import ConfigError, DataError
from mlstrat.features.choose import Market, choose, market_of
from mlstrat.features.lookup import resolve
from mlstrat.features.runner import ROW, Runner


class FeatureStream:
    """Features of a live series: the same compiled steps as the batch, so the same bits.

    Array functions have no step: they are called on the last `warmup` bars, and agree with the batch within
    1e-9 of their size.

    Parameters
    ----------
    names, families : sequence of str
        What to compute, as for `choose`; both empty = every model input.
    timeframe : Timeframe or str
        Length of a bar, such as `1h`; may be empty where no feature of a higher timeframe is asked for.
    others : sequence of Bars
        History of other symbols; `add` appends to it.

    Raises
    ------
    ConfigError
        A name or family is not registered, or the length of a bar is needed.
    """

    def __init__(
        self,
        names: Sequence[str] = (),
        families: Sequence[str] = (),
        *,
        timeframe: Timeframe | str = "",
        others: Sequence[Bars] = (),
    ) -> None:
        market = Market("the stream", _seconds(timeframe, names, families), True, _markets(others))
        features = choose(market, names, families)
        self.warmup: int = max(f.warmup for f in features)
        self._runner = Runner(features, market.seconds, others)
        self.names: tuple[str, ...] = self._runner.names

    def update(self, row: FloatArray, close: float | None = None) -> FloatArray:
        """Take the next closed bar.

        Parameters
        ----------
        row : (6,) float64
            Open, high, low, close, volume, open time in epoch seconds: a row of `Bars.matrix`.
        close : float, optional
            Moment from which it is known, in epoch seconds; default one bar's length after its open.

        Returns
        -------
        (n_features,) float64
            A new array; NaN for features whose lookback is not reached.

        Raises
        ------
        DataError
            The row is not six numbers.
        """
        closes = None if close is None else np.array([close])
        values: FloatArray = self._runner.take(_row(row).reshape(1, ROW), closes)[0]
        return values

    def add(self, symbol: str, row: FloatArray, close: float | None = None) -> None:
        """Take a closed bar of another symbol, before the bars that close after it.

        Parameters
        ----------
        symbol : str
            One of `others`.
        row : (6,) float64
            As for `update`.
        close : float, optional
            As for `update`.
        """
        self._runner.add(symbol, _row(row), close)


def _row(row: FloatArray) -> FloatArray:
    bar = np.ascontiguousarray(row, np.float64)
    if bar.shape != (ROW,):
        raise DataError(
            f"a bar of shape {bar.shape} cannot be used: give open, high, low, close, volume and open "
            "time in epoch seconds, as a row of Bars.matrix."
        )
    return bar


def _markets(others: Sequence[Bars]) -> tuple[Market, ...]:
    return tuple(market_of(other) for other in others)


def _seconds(timeframe: Timeframe | str, names: Sequence[str], families: Sequence[str]) -> int:
    if isinstance(timeframe, str) and timeframe:
        timeframe = Timeframe(timeframe)
    if isinstance(timeframe, Timeframe):
        return timeframe.seconds
    needing = next((f.name for f in resolve(names, families) if f.period), None)
    if needing:
        raise ConfigError(
            f'{needing} depends on the length of a bar: pass timeframe, such as timeframe="1h".'
        )
    return 0
