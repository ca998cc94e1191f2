"""Smaller ensembles that vote as a large one does. No label is read: only the large one's own votes count."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits

from mlstrat.arrays import FloatArray, IntArray, njit
from mlstrat.config import ModelsConfig
from mlstrat.models.binning import bin_block
from mlstrat.models.boosting import fit_boosting
from mlstrat.models.ensemble import EnsembleArrays
from mlstrat.models.trees import LEAF, Trees
from mlstrat.models.voters import GIVEN

MOST_ROWS = 10_000  # that votes are compared on; more would not change which trees are kept
LEARNING_RATE = 0.2  # of trees that copy votes: these have no noise, so steps may be large
_SEED = 0


def prune(ensemble: EnsembleArrays, x: FloatArray, keep: tuple[int, int]) -> EnsembleArrays:
    """Keep the trees whose plain sum follows the sum of all trees best.

    Trees are taken one after another, each time the one that brings the correlation with the whole nearest to
    1. To keep the first trees would do for a booster, whose later trees matter less, but the trees of a
    forest have no order. The kept sum is then put on the scale of the whole by least squares.

    Parameters
    ----------
    ensemble : EnsembleArrays
        The large one.
    x : (n_rows, n_features) float64
        Finite rows of its training window.
    keep : (int, int)
        Trees of the forest and of the booster.

    Returns
    -------
    EnsembleArrays
        Without the edges that no model reads any more; LSTM and stack are as they were.
    """
    bins = bin_block(_some(x), ensemble.models.edges)
    models = ensemble.models
    forest = _kept(models.forest, bins, keep[0])
    boosting = _kept(models.boosting, bins, keep[1])
    return compact(ensemble._replace(models=models._replace(forest=forest, boosting=boosting)))


def distil(
    ensemble: EnsembleArrays, x: FloatArray, trees: tuple[int, int], leaves: int, seed: int = _SEED
) -> EnsembleArrays:
    """Fit new trees to the votes of the old ones (Bucila, Caruana and Niculescu-Mizil 2006).

    Parameters
    ----------
    ensemble, x
        As for `prune`.
    trees : (int, int)
        New trees in place of the forest and of the booster; both are boosted.
    leaves : int
        Most leaves of a tree.
    seed : int
        Of the learner.

    Returns
    -------
    EnsembleArrays
        As for `prune`.
    """
    bins = bin_block(_some(x), ensemble.models.edges)
    models = ensemble.models
    forest = _copied(models.forest, bins, trees[0], leaves, seed)
    boosting = _copied(models.boosting, bins, trees[1], leaves, seed)
    return compact(ensemble._replace(models=models._replace(forest=forest, boosting=boosting)))


def best_trees(outputs: FloatArray, keep: int) -> IntArray:
    """Choose trees greedily by the correlation of their plain sum with the sum of all.

    Parameters
    ----------
    outputs : (n_rows, n_trees) float64
        Value of each tree on each row.
    keep : int
        How many, at least 1; all where there are no more.

    Returns
    -------
    (n_kept,) int64
        Ascending.
    """
    centred = outputs - outputs.mean(axis=0)
    with threadpool_limits(1):  # the same bits on any machine of one kind
        gram = centred.T @ centred
    whole, own = gram.sum(axis=0), np.diag(gram)
    taken = np.zeros(len(gram), bool)
    shared, covariance, variance = np.zeros(len(gram)), 0.0, 0.0
    for _ in range(min(keep, len(gram))):
        joint = covariance + whole
        spread = np.maximum(variance + 2.0 * shared + own, 1e-300)
        best = int(np.argmax(np.where(taken, -np.inf, joint * np.abs(joint) / spread)))
        covariance, variance = float(joint[best]), float(spread[best])
        shared += gram[best]
        taken[best] = True
    return np.flatnonzero(taken)


@njit
def tree_outputs(bins: IntArray, trees: Trees) -> FloatArray:
    """Return the value that each row (n_rows, n_features) reaches in each tree: (n_rows, n_trees)."""
    out = np.empty((len(bins), len(trees.roots)))
    for row in range(len(bins)):
        for k in range(len(trees.roots)):
            node = trees.roots[k]
            while trees.feature[node] >= 0:
                below = bins[row, trees.feature[node]] <= trees.cut[node]
                node = trees.left[node] if below else trees.right[node]
            out[row, k] = trees.value[node]
    return out


def compact(ensemble: EnsembleArrays) -> EnsembleArrays:
    """Drop the edges at which no tree cuts, but for the LSTM's inputs; every prediction keeps its bits."""
    models = ensemble.models
    count = np.isfinite(models.edges).sum(axis=1)
    read = np.zeros((len(count), models.edges.shape[1]), bool)
    read[models.lstm.inputs] = np.isfinite(models.edges[models.lstm.inputs])
    for trees in (models.forest, models.boosting, models.voters.trees):
        cuts = (trees.feature != LEAF) & (trees.cut < count[trees.feature])
        read[trees.feature[cuts], trees.cut[cuts]] = True
    if (models.voters.kind == GIVEN).any():  # what is no tree reads where a bin lies among all of its column
        read = np.isfinite(models.edges)
    edges = np.full((len(count), max(int(read.sum(axis=1).max()), 1)), np.inf)
    for column, kept in enumerate(read):
        edges[column, : kept.sum()] = models.edges[column, kept]
    # A cut at an edge becomes the number of kept edges before it; one behind the last edge stays behind.
    place = np.hstack([np.zeros((len(count), 1), np.int64), np.cumsum(read, axis=1)])
    fewer = models._replace(
        edges=edges,
        forest=_recut(models.forest, place),
        boosting=_recut(models.boosting, place),
        voters=models.voters._replace(trees=_recut(models.voters.trees, place)),
    )
    return ensemble._replace(models=fewer)


