"""A user's own models: what is turned into arrays predicts as its library does, and the rest row by row."""

import hashlib
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from test_ensemble import SIZES, sample_of

from mlstrat.capsule import dumps, load, loads
from mlstrat.config import ModelsConfig, parse_config
from mlstrat.errors import ConfigError, MissingExtraError, ModelError
from mlstrat.foldcache import FoldCache, fold_key
from mlstrat.foldstore import FoldStore
from mlstrat.models.binning import bin_block
from mlstrat.models.contributions import contributions
from mlstrat.models.ensemble import (
    BOOSTING,
    COLUMNS,
    FOREST,
    LSTM,
    PROB_UP,
    ensemble_sha256,
    predict_block,
    predict_row,
    start_state,
    to_tensors,
)
from mlstrat.models.fitting import fit_ensemble, fit_with_guests
from mlstrat.models.guests import predict_with, scaled
from mlstrat.models.prune import compact
from mlstrat.models.soundness import sound_ensemble
from mlstrat.models.stacked import EnsembleClassifier
from mlstrat.models.voters import GIVEN
from mlstrat.online import OnlineWalkForward
from mlstrat.pipeline import require, run
from mlstrat.sentiment.align import neutral
from mlstrat.walkforward import schedule_for
from mlstrat.window import fit_models, fit_window, forecast_block

lightgbm = pytest.importorskip("lightgbm")
LOGIT, RIDGE = "sklearn.linear_model.LogisticRegression", "sklearn.linear_model.Ridge"
STEADY = {"n_jobs": 1, "verbosity": -1, "deterministic": True}


def sizes(**own):
    return ModelsConfig(**SIZES.model_dump(), **own)


def fitted(**own):
    return fit_with_guests(sample_of(0.5), sizes(**own), 0.3, (1, 2, 3))


def test_a_model_that_joins_leaves_the_three_as_they_are():
    plain, inner = fit_ensemble(sample_of(0.5), SIZES, 0.3, (1, 2, 3))
    joined, inner_too, guests = fitted(mine={"class": "lightgbm.LGBMClassifier"})
    x = sample_of(0.5, seed=9).x
    before = predict_block(x, start_state(plain.models), plain)
    after = predict_block(x, start_state(joined.models), joined)
    assert guests == ()
    assert before[:, FOREST:].tobytes() == after[:, FOREST:COLUMNS].tobytes()
    assert after.shape[1] == COLUMNS + 1
    assert inner.block[:, FOREST:].tobytes() == inner_too.block[:, FOREST:COLUMNS].tobytes()
    kept = {name: array for name, array in to_tensors(joined).items() if "voters" not in name}
    for name, array in to_tensors(plain).items():
        if name.startswith("models."):
            np.testing.assert_array_equal(kept[name], array)


def test_the_vote_is_what_the_library_says_of_the_bins():
    """Fitted here by hand, with the seed and the settings that the docs name."""
    import zlib

    from mlstrat.models.weights import label_weights

    sample = sample_of(0.5)
    ensemble, _, _ = fitted(mine={"class": "lightgbm.LGBMClassifier", "params": {"n_estimators": 7}})
    seed = int(np.random.SeedSequence([1, zlib.crc32(b"mine")]).generate_state(1)[0] >> 1)
    by_hand = lightgbm.LGBMClassifier(n_estimators=7, random_state=seed, **STEADY, force_row_wise=True)
    bins = bin_block(sample.x, ensemble.models.edges).astype(np.float64)
    weight = label_weights(sample.train, 1, sample.close_time, 0.0)
    by_hand.fit(bins[sample.train], sample.up[sample.train], sample_weight=weight)
    found = predict_block(sample.x, start_state(ensemble.models), ensemble)[:, COLUMNS]
    assert np.abs(found - by_hand.predict_proba(bins)[:, 1]).max() < 1e-9


