"""The latest model, fitted on everything that is known, and what it says about the bars that follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.capsule import Capsule, capsule_of
from mlstrat.config import RunConfig
from mlstrat.data.bars import Bars
from mlstrat.data.timeframe import Timeframe
from mlstrat.errors import ConfigError, DataError, ModelError, NotEnoughBarsError
from mlstrat.execution.types import Decisions
from mlstrat.features.choose import choose, market_of
from mlstrat.features.lookup import find
from mlstrat.features.registry import Feature
from mlstrat.inputs import build_inputs, of_bars, sees_mood
from mlstrat.models.ensemble import advance_block
from mlstrat.models.guests import predict_with
from mlstrat.models.stacking import Inner
from mlstrat.panel import Panel
from mlstrat.predictions import Predictions
from mlstrat.sentiment.align import SentimentSeries, check_mood, neutral
from mlstrat.signals.confirmation import confirmation_of, confirmed_at, told
from mlstrat.signals.decide import decide
from mlstrat.signals.flags import bar_flags, flag_names
from mlstrat.signals.funnel import QUALITY
from mlstrat.signals.risk import RiskColumns, risk_columns
from mlstrat.signals.terms import trade_terms
from mlstrat.splits import Schedule, next_fit
from mlstrat.walkforward import ATR_FEATURE, check_windows, predictions_of
from mlstrat.window import FittedWindow, fit_window, forecast_block, state_before


def train(panel: Panel, config: RunConfig) -> Capsule:
    """Fit the window whose cut is the close of the last bar.

    Purge, embargo and calibration are those of the walk-forward: where a boundary of its schedule falls on
    that close, this is its window, bit for bit. The last bar, which closes at the cut, is the first one that
    the model speaks for.

    Parameters
    ----------
    panel : Panel
        Bars, features and labels.
    config : RunConfig
        The run; `splits.start` and `splits.max_windows` do not matter.

    Raises
    ------
    NotEnoughBarsError
        The bars do not hold a whole training window.
    ConfigError
        The window has too few labels, or the run asks for conformal sets.
    ModelError, MissingExtraError
        The models cannot be fitted.
    """
    _refuse_conformal(config)
    bars, x = panel.bars, panel.features.values
    schedule = _latest(panel, config)
    check_windows(panel, schedule, config)
    fold = schedule.fold(0, bars.close_time, panel.labels.resolved_at, panel.features.ready)
    due = next_fit(fold.cut, config.splits.retrain, bars.timeframe.delta)
    fitted = fit_window(panel, fold, due, config)
    return capsule_of(panel, fold, fitted, state_before(x, fold, fitted), config)


def _latest(panel: Panel, config: RunConfig) -> Schedule:
    """Return the schedule of one window that is cut at the close of the last bar."""
    close_time, splits = panel.bars.close_time, config.splits
    training = np.timedelta64(splits.training_days, "D").astype("timedelta64[ns]")
    lacking = close_time[panel.features.ready] + training - close_time[-1]
    if lacking > np.timedelta64(0):
        need = len(close_time) + int(np.ceil(lacking / panel.bars.timeframe.delta))
        raise NotEnoughBarsError(len(close_time), need, f"A model of {splits.training_days} training days")
    end, expanding = close_time[-1] + np.timedelta64(1, "ns"), splits.scheme == "expanding"
    return Schedule(close_time[-1:], end, training, expanding, splits.embargo_bars)


@dataclass(frozen=True, eq=False)
class LiveForecast:
    """What a capsule says about the bars after those it has seen; all parts are aligned.

    Parameters
    ----------
    bars : Bars
        From the bar after `about.seen_until` to the last one.
    x : (n_bars, n_features) float64
        What the model sees of them.
    mood : SentimentSeries
        Their sentiment.
    predictions : Predictions
        As the walk-forward makes them.
    decisions : Decisions
        By the run's settings, as if flat.
    risk : RiskColumns
        What speaks against a trade at each of them; the drawdown is that of an account, and not known.
    notes : tuple of str
        What the reader should know.
    """

    bars: Bars
    x: FloatArray
    mood: SentimentSeries
    predictions: Predictions
    decisions: Decisions
    risk: RiskColumns
    notes: tuple[str, ...]


class Predictor:
    """Forecasts with a capsule. It needs numba and no library that trains.

    Parameters
    ----------
    capsule : Capsule
        The model.
    others : sequence of Bars
        Bars of the other symbols that its features name.

    Raises
    ------
    ModelError
        A feature of the model is not registered, or has another lookback; the first one is named.
    ConfigError
        A condition of the run names what is not registered.
    """

    def __init__(self, capsule: Capsule, others: Sequence[Bars] = ()) -> None:
        self.capsule, self.others = capsule, tuple(others)
        self.config = capsule.about.run_config()
        _refuse_conformal(self.config)
        _check_features(capsule)
        self._conditions = confirmation_of(self.config.signals)

    def forecast(self, bars: Bars, mood: SentimentSeries | None = None) -> LiveForecast:
        """Forecast every bar after the last one that the model has seen.

        Parameters
        ----------
        bars : Bars
            They must hold the bar `about.seen_until`, the warm-up of every feature before it, and every bar
            since: the LSTM's state is carried through them. Their instrument is that of the model.
        mood : SentimentSeries, optional
            Aligned with the bars; by default nothing is known.

        Raises
        ------
        DataError
            The bars are of another symbol or length, lack volume that a feature needs, or do not reach from
            far enough before the model's last bar to beyond it.
        """
        bars = self._own(bars)
        mood = neutral(bars) if mood is None else mood
        check_mood(mood, bars)
        names = self.capsule.about.features
        first = self._first(bars)
        self._check_warm(bars, first)
        matrix = build_inputs(bars, (*names, ATR_FEATURE), mood, self.others)
        x = np.ascontiguousarray(matrix.values[first:, : len(names)])
        later, mood = bars[first:], mood[first:]
        predictions = self._predictions(later, x, mood)
        atr_px = matrix.column(ATR_FEATURE)
        novelty = np.r_[np.full(first, np.nan), predictions.novelty]
        # On all bars: a shock before the first one to speak about may last.
        flags = bar_flags(bars, atr_px, self.config, novelty)[first:]
        holding = confirmed_at(bars, self.config, self.others)
        confirmed = None if holding is None else holding[first:]
        decisions = decide(
            later, predictions, mood, atr_px[first:], self.config, flags=flags, confirmed=confirmed
        )
        risk = risk_columns(bars, atr_px, predictions)
        notes = (*self._notes(later, mood), *_skip_notes(decisions, self.config))
        return LiveForecast(later, x, mood, predictions, decisions, risk, notes)

    def predict_rows(self, x: FloatArray, names: Sequence[str]) -> FloatArray:
        """Return (n_rows, 2 + n_votes) prob_up, magnitude and votes of the rows after `seen_until`.

        Parameters
        ----------
        x : (n_rows, n_features) float64
            Consecutive feature rows.
        names : sequence of str
            Names of the columns.

        Raises
        ------
        ModelError
            The columns are not those of the model, in its order; the first difference is named.
        """
        wanted = self.capsule.about.features
        for k, (given, own) in enumerate(zip(names, wanted, strict=False)):
            if given != own:
                raise ModelError(f"column {k} is {given!r} and the model wants {own!r}: give its features.")
        if len(names) != len(wanted) or x.ndim != 2 or x.shape[1] != len(wanted) or x.dtype != np.float64:
            raise ModelError(
                f"rows of {len(names)} names, shape {x.shape} and type {x.dtype} do not fit the model: "
                f"give {len(wanted)} columns of float64."
            )
        capsule = self.capsule
        return predict_with(np.ascontiguousarray(x), capsule.state.copy(), capsule.ensemble, capsule.guests)

    def state_at(self, forecast: LiveForecast, t: int) -> FloatArray:
        """Return the LSTM's state (2, units) before bar t of a forecast."""
        state = self.capsule.state.copy()
        advance_block(forecast.x[:t], state, self.capsule.ensemble)
        return state

    def _own(self, bars: Bars) -> Bars:
        about = self.capsule.about
        if bars.symbol != about.symbol:
            raise DataError(
                f"the model was fitted on {about.symbol} and these are bars of {bars.symbol}: give bars of "
                f"{about.symbol}, or name the symbol if they are."
            )
        if str(bars.timeframe) != about.timeframe:
            raise DataError(
                f"the model was fitted on bars of {about.timeframe} and these are of {bars.timeframe}: "
                f"give bars of {about.timeframe}."
            )
        return replace(bars, instrument=about.facts())

    def _first(self, bars: Bars) -> int:
        """Return the first bar to speak about."""
        seen = np.datetime64(self.capsule.about.seen_until, "ns")
        at = int(np.searchsorted(bars.time, seen))
        if at == len(bars) or bars.time[at] != seen:
            raise DataError(
                f"the last bar that the model has seen is that of {_minute(seen)}, and the bars from "
                f"{_minute(bars.time[0])} to {_minute(bars.time[-1])} do not hold it: load bars that do, "
                "with those before it that the features need."
            )
        if at + 1 == len(bars):
            raise DataError(
                f"the last bar is that of {_minute(seen)}, the last one that the model has seen: "
                "load bars that have closed since."
            )
        return at + 1

    def _check_warm(self, bars: Bars, first: int) -> None:
        about = self.capsule.about
        if bars[: first + 1].sha256 == about.data_sha256:
            return  # its own history: features are what they were when it was fitted
        names = (*of_bars(about.features), ATR_FEATURE, *self._conditions.features)
        features = choose(market_of(bars, self.others), names)
        widest = max(features, key=lambda f: f.warmup)
        if first + 1 < widest.warmup:
            raise NotEnoughBarsError(
                first + 1, widest.warmup, f"feature {widest.name} at the first bar to predict"
            )

    def _predictions(self, bars: Bars, x: FloatArray, mood: SentimentSeries) -> Predictions:
        fitted, state = _window_of(self.capsule), self.capsule.state.copy()
        block = forecast_block(x, mood.score, mood.confidence, fitted, state, self.config)
        of_fold = np.full(len(bars), fitted.window.fold, np.int64)
        terms = trade_terms(self.config, bars.instrument)
        windows, joined = {fitted.window.fold: fitted}, self.config.models.joined
        return predictions_of(bars.symbol, bars.time, block, of_fold, windows, terms, joined)

    def _notes(self, bars: Bars, mood: SentimentSeries) -> tuple[str, ...]:
        due, said = self.capsule.window.valid_to, []
        if bars.close_time[-1] >= due:
            said.append(
                f"The model was due to be fitted again at {_minute(due)}, before the last bar: train it anew."
            )
        if sees_mood(self.capsule.about.features) and not mood.known.any():
            said.append(
                "The model sees sentiment, of which nothing is known on these bars: give their headlines."
            )
        return tuple(said)


