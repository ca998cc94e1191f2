"""Importance: what is planted is found, what is noise is called noise, and no fold sees its future."""

import json
from dataclasses import replace

import numpy as np
import pytest

from mlstrat.config import ModelsConfig
from mlstrat.data.bars import PRICES
from mlstrat.data.synthetic import random_walk
from mlstrat.errors import ConfigError, DataError, NotEnoughBarsError
from mlstrat.features.matrix import build
from mlstrat.guide import FeatureEngineering
from mlstrat.importance import _noise_level, feature_importance, get_feature_importance_analysis
from mlstrat.importance_result import FoldScore, Importance, Permutation
from mlstrat.labels import horizon_labels
from mlstrat.splits import block_schedule

NAMES = ("ret_1", "log_ret_1", "ret_5", "rsi_14", "atr_14", "volume_ratio", "hour_sin", "hour_cos", "weekday")
SIZES = ModelsConfig(rf_n_estimators=40, rf_max_depth=4, rf_min_samples_leaf=60)


def daily_tide(n=6000, seed=4, size=0.6):
    """A random walk that tends up before noon UTC and down after it: only the hour knows."""
    bars = random_walk(n, seed, step_ticks=4000.0, start=50_000.0)
    step = float(np.std(np.diff(np.log(bars.close))))
    hour = np.arange(n) % 24
    after = np.exp(np.cumsum(np.where(hour < 12, size * step, -size * step)))
    before = np.r_[1.0, after[:-1]]
    low_high = np.sort(np.column_stack([before, after]), axis=1)
    factor = {"open": before, "close": after, "low": low_high[:, 0], "high": low_high[:, 1]}
    return replace(bars, **{name: getattr(bars, name) * factor[name] for name in PRICES})


@pytest.fixture(scope="module")
def tide():
    return feature_importance(daily_tide(), names=NAMES, sizes=SIZES)


@pytest.fixture(scope="module")
def noise_walks():
    walks = (random_walk(4000, seed, step_ticks=2000.0, start=50_000.0) for seed in range(30, 36))
    return [feature_importance(bars, names=NAMES, folds=4, sizes=SIZES) for bars in walks]


def test_the_planted_feature_comes_first_and_stands_above_noise(tide):
    best = {name for name, _ in tide.top_features(2)}
    assert best == {"hour_sin", "hour_cos"}
    above = {tide.names[k] for k in np.flatnonzero(tide.permutation.above_noise)}
    assert best <= above <= {*best, "ret_1", "log_ret_1", "ret_5", "rsi_14"}  # the tide shows in past moves
    assert "stand above noise: hour_" in tide.notes[0]
    assert tide.helps_share[tide.names.index("hour_sin")] == 1.0
    assert all(fold.log_loss < fold.base_log_loss for fold in tide.folds)


def test_on_a_driftless_walk_nothing_looks_important(noise_walks):
    above = [int(found.permutation.above_noise.sum()) for found in noise_walks]
    assert above == [0] * len(noise_walks)
    assert [int(found.cluster_permutation.above_noise.sum()) for found in noise_walks] == above
    for found in noise_walks:
        assert found.notes[0] == "None of the 9 features stands above noise: treat the order as noise."
        assert abs(np.mean(found.drift)) < 0.75


def test_twins_are_one_cluster_and_are_worth_more_together(tide):
    assert ("ret_1", "log_ret_1") in tide.clusters
    assert sorted(name for members in tide.clusters for name in members) == sorted(NAMES)
    of_cluster = dict(zip(tide.clusters, tide.cluster_permutation.mean, strict=True))
    alone = dict(zip(tide.names, tide.permutation.mean, strict=True))
    for members, value in of_cluster.items():
        if len(members) == 1:
            assert value == alone[members[0]]


def test_impurity_sums_to_one_and_shares_are_of_what_helps(tide):
    np.testing.assert_allclose(tide.impurity_by_fold.sum(axis=1), 1.0)
    helping = np.maximum(tide.permutation.mean, 0)
    np.testing.assert_allclose(tide.share, helping / helping.sum())


