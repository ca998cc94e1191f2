"""A small capsule made by hand, and files that pretend to be one: their hashes fit whatever they hold."""

import hashlib
import json
from copy import deepcopy

import numpy as np
from safetensors.numpy import save as save_arrays

from mlstrat.calibration import Curve
from mlstrat.capsule import MAGIC, Capsule, dumps
from mlstrat.capsule_manifest import About
from mlstrat.config import RunConfig
from mlstrat.models.ensemble import EnsembleArrays, Models, Stack, ensemble_sha256, to_tensors
from mlstrat.models.lstm import Lstm
from mlstrat.models.trees import Trees
from mlstrat.models.voters import PLAIN, Voter, join_voters
from mlstrat.predictions import Window
from mlstrat.signals.odds import Odds

INF = np.inf
FEATURES = ("ret_1", "rsi_14", "hour_sin")


def trees(value, base, scale):
    """A stump and a tree of two cuts: nodes 0 to 2 and 3 to 7."""
    return Trees(
        feature=np.array([0, -1, -1, 1, 0, -1, -1, -1], np.int32),
        cut=np.array([1, 0, 0, 0, 2, 0, 0, 0], np.int32),
        left=np.array([1, 0, 0, 4, 6, 0, 0, 0], np.int32),
        right=np.array([2, 0, 0, 5, 7, 0, 0, 0], np.int32),
        value=np.asarray(value, np.float64),
        roots=np.array([0, 3], np.int32),
        base=base,
        scale=scale,
    )


def ensemble():
    edges = np.array([[-0.01, 0.0, 0.01, INF], [30.0, 50.0, 60.0, 70.0], [0.0, INF, INF, INF]])
    draw = np.random.default_rng(1)
    lstm = Lstm(
        inputs=np.array([0, 2]),
        half=np.array([1.5, 0.5]),
        w_x=draw.normal(size=(2, 8)),
        w_h=draw.normal(size=(2, 8)),
        bias=draw.normal(size=8),
        w_out=draw.normal(size=2),
        b_out=0.1,
    )
    forest = trees([0.0, 0.4, 0.6, 0.0, 0.0, 0.45, 0.5, 0.55], 0.0, 0.5)
    boosting = trees([0.0, -0.3, 0.2, 0.0, 0.0, 0.1, -0.1, 0.4], 0.01, 1.0)
    stack = Stack(
        0.02,
        np.array([0.1, 0.2, 0.05]),
        np.array([0.5, 0.0, 0.0]),
        np.full(3, 0.1),
        np.array([0.0, 0.5, 0.5]),
    )
    return EnsembleArrays(Models(edges, forest, boosting, lstm, 0.01), stack)


def sample() -> Capsule:
    made = ensemble()
    slope = Curve(np.array([0.2]), np.empty(0), 0.0, 1.0)
    odds = [
        Odds(side, -0.1, 0.01, 0.001, slope, np.array([0.02]), 0.0, 0.1, 1.2, 0.02, 0.0166)
        for side in (1.0, -1.0)
    ]
    window = Window(
        fold=0,
        train_from=np.datetime64("2021-01-01T00:00", "ns"),
        cut=np.datetime64("2022-01-01T00:00", "ns"),
        valid_from=np.datetime64("2022-01-01T00:00", "ns"),
        valid_to=np.datetime64("2022-04-01T00:00", "ns"),
        n_train=8000,
        n_calibration=2400,
        purged=11,
        purged_inner=11,
        base_rate=0.51,
        model_sha256=ensemble_sha256(made),
        calibration=("platt", "platt", "platt"),
    )
    about = About(
        symbol="BTCUSDT",
        timeframe="1h",
        features=FEATURES,
        lookback=(2, 15, 1),
        instrument={"symbol": "BTCUSDT", "tick": 0.01, "step": 0.00001, "fee_share": 0.0004},
        config=RunConfig().result_content(),
        seen_until="2021-12-31T22:00:00.000000000",
        data_sha256="a" * 64,
        code_sha256="b" * 64,
        versions={"python": "3.11.7"},
    )
    return Capsule(made, np.full((2, 2), 0.25), tuple(odds), (0.55, float("nan")), window, about)


def tensors(made=None):
    capsule = sample()
    return {**to_tensors(made or capsule.ensemble), "state": capsule.state}


def with_voter():
    """The ensemble with a model of the user's that votes in a column of its own."""
    made = ensemble()
    voter = Voter(trees([0.0, 0.1, 0.2, 0.0, 0.0, 0.3, 0.4, 0.5], 0.0, 1.0), PLAIN, place=5)
    four = {
        name: np.append(getattr(made.stack, name), 0.5) for name in ("slope", "centre", "spread", "weights")
    }
    return EnsembleArrays(made.models._replace(voters=join_voters([voter])), made.stack._replace(**four))


def manifest():
    content = dumps(sample())
    length = int.from_bytes(content[40:48], "little")
    return json.loads(content[48 : 48 + length])


def sealed(body: bytes) -> bytes:
    return MAGIC + hashlib.sha256(body).digest() + body


def forge(said=None, arrays=None) -> bytes:
    """A capsule of this manifest (a table, or its text) and these arrays (by name, or as bytes)."""
    arrays = tensors() if arrays is None else arrays
    stored = arrays if isinstance(arrays, bytes) else save_arrays(arrays)
    text = said
    if not isinstance(said, bytes):
        said = manifest() if said is None else deepcopy(said)
        if isinstance(said, dict):
            said["arrays_sha256"] = hashlib.sha256(stored).hexdigest()
            if not isinstance(arrays, bytes) and isinstance(said.get("window"), dict):
                said["window"]["model_sha256"] = model_sha256(arrays)
        text = json.dumps(said).encode()
    return sealed(len(text).to_bytes(8, "little") + text + stored)


def model_sha256(arrays) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays.keys() - {"state"}):
        array = arrays[name]
        digest.update(json.dumps([name, str(array.dtype), list(array.shape)]).encode() + array.tobytes())
    return digest.hexdigest()


def saying(**changes):
    """A forged capsule whose manifest has other values; `about__symbol` stands for about -> symbol."""
    said = manifest()
    for path, value in changes.items():
        place, *keys = path.split("__")
        table = said
        for key in keys:
            table, place = table[place], key
        table[place] = value
    return forge(said)


def holding(made=None, **changes):
    """A forged capsule with other arrays; `models__edges` stands for models.edges, None drops it."""
    arrays = tensors(made)
    for path, value in changes.items():
        arrays[path.replace("__", ".")] = value
    return forge(None, {name: array for name, array in arrays.items() if array is not None})


def changed(name, place, value, made=None):
    """A forged capsule with one number of one array replaced."""
    array = tensors(made)[name].copy()
    array[place] = value
    return holding(made, **{name.replace(".", "__"): array})


def header(table, data=b"") -> bytes:
    """Arrays whose safetensors header says this."""
    text = table if isinstance(table, bytes) else json.dumps(table).encode()
    return len(text).to_bytes(8, "little") + text + data
