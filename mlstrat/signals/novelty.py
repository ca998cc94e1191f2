"""How far a bar's features lie beyond what the window that speaks for it was trained on.

Bin edges are all that a model keeps of its training window, so that they are what a bar is compared with,
in batch, live and bar by bar alike.
"""

from __future__ import annotations

import math

import numpy as np

from mlstrat.arrays import FloatArray, njit

# How far beyond its outermost bin edges a feature is novel, in distances between these two. At this margin
# and `risk.novelty` = 0.15, 0.0 to 0.8 % of the hours of BTC, ETH and SOL are novel to the year before them.
MARGIN = 1.0


@njit
def novelty_row(x: FloatArray, edges: FloatArray) -> float:
    """Return the share of a row's features that lie beyond what a window was trained on.

    Parameters
    ----------
    x : (n_features,) float64
        Features of one bar.
    edges : (n_features, n_edges) float64
        Bin edges of the window's models, ascending, padded with +inf (see `mlstrat.models.binning`). A
        feature is novel where it is more than `MARGIN` times the distance between its first and last edge
        beyond either; one with fewer than two edges is not asked.

    Returns
    -------
    float
        In [0, 1]; NaN where a feature is not finite, or none has edges.
    """
    asked, novel = 0, 0
    for column in range(len(x)):
        if not math.isfinite(x[column]):
            return math.nan
        last = edges.shape[1] - 1
        while last > 0 and not math.isfinite(edges[column, last]):
            last -= 1
        if last < 1:
            continue
        reach = MARGIN * (edges[column, last] - edges[column, 0])
        asked += 1
        novel += x[column] < edges[column, 0] - reach or x[column] > edges[column, last] + reach
    return novel / asked if asked else math.nan


@njit
def novelty_block(x: FloatArray, edges: FloatArray) -> FloatArray:
    """Return the novelty of (n_rows, n_features) values, row by row."""
    out = np.empty(len(x))
    for row in range(len(x)):
        out[row] = novelty_row(x[row], edges)
    return out
