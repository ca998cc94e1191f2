"""Contributions against the definition of Shapley's value."""

from itertools import combinations, permutations
from math import factorial

import numpy as np
import pytest
from forged import ensemble, sample

from mlstrat.models.contributions import _walk, contributions, typical_row
from mlstrat.models.ensemble import PROB_UP, predict_block

ROW = np.array([0.02, 20.0, 0.4])


def log_odds(row):
    prob_up = predict_block(row[None], sample().state.copy(), ensemble())[0, PROB_UP]
    return np.log(prob_up / (1 - prob_up))


def shapley(row, typical):
    """Mean over the subsets of the others of what joining them changes."""
    n = len(row)
    credit = np.zeros(n)
    for k in range(n):
        others = [j for j in range(n) if j != k]
        for size in range(n):
            weight = factorial(size) * factorial(n - size - 1) / factorial(n)
            for subset in combinations(others, size):
                before = np.where(np.isin(np.arange(n), subset), row, typical)
                after = np.where(np.arange(n) == k, row, before)
                credit[k] += weight * (log_odds(after) - log_odds(before))
    return credit


def test_all_orders_give_shapleys_value():
    typical = typical_row(ensemble().models.edges)
    orders = np.array(list(permutations(range(3))))
    found = _walk(ROW, typical, sample().state, ensemble(), orders, np.empty(5))
    np.testing.assert_allclose(found, shapley(ROW, typical), rtol=0, atol=1e-12)


def test_they_add_up_to_the_prediction_less_that_of_the_typical_row():
    state = sample().state
    found = contributions(ROW, state, ensemble())
    typical = typical_row(ensemble().models.edges)
    assert found.sum() == pytest.approx(log_odds(ROW) - log_odds(typical), abs=1e-12)
    np.testing.assert_array_equal(state, sample().state)
    np.testing.assert_array_equal(found, contributions(ROW, state, ensemble()))
    np.testing.assert_allclose(found, shapley(ROW, typical), rtol=0, atol=0.02)


def test_a_feature_that_no_model_reads_gets_nothing():
    made = ensemble()
    wide = np.vstack([made.models.edges, np.full(4, np.inf)])
    models = made.models._replace(edges=wide)
    found = contributions(np.r_[ROW, 5.0], sample().state, made._replace(models=models))
    assert found[3] == 0.0
    assert np.abs(found[:3]).min() > 0.0


def test_the_typical_row_lies_in_the_middle_bins():
    edges = np.array([[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, np.inf], [1.0, *[np.inf] * 3], [np.inf] * 4])
    row = typical_row(edges)
    assert [int((edges[k] < row[k]).sum()) for k in range(4)] == [2, 1, 0, 0]
    assert row[3] == 0.0
