"""Own models that are no trees, as bytes: skops files, which are only loaded where their types are trusted.

skops writes where its objects lay in memory and when; both are replaced here, so that the same estimator
gives the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from mlstrat.config_own import OwnModel
from mlstrat.errors import MissingExtraError, ModelError
from mlstrat.models.guests import Guest
from mlstrat.models.own import find_class

_SCHEMA = "schema.json"


class GuestRecord(NamedTuple):
    """What a manifest says of a stored guest; `sha256` and `n_bytes` are those of its skops file."""

    name: str
    place: int
    unit: float
    n_bytes: int
    sha256: str


def dump_guest(guest: Guest, model: OwnModel) -> tuple[GuestRecord, bytes]:
    """Return a guest as the bytes of a skops file, and what to say of them.

    Parameters
    ----------
    guest : Guest
        What to store.
    model : OwnModel
        As in the run file: the types that it trusts are those that may be in the file.

    Raises
    ------
    ModelError
        skops cannot store it, or it holds types that the run file does not name.
    MissingExtraError
        skops is not installed.
    """
    skops = _skops(guest.name)
    try:
        content = _canonical(skops.dumps(guest.estimator))
    except Exception as error:
        raise ModelError(
            f"models.{guest.name} cannot be stored ({type(error).__name__}: {error}): give another class."
        ) from error
    strange = _strange(skops, content, guest.name, _named(guest.name, model.path, model.trust))
    if strange:
        raise ModelError(
            f"models.{guest.name} holds types that nobody has trusted: if you know them, write "
            f"trust = {json.dumps(strange)} below [models.{guest.name}]."
        )
    told = hashlib.sha256(content).hexdigest()
    return GuestRecord(guest.name, guest.place, guest.unit, len(content), told), content


def load_guest(
    record: GuestRecord, content: bytes, own: Mapping[str, OwnModel], trust: Collection[str], origin: str
) -> Guest:
    """Return the guest of a skops file.

    Parameters
    ----------
    record : GuestRecord
        What the manifest says of it.
    content : bytes
        The file.
    own : mapping of str to OwnModel
        The own models of the run that made it.
    trust : collection of str
        Full names of the types that the caller trusts; nothing is imported or built before they are all
        there.
    origin : str
        Names the capsule in messages.

    Raises
    ------
    ModelError
        The file is not the one that was stored, or holds types that are not trusted; they are named.
    MissingExtraError
        skops is not installed.
    """
    if hashlib.sha256(content).hexdigest() != record.sha256 or record.name not in own:
        raise ModelError(f"models.{record.name} of {origin} is not that of its manifest: take another copy.")
    path = own[record.name].path
    if path not in trust:
        raise _distrusted(record.name, origin, [path])
    skops = _skops(record.name)
    trusted = _named(record.name, path, trust)
    strange = _strange(skops, content, record.name, trusted)
    if strange:
        raise _distrusted(record.name, origin, strange)
    try:
        estimator = skops.loads(content, trusted=trusted)
    except Exception as error:
        raise ModelError(
            f"models.{record.name} of {origin} cannot be loaded ({type(error).__name__}: {error}): install "
            "the versions that it was made with, or train the model again."
        ) from error
    if type(estimator) is not find_class(record.name, path):
        raise ModelError(f"models.{record.name} of {origin} is not of class {path}: take another copy.")
    return Guest(record.name, record.place, record.unit, estimator)


def _skops(name: str) -> Any:
    try:
        import skops.io
    except ImportError as error:
        raise MissingExtraError("models", "skops", f"models.{name}, which is no set of trees,") from error
    return skops.io


def _strange(skops: Any, content: bytes, name: str, trusted: list[str]) -> list[str]:
    try:
        found = skops.get_untrusted_types(data=content)
    except Exception as error:
        raise ModelError(
            f"models.{name} is not readable ({type(error).__name__}): take another copy."
        ) from error
    return sorted(set(found) - set(trusted))


def _named(name: str, path: str, trust: Collection[str]) -> list[str]:
    """Return the types that are trusted; the class may lie elsewhere than where it is imported from."""
    kind = find_class(name, path)
    return sorted({path, f"{kind.__module__}.{kind.__qualname__}", *trust})


def _canonical(content: bytes) -> bytes:
    """Return the same skops file with objects numbered as they come, and without a date."""
    with zipfile.ZipFile(io.BytesIO(content)) as given:
        files = {name: given.read(name) for name in given.namelist()}
    numbers: dict[int, int] = {}
    renamed: dict[str, str] = {}

    def walk(node: Any) -> Any:
        if isinstance(node, list):
            return [walk(part) for part in node]
        if not isinstance(node, dict):
            return node
        out = {key: walk(value) for key, value in node.items()}
        if "__id__" in node:
            out["__id__"] = numbers.setdefault(node["__id__"], len(numbers))
        if node.get("file") in files:
            old = node["file"]
            out["file"] = renamed.setdefault(old, f"{len(renamed)}.{old.rpartition('.')[2]}")
        return out

    schema = json.dumps(walk(json.loads(files.pop(_SCHEMA)))).encode()
    made = {renamed[name]: data for name, data in files.items()} | {_SCHEMA: schema}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(made):
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), made[name], zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _distrusted(name: str, origin: str, types: list[str]) -> ModelError:
    listed = ", ".join(json.dumps(one) for one in types)
    return ModelError(
        f"models.{name} of {origin} is no set of trees and loading it builds objects of types that are not "
        f"trusted: if you trust where the file comes from, load it with trust=({listed},), or --trust NAME."
    )
