"""The models as scikit-learn estimators: thin over the functions that the walk-forward calls.

What predicts is the fitted arrays, row by row, so an estimator gives the walk-forward's bits. Nothing else
in the package imports this module, because importing it imports scikit-learn. scikit-learn's own checks of
`X` and `y` raise `ValueError`; settings that cannot be used raise `ConfigError`.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin
from threadpoolctl import threadpool_limits

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.config import ModelsConfig
from mlstrat.errors import ConfigError
from mlstrat.models.binning import bin_block, fit_edges
from mlstrat.models.boosting import MIN_LEAF, fit_boosting
from mlstrat.models.contract import (
    BinaryClassifier,
    Estimator,
    RandomState,
    TrainingDataError,
    seed_of,
)
from mlstrat.models.forest import fit_forest
from mlstrat.models.lstm import fit_lstm, lstm_inputs, lstm_step
from mlstrat.models.trees import Trees, predict_trees

_USUAL = ModelsConfig()


class BinnedForestClassifier(BinaryClassifier):
    """Direction by a random forest on bins (`mlstrat.models.forest.fit_forest`).

    Parameters
    ----------
    n_estimators, max_depth, min_samples_leaf, max_leaf_nodes : int
        Trees, depth, rows in a leaf, leaves of a tree (None = no limit).
    bins : int
        At most so many edges a feature, 2 to 63.
    random_state : int, RandomState or None
        Seed; the same int gives the same bits.

    Attributes
    ----------
    classes_ : (2,) array
        Classes; the second one is up.
    edges_ : (n_features, bins) float64
        Bin edges, padded with +inf.
    trees_ : Trees
        The fitted trees as arrays; their output is the probability of the second class.
    feature_importances_ : (n_features,) float64
        Impurity importances, in sample.
    """

    def __init__(
        self,
        n_estimators: int = _USUAL.rf_n_estimators,
        max_depth: int = _USUAL.rf_max_depth,
        min_samples_leaf: int = _USUAL.rf_min_samples_leaf,
        max_leaf_nodes: int | None = _USUAL.rf_max_leaves,
        bins: int = _USUAL.bins,
        random_state: RandomState = 0,
    ) -> None:
        self.n_estimators = n_estimators
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.max_leaf_nodes = max_leaf_nodes
        self.bins = bins
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Learn from (n_rows, n_features) finite features and (n_rows,) labels of two classes."""
        config = self._config_of(
            rf_n_estimators="n_estimators",
            rf_max_depth="max_depth",
            rf_min_samples_leaf="min_samples_leaf",
            rf_max_leaves="max_leaf_nodes",
            bins="bins",
        )
        x, labels = self._training(X, y, numeric=False)
        up = self._learn_classes(labels)
        self.edges_ = fit_edges(x, config.bins)
        seed = seed_of(self.random_state)
        self.trees_, self.feature_importances_ = fit_forest(bin_block(x, self.edges_), up, config, seed)
        return self

    def _prob_up(self, X: ArrayLike) -> FloatArray:
        x = self._rows(X)
        return _tree_outputs(bin_block(x, self.edges_), self.trees_)


