"""The estimators: scikit-learn's contract, and the same bits as the functions they stand on."""

import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks
from threadpoolctl import threadpool_limits

from mlstrat.config import ModelsConfig
from mlstrat.errors import ConfigError, MissingExtraError, ModelError, NotEnoughBarsError
from mlstrat.models.binning import bin_block, fit_edges
from mlstrat.models.boosting import fit_boosting
from mlstrat.models.ensemble import ensemble_sha256, predict_block, start_state
from mlstrat.models.estimators import (
    BinnedBoostingRegressor,
    BinnedForestClassifier,
    StatefulLSTMRegressor,
)
from mlstrat.models.fitting import fit_ensemble
from mlstrat.models.forest import fit_forest
from mlstrat.models.lstm import fit_lstm, lstm_inputs
from mlstrat.models.sample import Sample
from mlstrat.models.stacked import EnsembleClassifier

SIZES = ModelsConfig(
    bins=15, rf_n_estimators=8, rf_max_depth=4, gb_n_estimators=8, lstm_units=4, lstm_epochs=2
)
IN_ORDER = "the state runs through the rows in order, so a row's prediction depends on the rows before it"
SEQUENCE_ONLY = {
    "check_methods_subset_invariance": IN_ORDER,
    "check_methods_sample_order_invariance": IN_ORDER,
}
FOREST = BinnedForestClassifier(n_estimators=10, max_depth=4, min_samples_leaf=1)
BOOSTING = BinnedBoostingRegressor()
# The score is checked on 200 rows, of which the default 10 epochs make too few steps.
SEQUENCE = StatefulLSTMRegressor(units=8, epochs=60, learning_rate=0.05)
ENSEMBLE = EnsembleClassifier(
    ModelsConfig(rf_n_estimators=5, gb_n_estimators=5, lstm_units=8, lstm_epochs=60, lstm_learning_rate=0.05),
    min_rows=1,
)


def of_sequence(estimator):
    return SEQUENCE_ONLY if isinstance(estimator, StatefulLSTMRegressor | EnsembleClassifier) else {}


@pytest.mark.filterwarnings("ignore:Using the fractional value max_samples:UserWarning")
@parametrize_with_checks([FOREST, BOOSTING, SEQUENCE, ENSEMBLE], expected_failed_checks=of_sequence)
def test_it_keeps_the_contract_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(1200, 4))
    ret = 0.01 * (0.5 * x[:, 1] + rng.normal(size=1200))
    return x, ret, np.where(ret > 0, "up", "down")


def test_the_forest_is_fit_forest(data):
    x, ret, labels = data
    model = BinnedForestClassifier(8, 4, 20, bins=15, random_state=3).fit(x, labels)
    edges = fit_edges(x, 15)
    trees, importances = fit_forest(bin_block(x, edges), (ret > 0).astype(float), SIZES, 3)
    assert list(model.classes_) == ["down", "up"]
    np.testing.assert_array_equal(model.edges_, edges)
    assert_same_arrays(model.trees_, trees)
    np.testing.assert_array_equal(model.feature_importances_, importances)
    np.testing.assert_array_equal(model.predict(x) == "up", model.predict_proba(x)[:, 1] > 0.5)


def test_the_booster_is_fit_boosting(data):
    x, ret, _ = data
    model = BinnedBoostingRegressor(8, bins=15, random_state=3).fit(x, ret)
    with threadpool_limits(1):
        trees = fit_boosting(bin_block(x, fit_edges(x, 15)), ret, SIZES, 3)
    assert_same_arrays(model.trees_, trees)
    assert np.corrcoef(model.predict(x), x[:, 1])[0, 1] > 0.8


