"""The ONNX file of a capsule, run by onnxruntime, says what the capsule says: to 1e-12, state included."""

import hashlib
import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from forged import FEATURES, INF, sample, trees, with_voter

from mlstrat.arrays import FloatArray
from mlstrat.calibration import Curve
from mlstrat.capsule import dumps, loads
from mlstrat.config import parse_config
from mlstrat.errors import MissingExtraError, ModelError
from mlstrat.models.ensemble import FOREST, predict_block
from mlstrat.models.guests import Guest
from mlstrat.models.trees import Trees
from mlstrat.models.voters import LOGISTIC, PLAIN, Voter, join_voters
from mlstrat.onnx_export import check_onnx, largest_difference, to_onnx

onnx = pytest.importorskip("onnx", reason="the extra models is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the extra models is not installed")

CLOSE = 1e-12
NONE = np.empty(0)
CURVES = {
    "platt": Curve(np.array([0.7]), NONE, 0.1, 2.0),
    "beta": Curve(np.array([0.4, 1.3]), NONE, 0.2, 0.5),
    "isotonic": Curve(np.array([-0.5, 0.1, 0.9]), np.array([-1.0, 0.2, 0.4]), 0.05, 1.5),
    "isotonic, one step": Curve(np.array([0.3]), np.array([0.0]), 0.3, 1.0),
}
ZERO = np.zeros(1, np.int32)
LEAF = Trees(ZERO - 1, ZERO, ZERO, ZERO, np.array([0.7]), ZERO, base=0.1, scale=2.0)


def session(capsule):
    return onnxruntime.InferenceSession(to_onnx(capsule), providers=["CPUExecutionProvider"])


def said(running, x, state):
    """prob_up, magnitude and votes as one block, and the state after it."""
    prob_up, magnitude, votes, after = running.run(None, {"features": x, "state": state})
    return np.column_stack([prob_up, magnitude, votes]), after


def rows(n=300, seed=0) -> FloatArray:
    """Rows of the forged features, some of them not finite."""
    x = np.random.default_rng(seed).normal([0.0, 50.0, 0.0], [0.01, 15.0, 1.0], (n, 3))
    x[7, 0], x[20, 1], x[21, 2] = np.nan, INF, -INF
    return x


def holding(**parts):
    """The forged capsule with other models or another stack."""
    made = sample()
    models, stack = made.ensemble
    stack = stack._replace(**{name: parts.pop(name) for name in list(parts) if name in stack._fields})
    return replace(made, ensemble=made.ensemble._replace(models=models._replace(**parts), stack=stack))


@pytest.fixture(scope="module")
def fitted(tiny_config):
    """A model fitted on the first 2,500 hours of 2023, and the feature rows of these and the next."""
    from mlstrat.data.sources import read_bars
    from mlstrat.live import train
    from mlstrat.pipeline import load_panel
    from mlstrat.sentiment.align import neutral

    bars = read_bars("sample:BTCUSDT_1h")
    first = int(np.searchsorted(bars.time, np.datetime64("2023-01-01", "ns")))
    panels = [
        load_panel(part, neutral(part), tiny_config)
        for part in (bars[first : first + 2500], bars[first : first + 5000])
    ]
    return train(panels[0], tiny_config), panels[1].features.values


def test_it_says_what_the_model_says_on_real_bars(fitted):
    capsule, x = fitted
    assert np.isnan(x).any()
    assert np.isfinite(x).all(axis=1).sum() > 4900
    state = capsule.state.copy()
    block = predict_block(x, state, capsule.ensemble)
    told, after = said(session(capsule), x, capsule.state)
    np.testing.assert_allclose(told, block, rtol=0.0, atol=CLOSE)
    np.testing.assert_allclose(after, state, rtol=0.0, atol=CLOSE)
    assert largest_difference(to_onnx(capsule), capsule, x) <= CLOSE


