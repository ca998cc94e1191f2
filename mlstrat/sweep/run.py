"""Sweeps in memory: from predictions that are there, or from a run whose odds follow the grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.config import RunConfig
from mlstrat.data.bars import Bars
from mlstrat.execution.types import CASH
from mlstrat.features.matrix import build
from mlstrat.foldcache import FoldCache
from mlstrat.pipeline import Watcher, bars_of, require
from mlstrat.predictions import Predictions
from mlstrat.sentiment.align import SentimentSeries, neutral
from mlstrat.sweep.candidates import Rules, candidates_of, choices_of
from mlstrat.sweep.forecasts import Forecaster, Given, Walked, config_of_terms, not_recalibrated
from mlstrat.sweep.grid import Grid, config_of, make_grid
from mlstrat.sweep.grid_text import parse_grid
from mlstrat.sweep.judged import Returns, bars_per_period
from mlstrat.sweep.kernel import Candidates
from mlstrat.sweep.measures import MEASURES, measures
from mlstrat.sweep.result import Sweep
from mlstrat.sweep.running import NO_GAINS, accounts_of
from mlstrat.trials.returns import days_of
from mlstrat.walkforward import ATR_FEATURE, Fits

if TYPE_CHECKING:
    import pandas as pd

# Columns of one batch: what is computed between two reports of progress, and kept in one file.
BATCH = 10_000
GridLike = Mapping[str, Sequence[Any]] | Sequence[str] | Grid


class Watching(Watcher):
    """What a sweep tells besides; the default keeps silent."""

    def columns(self, done: int, total: int) -> None:
        """Report the columns done so far."""


class Batch(NamedTuple):
    """Neighbouring columns of one group: their numbers, the number of the group, and their places in it."""

    columns: slice
    group: int
    within: slice


def batches(grid: Grid) -> list[Batch]:
    """Cut a grid into batches, in the order of the columns."""
    each = len(grid.taking)
    return [
        Batch(slice(group * each + first, group * each + last), group, slice(first, last))
        for group in range(len(grid.before))
        for first in range(0, each, BATCH)
        for last in (min(first + BATCH, each),)
    ]


class _Group(NamedTuple):
    number: int
    judged: Bars
    rules: Rules
    candidates: Candidates
    kelly: IntArray


class Ran(NamedTuple):
    """A batch that was run.

    Parameters
    ----------
    table : (n_columns, 18) float64
        `MEASURES` of each column.
    gains : (n_columns, n_periods) float64
        Returns of each period, over all bars, those before the first prediction included; no periods where
        returns are not wanted.
    first : int
        Index of the first bar that was predicted.
    """

    table: FloatArray
    gains: FloatArray
    first: int


@dataclass
class Found:
    """What the batches that were run make up: measures and returns of all columns."""

    table: FloatArray
    gains: FloatArray
    every: int
    first: int
    bars: Bars

    @classmethod
    def of(cls, grid: Grid, bars: Bars, every: int) -> Found:
        """Return room for the columns of a grid."""
        periods = -(-len(bars) // every) if every else 0
        table, gains = np.empty((len(grid), len(MEASURES))), np.empty((len(grid), periods))
        return cls(table, gains, every, len(bars), bars)

    def add(self, batch: Batch, ran: Ran) -> None:
        """Put a batch in its place."""
        self.table[batch.columns], self.gains[batch.columns] = ran.table, ran.gains
        self.first = min(self.first, ran.first)

    def returns(self) -> Returns | None:
        """Return the returns from the first predicted bar on; None where they were not wanted."""
        if not self.every:
            return None
        begun = self.first // self.every
        ends = np.minimum(np.arange(begun + 1, self.gains.shape[1] + 1) * self.every, len(self.bars)) - 1
        return Returns(self.gains.T[begun:], self.every, days_of(self.bars.close_time[ends]))


class Columns:
    """Runs the columns of a grid, group after group.

    Parameters
    ----------
    config : RunConfig
        The run.
    bars : Bars
        Its bars.
    grid : Grid
        What varies.
    forecaster : callable
        Gives the forecasts of each group.
    threads : int
        Columns run at a time.
    every : int
        Bars of a period whose returns are added up; 0 = returns are not wanted.
    """

    def __init__(
        self, config: RunConfig, bars: Bars, grid: Grid, forecaster: Forecaster, threads: int, every: int = 0
    ) -> None:
        self._every, self._periods = every, -(-len(bars) // every) if every else 0
        self._config, self._grid, self._forecaster, self._threads = config, grid, forecaster, threads
        self._choices = choices_of(config, bars, grid.taking)
        self._group: _Group | None = None

    def run(self, batch: Batch) -> Ran:
        """Run a batch."""
        if self._group is None or self._group.number != batch.group:
            self._group = self._prepare(batch.group)
        group = self._group
        own = Rules(group.rules.signals[batch.within], group.rules.risks[batch.within])
        kelly, gains = group.kelly[batch.within], np.zeros((len(own.risks), self._periods))
        accounts = accounts_of(
            group.candidates, own, kelly, self._threads, gains if self._every else NO_GAINS, self._every
        )
        n_bars, year = len(group.judged), group.judged.bars_per_year
        table = measures(accounts, own.risks[:, CASH], n_bars, year)
        return Ran(table, gains, len(group.candidates.bars) - n_bars)

    def _prepare(self, group: int) -> _Group:
        config = config_of(self._config, self._grid.before.settings(group))
        forecasts = self._forecaster(config)
        rules = self._choices.rules(config, forecasts.bars)
        candidates, kelly = candidates_of(forecasts, rules)
        return _Group(group, forecasts.judged(), rules, candidates, kelly)


def sweep(
    bars: Bars,
    predictions: Predictions,
    grid: GridLike,
    *,
    config: RunConfig | None = None,
    mood: SentimentSeries | None = None,
    atr_px: FloatArray | None = None,
    threads: int = 2,
) -> Sweep:
    """Sweep settings over predictions that are there: nothing is fitted, and no odds are estimated.

    Parameters
    ----------
    bars : Bars
        The bars that were predicted.
    predictions : Predictions
        Out of sample, such as `mlstrat.run(config).predictions`.
    grid : mapping, or sequence of str
        Values by dotted key, or texts such as "stops.atr=1:4:0.5".
    config : RunConfig, optional
        The settings that hold in every column; by default those that the predictions tell of their trade.
    mood : SentimentSeries, optional
        As the predictions were made with, for the quality of a signal; by default none was known.
    atr_px : (n_bars,) float64, optional
        ATR(14) in price; by default computed.
    threads : int
        Columns run at a time; the numbers are the same bits for any.

    Returns
    -------
    Sweep
        Where the grid moves stops, targets, time exits or costs, its notes say that Kelly goes on betting on
        the odds that the predictions hold; `sweep_run` estimates them for each trade.

    Raises
    ------
    ConfigError
        The grid cannot be used, or changes the predictions themselves.
    DataError
        Predictions or sentiment are of other bars.
    """
    base = config or config_of_terms(predictions)
    bars, made = bars_of(base, bars), _grid(base, grid)
    if atr_px is None:
        atr_px = build(bars, [ATR_FEATURE]).column(ATR_FEATURE).copy()
    given = Given(bars, predictions, mood or neutral(bars), atr_px, base, made.keys)
    return _swept(base, bars, made, given, threads, Watching(), not_recalibrated(made.keys))


def sweep_run(
    config: RunConfig,
    grid: GridLike,
    *,
    bars: Bars | pd.DataFrame | str | Path | None = None,
    cache: FoldCache | None = None,
    fits: Fits | None = None,
    watcher: Watching | None = None,
) -> Sweep:
    """Sweep any settings of a run but its data.

    Each model is fitted once, or taken from the cache; where stops, targets, time exits, costs or weights
    vary, the odds are estimated anew for each, from what the models said inside their training windows.

    Parameters
    ----------
    config : RunConfig
        The run; `jobs` windows are fitted, or columns run, at a time.
    grid : mapping, or sequence of str
        Values by dotted key, or texts such as "stops.atr=1:4:0.5".
    bars : Bars, DataFrame or path, optional
        Instead of those the configuration names.
    cache, fits, watcher
        As for `mlstrat.run`.

    Raises
    ------
    ConfigError, DataError, ModelError, MissingExtraError
        The grid cannot be used, or a run of it cannot be made.
    """
    watcher = watcher or Watching()
    require(config, "kernel")
    bars = bars_of(config, bars)
    made, walked = _grid(config, grid), Walked(config, bars, watcher, cache, fits)
    return _swept(config, bars, made, walked, config.jobs, watcher, ())


def _swept(
    config: RunConfig,
    bars: Bars,
    grid: Grid,
    forecaster: Forecaster,
    threads: int,
    watcher: Watching,
    notes: tuple[str, ...],
) -> Sweep:
    every = bars_per_period(len(bars), len(grid))
    columns, found = Columns(config, bars, grid, forecaster, threads, every), Found.of(grid, bars, every)
    for batch in batches(grid):
        found.add(batch, columns.run(batch))
        watcher.columns(batch.columns.stop, len(grid))
    return Sweep(config, grid, found.table, forecaster, notes, found.returns(), bars.bars_per_year)


def _grid(config: RunConfig, given: GridLike) -> Grid:
    if isinstance(given, Grid):
        return given
    return make_grid(config, given if isinstance(given, Mapping) else parse_grid(given))