class BinnedBoostingRegressor(RegressorMixin, Estimator):  # type: ignore[misc]
    """Gradient boosting on bins (`mlstrat.models.boosting.fit_boosting`).

    Parameters
    ----------
    n_estimators, max_leaf_nodes : int
        Trees and leaves of a tree.
    learning_rate : float
        Share of each tree's step that is taken, in (0, 1].
    min_samples_leaf : int
        Rows in a leaf, at least 20.
    bins : int
        At most so many edges a feature, 2 to 63.
    random_state : int, RandomState or None
        Seed; the same int gives the same bits.

    Attributes
    ----------
    edges_ : (n_features, bins) float64
        Bin edges, padded with +inf.
    trees_ : Trees
        The fitted trees as arrays; their output has the unit of `y`.
    """

    def __init__(
        self,
        n_estimators: int = _USUAL.gb_n_estimators,
        max_leaf_nodes: int = _USUAL.gb_max_leaves,
        learning_rate: float = _USUAL.gb_learning_rate,
        min_samples_leaf: int = MIN_LEAF,
        bins: int = _USUAL.bins,
        random_state: RandomState = 0,
    ) -> None:
        self.n_estimators = n_estimators
        self.max_leaf_nodes = max_leaf_nodes
        self.learning_rate = learning_rate
        self.min_samples_leaf = min_samples_leaf
        self.bins = bins
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Learn from (n_rows, n_features) finite features and (n_rows,) finite targets, such as returns."""
        config = self._config_of(
            gb_n_estimators="n_estimators",
            gb_max_leaves="max_leaf_nodes",
            gb_learning_rate="learning_rate",
            rf_min_samples_leaf="min_samples_leaf",
            bins="bins",
        )
        if self.min_samples_leaf < MIN_LEAF:
            raise ConfigError(
                f"min_samples_leaf of {type(self).__name__} is {self.min_samples_leaf}: "
                f"give {MIN_LEAF} rows or more."
            )
        x, target = self._training(X, y, numeric=True)
        self.edges_ = fit_edges(x, config.bins)
        bins, seed = bin_block(x, self.edges_), seed_of(self.random_state)
        with threadpool_limits(1):
            self.trees_ = fit_boosting(bins, np.asarray(target, np.float64), config, seed)
        return self

    def predict(self, X: ArrayLike) -> FloatArray:
        """Return (n_rows,) predictions in the unit of `y`."""
        x = self._rows(X)
        return _tree_outputs(bin_block(x, self.edges_), self.trees_)


class StatefulLSTMRegressor(RegressorMixin, Estimator):  # type: ignore[misc]
    """A stateful LSTM over consecutive rows (`mlstrat.models.lstm.fit_lstm`).

    Rows are consecutive in time, in `fit` and in `predict`: never shuffle them. `predict` starts the state
    at zero at its first row. For rows that follow the training rows, predict both together and keep the
    last ones: then the state has seen the past, as in the walk-forward.

    Parameters
    ----------
    units, epochs : int
        Cells of the layer and passes over the sequence.
    learning_rate : float
        Of AdamW, in (0, 1].
    bins : int
        At most so many edges a feature, 2 to 63; the layer sees a bin's place in [-1, 1].
    random_state : int, RandomState or None
        Seed of the initial weights; the same int gives the same bits.

    Attributes
    ----------
    edges_ : (n_features, bins) float64
        Bin edges, padded with +inf.
    centre_, unit_ : float
        Mean and standard deviation of `y`; it is learned as (y - centre_) / unit_.
    lstm_ : Lstm
        The fitted weights as arrays.
    """

    def __init__(
        self,
        units: int = _USUAL.lstm_units,
        epochs: int = _USUAL.lstm_epochs,
        learning_rate: float = _USUAL.lstm_learning_rate,
        bins: int = _USUAL.bins,
        random_state: RandomState = 0,
    ) -> None:
        self.units = units
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.bins = bins
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Learn from consecutive rows: (n_rows, n_features) finite features, (n_rows,) finite targets.

        Raises
        ------
        MissingExtraError
            PyTorch is not installed.
        """
        config = self._config_of(
            lstm_units="units", lstm_epochs="epochs", lstm_learning_rate="learning_rate", bins="bins"
        )
        x, given = self._training(X, y, numeric=True)
        target = np.asarray(given, np.float64)
        self.edges_ = fit_edges(x, config.bins)
        if not np.isfinite(self.edges_).any():
            raise TrainingDataError(f"no feature varies over the {len(x):,} rows: give one that does.")
        every = config.model_copy(update={"lstm_inputs": x.shape[1]})
        inputs, half = lstm_inputs(np.ones(x.shape[1]), self.edges_, every)
        self.centre_, self.unit_ = float(np.mean(target)), float(np.std(target)) or 1.0
        standard, bins = (target - self.centre_) / self.unit_, bin_block(x, self.edges_)
        self.lstm_ = fit_lstm(bins, standard, inputs, half, config, seed_of(self.random_state))
        return self

    def predict(self, X: ArrayLike) -> FloatArray:
        """Return (n_rows,) predictions in the unit of `y`, the state starting at zero at the first row."""
        x = self._rows(X)
        units = len(self.lstm_.w_out)
        state, gates = np.zeros((2, units)), np.empty(4 * units)
        bins = bin_block(x, self.edges_)
        return self.centre_ + self.unit_ * np.array([lstm_step(b, state, gates, *self.lstm_) for b in bins])


def _tree_outputs(bins: IntArray, trees: Trees) -> FloatArray:
    nodes = trees[:6]
    sums = np.array([predict_trees(row, *nodes) for row in bins])
    return np.asarray(trees.base + trees.scale * sums)