def test_the_sequence_model_is_fit_lstm_on_the_standardised_target(data):
    x, ret, _ = data
    model = StatefulLSTMRegressor(4, 2, bins=15, random_state=3).fit(x, ret)
    edges = fit_edges(x, 15)
    inputs, half = lstm_inputs(np.ones(4), edges, SIZES)
    standard = (ret - ret.mean()) / ret.std()
    assert_same_arrays(model.lstm_, fit_lstm(bin_block(x, edges), standard, inputs, half, SIZES, 3))


def test_the_sequence_model_scales_with_its_target(data):
    x, ret, _ = data
    model = StatefulLSTMRegressor(4, 2, random_state=3)
    small, large = model.fit(x, ret).predict(x), clone(model).fit(x, 7.0 + 1024.0 * ret).predict(x)
    np.testing.assert_allclose(large, 7.0 + 1024.0 * small, atol=1e-3)


def test_a_sequence_starts_at_zero_and_never_looks_ahead(data):
    x, ret, labels = data
    trained = SIZES.model_copy(update={"lstm_epochs": 30, "lstm_learning_rate": 0.02})
    for model in (
        StatefulLSTMRegressor(4, 2).fit(x, ret),
        EnsembleClassifier(trained).fit(x, labels, returns=ret),
    ):
        outputs = getattr(model, "predict_proba", model.predict)
        np.testing.assert_array_equal(outputs(x)[:50], outputs(x[:50]))
        assert not np.array_equal(outputs(x)[50:], outputs(x[50:]))


@pytest.mark.parametrize("resolved_after", [1, 6])
def test_the_ensemble_is_fit_ensemble_on_its_purged_tail(data, resolved_after):
    x, ret, labels = data
    model = EnsembleClassifier(SIZES, random_state=3)
    model.fit(x, labels, returns=ret, resolved_after=resolved_after)
    hour = np.timedelta64(3600, "s")
    time = np.datetime64("2024-01-01", "ns") + np.arange(1200) * hour
    sample = Sample(
        x, ret, (ret > 0).astype(float), time + resolved_after * hour, time, 0, np.arange(1200),
        float(resolved_after), 0,
    )  # fmt: skip
    seeds = tuple(int(seed) for seed in np.random.SeedSequence(3).generate_state(3) >> 1)
    with threadpool_limits(1):
        expected, inner = fit_ensemble(sample, SIZES, 0.3, seeds)
    assert ensemble_sha256(model.ensemble_) == ensemble_sha256(expected)
    assert model.inner_.purged == inner.purged == resolved_after - 1
    np.testing.assert_array_equal(model.inner_.block, inner.block)
    block = predict_block(x, start_state(expected.models), expected)
    np.testing.assert_array_equal(model.predict_proba(x)[:, 1], block[:, 0])
    np.testing.assert_array_equal(model.magnitude(x), block[:, 1])


def test_without_returns_the_magnitude_is_the_expected_sign(data):
    x, ret, labels = data
    model, told = EnsembleClassifier(SIZES), EnsembleClassifier(SIZES)
    model.fit(x, labels)
    told.fit(x, labels, returns=np.sign(ret))
    assert ensemble_sha256(model.ensemble_) == ensemble_sha256(told.ensemble_)
    assert 0 < np.abs(model.magnitude(x)).max() < 2


@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_seed_gives_the_same_bits_whatever_the_threads(data, threads):
    x, ret, labels = data
    with threadpool_limits(threads):
        booster = BinnedBoostingRegressor(8, random_state=1).fit(x, ret)
        ensemble = EnsembleClassifier(SIZES, random_state=1).fit(x, labels)
    assert_same_arrays(booster.trees_, BinnedBoostingRegressor(8, random_state=1).fit(x, ret).trees_)
    again = EnsembleClassifier(SIZES, random_state=np.int64(1)).fit(x, labels)
    other = EnsembleClassifier(SIZES, random_state=2).fit(x, labels)
    assert ensemble_sha256(ensemble.ensemble_) == ensemble_sha256(again.ensemble_)
    assert ensemble_sha256(ensemble.ensemble_) != ensemble_sha256(other.ensemble_)