def test_folds_follow_one_another_and_train_on_what_was_known():
    bars = random_walk(3000, 8, step_ticks=2000.0, start=50_000.0)
    resolved_at, embargo, folds = horizon_labels(bars, 5).resolved_at, 7, 4
    schedule = block_schedule(bars.close_time, 200, folds, embargo)
    made = [schedule.fold(k, bars.close_time, resolved_at, 200) for k in range(folds)]
    tested = np.concatenate([fold.test for fold in made])
    np.testing.assert_array_equal(tested, np.arange(tested[0], 3000))
    assert np.ptp([len(fold.test) for fold in made]) <= 1
    for fold in made:
        assert fold.train[0] == 200
        assert resolved_at[fold.train].max() <= fold.cut - embargo * bars.timeframe.delta
        assert bars.close_time[fold.test].min() >= fold.cut


def test_later_bars_change_no_earlier_fold(tide):
    bars = daily_tide()
    last = len(bars) - 900  # inside the last fold
    columns = {name: getattr(bars, name).copy() for name in PRICES}
    for values in columns.values():
        values[last:] = values[last:] * 1.7
    changed = feature_importance(replace(bars, **columns), names=NAMES, sizes=SIZES)
    np.testing.assert_array_equal(changed.permutation.by_fold[:-1], tide.permutation.by_fold[:-1])
    np.testing.assert_array_equal(changed.impurity_by_fold[:-1], tide.impurity_by_fold[:-1])
    assert changed.clusters == tide.clusters
    assert not np.array_equal(changed.permutation.by_fold[-1], tide.permutation.by_fold[-1])


def test_the_seed_decides_every_bit_and_progress_is_told():
    bars, told = random_walk(2500, 9, step_ticks=2000.0, start=50_000.0), []

    def progress(done, total):
        told.append((done, total))

    one, two, other = (
        feature_importance(bars, 5, NAMES, (), 2, 1, seed, sizes=SIZES, progress=progress)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one.permutation.by_fold, two.permutation.by_fold)
    np.testing.assert_array_equal(one.permutation.noise_level, two.permutation.noise_level)
    assert not np.array_equal(one.permutation.by_fold, other.permutation.by_fold)
    assert told[:3] == [(0, 2), (1, 2), (2, 2)]


def test_the_best_of_all_exceeds_its_noise_level_in_one_trial_of_twenty():
    rng = np.random.default_rng(0)
    trials = rng.normal(size=(4000, 1)) + rng.normal(size=(4000, 50)) * np.linspace(0.1, 9.0, 50)
    level = _noise_level(trials)
    assert np.mean((trials > level).any(axis=1)) == pytest.approx(0.05, abs=0.001)
    assert (_noise_level(trials - 1000.0) == 0.0).all()  # what costs log loss is no help


def made_by_hand(by_fold, level=0.0):
    """An importance of two features with these values a fold."""
    values = np.array(by_fold, float)
    found = Permutation(values, np.full(values.shape[1], level))
    when = np.datetime64("2024-01-01", "ns")
    folds = tuple(FoldScore(when, 100, 50, 6, 0.7, 0.69) for _ in values)
    names = tuple("abcdefgh"[: values.shape[1]])
    halves = np.full(values.shape, 1.0 / values.shape[1])
    return Importance("X", "1h", 5, names, found, halves, tuple((n,) for n in names), found, folds)


def test_standing_above_noise_takes_both_the_level_and_the_folds():
    values = [[4.0, 12.0, 0.9, -1.0], [4.2, 0.2, 1.0, -1.0], [3.8, 0.1, 1.1, -1.0]]
    assert made_by_hand(values, level=2.0).permutation.above_noise.tolist() == [True, False, False, False]
    np.testing.assert_allclose(made_by_hand(values).permutation.standard_error[0], 0.2 / 3**0.5)


