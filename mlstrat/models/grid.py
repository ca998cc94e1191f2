"""Numbers that a script can carry: the leaves and weights of a fitted model on evenly spaced values.

An exported script holds a number as a few characters of its alphabet. What it cannot hold is rounded here
right after fitting, so that stack, calibration and odds are estimated from the model that is exported.
"""

from __future__ import annotations

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.models.lstm import Lstm
from mlstrat.models.trees import LEAF, Trees

BASE = 88  # characters of a script's alphabet
# Values that a leaf or a weight can take, by the characters it has: below `BASE ** characters`.
LEVELS = {2: 5_000, 3: 440_000}


def on_grid(values: FloatArray, levels: int) -> FloatArray:
    """Round values to evenly spaced ones between the least and the greatest of them.

    Value k of the grid is ``low + k * step`` in doubles, with ``step = (high - low) / (levels - 1)``. To
    round again changes no bit, so that a reader finds the same grid from the rounded values.

    Parameters
    ----------
    values : (...) float64
        Any shape; numbers that are all alike, or not all finite, come back as they are.
    levels : int
        Points of the grid, at least 2.

    Returns
    -------
    (...) float64
        Not farther than half a step from `values`, apart from rounding in the last bits.
    """
    low, high = float(values.min()), float(values.max())
    step = (high - low) / (levels - 1)
    if not 0.0 < step < np.inf:  # all alike, or a fit that diverged
        return values.copy()
    # The last point may miss `high` by a bit; its own grid is then taken, and so on. The points move one way
    # only and cannot pass a number that meets its grid, so this ends.
    while low + (levels - 1) * step != high:
        high = low + (levels - 1) * step
        step = (high - low) / (levels - 1)
    return np.asarray(low + np.rint((values - low) / step) * step)


def trees_on_grid(trees: Trees, characters: int) -> Trees:
    """Return trees whose leaves lie on one grid; 0 characters change nothing."""
    if characters == 0:
        return trees
    leaf = trees.feature == LEAF
    value = trees.value.copy()
    value[leaf] = on_grid(trees.value[leaf], LEVELS[characters])
    return trees._replace(value=value)


def lstm_on_grid(lstm: Lstm, characters: int) -> Lstm:
    """Return a layer whose weights lie on four grids: of inputs, of the state, biases, and the output's."""
    if characters == 0:
        return lstm
    levels = LEVELS[characters]
    out = on_grid(np.append(lstm.w_out, lstm.b_out), levels)
    return lstm._replace(
        w_x=on_grid(lstm.w_x, levels),
        w_h=on_grid(lstm.w_h, levels),
        bias=on_grid(lstm.bias, levels),
        w_out=out[:-1],
        b_out=float(out[-1]),
    )
