"""What scikit-learn's contract asks of the estimators: checked rows, two classes, settings, seeds.

Only `mlstrat.models.estimators` imports this module, because importing it imports scikit-learn.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import ValidationError
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_array, check_consistent_length, check_random_state
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from mlstrat.arrays import FloatArray
from mlstrat.config import ModelsConfig
from mlstrat.errors import ConfigError, ModelError

RandomState = int | np.integer[Any] | np.random.RandomState | None


class TrainingDataError(ModelError, ValueError):
    """Rows or labels that an estimator cannot learn from; a `ValueError` too, as scikit-learn expects."""


class Estimator(BaseEstimator):  # type: ignore[misc]
    """What the four share: settings as a `ModelsConfig`, and checked rows."""

    def _config_of(self, **param_of: str) -> ModelsConfig:
        """Return the sizes; keys are those of `ModelsConfig`, values name the estimator's parameters."""
        given = {key: getattr(self, name) for key, name in param_of.items()}
        plain = {key: v.item() if isinstance(v, np.generic) else v for key, v in given.items()}
        try:
            return ModelsConfig(**plain)
        except ValidationError as error:
            faults = (
                (param_of[str(fault["loc"][0])], fault["input"], fault["msg"]) for fault in error.errors()
            )
            sentences = (
                f"{name} of {type(self).__name__} is {value!r} ({rule[0].lower()}{rule[1:]}): "
                "give another value."
                for name, value, rule in faults
            )
            raise ConfigError("\n".join(sentences)) from None

    def _training(self, X: ArrayLike, y: ArrayLike, numeric: bool) -> tuple[FloatArray, NDArray[Any]]:
        """Return finite (n_rows, n_features) float64 rows, at least two, and their (n_rows,) targets."""
        x, target = validate_data(
            self, X, y, dtype=np.float64, order="C", ensure_min_samples=2, y_numeric=numeric
        )
        return _writable(x), target

    def _rows(self, X: ArrayLike) -> FloatArray:
        """Return finite float64 rows with the features of `fit`."""
        check_is_fitted(self)
        return _writable(validate_data(self, X, reset=False, dtype=np.float64, order="C"))


class BinaryClassifier(ClassifierMixin, Estimator):  # type: ignore[misc]
    """A classifier of two classes; the second in sorted order counts as up."""

    classes_: NDArray[Any]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    def _learn_classes(self, y: NDArray[Any]) -> FloatArray:
        """Set `classes_` and return (n_rows,) 1 for the second class, else 0."""
        check_classification_targets(y)
        kind = type_of_target(y, input_name="y", raise_unknown=True)
        if kind != "binary":
            raise TrainingDataError(
                f"Only binary classification is supported. The type of the target is {kind}: "
                "give two classes, such as 0 and 1."
            )
        self.classes_, place = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise TrainingDataError(
                f"all {len(y):,} labels are of one class, {self.classes_[0]!r}: give rows of both."
            )
        return np.asarray(place, np.float64)

    def _prob_up(self, X: ArrayLike) -> FloatArray:
        """Return (n_rows,) the probability of the second class."""
        raise NotImplementedError

    def predict_proba(self, X: ArrayLike) -> FloatArray:
        """Return (n_rows, 2) probabilities, columns in the order of `classes_`."""
        prob_up = self._prob_up(X)
        return np.column_stack([1.0 - prob_up, prob_up])

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return (n_rows,) the more probable class; the first at exactly 0.5."""
        place = np.argmax(self.predict_proba(X), axis=1)
        return np.asarray(self.classes_[place])


def _writable(x: FloatArray) -> FloatArray:
    # Compiled functions are compiled again for read-only arrays; a copy costs less.
    return np.array(x, np.float64, order="C")


def checked_returns(returns: ArrayLike, x: FloatArray) -> FloatArray:
    """Return (n_rows,) finite float64 returns, one a row of `x`."""
    checked = check_array(returns, ensure_2d=False, dtype=np.float64, input_name="returns")
    check_consistent_length(x, checked)
    return np.array(checked).reshape(len(x))


def seed_of(random_state: RandomState) -> int:
    """Return the seed: an int as it is, else one drawn by scikit-learn's rule."""
    if isinstance(random_state, int | np.integer):
        return int(random_state)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
