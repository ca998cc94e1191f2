"""Growing one regression tree on bins: the compiled learner that forest and booster share.

Splits are found on histograms of the bins (Ke and others 2017, LightGBM, algorithm 1), so that a node costs
one addition a row and feature. The gain of a split is the drop of the weighted squared error: for labels of 0
and 1 half that of the Gini impurity, for residuals Friedman's (2001) with an L2 penalty on the leaves.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlstrat.arrays import FloatArray, IntArray, njit
from mlstrat.models.trees import LEAF

BinArray = NDArray[np.uint8]
Spare = tuple[IntArray, FloatArray, FloatArray]
# Below these shares of a node's weight, what is left of differences of sums is rounding.
_LEAST_GAIN, _NO_WEIGHT = 1e-12, 1e-9


class Growth(NamedTuple):
    """How a tree grows.

    Parameters
    ----------
    n_bins : int
        Bins of a feature, numbered from 0.
    max_depth : int
        Splits between the root and a leaf, at most.
    max_leaves : int
        Leaves, at most; the split with the largest gain goes first.
    min_leaf : float
        Least weight of a leaf.
    l2 : float
        Penalty on the square of a leaf's value.
    n_try : int
        Features tried at a node, drawn without replacement among those that vary in it.
    """

    n_bins: int
    max_depth: int
    max_leaves: int
    min_leaf: float
    l2: float
    n_try: int


class Grown(NamedTuple):
    """A tree as arrays, one element a node, the root first; see `Trees`.

    `gains` are by feature; `rows` are the rows learnt from, those of a node from its `begin` to its `end`.
    """

    feature: NDArray[np.int32]
    cut: NDArray[np.int32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    value: FloatArray
    gains: FloatArray
    rows: IntArray
    begin: IntArray
    end: IntArray


def columns_of(bins: IntArray) -> BinArray:
    """Return rows of bins as the learner takes them: one row a feature, (n_features, n_rows) uint8."""
    return np.ascontiguousarray(bins.T, np.uint8)


def no_limit(max_depth: int, n_rows: int) -> int:
    """Return more leaves than a tree of that depth on so many rows can have."""
    return min(1 << min(max_depth, 30), n_rows)


@njit
def next_random(seed: NDArray[np.uint64], n: int) -> int:
    """Return a number below n, and change the seed (1,): splitmix64 (Steele, Lea and Flood 2014)."""
    seed[0] += np.uint64(0x9E3779B97F4A7C15)
    z = seed[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    drawn: int = (z >> np.uint64(32)) * np.uint64(n) >> np.uint64(32)
    return drawn


@njit
def _fill(hist: FloatArray, column: BinArray, rows: IntArray, sums: FloatArray, weights: FloatArray) -> None:
    """Add up weighted target and weight by bin: (n_bins, 2). `sums` and `weights` are in order of `rows`."""
    hist[:] = 0.0
    for i in range(len(rows)):
        b = column[rows[i]]
        hist[b, 0] += sums[i]
        hist[b, 1] += weights[i]


@njit
def _best_cut(hist: FloatArray, total: float, weight: float, how: Growth) -> tuple[float, int, bool]:
    """Return gain and cut of a feature's best split, and whether the feature varies in the node."""
    best, cut, before, filled = 0.0, -1, 0, 0
    left, left_weight = 0.0, 0.0
    own = total * total / (weight + how.l2)
    nothing = _NO_WEIGHT * weight
    for b in range(len(hist)):
        if hist[b, 1] <= nothing:
            continue
        right_weight = weight - left_weight
        if filled > 0 and left_weight >= how.min_leaf and right_weight >= how.min_leaf:
            right = total - left
            gain = left * left / (left_weight + how.l2) + right * right / (right_weight + how.l2) - own
            if gain > best:
                # Half-way through the bins that the node lacks.
                best, cut = gain, (before + b) // 2
        left += hist[b, 0]
        left_weight += hist[b, 1]
        before = b
        filled += 1
    return best, cut, filled > 1


@njit
def _best_split(
    hists: FloatArray,
    filled: bool,
    bins: BinArray,
    rows: IntArray,
    sums: FloatArray,
    weights: FloatArray,
    total: float,
    weight: float,
    order: IntArray,
    seed: NDArray[np.uint64],
    how: Growth,
) -> tuple[float, int, int]:
    """Return gain, feature and cut of a node's best split; gain 0 where there is none.

    `hists` are the node's, one a feature, where all features are tried, else work space of one.
    """
    n = len(order)
    best, feature, cut, tried = 0.0, -1, -1, 0
    for k in range(n):
        if how.n_try < n:
            other = k + next_random(seed, n - k)
            order[k], order[other] = order[other], order[k]
        f = order[k]
        hist = hists[f] if how.n_try == n else hists[0]
        if not filled:
            _fill(hist, bins[f], rows, sums, weights)
        gain, at, varies = _best_cut(hist, total, weight, how)
        if gain > best and gain > _LEAST_GAIN * weight:
            best, feature, cut = gain, f, at
        tried += 1 if varies else 0
        if tried >= how.n_try and feature >= 0:
            break
    return best, feature, cut


