"""The walk-forward: the only place where a model is fitted. Batch here, bar by bar in `OnlineWalkForward`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.config import RunConfig
from mlstrat.data.bars import Bars
from mlstrat.data.instrument import Instrument
from mlstrat.data.timeframe import Timeframe
from mlstrat.errors import NotEnoughBarsError
from mlstrat.features.matrix import FeatureMatrix
from mlstrat.features.stream import FeatureStream
from mlstrat.foldstore import FoldStore
from mlstrat.predictions import Predictions, Window
from mlstrat.sentiment.align import SentimentSeries
from mlstrat.signals.decide import Forecast
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
    make_panel,
    state_before,
)

ATR_FEATURE = "atr_px"
Progress = Callable[[int, int], None]


def schedule_for(panel: Panel, config: RunConfig) -> Schedule:
    """Lay the run's windows over its bars (see `mlstrat.splits.make_schedule`)."""
    splits = config.splits
    return make_schedule(
        panel.bars.close_time,
        panel.features.ready,
        scheme=splits.scheme,
        training_days=splits.training_days,
        retrain=splits.retrain,
        embargo=splits.embargo_bars * panel.bars.timeframe.delta,
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
    return _assemble(panel, [(fold, *done[fold.index]) for fold in folds])


def _folds(panel: Panel, schedule: Schedule) -> list[Fold]:
    close_time, labels, ready = panel.bars.close_time, panel.labels, panel.features.ready
    return [schedule.fold(k, close_time, labels.resolved_at, ready) for k in range(len(schedule))]


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


def _assemble(panel: Panel, parts: list[tuple[Fold, FittedWindow, FloatArray]]) -> Predictions:
    n = len(panel.bars)
    table = np.full((n, FORECAST_COLUMNS), np.nan)
    payoff, threshold = np.full((n, 2), np.nan), np.full((n, 2), np.nan)
    of_fold = np.full(n, -1, np.int64)
    windows: list[Window] = []
    for fold, fitted, block in parts:
        table[fold.test] = block
        payoff[fold.test] = [odds.payoff for odds in fitted.odds]
        threshold[fold.test] = fitted.threshold
        of_fold[fold.test] = fold.index
        windows.append(fitted.window)
    return Predictions(
        symbol=panel.bars.symbol,
        time=panel.bars.time,
        prob_up=table[:, 0].copy(),
        magnitude=table[:, 1].copy(),
        votes=table[:, 2:SCORE].copy(),
        score=table[:, SCORE].copy(),
        win_prob=table[:, [WIN_LONG, WIN_SHORT]],
        win_se=table[:, [SE_LONG, SE_SHORT]],
        payoff=payoff,
        threshold=threshold,
        fold=of_fold,
        windows=tuple(windows),
    )


class OnlineWalkForward:
    """The same walk-forward, asked bar by bar: it refits when a bar arrives that a new window speaks for.

    Predictions are those of `walk_forward`, bit for bit, because features stream through the same steps,
    windows are fitted by the same function on the same rows, and rows are predicted by the same loop body.

    Parameters
    ----------
    features : FeatureMatrix
        Names and lookbacks of the models' features; its values are not read.
    schedule : Schedule
        When to refit.
    config : RunConfig
        The run.
    timeframe, instrument
        Of the bars.
    mood : SentimentSeries
        Sentiment by bar, aligned with the bars to come; only rows up to the current bar are read.
    """

    def __init__(
        self,
        features: FeatureMatrix,
        schedule: Schedule,
        config: RunConfig,
        timeframe: Timeframe,
        instrument: Instrument,
        mood: SentimentSeries,
    ) -> None:
        self._names, self._lookback, self._ready = features.names, features.lookback, features.ready
        self._stream = FeatureStream((*features.names, ATR_FEATURE))
        self._schedule, self._config, self._mood = schedule, config, mood
        self._timeframe, self._instrument = timeframe, instrument
        capacity = 1024
        self._rows = np.empty((capacity, 6))
        self._values = np.empty((capacity, len(features.names) + 1))
        self._n = 0
        self._window = -1
        self._fitted: Any = None  # FittedWindow of the window that speaks
        self._state: Any = None

    def update(self, row: FloatArray) -> tuple[Forecast | None, float]:
        """Take one closed bar and forecast it.

        Parameters
        ----------
        row : (6,) float64
            open, high, low, close, volume, open time in epoch seconds.

        Returns
        -------
        Forecast or None
            None while no window speaks.
        float
            ATR(14) in price, NaN before its lookback.
        """
        t = self._append(row)
        atr_px = float(self._values[t, -1])
        close_time = np.datetime64(int(row[5]) + self._timeframe.seconds, "s").astype("datetime64[ns]")
        window = self._schedule.window_at(close_time)
        if window < 0:
            return None, atr_px
        if window != self._window:
            self._refit(window)
        now, mood = slice(t, t + 1), self._mood
        x = np.ascontiguousarray(self._values[now, :-1])
        block = forecast_block(
            x, mood.score[now], mood.confidence[now], self._fitted, self._state, self._config
        )
        return _forecast_of(block[0], self._fitted), atr_px

    def _append(self, row: FloatArray) -> int:
        t = self._n
        if t == len(self._rows):
            self._rows = np.concatenate([self._rows, np.empty_like(self._rows)])
            self._values = np.concatenate([self._values, np.empty_like(self._values)])
        self._rows[t] = row
        self._values[t] = self._stream.update(self._rows[t])
        self._n = t + 1
        return t

    def _refit(self, window: int) -> None:
        n, rows = self._n, self._rows
        bars = Bars(
            time=rows[:n, 5].astype(np.int64).astype("datetime64[s]"),
            open=rows[:n, 0],
            high=rows[:n, 1],
            low=rows[:n, 2],
            close=rows[:n, 3],
            volume=rows[:n, 4],
            symbol=self._instrument.symbol,
            timeframe=self._timeframe,
            instrument=self._instrument,
        )
        values = np.ascontiguousarray(self._values[:n, :-1])
        features = FeatureMatrix(self._names, values, self._lookback)
        panel = make_panel(bars, features, self._values[:n, -1].copy(), self._mood, self._config)
        fold = self._schedule.fold(window, bars.close_time, panel.labels.resolved_at, self._ready)
        if not len(fold.train):
            raise NotEnoughBarsError(n, n + 1, "A training window")
        end = until(self._schedule, window)
        _, self._fitted, _ = fit_and_forecast(panel, fold, end, self._config)
        self._state = state_before(values, fold, self._fitted)
        self._window = window


def _forecast_of(row: FloatArray, fitted: FittedWindow) -> Forecast:
    return Forecast(
        prob_up=float(row[0]),
        votes=row[2:SCORE].copy(),
        score=float(row[SCORE]),
        win_prob=row[[WIN_LONG, WIN_SHORT]],
        win_se=row[[SE_LONG, SE_SHORT]],
        payoff=np.array([odds.payoff for odds in fitted.odds]),
        threshold=np.array(fitted.threshold),
    )
