"""The two linear parts of the learned scorer, each against its definition, and their factors."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.sparse import csr_matrix
from sklearn.metrics import log_loss

from mlstrat.sentiment.learned import linear
from mlstrat.sentiment.learned.fitting import _chosen
from mlstrat.sentiment.learned.linear import Penalties, added, class_ratios, factors_of, fitted, sharpness
from mlstrat.sentiment.learned.model import softmax

PENALTIES = Penalties(logistic=2.0, margin=0.3)
COUNTED = 4


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    counts = rng.random((90, COUNTED)) * (rng.random((90, COUNTED)) < 0.5)
    matrix = np.column_stack([counts, rng.normal(size=(90, 2))])
    return matrix, (matrix @ rng.normal(size=(6, 3)) + rng.gumbel(size=(90, 3))).argmax(axis=1)


def test_class_ratios_are_those_of_the_definition():
    matrix = csr_matrix(np.array([[0.5, 0.0], [0.1, 2.0], [0.0, 1.0], [0.3, 0.0]]))
    ratios = class_ratios(matrix, np.array([0, 1, 2, 0]))
    # Two and none of the texts of class 0 hold the strings, one and two of the others; one is added to each.
    wanted = np.log([3 / 4, 1 / 4]) - np.log([2 / 5, 3 / 5])
    np.testing.assert_allclose(ratios[:, 0], wanted, atol=1e-12)


def test_logistic_regression_is_the_penalised_maximum(rows):
    matrix, labels = rows
    found, _ = fitted(csr_matrix(matrix), labels, COUNTED, PENALTIES)

    def loss(flat):
        weights, intercept = flat[:18].reshape(6, 3), flat[18:]
        given = softmax(matrix @ weights + intercept)[np.arange(90), labels]
        return 0.5 * (weights**2).sum() - PENALTIES.logistic * np.log(given).sum()

    best = minimize(loss, np.zeros(21), tol=1e-10)
    assert loss(np.r_[found.weights.ravel(), found.intercept]) == pytest.approx(best.fun, rel=1e-3)


def test_the_machines_have_the_least_squared_hinge_loss_on_columns_times_ratios(rows):
    matrix, labels = rows
    _, found = fitted(csr_matrix(matrix), labels, COUNTED, PENALTIES)
    ratios = np.ones((6, 3))
    ratios[:COUNTED] = class_ratios(csr_matrix(matrix[:, :COUNTED]), labels)
    for which in range(3):
        sign, columns = np.where(labels == which, 1.0, -1.0), matrix * ratios[:, which]

        def loss(flat, sign=sign, columns=columns):
            missed = np.maximum(0.0, 1.0 - sign * (columns @ flat[:6] + flat[6]))
            return 0.5 * (flat**2).sum() + PENALTIES.margin * (missed**2).sum()  # its ridge has the intercept

        best = minimize(loss, np.zeros(7), tol=1e-10)
        weights = found.weights[:, which] / ratios[:, which]
        assert loss(np.r_[weights, found.intercept[which]]) == pytest.approx(best.fun, rel=1e-3)


def test_the_sharpness_is_the_best_of_a_grid():
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 3, 300)
    logits = rng.normal(size=(300, 3)) + 2.0 * np.eye(3)[labels]
    grid = np.arange(0.1, 10.0, 0.01)
    losses = [log_loss(labels, softmax(factor * logits)) for factor in grid]
    assert sharpness(logits, labels) == pytest.approx(grid[np.argmin(losses)], abs=0.01)
    assert linear.log_loss(softmax(logits), labels) == pytest.approx(log_loss(labels, softmax(logits)))


def test_parts_are_brought_to_one_scale_and_their_sum_is_calibrated():
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 3, 400)
    part = rng.normal(size=(400, 3)) + np.eye(3)[labels]
    factors = factors_of([part, 5.0 * part], labels)
    assert factors[0] == pytest.approx(5.0 * factors[1], rel=1e-2)
    assert sharpness(added([part, 5.0 * part], factors), labels) == pytest.approx(1.0, abs=1e-3)


def test_what_is_most_often_right_is_chosen():
    rng = np.random.default_rng(6)
    labels = np.repeat([0, 1, 2], 100)
    good, bad = 3.0 * np.eye(3)[labels] + rng.normal(size=(300, 3)), rng.normal(size=(300, 3))
    first, second = Penalties(1.0, 0.1), Penalties(2.0, 0.2)
    priors = np.log(np.full(3, 1 / 3))
    penalties, factors = _chosen({first: (bad, bad), second: (bad, good)}, labels, priors)
    assert penalties == second
    assert factors[0] == 0.0
    assert factors[1] == pytest.approx(sharpness(good, labels), rel=1e-3)
    penalties, factors = _chosen({first: (good, bad), second: (bad, bad)}, labels, priors)
    assert penalties == first
    assert factors[0] > 5.0 * factors[1]
