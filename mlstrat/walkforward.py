"""The walk-forward over a whole series: the only place, with its bar-by-bar twin, where a model is fitted."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from mlstrat.arrays import FloatArray, IntArray, TimeArray
from mlstrat.config import RunConfig
from mlstrat.data.bars import Bars
from mlstrat.errors import ConfigError
from mlstrat.foldstore import FoldStore
from mlstrat.models.ensemble import FOREST, MAGNITUDE, PROB_UP
from mlstrat.models.fitting import MIN_ROWS, fit_rows, rows_needed
from mlstrat.predictions import Predictions, TradeTerms
from mlstrat.signals.decide import trade_terms
from mlstrat.splits import Fold, Schedule, make_schedule
from mlstrat.window import (
    FORECAST_COLUMNS,
    SCORE,
    SE_LONG,
    SE_SHORT,
    WIN_LONG,
    WIN_SHORT,
    FittedWindow,
    Panel,
    fit_window,
    forecast_block,
    state_before,
)

ATR_FEATURE = "atr_px"
Progress = Callable[[int, int], None]


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
    progress: Progress = lambda done, total: None,
) -> Predictions:
    """Fit and forecast every window, out of sample.

    Parameters
    ----------
    panel : Panel
        What to read.
    schedule : Schedule
        The windows.
    config : RunConfig
        The run; `jobs` windows are fitted at a time, each in a process of its own, with the same bits.
    store : FoldStore, optional
        Where finished windows are kept; those already there are not fitted again.
    progress : callable
        Told (windows done, windows in all) at the start and after each window.

    Returns
    -------
    Predictions
        NaN for bars that no window speaks for.
    """
    folds = [fold for fold in _folds(panel, schedule) if len(fold.test)]
    done: dict[int, tuple[FittedWindow, FloatArray]] = {}
    for fold in folds:
        kept = store.load(fold.index) if store else None
        if kept is not None and len(kept[1]) == len(fold.test):
            done[fold.index] = kept
    progress(len(done), len(folds))
    for index, fitted, block in _fit_all(
        [f for f in folds if f.index not in done], panel, schedule, config, store
    ):
        done[index] = (fitted, block)
        progress(len(done), len(folds))
    return _assemble(panel, config, [(fold, *done[fold.index]) for fold in folds])


def _folds(panel: Panel, schedule: Schedule) -> list[Fold]:
    close_time, labels, ready = panel.bars.close_time, panel.labels, panel.features.ready
    return [schedule.fold(k, close_time, labels.resolved_at, ready) for k in range(len(schedule))]


def check_windows(panel: Panel, schedule: Schedule, config: RunConfig) -> None:
    """Refuse a schedule whose windows hold too few labels, before anything is fitted or written.

    Raises
    ------
    ConfigError
        A window cannot be fitted and calibrated; the message says how many days it needs.
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
            continue
        need = rows_needed(len(fold.train) - len(early) - len(tail), splits.calibration_share)
        days = (fold.cut - bars.time[fold.first]) / np.timedelta64(1, "D")
        wanted = int(np.ceil(days * need / max(len(fold.train), 1)))
        raise ConfigError(
            f"the window fitted at {fold.cut.astype('datetime64[m]')} has {len(fold.train):,} labels, and "
            f"{need:,} are needed to fit and calibrate it: set splits.training_days to {wanted:,} or more."
        )


def _fit_all(
    folds: list[Fold], panel: Panel, schedule: Schedule, config: RunConfig, store: FoldStore | None
) -> Iterator[tuple[int, FittedWindow, FloatArray]]:
    tasks = [(panel, fold, until(schedule, fold.index), config, store) for fold in folds]
    if config.jobs == 1 or len(tasks) < 2:
        yield from (fit_and_forecast(*task) for task in tasks)
        return
    from joblib import Parallel, delayed

    parallel = Parallel(n_jobs=config.jobs, return_as="generator_unordered")
    yield from parallel(delayed(fit_and_forecast)(*task) for task in tasks)


def until(schedule: Schedule, index: int) -> np.datetime64:
    """Return where a window ends: at the next boundary or at the end of the schedule."""
    last = index + 1 == len(schedule)
    return np.datetime64(schedule.end if last else schedule.boundaries[index + 1])


def fit_and_forecast(
    panel: Panel, fold: Fold, end: np.datetime64, config: RunConfig, store: FoldStore | None = None
) -> tuple[int, FittedWindow, FloatArray]:
    """Fit one window, forecast its bars, store both; one thread, so that windows can run side by side."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        fitted = fit_window(panel, fold, end, config)
    x = panel.features.values
    state = state_before(x, fold, fitted)
    at_start = state.copy()
    rows, mood = slice(int(fold.test[0]), int(fold.test[-1]) + 1), panel.mood
    block = forecast_block(x[rows], mood.score[rows], mood.confidence[rows], fitted, state, config)
    if store is not None:
        store.save(fitted, at_start, block)
    return fold.index, fitted, block


def _assemble(
    panel: Panel, config: RunConfig, parts: list[tuple[Fold, FittedWindow, FloatArray]]
) -> Predictions:
    table = np.full((len(panel.bars), FORECAST_COLUMNS), np.nan)
    of_fold = np.full(len(panel.bars), -1, np.int64)
    for fold, _, block in parts:
        table[fold.test] = block
        of_fold[fold.test] = fold.index
    fitted = {fold.index: window for fold, window, _ in parts}
    terms = trade_terms(config, panel.bars.instrument)
    return predictions_of(panel.bars.symbol, panel.bars.time, table, of_fold, fitted, terms)


def predictions_of(
    symbol: str,
    time: TimeArray,
    table: FloatArray,
    of_fold: IntArray,
    fitted: dict[int, FittedWindow],
    terms: TradeTerms,
) -> Predictions:
    """Return forecast rows (n_bars, 10) as predictions; `fitted` holds the window of each index."""
    payoff, threshold = np.full((len(time), 2), np.nan), np.full((len(time), 2), np.nan)
    for index, window in fitted.items():
        payoff[of_fold == index] = [odds.payoff for odds in window.odds]
        threshold[of_fold == index] = window.threshold
    return Predictions(
        symbol=symbol,
        time=time,
        prob_up=table[:, PROB_UP].copy(),
        magnitude=table[:, MAGNITUDE].copy(),
        votes=table[:, FOREST:SCORE].copy(),
        score=table[:, SCORE].copy(),
        win_prob=table[:, [WIN_LONG, WIN_SHORT]],
        win_se=table[:, [SE_LONG, SE_SHORT]],
        payoff=payoff,
        threshold=threshold,
        fold=of_fold,
        windows=tuple(window.window for _, window in sorted(fitted.items())),
        terms=terms,
    )
