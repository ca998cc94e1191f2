"""The walk-forward over a whole series: the only place, with its bar-by-bar twin, where a model is fitted."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mlstrat.arrays import FloatArray, IntArray, TimeArray
from mlstrat.capsule import capsule_of
from mlstrat.config import RunConfig
from mlstrat.data.bars import Bars
from mlstrat.errors import ConfigError
from mlstrat.foldcache import FoldCache, fold_key
from mlstrat.foldstore import FoldStore
from mlstrat.models.ensemble import FOREST, MAGNITUDE, PROB_UP
from mlstrat.models.sample import MIN_ROWS, fit_rows, rows_needed
from mlstrat.panel import Panel
from mlstrat.predictions import Predictions, TradeTerms
from mlstrat.signals.terms import trade_terms
from mlstrat.splits import Fold, Schedule, make_schedule
from mlstrat.window import (
    FORECAST_COLUMNS,
    NOVELTY,
    SCORE,
    SE_LONG,
    SE_SHORT,
    WIN_LONG,
    WIN_SHORT,
    FittedModels,
    FittedWindow,
    fit_models,
    forecast_width,
    forecast_window,
    window_of,
)

ATR_FEATURE = "atr_px"
Progress = Callable[[int, int, int], None]
# Fits the models of these folds and yields each with its index, in any order.
Fits = Callable[[Panel, Sequence[Fold], RunConfig], Iterator[tuple[int, FittedModels]]]
Part = tuple[FittedWindow, FloatArray]


def schedule_for(bars: Bars, ready: int, config: RunConfig) -> Schedule:
    """Lay the run's windows over its bars (see `mlstrat.splits.make_schedule`); only their times matter."""
    splits = config.splits
    return make_schedule(
        bars.close_time,
        ready,
        scheme=splits.scheme,
        training_days=splits.training_days,
        retrain=splits.retrain,
        embargo=splits.embargo_bars,
        start=splits.start,
        max_windows=splits.max_windows,
    )


def walk_forward(
    panel: Panel,
    schedule: Schedule,
    config: RunConfig,
    store: FoldStore | None = None,
    progress: Progress = lambda done, total, cached: None,
    cache: FoldCache | None = None,
    fits: Fits | None = None,
) -> Predictions:
    """Fit and forecast every window, out of sample.

    Parameters
    ----------
    panel : Panel
        What to read.
    schedule : Schedule
        The windows.
    config : RunConfig
        The run.
    store : FoldStore, optional
        Where finished windows are kept; those already there are not made again.
    progress : callable
        Told (windows done, windows in all, windows whose models came from the cache) at the start and after
        each window.
    cache : FoldCache, optional
        Where fitted models are kept for other runs; those already there are not fitted again.
    fits : callable, optional
        What fits models; by default `fit_here`.

    Returns
    -------
    Predictions
        NaN for bars that no window speaks for.
    """
    folds = {fold.index: fold for fold in _folds(panel, schedule) if len(fold.test)}
    done: dict[int, Part] = {}
    for index, fold in folds.items():
        kept = store.load(index) if store else None
        if kept is not None and len(kept[1]) == len(fold.test):
            done[index] = kept
    cached = 0
    progress(len(done), len(folds), cached)
    models = _Models(panel, config, cache, fits or fit_here)
    for index, fitted, was_there in models.of([fold for fold in folds.values() if fold.index not in done]):
        done[index] = _finish(panel, folds[index], until(schedule, index), config, fitted, store)
        cached += was_there
        progress(len(done), len(folds), cached)
    return _assemble(panel, config, [(fold, *done[index]) for index, fold in folds.items()])


def _folds(panel: Panel, schedule: Schedule) -> list[Fold]:
    close_time, labels, ready = panel.bars.close_time, panel.labels, panel.features.ready
    return [schedule.fold(k, close_time, labels.resolved_at, ready) for k in range(len(schedule))]


def check_windows(panel: Panel, schedule: Schedule, config: RunConfig) -> None:
    """Refuse a schedule whose windows hold too few labels, before anything is fitted or written.

    Raises
    ------
    ConfigError
        A window cannot be fitted and calibrated; the message says how many days it needs.
    ModelError
        What the windows start from knows bars on which one is calibrated.
    """
    bars, splits = panel.bars, config.splits
    for fold in _folds(panel, schedule):
        if not len(fold.test):
            continue
        resolved_at = panel.labels.resolved_at
        early, tail = fit_rows(
            fold.train, resolved_at, bars.close_time, splits.embargo_bars, splits.calibration_share
        )
        if min(len(early), len(tail)) >= MIN_ROWS:
            if panel.start is not None:
                panel.start.refuse_after(bars.close_time[tail[0]])
            continue
        need = rows_needed(len(fold.train) - len(early) - len(tail), splits.calibration_share)
        days = (fold.cut - bars.time[fold.first]) / np.timedelta64(1, "D")
        wanted = int(np.ceil(days * need / max(len(fold.train), 1)))
        raise ConfigError(
            f"the window fitted at {fold.cut.astype('datetime64[m]')} has {len(fold.train):,} labels, and "
            f"{need:,} are needed to fit and calibrate it: set splits.training_days to {wanted:,} or more."
        )


