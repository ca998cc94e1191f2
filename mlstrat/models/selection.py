"""Which features a window's models may see: chosen on its training rows, by importance or by cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.config import ModelsConfig
from mlstrat.models.forest import fit_forest
from mlstrat.models.trees import LEAF, Trees

REDUNDANT = 0.3  # features whose 1 - |rank correlation| is on average below this form a cluster
# The forest that ranks: few shallow trees with wide leaves, at a small part of the cost of a window.
RANKER = ModelsConfig(rf_n_estimators=50, rf_max_depth=5, rf_min_samples_leaf=50)


@dataclass(frozen=True)
class Selection:
    """How many features a window's models may see, and how they are chosen.

    Parameters
    ----------
    keep : int
        At most so many; 0 = every one.
    by : {"importance", "cluster"}
        The most important ones, or the most important ones that each stand for a cluster of redundant ones.
    """

    keep: int = 0
    by: Literal["importance", "cluster"] = "importance"


def select(x: FloatArray, bins: IntArray, up: FloatArray, selection: Selection, seed: int) -> IntArray:
    """Choose columns on training rows.

    The ranking is the impurity importance of a small forest. It needs no rows of its own, so that the inner
    training part and the whole window are ranked in the same way; all features have as many bins, so that
    the known bias of this importance towards features of many values is small. By cluster, the most
    important member stands for its cluster, and a second forest, which sees one a cluster, ranks those:
    twins have then not shared their importance, and a large cluster counts no more than a small one.

    Parameters
    ----------
    x : (n_rows, n_features) float64
        Training rows; later rows must not be among them.
    bins : (n_rows, n_features) int64
        The same rows in bins.
    up : (n_rows,) float64
        1 where the price rose, else 0.
    selection : Selection
        How many and how.
    seed : int
        Seed of the ranking forest.

    Returns
    -------
    (n_kept,) int64
        Ascending; every column where nothing has to be left out.

    Raises
    ------
    ModelError
        All labels are alike.
    """
    varying = np.flatnonzero(bins.max(axis=0) > 0)
    if not 0 < selection.keep < len(varying):
        return np.arange(bins.shape[1])
    _, importance = fit_forest(np.take(bins, varying, axis=1), up, RANKER, seed)
    if selection.by == "cluster":
        clusters = cluster_features(np.take(x, varying, axis=1))
        varying = varying[[members[np.argmax(importance[members])] for members in clusters]]
        _, importance = fit_forest(np.take(bins, varying, axis=1), up, RANKER, seed)
    best = np.argsort(-importance, kind="stable")[: selection.keep]
    return np.sort(varying[best])


def cluster_features(x: FloatArray, redundant: float = REDUNDANT) -> tuple[IntArray, ...]:
    """Group columns that say nearly the same, by average linkage on 1 - |rank correlation|.

    Parameters
    ----------
    x : (n_rows, n_features) float64
        Finite rows, those of a training window.
    redundant : float
        Clusters are joined while their mean distance is at most this.

    Returns
    -------
    tuple of (n_members,) int64
        Columns of each cluster, the one nearest to all others first; clusters by their first column. A
        column that does not vary is a cluster of its own.

    References
    ----------
    Lopez de Prado, Machine Learning for Asset Managers, 2020, ch. 4 and 6.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    distance = 1.0 - np.abs(rank_correlation(x))
    if len(distance) == 1:
        return (np.zeros(1, np.int64),)
    tree = linkage(squareform(distance, checks=False), "average")
    label = fcluster(tree, redundant, "distance")
    _, first = np.unique(label, return_index=True)
    found = (np.flatnonzero(label == label[column]) for column in np.sort(first))
    return tuple(_typical_first(members, distance) for members in found)


def _typical_first(members: IntArray, distance: FloatArray) -> IntArray:
    within = distance[np.ix_(members, members)].sum(axis=1)
    return members[np.argsort(within, kind="stable")]


def rank_correlation(x: FloatArray) -> FloatArray:
    """Return Spearman's correlation of every pair of columns (n, n); 0 for a column that does not vary."""
    from scipy.stats import rankdata

    ranks = rankdata(x, axis=0)
    ranks -= ranks.mean(axis=0)
    size = np.sqrt((ranks**2).sum(axis=0))
    ranks /= np.where(size > 0, size, 1.0)
    rho = np.clip(ranks.T @ ranks, -1.0, 1.0)
    np.fill_diagonal(rho, 1.0)
    return np.asarray((rho + rho.T) / 2.0)


def widened(trees: Trees, columns: IntArray) -> Trees:
    """Return trees that were fitted on some columns, speaking of the whole row's columns."""
    feature = np.where(trees.feature == LEAF, LEAF, columns[trees.feature])
    return trees._replace(feature=feature.astype(np.int32))
