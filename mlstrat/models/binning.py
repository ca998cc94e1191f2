"""Features cut into bins: trees then compare small integers, exactly, in every engine.

A bin is the number of edges below the value. Edges lie in the gap between two values of the training
window and are rounded, so that a script can carry them: to 5 significant digits, or to decimals that the
characters of an exported script can count.
"""

import numpy as np

from mlstrat.arrays import FloatArray, IntArray, njit
from mlstrat.models.grid import BASE

SIGNIFICANT_DIGITS = 5
_MOST_DECIMALS = 15
_WHOLE = 2.0**53  # doubles count up to it without a gap
# A narrower gap, as a share of the feature's span, is rounding: sin(0 h) and sin(12 h) differ by 1e-16, and
# which of the two is the larger one may be otherwise in another engine.
_NARROW = 1e-9


def fit_edges(x: FloatArray, max_edges: int, characters: int = 0) -> FloatArray:
    """Learn the edges of each feature from a training window.

    Parameters
    ----------
    x : (n_rows, n_features) float64
        Finite training rows.
    max_edges : int
        At most so many edges a feature, at quantiles.
    characters : int
        0 = edges of 5 significant digits. Else the edges of a feature are whole numbers of its last decimal,
        of which the first and the last edge are at most ``88 ** characters - 1`` apart, and lie in gaps that
        are wider than rounding. A single edge keeps 5 digits.

    Returns
    -------
    (n_features, max_edges) float64
        Ascending edges, padded with +inf.
    """
    edges = np.full((x.shape[1], max_edges), np.inf)
    for column in range(x.shape[1]):
        found = _edges_of(np.sort(x[:, column]), max_edges, characters)
        edges[column, : len(found)] = found
    return edges


def _edges_of(ordered: FloatArray, max_edges: int, characters: int) -> FloatArray:
    narrow = _NARROW * (ordered[-1] - ordered[0]) if characters else 0.0
    gaps = np.flatnonzero(np.diff(ordered) > narrow)  # gap i lies between ordered[i] and ordered[i + 1]
    if len(gaps) > max_edges:
        wanted = len(ordered) * np.arange(1, max_edges + 1) / (max_edges + 1)
        gaps = np.unique(gaps[np.minimum(np.searchsorted(gaps, wanted - 1), len(gaps) - 1)])
    middles = (ordered[gaps] + ordered[gaps + 1]) / 2
    if characters == 0 or len(middles) < 2:
        return np.unique(_rounded(middles))
    return np.unique(_counted(middles, BASE**characters - 1))


def _counted(values: FloatArray, most: int) -> FloatArray:
    """Round ascending values to as many decimals as leave the ends `most` units of the last one apart."""
    decimals = _MOST_DECIMALS
    units = _units(values, decimals)
    while units[-1] - units[0] > most or np.abs(units).max() >= _WHOLE:
        decimals -= 1
        units = _units(values, decimals)
    edges = units / 10.0**decimals if decimals >= 0 else units * 10.0**-decimals
    return edges + 0.0  # no -0


def _units(values: FloatArray, decimals: int) -> FloatArray:
    return np.rint(values * 10.0**decimals if decimals >= 0 else values / 10.0**-decimals)


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
