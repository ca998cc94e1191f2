"""A run's folder: what it was made from, whether it may go on, and what it holds."""

from __future__ import annotations

import hashlib
import itertools
import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlstrat import __version__
from mlstrat.config import RunConfig
from mlstrat.config_places import resolved, resolved_model
from mlstrat.data.bars import Bars
from mlstrat.data.carry import BORROW, FUNDING
from mlstrat.errors import RunFolderError
from mlstrat.files import drop_unfinished, locked, sha256_of, write_json
from mlstrat.provenance import code_sha256, own_versions, versions
from mlstrat.sentiment.align import SentimentSeries
from mlstrat.trials.keys import basis_of, span_of
from mlstrat.trials.ledger import Span

MANIFEST = "manifest.json"
FOLDS = "folds"
PREDICTIONS, SENTIMENT = "predictions.parquet", "sentiment.parquet"
_FOLLOWS = ("span", "basis_sha256")


@dataclass(frozen=True)
class Inputs:
    """Everything that determines a run's result, and what `mlstrat.trials.keys` makes of it."""

    config: dict[str, Any]
    engine: str
    data_sha256: str
    sentiment_sha256: str
    code_sha256: str
    versions: dict[str, str]
    span: Span
    basis_sha256: str

    @property
    def determining(self) -> dict[str, Any]:
        """All that determines the result, by name."""
        return {name: value for name, value in self.__dict__.items() if name not in _FOLLOWS}

    @property
    def key(self) -> str:
        """Hash of all of it."""
        content = json.dumps(self.determining, sort_keys=True, default=str)
        return hashlib.sha256(content.encode()).hexdigest()

    @property
    def config_sha256(self) -> str:
        """Hash of the settings that can change a result."""
        return hashlib.sha256(json.dumps(self.config, sort_keys=True).encode()).hexdigest()


def inputs_of(
    config: RunConfig, engine: str, bars: Bars, mood: SentimentSeries, others: Sequence[Bars] = ()
) -> Inputs:
    """Gather what determines a run; where the data lies does not, what it holds does."""
    content = config.result_content()
    content["plugins"] = [sha256_of(Path(path)) for path in config.plugins]
    if config.models.transfer:
        content["models"]["transfer"] = sha256_of(Path(config.models.transfer))
    # What the series hold is part of the data's hash: they grow as bars do, and that makes no other setting.
    for name in (FUNDING, BORROW):
        if getattr(config.instrument, name):
            content["instrument"][name] = True
    digest = hashlib.sha256(mood.score.tobytes() + mood.confidence.tobytes())
    return Inputs(
        content,
        engine,
        data_sha256_of(bars, others),
        digest.hexdigest(),
        code_sha256(),
        versions() | own_versions(config.models.classes),
        span_of(bars),
        basis_of(config, bars, others),
    )


def data_sha256_of(bars: Bars, others: Sequence[Bars] = ()) -> str:
    """Return the hash of a run's bars, their instrument's facts, their carry and the other symbols' bars."""
    facts = json.dumps(bars.instrument.__dict__, sort_keys=True)
    symbols = "".join(other.sha256 for other in others)
    carry = "" if bars.carry is None else bars.carry.sha256
    return hashlib.sha256((bars.sha256 + facts + symbols + carry).encode()).hexdigest()


def sources_of(config: RunConfig, seen_until: np.datetime64 | None = None) -> dict[str, Any]:
    """Return where a run's files lie, as absolute paths: so a past run finds them from any folder.

    `seen_until` is up to when a store of headlines had seen texts when the run read it.
    """

    def place(text: str) -> str:
        return resolved(text, Path.cwd())

    return {
        "bars": place(config.data.bars),
        "headlines": place(config.sentiment.source),
        "headlines_seen_until": "" if seen_until is None else str(seen_until),
        "scorer": resolved_model(config.sentiment.model, Path.cwd()),
        FUNDING: place(config.instrument.funding),
        BORROW: place(config.instrument.borrow),
        "context": [place(text) for text in config.features.context],
        "plugins": [place(text) for text in config.plugins],
        "transfer": config.models.transfer and place(config.models.transfer),
    }


def state_of(folder: Path, inputs: Inputs, resume: bool) -> str:
    """Look at a folder without touching it.

    Returns
    -------
    str
        "complete" where this very run is there with all its files, "begun" where it was interrupted, "new"
        where there is nothing yet, or a run that was interrupted before its first window, "outdated" where
        other code or libraries made it (see `set_aside`).

    Raises
    ------
    RunFolderError
        The folder holds a run of other settings or data, or other files; or there is nothing to resume, or
        only something that other code or libraries began.
    """
    path = folder / MANIFEST
    if resume and not path.exists():
        raise RunFolderError(f"{folder} holds no run to resume: leave out --resume to begin one.")
    if path.exists():
        if not any((folder / FOLDS).glob("[0-9]*")):
            _refuse_sweep(folder)
            return "new"
        manifest = own_manifest(folder)
        _refuse(folder, other_settings(manifest["inputs"], inputs))
        made_otherwise = other_code(folder, inputs)
        if made_otherwise and resume:
            _refuse(folder, made_otherwise)
        if made_otherwise:
            return "outdated"
        return "complete" if _is_whole(folder, manifest) else "begun"
    if folder.is_dir() and any(not entry.name.startswith(".") for entry in folder.iterdir()):
        raise RunFolderError(f"{folder} holds files that are not a run's: choose an empty folder with --out.")
    return "new"


