"""The file of a learned scorer: strings and plain numbers. Loading it runs no code.

    bytes 0 to 7     b"MLSTXT02"
    bytes 8 to 39    SHA-256 of everything after them
    bytes 40 to 47   length of the text part, little-endian
    then             strings and the card, JSON
    then             arrays, safetensors

The hash is compared before anything is parsed; what the file claims is then checked array by array.
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.errors import ModelError
from mlstrat.files import write_bytes
from mlstrat.sentiment.learned.encoder import WIDTH
from mlstrat.sentiment.learned.kernels import DENSE, LONGEST_PHRASE
from mlstrat.sentiment.learned.model import CLASSES, Feed, HeadlineModel
from mlstrat.sentiment.learned.vocabulary import Vocabulary

MAGIC = b"MLSTXT02"
_HEAD = len(MAGIC) + 32 + 8
MAX_BYTES = 64 * 2**20
_STRINGS = ("words", "characters", "entries")
_PLAIN = ("scale", "unknown")
_KEYS = {*_STRINGS, *_PLAIN, "card", "embedded"}
_LONGEST = 1_000  # characters of a string; none of a text can have more
_SHOWN = 200


def dumps(model: HeadlineModel) -> bytes:
    """Return a model as the bytes of its file; the same model gives the same bytes."""
    from safetensors.numpy import save as written

    known = model.vocabulary
    text = {name: getattr(known, name) for name in (*_STRINGS, *_PLAIN)}
    text |= {"card": model.card, "embedded": model.embedded}
    arrays: bytes = written({name: np.ascontiguousarray(array) for name, array in _arrays(model).items()})
    head = json.dumps(text, sort_keys=True, allow_nan=False).encode()
    body = len(head).to_bytes(8, "little") + head + arrays
    return MAGIC + hashlib.sha256(body).digest() + body


def save(model: HeadlineModel, path: Path) -> None:
    """Write a model; the file appears whole or not at all."""
    write_bytes(path, dumps(model))


def load(path: str | Path) -> HeadlineModel:
    """Read a model.

    Raises
    ------
    ModelError
        The file cannot be read, is damaged, or does not describe a model.
    """
    path = Path(path)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
            raise ModelError(f"{path} is no file of a sentiment model: give one that it wrote.")
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelError(f"{path} cannot be read ({reason}): give the path of a sentiment model.") from error
    return loads(content, str(path))


def loads(content: bytes, origin: str = "the sentiment model") -> HeadlineModel:
    """Read a model from the bytes of its file; `origin` names it in messages."""
    if content[: len(MAGIC)] != MAGIC:
        raise ModelError(f"{origin} is no sentiment model: give a file that mlstrat sentiment train wrote.")
    told, body = content[len(MAGIC) : _HEAD - 8], memoryview(content)[_HEAD - 8 :]
    if hashlib.sha256(body).digest() != told:
        raise ModelError(f"{origin} is damaged, its hash does not match: take another copy.")
    from safetensors import SafetensorError
    from safetensors.numpy import load as parsed

    length = int.from_bytes(body[:8], "little")
    try:
        text = json.loads(bytes(body[8 : 8 + length]))
        arrays = parsed(bytes(body[8 + length :]))
        return _checked(text, arrays)
    except (SafetensorError, KeyError, TypeError, ValueError, RecursionError, OverflowError) as error:
        raise ModelError(
            f"{origin} does not describe a sentiment model ({_shown(error)}): train it again."
        ) from error


def _arrays(model: HeadlineModel) -> dict[str, Any]:
    known = model.vocabulary
    return {
        "word_idf": known.word_idf,
        "character_idf": known.character_idf,
        "valence": known.valence,
        "group": known.group,
        "weights": model.weights.astype(np.float32),
        "intercept": model.intercept,
        "even": model.even,
        **_feed_arrays(model.feed),
    }


def _feed_arrays(feed: Feed | None) -> dict[str, Any]:
    if feed is None:
        return {}
    return {
        "gate": feed.gate.astype(np.float32),
        "bias": np.array([feed.bias]),
        "shift": feed.shift,
        "constant": feed.constant,
    }


def _checked(text: Any, arrays: Mapping[str, Any]) -> HeadlineModel:
    if not isinstance(text, dict) or set(text) != _KEYS or not isinstance(text["card"], dict):
        raise ValueError("its parts are not those of a model")
    words, characters, entries = (_strings(text[name]) for name in _STRINGS)
    scale, unknown = (_share(text[name], name) for name in _PLAIN)
    if any(not 0 < len(entry.split(" ")) <= LONGEST_PHRASE for entry in entries):
        raise ValueError("an entry of its lexicon is too long")
    if type(text["embedded"]) is not bool:
        raise ValueError("embedded is neither true nor false")
    group = np.array(arrays["group"], np.int64)
    if (
        arrays["group"].dtype != np.int64
        or group.shape != (len(entries),)
        or not np.isin(group, range(3)).all()
    ):
        raise ValueError("group is not one of 0, 1 and 2 for each entry")
    vocabulary = Vocabulary(
        words,
        _floats(arrays, "word_idf", (len(words),)),
        characters,
        _floats(arrays, "character_idf", (len(characters),)),
        entries,
        _floats(arrays, "valence", (len(entries),)),
        group,
        scale,
        unknown,
    )
    shape = (len(CLASSES),)
    columns = vocabulary.columns + WIDTH * text["embedded"]
    return HeadlineModel(
        vocabulary,
        _floats(arrays, "weights", (columns, *shape), np.float32),
        _floats(arrays, "intercept", shape),
        _floats(arrays, "even", shape),
        text["card"],
        _feed(arrays, vocabulary) if "gate" in arrays else None,
        text["embedded"],
    )


def _feed(arrays: Mapping[str, Any], vocabulary: Vocabulary) -> Feed:
    return Feed(
        _floats(arrays, "gate", (vocabulary.columns - DENSE,), np.float32),
        float(_floats(arrays, "bias", (1,))[0]),
        _floats(arrays, "shift", (DENSE, len(CLASSES))),
        _floats(arrays, "constant", (len(CLASSES),)),
    )


def _floats(
    arrays: Mapping[str, Any], name: str, shape: tuple[int, ...], kind: type = np.float64
) -> FloatArray:
    found = arrays[name]
    if found.dtype != kind or found.shape != shape or not np.isfinite(found).all():
        raise ValueError(f"{name} is no finite array of shape {shape}")
    if np.abs(found).max(initial=0.0) > 1e6:
        raise ValueError(f"{name} holds a number beyond a million")
    return np.array(found, np.float64)


def _strings(given: Any) -> tuple[str, ...]:
    if not isinstance(given, list) or not all(
        isinstance(one, str) and 0 < len(one) <= _LONGEST for one in given
    ):
        raise TypeError("a vocabulary is no list of short strings")
    return tuple(given)


def _share(given: Any, name: str) -> float:
    if type(given) not in (int, float) or not 0.0 <= given <= 100.0:
        raise ValueError(f"{name} is no number from 0 to 100")
    return float(given)


def _shown(error: Exception) -> str:
    text = str(error)[:_SHOWN]
    return "".join(character if character.isprintable() else "?" for character in text)