@njit
def _partition(
    column: BinArray, cut: int, rows: IntArray, sums: FloatArray, weights: FloatArray, spare: Spare
) -> int:
    """Move the rows at or below the cut to the front, order kept on both sides; return how many they are."""
    spare_rows, spare_sums, spare_weights = spare
    low, high = 0, 0
    for i in range(len(rows)):
        if column[rows[i]] <= cut:
            rows[low], sums[low], weights[low] = rows[i], sums[i], weights[i]
            low += 1
        else:
            spare_rows[high], spare_sums[high], spare_weights[high] = rows[i], sums[i], weights[i]
            high += 1
    rows[low:], sums[low:], weights[low:] = spare_rows[:high], spare_sums[:high], spare_weights[:high]
    return low


@njit
def grow(
    bins: BinArray,
    target: FloatArray,
    weight: FloatArray,
    rows: IntArray,
    seed: NDArray[np.uint64],
    how: Growth,
) -> Grown:
    """Grow one tree.

    Parameters
    ----------
    bins : (n_features, n_rows) uint8
        Binned features, one row a feature.
    target, weight : (n_rows,) float64
        What to predict, and how much each row counts; weights are positive.
    rows : (n_drawn,) int64
        Rows to learn from, repeats allowed.
    seed : (1,) uint64
        Of the draws of features; changed.
    how : Growth
        Limits.

    Returns
    -------
    Grown
        Leaf values are the weighted mean of the target, shrunk by `l2`.
    """
    n_features, n = len(bins), len(rows)
    most = max(1, min(how.max_leaves, n))
    size = 2 * most - 1
    feature, cut = np.full(size, LEAF, np.int32), np.zeros(size, np.int32)
    left, right = np.zeros(size, np.int32), np.zeros(size, np.int32)
    begin, end, depth = np.zeros(size, np.int64), np.zeros(size, np.int64), np.zeros(size, np.int64)
    total, heavy, gain = np.zeros(size), np.zeros(size), np.zeros(size)
    slot = np.zeros(size, np.int64)
    gains = np.zeros(n_features)
    everything = how.n_try >= n_features
    hists = np.empty((most if everything else 1, n_features if everything else 1, how.n_bins, 2))
    order = np.arange(n_features)
    rows = rows.copy()
    weights = weight[rows]
    sums = target[rows] * weights
    spare = (np.empty(n, np.int64), np.empty(n), np.empty(n))
    end[0], total[0], heavy[0] = n, sums.sum(), weights.sum()
    nodes = 1
    if how.max_depth > 0:
        found = _best_split(hists[0], False, bins, rows, sums, weights, total[0], heavy[0], order, seed, how)
        gain[0], feature[0], cut[0] = found
    for leaves in range(1, most):
        parent = int(np.argmax(gain[:nodes]))
        if gain[parent] <= 0.0:
            break
        first, last = begin[parent], end[parent]
        f = feature[parent]
        part = slice(first, last)
        middle = first + _partition(bins[f], cut[parent], rows[part], sums[part], weights[part], spare)
        gains[f] += gain[parent]
        gain[parent] = 0.0
        left[parent], right[parent] = nodes, nodes + 1
        small = nodes if middle - first <= last - middle else nodes + 1
        for child in (nodes, nodes + 1):
            begin[child] = first if child == nodes else middle
            end[child] = middle if child == nodes else last
            depth[child] = depth[parent] + 1
            total[child] = sums[begin[child] : end[child]].sum()
            heavy[child] = weights[begin[child] : end[child]].sum()
            if everything:
                slot[child] = leaves if child == small else slot[parent]
        if depth[nodes] < how.max_depth:
            if everything:
                _take_apart(
                    hists[slot[parent]], hists[leaves], bins, rows, sums, weights, begin[small], end[small]
                )
            for child in (nodes, nodes + 1):
                if heavy[child] < 2.0 * how.min_leaf:
                    continue
                own = slice(begin[child], end[child])
                found = _best_split(
                    hists[slot[child]],
                    everything,
                    bins,
                    rows[own],
                    sums[own],
                    weights[own],
                    total[child],
                    heavy[child],
                    order,
                    seed,
                    how,
                )
                gain[child], feature[child], cut[child] = found
        nodes += 2
    value = np.zeros(nodes)
    for node in range(nodes):
        if left[node] == 0:
            feature[node], cut[node] = LEAF, 0
            value[node] = total[node] / (heavy[node] + how.l2)
    return Grown(
        feature[:nodes],
        cut[:nodes],
        left[:nodes],
        right[:nodes],
        value,
        gains,
        rows,
        begin[:nodes],
        end[:nodes],
    )


@njit
def _take_apart(
    parent: FloatArray,
    small: FloatArray,
    bins: BinArray,
    rows: IntArray,
    sums: FloatArray,
    weights: FloatArray,
    first: int,
    last: int,
) -> None:
    """Fill the histograms of the smaller child and leave those of the other in the parent's place."""
    own = slice(first, last)
    for f in range(len(bins)):
        _fill(small[f], bins[f], rows[own], sums[own], weights[own])
        for b in range(parent.shape[1]):
            parent[f, b, 0] -= small[f, b, 0]
            parent[f, b, 1] -= small[f, b, 1]
