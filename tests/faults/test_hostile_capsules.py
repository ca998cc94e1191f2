"""Model files that somebody else wrote, and model files that time wrote on: all refused, nothing run."""

import io
import json
import os
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from forged import changed, forge, header, holding, manifest, sample, saying, sealed, tensors, with_voter
from safetensors.numpy import save

from mlstrat.capsule import MAGIC, MAX_BYTES, dumps, load, loads
from mlstrat.errors import ModelError


class Payload:
    def __reduce__(self):
        return os.system, ("echo run > run.txt",)


PICKLE = pickle.dumps(Payload())


def zipped(name, content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return file.getvalue()


def pickled_array():
    file = io.BytesIO()
    np.save(file, np.array([Payload()], object), allow_pickle=True)
    return file.getvalue()


def said_as(old, new):
    """A forged capsule whose manifest has a piece of its text replaced."""
    text = json.dumps(manifest()).encode()
    assert text.count(old) == 1
    return forge(text.replace(old, new), b"")


def long_chain_of_many_roots():
    """100,000 trees that are all the same chain of 1,000 cuts: one row would take 10^8 steps."""
    arrays, n = tensors(), 2001
    feature = np.full(n, -1, np.int32)
    feature[0:-1:2] = 0
    step = np.arange(n, dtype=np.int32)
    for name, array in {
        "feature": feature,
        "cut": np.zeros(n, np.int32),
        "left": np.minimum(step + 2, n - 1),
        "right": np.minimum(step + 1, n - 1),
        "value": np.zeros(n),
        "roots": np.zeros(100_000, np.int32),
    }.items():
        arrays[f"models.forest.{name}"] = array
    return forge(None, arrays)


def other_arrays():
    """A true manifest with the arrays of another model, under a right outer hash."""
    arrays = tensors()
    arrays["models.forest.value"] = arrays["models.forest.value"] + 0.1
    said = json.dumps(manifest()).encode()
    return forge(said, arrays)


def another_model():
    """Manifest and arrays fit each other, but not the model that the manifest speaks of."""
    arrays = tensors()
    arrays["models.forest.value"] = arrays["models.forest.value"] + 0.1
    return forge(None, save(arrays))


ODDS = manifest()["odds"]


def with_curve(**parts):
    """Odds of a long whose calibration map has other parts."""
    return saying(odds=[{**ODDS[0], "curve": {**ODDS[0]["curve"], **parts}}, ODDS[1]])


FLOAT = {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}

# Name -> (the file, what the refusal says).
HOSTILE = {
    # Other things in the place of a capsule.
    "pickle": (PICKLE, "is not a model file"),
    "array of pickled objects": (pickled_array(), "is not a model file"),
    "zip that climbs out of its folder": (zipped("../../run.txt", b"run"), "is not a model file"),
    "zip bomb": (zipped("model.capsule", bytes(50_000_000)), "is not a model file"),
    "empty": (b"", "is not a model file"),
    "magic and nothing": (MAGIC, "is damaged"),
    "hash of nothing": (sealed(b""), "impossible length"),
    # The right hash around something else.
    "pickle behind a right hash": (sealed(PICKLE), "impossible length"),
    "zip behind a right hash": (sealed(zipped("a", b"a")), "impossible length"),
    "pickle for a manifest": (forge(PICKLE, b""), "is not JSON"),
    "pickle for arrays": (forge(None, PICKLE), "cannot be read"),
    "manifest of 2^63 bytes": (sealed((2**63).to_bytes(8, "little") + b"{}"), "impossible length"),
    "manifest of no bytes": (sealed(bytes(8) + b"{}"), "impossible length"),
    "manifest of 40 MB": (forge(b" " * 40_000_000 + b"{}", b""), "impossible length"),
    # JSON.
    "nested 200,000 deep": (forge(b"[" * 200_000, b""), "is not JSON"),
    "number of 10,000 digits": (said_as(b"8000", b"8" * 10_000), "is not JSON"),
    "NaN": (said_as(b"0.51", b"NaN"), "NaN is no JSON number"),
    "Infinity": (said_as(b"0.51", b"-Infinity"), "-Infinity is no JSON number"),
    "1e999": (said_as(b"0.51", b"1e999"), "1e999 is too large"),
    "key twice": (said_as(b'"schema": 3', b'"schema": 3, "schema": 3'), "a key stands twice"),
    "text that is no UTF-8": (said_as(b'BTCUSDT", "timeframe', b'\xff\xfe", "timeframe'), "is not JSON"),
    "list for a manifest": (forge([1]), "has schema None"),
    "schema of tomorrow": (saying(schema=4), "has schema 4, and this program reads 3"),
    "schema true": (saying(schema=True), "has schema True"),
    "unknown section": (saying(run="rm -rf"), "run is unknown"),
    "half a gate": (saying(window__sentiment=[0.5, 0, 0.0, 0.0]), "sentiment neither counts nor does it not"),
    "gate of three": (saying(window__sentiment=[1.0, 0, 0.0]), "sentiment neither counts nor does it not"),
    "gate of less than no bars": (saying(window__sentiment=[1.0, -1, 0.0, 0.0]), "-1 is no count of 0"),
    "gate with words": (saying(window__sentiment=[1.0, 0, "a", 0.0]), "is no number"),
    "gate that is no list": (saying(window__sentiment=1.0), "lacks something"),
    # What the manifest says.
    "feature too few": (saying(about__features=["ret_1", "rsi_14"]), "not equally many"),
    "feature too many": (
        saying(about__features=["a", "b", "c", "d"], about__lookback=[1, 1, 1, 1]),
        r"edges has shape \(3, 4\) for 4 features",
    ),
    "feature that is a number": (saying(about__features=["ret_1", 7, "hour_sin"]), "7 is no plain text"),
    "feature twice": (saying(about__features=["ret_1", "ret_1", "hour_sin"]), "stands twice"),
    "negative lookback": (saying(about__lookback=[2, -15, 1]), "-15 is no count of 1 or more"),
    "lookback of true": (saying(about__lookback=[2, True, 1]), "True is no count"),
    "terminal escape in the symbol": (saying(about__symbol="BTC\x1b[2J"), "is no plain text"),
    "half a character": (saying(about__symbol="\ud800"), "is no plain text"),
    "timeframe of no length": (saying(about__timeframe="0h"), "'0h' is not a bar length"),
    "tick of zero": (saying(about__instrument__tick=0), "inverse is whole"),
    "unknown fact": (saying(about__instrument__run="rm"), "lacks something"),
    "setting out of range": (saying(about__config__seed=-1), "seed"),
    "settings that name a plugin": (saying(about__config__plugins=["run.py"]), "the settings name files"),
    "settings that name headlines": (
        saying(about__config__sentiment={"source": "/etc/passwd"}),
        "the settings name files",
    ),
    "settings for a list": (saying(about__config=[]), "is no table"),
    "date in words": (saying(window__cut="yesterday"), "'yesterday' has not the form"),
    "date that is no day": (saying(window__cut="2022-02-31T00:00:00.000000000"), "lacks something"),
    "date beyond the clock": (saying(window__cut="9999-12-31T00:00:00.000000000"), "has not the form"),
    "date that is a number": (saying(window__cut=5), "has not the form"),
    "window that ends before it begins": (
        saying(window__valid_to="2021-06-01T00:00:00.000000000"),
        "times of the window are not in order",
    ),
    "state from after the window": (
        saying(about__seen_until="2023-01-01T00:00:00.000000000"),
        "times of the window are not in order",
    ),
    "labels counted in words": (saying(window__n_train="many"), "'many' is no count"),
    "map that there is none of": (saying(window__calibration=["platt", "beta", "gamma"]), "calibration maps"),
    "fewer maps than there are": (saying(window__calibration=["platt"]), "calibration maps"),
    "selected feature that is none": (saying(window__selected=["rsi"]), "none of the features"),
    "odds in words": (saying(odds=[{**ODDS[0], "payoff": "inf"}, ODDS[1]]), "'inf' is no number"),
    "odds too large for a float": (saying(odds=[{**ODDS[0], "win": 10**400}, ODDS[1]]), "lacks something"),
    "odds with no spread": (saying(odds=[{**ODDS[0], "spread": 0}, ODDS[1]]), "must be positive"),
    "odds of one side twice": (saying(odds=[ODDS[0], ODDS[0]]), "another side"),
    "odds of three sides": (saying(odds=[*ODDS, ODDS[0]]), "lacks something"),
    "odds with a falling slope": (with_curve(weights=[-0.1]), "below zero"),
    "odds with a map of three weights": (with_curve(weights=[0.1, 0.2, 0.3]), "has 3 weights"),
    "odds with a map of no scale": (with_curve(scale=0.0), "scale that is not positive"),
    "odds with steps in disorder": (with_curve(weights=[0.1, 0.2], knots=[1.0, 0.5]), "do not ascend"),
    "odds with fewer steps than levels": (with_curve(weights=[0.1, 0.2], knots=[1.0]), "do not ascend"),
    "odds with a knot in words": (with_curve(knots=["here"]), "'here' is no number"),
    "odds with a map unsure of nothing": (
        saying(odds=[{**ODDS[0], "curve_var": [0.0]}, ODDS[1]]),
        "variance",
    ),
    "odds with too many variances": (saying(odds=[{**ODDS[0], "curve_var": [1, 1]}, ODDS[1]]), "2 variances"),
    "odds that drift backwards": (saying(odds=[{**ODDS[0], "drift_var": -1}, ODDS[1]]), "must be positive"),
    "odds without a payoff": (saying(odds=[{"side": 1.0}, ODDS[1]]), "lacks something"),
    "odds for a list": (saying(odds=[[], []]), "is no table"),
    "threshold of 2": (saying(threshold=[2.0, None]), "is no probability"),
    # The header of the arrays.
    "header of 2^60 bytes": (forge(None, (2**60).to_bytes(8, "little") + b"{}"), "cannot be read"),
    "header cut off": (forge(None, b"\x01\x02"), "cannot be read"),
    "array that ends behind the file": (
        forge(None, header({"state": {"dtype": "F64", "shape": [2**20], "data_offsets": [0, 2**23]}})),
        "cannot be read",
    ),
    "array of 2^60 numbers in 8 bytes": (
        forge(None, header({"state": {**FLOAT, "shape": [2**60]}}, bytes(8))),
        "cannot be read",
    ),
    "array whose size overflows": (
        forge(None, header({"state": {**FLOAT, "shape": [2**62, 8]}}, bytes(8))),
        "cannot be read",
    ),
    "arrays that overlap": (
        forge(None, header({"state": FLOAT, "models.unit": FLOAT}, bytes(8))),
        "cannot be read",
    ),
    "array of an unknown type": (
        forge(None, header({"state": {**FLOAT, "dtype": "PICKLE"}}, bytes(8))),
        "cannot be read",
    ),
    "array of a type that numpy lacks": (
        forge(None, header({"state": {**FLOAT, "dtype": "F8_E4M3", "data_offsets": [0, 1]}}, bytes(1))),
        "cannot be read",
    ),
    "array backwards": (
        forge(None, header({"state": {**FLOAT, "data_offsets": [8, 0]}}, bytes(8))),
        "cannot be read",
    ),
    "header nested deep": (forge(None, header(b"[" * 200_000)), "cannot be read"),
    "giant array of another type": (
        holding(models__edges=np.zeros((3, 10_000_000), np.int8)),
        "edges has type int8",
    ),
    # The arrays.
    "array missing": (holding(models__forest__cut=None), "models.forest.cut is missing"),
    "array too many": (holding(payload=np.zeros(1)), "'payload' is unknown"),
    "array of single precision": (
        holding(models__forest__value=np.zeros(8, np.float32)),
        "value has type float32",
    ),
    "array with a dimension more": (
        holding(models__forest__roots=np.zeros((1, 1), np.int32)),
        "2 dimensions",
    ),
    "two numbers for one": (holding(models__unit=np.ones(2)), "models.unit has 2 numbers"),
    "no number for one": (holding(models__unit=np.ones(0)), "models.unit has 0 numbers"),
    "unit of zero": (holding(models__unit=np.zeros(1)), "models.unit is not positive"),
    "node that is its own child": (
        changed("models.forest.left", 0, 0),
        "left has a child that does not stand",
    ),
    "child before its parent": (
        changed("models.forest.right", 4, 3),
        "right has a child that does not stand",
    ),
    "child in the next tree": (changed("models.forest.right", 0, 5), "right has a child that does not stand"),
    "child behind the end": (changed("models.boosting.left", 4, 2**31 - 1), "left has a child"),
    "child of -1": (changed("models.boosting.left", 4, -1), "left has a child"),
    "feature out of range": (changed("models.forest.feature", 0, 3), "names a feature outside 0 to 2"),
    "feature of -2": (changed("models.forest.feature", 0, -2), "names a feature outside"),
    "cut out of range": (changed("models.forest.cut", 0, 5), "names a bin outside 0 to 4"),
    "cut of -1": (changed("models.boosting.cut", 0, -1), "names a bin outside"),
    "root out of range": (changed("models.forest.roots", 1, 8), "roots does not ascend"),
    "root of -1": (changed("models.forest.roots", 0, -1), "roots does not ascend"),
    "no root": (holding(models__forest__roots=np.zeros(0, np.int32)), "roots does not ascend"),
    "100,000 roots of one long chain": (long_chain_of_many_roots(), "roots does not ascend"),
    "node arrays of unequal length": (holding(models__forest__value=np.zeros(7)), "of unequal length"),
    "leaf of NaN": (changed("models.forest.value", 1, np.nan), "not finite"),
    "edge of NaN": (changed("models.edges", (0, 1), np.nan), "not finite"),
    "edge of -inf": (changed("models.edges", (0, 0), -np.inf), "not finite"),
    "edges that descend": (changed("models.edges", (1, 1), 10.0), "edges does not ascend"),
    "edge behind infinity": (changed("models.edges", (2, 2), 5.0), "edges does not ascend"),
    "no edges": (holding(models__edges=np.zeros((3, 0))), "edges has shape"),
    "LSTM input out of range": (changed("models.lstm.inputs", 1, 3), "does not ascend within 0 to 2"),
    "LSTM input of -1": (changed("models.lstm.inputs", 0, -1), "does not ascend within"),
    "LSTM input twice": (changed("models.lstm.inputs", 1, 0), "does not ascend within"),
    "LSTM half of zero": (changed("models.lstm.half", 0, 0.0), "not half the number of its feature's edges"),
    "LSTM half of another feature": (changed("models.lstm.half", 0, 2.0), "not half the number"),
    "LSTM without units": (holding(models__lstm__w_out=np.zeros(0)), "has 0 units"),
    "LSTM weights of another shape": (holding(models__lstm__w_h=np.zeros((2, 7))), "w_h has shape"),
    "state of another shape": (holding(state=np.zeros((2, 3))), r"state has shape \(2, 3\)"),
    "state of NaN": (changed("state", (0, 0), np.nan), "state has a number that is not finite"),
    "stack of two models": (holding(stack__slope=np.zeros(2)), "slope has shape"),
    "stack that divides by zero": (
        changed("stack.spread", 1, 0.0),
        "spread has a number that is not positive",
    ),
    "stack with a falling map": (changed("stack.curve.weights", 0, -1.0), "one below zero"),
    "stack with a map of no scale": (changed("stack.curve.scale", 0, 0.0), "scale that is not positive"),
    "stack with steps and no levels": (holding(stack__curve__knots=np.zeros(2)), "do not ascend"),
    "stack with a map of NaN": (changed("stack.curve.shift", 0, np.nan), "not finite"),
    "stack without a map": (holding(stack__curve__weights=None), "stack.curve.weights is missing"),
    "own model that votes into another row": (
        changed("models.voters.place", 0, 6, with_voter()),
        "names a column outside 2 to 5",
    ),
    "own model that votes before its row": (
        changed("models.voters.place", 0, -9, with_voter()),
        "names a column outside 2 to 5",
    ),
    "own model of no kind": (changed("models.voters.kind", 0, 3, with_voter()), "a kind that is not there"),
    "own model of roots that are not there": (
        changed("models.voters.first", 1, 3, with_voter()),
        "does not ascend from 0 to at most 2",
    ),
    "own model of roots backwards": (changed("models.voters.first", 1, -1, with_voter()), "does not ascend"),
    "own model whose tree is a circle": (
        changed("models.voters.trees.left", 0, 0, with_voter()),
        "left has a child that does not stand",
    ),
    "own model without a base": (holding(with_voter(), models__voters__base=None), "voters.base is missing"),
    "own model with two bases": (
        holding(with_voter(), models__voters__base=np.zeros(2)),
        "arrays of unequal length",
    ),
    "own model that nobody heard of": (
        holding(models__voters__kind=np.zeros(1, np.int64)),
        "models.voters.trees.feature is missing",
    ),
    "votes of two models that are not there": (
        holding(**{f"stack__{name}": np.ones(5) for name in ("slope", "centre", "spread", "weights")}),
        r"slope has shape \(5,\) for 0 own models",
    ),
    "arrays of another file": (other_arrays(), "are not those of its manifest"),
    "arrays of another model": (another_model(), "are not those of its manifest"),
}


def test_the_forger_itself_makes_a_capsule_that_loads():
    assert loads(forge()).window == sample().window
    assert len(loads(holding(with_voter())).ensemble.models.voters.kind) == 1
    assert forge(json.dumps(manifest(), sort_keys=True).encode()) == dumps(sample())


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused(name):
    content, what = HOSTILE[name]
    with pytest.raises(ModelError, match=what) as caught:
        loads(content, "it")
    sentence = str(caught.value)
    assert len(sentence) < 500
    assert sentence.isprintable()
    assert sentence.isascii()


def test_there_are_at_least_forty_of_them():
    assert len(HOSTILE) >= 40


WATCHED = """
import sys
from pathlib import Path
from mlstrat.capsule import load
from mlstrat.errors import ModelError

folder = Path(sys.argv[1])
load(folder / "good.capsule")  # what has to be imported is imported now
for path in sorted(folder.glob("bad*")):
    try:
        load(path)
    except ModelError:
        pass
events = []
watching = False

def hook(event, arguments):
    if watching:
        events.append((event, str(arguments)[:200]))

sys.addaudithook(hook)
refused = 0
for path in sorted(folder.glob("bad*")):
    watching = True
    try:
        load(path)
    except ModelError:
        refused += 1
    watching = False
watching = True
load(folder / "good.capsule")
watching = False
print(refused)
for event, arguments in events:
    print(event, arguments)
"""


def test_loading_runs_no_code(tmp_path):
    """Python's own audit events: nothing but the opening of the files themselves, to read."""
    for k, (content, _) in enumerate(HOSTILE.values()):
        (tmp_path / f"bad{k:03d}.capsule").write_bytes(content)
    (tmp_path / "good.capsule").write_bytes(dumps(sample()))
    line = [sys.executable, "-c", WATCHED, str(tmp_path)]
    done = subprocess.run(line, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    refused, *events = done.stdout.splitlines()
    # id() is what copying the default of a setting asks for.
    events = [event for event in events if not event.startswith("builtins.id ")]
    assert int(refused) == len(HOSTILE)
    assert len(events) == len(HOSTILE) + 1
    for event in events:
        assert event.startswith(f"open ('{tmp_path}"), event
        flags = int(event.rsplit(", ", 1)[1].rstrip(")"))
        assert flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) == 0, event
    assert not (tmp_path / "run.txt").exists()


def refusals(contents):
    count = 0
    for content in contents:
        with pytest.raises(ModelError, match=r"take another copy|give one that it wrote"):
            loads(content)
        count += 1
    return count


def test_a_thousand_flipped_bits():
    whole = dumps(sample())
    bits = np.random.default_rng(0).choice(8 * len(whole), 1000, replace=False)

    def flipped(bit):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << (bit % 8)
        return bytes(content)

    assert refusals(map(flipped, bits.tolist())) == 1000


def test_two_hundred_and_fifty_truncations():
    whole = dumps(sample())
    ends = np.random.default_rng(1).choice(len(whole), 250, replace=False)
    assert refusals(whole[:end] for end in ends.tolist()) == 250


def test_two_hundred_and_fifty_zeroed_blocks():
    whole = dumps(sample())
    draw = np.random.default_rng(2)
    blocks = [(int(at), int(size)) for at, size in draw.integers((0, 1), (len(whole), 512), (400, 2))]
    changes = [whole[:at] + bytes(min(size, len(whole) - at)) + whole[at + size :] for at, size in blocks]
    damaged = [content for content in changes if content != whole][:250]
    assert refusals(damaged) == 250


def test_bytes_at_the_end():
    assert refusals([dumps(sample()) + b"\0"]) == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ModelError, match="is no file"):
        load(tmp_path / "pipe")


def test_a_folder_a_device_and_nothing_are_refused(tmp_path):
    with pytest.raises(ModelError, match="is no file"):
        load(tmp_path)
    with pytest.raises(ModelError, match=r"cannot be read \(No such file"):
        load(tmp_path / "nothing")
    with pytest.raises(ModelError, match="cannot be read"):
        load("nul\0byte")
    if os.name == "posix":
        (tmp_path / "link").symlink_to("/dev/zero")
        with pytest.raises(ModelError, match="is no file"):
            load(tmp_path / "link")


def test_a_link_to_a_capsule_is_followed(tmp_path):
    (tmp_path / "model.capsule").write_bytes(dumps(sample()))
    (tmp_path / "link").symlink_to("model.capsule")
    assert load(tmp_path / "link").window == sample().window


def test_a_file_too_large_is_not_read(tmp_path):
    with (tmp_path / "giant").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ModelError, match="more than a model may have"):
        load(tmp_path / "giant")