REPLACING = {
    "forest": ("lightgbm.LGBMClassifier", FOREST),
    "boosting": ("sklearn.ensemble.ExtraTreesRegressor", BOOSTING),
    "lstm": ("lightgbm.LGBMRegressor", LSTM),
}


@pytest.mark.parametrize("role", REPLACING)
def test_a_model_that_replaces_one_takes_its_column_and_no_more(role):
    path, column = REPLACING[role]
    plain, _ = fit_ensemble(sample_of(0.5), SIZES, 0.3, (1, 2, 3))
    ensemble, _, _ = fitted(mine={"class": path, "replaces": role})
    x = sample_of(0.5, seed=9).x
    before = predict_block(x, start_state(plain.models), plain)
    after = predict_block(x, start_state(ensemble.models), ensemble)
    assert after.shape == before.shape
    assert (after[:, column] != before[:, column]).any()
    # The forest ranks the inputs of the LSTM; without it a small one does.
    others = [k for k in (FOREST, BOOSTING, LSTM) if k != column]
    for other in others:
        np.testing.assert_array_equal(after[:, other], before[:, other])


def test_a_planted_signal_is_found_by_the_own_model_alone():
    """Where all three are replaced, what predicts is the user's."""
    ensemble, _, _ = fitted(
        a={"class": "lightgbm.LGBMClassifier", "replaces": "forest", "params": {"n_estimators": 30}},
        b={"class": RIDGE, "replaces": "boosting"},
        c={"class": "lightgbm.LGBMRegressor", "replaces": "lstm", "params": {"n_estimators": 30}},
    )
    assert ensemble.stack.slope.max() > 0.1
    assert ensemble.stack.weights[1] > 0.5  # a line is the truth that was planted


@pytest.fixture(scope="module")
def with_guests():
    """A guest that joins and one in the booster's place, and a tree model between them."""
    return fitted(
        mine={"class": LOGIT},
        next={"class": "lightgbm.LGBMRegressor"},
        z={"class": RIDGE, "replaces": "boosting"},
    )


def test_guests_vote_what_their_estimator_says_of_scaled_bins(with_guests):
    ensemble, _, guests = with_guests
    x = sample_of(0.5, seed=9).x[:300]
    block = predict_with(x, start_state(ensemble.models), ensemble, guests)
    edges = ensemble.models.edges
    rows = 2 * bin_block(x, edges) / np.isfinite(edges).sum(axis=1) - 1
    assert np.abs(rows).max() == 1.0
    assert [guest.place for guest in guests] == [COLUMNS, BOOSTING]
    wanted = guests[0].estimator.predict_proba(rows)[:, 1]
    np.testing.assert_allclose(block[:, COLUMNS], wanted, rtol=1e-12)
    wanted = guests[1].estimator.predict(rows) * ensemble.models.unit
    np.testing.assert_allclose(block[:, BOOSTING], wanted, rtol=1e-10)
    assert np.isfinite(block).all()


def test_with_guests_too_batch_is_the_loop_over_rows_bit_for_bit(with_guests):
    ensemble, _, guests = with_guests
    x = sample_of(0.5, seed=9).x[:300]
    x[7, 2] = np.nan
    state = start_state(ensemble.models)
    block = predict_with(x, state, ensemble, guests)
    again = start_state(ensemble.models)
    rows = np.concatenate([predict_with(x[t : t + 1], again, ensemble, guests) for t in range(len(x))])
    assert rows.tobytes() == block.tobytes()
    assert np.isnan(block[7]).all()
    assert np.isfinite(np.delete(block, 7, axis=0)).all()
    np.testing.assert_array_equal(state, again)


def test_without_its_guests_a_model_says_nothing(with_guests):
    ensemble, _, _ = with_guests
    out = predict_block(sample_of(0.5).x[:5], start_state(ensemble.models), ensemble)
    assert np.isnan(out[:, PROB_UP]).all()


