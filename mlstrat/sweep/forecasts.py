"""What stands before a group of columns: the run's predictions under the settings of that group."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.config import RunConfig, parse_config
from mlstrat.data.bars import Bars
from mlstrat.errors import ConfigError, DataError
from mlstrat.execution.types import Decisions
from mlstrat.foldcache import FoldCache
from mlstrat.panel import Panel, make_panel
from mlstrat.pipeline import Watcher, load_confirmed, load_others, load_panel
from mlstrat.predictions import Predictions
from mlstrat.sentiment.align import SentimentSeries
from mlstrat.sentiment.series import mood_for
from mlstrat.signals.decide import decide
from mlstrat.signals.rule import SignalRules
from mlstrat.signals.terms import trade_terms
from mlstrat.splits import Fold
from mlstrat.sweep.grid import FITTING
from mlstrat.sweep.remembered import Remembered
from mlstrat.transfer import load_start
from mlstrat.trials.ledger import Trial
from mlstrat.walkforward import Fits, check_windows, fit_here, schedule_for, walk_forward
from mlstrat.window import FittedModels

# Settings that `decide` and execution read and the walk-forward does not.
_AFTER: dict[str, Any] = {
    "signals": {
        "confirm",
        "confirm_long",
        "confirm_short",
        "conformal",
        "threshold",
        "direction",
        "min_confidence",
        "min_grade",
    },
    "execution": {"cash", "gap_reserve"},
    **dict.fromkeys(("name", "jobs", "kelly", "breakers", "risk", "report"), True),
}
_CALENDAR = ("instrument.calendar", "instrument.sessions_per_year", "instrument.session_hours")
Record = Callable[[Sequence[Trial]], None]


class Forecasts(NamedTuple):
    """What `decide` needs of a group.

    Parameters
    ----------
    bars : Bars
        With the group's facts of the instrument.
    predictions : Predictions
        Out of sample, their odds for the group's trade.
    mood : SentimentSeries
        Aligned with the bars.
    atr_px : (n_bars,) float64
        ATR(14) at each close, in price.
    config : RunConfig
        The group's.
    """

    bars: Bars
    predictions: Predictions
    mood: SentimentSeries
    atr_px: FloatArray
    config: RunConfig

    def decide(self, config: RunConfig | None = None, rules: SignalRules | None = None) -> Decisions:
        """Decide every bar under the group's settings or, of the same group, a column's."""
        config = config or self.config
        confirmed = load_confirmed(self.bars, config)
        told = self.bars, self.predictions, self.mood, self.atr_px
        return decide(*told, config, rules, confirmed=confirmed)

    def judged(self) -> Bars:
        """Return the bars from the first predicted one on, on which numbers are computed, as in a report.

        Raises
        ------
        DataError
            There is no prediction.
        """
        known = self.predictions.known
        if not known.any():
            raise DataError(
                "there is no out-of-sample prediction to sweep over: load more bars, or shorten "
                "splits.training_days."
            )
        return self.bars[int(np.argmax(known)) :]


class Forecaster(Protocol):
    """Gives the forecasts of each group."""

    def __call__(self, config: RunConfig) -> Forecasts:
        """Return the forecasts under these settings."""


@dataclass(frozen=True)
class Given:
    """Predictions made before, as they are: nothing is fitted and no odds are estimated.

    Parameters
    ----------
    bars, predictions, mood, atr_px
        As in `Forecasts`.
    config : RunConfig
        What they were made with.
    swept : tuple of str
        Keys that vary: the odds are taken for those of their trades, although they are not.
    """

    bars: Bars
    predictions: Predictions
    mood: SentimentSeries
    atr_px: FloatArray
    config: RunConfig
    swept: tuple[str, ...] = ()

    def __call__(self, config: RunConfig) -> Forecasts:
        """Return the predictions, their odds taken for those of this trade.

        Raises
        ------
        ConfigError
            The settings differ in one that only a walk-forward can follow.
        """
        changed = [name for name in _BEFORE_ODDS if _part(config, name) != _part(self.config, name)]
        if changed:
            raise ConfigError(
                f"{changed[0]} changes the predictions themselves, and these are there already: "
                "use sweep_run, which walks forward again and fits only what changed."
            )
        bars = replace(self.bars, instrument=_facts(self.bars, config, self.config))
        predictions, asked = self.predictions, trade_terms(config, bars.instrument)
        if predictions.terms is not None:
            taken = {name: getattr(asked, name) for name, key in _TERMS.items() if key in self.swept}
            predictions = replace(predictions, terms=predictions.terms._replace(**taken))
        return Forecasts(bars, predictions, self.mood, self.atr_px, config)


_TERMS = {
    "stop_atr": "stops.atr",
    "target_atr": "stops.target_atr",
    "max_bars": "stops.max_bars",
    "fee_share": "instrument.fee_share",
    "slippage_ticks": "execution.slippage_ticks",
}
_BEFORE_ODDS = (*FITTING, "sentiment", "signals.ml_weight", "signals.sentiment_weight")


def config_of_terms(predictions: Predictions) -> RunConfig:
    """Return the default settings with the trade that predictions tell of."""
    terms = predictions.terms
    if terms is None:
        return RunConfig()
    return parse_config(
        {
            "signals": {"ml_weight": terms.ml_weight, "sentiment_weight": terms.sentiment_weight},
            "stops": {"atr": terms.stop_atr, "target_atr": terms.target_atr, "max_bars": terms.max_bars},
            "execution": {"slippage_ticks": terms.slippage_ticks},
        }
    )


def not_recalibrated(swept: Sequence[str]) -> tuple[str, ...]:
    """Say which keys move the trade without moving the odds that Kelly bets on."""
    moved = [key for key in _TERMS.values() if key in swept]
    if not moved:
        return ()
    return (
        f"Kelly is not recalibrated: in every column it bets on the odds that the predictions hold, though "
        f"{', '.join(moved)} varies; sweep_run estimates them for each trade.",
    )


class Walked:
    """Predictions of a walk-forward for each group, in which models are fitted once.

    Models are taken from the cache, or fitted and kept there and in memory for as long as the groups share
    them; odds and thresholds are estimated for each group's own trade.

    Parameters
    ----------
    config : RunConfig
        The run.
    bars : Bars
        Its bars.
    watcher : Watcher
        Told the windows of groups for which models are fitted.
    cache : FoldCache, optional
        Keeps fitted models for other runs.
    fits : callable, optional
        Fits models elsewhere, such as `mlstrat.cluster.OnCluster`.
    record : callable, optional
        Takes the trials of windows whose sizes were chosen in them.
    """

    def __init__(
        self,
        config: RunConfig,
        bars: Bars,
        watcher: Watcher,
        cache: FoldCache | None = None,
        fits: Fits | None = None,
        record: Record | None = None,
    ) -> None:
        self._config, self._bars, self._watcher, self._disk = config, bars, watcher, cache
        self._fits = partial(_recorded, fits or fit_here, record)
        self._kept: dict[str, tuple[str, Any]] = {}

    def __call__(self, config: RunConfig) -> Forecasts:
        """Walk forward under these settings.

        Raises
        ------
        ConfigError, DataError, ModelError
            A window cannot be fitted or its odds not be estimated.
        """
        instrument = _facts(self._bars, config, self._config)
        bars = self._once("bars", instrument, lambda: replace(self._bars, instrument=instrument))
        walked = self._once("walk", _walk_key(config), lambda: self._walk(bars, config))
        panel, predictions = walked
        return Forecasts(bars, predictions, panel.mood, panel.atr_px, config)

    def outlook(self) -> tuple[int, Bars]:
        """Return how many windows the run has, and the bars from the first predicted one on."""
        panel = self._panel(self._bars, self._config)
        bars, labels, ready = panel.bars, panel.labels, panel.features.ready
        schedule = schedule_for(bars, ready, self._config)
        folds = (schedule.fold(k, bars.close_time, labels.resolved_at, ready) for k in range(len(schedule)))
        first = next((int(fold.test[0]) for fold in folds if len(fold.test)), 0)
        return len(schedule), bars[first:]

    def _walk(self, bars: Bars, config: RunConfig) -> tuple[Panel, Predictions]:
        panel = self._panel(bars, config)
        schedule = schedule_for(bars, panel.features.ready, config)
        check_windows(panel, schedule, config)
        cache = self._once("models", _parts(config, FITTING), lambda: Remembered(disk=self._disk))
        progress = Watcher().windows if cache.kept else self._watcher.windows
        return panel, walk_forward(panel, schedule, config, None, progress, cache, self._fits)

    def _panel(self, bars: Bars, config: RunConfig) -> Panel:
        mood = self._once("mood", _parts(config, ("sentiment",)), lambda: mood_for(bars, config.sentiment))
        seen = "sentiment" if config.sentiment.features else "sentiment.features"
        inputs = _parts(config, ("features", seen, *_CALENDAR))
        panel = self._once("panel", inputs, lambda: load_panel(bars, mood, config, load_others(config)))
        features = panel.features
        # Whether a model can be started from depends on settings of models too, which the panel outlives.
        fitted = _parts(config, (*FITTING, "sentiment.features", *_CALENDAR))
        start = self._once("start", fitted, lambda: load_start(config, features.names, bars.timeframe))
        return make_panel(bars, features, panel.atr_px, mood, config, start)

    def _once(self, name: str, key: Any, make: Callable[[], Any]) -> Any:
        """Return what was made for this key; what was made for another key is dropped."""
        if name not in self._kept or self._kept[name][0] != key:
            self._kept[name] = key, make()
        return self._kept[name][1]


def _recorded(
    fits: Fits, record: Record | None, panel: Panel, folds: Sequence[Fold], config: RunConfig
) -> Iterator[tuple[int, FittedModels]]:
    cuts = {fold.index: str(fold.cut) for fold in folds}
    for index, models in fits(panel, folds, config):
        if record is not None and models.tuning is not None:
            record(models.tuning.ledger_rows(cuts[index]))
        yield index, models


def _facts(bars: Bars, config: RunConfig, base: RunConfig) -> Any:
    """Return the instrument with the facts in which two configurations differ."""
    now, then = config.instrument.model_dump(), base.instrument.model_dump()
    return bars.instrument.with_facts(**{name: now[name] for name in now if now[name] != then[name]})


def _part(config: RunConfig, key: str) -> Any:
    section, _, name = key.partition(".")
    content = config.model_dump()[section]
    return content[name] if name else content


def _walk_key(config: RunConfig) -> str:
    return config.model_dump_json(exclude=_AFTER)


def _parts(config: RunConfig, names: Sequence[str]) -> str:
    return json.dumps({name: _part(config, name) for name in names}, default=str)
