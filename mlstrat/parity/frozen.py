"""A finished run's stored windows, asked on any bars of its symbol: what an exported script must say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.capsule import load
from mlstrat.config import RunConfig, parse_config
from mlstrat.data.bars import Bars
from mlstrat.data.carry import BORROW, FUNDING
from mlstrat.errors import DataError, RunFolderError
from mlstrat.execution.types import Decisions
from mlstrat.features.matrix import FeatureMatrix, build
from mlstrat.files import sha256_of
from mlstrat.foldstore import MODEL, FoldStore
from mlstrat.inputs import build_inputs
from mlstrat.parity.verify import Past, read_past
from mlstrat.pipeline import load_confirmed, load_others
from mlstrat.plugins import load_plugins
from mlstrat.predictions import Predictions
from mlstrat.runfolder import FOLDS, MANIFEST, SENTIMENT
from mlstrat.sentiment.align import SentimentSeries, check_mood
from mlstrat.signals.decide import decide
from mlstrat.signals.terms import trade_terms
from mlstrat.walkforward import ATR_FEATURE, predictions_of
from mlstrat.window import FittedWindow, forecast_block, forecast_width


@dataclass(frozen=True, eq=False)
class Stored:
    """A stored window: what it learned, the LSTM's state (2, units) before its first bar, its features."""

    fitted: FittedWindow
    state: FloatArray
    features: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Frozen:
    """What a run's windows say about bars; all parts are aligned with them.

    Parameters
    ----------
    bars : Bars
        The bars, with the facts of the run's instrument and without a carry: a script charges none.
    features : FeatureMatrix
        The models' inputs, NaN before each one's lookback.
    predictions : Predictions
        NaN where no window speaks, or a feature is not known.
    atr_px : (n_bars,) float64
        ATR(14) in price.
    mood : SentimentSeries
        What sentiment was known.
    decisions : Decisions
        By the run's settings, as if flat.
    """

    bars: Bars
    features: FeatureMatrix
    predictions: Predictions
    atr_px: FloatArray
    mood: SentimentSeries
    decisions: Decisions


@dataclass(frozen=True, eq=False)
class FrozenRun:
    """A finished run as it was stored; nothing is fitted.

    Parameters
    ----------
    past : Past
        What it executed.
    config : RunConfig
        Its settings, files where they lay then.
    windows : tuple of Stored
        In order of time.
    mood : SentimentSeries
        The sentiment of its own bars.
    others : tuple of Bars
        Bars of the other symbols that its features name.
    """

    past: Past
    config: RunConfig
    windows: tuple[Stored, ...]
    mood: SentimentSeries
    others: tuple[Bars, ...]

    def latest(self) -> FrozenRun:
        """Return the run with its newest window alone."""
        return replace(self, windows=self.windows[-1:])

    def until(self, moment: np.datetime64) -> FrozenRun:
        """Return the run with a last window that speaks for bars that close before a moment."""
        last = self.windows[-1]
        window = replace(last.fitted.window, valid_to=moment)
        ended = replace(last, fitted=replace(last.fitted, window=window))
        return replace(self, windows=(*self.windows[:-1], ended))

    def on(self, bars: Bars, mood: SentimentSeries | None = None) -> Frozen:
        """Ask the windows about bars.

        A bar is predicted by the window that is valid at its close. The LSTM's state is the stored one at
        the first bar of each window that is there, though the window may have begun before.

        Parameters
        ----------
        bars : Bars
            Of the run's symbol and length, from any moment on.
        mood : SentimentSeries, optional
            Aligned with the bars; by default the run's own, which is known on its own days alone.

        Raises
        ------
        DataError
            The bars are of another symbol or length, or lack volume that a feature needs.
        NotEnoughBarsError
            There are fewer than the longest lookback.
        """
        bars = self._own(bars)
        mood = carried(self.mood, bars, self.config.sentiment.resolution == "1d") if mood is None else mood
        check_mood(mood, bars)
        features = build_inputs(bars, self.windows[0].features, mood, self.others)
        atr_px = build(bars, [ATR_FEATURE]).column(ATR_FEATURE).copy()
        predictions = self._predictions(bars, features.values, mood)
        confirmed = load_confirmed(bars, self.config, self.others)
        decisions = decide(bars, predictions, mood, atr_px, self.config, confirmed=confirmed)
        return Frozen(bars, features, predictions, atr_px, mood, decisions)

    def _own(self, bars: Bars) -> Bars:
        own = self.past.bars
        if (bars.symbol, str(bars.timeframe)) != (own.symbol, str(own.timeframe)):
            raise DataError(
                f"the run is of {own.symbol} in bars of {own.timeframe}, and these are of {bars.symbol} in "
                f"bars of {bars.timeframe}: give bars of {own.symbol} of {own.timeframe}."
            )
        return replace(bars, instrument=own.instrument, carry=None)

    def _predictions(self, bars: Bars, x: FloatArray, mood: SentimentSeries) -> Predictions:
        table = np.full((len(bars), forecast_width(self.config)), np.nan)
        of_fold = np.full(len(bars), -1, np.int64)
        for stored in self.windows:
            window = stored.fitted.window
            span = np.array([window.valid_from, window.valid_to])
            rows = slice(*np.searchsorted(bars.close_time, span, side="left"))
            told = mood.score[rows], mood.confidence[rows]
            block = forecast_block(x[rows], *told, stored.fitted, stored.state.copy(), self.config)
            table[rows] = block
            of_fold[rows] = np.where(np.isfinite(x[rows]).all(axis=1), window.fold, -1)
        fitted = {stored.fitted.window.fold: stored.fitted for stored in self.windows}
        terms = trade_terms(self.config, bars.instrument)
        joined = self.config.models.joined
        return predictions_of(bars.symbol, bars.time, table, of_fold, fitted, terms, joined)


