"""The walk-forward asked bar by bar: what a strategy that retrains inside its run does, as live does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.config import RunConfig
from mlstrat.data.bars import Bars
from mlstrat.data.calendars import close_times
from mlstrat.data.instrument import Instrument
from mlstrat.data.timeframe import Timeframe
from mlstrat.features.matrix import FeatureMatrix
from mlstrat.inputs import InputStream
from mlstrat.models.ensemble import FOREST, PROB_UP
from mlstrat.models.transfer import Start
from mlstrat.panel import make_panel
from mlstrat.predictions import Predictions
from mlstrat.sentiment.align import SentimentSeries
from mlstrat.signals.confirmation import ConfirmStream, confirmation_of
from mlstrat.signals.rule import Forecast
from mlstrat.signals.terms import trade_terms
from mlstrat.splits import Schedule
from mlstrat.walkforward import ATR_FEATURE, predictions_of, until
from mlstrat.window import (
    FORECAST_COLUMNS,
    NOVELTY,
    SCORE,
    SE_LONG,
    SE_SHORT,
    WIN_LONG,
    WIN_SHORT,
    FittedWindow,
    fit_window,
    forecast_block,
    forecast_width,
    state_before,
)

_FIRST_CAPACITY = 1024


class OnlineWalkForward:
    """Takes closed bars one at a time, and refits when one arrives that a new window speaks for.

    Its predictions are those of `walk_forward`, bit for bit: features stream through the same steps,
    windows are fitted by the same function on the same rows, and rows run through the same loop body. It
    holds no bar that it was not given.

    Parameters
    ----------
    names : tuple of str
        The models' inputs, in order.
    lookback : (n_features,) int64
        Their lookbacks.
    schedule : Schedule
        When to refit.
    config : RunConfig
        The run.
    timeframe, instrument
        Of the bars to come.
    mood : SentimentSeries
        Sentiment by bar, aligned with the bars to come; only rows up to the current bar are read.
    others : sequence of Bars
        Bars of other symbols; only those closed by the close of the current bar are read.
    start : Start, optional
        Another symbol's model that each window starts from.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        lookback: IntArray,
        schedule: Schedule,
        config: RunConfig,
        timeframe: Timeframe,
        instrument: Instrument,
        mood: SentimentSeries,
        others: Sequence[Bars] = (),
        start: Start | None = None,
    ) -> None:
        self._names, self._lookback = names, lookback
        self._stream = InputStream((*names, ATR_FEATURE), mood, timeframe, others)
        self._confirm = ConfirmStream(confirmation_of(config.signals), timeframe, others)
        self._confirmed = True, True
        self._schedule, self._config, self._mood = schedule, config, mood
        self._timeframe, self._instrument, self._start = timeframe, instrument, start
        self._rows = np.empty((_FIRST_CAPACITY, 6))
        self._values = np.empty((_FIRST_CAPACITY, len(names) + 1))
        self._table = np.empty((_FIRST_CAPACITY, forecast_width(config)))
        self._of_fold = np.empty(_FIRST_CAPACITY, np.int64)
        self._n = 0
        self._windows: dict[int, FittedWindow] = {}
        self._state: Any = None

    @property
    def novelty(self) -> float:
        """Share of the last bar's features beyond what its window was trained on; NaN where none speaks."""
        return float(self._table[self._n - 1, NOVELTY]) if self._n else math.nan

    @property
    def confirmed(self) -> tuple[bool, bool]:
        """Whether the run's conditions hold at the last bar, for a long and for a short."""
        return self._confirmed

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
        window = self._schedule.window_at(self._close_time(t))
        self._table[t], self._of_fold[t] = np.nan, window
        if window < 0:
            return None, atr_px
        if window not in self._windows:
            self._refit(window)
        fitted, now, mood = self._windows[window], slice(t, t + 1), self._mood
        x = np.ascontiguousarray(self._values[now, :-1])
        block = forecast_block(x, mood.score[now], mood.confidence[now], fitted, self._state, self._config)
        self._table[t] = block[0]
        return _forecast(block[0], fitted), atr_px

    @property
    def sentiment_share(self) -> float:
        """What the confidence of sentiment is multiplied by in the window of the newest bar."""
        fitted = self._windows.get(int(self._of_fold[self._n - 1])) if self._n else None
        return fitted.window.sentiment.share if fitted else 1.0

    def predictions(self) -> Predictions:
        """Return what was forecast so far."""
        part = slice(0, self._n)
        table, of_fold = self._table[part].copy(), self._of_fold[part].copy()
        terms = trade_terms(self._config, self._instrument)
        symbol, joined = self._instrument.symbol, self._config.models.joined
        return predictions_of(symbol, self._times(), table, of_fold, self._windows, terms, joined)

    def _times(self) -> Any:
        return self._rows[: self._n, 5].astype(np.int64).astype("datetime64[s]").astype("datetime64[ns]")

    def _close_time(self, t: int) -> np.datetime64:
        opened = self._rows[t : t + 1, 5].astype("datetime64[s]").astype("datetime64[ns]")
        return np.datetime64(close_times(opened, self._timeframe, self._instrument.calendar)[0])

    def _append(self, row: FloatArray) -> int:
        t = self._n
        if t == len(self._rows):
            for name in ("_rows", "_values", "_table", "_of_fold"):
                array = getattr(self, name)
                setattr(self, name, np.concatenate([array, np.empty_like(array)]))
        self._rows[t] = row
        close = self._close_time(t).astype(np.int64) / 1e9
        self._values[t] = self._stream.update(self._rows[t], close)
        self._confirmed = self._confirm.step(self._rows[t], close)
        self._n = t + 1
        return t

    def _refit(self, window: int) -> None:
        rows, values = self._rows[: self._n], self._values[: self._n]
        bars = Bars(
            time=self._times(),
            open=rows[:, 0],
            high=rows[:, 1],
            low=rows[:, 2],
            close=rows[:, 3],
            volume=rows[:, 4],
            symbol=self._instrument.symbol,
            timeframe=self._timeframe,
            instrument=self._instrument,
        )
        x = np.ascontiguousarray(values[:, :-1])
        features = FeatureMatrix(self._names, x, self._lookback)
        mood, atr_px = self._mood.head(self._n), values[:, -1].copy()
        panel = make_panel(bars, features, atr_px, mood, self._config, self._start)
        fold = self._schedule.fold(window, bars.close_time, panel.labels.resolved_at, features.ready)
        fitted = fit_window(panel, fold, until(self._schedule, window), self._config)
        self._windows[window] = fitted
        self._state = state_before(x, fold, fitted)


def _forecast(row: FloatArray, fitted: FittedWindow) -> Forecast:
    return Forecast(
        prob_up=float(row[PROB_UP]),
        votes=np.hstack([row[FOREST:SCORE], row[FORECAST_COLUMNS:]]),
        score=float(row[SCORE]),
        win_prob=row[[WIN_LONG, WIN_SHORT]],
        win_se=row[[SE_LONG, SE_SHORT]],
        payoff=np.array([odds.payoff for odds in fitted.odds]),
        threshold=np.array(fitted.threshold),
    )
