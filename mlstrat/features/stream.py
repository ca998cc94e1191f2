"""`FeatureStream`: the same features, one bar at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.errors import DataError
from mlstrat.features.program import compile_program
from mlstrat.features.registry import resolve


class FeatureStream:
    """Features of a live series: the same compiled steps as the batch, so the same bits.

    Parameters
    ----------
    names, families : sequence of str
        What to compute, as for `resolve`; both empty = every model input.

    Raises
    ------
    ConfigError
        A name or family is not registered.
    """

    def __init__(self, names: Sequence[str] = (), families: Sequence[str] = ()) -> None:
        features = resolve(names, families)
        self.names: tuple[str, ...] = tuple(f.name for f in features)
        self.warmup: int = max(f.warmup for f in features)
        self._program = compile_program(features)
        self._state = self._program.start()

    def update(self, row: FloatArray) -> FloatArray:
        """Take the next closed bar.

        Parameters
        ----------
        row : (6,) float64
            Open, high, low, close, volume, open time in epoch seconds: a row of `Bars.matrix`.

        Returns
        -------
        (n_features,) float64
            A new array; NaN for features whose lookback is not reached.

        Raises
        ------
        DataError
            The row is not six numbers.
        """
        bar = np.ascontiguousarray(row, np.float64)
        if bar.shape != (6,):
            raise DataError(
                f"a bar of shape {bar.shape} cannot be used: give open, high, low, close, volume and open "
                "time in epoch seconds, as a row of Bars.matrix."
            )
        out = np.empty((1, len(self.names)))
        self._program.advance(self._state, bar.reshape(1, 6), out)
        values: FloatArray = out[0]
        return values
