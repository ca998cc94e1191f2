"""Finished windows on disk: plain arrays with hashes, each window whole or absent."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.errors import RunFolderError
from mlstrat.files import new_folder, sha256_of, write_bytes, write_json
from mlstrat.models.ensemble import from_tensors, to_tensors
from mlstrat.models.fitting import Inner
from mlstrat.predictions import Window
from mlstrat.signals.odds import Odds
from mlstrat.window import FittedWindow

_TIMES = ("train_from", "cut", "valid_from", "valid_to")
_TENSORS = ("model", "rows")
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
    """

    folder: Path
    key: str

    def save(self, fitted: FittedWindow, state: FloatArray, block: FloatArray) -> None:
        """Store a window: its model with the LSTM's state at `valid_from`, odds, and forecast rows."""
        from safetensors.numpy import save

        rows = {"block": block, **_inner_arrays(fitted.inner)}
        model = {**to_tensors(fitted.ensemble), "state": state}
        window = asdict(fitted.window)
        window |= {name: str(window[name]) for name in _TIMES}
        with new_folder(self._place(fitted.window.fold)) as place:
            contents = {"model": model, "rows": rows}
            for name in _TENSORS:
                tensors = {key: np.ascontiguousarray(value) for key, value in contents[name].items()}
                write_bytes(place / f"{name}.safetensors", save(tensors))
            content = {
                "key": self.key,
                "window": window,
                "odds": [odds._asdict() for odds in fitted.odds],
                "threshold": [value if np.isfinite(value) else None for value in fitted.threshold],
                "purged_inner": fitted.inner.purged,
                "sha256": {name: sha256_of(place / f"{name}.safetensors") for name in _TENSORS},
            }
            write_json(place / "window.json", {**content, "content_sha256": _digest(content)})

    def load(self, index: int) -> tuple[FittedWindow, FloatArray] | None:
        """Return a stored window and its forecast rows; None where there is none made from these inputs.

        Raises
        ------
        RunFolderError
            A file of the window does not have the content it was stored with.
        """
        place = self._place(index)
        if not (place / "window.json").exists():
            return None
        content = self._content(place)
        if content["key"] != self.key:
            return None
        model, rows = (self._tensors(place, name, content["sha256"][name]) for name in _TENSORS)
        model.pop("state")
        stored = content["window"] | {name: np.datetime64(content["window"][name], "ns") for name in _TIMES}
        long, short = (Odds(**odds) for odds in content["odds"])
        up, down = (np.nan if value is None else value for value in content["threshold"])
        inner = Inner(**{name: rows[f"inner_{name}"] for name in _INNER}, purged=content["purged_inner"])
        fitted = FittedWindow(from_tensors(model), (long, short), (up, down), Window(**stored), inner)
        return fitted, rows["block"]

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

    def _tensors(self, place: Path, name: str, sha256: str) -> dict[str, Any]:
        from safetensors.numpy import load

        path = place / f"{name}.safetensors"
        if not path.exists() or sha256_of(path) != sha256:
            raise _changed(path)
        return {key: np.array(value) for key, value in load(path.read_bytes()).items()}


def _inner_arrays(inner: Inner) -> dict[str, Any]:
    return {f"inner_{name}": getattr(inner, name) for name in _INNER}


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _changed(path: Path) -> RunFolderError:
    return RunFolderError(
        f"{path} is missing or changed since it was written: delete the folder {path.parent} and run again."
    )
