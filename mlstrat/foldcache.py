"""Fitted models by what they were fitted on, shared by the runs that lie beside each other.

A run folder holds its own windows and needs nothing from here. The cache is what makes the next run cheap:
what the models of a window read is hashed by content, so that appended bars, other thresholds, stops, fees
or headlines that no model sees find them again, and another feature, label, seed, library or line of code
does not.

One entry is one file: the SHA-256 of the rest, then safetensors. It appears whole by one rename, so that a
kill leaves no half of one, and the time of its last use is its own. One process writes at a time. An entry
that does not have its hash is dropped and fitted anew.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlstrat.config import RunConfig
from mlstrat.errors import ModelError
from mlstrat.files import sha256_of, write_bytes
from mlstrat.models.ensemble import to_tensors
from mlstrat.models.soundness import sound_ensemble
from mlstrat.models.stacking import Inner
from mlstrat.panel import Panel
from mlstrat.provenance import code_sha256, own_versions, versions
from mlstrat.splits import Fold
from mlstrat.tune import tuning_of
from mlstrat.window import FittedModels, seeds_of

FOLDER = ".folds"
MAX_BYTES = 2**30  # about 200 windows of the profile `full`
_ENDING, _HASH = ".fold", 32
_PATIENCE = 60  # seconds for other writers; an entry that has to wait longer is not kept
_INNER = ("rows", "block", "stacked", "half")
_TUNING = "tuning"


def fold_key(panel: Panel, fold: Fold, config: RunConfig) -> str:
    """Return the hash of everything that the models of a window are made from.

    Rows count from the window's first one, so that bars before it change nothing. Names of features are not
    hashed, their values are.
    """
    last = int(fold.train[-1]) + 1 if len(fold.train) else fold.first
    rows, labels = slice(fold.first, last), panel.labels
    settings = {
        "models": config.models.model_dump(mode="json", exclude={"profile", "transfer"}),
        "transfer": panel.start.sha256 if panel.start else "",
        "tune": config.tune.model_dump(mode="json"),
        "select": [config.features.select, config.features.select_by],
        "target_periods": config.labels.target_periods,
        "embargo": config.splits.embargo_bars,
        "calibration_share": config.splits.calibration_share,
        "seeds": seeds_of(config, fold),
        "plugins": [sha256_of(Path(path)) for path in config.plugins],
        "code": code_sha256(),
        "versions": versions() | own_versions(config.models.classes),
    }
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for array in (
        panel.features.values[rows],
        panel.bars.close_time[rows],
        fold.train - fold.first,
        labels.ret[fold.train],
        labels.up[fold.train],
        labels.resolved_at[fold.train],
    ):
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class FoldCache:
    """A folder of fitted models.

    Parameters
    ----------
    folder : Path
        Holds one file a window, named by its key. It must exist.
    max_bytes : int
        The entries used longest ago are removed once all together are larger.
    """

    folder: Path
    max_bytes: int = MAX_BYTES

    def load(self, key: str, fold: Fold, n_features: int) -> FittedModels | None:
        """Return the models of a fold; None where there are none, or only a damaged file."""
        path = self._place(key)
        try:
            content = path.read_bytes()
            if hashlib.sha256(content[_HASH:]).digest() != content[:_HASH]:
                raise ModelError(f"{path} is damaged: it is dropped.")
            models = _parsed(content[_HASH:], fold, n_features)
            os.utime(path)
        except ModelError:
            path.unlink(missing_ok=True)
        except OSError:  # not there, or just removed by another process
            return None
        else:
            return models
        return None

    def save(self, key: str, fold: Fold, models: FittedModels) -> None:
        """Keep the models of a fold, and remove what was used longest ago where there is too much.

        Models with guests, which are no arrays, are not kept.

        Raises
        ------
        RunFolderError
            The file cannot be written.
        """
        from filelock import FileLock, Timeout
        from safetensors.numpy import save

        if models.guests:
            return
        inner = models.inner
        tensors = {**to_tensors(models.ensemble), "state": models.state}
        tensors |= {f"inner.{name}": getattr(inner, name) for name in _INNER}
        tensors["inner.rows"] = inner.rows - fold.first
        tensors["inner.purged"] = np.array([inner.purged])
        if models.tuning is not None:
            told = json.dumps(models.tuning.content(), allow_nan=False).encode()
            tensors[_TUNING] = np.frombuffer(told, np.uint8)
        body = save({name: np.ascontiguousarray(value) for name, value in tensors.items()})
        try:
            with FileLock(self.folder / ".lock", timeout=_PATIENCE):
                write_bytes(self._place(key), hashlib.sha256(body).digest() + body)
                self._trim()
        except Timeout:
            return

    def _place(self, key: str) -> Path:
        return self.folder / f"{key}{_ENDING}"

    def _trim(self) -> None:
        """Remove what killed writers left, and where there is too much the entries used longest ago."""
        for left in self.folder.glob(f".*{_ENDING}.*"):
            left.unlink(missing_ok=True)
        used = []
        for path in self.folder.glob(f"*{_ENDING}"):
            try:
                status = path.stat()
            except FileNotFoundError:  # a reader found it damaged
                continue
            used.append((status.st_mtime_ns, path, status.st_size))
        excess = sum(size for *_, size in used) - self.max_bytes
        for _, path, size in sorted(used):
            if excess <= 0:
                return
            path.unlink(missing_ok=True)
            excess -= size


def _parsed(body: bytes, fold: Fold, n_features: int) -> FittedModels:
    from safetensors.numpy import load

    tensors: dict[str, Any] = load(body)
    inner = {name: np.array(tensors.pop(f"inner.{name}")) for name in (*_INNER, "purged")}
    told = tensors.pop(_TUNING, None)
    tuning = None if told is None else tuning_of(json.loads(told.tobytes()))
    ensemble, state = sound_ensemble(tensors, n_features)
    rows, purged = inner.pop("rows") + fold.first, int(inner.pop("purged")[0])
    return FittedModels(ensemble, Inner(rows=rows, purged=purged, **inner), state, tuning=tuning)
