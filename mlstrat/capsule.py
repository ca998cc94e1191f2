"""The capsule: one fitted window in one file, as plain numbers. Loading it runs no code.

    bytes 0 to 7     b"MLSTRAT1"
    bytes 8 to 39    SHA-256 of everything after them
    bytes 40 to 47   length of the manifest, little-endian
    then             the manifest, JSON
    then             the arrays, safetensors
    then             own models that are no trees, skops files, where there are any

The hash is compared before anything is parsed, so that a damaged file is refused whole; what a file claims
is then checked field by field and array by array, because a hash does not say who wrote it. Only a model
that is no set of trees needs objects; it is loaded where the caller names the types that are trusted.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Collection
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.capsule_manifest import About, Manifest, read_manifest, shown, write_manifest
from mlstrat.config import RunConfig
from mlstrat.errors import ModelError
from mlstrat.files import write_bytes
from mlstrat.models.ensemble import EnsembleArrays, ensemble_sha256, to_tensors
from mlstrat.models.guests import Guest
from mlstrat.models.soundness import sound_ensemble
from mlstrat.models.stored import dump_guest, load_guest
from mlstrat.models.transfer import Start
from mlstrat.models.voters import GIVEN
from mlstrat.panel import Panel
from mlstrat.predictions import Window
from mlstrat.provenance import code_sha256, own_versions, versions
from mlstrat.signals.odds import Odds
from mlstrat.splits import Fold
from mlstrat.window import FittedWindow

MAGIC = b"MLSTRAT1"
_HEAD = len(MAGIC) + 32 + 8
# A forest of 2,000 trees of the usual depth has 30 MB; a file is held twice while it is read.
MAX_BYTES = 48 * 2**20
_MAX_MANIFEST = 2**20


@dataclass(frozen=True, eq=False)
class Capsule:
    """A fitted window as it is stored.

    Parameters
    ----------
    ensemble : EnsembleArrays
        What predicts.
    state : (2, units) float64
        The LSTM's state after the bar `about.seen_until`.
    odds : tuple of Odds
        Per side, long and short.
    threshold : tuple of float
        Least score for a long, greatest for a short; NaN = never.
    window : Window
        What it was fitted on.
    about : About
        Where it comes from.
    guests : tuple of Guest
        The user's own models that are no trees.
    """

    ensemble: EnsembleArrays
    state: FloatArray
    odds: tuple[Odds, Odds]
    threshold: tuple[float, float]
    window: Window
    about: About
    guests: tuple[Guest, ...] = ()

    @property
    def portable(self) -> bool:
        """Whether it is arrays only, so that any program can predict with it."""
        return not self.guests


def capsule_of(
    panel: Panel, fold: Fold, fitted: FittedWindow, state: FloatArray, config: RunConfig
) -> Capsule:
    """Return the capsule of a fitted window; `state` is the LSTM's before the window's first bar."""
    bars, features = panel.bars, panel.features
    last = int(fold.test[0]) - 1 if len(fold.test) else len(bars) - 1
    about = About(
        symbol=bars.symbol,
        timeframe=str(bars.timeframe),
        features=features.names,
        lookback=tuple(int(count) for count in features.lookback),
        instrument=asdict(bars.instrument),
        config=config.result_content(),
        seen_until=str(bars.time[last]),
        data_sha256=bars.sha256,
        code_sha256=code_sha256(),
        versions=versions() | own_versions(config.models.classes),
        made_from=_said_of(panel.start),
    )
    parts = fitted.odds, fitted.threshold, fitted.window, about, fitted.guests
    return Capsule(fitted.ensemble, state, *parts)


def _said_of(start: Start | None) -> str:
    return f"started from model {start.model_sha256} of {start.symbol}" if start else ""


def dumps(capsule: Capsule) -> bytes:
    """Return a capsule as the bytes of its file; the same capsule gives the same bytes.

    Raises
    ------
    ModelError
        It is larger than `load` reads.
    """
    from safetensors.numpy import save

    tensors = {**to_tensors(capsule.ensemble), "state": capsule.state}
    arrays: bytes = save({name: np.ascontiguousarray(value) for name, value in tensors.items()})
    told, own = hashlib.sha256(arrays).hexdigest(), capsule.about.run_config().models.own
    stored = [dump_guest(guest, own[guest.name]) for guest in capsule.guests]
    records = tuple(record for record, _ in stored)
    about, window = capsule.about, capsule.window
    text = write_manifest(Manifest(about, window, capsule.odds, capsule.threshold, told, records))
    arrays += b"".join(content for _, content in stored)
    if _HEAD + len(text) + len(arrays) > MAX_BYTES or len(text) > _MAX_MANIFEST:
        raise ModelError(
            f"a model of {len(arrays):,} bytes and a manifest of {len(text):,} are more than a model file "
            "may have: lower models.rf_n_estimators or models.rf_max_depth, or name fewer features."
        )
    body = len(text).to_bytes(8, "little") + text + arrays
    return MAGIC + hashlib.sha256(body).digest() + body


def save(capsule: Capsule, path: Path) -> None:
    """Write a capsule; the file appears whole or not at all.

    Raises
    ------
    RunFolderError
        It cannot be written.
    """
    write_bytes(path, dumps(capsule))


def load(path: str | Path, trust: Collection[str] = ()) -> Capsule:
    """Read a capsule.

    Parameters
    ----------
    path : str or Path
        The file.
    trust : collection of str
        Full names of the types that an own model which is no set of trees may be built of.

    Raises
    ------
    ModelError
        The file cannot be read, is damaged, does not describe a model, or needs types that are not trusted.
    """
    path = Path(path)
    return loads(_content(path), str(path), trust)


def _content(path: Path) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for its writer
            raise ModelError(f"{path} is no file: give the path of a model file.")
        if status.st_size > MAX_BYTES:
            raise ModelError(
                f"{path} has {status.st_size:,} bytes, more than a model may have ({MAX_BYTES:,}): check it."
            )
        with path.open("rb") as file:
            return file.read(MAX_BYTES)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelError(f"{path} cannot be read ({reason}): give the path of a model file.") from error


def loads(content: bytes, origin: str = "the model", trust: Collection[str] = ()) -> Capsule:
    """Read a capsule from the bytes of its file; `origin` names it in messages, `trust` is as for `load`.

    Raises
    ------
    ModelError
        As `load`.
    """
    manifest, arrays, stored = _taken_apart(content, origin)
    del content  # each step copies the arrays; two copies at a time are enough
    tensors = _tensors(arrays, origin)
    del arrays
    about, window = manifest.about, manifest.window
    ensemble, state = sound_ensemble(tensors, len(about.features))
    if ensemble_sha256(ensemble) != window.model_sha256:
        raise ModelError(f"the arrays of {origin} are not those of its manifest: take another copy.")
    voters = ensemble.models.voters
    if sorted(voters.place[voters.kind == GIVEN]) != sorted(record.place for record in manifest.guests):
        raise ModelError(f"the own models of {origin} are not those of its arrays: take another copy.")
    own = about.run_config().models.own if stored else {}
    guests = tuple(
        load_guest(record, part, own, trust, origin)
        for record, part in zip(manifest.guests, stored, strict=True)
    )
    return Capsule(ensemble, state, manifest.odds, manifest.threshold, window, about, guests)


def _taken_apart(content: bytes, origin: str) -> tuple[Manifest, bytes, list[bytes]]:
    """Return manifest, arrays and stored guests, after the hash of the whole has been compared."""
    if content[: len(MAGIC)] != MAGIC:
        raise ModelError(f"{origin} is not a model file of this program: give one that it wrote.")
    told, body = content[len(MAGIC) : _HEAD - 8], memoryview(content)[_HEAD - 8 :]
    if hashlib.sha256(body).digest() != told:
        raise ModelError(f"{origin} is damaged, its hash does not match: take another copy.")
    length = int.from_bytes(body[:8], "little")
    if not 0 < length <= min(_MAX_MANIFEST, len(body) - 8):
        raise ModelError(f"the manifest of {origin} has an impossible length: take another copy.")
    manifest = read_manifest(bytes(body[8 : 8 + length]), origin)
    ends = len(body) - np.cumsum([0, *(guest.n_bytes for guest in reversed(manifest.guests))])[::-1]
    if ends[0] < 8 + length:
        raise ModelError(f"the own models of {origin} have an impossible length: take another copy.")
    arrays = bytes(body[8 + length : ends[0]])
    stored = [bytes(body[begin:end]) for begin, end in pairwise(ends)]
    if hashlib.sha256(arrays).hexdigest() != manifest.arrays_sha256:
        raise ModelError(f"the arrays of {origin} are not those of its manifest: take another copy.")
    return manifest, arrays, stored


def _tensors(arrays: bytes, origin: str) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.numpy import load as parse

    try:
        found: dict[str, Any] = parse(arrays)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"the arrays of {origin} cannot be read ({shown(error)}): take another copy."
        ) from error
    return found
