"""One walk-forward window: fit on the past, then forecast bar by bar. Used by batch and live alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlstrat.arrays import FloatArray, njit
from mlstrat.calibration import name_of
from mlstrat.config import RunConfig
from mlstrat.models.ensemble import (
    COLUMNS,
    PROB_UP,
    EnsembleArrays,
    advance_block,
    ensemble_sha256,
    predict_row,
    start_state,
)
from mlstrat.models.fitting import fit_with_guests
from mlstrat.models.guests import Guest, given_votes
from mlstrat.models.sample import Sample
from mlstrat.models.selection import Selection
from mlstrat.models.stacking import Inner
from mlstrat.panel import Panel
from mlstrat.predictions import Window
from mlstrat.signals.blend import blend
from mlstrat.signals.novelty import novelty_row
from mlstrat.signals.odds import Odds, break_even_threshold, odds_row
from mlstrat.splits import Fold
from mlstrat.tune import Tuning, tune
from mlstrat.window_odds import gate_in, odds_in

# Columns of a forecast row; the first five are the ensemble's own, votes that join the three stand behind.
SCORE, WIN_LONG, WIN_SHORT, SE_LONG, SE_SHORT, NOVELTY = range(5, 11)
FORECAST_COLUMNS = 11


@dataclass(frozen=True, eq=False)
class FittedModels:
    """What was learned from a window's own rows: no trade, no headline and no later bar has a say in it.

    Parameters
    ----------
    ensemble : EnsembleArrays
        What predicts.
    inner : Inner
        What it said on the calibration tail.
    state : (2, units) float64
        The LSTM's state after the last training row.
    guests : tuple of Guest
        The user's own models that are no trees.
    tuning : Tuning, optional
        How their sizes were chosen; None where the run file says them.
    """

    ensemble: EnsembleArrays
    inner: Inner
    state: FloatArray
    guests: tuple[Guest, ...] = ()
    tuning: Tuning | None = None


@dataclass(frozen=True, eq=False)
class FittedWindow:
    """A window's model, its odds per side (long, short), its entry thresholds, and where it came from.

    `guests` are the user's own models that are no trees, `tuning` is how sizes were chosen.
    """

    ensemble: EnsembleArrays
    odds: tuple[Odds, Odds]
    threshold: tuple[float, float]
    window: Window
    inner: Inner
    guests: tuple[Guest, ...] = ()
    tuning: Tuning | None = None


def fit_window(panel: Panel, fold: Fold, until: np.datetime64, config: RunConfig) -> FittedWindow:
    """Fit one window on what was known at its cut.

    Parameters
    ----------
    panel : Panel
        Bars after the cut may be present or not: they change nothing.
    fold : Fold
        The window's bars.
    until : datetime64[ns]
        Where the next window begins.
    config : RunConfig
        The run.
    """
    return window_of(panel, fold, until, config, fit_models(panel, fold, config))


def fit_models(panel: Panel, fold: Fold, config: RunConfig) -> FittedModels:
    """Fit the models of a window, which is nearly all of its work, in one thread: others fit beside it.

    What is read here is what `mlstrat.foldcache.fold_key` hashes.
    """
    from threadpoolctl import threadpool_limits

    sample, models, tuning = _sample(panel, fold, config), config.models, None
    selection = Selection(config.features.select, config.features.select_by)
    share, seeds = config.splits.calibration_share, seeds_of(config, fold)
    with threadpool_limits(1):
        if config.tune.trials:
            tuning = tune(sample, models, config.tune, share, seeds, selection)
            models = tuning.models(models)
        ensemble, inner, guests = fit_with_guests(sample, models, share, seeds, selection=selection)
    state = start_state(ensemble.models)
    advance_block(sample.x[fold.first : int(fold.train[-1]) + 1], state, ensemble)
    return FittedModels(ensemble, inner, state, guests, tuning)


def _sample(panel: Panel, fold: Fold, config: RunConfig) -> Sample:
    labels = panel.labels
    return Sample(
        x=panel.features.values,
        ret=labels.ret,
        up=labels.up,
        resolved_at=labels.resolved_at,
        close_time=panel.bars.close_time,
        first=fold.first,
        train=fold.train,
        overlap=float(config.labels.target_periods),
        embargo=config.splits.embargo_bars,
        start=panel.start,
    )


def window_of(
    panel: Panel, fold: Fold, until: np.datetime64, config: RunConfig, models: FittedModels
) -> FittedWindow:
    """Estimate a window's odds and thresholds from what its models said; parameters as for `fit_window`."""
    ensemble, inner = models.ensemble, models.inner
    gate = gate_in(inner, panel, fold, config)
    odds = odds_in(inner, panel, fold, config, gate.share)
    maps = (ensemble.stack.curve, *(side.curve for side in odds))
    window = Window(
        fold=fold.index,
        train_from=panel.bars.time[fold.first],
        cut=fold.cut,
        valid_from=fold.cut,
        valid_to=until,
        n_train=len(fold.train),
        n_calibration=len(inner.rows),
        purged=fold.purged,
        purged_inner=inner.purged,
        base_rate=float(panel.labels.up[fold.train].mean()),
        model_sha256=ensemble_sha256(ensemble),
        selected=_selected(panel.features.names, ensemble) if config.features.select else (),
        calibration=tuple(name_of(curve) for curve in maps),
        sentiment=gate,
    )
    long, short = odds
    threshold = (break_even_threshold(long), break_even_threshold(short))
    return FittedWindow(ensemble, (long, short), threshold, window, inner, models.guests, models.tuning)


def _selected(names: tuple[str, ...], ensemble: EnsembleArrays) -> tuple[str, ...]:
    return tuple(name for name, edges in zip(names, ensemble.models.edges, strict=True) if edges[0] < np.inf)


