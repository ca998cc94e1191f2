"""The bin edges that a script needs: where a tree cuts, the outer ones, and all of the LSTM's inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.errors import ConfigError
from mlstrat.models.trees import Trees


@dataclass(frozen=True)
class Edges:
    """Edges of a feature: whole numbers over a power of ten."""

    exponent: int
    wholes: tuple[int, ...]

    @property
    def span(self) -> tuple[int, ...]:
        """How far each edge lies behind the first one; (0,) where there is none."""
        return tuple(whole - self.wholes[0] for whole in self.wholes) or (0,)

    @property
    def least(self) -> int:
        """The first edge; 0 where there is none."""
        return self.wholes[0] if self.wholes else 0


@dataclass(frozen=True, eq=False)
class KeptEdges:
    """Edges by feature, and the places they had among all edges of the feature."""

    of: tuple[Edges, ...]
    places: tuple[IntArray, ...]

    def cut(self, feature: int, cut: int) -> int:
        """Return a tree's cut as a place among the kept edges: the same values go left."""
        return int(np.searchsorted(self.places[feature], cut))


def kept_edges(edges: FloatArray, trees: Sequence[Trees], inputs: IntArray) -> KeptEdges:
    """Keep what trees and LSTM ask for.

    The first and the last edge stay too, since the breaker on novel features measures by them, and every edge
    of an input of the LSTM, which sees the number of a bin.

    Parameters
    ----------
    edges : (n_features, most) float64
        Ascending, padded with +inf.
    trees : sequence of Trees
        All that vote.
    inputs : (n_inputs,) int64
        Features of the LSTM.

    Raises
    ------
    ConfigError
        An edge is no short decimal.
    """
    found, places = [], []
    for feature, row in enumerate(edges):
        count = int(np.isfinite(row).sum())
        wanted = np.arange(count)
        if feature not in inputs:
            wanted = np.intersect1d(wanted, [0, count - 1, *_cuts(trees, feature)])
        places.append(wanted.astype(np.int64))
        found.append(_decimals(row[wanted]))
    return KeptEdges(tuple(found), tuple(places))


def _cuts(trees: Sequence[Trees], feature: int) -> set[int]:
    return {int(cut) for part in trees for cut in part.cut[part.feature == feature]}


def _decimals(edges: FloatArray) -> Edges:
    exact = [Decimal(repr(float(edge))) for edge in edges]
    exponent = max((-int(number.normalize().as_tuple().exponent) for number in exact), default=0)
    exponent = max(exponent, 0)
    wholes = tuple(int(number.scaleb(exponent)) for number in exact)
    if exponent > 22 or any(abs(whole) >= 2**53 for whole in wholes):
        raise ConfigError(
            "a bin edge is no short decimal, so that a script cannot carry it: train with "
            "models.characters = 2 or 3."
        )
    return Edges(exponent, wholes)
