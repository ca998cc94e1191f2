"""`FeatureMatrix`: every feature of every bar, in batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.data.bars import Bars
from mlstrat.errors import ConfigError, NotEnoughBarsError
from mlstrat.features.choose import choose, market_of
from mlstrat.features.registry import Feature
from mlstrat.features.runner import Runner, seconds_of


@dataclass(frozen=True, eq=False)
class FeatureMatrix:
    """Features of one symbol's bars.

    Parameters
    ----------
    names : tuple of str
        Names of the columns.
    values : (n_bars, n_features) float64
        Row t is known at the close of bar t and depends on bars up to t only. NaN before each feature's
        lookback, finite from there. Read-only.
    lookback : (n_features,) int64
        Bars until the first finite value of each column (at index lookback - 1).
    """

    names: tuple[str, ...]
    values: FloatArray
    lookback: IntArray

    def __len__(self) -> int:
        return len(self.values)

    @property
    def ready(self) -> int:
        """Index of the first row in which every feature is finite."""
        return int(self.lookback.max()) - 1

    @cached_property
    def _column_of(self) -> dict[str, int]:
        return {name: k for k, name in enumerate(self.names)}

    def column(self, name: str) -> FloatArray:
        """Return one feature, (n_bars,) float64.

        Raises
        ------
        ConfigError
            The matrix has no such column.
        """
        if name not in self._column_of:
            raise ConfigError(
                f"feature {name!r} is not among the {len(self.names)} columns of this matrix: "
                "name it when the matrix is built."
            )
        return self.values[:, self._column_of[name]]


def build(
    bars: Bars,
    names: Sequence[str] = (),
    families: Sequence[str] = (),
    threads: int = 2,
    others: Sequence[Bars] = (),
) -> FeatureMatrix:
    """Compute features of every bar.

    Parameters
    ----------
    bars : Bars
        The bars; row t of the result uses bars up to t.
    names, families : sequence of str
        What to compute, as for `choose`; both empty = every model input.
    threads : int
        Threads that share the features; the bits are the same for any number.
    others : sequence of Bars
        Bars of other symbols; row t uses those closed by the close of bar t.

    Returns
    -------
    FeatureMatrix
        Without the volume features where the bars have no volume and `names` asks for none of them.

    Raises
    ------
    ConfigError
        A name or family is not registered, or a named feature does not fit the length of the bars.
    DataError
        A named feature needs volume or another symbol's bars, and there are none.
    NotEnoughBarsError
        There are fewer bars than the largest lookback.
    """
    features = choose(market_of(bars, others), names, families)
    runner = Runner(features, bars.timeframe.seconds, others)
    closes = seconds_of(bars.close_time)
    lookback = runner.lookbacks(features, closes)
    check_length(features, lookback, len(bars))
    values = runner.take(bars.matrix, closes, threads)
    values.setflags(write=False)
    return FeatureMatrix(runner.names, values, lookback)


def check_length(features: Sequence[Feature], lookback: IntArray, n_bars: int) -> None:
    """Refuse bars that are fewer than the largest lookback.

    Raises
    ------
    NotEnoughBarsError
        Naming the feature with the largest lookback.
    """
    widest = int(np.argmax(lookback))
    if n_bars < lookback[widest]:
        raise NotEnoughBarsError(n_bars, int(lookback[widest]), f"feature {features[widest].name}")
