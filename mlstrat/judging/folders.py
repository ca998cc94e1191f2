"""The verdict on what a folder holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlstrat.errors import ConfigError, RunFolderError
from mlstrat.evidence import Others, judge, with_trials
from mlstrat.evidence.returns_file import ReturnsTable, read_returns
from mlstrat.evidence.stored import from_plain
from mlstrat.files import sha256_of
from mlstrat.judging.verdict import Verdict, said_of
from mlstrat.runfolder import own_manifest, read_manifest
from mlstrat.trials.keys import trial_key
from mlstrat.trials.ledger import Ledger, Tried
from mlstrat.trials.returns import days_of, others_of

# What runs and sweeps leave in their folders.
RETURNS, METRICS, EVIDENCE, COLUMNS = "returns.csv", "metrics.json", "evidence.json", "columns.parquet"


def judge_folder(folder: Path, *, trials: int | None = None, seed: int | None = None) -> Verdict:
    """Judge a finished run, or say again what is said of a sweep, with what the trial ledger counts by now.

    Parameters
    ----------
    folder : Path
        That `mlstrat backtest` or `mlstrat sweep` wrote; the ledger lies beside it.
    trials : int, optional
        All that was tried on these data, in place of what the ledger counts.
    seed : int, optional
        Of the draws; by default the run's. A sweep is not tested again.

    Raises
    ------
    RunFolderError
        The folder holds neither, or not what is needed.
    ConfigError
        `trials` is below 1, or a sweep is given a seed.
    """
    if _holds_sweep(folder):
        if seed is not None:
            raise ConfigError(f"{folder} holds a sweep, whose test is not made again: leave out the seed.")
        return _of_sweep(folder, trials)
    return _of_run(folder, trials, seed)


def _holds_sweep(folder: Path) -> bool:
    try:
        return "grid" in own_manifest(folder)["inputs"]["config"]
    except RunFolderError:  # what is wrong is told to whoever reads it as a run
        return False


def _of_run(folder: Path, trials: int | None, seed: int | None) -> Verdict:
    manifest = read_manifest(folder)
    path = folder / RETURNS
    if manifest["state"] != "complete" or RETURNS not in manifest["outputs"] or not path.exists():
        raise RunFolderError(
            f"{folder} holds no {RETURNS}, because the run is not complete or an earlier version made it: "
            "run mlstrat backtest again."
        )
    if sha256_of(path) != manifest["outputs"][RETURNS]:
        raise RunFolderError(
            f"{path} is not what the run wrote: judge it by --returns, or run mlstrat backtest again."
        )
    table, trades = read_returns(path), int(_read_json(folder / METRICS)["performance"]["trades"])
    tried = None if trials is not None else _tried(folder, manifest)
    found = judge(
        table.values,
        np.array([trades]),
        trials if tried is None else tried.distinct or None,
        others=None if tried is None else _others(folder, manifest["inputs"], table),
        seed=int(manifest["config"]["seed"]) if seed is None else seed,
    )
    year = float(manifest["instrument"]["bars_per_year_used"])
    return Verdict(
        found, "", year, "bar", tried, said_of(found), (_trials_note(trials, tried, "this run alone"),)
    )


def _others(folder: Path, inputs: Mapping[str, Any], table: ReturnsTable) -> Others | None:
    """Return what else was tried on a run's data, with its returns; None where times are not known."""
    if table.time is None:
        return None
    own = {trial_key(inputs["config"], inputs.get("basis_sha256", ""))}
    return others_of(_book(folder), inputs["data_sha256"], own, days_of(table.time))


def _of_sweep(folder: Path, trials: int | None) -> Verdict:
    if not (folder / EVIDENCE).exists():
        raise RunFolderError(
            f"{folder} holds a sweep without {EVIDENCE}, because it is not complete or an earlier version "
            "made it: run mlstrat sweep again."
        )
    stored = _read_json(folder / EVIDENCE)
    every, year = int(stored["bars_per_period"]), stored["periods_per_year"] or None
    tried = None if trials is not None else _tried(folder, own_manifest(folder))
    row = "bar" if every == 1 else "period"
    if stored["evidence"] is None:
        return Verdict(None, "", year, row, tried, tuple(stored["sentences"]))
    then = from_plain(stored["evidence"])
    # Where the ledger was lost or left behind, what was counted then holds.
    known = max(tried.distinct if tried else 0, then.trials)
    now = with_trials(then, known if trials is None else trials)
    notes = [_trials_note(trials, tried, "what was counted when it was made")]
    if tried and now.trials != then.trials:
        notes.append(
            f"When the sweep was made {then.trials:,} trials were counted; {now.trials:,} are counted now, "
            "and the verdict is the one for these."
        )
    if every > 1:
        notes.append(f"The returns of {every:,} bars at a time were added up to one period.")
    return Verdict(now, _column(folder, now.best), year, row, tried, said_of(now, row), tuple(notes))


def _column(folder: Path, best: int) -> str:
    """Return the settings of a column; empty for none."""
    if best < 0:
        return ""
    import pandas as pd

    keys = own_manifest(folder)["inputs"]["config"]["grid_keys"]
    row = pd.read_parquet(folder / COLUMNS, columns=keys).iloc[best]
    return ", ".join(f"{key} = {row[key]}" for key in keys)


def _book(folder: Path) -> Ledger:
    return Ledger.beside(folder)


def _tried(folder: Path, manifest: Mapping[str, Any]) -> Tried:
    return _book(folder).tried(manifest["inputs"]["data_sha256"])


def _trials_note(trials: int | None, tried: Tried | None, otherwise: str) -> str:
    if trials is not None:
        return f"Trials are those given, {trials:,}, and not what the trial ledger counts."
    if tried is None or not tried.distinct:
        return (
            f"No trial ledger beside the folder knows these data, so that {otherwise} counts: give "
            "--trials N if more was tried."
        )
    return tried.sentence()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{path} cannot be read ({error}): make the run or the sweep again.") from error
