"""Permutation against plain loops: columns really permuted, trees really walked, outcomes really shifted."""

import numpy as np
import pytest

from mlstrat.config import ModelsConfig
from mlstrat.models.forest import fit_forest
from mlstrat.models.permutation import contrast, permuted_changes
from mlstrat.models.scores import log_loss
from mlstrat.models.trees import predict_trees

SIZES = ModelsConfig(rf_n_estimators=12, rf_max_depth=5, rf_min_samples_leaf=10)


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(3)
    bins = rng.integers(0, 8, (900, 5))
    up = (bins[:, 1] + 3 * rng.normal(size=900) > 3.5).astype(float)
    forest, _ = fit_forest(bins[:600], up[:600], SIZES, 1)
    return bins[600:], up[600:], forest


def forecast(bins, forest):
    return forest.base + forest.scale * np.array([predict_trees(row, *forest[:6]) for row in bins])


def permuted(bins, columns, source):
    changed = bins.copy()
    changed[:, columns] = bins[np.ix_(source, columns)]
    return changed


def test_changes_are_those_of_forecasting_again(fitted):
    bins, _, forest = fitted
    source = np.random.default_rng(0).permutation(len(bins))
    group_of = np.array([0, 1, 0, -1, 2])
    found = permuted_changes(bins.astype(np.uint8), source, group_of, 3, *forest[:6])
    for group, columns in enumerate(([0, 2], [1], [4])):
        again = forecast(permuted(bins, columns, source), forest) - forecast(bins, forest)
        np.testing.assert_allclose(forest.scale * found[group], again, atol=1e-12)


def test_the_importance_is_the_log_loss_gained_by_permuting(fitted):
    bins, up, forest = fitted
    groups = [np.array(columns) for columns in ([0], [1], [0, 1], [2, 3, 4], [1, 4])]
    found = contrast(bins, forest, groups, repeats=3, seed=11)
    generator = np.random.default_rng(11)
    sources = [generator.permutation(len(bins)) for _ in range(3)]
    plain = log_loss(forecast(bins, forest), up)
    for group, columns in enumerate(groups):
        losses = [log_loss(forecast(permuted(bins, columns, source), forest), up) for source in sources]
        assert found.importance(up)[group] == pytest.approx(np.mean(losses) - plain, abs=1e-12)
    assert found.importance(up)[1] > 0.02


def test_shifted_outcomes_are_rolled_outcomes(fitted):
    bins, up, forest = fitted
    found = contrast(bins, forest, [np.array([0]), np.array([1])], repeats=2, seed=5)
    shifts = np.array([1, 17, 150, 299])
    for row, shift in zip(found.shifted(up, shifts), shifts, strict=True):
        np.testing.assert_allclose(row, found.importance(np.roll(up, -shift)), atol=1e-14)


def test_a_column_that_no_tree_tests_is_worth_exactly_nothing(fitted):
    bins, up, forest = fitted
    with_idle = np.column_stack([bins, bins[:, 1]])
    assert contrast(with_idle, forest, [np.array([5])], repeats=2, seed=5).importance(up).tolist() == [0.0]


def test_the_same_seed_gives_the_same_bits(fitted):
    bins, up, forest = fitted
    runs = [contrast(bins, forest, [np.array([1])], 2, seed).importance(up)[0] for seed in (5, 5, 6)]
    assert runs[0] == runs[1] != runs[2]
