"""Features cut into bins: trees then compare small integers, exactly, in every engine.

A bin is the number of edges below the value. Edges lie in the gap between two values of the training
window and are rounded to 5 significant digits, so that a script can carry them.
"""

import numpy as np

from mlstrat.arrays import FloatArray, IntArray, njit

SIGNIFICANT_DIGITS = 5


def fit_edges(x: FloatArray, max_edges: int) -> FloatArray:
    """Learn the edges of each feature from a training window.

    Parameters
    ----------
    x : (n_rows, n_features) float64
        Finite training rows.
    max_edges : int
        At most so many edges a feature, at quantiles.

    Returns
    -------
    (n_features, max_edges) float64
        Ascending edges, padded with +inf.
    """
    edges = np.full((x.shape[1], max_edges), np.inf)
    for column in range(x.shape[1]):
        found = _edges_of(np.sort(x[:, column]), max_edges)
        edges[column, : len(found)] = found
    return edges


def _edges_of(ordered: FloatArray, max_edges: int) -> FloatArray:
    gaps = np.flatnonzero(np.diff(ordered) > 0)  # gap i lies between ordered[i] and ordered[i + 1]
    if len(gaps) > max_edges:
        wanted = len(ordered) * np.arange(1, max_edges + 1) / (max_edges + 1)
        gaps = np.unique(gaps[np.minimum(np.searchsorted(gaps, wanted - 1), len(gaps) - 1)])
    middles = (ordered[gaps] + ordered[gaps + 1]) / 2
    return np.unique(_rounded(middles))


def _rounded(values: FloatArray) -> FloatArray:
    return np.array([float(f"{value:.{SIGNIFICANT_DIGITS - 1}e}") for value in values], np.float64)


@njit
def bin_row(x: FloatArray, edges: FloatArray, out: IntArray) -> None:
    """Write the bin of each feature of one row: the number of its edges below the value."""
    for column in range(len(x)):
        low, high = 0, edges.shape[1]
        while low < high:
            middle = (low + high) // 2
            if edges[column, middle] < x[column]:
                low = middle + 1
            else:
                high = middle
        out[column] = low


@njit
def bin_block(x: FloatArray, edges: FloatArray) -> IntArray:
    """Return the bins of (n_rows, n_features) values, row by row."""
    out = np.empty(x.shape, np.int64)
    for row in range(len(x)):
        bin_row(x[row], edges, out[row])
    return out