def test_columns_without_edges_are_hidden_from_guests():
    edges = np.array([[0.0, 1.0], [np.inf, np.inf], [5.0, np.inf]])
    np.testing.assert_array_equal(
        scaled(np.array([[0, 0, 0], [1, 0, 1], [2, 0, 1]]), edges), [[-1, -1], [0, 1], [1, 1]]
    )


def test_a_row_is_the_block_for_joined_trees():
    ensemble, _, _ = fitted(mine={"class": "lightgbm.LGBMClassifier"})
    x = sample_of(0.5, seed=9).x
    block = predict_block(x, start_state(ensemble.models), ensemble)
    state, rows = start_state(ensemble.models), np.empty_like(block)
    for t in range(len(x)):
        predict_row(x[t].copy(), state, ensemble, rows[t])
    assert rows.tobytes() == block.tobytes()


def test_tensors_rebuild_own_models():
    ensemble, _, _ = fitted(mine={"class": "lightgbm.LGBMClassifier"})
    tensors = to_tensors(ensemble) | {"state": start_state(ensemble.models)}
    again, _ = sound_ensemble(tensors, len(ensemble.models.edges))
    assert ensemble_sha256(again) == ensemble_sha256(ensemble)


def test_dropping_unread_edges_keeps_every_bit(with_guests):
    x = sample_of(0.5, seed=9).x[:500]
    for ensemble, _, guests in (with_guests, fitted(mine={"class": "lightgbm.LGBMClassifier"})):
        small = compact(ensemble)
        before = predict_with(x, start_state(ensemble.models), ensemble, guests)
        after = predict_with(x, start_state(small.models), small, guests)
        assert before.tobytes() == after.tobytes()


def test_contributions_hold_the_votes_of_guests(with_guests):
    ensemble, _, guests = with_guests
    x, state = sample_of(0.5).x[50], start_state(ensemble.models)
    credit = contributions(x, state, ensemble, guests)
    assert np.isfinite(credit).all()
    assert np.abs(credit).max() > 0


def test_a_further_model_changes_no_other():
    alone, _, _ = fitted(b={"class": "sklearn.ensemble.ExtraTreesClassifier"})
    both, _, _ = fitted(
        a={"class": "lightgbm.LGBMClassifier"}, b={"class": "sklearn.ensemble.ExtraTreesClassifier"}
    )
    x = sample_of(0.5, seed=9).x[:200]
    one = predict_block(x, start_state(alone.models), alone)
    two = predict_block(x, start_state(both.models), both)
    assert one[:, COLUMNS].tobytes() == two[:, COLUMNS + 1].tobytes()


def test_later_rows_change_no_vote_on_the_tail():
    own = {"mine": {"class": LOGIT}, "next": {"class": "lightgbm.LGBMClassifier"}}
    _, inner, _ = fitted(**own)
    changed = sample_of(0.5)
    changed.up[inner.rows] = changed.up[inner.rows][::-1].copy()
    _, other, _ = fit_with_guests(changed, sizes(**own), 0.3, (1, 2, 3))
    assert inner.block[:, FOREST:].tobytes() == other.block[:, FOREST:].tobytes()


def test_what_is_no_tree_needs_the_function_that_returns_it():
    with pytest.raises(ModelError, match=r"models\.mine is no set of trees: call fit_with_guests"):
        fit_ensemble(sample_of(0.5), sizes(mine={"class": LOGIT}), 0.3, (1, 2, 3))