def test_drift_is_the_rank_correlation_between_folds():
    steady = made_by_hand([[3, 2, 1, 0], [30, 20, 10, 0], [9, 8, 7, 1]])
    np.testing.assert_allclose(steady.drift, [1.0, 1.0])
    assert "1.00: the order lasts." in steady.notes[-1]
    np.testing.assert_allclose(made_by_hand([[3, 2, 1, 0], [0, 1, 2, 3]]).drift, [-1.0])


def test_where_nothing_helps_the_notes_say_so_and_nothing_is_at_the_top():
    poor = made_by_hand([[-1.0, -2.0], [-1.1, 0.5]])
    assert poor.top_features() == []
    assert poor.notes[1].startswith("No feature's importance is above its own standard error twice over")
    assert "better than the base rate in 0 of 2 folds" in poor.notes[2]


@pytest.mark.parametrize("name", ["target_periods", "folds", "repeats"])
def test_a_count_that_is_too_small_is_refused(name):
    with pytest.raises(ConfigError, match=rf"{name} is 0: give \d or more\."):
        feature_importance(random_walk(500, 1), **{name: 0})


def test_too_few_bars_are_refused():
    with pytest.raises(NotEnoughBarsError, match="The importance of features over 5 folds needs"):
        feature_importance(random_walk(1000, 1, step_ticks=2000.0, start=50_000.0), names=NAMES)


@pytest.fixture(scope="module")
def analysis():
    settings = {"names": NAMES, "folds": 2, "repeats": 2, "sizes": SIZES}
    return get_feature_importance_analysis(daily_tide(3000).frame(), target_periods=5, **settings)


def test_the_analysis_is_plain_data_in_the_guides_form(analysis):
    assert json.loads(json.dumps(analysis, allow_nan=False))["notes"] == analysis["notes"]
    names, shares = zip(*analysis["top_features"], strict=True)
    assert set(names[:2]) == {"hour_sin", "hour_cos"}
    assert list(shares) == sorted(shares, reverse=True)
    assert 0 < sum(shares) <= 1 + 1e-12
    for key in ("permutation", "permutation_se", "noise_level", "impurity", "by_fold"):
        assert tuple(analysis[key]) == NAMES
    assert set(analysis["cluster_permutation"]) == {members[0] for members in analysis["clusters"]}
    assert [fold["purged"] for fold in analysis["folds"]] == [10, 10]
    assert set(analysis["above_noise"]) == {
        name
        for name, value in analysis["permutation"].items()
        if value > analysis["noise_level"][name] and value > 2 * analysis["permutation_se"][name]
    }


def test_the_guides_class_does_the_same(analysis):
    engineer = FeatureEngineering(names=NAMES)
    table = daily_tide(3000).frame()
    same = engineer.get_feature_importance_analysis(table, folds=2, repeats=2, sizes=SIZES)
    assert same == analysis


def test_the_guides_features_are_those_of_the_matrix():
    bars = random_walk(400, 2, step_ticks=2000.0, start=50_000.0)
    expected = build(bars, NAMES, ["time"])
    made = FeatureEngineering(NAMES, ["time"]).create_features(bars.frame())
    assert tuple(made.columns) == expected.names
    assert len(made.columns) > len(NAMES)
    np.testing.assert_array_equal(made.to_numpy(), expected.values)
    np.testing.assert_array_equal(made.index.tz_localize(None).to_numpy(), bars.time)


def test_a_table_that_cannot_be_read_is_refused_as_ever():
    table = random_walk(400, 2, step_ticks=2000.0, start=50_000.0).frame().tz_localize(None)
    with pytest.raises(DataError, match="tz"):
        FeatureEngineering(NAMES).create_features(table)
    assert len(FeatureEngineering(NAMES, tz="UTC").create_features(table)) == 400


def test_a_value_in_price_is_no_input():
    bars = random_walk(3000, 1)
    with pytest.raises(ConfigError, match=r"atr_px cannot feed a model, because its unit is .*price"):
        feature_importance(bars, names=("ret_1", "atr_px"))
