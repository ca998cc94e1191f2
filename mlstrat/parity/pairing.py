"""Which trade of one engine is which of another's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlstrat.arrays import IntArray
from mlstrat.execution.types import Trades


@dataclass(frozen=True, eq=False)
class Pairs:
    """Positions of trades: `ours[k]` and `theirs[k]` are one trade; those of `only_...` stand alone."""

    ours: IntArray
    theirs: IntArray
    only_ours: IntArray
    only_theirs: IntArray


def pair(ours: Trades, theirs: Trades) -> Pairs:
    """Pair trades by their entry bar; what is left by its signal bar, then by side and a neighbouring entry.

    An engine makes at most one entry in a bar, so that an entry bar names a trade.
    """
    left, right = np.arange(len(ours)), np.arange(len(theirs))
    found = np.empty((0, 2), np.int64)
    for one, other in _keys(ours, theirs):
        _, here, there = np.intersect1d(one[left], other[right], return_indices=True)
        found = np.vstack([found, np.column_stack([left[here], right[there]])])
        left, right = np.delete(left, here), np.delete(right, there)
    found = found[np.argsort(found[:, 0])]
    return Pairs(found[:, 0], found[:, 1], left, right)


def _keys(ours: Trades, theirs: Trades) -> list[tuple[IntArray, IntArray]]:
    return [
        (ours.entry_bar, theirs.entry_bar),
        (ours.signal_bar, theirs.signal_bar),
        (_sided(ours, 1), _sided(theirs, 0)),
        (_sided(ours, -1), _sided(theirs, 0)),
    ]


def _sided(trades: Trades, later: int) -> IntArray:
    """Return one number for the side and the bar so many bars after the entry."""
    return np.asarray(2 * (trades.entry_bar + later) + (trades.side > 0))
