"""The direction model: a random forest of classification trees on bins (Breiman 2001)."""

import numpy as np

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.config import ModelsConfig
from mlstrat.errors import ModelError
from mlstrat.models.trees import LEAF, Trees, join_trees


def fit_forest(bins: IntArray, up: FloatArray, config: ModelsConfig, seed: int) -> tuple[Trees, FloatArray]:
    """Fit the forest and turn it into arrays.

    Parameters
    ----------
    bins : (n_rows, n_features) int64
        Binned features.
    up : (n_rows,) float64
        1 where the price rose, else 0.
    config : ModelsConfig
        Sizes.
    seed : int
        Seed of the bootstrap and of the feature draws.

    Returns
    -------
    Trees
        Its output is the probability of a rise: the mean over trees of the leaf's share of rises.
    (n_features,) float64
        Impurity importances of the features, summing to 1 (in sample; used to choose LSTM inputs only).

    Raises
    ------
    ModelError
        All labels are alike.
    """
    from sklearn.ensemble import RandomForestClassifier

    if up.min() == up.max():
        raise ModelError(
            f"all {len(up):,} training labels are {up[0]:g}: the price never changes direction in the "
            "training window; check the bars or choose a longer window."
        )
    forest = RandomForestClassifier(
        n_estimators=config.rf_n_estimators,
        max_depth=config.rf_max_depth,
        min_samples_leaf=config.rf_min_samples_leaf,
        max_leaf_nodes=config.rf_max_leaves,
        max_features="sqrt",
        max_samples=0.5,
        n_jobs=1,
        random_state=seed,
    )
    forest.fit(bins.astype(np.float32), up > 0.5)
    nodes = [_nodes(member.tree_) for member in forest.estimators_]
    trees = join_trees(nodes, base=0.0, scale=1.0 / len(nodes))
    return trees, np.asarray(forest.feature_importances_, np.float64)


def _nodes(tree: object) -> dict[str, np.ndarray]:
    leaf = tree.children_left == -1  # type: ignore[attr-defined]
    return {
        "feature": np.where(leaf, LEAF, tree.feature),  # type: ignore[attr-defined]
        "cut": np.floor(np.where(leaf, 0, tree.threshold)),  # type: ignore[attr-defined]
        "left": tree.children_left,  # type: ignore[attr-defined]
        "right": tree.children_right,  # type: ignore[attr-defined]
        "value": tree.value[:, 0, 1],  # type: ignore[attr-defined]
    }
