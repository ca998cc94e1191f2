"""The magnitude model: histogram gradient boosting on bins (Friedman 2001)."""

import numpy as np

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.config import ModelsConfig
from mlstrat.models.trees import LEAF, Trees, join_trees

MIN_LEAF = 20  # rows: a smaller leaf follows noise in returns


def fit_boosting(bins: IntArray, target: FloatArray, config: ModelsConfig, seed: int) -> Trees:
    """Fit the booster and turn it into arrays.

    Parameters
    ----------
    bins : (n_rows, n_features) int64
        Binned features.
    target : (n_rows,) float64
        What to predict, such as standardised returns.
    config : ModelsConfig
        Sizes.
    seed : int
        Seed of the learner.

    Returns
    -------
    Trees
        Its output is the prediction, in the unit of `target`.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    booster = HistGradientBoostingRegressor(
        max_iter=config.gb_n_estimators,
        max_leaf_nodes=config.gb_max_leaves,
        learning_rate=config.gb_learning_rate,
        min_samples_leaf=max(MIN_LEAF, config.rf_min_samples_leaf),
        l2_regularization=1.0,
        early_stopping=False,
        random_state=seed,
    )
    booster.fit(bins.astype(np.float64), target)
    # The fitted nodes have no public accessor; the layout is checked by the equality tests.
    nodes = [_nodes(iteration[0].nodes) for iteration in booster._predictors]
    return join_trees(nodes, base=float(booster._baseline_prediction.ravel()[0]), scale=1.0)


def _nodes(nodes: np.ndarray) -> dict[str, np.ndarray]:
    leaf = nodes["is_leaf"].astype(bool)
    return {
        "feature": np.where(leaf, LEAF, nodes["feature_idx"].astype(np.int64)),
        "cut": np.floor(np.where(leaf, 0.0, nodes["num_threshold"])),
        "left": nodes["left"],
        "right": nodes["right"],
        "value": nodes["value"],
    }
