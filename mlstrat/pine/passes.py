"""How often the loops of a forecast are passed through, counted on the models themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from mlstrat.models.trees import Trees


def forecast_passes(
    edges: Sequence[int], groups: Sequence[Trees], inputs: int, units: int, knots: Sequence[int]
) -> int:
    """Count the passes of a forecast.

    Parameters
    ----------
    edges : sequence of int
        Edges of each feature, which a bisection looks through.
    groups : sequence of Trees
        All that vote; each tree is walked down to its deepest leaf.
    inputs, units : int
        Of the LSTM, whose every input and every cell moves four gates a cell.
    knots : sequence of int
        Of each isotonic map; it is asked for its value and for its variance.
    """
    bisections = sum(1 + count.bit_length() for count in edges)
    walks = sum(1 + depth for trees in groups for depth in _depths(trees))
    lstm = (inputs + units) * (1 + 4 * units) + units
    return bisections + walks + lstm + 2 * sum(knots)


def _depths(trees: Trees) -> Iterator[int]:
    """Yield how many tests a row passes in each tree, at most."""
    depth = np.zeros(len(trees.feature), np.int64)
    for root in trees.roots:
        waiting, deepest = [int(root)], 0
        while waiting:
            at = waiting.pop()
            deepest = max(deepest, int(depth[at]))
            if trees.feature[at] >= 0:
                children = int(trees.left[at]), int(trees.right[at])
                depth[list(children)] = depth[at] + 1
                waiting += children
        yield deepest
