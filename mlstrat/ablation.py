"""What sentiment was worth: the same windows, with sentiment and without it.

As a rule models see no sentiment: it enters behind them, where scores become odds. Then nothing is fitted
anew here but the odds of each window, on its own calibration tail, once with a vote of sentiment and once
without. Where models see it (`sentiment.features`), the run without it is one of models that do not, fitted
on the same windows, labels and seeds.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mlstrat.arrays import BoolArray, FloatArray
from mlstrat.controls import seed_row
from mlstrat.execution.kernel import simulate
from mlstrat.foldcache import FoldCache
from mlstrat.foldstore import FoldStore
from mlstrat.har import mean_interval
from mlstrat.inputs import without_mood
from mlstrat.models.scores import log_losses
from mlstrat.pipeline import Run, Watcher, run_panel
from mlstrat.predictions import Predictions, SentimentGate
from mlstrat.reports.ablation import Ablation, Variant
from mlstrat.signals.decide import decide
from mlstrat.signals.gate import memory_of
from mlstrat.signals.odds import break_even_threshold, overlap_of
from mlstrat.signals.terms import risk_rules, trade_terms
from mlstrat.transfer import load_start
from mlstrat.walkforward import Fits, predictions_of
from mlstrat.window import FittedWindow, forecast_width, rescored
from mlstrat.window_odds import odds_in, sentiment_memory


def ablation_of(
    made: Run,
    store: FoldStore,
    watcher: Watcher | None = None,
    cache: FoldCache | None = None,
    fits: Fits | None = None,
) -> Ablation | None:
    """Compare a finished run with the same run without sentiment, and with sentiment at its whole weight.

    Parameters
    ----------
    made : Run
        The run.
    store : FoldStore
        Its windows.
    watcher : Watcher, optional
        Told what goes on.
    cache, fits
        As for `mlstrat.pipeline.run`; nothing is fitted where the models see no sentiment.

    Returns
    -------
    Ablation or None
        None where no predicted bar with a known outcome has known sentiment, or the settings give it no
        weight and show it to no model.
    """
    mood, known = made.panel.mood, made.predictions.known
    seen, weight = made.config.sentiment.features, made.config.signals.sentiment_weight
    if not (seen or weight > 0.0) or not (mood.known & known).any():
        return None
    watcher = watcher or Watcher()
    always = _executed(made, _with_share(made, store, 1.0))
    without = _unseen(made, watcher, cache, fits) if seen else _executed(made, _with_share(made, store, 0.0))
    base = _losses(without)
    judged = np.asarray(mood.known & np.isfinite(base))
    if not judged.any():
        return None
    nobody = "not seen, no vote" if seen else "no vote"
    runs = {nobody: without, "as it counts in this run": made, "whole weight": always}
    rows = (_variant(name, one, base, judged) for name, one in runs.items())
    nothing, gated, whole = rows
    windows = made.predictions.windows
    heard = sum(window.sentiment.share > 0.0 for window in windows)
    return Ablation(nothing, gated, whole, int(judged.sum()), heard, len(windows), seen)


def _unseen(made: Run, watcher: Watcher, cache: FoldCache | None, fits: Fits | None) -> Run:
    """Return the run of models that see no sentiment, which has no vote either."""
    watcher.stage("fitting the models without sentiment")
    sentiment = made.config.sentiment.model_copy(update={"features": False})
    signals = made.config.signals.model_copy(update={"sentiment_weight": 0.0})
    config = made.config.model_copy(update={"sentiment": sentiment, "signals": signals})
    features = without_mood(made.panel.features)
    start = load_start(config, features.names, made.panel.bars.timeframe)
    panel = replace(made.panel, features=features, start=start)
    return run_panel(panel, config, cache=cache, fits=fits)


def _with_share(made: Run, store: FoldStore, share: float) -> Predictions:
    """Return the run's predictions with sentiment's confidence multiplied by `share` in every window."""
    panel, config, schedule = made.panel, made.config, made.schedule
    mood, close_time, resolved_at = panel.mood, panel.bars.close_time, panel.labels.resolved_at
    table = np.full((len(panel.bars), forecast_width(config)), np.nan)
    fitted: dict[int, FittedWindow] = {}
    for window in made.predictions.windows:
        kept = store.load(window.fold)
        if kept is None:
            raise AssertionError("a window of a finished run is gone")
        was, block = kept
        fold = schedule.fold(window.fold, close_time, resolved_at, panel.features.ready)
        odds = odds_in(was.inner, panel, fold, config, share)
        rows = fold.test
        table[rows] = rescored(block, mood.score[rows], mood.confidence[rows] * share, odds, config)
        long, short = (break_even_threshold(side) for side in odds)
        gate = replace(was.window, sentiment=SentimentGate(share))
        fitted[window.fold] = replace(was, odds=odds, threshold=(long, short), window=gate)
    told = panel.bars.symbol, panel.bars.time, table, made.predictions.fold
    terms = trade_terms(config, panel.bars.instrument)
    return predictions_of(*told, fitted, terms, made.predictions.joined)


def _executed(made: Run, said: Predictions) -> Run:
    panel, config = made.panel, made.config
    told = panel.bars, said, panel.mood, panel.atr_px, config
    decisions = decide(*told, flags=made.decisions.flags, confirmed=made.confirmed)
    result = simulate(panel.bars, decisions, risk_rules(config, panel.bars))
    return replace(made, predictions=said, decisions=decisions, result=result)


def _losses(made: Run) -> FloatArray:
    """(n_bars,) log loss of the win probabilities of a long and a short, in nats; NaN where not known."""
    net, said = made.panel.outcomes.net, made.predictions
    judged = np.isfinite(said.win_prob) & np.isfinite(net)
    loss = np.full(net.shape, np.nan)
    loss[judged] = log_losses(said.win_prob[judged], (net[judged] > 0).astype(np.float64))
    return np.asarray(loss.mean(axis=1))


def _variant(name: str, one: Run, base: FloatArray, judged: BoolArray) -> Variant:
    loss = _losses(one)[judged]
    held = one.panel.outcomes.held[judged]
    overlap = overlap_of(held[np.isfinite(held)])
    gain = mean_interval(base[judged] - loss, memory_of(sentiment_memory(one.panel, one.config), overlap))
    money = seed_row(one)
    return Variant(name, float(loss.mean()), gain, money.trades, money.total_return, money.sharpe)