@pytest.mark.parametrize(
    ("own", "kind", "words"),
    [
        (
            {"class": "lightgbm.Nope"},
            ConfigError,
            r"models\.mine\.class is 'lightgbm\.Nope' .*correct the name",
        ),
        ({"class": "nope.Nope"}, ConfigError, "there is no module nope: correct the name, or install"),
        ({"class": "sklearn.svm.LinearSVC"}, ConfigError, r"gives no probabilities \(predict_proba\)"),
        ({"class": RIDGE, "replaces": "forest"}, ConfigError, "replaces the forest: give a classifier"),
        ({"class": LOGIT, "replaces": "lstm"}, ConfigError, "replaces the lstm: give a regressor"),
        (
            {"class": RIDGE, "params": {"alhpa": 1}},
            ConfigError,
            "does not take these params .*alhpa.*mend them",
        ),
        (
            {"class": "lightgbm.LGBMRegressor", "params": {"monotone_constraints": (1, 0, 0, 0, 0)}},
            ConfigError,
            r"models\.mine\.params\.monotone_constraints speaks of columns by position",
        ),
        (
            {"class": RIDGE, "params": {"alpha": -1.0}},
            ModelError,
            r"models\.mine cannot be fitted .*other params",
        ),
        ({"class": "pathlib.Path"}, ConfigError, "has no fit, or neither predict_proba nor predict"),
    ],
)
def test_a_model_that_cannot_be_is_refused_in_a_sentence(own, kind, words):
    with pytest.raises(kind, match=words):
        fitted(mine=own)


def test_a_library_that_is_not_there_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(
        MissingExtraError, match=r'models\.mine needs .* lightgbm: run `pip install "mlstrat\[models'
    ):
        fitted(mine={"class": "lightgbm.LGBMClassifier"})


@pytest.mark.parametrize(
    ("models", "words"),
    [
        ({"rf_n_estimatrs": 3}, r"unknown key models\.rf_n_estimatrs; did you mean models\.rf_n_estimators"),
        ({"mine": {"classs": "a.b"}}, r"unknown key models\.mine\.classs; did you mean models\.mine\.class"),
        ({"mine": {"class": "a"}}, "give the full name of a class, such as lightgbm"),
        ({"mine": {"class": "a.b", "replaces": "x"}}, "give 'forest', 'boosting', 'lstm' or ''"),
        ({"forest": {"class": "a.b"}}, "a name of letters and digits that is none of the three"),
        (
            {"b": {"class": "a.b", "replaces": "lstm"}, "c": {"class": "a.b", "replaces": "lstm"}},
            "give one model that replaces 'lstm'; b and c do",
        ),
        (
            {"mine": {"class": "a.b", "params": {"x": float("inf")}}},
            r"models\.mine\.params\.x .* a finite number",
        ),
        ({"mine": {}}, r"models\.mine\.class .* give it a value"),
    ],
)
def test_a_table_that_cannot_be_is_refused_in_a_sentence(models, words):
    with pytest.raises(ConfigError, match=words):
        parse_config({"models": models})


def test_the_settings_come_back_from_json():
    table = {
        "class": "a.b",
        "params": {"n": 3, "x": 0.5, "s": "t", "k": [1, 2]},
        "replaces": "lstm",
        "trust": ["c.d"],
    }
    config = parse_config({"models": {"mine": table}})
    content = json.loads(json.dumps(config.result_content()))
    assert content["models"]["mine"] == table
    assert parse_config(content) == config
    assert "mine" not in parse_config({}).result_content()["models"]


# A run of the walk with a guest that joins, one in the booster's place, and trees in the LSTM's.
OWN = {
    "linear": {"class": LOGIT},
    "ridge": {"class": RIDGE, "replaces": "boosting"},
    "light": {"class": "lightgbm.LGBMRegressor", "replaces": "lstm", "params": {"n_estimators": 5}},
}


def naming(config, **own):
    content = config.model_dump(mode="json")
    content["models"] |= own
    return parse_config(content)


@pytest.fixture(scope="module")
def own_config(tiny_config):
    return naming(tiny_config, **OWN)


