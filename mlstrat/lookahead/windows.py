"""One window of a run, fitted on what was known at its fit and asked about the bars up to a cut."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.config import RunConfig
from mlstrat.execution.types import Decisions
from mlstrat.lookahead.cuts import Cut
from mlstrat.lookahead.past import Known, Past
from mlstrat.panel import Panel
from mlstrat.pipeline import load_confirmed
from mlstrat.predictions import Predictions
from mlstrat.signals.decide import decide
from mlstrat.signals.terms import trade_terms
from mlstrat.splits import Fold, Schedule
from mlstrat.walkforward import predictions_of, schedule_for, until
from mlstrat.window import fit_models, forecast_width, forecast_window, window_of


@dataclass(frozen=True)
class OneWindow(Schedule):
    """A schedule of one window of another one, which keeps its number there."""

    number: int = 0

    def fold(self, index: int, close_time: np.ndarray, resolved_at: np.ndarray, ready: int) -> Fold:
        """Return the window's bars."""
        return replace(super().fold(index, close_time, resolved_at, ready), index=self.number)


def window_at(panel: Panel, config: RunConfig, number: int) -> OneWindow | None:
    """Return the window that speaks for the last bar of a panel, as window `number`; None where none does."""
    schedule = schedule_for(panel.bars, panel.features.ready, config)
    index = schedule.window_at(panel.bars.close_time[-1])
    return None if index < 0 else one_of(schedule, index, number)


def one_of(schedule: Schedule, index: int, number: int) -> OneWindow:
    """Return a schedule of one of its windows, as window `number`."""
    end, boundary = until(schedule, index), schedule.boundaries[index : index + 1]
    return OneWindow(boundary, end, schedule.training, schedule.expanding, schedule.embargo, number)


def fold_of(window: Schedule, panel: Panel) -> Fold:
    """Return the bars of the one window of a schedule."""
    return window.fold(0, panel.bars.close_time, panel.labels.resolved_at, panel.features.ready)


def forecast(
    fitted_on: Panel, fold: Fold, asked: Panel, rows: IntArray, end: np.datetime64, config: RunConfig
) -> Predictions:
    """Fit a window on one panel and ask it about bars of another, from its first one on.

    Parameters
    ----------
    fitted_on : Panel
        What its models and odds learn from.
    fold : Fold
        What they are fitted on.
    asked : Panel
        Which bars it is asked about; the same ones as far as both reach.
    rows : (n_rows,) int64
        The bars of `asked`, consecutive.
    end : datetime64[ns]
        Where the next window begins.
    config : RunConfig
        The run.
    """
    models = fit_models(fitted_on, fold, config)
    fitted = window_of(fitted_on, fold, end, config, models)
    _, block = forecast_window(asked, replace(fold, test=rows), fitted, models.state, config)
    bars = asked.bars
    table: FloatArray = np.full((len(bars), forecast_width(config)), np.nan)
    of_fold = np.full(len(bars), -1, np.int64)
    table[rows], of_fold[rows] = block, fold.index
    terms, joined = trade_terms(config, bars.instrument), config.models.joined
    return predictions_of(bars.symbol, bars.time, table, of_fold, {fold.index: fitted}, terms, joined)


def decisions_at(past: Past, cut: Cut, known: Known, predictions: Predictions) -> Decisions:
    """Decide the bars up to a cut from what was known there."""
    panel, config = known.panel, past.config
    if config.signals.conformal:  # it learns from what earlier windows said
        prob_up = predictions.prob_up.copy()
        prob_up[: cut.first] = past.predictions["prob_up"][: cut.first]
        predictions = replace(predictions, prob_up=prob_up)
    confirmed = load_confirmed(panel.bars, config, known.others)
    return decide(panel.bars, predictions, panel.mood, panel.atr_px, config, confirmed=confirmed)
