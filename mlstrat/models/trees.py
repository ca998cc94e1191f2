"""Fitted trees as plain arrays: what predicts in batch, bar by bar and in an exported script."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlstrat.arrays import FloatArray, IntArray, njit

LEAF = -1


class Trees(NamedTuple):
    """Nodes of all trees of one model, one array element a node, trees one after the other.

    A row at an inner node goes `left` where the bin of `feature` is <= `cut`, else `right`; a leaf has
    feature -1 and a `value`. `roots` are the first nodes of the trees. The model's output is
    `base + scale * sum of the reached values`.
    """

    feature: NDArray[np.int32]
    cut: NDArray[np.int32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    value: FloatArray
    roots: NDArray[np.int32]
    base: float
    scale: float


def join_trees(nodes: list[dict[str, NDArray[Any]]], base: float, scale: float) -> Trees:
    """Join trees given as arrays (feature, cut, left, right, value), children counted within the tree."""
    sizes = [len(tree["feature"]) for tree in nodes]
    roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32)
    joined: dict[str, NDArray[Any]] = {}
    for name in ("feature", "cut", "left", "right"):
        joined[name] = np.concatenate([tree[name] for tree in nodes]).astype(np.int32)
    for name in ("left", "right"):
        joined[name] += np.repeat(roots, sizes)
    value = np.concatenate([tree["value"] for tree in nodes]).astype(np.float64)
    inner = joined["feature"] != LEAF
    for name in ("cut", "left", "right"):
        joined[name] = np.where(inner, joined[name], 0).astype(np.int32)
    return Trees(joined["feature"], joined["cut"], joined["left"], joined["right"], value, roots, base, scale)


@njit
def predict_trees(
    bins: IntArray,
    feature: NDArray[np.int32],
    cut: NDArray[np.int32],
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    value: FloatArray,
    roots: NDArray[np.int32],
) -> float:
    """Return the sum of the values that one row of bins reaches, trees in order."""
    total = 0.0
    for root in roots:
        node = root
        while feature[node] >= 0:
            node = left[node] if bins[feature[node]] <= cut[node] else right[node]
        total += value[node]
    return total