def _refuse_sweep(folder: Path) -> None:
    try:
        manifest = own_manifest(folder)
    except RunFolderError:  # a manifest that was cut off holds nothing
        return
    if _swept(manifest):
        raise RunFolderError(f"{folder} holds a sweep: choose another folder with --out.")


def begin(folder: Path, inputs: Inputs) -> dict[str, Any]:
    """Write the manifest of a run that begins or goes on, and return it."""
    drop_unfinished(folder / FOLDS)
    manifest = {
        "mlstrat": __version__,
        "state": "running",
        "platform": platform.platform(),
        "versions": inputs.versions,
        "inputs": inputs.__dict__,
    }
    write_json(folder / MANIFEST, manifest)
    return manifest


def _is_whole(folder: Path, manifest: Mapping[str, Any]) -> bool:
    """Whether every file the run wrote is there with the content it was written with."""
    return manifest["state"] == "complete" and all(
        (folder / name).exists() and sha256_of(folder / name) == digest
        for name, digest in manifest["outputs"].items()
    )


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a run that somebody asks about; one that ended names its windows.

    Raises
    ------
    RunFolderError
        There is none that can be read, or it is a sweep's.
    """
    what = "give the folder that mlstrat backtest wrote"
    if folder.is_file():
        raise RunFolderError(f"{folder} is a file: {what}.")
    manifest = _manifest(folder)
    if manifest is None or (manifest["state"] == "complete" and not manifest.get("windows")):
        held = "a sweep and no run" if manifest is not None and _swept(manifest) else "no finished run"
        raise RunFolderError(f"{folder} holds {held}: {what}.")
    return manifest


def own_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a folder that is about to be written to, a run's or a sweep's.

    Raises
    ------
    RunFolderError
        There is none that can be read.
    """
    manifest = _manifest(folder)
    if manifest is None:
        raise RunFolderError(
            f"{folder / MANIFEST} is not a run's manifest: choose another folder with --out."
        )
    return manifest


def _manifest(folder: Path) -> dict[str, Any] | None:
    """Return what a manifest holds; None where there is none, or not all that others rely on."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        wanted = {"config", "engine", "data_sha256", "sentiment_sha256", "code_sha256", "versions"}
        there = wanted <= manifest["inputs"].keys()
        ended = manifest["state"] == "complete"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return dict(manifest) if there and (not ended or "outputs" in manifest) else None


def _swept(manifest: Mapping[str, Any]) -> bool:
    return "grid" in manifest["inputs"]["config"]


def other_code(folder: Path, now: Inputs) -> list[str]:
    """Return which libraries and whether the code differ from those that made the folder."""
    there = own_manifest(folder)["inputs"]
    changed = [
        f"{package} was {there['versions'].get(package)} and is {version}"
        for package, version in now.versions.items()
        if there["versions"].get(package) != version
    ]
    if there["code_sha256"] != now.code_sha256:
        changed.append(f"the code was {there['code_sha256'][:8]} and is {now.code_sha256[:8]}")
    return changed


def set_aside(folder: Path) -> Path:
    """Rename a run's folder, so that what it holds is kept, and return its new place.

    Raises
    ------
    RunFolderError
        Another process holds it, or it cannot be renamed.
    """
    with locked(folder):
        pass
    number = next(k for k in itertools.count(1) if not folder.with_name(f"{folder.name}.{k}").exists())
    place = folder.with_name(f"{folder.name}.{number}")
    try:
        folder.rename(place)
    except OSError as error:
        raise RunFolderError(
            f"{folder} cannot be renamed to {place.name} ({error.strerror or error}): "
            "choose another with --out."
        ) from error
    return place


def other_settings(there: Mapping[str, Any], now: Inputs) -> list[str]:
    """Return which settings, and whether the data, differ from those of a manifest's inputs."""
    old, new = dict(_flat(there["config"])), dict(_flat(json.loads(json.dumps(now.config))))
    changed = [
        f"{key} was {old.get(key)!r} and is {new.get(key)!r}"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]
    if there["engine"] != now.engine:
        changed.append(f"the engine was {there['engine']} and is {now.engine}")
    if there["data_sha256"] != now.data_sha256:
        changed.append("the bars or the instrument's facts or rates changed")
    if there["sentiment_sha256"] != now.sentiment_sha256:
        changed.append("the headlines or their scores changed")
    return changed


def _refuse(folder: Path, changed: list[str]) -> None:
    if changed:
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise RunFolderError(
            f"{folder} holds another run ({'; '.join(changed[:3])}{more}): "
            "choose another folder with --out, or delete this one."
        )


def _flat(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