@pytest.fixture(scope="module")
def stored(walk, own_config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("folds")
    store = FoldStore(folder, "key", own_config.models.trusted)
    return folder, run(own_config, bars=walk, mood=neutral(walk), store=store)


def test_a_run_says_every_vote_by_name(stored):
    said = stored[1].predictions
    assert said.vote_names == ("forest", "boosting", "lstm", "linear")
    assert said.votes.shape == (len(said), 4)
    assert np.isfinite(said.votes[said.known]).all()
    assert "vote_linear" in said.frame().columns


def test_a_run_taken_up_again_reads_its_guests(stored, walk, own_config):
    folder, first = stored
    again, block = FoldStore(folder, "key", own_config.models.trusted).load(0)
    assert len(again.guests) == 2
    store = FoldStore(folder, "key", own_config.models.trusted)
    second = run(own_config, bars=walk, mood=neutral(walk), store=store)
    assert second.predictions.votes.tobytes() == first.predictions.votes.tobytes()
    x, rows = first.panel.features.values, np.flatnonzero(first.predictions.fold == 0)
    mood = neutral(walk)
    state = load(folder / "000" / "model.capsule", own_config.models.trusted).state
    fresh = forecast_block(x[rows], mood.score[rows], mood.confidence[rows], again, state, own_config)
    assert fresh.tobytes() == block.tobytes()


def test_the_capsule_says_that_it_is_not_portable_and_holds_the_same_bytes_again(stored, own_config):
    content = (stored[0] / "000" / "model.capsule").read_bytes()
    length = int.from_bytes(content[40:48], "little")
    said = json.loads(content[48 : 48 + length])
    assert said["portable"] is False
    assert [guest["name"] for guest in said["guests"]] == ["linear", "ridge"]
    made = loads(content, trust=own_config.models.trusted)
    assert not made.portable
    assert dumps(made) == content
    assert set(said["about"]["versions"]) >= {"sklearn.linear_model", "lightgbm"}


def test_trees_are_portable(walk, tmp_path, tiny_config):
    config = naming(tiny_config, mine={"class": "lightgbm.LGBMClassifier", "params": {"n_estimators": 5}})
    run(config, bars=walk, mood=neutral(walk), store=FoldStore(tmp_path, "key"))
    made = load(next(tmp_path.glob("*/model.capsule")))
    assert made.portable
    assert (made.ensemble.models.voters.kind != GIVEN).all()


def test_nothing_is_built_of_types_that_are_not_trusted(stored):
    path = stored[0] / "000" / "model.capsule"
    with pytest.raises(ModelError, match=rf'models\.linear of .*load it with trust=\("{LOGIT}",\)'):
        load(path)
    with pytest.raises(ModelError, match=rf'models\.ridge of .*load it with trust=\("{RIDGE}",\)'):
        load(path, trust=(LOGIT,))


def test_an_untrusted_capsule_imports_no_library(stored):
    code = (
        "import sys\nfrom mlstrat.capsule import load\nfrom mlstrat.errors import ModelError\n"
        "try:\n    load(sys.argv[1])\nexcept ModelError:\n"
        "    print(sorted(name for name in ('skops', 'sklearn', 'lightgbm') if name in sys.modules))"
    )
    path = str(stored[0] / "000" / "model.capsule")
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_changed_guest_is_refused(stored, own_config):
    made = load(stored[0] / "000" / "model.capsule", own_config.models.trusted)
    with pytest.raises(ModelError, match="are not those of its arrays"):
        loads(dumps(replace(made, guests=made.guests[:1])), trust=own_config.models.trusted)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda said: said.update(portable=True), "the guests are not those that it says"),
        (lambda said: said["guests"][0].update(n_bytes=10**8), "have an impossible length"),
        (lambda said: said["guests"][0].update(sha256="0" * 64), "is not that of its manifest"),
        (lambda said: said["guests"][0].update(name="other"), "a guest is none of the own models"),
        (lambda said: said["guests"][0].update(place=9), "are not those of its arrays"),
        (lambda said: said["guests"].pop(), "the arrays of .* are not those|are not those of its arrays"),
        (
            lambda said: said["about"]["config"]["models"]["linear"].update({"class": RIDGE}),
            "not of class|types",
        ),
    ],
)
def test_a_forged_manifest_of_guests_is_refused(change, words, stored, own_config):
    content = (stored[0] / "000" / "model.capsule").read_bytes()
    length = int.from_bytes(content[40:48], "little")
    said = json.loads(content[48 : 48 + length])
    change(said)
    text = json.dumps(said).encode()
    body = len(text).to_bytes(8, "little") + text + content[48 + length :]
    forged = content[:8] + hashlib.sha256(body).digest() + body
    with pytest.raises(ModelError, match=words):
        loads(forged, trust=own_config.models.trusted)