def _recut(trees: Trees, place: IntArray) -> Trees:
    inner = trees.feature != LEAF
    cut = np.where(inner, place[trees.feature, trees.cut], 0)
    return trees._replace(cut=cut.astype(np.int32))


def _some(x: FloatArray) -> FloatArray:
    """Return at most `MOST_ROWS` rows, evenly spread."""
    if len(x) <= MOST_ROWS:
        return x
    return np.ascontiguousarray(x[np.linspace(0, len(x) - 1, MOST_ROWS).astype(np.int64)])


def _kept(trees: Trees, bins: IntArray, keep: int) -> Trees:
    outputs = tree_outputs(bins, trees)
    chosen = best_trees(outputs, keep)
    sizes = np.diff(np.append(trees.roots, len(trees.feature)))
    nodes = np.flatnonzero(np.isin(np.repeat(np.arange(len(sizes)), sizes), chosen))
    moved = np.cumsum(np.r_[0, sizes[chosen]])[:-1]  # where each kept tree begins now
    shift = np.repeat(moved - trees.roots[chosen], sizes[chosen])
    inner = trees.feature[nodes] != LEAF
    small = trees._replace(
        feature=trees.feature[nodes],
        cut=trees.cut[nodes],
        left=np.where(inner, trees.left[nodes] + shift, 0).astype(np.int32),
        right=np.where(inner, trees.right[nodes] + shift, 0).astype(np.int32),
        value=trees.value[nodes],
        roots=moved.astype(np.int32),
    )
    return _matched(small, trees, outputs[:, chosen].sum(axis=1), outputs.sum(axis=1))


def _copied(trees: Trees, bins: IntArray, count: int, leaves: int, seed: int) -> Trees:
    wanted = tree_outputs(bins, trees).sum(axis=1)
    sizes = ModelsConfig(gb_n_estimators=count, gb_max_leaves=leaves, gb_learning_rate=LEARNING_RATE)
    unit = float(wanted.std()) or 1.0
    small = fit_boosting(bins, (wanted - wanted.mean()) / unit, sizes, seed)
    return _matched(small, trees, tree_outputs(bins, small).sum(axis=1), wanted)


def _matched(small: Trees, whole: Trees, small_sum: FloatArray, whole_sum: FloatArray) -> Trees:
    """Put the small trees on the scale of the whole ones by least squares.

    The constant goes into the leaves, an equal part into each tree, because the forest's base is not read.
    """
    spread = float(np.var(small_sum))
    slope = float(np.cov(small_sum, whole_sum, bias=True)[0, 1]) / spread if spread > 0.0 else 0.0
    slope = slope if slope > 0.0 else 1.0
    constant = float(whole_sum.mean()) / slope - float(small_sum.mean())
    value = small.value + constant / len(small.roots)
    return small._replace(value=value, base=whole.base, scale=whole.scale * slope)
