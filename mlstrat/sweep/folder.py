"""A sweep in a folder: begun, interrupted or already there; with every column in the trial ledger."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.beside import cache_beside
from mlstrat.config import RunConfig
from mlstrat.data.bars import Bars
from mlstrat.errors import RunFolderError
from mlstrat.evidence import Others
from mlstrat.files import locked, make_folder, sha256_of, write_bytes, write_json
from mlstrat.inputs import asked_names
from mlstrat.pipeline import load_bars, load_others, refuse_missing, require
from mlstrat.runfolder import (
    MANIFEST,
    Inputs,
    begin,
    inputs_of,
    other_code,
    other_settings,
    own_manifest,
    set_aside,
    sources_of,
)
from mlstrat.sentiment.series import mood_for
from mlstrat.sweep import page
from mlstrat.sweep.forecasts import Record, Walked
from mlstrat.sweep.grid import Grid, config_of, plain, rows_of
from mlstrat.sweep.judged import Judged, bars_per_period
from mlstrat.sweep.measures import MEASURES
from mlstrat.sweep.page import columns_of
from mlstrat.sweep.result import Sweep
from mlstrat.sweep.run import Batch, Columns, Found, Ran, Watching, batches
from mlstrat.sweep.trials import Trials
from mlstrat.transfer import load_start
from mlstrat.trials.ledger import Ledger, Tried
from mlstrat.trials.returns import MOST, Kept, by_day, keep, others_of
from mlstrat.walkforward import Fits

TABLE, EVIDENCE, PAGE, PARTS = "columns.parquet", "evidence.json", "sweep.html", "parts"
_HASH = 32
_UNKEPT = (
    f"Of more than {MOST:,} columns no returns are kept: they are counted, and whatever is tried later on "
    "this market is judged by a bound that so many make impossible to pass; to spare the ledger beside other "
    "runs, sweep with --out elsewhere."
)
_PAGE = (("jinja2", "report", "The page of a sweep"), ("plotly", "report", "The page of a sweep"))


@dataclass(frozen=True)
class Swept:
    """A sweep on disk: its folder, what it found, the verdict on it, and whether it was already there."""

    folder: Path
    sweep: Sweep
    sentences: tuple[str, ...]
    reused: bool


def sweep_into(
    config: RunConfig,
    grid: Grid,
    folder: Path,
    *,
    resume: bool = False,
    watcher: Watching | None = None,
    use_cache: bool = True,
    fits: Fits | None = None,
) -> Swept:
    """Sweep a run's settings into a folder, going on where an interrupted sweep of the same inputs stopped.

    The folder receives columns.parquet, evidence.json, sweep.html, manifest.json and, until it is complete,
    the batches of columns. Beside it lie the cache of fitted models and the trial ledger, into which every
    column is entered.

    Parameters
    ----------
    config : RunConfig
        The run.
    grid : Grid
        What varies.
    folder : Path
        Where to write; empty, or of the same sweep.
    resume : bool
        Refuse to begin anew.
    watcher : Watching, optional
        Told what goes on.
    use_cache : bool
        Whether models are taken from the cache and put there.
    fits : callable, optional
        Fits models elsewhere, such as `mlstrat.cluster.OnCluster`.

    Raises
    ------
    RunFolderError
        The folder cannot be used.
    ConfigError, DataError, ModelError, MissingExtraError
        A run of the grid cannot be made.
    """
    watcher = watcher or Watching()
    for settings in rows_of(grid.fitting):
        require(config_of(config, settings), "kernel")
    refuse_missing(_PAGE)
    watcher.stage("reading bars and scoring headlines")
    bars = load_bars(config)
    for settings in rows_of(grid.fitting):
        _check_start(config_of(config, settings), bars)
    inputs = _inputs(config, grid, bars)
    if _state(folder, inputs, resume) == "outdated":
        why = "; ".join(other_code(folder, inputs))
        watcher.note(f"{folder} was made otherwise ({why}): it is kept as {set_aside(folder)}.")
    make_folder(folder)
    with locked(folder):
        book, trials = _book_beside(folder, inputs, watcher), Trials(config.name, inputs)
        cache = cache_beside(folder, watcher) if use_cache else None
        record = partial(book.extend, inputs.data_sha256) if book else None
        walked = Walked(config, bars, watcher, cache, fits, record)
        if _state(folder, inputs, resume) == "complete":
            sweep = Sweep(config, grid, _stored(folder, grid), walked, notes_of(grid))
            told = json.loads((folder / EVIDENCE).read_text())["sentences"]
            return Swept(folder, sweep, tuple(told), reused=True)
        windows, predicted = walked.outlook()
        manifest = begin(folder, inputs)
        watcher.note(plan(grid, windows))
        if len(grid) > MOST:
            watcher.note(_UNKEPT)
        every = bars_per_period(len(bars), len(grid))
        columns, found = Columns(config, bars, grid, walked, config.jobs, every), Found.of(grid, bars, every)
        watcher.stage("running columns")
        for batch in batches(grid):
            found.add(batch, _batch(folder, columns, batch, grid, trials, record))
            watcher.columns(batch.columns.stop, len(grid))
        told = notes_of(grid)
        sweep = Sweep(config, grid, found.table, walked, told, found.returns(), bars.bars_per_year)
        watcher.stage("judging all columns by one test")
        said = sweep.judged(*(_known(book, sweep, trials, inputs.data_sha256) if book else ()))
        watcher.stage("writing the page")
        _write(folder, sweep, said, predicted, manifest, inputs)
    return Swept(folder, sweep, said.sentences, reused=False)


def plan(grid: Grid, windows: int) -> str:
    """Say how many columns there are, and what is fitted or estimated for them."""
    shape = " x ".join(f"{len(values)} {key}" for key, values in zip(grid.keys, grid.values, strict=True))
    fitting, groups = grid.fitting, len(grid.before)
    fits = f"models of {windows} window{'s' * (windows != 1)}"
    if fitting.keys:
        fits += f", for each of {len(fitting)} settings of {', '.join(fitting.keys)}"
    odds = f"; odds are estimated for {groups} kinds of trade" if groups > len(fitting) else ""
    return f"{columns_of(len(grid))} ({shape}): {fits}, where the cache does not hold them{odds}."


def notes_of(grid: Grid) -> tuple[str, ...]:
    """Say what was estimated anew for the columns, and which are not judged on the same bars."""
    notes, fitting = [], grid.fitting.keys
    moved = [key for key in grid.before.keys if key not in fitting]
    if moved:
        notes.append(
            f"For each value of {', '.join(moved)} the odds that Kelly bets on were estimated anew, from "
            "what the models had said inside their training windows."
        )
    spans = [key for key in fitting if key.startswith(("splits.", "features."))]
    if spans:
        notes.append(
            f"Columns that differ in {', '.join(spans)} may begin at different bars: compare them with care."
        )
    return tuple(notes)


def _check_start(config: RunConfig, bars: Bars) -> None:
    load_start(config, asked_names(config), bars.timeframe)


def _inputs(config: RunConfig, grid: Grid, bars: Bars) -> Inputs:
    made = inputs_of(config, "kernel", bars, mood_for(bars, config.sentiment), load_others(config))
    values = {key: [plain(v) for v in each] for key, each in zip(grid.keys, grid.values, strict=True)}
    return replace(made, config={**made.config, "grid": values, "grid_keys": list(grid.keys)})


def _state(folder: Path, inputs: Inputs, resume: bool) -> str:
    """Look at a folder without touching it: "new", "begun", "complete", or "outdated" by other code."""
    if not (folder / MANIFEST).exists():
        if resume:
            raise RunFolderError(f"{folder} holds no sweep to resume: leave out --resume to begin one.")
        if folder.is_dir() and any(not entry.name.startswith(".") for entry in folder.iterdir()):
            raise RunFolderError(
                f"{folder} holds files that are not a sweep's: choose an empty folder with --out."
            )
        return "new"
    manifest = own_manifest(folder)
    if _unbound(folder, manifest) and not resume:
        return "new"
    changed, made_otherwise = other_settings(manifest["inputs"], inputs), other_code(folder, inputs)
    if changed or (made_otherwise and resume):
        told = (changed or made_otherwise)[:3]
        raise RunFolderError(
            f"{folder} holds something else ({'; '.join(told)}): choose another folder with --out, or delete "
            "this one."
        )
    if made_otherwise:
        return "outdated"
    whole = manifest["state"] == "complete" and all(
        (folder / name).exists() and sha256_of(folder / name) == digest
        for name, digest in manifest["outputs"].items()
    )
    return "complete" if whole else "begun"


def _unbound(folder: Path, manifest: dict[str, Any]) -> bool:
    """Whether a folder is that of a sweep which ended before its first batch."""
    swept = "grid" in manifest["inputs"]["config"] and manifest["state"] != "complete"
    return swept and not any((folder / PARTS).glob("[0-9]*"))


def _batch(
    folder: Path, columns: Columns, batch: Batch, grid: Grid, trials: Trials, record: Record | None
) -> Ran:
    """Return a batch from its file, or run it, enter its columns in the ledger and keep it."""
    place = folder / PARTS / f"{batch.columns.start:09d}"
    kept = _read(place, batch.columns.stop - batch.columns.start)
    if kept is not None:
        return kept
    made = columns.run(batch)
    if record is not None:
        record(list(trials.of(grid, batch.columns, made.table)))
    buffer = io.BytesIO()
    np.savez(buffer, **made._asdict())
    body = buffer.getvalue()
    make_folder(place.parent)
    write_bytes(place, hashlib.sha256(body).digest() + body)
    return made


def _read(place: Path, n_columns: int) -> Ran | None:
    if not place.exists():
        return None
    content = place.read_bytes()
    if hashlib.sha256(content[_HASH:]).digest() != content[:_HASH]:
        return None
    with np.load(io.BytesIO(content[_HASH:]), allow_pickle=False) as kept:
        made = Ran(kept["table"], kept["gains"], int(kept["first"]))
    return made if made.table.shape == (n_columns, len(MEASURES)) else None


def _stored(folder: Path, grid: Grid) -> FloatArray:
    import pandas as pd

    frame = pd.read_parquet(folder / TABLE, columns=list(MEASURES))
    return np.asarray(frame.to_numpy(np.float64).reshape(len(grid), len(MEASURES)))


def _book_beside(folder: Path, inputs: Inputs, watcher: Watching) -> Ledger | None:
    """Return the ledger beside a folder; None, with a note, where it cannot be written."""
    book = Ledger.beside(folder)
    try:
        book.extend(inputs.data_sha256, ())
    except RunFolderError as error:
        watcher.note(f"the columns of this sweep are not counted: {error}")
        return None
    return book


def _known(book: Ledger, sweep: Sweep, trials: Trials, data_sha256: str) -> tuple[Tried, Others | None]:
    """Keep the returns of these columns in the ledger, and return what it holds besides."""
    returns, found = sweep.returns, None
    if returns is not None and len(sweep) <= MOST:
        own = [trial.same for trial in trials.of(sweep.grid, slice(0, len(sweep)), sweep.table)]
        made, days = sweep.measure("trades").astype(int), by_day(returns.table, returns.day)
        first = int(returns.day[0])
        told = zip(own, made, days.T, strict=True)
        keep(book, (Kept(same, int(count), first, column) for same, count, column in told))
        found = others_of(book, data_sha256, set(own), returns.day)
    return book.tried(data_sha256), found


def _write(
    folder: Path, sweep: Sweep, said: Judged, predicted: Bars, manifest: dict[str, Any], inputs: Inputs
) -> None:
    buffer = io.BytesIO()
    table_of(sweep).to_parquet(buffer, index=False)
    write_bytes(folder / TABLE, buffer.getvalue())
    write_json(folder / EVIDENCE, said.as_json())
    write_bytes(folder / PAGE, page.render(sweep, said, predicted, inputs).encode())
    outputs = {name: sha256_of(folder / name) for name in (TABLE, EVIDENCE, PAGE)}
    made = {
        **{name: value for name, value in manifest.items() if name != "state"},
        "key": inputs.key,
        "columns": len(sweep),
        "sources": sources_of(sweep.config),
        "state": "complete",
        "outputs": outputs,
    }
    write_json(folder / MANIFEST, made)
    # They hold the returns of every column, and would be larger than all else.
    shutil.rmtree(folder / PARTS, ignore_errors=True)


def table_of(sweep: Sweep) -> Any:
    """Return the columns as a flat table: keys, with values that are no numbers as text, then measures."""
    frame = sweep.frame().reset_index()
    for key, values in zip(sweep.grid.keys, sweep.grid.values, strict=True):
        kinds = {
            bool if isinstance(v, bool) else float if isinstance(v, int | float) else type(v) for v in values
        }
        if kinds - {bool, float} or len(kinds) > 1:
            frame[key] = [_text(value) for value in frame[key]]
    return frame


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(plain(value))