def test_types_that_nobody_named_are_not_stored(walk, tmp_path, tiny_config):
    config = naming(tiny_config, near={"class": "sklearn.neighbors.KNeighborsRegressor"})
    with pytest.raises(ModelError, match=r'trust = \["sklearn\.metrics\..*KDTree"\] below \[models\.near\]'):
        run(config, bars=walk, mood=neutral(walk), store=FoldStore(tmp_path, "key"))


def test_windows_with_guests_are_not_shared_between_runs(stored, own_config, tmp_path):
    panel = stored[1].panel
    schedule_fold = _first_fold(panel, own_config)
    models = fit_models(panel, schedule_fold, own_config)
    cache, key = FoldCache(tmp_path), fold_key(panel, schedule_fold, own_config)
    cache.save(key, schedule_fold, models)
    assert cache.load(key, schedule_fold, len(panel.features.names)) is None


def _first_fold(panel, config):
    schedule = schedule_for(panel.bars, panel.features.ready, config)
    return schedule.fold(0, panel.bars.close_time, panel.labels.resolved_at, panel.features.ready)


def test_bars_after_the_cut_change_nothing(stored, walk, own_config):
    """Truncated bars give the same window: the own models see no later row either."""
    panel = stored[1].panel
    fold = _first_fold(panel, own_config)
    whole = fit_window(panel, fold, fold.cut, own_config)
    from mlstrat.pipeline import load_panel

    short = load_panel(
        walk[: int(fold.train[-1]) + 200], neutral(walk).head(int(fold.train[-1]) + 200), own_config
    )
    part = fit_window(short, fold, fold.cut, own_config)
    assert whole.window.model_sha256 == part.window.model_sha256
    for one, two in zip(whole.guests, part.guests, strict=True):
        np.testing.assert_array_equal(one.estimator.coef_, two.estimator.coef_)


def test_bar_by_bar_gives_the_bits_of_the_batch(stored, walk, own_config):
    said, panel = stored[1].predictions, stored[1].panel
    schedule = schedule_for(walk, panel.features.ready, own_config)
    names, lookback = panel.features.names, panel.features.lookback
    online = OnlineWalkForward(
        names, lookback, schedule, own_config, walk.timeframe, walk.instrument, neutral(walk)
    )
    for row in walk.matrix[:2600]:
        online.update(row)
    live = online.predictions()
    assert live.vote_names == said.vote_names
    for name in ("votes", "prob_up", "magnitude", "score", "win_prob"):
        assert getattr(live, name).tobytes() == getattr(said, name)[:2600].tobytes()


def test_the_estimator_takes_own_models_too():
    sample = sample_of(0.5, n=1500)
    made = EnsembleClassifier(sizes(mine={"class": LOGIT})).fit(sample.x, sample.up)
    prob = made.predict_proba(sample.x)
    assert len(made.guests_) == 1
    assert np.isfinite(prob).all()
    assert ((prob[:, 1] > 0.5) == sample.up).mean() > 0.6


def test_the_lstm_replaced_needs_no_torch(own_config, tiny_config, monkeypatch):
    monkeypatch.setattr("mlstrat.pipeline.find_spec", lambda name: None if name == "torch" else True)
    require(own_config, "kernel")
    with pytest.raises(MissingExtraError, match="The LSTM needs the package torch"):
        require(tiny_config, "kernel")
