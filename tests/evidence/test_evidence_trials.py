"""The effective number of trials on cases whose answer is known."""

import math

import numpy as np
import pytest

from mlstrat.evidence.normal import largest_of
from mlstrat.evidence.trials import effective_trials


def noise(n_bars, n_columns, seed=1):
    return np.random.default_rng(seed).normal(0.0, 0.01, (n_bars, n_columns))


@pytest.mark.parametrize("columns", [2, 20, 200])
def test_independent_columns_are_as_many_trials(columns):
    assert effective_trials(noise(3000, columns)) == pytest.approx(columns, rel=0.08)


@pytest.mark.parametrize("copies", [2, 500])
def test_copies_of_one_column_are_one_trial(copies):
    assert effective_trials(np.repeat(noise(2000, 1), copies, axis=1)) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("sizes", [(50, 50, 50, 50, 50), (200, 20, 10, 2, 1)])
def test_groups_of_near_copies_are_as_many_trials_whatever_their_sizes(sizes):
    table = np.repeat(noise(2000, len(sizes)), sizes, axis=1)
    near = table + 0.003 * noise(2000, sum(sizes), seed=2)
    assert effective_trials(near) == pytest.approx(len(sizes), rel=0.08)


def test_leverage_does_not_count_and_a_mirror_image_does():
    one = noise(2000, 1)
    assert effective_trials(np.hstack([one, 3.0 * one, 0.1 * one])) == pytest.approx(1.0, abs=1e-9)
    # The larger of z and -z is |z|, whose mean is sqrt(2 / pi).
    found = effective_trials(np.hstack([one, -one]))
    assert found == pytest.approx(2.0, abs=1e-9)


def test_columns_of_medium_correlation_have_the_expected_maximum_of_the_number_found():
    columns, rho = 100, 0.5
    table = math.sqrt(rho) * noise(4000, 1, 3) + math.sqrt(1.0 - rho) * noise(4000, columns, 4)
    # One common part moves all columns, and of the rest the largest counts.
    expected = math.sqrt(1.0 - rho) * largest_of(columns)
    assert largest_of(effective_trials(table)) == pytest.approx(expected, rel=0.05)


def test_columns_that_never_move_do_not_count():
    table = noise(500, 3)
    table[:, 1] = 0.0
    assert effective_trials(table) == pytest.approx(2.0, rel=0.1)
    assert effective_trials(table[:, 1:2]) == 0.0
    assert effective_trials(table[:, :2]) == 1.0


def test_the_same_seed_gives_the_same_bits():
    table = noise(500, 30)
    assert effective_trials(table, 3) == effective_trials(table, 3) != effective_trials(table, 4)
