"""The direction model: a random forest of classification trees on bins (Breiman 2001)."""

import numpy as np

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.config import ModelsConfig
from mlstrat.errors import ModelError
from mlstrat.models.growing import Growth, columns_of, no_limit
from mlstrat.models.many_trees import grow_forest
from mlstrat.models.trees import Trees

# Share of the rows that each tree draws.
_DRAWN = 0.5


def fit_forest(
    bins: IntArray, up: FloatArray, config: ModelsConfig, seed: int, weight: FloatArray | None = None
) -> tuple[Trees, FloatArray]:
    """Fit the forest.

    Parameters
    ----------
    bins : (n_rows, n_features) int64
        Binned features.
    up : (n_rows,) float64
        1 where the price rose, else 0.
    config : ModelsConfig
        Sizes.
    seed : int
        Seed of the draws of rows and of features.
    weight : (n_rows,) float64, optional
        How much each row counts, 1 on average; default 1 each.

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
    if up.min() == up.max():
        raise ModelError(
            f"all {len(up):,} training labels are {up[0]:g}: the price never changes direction in the "
            "training window; check the bars or choose a longer window."
        )
    columns = columns_of(bins)
    drawn = max(1, int(_DRAWN * len(up)))
    how = Growth(
        n_bins=int(bins.max()) + 1,
        max_depth=config.rf_max_depth,
        max_leaves=config.rf_max_leaves or no_limit(config.rf_max_depth, drawn),
        min_leaf=float(config.rf_min_samples_leaf),
        l2=0.0,
        n_try=max(1, int(np.sqrt(len(columns)))),
    )
    weights = np.ones(len(up)) if weight is None else weight
    random = np.array([seed], np.uint64)
    nodes, importances = grow_forest(columns, up, weights, config.rf_n_estimators, drawn, random, how)
    return Trees(*nodes, base=0.0, scale=1.0 / config.rf_n_estimators), importances
