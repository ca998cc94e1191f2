"""Tuning: purged inner folds, nothing after the cut, the same choice twice, and a choice that is right."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from mlstrat.config import ModelsConfig
from mlstrat.config_tune import TUNABLE, TuneConfig
from mlstrat.errors import MissingExtraError
from mlstrat.models.sample import Sample
from mlstrat.tune import inner_folds, search_space, tune, tuning_of

pytest.importorskip("optuna")

HOUR = np.timedelta64(3_600_000_000_000, "ns")
AHEAD, EMBARGO = 4, 3
SIZES = ModelsConfig(
    bins=15,
    rf_n_estimators=5,
    rf_max_depth=3,
    gb_n_estimators=5,
    gb_max_leaves=4,
    lstm_units=2,
    lstm_epochs=1,
)
NARROW = {
    "rf_max_depth": (1, 4),
    "rf_min_samples_leaf": (10, 60),
    "gb_n_estimators": (3, 6),
    "gb_max_leaves": (3, 5),
}
SEEDS = (1, 2, 3)


def sample_of(n=900, later=200, seed=0):
    """A window of n bars whose labels span AHEAD bars, and bars that come later."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n + later, 4))
    ret = 0.01 * (0.5 * x[:, 2] + rng.normal(size=n + later))
    close_time = np.datetime64("2021-01-01", "ns") + np.arange(1, n + later + 1) * HOUR
    resolved_at = close_time + AHEAD * HOUR
    train = np.arange(20, n - AHEAD)
    return Sample(x, ret, (ret > 0).astype(float), resolved_at, close_time, 20, train, float(AHEAD), EMBARGO)


def tuned(sample, trials=7, models=SIZES, params=NARROW):
    return tune(sample, models, TuneConfig(trials=trials, params=params), 0.3, SEEDS)


@pytest.fixture(scope="module")
def tuning():
    return tuned(sample_of())


def test_inner_folds_are_purged_and_lie_inside_the_training_rows():
    sample = sample_of()
    folds = list(inner_folds(sample))
    scored = np.concatenate([test for _, test in folds])
    np.testing.assert_array_equal(scored, sample.train[len(sample.train) // 2 :])
    for train, test in folds:
        wanted = [t for t in sample.train if t + AHEAD <= test[0] - EMBARGO]
        assert train.tolist() == wanted


def test_bars_after_the_cut_change_nothing(tuning):
    sample = sample_of()
    for part in (sample.x, sample.ret, sample.up):
        part[sample.train[-1] + 1 :] = np.nan
    assert tuned(sample) == tuning
    last = int(sample.train[-1]) + 1
    arrays = {name: getattr(sample, name)[:last] for name in ("x", "ret", "up", "resolved_at", "close_time")}
    assert tuned(replace(sample, **arrays)) == tuning


def test_the_run_file_is_tried_first_and_the_best_of_all_is_chosen(tuning):
    first = tuning.trials[0].params
    # 20 samples a leaf, 5 trees and 3 levels are the run file's; what lies outside its bounds is drawn.
    assert (first["rf_min_samples_leaf"], first["gb_n_estimators"], first["rf_max_depth"]) == (20, 5, 3)
    losses = {trial.loss: trial.params for trial in tuning.trials if trial.state == "complete"}
    assert tuning.chosen == losses[min(losses)]
    assert tuning.models(SIZES).rf_max_depth == tuning.chosen["rf_max_depth"]
    assert len({trial.key for trial in tuning.trials}) == len({str(trial.params) for trial in tuning.trials})
    for trial in tuning.trials:
        assert set(trial.params) == set(search_space(SIZES, TuneConfig(trials=1)))
        low, high = NARROW["rf_max_depth"]
        assert low <= trial.params["rf_max_depth"] <= high


def test_more_trials_go_on_from_the_same_ones(tuning):
    fewer = tuned(sample_of(), trials=5)
    assert fewer.trials == tuning.trials[:5]


def test_a_depth_that_cannot_learn_is_not_chosen():
    """Up is whether two features have one sign: a stump of one split sees nothing of it, deeper trees do."""
    sample = sample_of(2200, later=0)
    ret = 0.01 * np.sign(sample.x[:, 0] * sample.x[:, 1])
    crossed = replace(sample, ret=ret, up=(ret > 0).astype(float))
    fixed = {"rf_min_samples_leaf": (10, 10), "gb_n_estimators": (1, 1), "gb_max_leaves": (2, 2)}
    fixed |= {"gb_learning_rate": (0.01, 0.01), "lstm_learning_rate": (0.001, 0.001), "rf_max_depth": (1, 6)}
    stumps = SIZES.model_copy(update={"rf_max_depth": 1, "rf_n_estimators": 20})
    found = tuned(crossed, trials=6, models=stumps, params=fixed)
    assert found.chosen["rf_max_depth"] > 1
    assert found.trials[0].loss == pytest.approx(np.log(2.0), abs=0.05)
    assert min(trial.loss for trial in found.trials if trial.state == "complete") < 0.5


def test_it_survives_json(tuning):
    assert tuning_of(json.loads(json.dumps(tuning.content(), allow_nan=False))) == tuning


def test_a_window_that_no_trial_fits_keeps_the_run_file():
    sample = sample_of()
    found = tuned(replace(sample, up=np.ones_like(sample.up)), trials=2)
    assert found.chosen == {}
    assert [trial.state for trial in found.trials] == ["fail", "fail"]
    assert found.models(SIZES) == SIZES


def test_the_profile_pine_keeps_its_sizes_and_replaced_models_are_left_out():
    pine = search_space(ModelsConfig(profile="pine"), TuneConfig(trials=1))
    assert not any(TUNABLE[name].size for name in pine)
    named = search_space(ModelsConfig(profile="pine"), TuneConfig(trials=1, params={"rf_max_depth": (2, 4)}))
    assert named["rf_max_depth"] == (2, 4)
    own = ModelsConfig.model_validate({"mine": {"class": "a.B", "replaces": "lstm"}})
    assert not any(name.startswith("lstm") for name in search_space(own, TuneConfig(trials=1)))


@pytest.mark.parametrize("name", TUNABLE)
def test_its_bounds_are_those_of_the_models(name):
    known = TUNABLE[name]
    low = known.least if known.whole else 1e-9
    for bound in (low, known.low, known.high, known.most):
        assert getattr(ModelsConfig.model_validate({name: bound}), name) == bound


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"rf_depth": (2, 4)}, "give one of rf_max_depth in place of rf_depth"),
        ({"rf_max_depth": (2, 4.5)}, "give rf_max_depth two whole numbers"),
        ({"rf_max_depth": (4, 2)}, "between 1 and 20"),
        ({"gb_learning_rate": (0.0, 0.1)}, "give gb_learning_rate a low and a high bound"),
        ({"gb_max_leaves": (1, 10)}, "between 2 and 255"),
    ],
)
def test_impossible_bounds_are_refused(params, message):
    with pytest.raises(ValueError, match=message):
        TuneConfig(trials=1, params=params)


def test_without_optuna_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r'pip install "mlstrat\[tune\]"'):
        tuned(sample_of(), trials=1)