def seeds_of(config: RunConfig, fold: Fold) -> tuple[int, int, int]:
    """Return the seeds of a window's forest, booster and LSTM."""
    # Seeded by when the window is fitted, not by its number: the first window dropped changes no other.
    day = int(fold.cut.astype("datetime64[D]").astype(np.int64))
    forest, boosting, lstm = np.random.SeedSequence([config.seed, day]).generate_state(3) >> 1
    return int(forest), int(boosting), int(lstm)


def forecast_block(
    x: FloatArray,
    mood_score: FloatArray,
    mood_confidence: FloatArray,
    fitted: FittedWindow,
    state: FloatArray,
    config: RunConfig,
) -> FloatArray:
    """Forecast consecutive bars.

    Parameters
    ----------
    x : (n_rows, n_features) float64
        Their features.
    mood_score, mood_confidence : (n_rows,) float64
        Their sentiment.
    fitted : FittedWindow
        The model.
    state : (2, units) float64
        The LSTM's state before the first of them; changed in place.
    config : RunConfig
        For the weights of the blend.

    Returns
    -------
    (n_rows, forecast_width) float64
        prob_up, magnitude, three votes, score, then (long, short) of win probability and of its
        standard error, novelty, then the votes of own models that join the three.
    """
    weights = config.signals.ml_weight, config.signals.sentiment_weight
    ensemble, guests = fitted.ensemble, fitted.guests
    out = np.full((len(x), forecast_width(config)), np.nan)
    behind = FORECAST_COLUMNS - COLUMNS
    places = [guest.place + behind * (guest.place >= COLUMNS) for guest in guests]
    out[:, places] = given_votes(x, ensemble.models.edges, guests)
    heard = mood_confidence * fitted.window.sentiment.share
    _forecast_block(x, mood_score, heard, ensemble, *fitted.odds, *weights, state, out)
    return out


def rescored(
    block: FloatArray,
    mood_score: FloatArray,
    mood_confidence: FloatArray,
    odds: tuple[Odds, Odds],
    config: RunConfig,
) -> FloatArray:
    """Return forecast rows as they were with other odds and other sentiment.

    Parameters
    ----------
    block : (n_rows, forecast_width) float64
        As from `forecast_block`; not changed.
    mood_score, mood_confidence : (n_rows,) float64
        Sentiment, and its confidence as far as it counts.
    odds : (Odds, Odds)
        Of a long and of a short.
    config : RunConfig
        For the weights of the blend.
    """
    out, signals = block.copy(), config.signals
    _rescore(out, mood_score, mood_confidence, *odds, signals.ml_weight, signals.sentiment_weight)
    return out


def forecast_width(config: RunConfig) -> int:
    """Return the columns of a forecast row: 11, and one for each own model that joins the three."""
    return FORECAST_COLUMNS + len(config.models.joined)


def forecast_window(
    panel: Panel, fold: Fold, fitted: FittedWindow, state: FloatArray, config: RunConfig
) -> tuple[FloatArray, FloatArray]:
    """Forecast a window's bars from the LSTM's state after its last training row.

    Returns
    -------
    (2, units) float64
        The state before the first of them.
    (n_test, forecast_width) float64
        As `forecast_block`.
    """
    x, mood = panel.features.values, panel.mood
    rows = slice(int(fold.test[0]), int(fold.test[-1]) + 1)
    at_start = state.copy()
    advance_block(x[int(fold.train[-1]) + 1 : rows.start], at_start, fitted.ensemble)
    running = at_start.copy()
    block = forecast_block(x[rows], mood.score[rows], mood.confidence[rows], fitted, running, config)
    return at_start, block


def state_before(x: FloatArray, fold: Fold, fitted: FittedWindow) -> FloatArray:
    """Return the LSTM's state before the first bar of `fold.test`, run from zero at `fold.first`."""
    state = start_state(fitted.ensemble.models)
    stop = int(fold.test[0]) if len(fold.test) else len(x)
    advance_block(x[fold.first : stop], state, fitted.ensemble)
    return state


@njit
def _forecast_block(
    x: FloatArray,
    mood_score: FloatArray,
    mood_confidence: FloatArray,
    ensemble: EnsembleArrays,
    long: Odds,
    short: Odds,
    ml_weight: float,
    sentiment_weight: float,
    state: FloatArray,
    out: FloatArray,
) -> None:
    row = np.empty(COLUMNS + out.shape[1] - FORECAST_COLUMNS)
    for t in range(len(x)):
        row[:COLUMNS], row[COLUMNS:] = out[t, :COLUMNS], out[t, FORECAST_COLUMNS:]
        predict_row(x[t], state, ensemble, row)
        out[t, :COLUMNS], out[t, FORECAST_COLUMNS:] = row[:COLUMNS], row[COLUMNS:]
        score = blend(out[t, PROB_UP], mood_score[t], mood_confidence[t], ml_weight, sentiment_weight)
        _odds_into(out[t], score, long, short)
        out[t, NOVELTY] = novelty_row(x[t], ensemble.models.edges)


@njit
def _rescore(
    out: FloatArray,
    mood_score: FloatArray,
    mood_confidence: FloatArray,
    long: Odds,
    short: Odds,
    ml_weight: float,
    sentiment_weight: float,
) -> None:
    for t in range(len(out)):
        score = blend(out[t, PROB_UP], mood_score[t], mood_confidence[t], ml_weight, sentiment_weight)
        _odds_into(out[t], score, long, short)


@njit
def _odds_into(row: FloatArray, score: float, long: Odds, short: Odds) -> None:
    row[SCORE] = score
    row[WIN_LONG], row[SE_LONG] = odds_row(score, long)
    row[WIN_SHORT], row[SE_SHORT] = odds_row(score, short)
