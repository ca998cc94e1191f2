"""The capsule: what goes in comes out, bit for bit, in this process and in another."""

import hashlib
import json
import math
import subprocess
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest
from forged import FEATURES, forge, manifest, sample, tensors
from safetensors.numpy import load as parse

from mlstrat import capsule as capsules
from mlstrat.capsule import dumps, load, loads, save
from mlstrat.errors import ModelError, RunFolderError
from mlstrat.foldstore import FoldStore
from mlstrat.models.ensemble import ensemble_sha256, predict_block, start_state, to_tensors
from mlstrat.models.soundness import sound_ensemble
from mlstrat.pipeline import run
from mlstrat.provenance import code_sha256
from mlstrat.sentiment.align import neutral


@pytest.fixture(scope="module")
def fitted(walk, tiny_config, tmp_path_factory):
    """The second window of a walk-forward as it stored it, the rows it spoke about, and what it said."""
    store = FoldStore(tmp_path_factory.mktemp("folds"), "key")
    made = run(tiny_config, bars=walk, mood=neutral(walk), store=store)
    said = made.predictions
    rows = said.fold == 1
    block = np.column_stack([said.prob_up, said.magnitude, said.votes])[rows]
    return store.folder / "001" / "model.capsule", made.panel.features.values[rows], block


def test_it_says_what_the_model_said_that_was_stored(fitted):
    path, x, block = fitted
    again = load(path)
    np.testing.assert_array_equal(predict_block(x, again.state.copy(), again.ensemble), block)
    assert again.window.model_sha256 == ensemble_sha256(again.ensemble)


def test_it_comes_back_bit_for_bit(tmp_path):
    made = sample()
    save(made, tmp_path / "model.capsule")
    again = load(tmp_path / "model.capsule")
    for name, array in {**to_tensors(made.ensemble), "state": made.state}.items():
        stored = {**to_tensors(again.ensemble), "state": again.state}[name]
        assert (stored.dtype, stored.shape, stored.tobytes()) == (array.dtype, array.shape, array.tobytes())
    assert (again.window, again.about) == (made.window, made.about)
    assert repr(again.odds) == repr(made.odds)
    np.testing.assert_array_equal(again.threshold, made.threshold)
    assert dumps(again) == dumps(made) == (tmp_path / "model.capsule").read_bytes()


def test_another_process_predicts_the_same_bits(fitted, tmp_path):
    path, x, block = fitted
    np.save(tmp_path / "x.npy", x)
    code = (
        "import sys, hashlib, numpy as np\nfrom mlstrat.capsule import load\n"
        "from mlstrat.models.ensemble import predict_block\n"
        "made = load(sys.argv[1])\nx = np.load(sys.argv[2])\n"
        "print(hashlib.sha256(predict_block(x, made.state, made.ensemble).tobytes()).hexdigest())"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code, str(path), str(tmp_path / "x.npy")],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout.strip()
        for seed in ("0", "1")
    }
    assert told == {hashlib.sha256(block.tobytes()).hexdigest()}


def test_it_says_what_it_was_made_of(fitted, tiny_run):
    made = load(fitted[0])
    about, bars = made.about, tiny_run.panel.bars
    assert about.features == tiny_run.panel.features.names
    assert about.run_config().result_content() == tiny_run.config.result_content()
    assert asdict(about.facts()) == asdict(bars.instrument)
    assert (about.data_sha256, about.code_sha256) == (bars.sha256, code_sha256())
    assert np.datetime64(about.seen_until) == bars.time[bars.close_time < made.window.cut][-1]
    assert made.window == tiny_run.predictions.windows[1]


def test_the_file_is_as_documented():
    content = dumps(sample())
    assert content[:8] == b"MLSTRAT1"
    assert content[8:40] == hashlib.sha256(content[40:]).digest()
    length = int.from_bytes(content[40:48], "little")
    said = json.loads(content[48 : 48 + length])
    arrays = content[48 + length :]
    assert said["arrays_sha256"] == hashlib.sha256(arrays).hexdigest()
    assert said["threshold"] == [0.55, None]
    assert parse(arrays).keys() == tensors().keys()


def test_no_threshold_is_nan_again():
    up, down = loads(dumps(sample())).threshold
    assert up == 0.55
    assert math.isnan(down)


def test_a_manifest_from_before_made_from_is_read():
    said = manifest()
    del said["about"]["made_from"]
    assert loads(forge(said)).about.made_from == ""


def test_bits_of_a_hand_made_model_are_those_of_a_plain_loop():
    """The arrays read as their docstrings say, by a loop that shares nothing with the compiled one."""
    made = loads(dumps(sample()))
    models, stack = made.ensemble
    x = np.random.default_rng(0).normal([0.0, 50.0, 0.0], [0.01, 15.0, 1.0], (200, 3))
    x[0] = [0.0, 50.0, 0.0]  # on the edges: a value on an edge lies below it
    block = predict_block(x, start_state(models), made.ensemble)
    h, c = np.zeros(2), np.zeros(2)
    for row, said in zip(x, block, strict=True):
        bins = [int(np.sum(edges < value)) for edges, value in zip(models.edges, row, strict=True)]
        forest = models.forest.scale * walked(models.forest, bins)
        boosting = (
            models.boosting.base + models.boosting.scale * walked(models.boosting, bins)
        ) * models.unit
        lstm = models.lstm
        place = np.array(
            [bins[column] / half - 1 for column, half in zip(lstm.inputs, lstm.half, strict=True)]
        )
        i, f, g, o = np.split(place @ lstm.w_x + h @ lstm.w_h + lstm.bias, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        votes = np.array([forest, boosting, (lstm.b_out + lstm.w_out @ h) * models.unit])
        eta = stack.offset + stack.slope @ ((votes - stack.centre) / stack.spread)
        np.testing.assert_allclose(
            said, [sigmoid(eta), stack.weights @ votes, *votes], rtol=1e-12, atol=1e-15
        )


def walked(trees, bins):
    total = 0.0
    for root in trees.roots:
        node = root
        while trees.feature[node] != -1:
            side = trees.left if bins[trees.feature[node]] <= trees.cut[node] else trees.right
            node = side[node]
        total += trees.value[node]
    return total


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_checked_arrays_can_be_written_to_and_share_nothing():
    given = tensors()
    ensemble, state = sound_ensemble(given, len(FEATURES))
    state[:] = 0.0
    assert given["state"].any()
    assert all(array.flags.writeable for array in to_tensors(ensemble).values())


def test_a_model_larger_than_can_be_read_is_not_written(monkeypatch):
    monkeypatch.setattr(capsules, "MAX_BYTES", 1000)
    with pytest.raises(ModelError, match=r"more than a model file may have: lower models\.rf_n_estimators"):
        dumps(sample())


def test_it_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    place = tmp_path / "model.capsule"
    save(sample(), place)
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(RunFolderError, match="cannot be written"):
        save(replace(sample(), threshold=(0.6, 0.4)), place)
    assert load(place).threshold[0] == 0.55
    assert [path.name for path in tmp_path.iterdir()] == ["model.capsule"]
