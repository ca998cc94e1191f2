"""The tree grower against scikit-learn's, and against plain definitions."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from mlstrat.models.growing import Growth, grow, next_random
from mlstrat.models.many_trees import grow_boosted, grow_forest
from mlstrat.models.trees import LEAF, predict_trees

ALL = Growth(n_bins=16, max_depth=6, max_leaves=64, min_leaf=5.0, l2=0.0, n_try=4)


def sample(n=600, seed=3):
    """Bins (4, n) whose product matters, and a noisy target without ties."""
    rng = np.random.default_rng(seed)
    bins = rng.integers(0, 16, (4, n)).astype(np.uint8)
    target = np.sin(bins[0]) * (bins[1] > 7) + 0.3 * rng.normal(size=n)
    return bins, target


def seeded(value=1):
    return np.array([value], np.uint64)


def predicted(nodes, bins, roots=None):
    roots = np.zeros(1, np.int32) if roots is None else roots
    rows = np.ascontiguousarray(bins.T.astype(np.int64))
    parts = (nodes.feature, nodes.cut, nodes.left, nodes.right, nodes.value, roots)
    return np.array([predict_trees(row, *parts) for row in rows])


@pytest.mark.parametrize("seed", range(5))
def test_one_tree_is_that_of_scikit_learn(seed):
    from sklearn.tree import DecisionTreeRegressor

    bins, target = sample(seed=seed)
    ours = grow(bins, target, np.ones(600), np.arange(600), seeded(), ALL._replace(max_leaves=600))
    theirs = DecisionTreeRegressor(max_depth=6, min_samples_leaf=5).fit(bins.T, target)
    np.testing.assert_allclose(predicted(ours, bins), theirs.predict(bins.T), rtol=1e-9, atol=1e-12)
    shares = ours.gains / ours.gains.sum()
    np.testing.assert_allclose(shares, theirs.feature_importances_, rtol=1e-6, atol=1e-9)


def test_best_first_growth_is_that_of_scikit_learn():
    from sklearn.tree import DecisionTreeRegressor

    bins, target = sample()
    ours = grow(
        bins, target, np.ones(600), np.arange(600), seeded(), ALL._replace(max_leaves=9, max_depth=99)
    )
    theirs = DecisionTreeRegressor(max_leaf_nodes=9, min_samples_leaf=5).fit(bins.T, target)
    np.testing.assert_allclose(predicted(ours, bins), theirs.predict(bins.T), rtol=1e-9, atol=1e-12)


def test_the_booster_is_that_of_scikit_learn():
    from sklearn.ensemble import HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    bins, target = sample(2000)
    how = Growth(n_bins=16, max_depth=99, max_leaves=7, min_leaf=20.0, l2=1.0, n_try=4)
    nodes, base = grow_boosted(bins, target, np.ones(2000), 30, 0.1, seeded(), how)
    booster = HistGradientBoostingRegressor(
        max_iter=30,
        max_leaf_nodes=7,
        learning_rate=0.1,
        min_samples_leaf=20,
        l2_regularization=1.0,
        early_stopping=False,
    )
    with threadpool_limits(1):
        theirs = booster.fit(bins.T.astype(np.float64), target).predict(bins.T.astype(np.float64))
    # scikit-learn keeps residuals in float32.
    np.testing.assert_allclose(base + predicted(nodes, bins, nodes.roots), theirs, rtol=1e-5, atol=1e-6)


def test_a_weight_of_two_is_a_row_twice():
    bins, target = sample(300)
    weight = np.ones(300)
    weight[::3] = 2.0
    twice = np.sort(np.concatenate([np.arange(300), np.arange(0, 300, 3)]))
    by_weight = grow(bins, target, weight, np.arange(300), seeded(), ALL)
    by_row = grow(bins, target, np.ones(300), twice, seeded(), ALL)
    np.testing.assert_allclose(predicted(by_weight, bins), predicted(by_row, bins), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(by_weight.feature, by_row.feature)


def test_limits_hold():
    bins, target = sample()
    grown = grow(bins, target, np.ones(600), np.arange(600), seeded(), ALL)
    leaf = grown.feature == LEAF
    sizes = (grown.end - grown.begin)[leaf]
    assert sizes.min() >= 5
    assert sizes.sum() == 600
    assert leaf.sum() <= 64
    depth = np.zeros(len(leaf), int)
    for node in np.flatnonzero(~leaf):
        depth[grown.left[node]] = depth[grown.right[node]] = depth[node] + 1
    assert depth.max() <= 6
    for node in np.flatnonzero(leaf):
        rows = grown.rows[grown.begin[node] : grown.end[node]]
        assert grown.value[node] == pytest.approx(target[rows].mean(), rel=1e-9)


def test_a_target_or_features_that_do_not_vary_make_no_split():
    bins, target = sample()
    still = grow(bins, np.full(600, 0.25), np.ones(600), np.arange(600), seeded(), ALL)
    assert still.feature.tolist() == [LEAF]
    assert still.value[0] == pytest.approx(0.25)
    same = grow(np.full((4, 600), 3, np.uint8), target, np.ones(600), np.arange(600), seeded(), ALL)
    assert same.feature.tolist() == [LEAF]


def test_a_forest_is_the_mean_of_trees_on_draws_and_finds_the_feature():
    bins, target = sample(1500)
    up = (target > 0).astype(float)
    how = ALL._replace(n_try=2)
    nodes, shares = grow_forest(bins, up, np.ones(1500), 60, 750, seeded(), how)
    assert len(nodes.roots) == 60
    assert shares.sum() == pytest.approx(1.0)
    assert set(np.argsort(-shares)[:2]) == {0, 1}
    fresh, unseen = sample(1500, seed=99)
    prob = predicted(nodes, fresh, nodes.roots) / 60
    assert np.corrcoef(prob, unseen > 0)[0, 1] > 0.4


def test_a_forest_errs_as_much_as_that_of_scikit_learn():
    from sklearn.ensemble import RandomForestRegressor

    bins, target = sample(1500)
    fresh, unseen = sample(1500, seed=99)
    # Leaves of one row: larger ones are counted in draws here, in distinct rows there.
    theirs = RandomForestRegressor(200, max_depth=12, max_features=2, max_samples=0.5)
    ours_error, theirs_error = [], []
    for seed in range(3):
        how = ALL._replace(n_try=2, max_leaves=750, max_depth=12, min_leaf=1.0)
        nodes, _ = grow_forest(bins, target, np.ones(1500), 200, 750, seeded(seed), how)
        ours_error.append(np.mean((predicted(nodes, fresh, nodes.roots) / 200 - unseen) ** 2))
        theirs.set_params(random_state=seed).fit(bins.T, target)
        theirs_error.append(np.mean((theirs.predict(fresh.T) - unseen) ** 2))
    assert np.mean(ours_error) == pytest.approx(np.mean(theirs_error), rel=0.03)


def test_draws_are_uniform_and_the_published_generator():
    seed = np.array([1234567], np.uint64)
    # The first two outputs of splitmix64 for this seed, upper halves, scaled to [0, 2**31).
    expected = [6457827717110365317 >> 33, 3203168211198807973 >> 33]
    assert [next_random(seed, 2**31) for _ in range(2)] == expected
    draws = np.array([next_random(seed, 10) for _ in range(20_000)])
    assert np.abs(np.bincount(draws, minlength=10) / 2000 - 1).max() < 0.1


_HASH = """
import hashlib, sys
sys.path.insert(0, "tests/models")
from test_growing import forest_hash
print(forest_hash())
"""


def forest_hash():
    bins, target = sample(800)
    nodes, _ = grow_forest(bins, target, np.ones(800), 10, 400, seeded(5), ALL._replace(n_try=2))
    return hashlib.sha256(b"".join(part.tobytes() for part in nodes)).hexdigest()


def test_other_processes_grow_the_same_bits(pytestconfig):
    run = subprocess.run(
        [sys.executable, "-c", _HASH], capture_output=True, text=True, check=True, cwd=pytestconfig.rootpath
    )
    assert run.stdout.strip() == forest_hash()