def _skip_notes(decisions: Decisions, config: RunConfig) -> tuple[str, ...]:
    """Say why the last bar makes no entry, where a breaker on data is open or a condition does not hold."""
    names = flag_names(int(decisions.flags[-1]))
    if names:
        return (f"The last bar makes no entry, because of: {names}.",)
    if decisions.stage[-1] == QUALITY and decisions.side[-1] == 0:
        return (f"The last bar makes no entry, because its condition does not hold: {told(config.signals)}.",)
    return ()


def _refuse_conformal(config: RunConfig) -> None:
    if config.signals.conformal:
        raise ConfigError(
            "signals.conformal needs the forecasts of the bars before, which a model file does not hold: set "
            "it to 0 to train a model, or to predict with one."
        )


def _check_features(capsule: Capsule) -> None:
    about = capsule.about
    seconds = Timeframe(about.timeframe).seconds
    for name, lookback in zip(about.features, about.lookback, strict=True):
        now = _lookback(name, lookback, seconds)
        if now != lookback:
            raise ModelError(
                f"feature {name!r} has a lookback of {now:,} bars and had {lookback:,} when the model was "
                "fitted: train the model again."
            )


def _lookback(name: str, then: int, seconds: int) -> int:
    """Return the lookback that an input has now; `then` where the bars at hand decide."""
    if sees_mood((name,)):
        return 1
    known = _registered(name)
    # How far back another symbol's feature reaches depends on its bars.
    return then if known.symbol or not known.fits(seconds) else known.bound(seconds).lookback


def _registered(name: str) -> Feature:
    try:
        return find(name)
    except ConfigError as error:
        raise ModelError(
            f"the model wants feature {name!r}, which is not there ({error}): load the plugin that registers "
            "it, or train the model again."
        ) from error


def _window_of(capsule: Capsule) -> FittedWindow:
    # A capsule keeps nothing of the calibration tail, and nothing here reads it.
    none = np.empty(0, np.int64)
    inner = Inner(none, np.empty((0, 5)), np.empty(0), none, capsule.window.purged_inner)
    known = capsule.ensemble, capsule.odds, capsule.threshold, capsule.window
    return FittedWindow(*known, inner, capsule.guests)


def _minute(moment: np.datetime64) -> str:
    return str(np.datetime_as_string(moment, "m"))
