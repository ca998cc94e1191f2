"""The composition root: bars and headlines in, one run folder out. It holds no maths."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.config import RunConfig
from mlstrat.data import quality
from mlstrat.data.bars import Bars
from mlstrat.data.sources import read_bars
from mlstrat.errors import ConfigError
from mlstrat.execution.kernel import simulate
from mlstrat.execution.types import Decisions, Result
from mlstrat.features.matrix import build
from mlstrat.files import locked, make_folder, write_bytes, write_json
from mlstrat.foldstore import FoldStore
from mlstrat.predictions import Predictions
from mlstrat.reports import page, tearsheet
from mlstrat.reports.story import Story, Strict
from mlstrat.runfolder import FOLDS, MANIFEST, Inputs, inputs_of, open_folder
from mlstrat.sentiment.align import SentimentSeries
from mlstrat.sentiment.series import mood_for
from mlstrat.signals.decide import decide, risk_rules
from mlstrat.signals.funnel import Funnel, funnel_of
from mlstrat.signals.stopper import stopper
from mlstrat.splits import Schedule
from mlstrat.walkforward import ATR_FEATURE, schedule_for, walk_forward
from mlstrat.window import Panel, make_panel

if TYPE_CHECKING:
    import pandas as pd

ENGINES = ("kernel", "backtrader")


class Watcher:
    """What a run tells while it works; the default keeps silent."""

    def stage(self, text: str) -> None:
        """Begin a stage, described by a few words."""

    def note(self, text: str) -> None:
        """Say something about the data that the user should know."""

    def windows(self, done: int, total: int) -> None:
        """Report the windows fitted so far."""


@dataclass(frozen=True, eq=False)
class Run:
    """A run in memory.

    Parameters
    ----------
    config : RunConfig
        Its settings.
    panel : Panel
        Bars, features, sentiment and labels.
    schedule : Schedule
        Its windows.
    predictions : Predictions
        Out of sample.
    decisions : Decisions
        One candidate a bar.
    result : Result
        From the engine asked for.
    funnel : Funnel
        How far the bars came.
    """

    config: RunConfig
    panel: Panel
    schedule: Schedule
    predictions: Predictions
    decisions: Decisions
    result: Result
    funnel: Funnel


@dataclass(frozen=True)
class Finished:
    """A run on disk: its folder, what it says in plain words, and whether it was already there."""

    folder: Path
    verdict: tuple[str, ...]
    metrics: dict[str, Any]
    reused: bool


def load_bars(config: RunConfig) -> Bars:
    """Read the run's bars."""
    data = config.data
    facts = {name: value for name, value in config.instrument.model_dump().items() if value is not None}
    return read_bars(
        data.bars,
        symbol=data.symbol,
        timeframe=data.timeframe,
        tz=data.tz,
        start=data.start,
        end=data.end,
        instrument=facts,
    )


def load_panel(bars: Bars, mood: SentimentSeries, config: RunConfig) -> Panel:
    """Compute features and labels of the bars."""
    features = build(bars, config.features.names, config.features.families)
    atr_px = build(bars, [ATR_FEATURE]).column(ATR_FEATURE).copy()
    return make_panel(bars, features, atr_px, mood, config)


def run(
    config: RunConfig,
    *,
    bars: Bars | None = None,
    engine: str = "kernel",
    store: FoldStore | None = None,
    watcher: Watcher | None = None,
    mood: SentimentSeries | None = None,
) -> Run:
    """Run a configuration in memory: bars to result, nothing written.

    Parameters
    ----------
    config : RunConfig
        The run.
    bars : Bars, optional
        Instead of those the configuration names.
    engine : {"kernel", "backtrader"}
        Where the decisions are executed; the trades are the same.
    store : FoldStore, optional
        Keeps finished windows.
    watcher : Watcher, optional
        Told what goes on.
    mood : SentimentSeries, optional
        Instead of the headlines the configuration names; aligned with `bars`.

    Raises
    ------
    ConfigError, DataError, ModelError, MissingExtraError
        The run cannot be made; the message says what to do.
    """
    watcher = watcher or Watcher()
    bars = bars or load_bars(config)
    if mood is None:
        watcher.stage("scoring headlines")
        mood = mood_for(bars, config.sentiment)
    watcher.stage("computing features and labels (compiled once, then cached)")
    panel = load_panel(bars, mood, config)
    schedule = schedule_for(bars, panel.features.ready, config)
    watcher.stage("walking forward")
    predictions = walk_forward(panel, schedule, config, store, watcher.windows)
    watcher.stage(f"executing in {engine}")
    decisions = decide(bars, predictions, mood, panel.atr_px, config)
    result = execute(bars, decisions, config, engine)
    return Run(config, panel, schedule, predictions, decisions, result, funnel_of(decisions, result))


def execute(bars: Bars, decisions: Decisions, config: RunConfig, engine: str) -> Result:
    """Execute decisions in one of `ENGINES`."""
    rules = risk_rules(config, bars)
    if engine == "kernel":
        return simulate(bars, decisions, rules)
    from mlstrat.engines import on_backtrader

    return on_backtrader.run(bars, decisions, rules)


