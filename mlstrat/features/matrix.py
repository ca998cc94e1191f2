"""`FeatureMatrix`: every feature of every bar, in batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.data.bars import Bars
from mlstrat.errors import ConfigError, DataError, NotEnoughBarsError
from mlstrat.features.program import compile_program
from mlstrat.features.registry import Feature, resolve


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
    bars: Bars, names: Sequence[str] = (), families: Sequence[str] = (), threads: int = 2
) -> FeatureMatrix:
    """Compute features of every bar.

    Parameters
    ----------
    bars : Bars
        The bars; row t of the result uses bars up to t.
    names, families : sequence of str
        What to compute, as for `resolve`; both empty = every model input.
    threads : int
        Threads that share the features; the bits are the same for any number.

    Returns
    -------
    FeatureMatrix
        Without the volume features where the bars have no volume and `names` asks for none of them.

    Raises
    ------
    ConfigError
        A name or family is not registered.
    DataError
        A volume feature was asked for by name, and the bars have no volume.
    NotEnoughBarsError
        There are fewer bars than the largest lookback.
    """
    features = chosen(bars.symbol, len(bars), bars.has_volume, names, families)
    program = compile_program(features)
    values = np.empty((len(bars), len(features)))
    program.advance(program.start(), bars.matrix, values, threads)
    values.setflags(write=False)
    return FeatureMatrix(
        names=tuple(f.name for f in features),
        values=values,
        lookback=np.array([f.lookback for f in features], np.int64),
    )


def chosen(
    symbol: str, n_bars: int, has_volume: bool, names: Sequence[str], families: Sequence[str]
) -> tuple[Feature, ...]:
    """Return the features that `build` computes for bars of this many rows, with or without volume."""
    features = _with_data(symbol, has_volume, resolve(names, families), names)
    widest = max(features, key=lambda f: f.lookback)
    if n_bars < widest.lookback:
        raise NotEnoughBarsError(n_bars, widest.lookback, f"feature {widest.name}")
    return features


def _with_data(
    symbol: str, has_volume: bool, features: tuple[Feature, ...], names: Sequence[str]
) -> tuple[Feature, ...]:
    if has_volume:
        return features
    refused = [f.name for f in features if f.needs_volume and f.name in names]
    if refused:
        raise DataError(
            f"{', '.join(refused)} cannot be computed, because {symbol} has no volume: "
            "take these names out of features.names, or load bars with volume."
        )
    kept = tuple(f for f in features if not f.needs_volume)
    if not kept:
        raise DataError(
            f"no feature is left for {symbol}, which has no volume: "
            "choose another family than volume, or load bars with volume."
        )
    return kept
