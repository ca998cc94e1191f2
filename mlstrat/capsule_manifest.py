"""The manifest of a capsule: what it says, and the checks of one that anybody may have written."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.calibration import KINDS, Curve, check_curve, check_variance
from mlstrat.config import RunConfig, parse_config
from mlstrat.data.instrument import Instrument
from mlstrat.data.timeframe import Timeframe
from mlstrat.errors import MlstratError, ModelError
from mlstrat.models.stored import GuestRecord
from mlstrat.predictions import Window
from mlstrat.signals.odds import Odds

SCHEMA = 3
_KEYS = ("schema", "about", "window", "odds", "threshold", "arrays_sha256", "portable", "guests")
_TIMES = ("train_from", "cut", "valid_from", "valid_to")
_COUNTS = ("fold", "n_train", "n_calibration", "purged", "purged_inner")
_MOMENT = re.compile(r"(19|20|21)\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}")  # datetime64[ns] holds these years
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MAPS = 3  # of prob_up, and of the win probability of a long and of a short
_MOST = 10**9  # no count and no lookback comes near
_SHOWN = 200  # characters of a foreign file that a message quotes


@dataclass(frozen=True)
class About:
    """Where a capsule comes from, and which rows it takes.

    Parameters
    ----------
    symbol, timeframe : str
        Of the bars it was fitted on.
    features : tuple of str
        Names of the columns, in order.
    lookback : tuple of int
        Bars of each feature until its first value.
    instrument : dict
        Facts of the symbol.
    config : dict
        Settings of the run that can change a result.
    seen_until : str
        Open time (UTC) of the last bar that the LSTM's state has seen.
    data_sha256, code_sha256 : str
        Hashes of the bars and of this package's code.
    versions : dict
        Of Python and the libraries.
    made_from : str
        How it was made from another model, smaller or starting from it, and the hash of that one; empty =
        fitted on bars alone.
    """

    symbol: str
    timeframe: str
    features: tuple[str, ...]
    lookback: tuple[int, ...]
    instrument: dict[str, Any]
    config: dict[str, Any]
    seen_until: str
    data_sha256: str
    code_sha256: str
    versions: dict[str, str]
    made_from: str = ""

    def run_config(self) -> RunConfig:
        """Return the settings of the run; paths and names are those of an empty file."""
        return parse_config(self.config, "the model")

    def facts(self) -> Instrument:
        """Return the facts of the symbol."""
        return Instrument(**self.instrument)


@dataclass(frozen=True, eq=False)
class Manifest:
    """What a capsule says besides its arrays; `arrays_sha256` is their hash.

    `guests` are the user's own models that are no trees; a capsule without any is portable: arrays only.
    """

    about: About
    window: Window
    odds: tuple[Odds, Odds]
    threshold: tuple[float, float]
    arrays_sha256: str
    guests: tuple[GuestRecord, ...] = ()


def write_manifest(manifest: Manifest) -> bytes:
    """Return a manifest as JSON; the same manifest gives the same bytes."""
    window = asdict(manifest.window)
    content = {
        "schema": SCHEMA,
        "about": asdict(manifest.about),
        "window": window | {name: str(window[name]) for name in _TIMES},
        "odds": [_as_table(odds) for odds in manifest.odds],
        "threshold": [None if math.isnan(value) else value for value in manifest.threshold],
        "arrays_sha256": manifest.arrays_sha256,
        "portable": not manifest.guests,
        "guests": [guest._asdict() for guest in manifest.guests],
    }
    return json.dumps(content, sort_keys=True, allow_nan=False).encode()


def read_manifest(text: bytes, origin: str) -> Manifest:
    """Read a manifest; `origin` names the file in messages.

    Raises
    ------
    ModelError
        It is not JSON, has another schema, lacks something, or says what cannot be.
    """
    content = _parsed(text, origin)
    try:
        _same_keys(content, _KEYS)
        about = _about(content["about"])
        long, short = (_odds(given, side) for given, side in _pair(content["odds"], (1.0, -1.0)))
        up, down = (_threshold(given) for given, _ in _pair(content["threshold"], (0, 1)))
        window = _window(content["window"], about)
        arrays = _matching(_SHA256, content["arrays_sha256"])
        guests = _guests(content, about)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ModelError(
            f"the manifest of {origin} lacks something or says what cannot be ({shown(error)}): "
            "take another copy, or train the model again."
        ) from error
    return Manifest(about, window, (long, short), (up, down), arrays, guests)


def shown(what: object) -> str:
    """Return what a foreign file says as short plain text, fit for any terminal."""
    text = str(what)[:_SHOWN].replace("\n", " ")
    return "".join(character if character.isprintable() else "?" for character in text)


def _parsed(text: bytes, origin: str) -> dict[str, Any]:
    try:
        content = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise ModelError(
            f"the manifest of {origin} is not JSON ({shown(error)}): take another copy."
        ) from error
    schema = content.get("schema") if isinstance(content, dict) else None
    if type(schema) is not int or schema != SCHEMA:
        raise ModelError(
            f"{origin} has schema {shown(repr(schema))}, and this program reads {SCHEMA}: "
            "train the model again, or install the version that wrote it."
        )
    return dict(content)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a key stands twice in one table")
    return table


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits} is too large")
    return value


def _about(given: Any) -> About:
    known = _table(given)
    if "made_from" not in known:
        known = {**known, "made_from": ""}
    _same_keys(known, [field.name for field in fields(About)])
    about = About(**{**known, **{name: tuple(_list(known[name])) for name in ("features", "lookback")}})
    texts = (about.symbol, about.timeframe, about.made_from, *about.features)
    for text in (*texts, *_table(about.versions), *about.versions.values()):
        _printable(text)
    if not all(about.features) or len(set(about.features)) != len(about.features):
        raise ValueError("a feature has no name or stands twice")
    for count in about.lookback:
        _count(count, least=1)
    if not len(about.features) == len(about.lookback) > 0:
        raise ValueError("features and lookbacks are not equally many")
    _moment(about.seen_until)
    for name in ("data_sha256", "code_sha256"):
        _matching(_SHA256, getattr(about, name))
    _check_facts(about)
    return about


def _check_facts(about: About) -> None:
    kinds = {field.name: field.type for field in fields(Instrument)}
    for name, value in _table(about.instrument).items():
        _printable(value) if kinds[name] is str else _number(value)
    _table(about.config)
    try:
        Timeframe(about.timeframe)
        about.facts()
        run = about.run_config()
    except MlstratError as error:
        raise ValueError(str(error)) from error
    if (
        run.plugins
        or run.features.context
        or run.sentiment.source != "none"
        or "bars" in about.config["data"]
    ):
        raise ValueError("the settings name files")


def _window(given: Any, about: About) -> Window:
    known = _table(given)
    _same_keys(known, [field.name for field in fields(Window)])
    moments = {name: _moment(known[name]) for name in _TIMES}
    for name in _COUNTS:
        _count(known[name])
    if not 0.0 <= _number(known["base_rate"]) <= 1.0:
        raise ValueError("base_rate is no share")
    _matching(_SHA256, known["model_sha256"])
    maps = _list(known["calibration"])
    if len(maps) != _MAPS or not all(name in KINDS for name in maps):
        raise ValueError("the calibration maps are none that there are")
    share, bars, *gains = _list(known["sentiment"])
    if share not in (0.0, 1.0) or len(gains) != 2 or not all(math.isfinite(_number(gain)) for gain in gains):
        raise ValueError("sentiment neither counts nor does it not")
    _count(bars)
    selected = _list(known["selected"])
    if not all(name in about.features for name in selected):
        raise ValueError("a selected feature is none of the features")
    ordered = [*moments.values()]
    if ordered != sorted(ordered) or _moment(about.seen_until) >= moments["valid_from"]:
        raise ValueError("the times of the window are not in order")
    return Window(**{**known, **moments})


def _guests(content: dict[str, Any], about: About) -> tuple[GuestRecord, ...]:
    own = about.run_config().models.own
    guests = []
    for given in _list(content["guests"]):
        _same_keys(given, GuestRecord._fields)
        if given["name"] not in own:
            raise ValueError("a guest is none of the own models")
        _count(given["place"])
        _count(given["n_bytes"], least=1)
        _matching(_SHA256, given["sha256"])
        guests.append(GuestRecord(**{**given, "unit": _number(given["unit"])}))
    if content["portable"] is not (not guests) or len({guest.name for guest in guests}) != len(guests):
        raise ValueError("the guests are not those that it says")
    return tuple(guests)


def _odds(given: Any, side: float) -> Odds:
    known = _table(given)
    _same_keys(known, Odds._fields)
    curve, curve_var = _curve(known["curve"]), _numbers(known["curve_var"])
    plain = {name: _number(value) for name, value in known.items() if name not in ("curve", "curve_var")}
    odds = Odds(curve=curve, curve_var=curve_var, **plain)
    positive = (odds.spread, odds.payoff, odds.base_var, odds.win, odds.loss)
    if odds.side != side or min(positive) <= 0.0 or odds.drift_var < 0.0:
        raise ValueError("odds have another side, or a number that must be positive and is not")
    wrong = check_curve(curve) or check_variance(curve, curve_var)
    if wrong:
        raise ValueError(f"the curve of odds {wrong}")
    return odds


def _curve(given: Any) -> Curve:
    known = _table(given)
    _same_keys(known, Curve._fields)
    weights, knots = _numbers(known["weights"]), _numbers(known["knots"])
    return Curve(weights, knots, _number(known["shift"]), _number(known["scale"]))


def _numbers(given: Any) -> FloatArray:
    return np.array([_number(value) for value in _list(given)], np.float64)


def _as_table(odds: Odds) -> dict[str, Any]:
    curve = odds.curve
    told = {"weights": curve.weights.tolist(), "knots": curve.knots.tolist()}
    return odds._asdict() | {"curve": curve._asdict() | told, "curve_var": odds.curve_var.tolist()}


def _threshold(given: Any) -> float:
    if given is None:
        return math.nan
    if not 0.0 < _number(given) < 1.0:
        raise ValueError(f"the threshold {given} is no probability")
    return float(given)


def _pair(given: Any, sides: Sequence[float]) -> list[tuple[Any, float]]:
    return list(zip(_list(given), sides, strict=True))


def _same_keys(given: Any, wanted: Sequence[str]) -> None:
    differing = sorted(set(_table(given)) ^ set(wanted))
    if differing:
        raise ValueError(f"{differing[0]} is {'unknown' if differing[0] in given else 'missing'}")


def _table(given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise TypeError(f"{given!r:.50} is no table")
    return given


def _list(given: Any) -> list[Any]:
    if not isinstance(given, list):
        raise TypeError(f"{given!r:.50} is no list")
    return given


def _printable(given: Any) -> None:
    if not isinstance(given, str) or not given.isprintable():
        raise TypeError(f"{given!r:.50} is no plain text")


def _matching(pattern: re.Pattern[str], given: Any) -> str:
    if not isinstance(given, str) or not pattern.fullmatch(given):
        raise ValueError(f"{given!r:.50} has not the form {pattern.pattern}")
    return given


def _moment(given: Any) -> np.datetime64:
    return np.datetime64(_matching(_MOMENT, given), "ns")


def _count(given: Any, least: int = 0) -> None:
    if type(given) is not int or not least <= given <= _MOST:
        raise ValueError(f"{given!r:.50} is no count of {least} or more")


def _number(given: Any) -> float:
    if type(given) not in (int, float) or not math.isfinite(given):
        raise ValueError(f"{given!r:.50} is no number")
    return float(given)
