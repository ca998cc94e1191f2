"""The verdict on what a folder holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlstrat.errors import ConfigError, RunFolderError
from mlstrat.evidence import Others, judge, plain_words
from mlstrat.evidence.returns_file import ReturnsTable, read_returns
from mlstrat.judging.held import METRICS, RETURNS, own_file, read_json, trials_note, tried_on
from mlstrat.judging.sweeps import judge_sweep
from mlstrat.judging.verdict import Verdict
from mlstrat.runfolder import own_manifest, read_manifest
from mlstrat.trials.keys import trial_key
from mlstrat.trials.ledger import Ledger
from mlstrat.trials.returns import days_of, others_of


def judge_folder(folder: Path, *, trials: int | None = None, seed: int | None = None) -> Verdict:
    """Judge a finished run, or say again what is said of a sweep, with what the trial ledger counts by now.

    Parameters
    ----------
    folder : Path
        That `mlstrat backtest` or `mlstrat sweep` wrote; the ledger lies beside it.
    trials : int, optional
        All that was tried on these data, in place of what the ledger counts.
    seed : int, optional
        Of the draws; by default the run's. A sweep keeps its own.

    Raises
    ------
    RunFolderError
        The folder holds neither, or not what is needed, or a file was changed.
    ConfigError
        `trials` is below 1, or a sweep is given a seed.
    """
    if _holds_sweep(folder):
        if seed is not None:
            raise ConfigError(f"{folder} holds a sweep, which is judged by its own seed: leave out the seed.")
        return judge_sweep(folder, trials)
    return _of_run(folder, trials, seed)


def _holds_sweep(folder: Path) -> bool:
    try:
        return "grid" in own_manifest(folder)["inputs"]["config"]
    except RunFolderError:  # what is wrong is told to whoever reads it as a run
        return False


def _of_run(folder: Path, trials: int | None, seed: int | None) -> Verdict:
    manifest = read_manifest(folder)
    table = read_returns(own_file(folder, manifest, RETURNS))
    trades = int(read_json(own_file(folder, manifest, METRICS))["performance"]["trades"])
    tried = None if trials is not None else tried_on(folder, manifest)
    found = judge(
        table.values,
        np.array([trades]),
        trials if tried is None else tried.distinct or None,
        others=None if tried is None else _others(folder, manifest["inputs"], table),
        seed=int(manifest["config"]["seed"]) if seed is None else seed,
    )
    year = float(manifest["instrument"]["bars_per_year_used"])
    said, note = tuple(plain_words(found)), trials_note(trials, tried, "this run alone")
    return Verdict(found, "", year, "bar", tried, said, (note,))


def _others(folder: Path, inputs: Mapping[str, Any], table: ReturnsTable) -> Others | None:
    """Return what else was tried on a run's data, with its returns; None where times are not known."""
    if table.time is None:
        return None
    own = {trial_key(inputs["config"], inputs.get("basis_sha256", ""))}
    return others_of(Ledger.beside(folder), inputs["data_sha256"], own, days_of(table.time))