@dataclass(frozen=True)
class _Models:
    """Where models come from: the cache, or else a fit that is put there."""

    panel: Panel
    config: RunConfig
    cache: FoldCache | None
    fits: Fits

    def of(self, folds: Sequence[Fold]) -> Iterator[tuple[int, FittedModels, bool]]:
        """Yield the models of each fold, and whether they were in the cache."""
        cache = self.cache
        if cache is None:
            yield from ((index, models, False) for index, models in self._fitted(folds))
            return
        keys, missing = {}, []
        for fold in folds:
            keys[fold.index] = fold_key(self.panel, fold, self.config)
            kept = cache.load(keys[fold.index], fold, len(self.panel.features.names))
            if kept is None:
                missing.append(fold)
            else:
                yield fold.index, kept, True
        by_index = {fold.index: fold for fold in missing}
        for index, models in self._fitted(missing):
            cache.save(keys[index], by_index[index], models)
            yield index, models, False

    def _fitted(self, folds: Sequence[Fold]) -> Iterator[tuple[int, FittedModels]]:
        return self.fits(self.panel, folds, self.config) if folds else iter(())


def fit_here(panel: Panel, folds: Sequence[Fold], config: RunConfig) -> Iterator[tuple[int, FittedModels]]:
    """Fit `jobs` windows at a time, each in a process of its own; the bits are the same for any number."""
    if config.jobs == 1 or len(folds) < 2:
        yield from (fit_one(panel, fold, config) for fold in folds)
        return
    from joblib import Parallel, delayed

    parallel = Parallel(n_jobs=config.jobs, return_as="generator_unordered")
    fitted = parallel(delayed(fit_one)(panel, fold, config) for fold in folds)
    try:
        for done in fitted:  # noqa: UP028 (`yield from` would close it before the filter is there)
            yield done
    finally:
        with warnings.catch_warnings():  # whoever stops early has said why; joblib would say it once more
            warnings.simplefilter("ignore")
            fitted.close()


def fit_one(panel: Panel, fold: Fold, config: RunConfig) -> tuple[int, FittedModels]:
    """Fit the models of one window: the task that is sent to a process or to a cluster."""
    return fold.index, fit_models(panel, fold, config)


def until(schedule: Schedule, index: int) -> np.datetime64:
    """Return where a window ends: at the next boundary or at the end of the schedule."""
    last = index + 1 == len(schedule)
    return np.datetime64(schedule.end if last else schedule.boundaries[index + 1])


def _finish(
    panel: Panel,
    fold: Fold,
    end: np.datetime64,
    config: RunConfig,
    models: FittedModels,
    store: FoldStore | None,
) -> Part:
    """Estimate a window's odds, forecast its bars, and store both."""
    fitted = window_of(panel, fold, end, config, models)
    state, block = forecast_window(panel, fold, fitted, models.state, config)
    if store is not None:
        store.save(capsule_of(panel, fold, fitted, state, config), fitted.inner, block, fitted.tuning)
    return fitted, block


def _assemble(
    panel: Panel, config: RunConfig, parts: list[tuple[Fold, FittedWindow, FloatArray]]
) -> Predictions:
    table = np.full((len(panel.bars), forecast_width(config)), np.nan)
    of_fold = np.full(len(panel.bars), -1, np.int64)
    for fold, _, block in parts:
        table[fold.test] = block
        of_fold[fold.test] = fold.index
    fitted = {fold.index: window for fold, window, _ in parts}
    terms = trade_terms(config, panel.bars.instrument)
    joined = config.models.joined
    return predictions_of(panel.bars.symbol, panel.bars.time, table, of_fold, fitted, terms, joined)


def predictions_of(
    symbol: str,
    time: TimeArray,
    table: FloatArray,
    of_fold: IntArray,
    fitted: dict[int, FittedWindow],
    terms: TradeTerms,
    joined: tuple[str, ...] = (),
) -> Predictions:
    """Return forecast rows as predictions; `fitted` holds the window of each index, `joined` the names of
    the own models that join the three."""
    payoff, threshold = np.full((len(time), 2), np.nan), np.full((len(time), 2), np.nan)
    for index, window in fitted.items():
        payoff[of_fold == index] = [odds.payoff for odds in window.odds]
        threshold[of_fold == index] = window.threshold
    return Predictions(
        symbol=symbol,
        time=time,
        prob_up=table[:, PROB_UP].copy(),
        magnitude=table[:, MAGNITUDE].copy(),
        votes=np.hstack([table[:, FOREST:SCORE], table[:, FORECAST_COLUMNS:]]),
        score=table[:, SCORE].copy(),
        win_prob=table[:, [WIN_LONG, WIN_SHORT]],
        win_se=table[:, [SE_LONG, SE_SHORT]],
        payoff=payoff,
        threshold=threshold,
        fold=of_fold,
        windows=tuple(window.window for _, window in sorted(fitted.items())),
        terms=terms,
        joined=joined,
        novelty=table[:, NOVELTY].copy(),
    )
