"""A run in a folder: begun, interrupted, resumed or already there; with its files and its report."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlstrat.ablation import ablation_of
from mlstrat.arrays import FloatArray
from mlstrat.beside import cache_beside, known_beside, trials_beside
from mlstrat.capsule import load
from mlstrat.config import RunConfig
from mlstrat.controls import controls_of
from mlstrat.data import quality
from mlstrat.execution.kernel import simulate
from mlstrat.files import locked, make_folder, sha256_of, write_bytes, write_json
from mlstrat.foldstore import MODEL, FoldStore
from mlstrat.notes import notes_of
from mlstrat.parity.trades_file import csv_bytes, trades_bytes
from mlstrat.pine.settling import settling_bars
from mlstrat.pipeline import (
    Run,
    Watcher,
    load_bars,
    load_others,
    load_panel,
    refuse_missing,
    require,
    run_panel,
)
from mlstrat.purged import as_csv, ledger
from mlstrat.reports import page, returns_file, tearsheet
from mlstrat.reports.ablation import Ablation
from mlstrat.reports.controls import Controls
from mlstrat.reports.evidence_tables import beside_sharpe
from mlstrat.reports.numbers import measure
from mlstrat.reports.story import Story, Strict
from mlstrat.runfolder import (
    FOLDS,
    MANIFEST,
    PREDICTIONS,
    SENTIMENT,
    Inputs,
    begin,
    inputs_of,
    other_code,
    set_aside,
    sources_of,
    state_of,
)
from mlstrat.sentiment.coverage import unknown_months
from mlstrat.sentiment.series import mood_for, newest_seen
from mlstrat.signals.decide import decide
from mlstrat.signals.funnel import funnel_of
from mlstrat.signals.overlap import overlap_of
from mlstrat.signals.risk import risk_of_trades
from mlstrat.signals.stopper import stopper
from mlstrat.signals.terms import risk_rules
from mlstrat.walkforward import Fits, check_windows, schedule_for

if TYPE_CHECKING:
    import pandas as pd

_REPORT = tuple((package, "report", "The report") for package in ("jinja2", "matplotlib", "quantstats"))


@dataclass(frozen=True)
class Finished:
    """A run on disk: its folder, what it says in plain words, and whether it was already there."""

    folder: Path
    verdict: tuple[str, ...]
    metrics: dict[str, Any]
    reused: bool


def backtest(
    config: RunConfig,
    folder: Path,
    *,
    engine: str = "backtrader",
    resume: bool = False,
    watcher: Watcher | None = None,
    use_cache: bool = True,
    fits: Fits | None = None,
) -> Finished:
    """Run a configuration into a folder, going on where an interrupted run of the same inputs stopped.

    The folder receives report.html, quantstats.html, metrics.json, predictions.parquet,
    decisions.parquet, sentiment.parquet, trades.csv, risk.csv, returns.csv, purged.csv, manifest.json and
    the fitted windows. Beside it lie the cache of fitted models and the trial ledger, which the runs there
    share.

    Parameters
    ----------
    config : RunConfig
        The run.
    folder : Path
        Where to write; empty, or of the same run.
    engine : {"kernel", "backtrader"}
        Where the decisions are executed.
    resume : bool
        Refuse to begin anew.
    watcher : Watcher, optional
        Told what goes on.
    use_cache : bool
        Whether models are taken from the cache and put there.
    fits : callable, optional
        Fits models elsewhere than in processes of this machine, such as `mlstrat.cluster.OnCluster`.

    Raises
    ------
    RunFolderError
        The folder cannot be used.
    ConfigError, DataError, ModelError, MissingExtraError
        The run cannot be made.
    """
    watcher = watcher or Watcher()
    require(config, engine)
    refuse_missing(_REPORT)
    watcher.stage("reading bars and scoring headlines")
    bars = load_bars(config)
    warning = quality.check(bars).training_warning(config.splits.training_days)
    if warning:
        watcher.note(warning)
    seen_until = newest_seen(config.sentiment)
    mood, others = mood_for(bars, config.sentiment, seen_until), load_others(config)
    inputs = inputs_of(config, engine, bars, mood, others)
    state = state_of(folder, inputs, resume)
    if state == "complete":
        return _finished(folder, reused=True)
    if config.sentiment.source != "none" and (unknown := unknown_months(mood)):
        watcher.note(unknown)
    watcher.stage("computing features and labels (compiled once, then cached)")
    panel = load_panel(bars, mood, config, others)
    check_windows(panel, schedule_for(bars, panel.features.ready, config), config)
    if state == "outdated":
        why = "; ".join(other_code(folder, inputs))
        watcher.note(f"{folder} was made otherwise ({why}): it is kept as {set_aside(folder)}.")
    make_folder(folder)
    with locked(folder):
        if state_of(folder, inputs, resume) == "complete":  # another process was quicker
            return _finished(folder, reused=True)
        manifest = begin(folder, inputs)
        record = trials_beside(folder, inputs, config.name, watcher)
        store = FoldStore(folder / FOLDS, inputs.key, config.models.trusted, record)
        cache = cache_beside(folder, watcher) if use_cache else None
        made = run_panel(
            panel,
            config,
            engine=engine,
            store=store,
            watcher=watcher,
            cache=cache,
            fits=fits,
            others=others,
        )
        controls = controls_of(made, watcher, cache, fits)
        ablation = ablation_of(made, store, watcher, cache, fits)
        watcher.stage("writing the report")
        sources = sources_of(config, seen_until)
        counted = watcher if record else None
        _write(folder, made, {**manifest, "sources": sources}, inputs, controls, ablation, counted)
    return _finished(folder, reused=False)


def _write(
    folder: Path,
    made: Run,
    manifest: dict[str, Any],
    inputs: Inputs,
    controls: Controls | None,
    ablation: Ablation | None,
    counted: Watcher | None,
) -> None:
    predictions, decisions, trades = (
        made.predictions.frame(),
        made.decisions.frame(),
        trades_bytes(made.result),
    )
    write_bytes(folder / PREDICTIONS, _parquet(predictions))
    write_bytes(folder / "decisions.parquet", _parquet(decisions))
    write_bytes(folder / SENTIMENT, _parquet(made.panel.mood.frame()))
    write_bytes(folder / "trades.csv", trades)
    write_bytes(folder / "risk.csv", csv_bytes(risk_of_trades(made.result, made.decisions, made.risk)))
    write_bytes(folder / "purged.csv", as_csv(ledger(made.panel, made.schedule, made.config)))
    bars = made.panel.bars
    manifest = {
        **{name: value for name, value in manifest.items() if name != "state"},
        "key": inputs.key,
        "config": made.config.model_dump(mode="json"),
        "instrument": {**asdict(bars.instrument), "bars_per_year_used": bars.bars_per_year},
        "windows": [window.model_sha256 for window in made.predictions.windows],
        **_of_windows(folder, made),
        "predictions_sha256": _digest(predictions),
        "decisions_sha256": _digest(decisions),
        "trades_sha256": hashlib.sha256(trades).hexdigest(),
    }
    story = replace(_story(made, manifest), controls=controls, ablation=ablation)
    if counted is not None:
        story = _counted(story, folder, inputs, counted)
    write_bytes(folder / returns_file.FILE_NAME, returns_file.returns_bytes(story))
    numbers = measure(story)
    said = f"{numbers.verdict[0]} {beside_sharpe(numbers.evidence)}"
    tearsheet.write(folder, story.judged.result, story.judged.bars, said)
    page.write(folder, story, numbers)
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name[0] != ".")
    outputs = {path.name: sha256_of(path) for path in files if path.name != MANIFEST}
    write_json(folder / MANIFEST, {**manifest, "state": "complete", "outputs": outputs})


def _counted(story: Story, folder: Path, inputs: Inputs, watcher: Watcher) -> Story:
    """Return the story with what was tried on the same data."""
    judged = story.judged
    closed = int(np.sum(judged.result.trades.closed))
    close_time, returns = judged.bars.close_time, judged.result.returns
    tried, others = known_beside(folder, inputs, close_time, returns, closed, watcher)
    return replace(story, tried=tried, others=others)


def _of_windows(folder: Path, made: Run) -> dict[str, Any]:
    """Return the hash of every window's file, and how long the slowest LSTM takes to forget a wrong start."""
    paths = [folder / FOLDS / f"{window.fold:03d}" / MODEL for window in made.predictions.windows]
    settles: list[int | None] = []
    for window, path in zip(made.predictions.windows, paths, strict=True):
        rows = made.predictions.fold == window.fold
        x = made.panel.features.values[rows]
        settles.append(settling_bars(load(path, made.config.models.trusted), x[np.isfinite(x).all(axis=1)]))
    known = [bars for bars in settles if bars is not None]
    # The newest window may have hardly any bars: the others tell of it.
    whole = len(known) >= max(1, len(settles) - 1)
    return {"capsules": [sha256_of(path) for path in paths], "lstm_settles": max(known) if whole else None}


