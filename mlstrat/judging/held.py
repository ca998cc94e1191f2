"""What a folder holds, as it was written, and what the trial ledger beside it counts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlstrat.errors import RunFolderError
from mlstrat.files import sha256_of
from mlstrat.trials.ledger import Ledger, Tried

# What runs and sweeps leave in their folders.
RETURNS, METRICS, EVIDENCE, COLUMNS = "returns.csv", "metrics.json", "evidence.json", "columns.parquet"


def own_file(folder: Path, manifest: Mapping[str, Any], name: str) -> Path:
    """Return the place of a file that a finished run or sweep wrote and nobody changed.

    Raises
    ------
    RunFolderError
        It is not there, or holds something else than was written.
    """
    what = "sweep" if "grid" in manifest["inputs"]["config"] else "run"
    command = "mlstrat sweep" if what == "sweep" else "mlstrat backtest"
    path, outputs = folder / name, manifest.get("outputs", {})
    if manifest["state"] != "complete" or name not in outputs or not path.exists():
        raise RunFolderError(
            f"{folder} holds no {name}, because the {what} is not complete or an earlier version made it: "
            f"run {command} again."
        )
    if sha256_of(path) != outputs[name]:
        judge_it = "judge it by --returns, or " if name == RETURNS else ""
        raise RunFolderError(f"{path} is not what the {what} wrote: {judge_it}run {command} again.")
    return path


def read_json(path: Path) -> dict[str, Any]:
    """Return what a JSON file holds.

    Raises
    ------
    RunFolderError
        It cannot be read.
    """
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{path} cannot be read ({error}): make the run or the sweep again.") from error


def tried_on(folder: Path, manifest: Mapping[str, Any]) -> Tried:
    """Return what the ledger beside a folder counts by now on its data; errors as for `Ledger.tried`."""
    return Ledger.beside(folder).tried(manifest["inputs"]["data_sha256"])


def trials_note(trials: int | None, tried: Tried | None, otherwise: str) -> str:
    """Say where the number of trials comes from: given, counted, or else `otherwise`."""
    if trials is not None:
        return f"Trials are those given, {trials:,}, and not what the trial ledger counts."
    if tried is None or not tried.distinct:
        return (
            f"No trial ledger beside the folder knows these data, so that {otherwise} counts: give "
            "--trials N if more was tried."
        )
    return tried.sentence()