def test_calls_that_carry_the_state_are_one_block(fitted):
    capsule, x = fitted
    x, running = x[400:800], session(capsule)
    whole, end = said(running, x, capsule.state)
    state, parts = capsule.state, []
    for part in np.split(x, [1, 2, 3, 50, 51, 200]):
        told, state = said(running, part, state)
        parts.append(told)
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=0.0, atol=CLOSE)
    np.testing.assert_allclose(state, end, rtol=0.0, atol=CLOSE)


def test_a_row_that_is_not_finite_gives_nan_and_leaves_the_state():
    running, x = session(sample()), rows()
    block, after = said(running, x, np.full((2, 2), 0.25))
    assert np.flatnonzero(np.isnan(block).all(axis=1)).tolist() == [7, 20, 21]
    assert np.isfinite(np.delete(block, [7, 20, 21], axis=0)).all()
    without, end = said(running, np.delete(x, [7, 20, 21], axis=0), np.full((2, 2), 0.25))
    np.testing.assert_allclose(np.delete(block, [7, 20, 21], axis=0), without, rtol=0.0, atol=CLOSE)
    np.testing.assert_allclose(after, end, rtol=0.0, atol=CLOSE)


@pytest.mark.parametrize("curve", CURVES.values(), ids=CURVES.keys())
def test_every_calibration_map(curve):
    capsule = holding(curve=curve, slope=np.array([9.0, 2.0, 5.0]))
    assert largest_difference(to_onnx(capsule), capsule, rows()) <= CLOSE


def test_a_step_begins_on_its_knot():
    """The sum that the map sees is 0 in every row: it lies on the knot there, and on the step above."""
    curve = Curve(np.array([-1.0, 1.0]), np.array([-3.0, 0.0]), 0.0, 1.0)
    capsule = holding(curve=curve, slope=np.zeros(3), offset=0.0)
    block, _ = said(session(capsule), rows()[:5], capsule.state)
    np.testing.assert_allclose(block[:, 0], 1.0 / (1.0 + np.exp(-1.0)), rtol=1e-15)


@pytest.mark.parametrize(
    "voters",
    [
        [Voter(trees([0.0, 0.1, 0.2, 0.0, 0.0, 0.3, 0.4, 0.5], 0.3, 1.5), LOGISTIC, place=FOREST)],
        [Voter(LEAF, PLAIN, place=3, unit=0.02)],
        [Voter(LEAF, PLAIN, place=4), Voter(trees(np.arange(8.0), 0.0, 0.1), PLAIN, place=3)],
        [Voter(trees(np.arange(8.0), 0.0, 0.1), LOGISTIC, place=2), Voter(LEAF, PLAIN, place=4)],
    ],
    ids=["logistic", "one leaf", "leaf before trees", "leaf after trees"],
)
def test_own_models_that_replace_one(voters):
    capsule = holding(voters=join_voters(voters))
    assert largest_difference(to_onnx(capsule), capsule, rows()) <= CLOSE


def test_an_own_model_that_joins_and_one_without_trees():
    joined = replace(sample(), ensemble=with_voter())
    assert largest_difference(to_onnx(joined), joined, rows()) <= CLOSE
    voters = joined.ensemble.models.voters
    bare = voters._replace(first=np.zeros(2, np.int64), base=np.array([0.4]))
    ensemble = joined.ensemble._replace(models=joined.ensemble.models._replace(voters=bare))
    capsule = replace(joined, ensemble=ensemble)
    assert largest_difference(to_onnx(capsule), capsule, rows()) <= CLOSE
    block, _ = said(session(capsule), rows()[:3], capsule.state)
    np.testing.assert_array_equal(block[:, 5], 0.4)


def test_a_forest_that_is_one_leaf():
    capsule = holding(forest=LEAF)
    block, _ = said(session(capsule), rows()[:3], capsule.state)
    np.testing.assert_allclose(block[:, FOREST], 2.0 * 0.7, rtol=1e-15)


