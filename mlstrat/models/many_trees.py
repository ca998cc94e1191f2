"""Growing many trees: a forest on draws of the rows, and a sequence that each mends the ones before it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlstrat.arrays import FloatArray, njit
from mlstrat.models.growing import BinArray, Grown, Growth, grow, next_random
from mlstrat.models.trees import LEAF


class NodeArrays(NamedTuple):
    """The nodes of several trees, one tree after the other; see `Trees`."""

    feature: NDArray[np.int32]
    cut: NDArray[np.int32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    value: FloatArray
    roots: NDArray[np.int32]


@njit
def grow_forest(
    bins: BinArray,
    target: FloatArray,
    weight: FloatArray,
    n_trees: int,
    n_drawn: int,
    seed: NDArray[np.uint64],
    how: Growth,
) -> tuple[NodeArrays, FloatArray]:
    """Grow trees on samples of `n_drawn` rows with replacement (Breiman 2001).

    Returns
    -------
    NodeArrays
        The nodes of all trees.
    (n_features,) float64
        Mean over trees of each feature's share of the tree's gains.
    """
    nodes = _room(n_trees, how, n_drawn)
    shares = np.zeros(len(bins))
    used = 0
    for tree in range(n_trees):
        rows = np.empty(n_drawn, np.int64)
        for i in range(n_drawn):
            rows[i] = next_random(seed, len(target))
        grown = grow(bins, target, weight, rows, seed, how)
        used = _append(nodes, tree, used, grown, 1.0)
        total = grown.gains.sum()
        if total > 0.0:
            shares += grown.gains / total / n_trees
    return _trimmed(nodes, used), shares


@njit
def grow_boosted(
    bins: BinArray,
    target: FloatArray,
    weight: FloatArray,
    n_trees: int,
    learning_rate: float,
    seed: NDArray[np.uint64],
    how: Growth,
) -> tuple[NodeArrays, float]:
    """Grow trees one after the other, each on what the ones before leave unexplained (Friedman 2001).

    Returns
    -------
    NodeArrays
        The nodes of all trees; leaf values are shrunk by the learning rate.
    float
        The weighted mean of the target, from which the sum of the trees starts.
    """
    nodes = _room(n_trees, how, len(target))
    rows = np.arange(len(target))
    base = (target * weight).sum() / weight.sum()
    rest = target - base
    used = 0
    for tree in range(n_trees):
        grown = grow(bins, rest, weight, rows, seed, how)
        used = _append(nodes, tree, used, grown, learning_rate)
        for node in range(len(grown.value)):
            if grown.feature[node] == LEAF:
                step = learning_rate * grown.value[node]
                for i in range(grown.begin[node], grown.end[node]):
                    rest[grown.rows[i]] -= step
    return _trimmed(nodes, used), base


@njit
def _room(n_trees: int, how: Growth, n_rows: int) -> NodeArrays:
    size = n_trees * (2 * max(1, min(how.max_leaves, n_rows)) - 1)
    return NodeArrays(
        np.empty(size, np.int32),
        np.empty(size, np.int32),
        np.empty(size, np.int32),
        np.empty(size, np.int32),
        np.empty(size),
        np.empty(n_trees, np.int32),
    )


@njit
def _append(nodes: NodeArrays, tree: int, used: int, grown: Grown, scale: float) -> int:
    """Put a tree behind the `used` nodes, children counted over all trees; return how many are used now."""
    part = slice(used, used + len(grown.value))
    nodes.roots[tree] = used
    nodes.feature[part], nodes.cut[part] = grown.feature, grown.cut
    nodes.value[part] = scale * grown.value
    for node in range(len(grown.value)):
        inner = grown.feature[node] != LEAF
        nodes.left[used + node] = used + grown.left[node] if inner else 0
        nodes.right[used + node] = used + grown.right[node] if inner else 0
    return used + len(grown.value)


@njit
def _trimmed(nodes: NodeArrays, used: int) -> NodeArrays:
    return NodeArrays(
        nodes.feature[:used].copy(),
        nodes.cut[:used].copy(),
        nodes.left[:used].copy(),
        nodes.right[:used].copy(),
        nodes.value[:used].copy(),
        nodes.roots,
    )