def _story(made: Run, manifest: dict[str, Any]) -> Story:
    bars, known = made.panel.bars, made.predictions.known
    mood = made.panel.mood
    share = float(np.mean(mood.known[known])) if made.config.sentiment.source != "none" else float("nan")
    return Story(
        config=made.config,
        bars=bars,
        predictions=made.predictions,
        up=made.panel.labels.up,
        decisions=made.decisions,
        result=made.result,
        funnel=made.funnel,
        strict=_strict(made),
        manifest=manifest,
        notes=notes_of(made),
        sentiment_share=share,
        stopper=stopper(made.funnel, made.predictions, made.decisions, made.config),
        risk=made.risk,
        overlap=overlap_of(made.predictions, mood),
        mood=mood if made.config.sentiment.source != "none" else None,
    )


def _strict(made: Run) -> Strict:
    kelly = made.config.kelly.model_copy(update={"shrink": "strict"})
    config = made.config.model_copy(update={"kelly": kelly})
    panel, known = made.panel, made.predictions.known
    flags, confirmed = made.decisions.flags, made.confirmed
    decisions = decide(
        panel.bars, made.predictions, panel.mood, panel.atr_px, config, flags=flags, confirmed=confirmed
    )
    result = simulate(panel.bars, decisions, risk_rules(config, panel.bars))
    funnel = funnel_of(decisions, result)
    return Strict(funnel.trades, float(np.mean(decisions.side[known] != 0)), funnel)


def _parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    return buffer.getvalue()


def _digest(frame: pd.DataFrame) -> str:
    """Hash the values of a frame, independent of how a file format stores them."""
    digest = hashlib.sha256(np.asarray(frame.index.asi8).tobytes())
    for name in frame.columns:
        values: FloatArray = frame[name].to_numpy()
        content = values.tobytes() if values.dtype.kind in "fi" else "\n".join(map(str, values)).encode()
        digest.update(name.encode() + content)
    return digest.hexdigest()


def _finished(folder: Path, reused: bool) -> Finished:
    metrics = json.loads((folder / "metrics.json").read_text())
    return Finished(folder, tuple(metrics["verdict"]), metrics, reused)
