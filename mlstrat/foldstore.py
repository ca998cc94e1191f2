"""Finished windows on disk: plain arrays with hashes, each window whole or absent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.capsule import Capsule, dumps, loads
from mlstrat.errors import RunFolderError
from mlstrat.files import new_folder, sha256_of, write_bytes, write_json
from mlstrat.models.stacking import Inner
from mlstrat.trials.ledger import Trial
from mlstrat.tune import Tuning, tuning_of
from mlstrat.window import FittedWindow

MODEL, ROWS, TUNING = "model.capsule", "rows.safetensors", "tuning.json"
_INNER = ("rows", "block", "stacked", "half")


@dataclass(frozen=True)
class FoldStore:
    """The folder of a run's windows.

    Parameters
    ----------
    folder : Path
        Holds one folder a window, named by its index.
    key : str
        Hash of everything that determines the windows; others are not read.
    trust : tuple of str
        Types of which own models that are no trees may be built (see `mlstrat.capsule.load`).
    record : callable, optional
        Takes the trials of a window that was tuned, before the window is stored.
    """

    folder: Path
    key: str
    trust: tuple[str, ...] = ()
    record: Callable[[Sequence[Trial]], None] | None = None

    def save(self, capsule: Capsule, inner: Inner, block: FloatArray, tuning: Tuning | None = None) -> None:
        """Store a window: its capsule, what it said on its calibration tail, its forecast rows, and how it
        was tuned."""
        from safetensors.numpy import save

        if tuning is not None and self.record is not None:
            self.record(tuning.ledger_rows(str(capsule.window.cut)))

        rows = {"block": block, **{f"inner_{name}": getattr(inner, name) for name in _INNER}}
        with new_folder(self._place(capsule.window.fold)) as place:
            write_bytes(place / MODEL, dumps(capsule))
            tensors = {name: np.ascontiguousarray(value) for name, value in rows.items()}
            write_bytes(place / ROWS, save(tensors))
            names = [MODEL, ROWS]
            if tuning is not None:
                write_json(place / TUNING, tuning.content())
                names.append(TUNING)
            content = {
                "key": self.key,
                "purged_inner": inner.purged,
                "sha256": {name: sha256_of(place / name) for name in names},
            }
            write_json(place / "window.json", {**content, "content_sha256": _digest(content)})

    def load(self, index: int) -> tuple[FittedWindow, FloatArray] | None:
        """Return a stored window and its forecast rows; None where there is none made from these inputs.

        Raises
        ------
        RunFolderError
            A file of the window does not have the content it was stored with.
        """
        from safetensors.numpy import load

        place = self._place(index)
        if not (place / "window.json").exists():
            return None
        content = self._content(place)
        if content["key"] != self.key:
            return None
        model, stored = (self._bytes(place / name, content["sha256"][name]) for name in (MODEL, ROWS))
        capsule = loads(model, str(place / MODEL), self.trust)
        rows = {name: np.array(value) for name, value in load(stored).items()}
        inner = Inner(**{name: rows[f"inner_{name}"] for name in _INNER}, purged=content["purged_inner"])
        known = capsule.ensemble, capsule.odds, capsule.threshold, capsule.window
        tuning = None
        if TUNING in content["sha256"]:
            tuning = tuning_of(json.loads(self._bytes(place / TUNING, content["sha256"][TUNING])))
        return FittedWindow(*known, inner, capsule.guests, tuning), rows["block"]

    def _content(self, place: Path) -> dict[str, Any]:
        path = place / "window.json"
        try:
            content: dict[str, Any] = json.loads(path.read_text())
            told = content.pop("content_sha256")
        except (OSError, ValueError, KeyError, AttributeError):
            told, content = "", {}
        if told != _digest(content):
            raise _changed(path)
        return content

    def _place(self, index: int) -> Path:
        return self.folder / f"{index:03d}"

    def _bytes(self, path: Path, sha256: str) -> bytes:
        if not path.exists() or sha256_of(path) != sha256:
            raise _changed(path)
        return path.read_bytes()


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _changed(path: Path) -> RunFolderError:
    return RunFolderError(
        f"{path} is missing or changed since it was written: delete the folder {path.parent} and run again."
    )