def frozen(folder: Path, bars: Bars, mood: SentimentSeries | None = None) -> Frozen:
    """Ask a finished run's windows about bars; parameters and errors as for `read_run` and `FrozenRun.on`."""
    return read_run(folder).on(bars, mood)


def read_run(folder: Path) -> FrozenRun:
    """Read a finished run with its windows.

    Raises
    ------
    RunFolderError
        The folder holds no finished run, or a file of it is missing or changed.
    ReproductionError
        The bars are other ones than then.
    DataError, ConfigError
        A file that the run was made from is not there.
    ModelError
        A window cannot be read.
    """
    past = read_past(folder)
    config = _config_of(past)
    load_plugins(config.plugins)
    return FrozenRun(past, config, _windows(past, config), _mood(past), load_others(config))


def carried(mood: SentimentSeries, bars: Bars, daily: bool) -> SentimentSeries:
    """Return a run's sentiment on other bars: the value of their day or of the same bar, else neutral.

    Parameters
    ----------
    mood : SentimentSeries
        Of the run's bars.
    bars : Bars
        Other bars.
    daily : bool
        Whether all bars of a day share one value.
    """
    unit = "datetime64[D]" if daily else "datetime64[ns]"
    own, asked = mood.time.astype(unit), bars.time.astype(unit)
    place = np.minimum(np.searchsorted(own, asked), len(own) - 1)
    there = own[place] == asked
    score, confidence, count = (
        np.where(there, column[place], 0) for column in (mood.score, mood.confidence, mood.count)
    )
    return SentimentSeries(bars.time, score, confidence, count)


def _config_of(past: Past) -> RunConfig:
    content, sources = past.manifest["config"], past.manifest["sources"]
    content = {
        **content,
        "plugins": sources["plugins"],
        "data": {**content["data"], "bars": sources["bars"]},
        "instrument": {**content["instrument"], FUNDING: "", BORROW: ""},
        "features": {**content["features"], "context": sources["context"]},
    }
    return parse_config(content, str(past.folder / MANIFEST))


def _mood(past: Past) -> SentimentSeries:
    import pandas as pd

    path, outputs = past.folder / SENTIMENT, past.manifest["outputs"]
    if not path.exists() or sha256_of(path) != outputs.get(SENTIMENT):
        raise RunFolderError(
            f"{path} is missing or changed since the run wrote it: restore it, or run again."
        )
    frame = pd.read_parquet(path)
    columns = (frame[name].to_numpy() for name in ("score", "confidence", "count"))
    return SentimentSeries(past.bars.time, *columns)


def _windows(past: Past, config: RunConfig) -> tuple[Stored, ...]:
    place = past.folder / FOLDS
    store = FoldStore(place, past.manifest["key"], config.models.trusted)
    windows = tuple(
        _stored(store, path, config.models.trusted) for path in sorted(place.glob("[0-9]*")) if path.is_dir()
    )
    found = [stored.fitted.window.model_sha256 for stored in windows]
    if found != past.manifest["windows"]:
        raise RunFolderError(
            f"{place} does not hold the {len(past.manifest['windows'])} windows that {MANIFEST} names: "
            "restore them, or run again."
        )
    return windows


def _stored(store: FoldStore, path: Path, trust: Sequence[str]) -> Stored:
    kept = store.load(int(path.name))
    if kept is None:
        raise RunFolderError(f"{path} is of another run: delete it, and run again.")
    capsule = load(path / MODEL, trust)
    return Stored(kept[0], capsule.state, capsule.about.features)
