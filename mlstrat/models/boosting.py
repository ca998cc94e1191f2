"""The magnitude model: histogram gradient boosting on bins (Friedman 2001)."""

import numpy as np

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.config import ModelsConfig
from mlstrat.models.growing import Growth, columns_of
from mlstrat.models.many_trees import grow_boosted
from mlstrat.models.trees import Trees

MIN_LEAF = 20  # rows: a smaller leaf follows noise in returns
L2 = 1.0
_MAX_DEPTH = 64


def fit_boosting(
    bins: IntArray, target: FloatArray, config: ModelsConfig, seed: int, weight: FloatArray | None = None
) -> Trees:
    """Fit the booster.

    Parameters
    ----------
    bins : (n_rows, n_features) int64
        Binned features.
    target : (n_rows,) float64
        What to predict, such as standardised returns.
    config : ModelsConfig
        Sizes.
    seed : int
        Not used by the learner, which draws nothing; every model takes one.
    weight : (n_rows,) float64, optional
        How much each row counts, 1 on average; default 1 each.

    Returns
    -------
    Trees
        Its output is the prediction, in the unit of `target`.
    """
    columns = columns_of(bins)
    how = Growth(
        n_bins=int(bins.max()) + 1,
        max_depth=_MAX_DEPTH,
        max_leaves=config.gb_max_leaves,
        min_leaf=float(max(MIN_LEAF, config.rf_min_samples_leaf)),
        l2=L2,
        n_try=len(columns),
    )
    weights = np.ones(len(target)) if weight is None else weight
    random = np.array([seed], np.uint64)
    nodes, base = grow_boosted(
        columns, target, weights, config.gb_n_estimators, config.gb_learning_rate, random, how
    )
    return Trees(*nodes, base=float(base), scale=1.0)
