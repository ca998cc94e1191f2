"""The linear parts of the learned scorer: logistic regression and a support vector machine, added up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.sentiment.learned.model import CLASSES, softmax

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

SMOOTHING = 1.0  # texts added to the count of each string in each class
_LEAST_PROBABLE = 1e-15


@dataclass(frozen=True)
class Penalties:
    """Inverse strength of the ridge of each part; smaller sets of texts want less."""

    logistic: float
    margin: float


@dataclass(frozen=True, eq=False)
class Linear:
    """Logits of the three classes: `matrix @ weights + intercept`.

    Parameters
    ----------
    weights : (columns, 3) float64
    intercept : (3,) float64
    """

    weights: FloatArray
    intercept: FloatArray

    def logits(self, matrix: csr_matrix) -> FloatArray:
        """Return the logits (n, 3) of rows."""
        return np.asarray(matrix @ self.weights + self.intercept)


def fitted(matrix: csr_matrix, labels: IntArray, counted: int, penalties: Penalties) -> tuple[Linear, Linear]:
    """Fit both parts to rows whose first `counted` columns count strings."""
    return _logistic(matrix, labels, penalties.logistic), _margin(matrix, labels, counted, penalties.margin)


def factors_of(parts: Sequence[FloatArray], labels: IntArray) -> tuple[float, ...]:
    """Return the factors by which the logits of the parts are multiplied and added.

    Each part alone is brought to the factor of least log loss, then their sum is: one over the temperature of
    Guo et al. (2017).
    """
    alone = [sharpness(part, labels) for part in parts]
    both = sharpness(added(parts, alone), labels)
    return tuple(both * factor for factor in alone)


def added(parts: Sequence[FloatArray], factors: Sequence[float]) -> FloatArray:
    """Return the sum of the parts, each times its factor."""
    return np.asarray(sum(factor * part for factor, part in zip(factors, parts, strict=True)))


def sharpness(logits: FloatArray, labels: IntArray) -> float:
    """Return the factor of the logits with the least log loss."""
    from scipy.optimize import minimize_scalar

    def loss(factor: float) -> float:
        return log_loss(softmax(factor * logits), labels)

    return float(minimize_scalar(loss, bounds=(0.1, 10.0), method="bounded").x)


def log_loss(probabilities: FloatArray, labels: IntArray) -> float:
    """Return the mean of minus the log of the probability of each label, in nats."""
    own = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.clip(own, _LEAST_PROBABLE, 1.0)).mean())


def class_ratios(matrix: csr_matrix, labels: IntArray) -> FloatArray:
    """Return how much commoner each string is in a class than in the others (columns, 3), as a log.

    References
    ----------
    Wang and Manning (2012), Baselines and Bigrams: Simple, Good Sentiment and Topic Classification, ACL.
    """
    held = (matrix > 0).astype(np.float64)
    found = np.empty((matrix.shape[1], len(CLASSES)))
    for which in range(len(CLASSES)):
        inside = SMOOTHING + np.asarray(held[labels == which].sum(axis=0)).ravel()
        outside = SMOOTHING + np.asarray(held[labels != which].sum(axis=0)).ravel()
        found[:, which] = np.log(inside / inside.sum()) - np.log(outside / outside.sum())
    return found


def _logistic(matrix: csr_matrix, labels: IntArray, penalty: float) -> Linear:
    from sklearn.linear_model import LogisticRegression

    found = LogisticRegression(C=penalty, max_iter=1_000, tol=1e-3).fit(matrix, labels)
    return Linear(np.ascontiguousarray(found.coef_.T), found.intercept_)


def _margin(matrix: csr_matrix, labels: IntArray, counted: int, penalty: float) -> Linear:
    """Fit one machine a class to columns that are multiplied by their class ratios."""
    from scipy.sparse import diags
    from sklearn.svm import LinearSVC

    ratios = np.ones((matrix.shape[1], len(CLASSES)))
    ratios[:counted] = class_ratios(matrix[:, :counted], labels)
    weights, intercept = np.empty_like(ratios), np.empty(len(CLASSES))
    for which, ratio in enumerate(ratios.T):
        machine = LinearSVC(C=penalty, tol=1e-2, max_iter=5_000, random_state=0)
        machine.fit((matrix @ diags(ratio)).tocsr(), labels == which)
        weights[:, which], intercept[which] = machine.coef_[0] * ratio, machine.intercept_[0]
    return Linear(weights, intercept)
