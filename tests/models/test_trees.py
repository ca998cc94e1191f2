"""Forest and booster against scikit-learn's (whose booster keeps residuals in float32), and bins."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mlstrat.config import ModelsConfig
from mlstrat.errors import ModelError
from mlstrat.models.binning import bin_block, fit_edges
from mlstrat.models.boosting import fit_boosting
from mlstrat.models.forest import fit_forest
from mlstrat.models.trees import predict_trees

SIZES = ModelsConfig(rf_n_estimators=20, rf_max_depth=6, rf_min_samples_leaf=5, gb_n_estimators=30)


@pytest.fixture(scope="module")
def sample():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(1500, 6))
    signal = x[:, 0] * x[:, 1] + np.abs(x[:, 2]) + 0.5 * rng.normal(size=1500)
    edges = fit_edges(x[:1000], 31)
    return bin_block(x, edges), signal, (signal > signal.mean()).astype(float)


def summed(trees, bins):
    t = trees
    return np.array([predict_trees(row, t.feature, t.cut, t.left, t.right, t.value, t.roots) for row in bins])


def test_a_large_forest_says_what_that_of_scikit_learn_says(sample):
    from sklearn.ensemble import RandomForestClassifier

    bins, _, up = sample
    sizes = SIZES.model_copy(update={"rf_n_estimators": 300})
    trees, importances = fit_forest(bins[:1000], up[:1000], sizes, seed=5)
    forest = RandomForestClassifier(
        300, max_depth=6, min_samples_leaf=5, max_samples=0.5, max_features="sqrt", random_state=5, n_jobs=1
    ).fit(bins[:1000].astype(np.float32), up[:1000] > 0.5)
    expected = forest.predict_proba(bins[1000:].astype(np.float32))[:, 1]
    actual = trees.base + trees.scale * summed(trees, bins[1000:])
    assert np.corrcoef(actual, expected)[0, 1] > 0.98
    assert actual.std() == pytest.approx(expected.std(), rel=0.1)
    np.testing.assert_allclose(importances, forest.feature_importances_, atol=0.05)
    assert importances.sum() == pytest.approx(1.0)


def test_boosting_arrays_equal_scikit_learn(sample):
    from sklearn.ensemble import HistGradientBoostingRegressor

    bins, signal, _ = sample
    trees = fit_boosting(bins[:1000], signal[:1000], SIZES, seed=5)
    booster = HistGradientBoostingRegressor(
        max_iter=30, max_leaf_nodes=15, learning_rate=0.05, min_samples_leaf=20, l2_regularization=1.0,
        early_stopping=False, random_state=5,
    ).fit(bins[:1000].astype(float), signal[:1000])  # fmt: skip
    # Where a node lacks bins, the cut lies half-way here and at the first there: rows of training agree.
    expected = booster.predict(bins[:1000].astype(float))
    np.testing.assert_allclose(
        trees.base + trees.scale * summed(trees, bins[:1000]), expected, rtol=0, atol=1e-7
    )


def test_bins_never_seen_in_training_still_agree(sample):
    from sklearn.ensemble import HistGradientBoostingRegressor

    _, signal, _ = sample
    few = (np.random.default_rng(1).integers(0, 4, size=(1000, 3)) * 9).astype(np.int64)  # 0, 9, 18, 27
    trees = fit_boosting(few, signal[:1000], SIZES, seed=2)
    booster = HistGradientBoostingRegressor(
        max_iter=30, max_leaf_nodes=15, learning_rate=0.05, min_samples_leaf=20, l2_regularization=1.0,
        early_stopping=False, random_state=2,
    ).fit(few.astype(float), signal[:1000])  # fmt: skip
    every = np.array(np.meshgrid(*[np.arange(30)] * 3)).reshape(3, -1).T.astype(np.int64)
    expected = booster.predict(every.astype(float))
    np.testing.assert_allclose(trees.base + trees.scale * summed(trees, every), expected, rtol=0, atol=1e-7)


def test_labels_all_alike_are_refused(sample):
    bins, _, up = sample
    with pytest.raises(
        ModelError, match="all 1,500 training labels are 1: the price never changes direction"
    ):
        fit_forest(bins, np.ones_like(up), SIZES, seed=0)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    x=arrays(np.float64, st.tuples(st.integers(1, 80), st.just(2)), elements=st.floats(-1e6, 1e6)),
    new=arrays(np.float64, (20, 2), elements=st.floats(-1e7, 1e7)),
    count=st.integers(2, 63),
)
def test_a_bin_is_the_number_of_edges_below_the_value(x, new, count):
    edges = fit_edges(x, count)
    assert edges.shape == (2, count)
    for column in range(2):
        real = edges[column][np.isfinite(edges[column])]
        assert np.all(np.diff(real) > 0)
        np.testing.assert_array_equal(
            bin_block(new, edges)[:, column], [(real < value).sum() for value in new[:, column]]
        )


def test_edges_lie_at_quantiles_between_two_values_with_five_digits():
    x = np.sort(np.random.default_rng(0).lognormal(size=20_000))[:, None]
    edges = fit_edges(x, 15)[0]
    np.testing.assert_allclose(edges, np.quantile(x, np.arange(1, 16) / 16), rtol=2e-3)
    assert all(float(f"{edge:.4e}") == edge for edge in edges)


def test_few_values_get_an_edge_in_every_gap():
    np.testing.assert_array_equal(fit_edges(np.array([[1.0], [3.0], [3.0], [7.0]]), 5)[0, :2], [2.0, 5.0])
    assert np.isinf(fit_edges(np.full((9, 1), 4.0), 5)).all()