def test_the_check_sees_an_edge_that_is_one_bit_off():
    capsule = sample()
    assert check_onnx(to_onnx(capsule), capsule, np.random.default_rng(0)) <= CLOSE
    edges = capsule.ensemble.models.edges.copy()
    edges[0, 1] = np.nextafter(edges[0, 1], 1.0)
    moved = holding(edges=edges)
    with pytest.raises(ModelError, match=r"differs from the capsule by .*: install another version"):
        check_onnx(to_onnx(moved), capsule, np.random.default_rng(0))


def test_nan_beside_a_number_is_no_small_difference():
    capsule = sample()
    silent = holding(weights=np.full(3, np.nan))
    assert largest_difference(to_onnx(silent), capsule, rows()) == INF


def test_the_file_says_what_it_was_made_of():
    made = parse_config({"models": {"mine": {"class": "lightgbm.LGBMRegressor"}}})
    joined = replace(sample(), ensemble=with_voter())
    joined = replace(joined, about=replace(joined.about, config=made.result_content()))
    content = to_onnx(joined)
    told = session(joined).get_modelmeta().custom_metadata_map
    assert json.loads(told["features"]) == list(FEATURES)
    assert json.loads(told["votes"]) == ["forest", "boosting", "lstm", "mine"]
    assert json.loads(told["state"]) == [[0.25, 0.25], [0.25, 0.25]]
    assert (told["symbol"], told["timeframe"]) == ("BTCUSDT", "1h")
    assert told["cut"] == "2022-01-01T00:00:00.000000000"
    assert told["seen_until"] == "2021-12-31T22:00:00.000000000"
    assert told["model_sha256"] == joined.window.model_sha256
    graph = onnx.load_from_string(content).graph.SerializeToString(deterministic=True)
    assert told["graph_sha256"] == hashlib.sha256(graph).hexdigest()


def test_it_is_valid_and_the_same_capsule_gives_the_same_bytes():
    content = to_onnx(loads(dumps(sample())))
    assert content == to_onnx(sample())
    onnx.checker.check_model(content, full_check=True)
    inputs = {value.name: (value.type, value.shape) for value in session(sample()).get_inputs()}
    assert inputs == {"features": ("tensor(double)", ["n_rows", 3]), "state": ("tensor(double)", [2, 2])}


def test_what_is_no_set_of_trees_is_refused_by_name():
    capsule = replace(sample(), guests=(Guest("mine", 3, 1.0, object()),))
    with pytest.raises(
        ModelError, match=r"models\.mine is no set of trees and has no ONNX form: take it out"
    ):
        to_onnx(capsule)


def chain(depth) -> Trees:
    """A tree each of whose right branches goes on."""
    feature, left, right = (np.zeros(2 * depth + 1, np.int32) for _ in range(3))
    feature[1::2] = feature[-1] = -1
    at = np.arange(0, 2 * depth, 2)
    left[at], right[at] = at + 1, at + 2
    return Trees(feature, feature * 0, left, right, np.ones(len(feature)), np.zeros(1, np.int32), 0.0, 1.0)


def test_trees_that_a_runtime_cannot_walk_are_refused():
    deep = holding(forest=chain(300))
    assert largest_difference(to_onnx(deep), deep, rows()) <= CLOSE
    with pytest.raises(ModelError, match=r"more than 1,000 levels deep, .*: train the model again"):
        to_onnx(holding(forest=chain(1001)))
    forest = chain(3)
    forest.left[0] = forest.right[0]
    with pytest.raises(ModelError, match=r"a node has two parents, .*: take another copy"):
        to_onnx(holding(forest=forest))


def test_what_is_not_installed_is_named(monkeypatch):
    content = to_onnx(sample())
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"needs the package onnxruntime: .*mlstrat\[models\]"):
        check_onnx(content, sample(), np.random.default_rng(0))
    monkeypatch.setitem(sys.modules, "onnx.helper", None)
    with pytest.raises(MissingExtraError, match="The ONNX export needs the package onnx:"):
        to_onnx(sample())


def test_a_file_that_onnxruntime_refuses_is_one_sentence():
    with pytest.raises(ModelError, match=r"cannot run the ONNX model \(.*\): install version 1\.21"):
        largest_difference(b"no model", sample(), rows())
