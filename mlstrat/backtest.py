"""A run in a folder: begun, interrupted, resumed or already there; with its files and its report."""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlstrat.ablation import ablation_of
from mlstrat.arrays import BoolArray, FloatArray
from mlstrat.beside import cache_beside, known_beside, trials_beside
from mlstrat.capsule import load
from mlstrat.config import RunConfig
from mlstrat.controls import controls_of
from mlstrat.data import quality
from mlstrat.data.bars import Bars
from mlstrat.data.carry import BORROW, FUNDING
from mlstrat.execution.kernel import simulate
from mlstrat.execution.types import Result
from mlstrat.files import locked, make_folder, sha256_of, write_bytes, write_json
from mlstrat.foldstore import MODEL, FoldStore
from mlstrat.parity.compare import compare
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
from mlstrat.reports.evidence_numbers import bar_returns
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
from mlstrat.signals.confirmation import told
from mlstrat.signals.decide import conformal_of, decide
from mlstrat.signals.funnel import funnel_of
from mlstrat.signals.overlap import overlap_of
from mlstrat.signals.risk import risk_of_trades
from mlstrat.signals.stopper import stopper
from mlstrat.signals.terms import risk_rules
from mlstrat.walkforward import Fits, check_windows, schedule_for

if TYPE_CHECKING:
    import pandas as pd

_MOST_CHOSEN = 12  # features named in the note on selection
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
    told = bar_returns(judged)
    tried, others = known_beside(folder, inputs, judged.bars.close_time, told, closed, watcher)
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
        notes=_notes(made),
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


def data_notes(bars: Bars, config: RunConfig) -> tuple[str, ...]:
    """Return what there is to know about the bars: a short training window, gaps, flat bars, spikes."""
    report = quality.check(bars)
    warning = report.training_warning(config.splits.training_days)
    return ((warning,) if warning else ()) + tuple(report.lines())


def _notes(made: Run) -> tuple[str, ...]:
    bars = made.panel.bars
    notes = [*data_notes(bars, made.config), *made.panel.mood.notes, _costs(made), *_silent(made)]
    if made.config.tune.trials:
        notes.append(
            f"The sizes of each window's models were chosen by {made.config.tune.trials} trials on its own "
            "training rows; tuning.json in the window's folder lists them."
        )
    notes.append(_calibration(made))
    if made.config.signals.conformal:
        notes.append(_conformal(made))
    if made.confirmed is not None:
        notes.append(_confirmed(made.confirmed[made.predictions.known], made.config))
    if made.config.features.select:
        notes.append(_selection(made))
    if not bars.has_volume and not made.config.features.names:
        notes.append("The volume features were left out, because the bars have no volume.")
    if made.result.engine != "kernel":
        notes.append(_parity(made, simulate(bars, made.decisions, made.result.rules)))
    if made.result.cancelled:
        notes.append(f"{made.result.cancelled} entries were cancelled: the next open could not be paid.")
    return tuple(notes)


def _selection(made: Run) -> str:
    windows, names = made.predictions.windows, made.panel.features.names
    if made.config.features.select >= len(names):
        return f"features.select is {made.config.features.select} and there are {len(names)}: all are used."
    times = Counter(name for window in windows for name in window.selected)
    most = ", ".join(f"{name} ({count})" for name, count in times.most_common(_MOST_CHOSEN))
    kept = sorted({len(window.selected) for window in windows})
    return (
        f"Each window chose {' to '.join(map(str, dict.fromkeys((kept[0], kept[-1]))))} of {len(names)} "
        f"features on its own training rows; most often, of {len(windows)} windows: {most}."
    )


def _calibration(made: Run) -> str:
    """Say which calibration maps the windows chose."""
    windows = made.predictions.windows
    parts = []
    for place, what in enumerate(("a rise", "a long that wins", "a short that wins")):
        times = Counter(window.calibration[place] for window in windows)
        parts.append(f"of {what} " + ", ".join(f"{name} {count}" for name, count in times.most_common()))
    how = "chosen by" if made.config.models.calibration == "auto" else "set by the run file, not by"
    return (
        f"Calibration maps in {len(windows)} windows, {how} the log loss on data that they were not fitted "
        f"on: for the probability {'; '.join(parts)}."
    )


def _conformal(made: Run) -> str:
    said = conformal_of(made.panel.bars, made.predictions, made.config)
    known = made.predictions.known
    return (
        f"The conformal set held the realised direction of {said.coverage:.1%} of {said.resolved:,} bars "
        f"(asked: {made.config.signals.conformal:.1%}), and one direction alone at "
        f"{np.mean(said.direction[known] != 0):.1%} of the predicted bars; at the others there is no trade."
    )


def _confirmed(confirmed: BoolArray, config: RunConfig) -> str:
    long, short = confirmed.mean(axis=0)
    return (
        f"An entry needs a condition to hold at its deciding close ({told(config.signals)}); of the "
        f"predicted bars it holds at {long:.1%} for a long and at {short:.1%} for a short."
    )


def _costs(made: Run) -> str:
    rules = made.result.rules
    fills = (
        f"Each fill pays {rules.fee_share:.4%} of its value, and market and stop fills slip by "
        f"{rules.slippage_ticks:g} ticks"
    )
    carry = made.panel.bars.carry
    if carry is None:
        return f"{fills}; funding and borrowing of shorts are not charged."
    charged, paid = [one.name for one in carry.series], float(np.sum(made.result.trades.funding))
    others = [f"no {name} is charged" for name in (FUNDING, BORROW) if name not in charged]
    return (
        f"{fills}. {' and '.join(charged).capitalize()} {'are' if others == [] else 'is'} charged at each "
        f"stamp while a position is held, {paid:,.2f} {made.panel.bars.instrument.currency} in all"
        f"{''.join(f'; {other}' for other in others)}."
    )


def _silent(made: Run) -> tuple[str, ...]:
    """Say where a series of funding or borrow does not cover the predicted bars."""
    bars, known = made.panel.bars, made.predictions.known
    if bars.carry is None or not known.any():
        return ()
    return bars.carry.told(bars.time[known][0], bars.close_time[known][-1])


def _parity(made: Run, kernel: Result) -> str:
    """Say how many trades the engine and the kernel made alike; `mlstrat verify` tells of the others."""
    found = compare(kernel, made.result, made.panel.bars)
    return f"Trades identical in {found.engine} and the kernel: {found.identical:,} of {found.total:,}."


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