def backtest(
    config: RunConfig,
    folder: Path,
    *,
    engine: str = "backtrader",
    resume: bool = False,
    watcher: Watcher | None = None,
) -> Finished:
    """Run a configuration into a folder, going on where an interrupted run of the same inputs stopped.

    The folder receives report.html, quantstats.html, metrics.json, predictions.parquet,
    decisions.parquet, trades.csv, manifest.json and the fitted windows.

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

    Raises
    ------
    RunFolderError
        The folder cannot be used.
    ConfigError, DataError, ModelError, MissingExtraError
        The run cannot be made.
    """
    watcher = watcher or Watcher()
    if engine not in ENGINES:
        raise ConfigError(f"there is no engine {engine!r}: use one of {', '.join(ENGINES)}.")
    watcher.stage("reading bars and scoring headlines")
    bars = load_bars(config)
    for sentence in data_notes(bars, config):
        watcher.note(sentence)
    mood = mood_for(bars, config.sentiment)
    inputs = inputs_of(config, engine, bars, mood)
    existed = folder.exists()
    if not existed:
        make_folder(folder)
    with locked(folder):
        manifest = open_folder(folder, inputs, resume)
        if manifest["state"] == "complete":
            return _finished(folder, reused=True)
        store = FoldStore(folder / FOLDS, inputs.key)
        made = run(config, bars=bars, engine=engine, store=store, watcher=watcher, mood=mood)
        watcher.stage("writing the report")
        _write(folder, made, manifest, inputs)
        return _finished(folder, reused=False)


def _write(folder: Path, made: Run, manifest: dict[str, Any], inputs: Inputs) -> None:
    predictions, decisions = made.predictions.frame(), made.decisions.frame()
    trades = made.result.trades_frame().to_csv(index=False, date_format="%Y-%m-%d %H:%M:%S%z").encode()
    write_bytes(folder / "predictions.parquet", _parquet(predictions))
    write_bytes(folder / "decisions.parquet", _parquet(decisions))
    write_bytes(folder / "trades.csv", trades)
    manifest = {
        **manifest,
        "key": inputs.key,
        "config": made.config.model_dump(mode="json"),
        "windows": [window.model_sha256 for window in made.predictions.windows],
        "predictions_sha256": _digest(predictions),
        "decisions_sha256": _digest(decisions),
        "trades_sha256": hashlib.sha256(trades).hexdigest(),
    }
    story = _story(made, manifest)
    tearsheet.write(folder, story.judged.result, story.judged.bars)
    page.write(folder, story)
    manifest["outputs"] = sorted(p.name for p in folder.iterdir() if p.is_file() and p.name[0] != ".")
    write_json(folder / MANIFEST, {**manifest, "state": "complete"})


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
        notes=_notes(made),
        sentiment_share=share,
        stopper=stopper(made.funnel, made.predictions, made.decisions, made.config),
    )


def _strict(made: Run) -> Strict:
    kelly = made.config.kelly.model_copy(update={"shrink": "strict"})
    config = made.config.model_copy(update={"kelly": kelly})
    panel, known = made.panel, made.predictions.known
    decisions = decide(panel.bars, made.predictions, panel.mood, panel.atr_px, config)
    result = simulate(panel.bars, decisions, risk_rules(config, panel.bars))
    funnel = funnel_of(decisions, result)
    return Strict(funnel.trades, float(np.mean(decisions.side[known] != 0)), funnel)


def data_notes(bars: Bars, config: RunConfig) -> tuple[str, ...]:
    """Return what there is to know about the bars: a short training window, gaps, flat bars, spikes."""
    report = quality.check(bars)
    warning = report.training_warning(config.splits.training_days)
    return ((warning,) if warning else ()) + tuple(report.lines())


def _notes(made: Run) -> tuple[str, ...]:
    bars = made.panel.bars
    notes = [*data_notes(bars, made.config), *made.panel.mood.notes]
    if made.result.engine != "kernel":
        notes.append(parity_sentence(made.result, simulate(bars, made.decisions, made.result.rules)))
    if made.result.cancelled:
        notes.append(f"{made.result.cancelled} entries were cancelled: the next open could not be paid.")
    return tuple(notes)


def parity_sentence(result: Result, kernel: Result) -> str:
    """Say how many trades an engine and the kernel made alike: same bars, side, units and prices."""
    ours, theirs = kernel.trades, result.trades
    n = min(len(ours), len(theirs))
    alike = np.ones(n, bool)
    for name in ("entry_bar", "exit_bar", "side", "units", "entry_price", "exit_price", "reason"):
        alike &= getattr(ours, name)[:n] == getattr(theirs, name)[:n]
    return (
        f"Trades identical in {result.engine} and the kernel: {int(alike.sum()):,} of "
        f"{max(len(ours), len(theirs)):,}."
    )


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
