"""Trees of other libraries as arrays: they predict what the library predicts, on every bar."""

from importlib import import_module

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from mlstrat.data import samples
from mlstrat.errors import ModelError
from mlstrat.features.matrix import build
from mlstrat.labels import horizon_labels
from mlstrat.models.binning import bin_block, fit_edges
from mlstrat.models.compiled import compile_trees, outputs

lightgbm = pytest.importorskip("lightgbm")
NAMES = (
    "ret_1",
    "ret_5",
    "rsi_14",
    "bb_position",
    "atr_14",
    "volume_ratio",
    "hour_sin",
    "vol_ratio_5_20",
)
TRAIN = 4000
STEADY = {"n_jobs": 1, "verbosity": -1, "deterministic": True}
RANDOM_FOREST = {"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}


@pytest.fixture(scope="module")
def market():
    """Bins of every hourly bar of BTC, direction and standardised move, and weights of the training rows."""
    bars = samples.load_bars("BTCUSDT_1h")
    x, labels = build(bars, NAMES).values, horizon_labels(bars, 5)
    known = np.isfinite(x).all(axis=1) & np.isfinite(labels.ret)
    bins = bin_block(np.ascontiguousarray(x[known]), fit_edges(x[known][:TRAIN], 63))
    ret = labels.ret[known]
    weight = np.random.default_rng(0).uniform(0.2, 2.0, TRAIN)
    return bins, labels.up[known], np.clip(ret / ret.std(), -4, 4), weight


LIBRARY = {
    "RandomForestClassifier": ("sklearn.ensemble", {"n_estimators": 10, "max_depth": 8}),
    "RandomForestRegressor": ("sklearn.ensemble", {"n_estimators": 10, "max_depth": 8}),
    "ExtraTreesClassifier": ("sklearn.ensemble", {"n_estimators": 10}),
    "ExtraTreesRegressor": ("sklearn.ensemble", {"n_estimators": 10, "max_leaf_nodes": 50}),
    "DecisionTreeClassifier": ("sklearn.tree", {"max_leaf_nodes": 40, "class_weight": "balanced"}),
    "DecisionTreeRegressor": ("sklearn.tree", {}),
    "ExtraTreeClassifier": ("sklearn.tree", {}),
    "ExtraTreeRegressor": ("sklearn.tree", {}),
    "GradientBoostingClassifier": ("sklearn.ensemble", {"n_estimators": 10}),
    "GradientBoostingClassifier exponential": (
        "sklearn.ensemble",
        {"n_estimators": 10, "loss": "exponential"},
    ),
    "GradientBoostingRegressor": ("sklearn.ensemble", {"n_estimators": 10}),
    "GradientBoostingRegressor from zero": (
        "sklearn.ensemble",
        {"n_estimators": 10, "init": "zero", "loss": "huber"},
    ),
    "HistGradientBoostingClassifier": ("sklearn.ensemble", {"max_iter": 20}),
    "HistGradientBoostingRegressor": ("sklearn.ensemble", {"max_iter": 20}),
    "HistGradientBoostingRegressor quantile": (
        "sklearn.ensemble",
        {"max_iter": 20, "loss": "quantile", "quantile": 0.3},
    ),
    "LGBMClassifier": ("lightgbm", STEADY),
    "LGBMClassifier of random forests": ("lightgbm", STEADY | RANDOM_FOREST),
    "LGBMClassifier dart": ("lightgbm", {**STEADY, "boosting_type": "dart"}),
    "LGBMClassifier balanced": ("lightgbm", {**STEADY, "is_unbalance": True, "sigmoid": 0.7}),
    "LGBMRegressor": ("lightgbm", {**STEADY, "num_leaves": 300, "min_child_samples": 1}),
    "LGBMRegressor of random forests": ("lightgbm", STEADY | RANDOM_FOREST | {"objective": "huber"}),
}


def made(name):
    module, params = LIBRARY[name]
    estimator = getattr(import_module(module), name.split()[0])(**params)
    return estimator.set_params(random_state=3)


@pytest.mark.parametrize("name", LIBRARY)
def test_arrays_predict_what_the_library_predicts_on_every_bar(name, market):
    bins, up, target, weight = market
    x, estimator = bins.astype(np.float64), made(name)
    classifier = hasattr(estimator, "predict_proba")
    with threadpool_limits(1):
        estimator.fit(x[:TRAIN], (up if classifier else target)[:TRAIN], sample_weight=weight)
    wanted = estimator.predict_proba(x)[:, 1] if classifier else estimator.predict(x)
    found = outputs(bins, compile_trees(estimator, x.shape[1]))
    assert np.ptp(wanted) > 0.0
    assert np.abs(found - wanted).max() < 1e-9


@pytest.mark.parametrize(
    ("name", "params", "words"),
    [
        ("LGBMRegressor", {"objective": "poisson"}, "objective='poisson' cannot be turned into arrays"),
        ("LGBMRegressor", {"linear_tree": True}, "linear_tree=True cannot be turned"),
        ("LGBMRegressor", {"zero_as_missing": True}, "zero_as_missing=True cannot be turned"),
        ("LGBMRegressor", {"reg_sqrt": True}, "objective='regression sqrt' cannot be turned"),
        ("LGBMRegressor", {"categorical_feature": [6]}, "categorical splits cannot be turned"),
        (
            "HistGradientBoostingRegressor",
            {"categorical_features": [6]},
            "categorical splits cannot be turned",
        ),
        ("HistGradientBoostingRegressor", {"loss": "poisson"}, "loss='poisson' cannot be turned into arrays"),
        ("GradientBoostingRegressor", {"init": made}, "init=.* cannot be turned"),
    ],
)
def test_settings_that_no_array_can_hold_are_refused_by_name(name, params, words, market):
    bins, _, target, _ = market
    if "init" in params:
        params = {"init": made("DecisionTreeRegressor")}
    estimator = made(name).set_params(**params)
    with threadpool_limits(1):
        estimator.fit(bins[:1000].astype(np.float64), np.abs(target[:1000]))
    with pytest.raises(ModelError, match=words):
        compile_trees(estimator, bins.shape[1])


def test_a_class_derived_from_a_known_one_is_not_turned(market):
    class Mine(lightgbm.LGBMClassifier):
        pass

    assert compile_trees(Mine(), 3) is None