def test_a_random_state_object_draws_another_seed_each_time(data):
    x, _, labels = data
    shared = np.random.RandomState(0)
    first, second = (
        BinnedForestClassifier(3, random_state=shared).fit(x, labels).predict_proba(x) for _ in range(2)
    )
    assert not np.array_equal(first, second)


def test_it_stands_in_a_grid_search_over_a_pipeline(data):
    x, _, labels = data
    model = make_pipeline(FunctionTransformer(np.negative), BinnedForestClassifier(5))
    found = GridSearchCV(model, {"binnedforestclassifier__max_depth": np.arange(1, 3)}, cv=TimeSeriesSplit(2))
    assert found.fit(x, labels).best_score_ > 0.55


def test_without_pytorch_the_extra_is_named(data, monkeypatch):
    x, ret, labels = data
    monkeypatch.setitem(sys.modules, "torch", None)
    for model, y in ((StatefulLSTMRegressor(), ret), (EnsembleClassifier(SIZES), labels)):
        with pytest.raises(MissingExtraError, match=r'run `pip install "mlstrat\[torch\]"`'):
            model.fit(x, y)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            BinnedForestClassifier(n_estimators=0),
            "n_estimators of BinnedForestClassifier is 0 .*: give another value",
        ),
        (BinnedForestClassifier(bins=100), "bins of .* is 100 .*less than or equal to 63"),
        (BinnedForestClassifier(max_depth=2.5), "max_depth of .* is 2.5 .*valid integer"),
        (BinnedBoostingRegressor(min_samples_leaf=5), "is 5: give 20 rows or more"),
        (StatefulLSTMRegressor(learning_rate=0.0), "learning_rate of .* is 0.0 .*greater than 0"),
        (EnsembleClassifier(calibration_share=1.0), r"is 1.0: give a share in \(0, 1\), such as 0.3"),
        (EnsembleClassifier(sizes={"bins": 15}), "sizes is {'bins': 15}: give a ModelsConfig, such as"),
        (EnsembleClassifier(min_rows=0), "min_rows is 0: give a whole number of rows, 1 or more"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(data, model, message):
    x, _, labels = data
    with pytest.raises(ConfigError, match=message):
        model.fit(x, (labels == "up").astype(float))


def test_rows_that_cannot_be_learned_from_are_refused(data):
    x, ret, labels = data
    with pytest.raises(ModelError, match=r"all 1,200 labels are of one class, .* give rows of both"):
        BinnedForestClassifier().fit(x, np.ones(1200))
    with pytest.raises(ModelError, match="no feature varies over the 1,200 rows: give one that does"):
        StatefulLSTMRegressor().fit(np.ones_like(x), ret)
    with pytest.raises(NotEnoughBarsError, match="A training window needs 834 bars but got 500"):
        EnsembleClassifier(SIZES).fit(x[:500], labels[:500])
    with pytest.raises(NotEnoughBarsError, match="needs 1,558 bars but got 1,200"):
        EnsembleClassifier(SIZES).fit(x, labels, resolved_after=841)
    with pytest.raises(NotEnoughBarsError, match="needs 4 bars but got 3"):
        EnsembleClassifier(SIZES, min_rows=1).fit(x[:3], labels[[0, 1, 3]])
    with pytest.raises(ConfigError, match="resolved_after is 0: give a whole number"):
        EnsembleClassifier(SIZES).fit(x, labels, resolved_after=0)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        EnsembleClassifier(SIZES).fit(x, labels, returns=ret[:-1])
    with pytest.raises(ValueError, match="Input returns contains NaN"):
        EnsembleClassifier(SIZES).fit(x, labels, returns=np.full(1200, np.nan))


def assert_same_arrays(found, expected):
    for name, a, b in zip(expected._fields, found, expected, strict=True):
        np.testing.assert_array_equal(a, b, err_msg=name)
