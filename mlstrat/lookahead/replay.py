"""A run at a cut, made again from what was known there, and compared with what it wrote."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from mlstrat.errors import ReproductionError
from mlstrat.execution.types import Decisions
from mlstrat.lookahead.compare import Column, Compared, Unlike, compare, unlike_bits
from mlstrat.lookahead.cuts import Cut
from mlstrat.lookahead.past import (
    Known,
    Past,
    Table,
    feature_columns,
    known_at,
    label_columns,
    mood_columns,
)
from mlstrat.lookahead.windows import decisions_at, fold_of, forecast, one_of, window_at
from mlstrat.panel import Panel
from mlstrat.predictions import Predictions

FEATURES, LABELS, SENTIMENT = "features", "labels", "sentiment"
MODELS, PREDICTIONS, DECISIONS = "models", "predictions", "decisions"
STAGES = (FEATURES, LABELS, SENTIMENT, MODELS, PREDICTIONS, DECISIONS)
_OF_PANEL: Mapping[str, Callable[[Panel, Panel], Mapping[str, tuple[Column, Column]]]] = {
    FEATURES: feature_columns,
    LABELS: label_columns,
    SENTIMENT: mood_columns,
}


@dataclass(frozen=True, eq=False)
class Replayed:
    """What a replay at a cut gave.

    Parameters
    ----------
    cut : Cut
        Where.
    known : Known
        What was there at its last bar.
    predictions, decisions
        Of the bars from the window's first one to the cut.
    stages : tuple of Compared
        One for each of `STAGES`.
    """

    cut: Cut
    known: Known
    predictions: Predictions
    decisions: Decisions
    stages: tuple[Compared, ...]


def replay(past: Past, cut: Cut, unlike: Unlike) -> Replayed:
    """Make a run again at a cut: its window on the bars known at its fit, its bars on those up to the cut.

    Raises
    ------
    ReproductionError
        Models, predictions or decisions differ, and they do so with all data too: that is not look-ahead.
    """
    config, at_fit, at_cut = past.config, known_at(past, cut.fitted), known_at(past, cut.bar)
    found = [
        compare_panels(stage, past, at_fit, unlike) + compare_panels(stage, past, at_cut, unlike)
        for stage in _OF_PANEL
    ]
    own = one_of(past.schedule, cut.window, cut.window)
    window = window_at(at_cut.panel, config, cut.window)
    fold = fold_of(window or own, at_fit.panel)
    predictions = forecast(at_fit.panel, fold, at_cut.panel, rows_of(cut), own.end, config)
    decisions = decisions_at(past, cut, at_cut, predictions)
    nothing = np.full(1, np.datetime64("NaT", "ns"))
    models = {
        "time of the fit": (own.boundaries, nothing if window is None else window.boundaries),
        "hash of the models": _hashes(past, predictions),
    }
    said = [
        compare(MODELS, models, past.bars.time, cut.fitted, cut.fitted, unlike),
        compare_tables(PREDICTIONS, past, cut, past.predictions, table_of(predictions), unlike),
        compare_tables(DECISIONS, past, cut, past.decisions, table_of(decisions), unlike),
    ]
    if any(stage.different for stage in said):
        _refuse_unlike_itself(past, cut)
    return Replayed(cut, at_cut, predictions, decisions, (*found, *said))


def rows_of(cut: Cut) -> np.ndarray:
    """Return the bars of a window up to a cut."""
    return np.arange(cut.first, cut.bar + 1)


def compare_panels(
    stage: str, past: Past, known: Known, unlike: Unlike, whole: Panel | None = None
) -> Compared:
    """Compare features, labels or sentiment of a run, or of another whole panel, with what was known."""
    columns = _OF_PANEL[stage](past.panel if whole is None else whole, known.panel)
    if stage == SENTIMENT and past.texts is None and whole is None:
        return Compared(stage)
    found = compare(stage, columns, past.bars.time, 0, len(known.panel.bars) - 1, unlike)
    return replace(found, rounded=known.rounded) if stage == FEATURES else found


def compare_tables(
    stage: str, past: Past, cut: Cut, with_all: Table, without: Table, unlike: Unlike
) -> Compared:
    """Compare predictions or decisions of the bars of a window up to a cut."""
    rows = slice(cut.first, cut.bar + 1)
    columns = {name: (with_all[name][rows], values[rows]) for name, values in without.items()}
    return compare(stage, columns, past.bars.time, cut.first, cut.bar, unlike)


def table_of(told: Predictions | Decisions) -> Table:
    """Return predictions or decisions as the columns that a run writes."""
    frame = told.frame()
    return {name: frame[name].to_numpy() for name in frame.columns if name != "symbol"}


def _hashes(past: Past, predictions: Predictions) -> tuple[Column, Column]:
    (window,) = predictions.windows
    return np.array([past.models[window.fold]], object), np.array([window.model_sha256], object)


def _refuse_unlike_itself(past: Past, cut: Cut) -> None:
    """Refuse a run whose window does not come out the same even with all data."""
    own = one_of(past.schedule, cut.window, cut.window)
    fold = fold_of(own, past.panel)
    again = forecast(past.panel, fold, past.panel, rows_of(cut), own.end, past.config)
    whole = Known(past.panel, past.others, 0)
    tables = (
        (PREDICTIONS, past.predictions, table_of(again)),
        (DECISIONS, past.decisions, table_of(decisions_at(past, cut, whole, again))),
    )
    for stage, written, made in tables:
        found = compare_tables(stage, past, cut, written, made, unlike_bits)
        if found.first:
            value = found.first
            raise ReproductionError(
                f"with all its data, too, the run does not come out as it was written: {value.column} at "
                f"bar {value.bar:,} ({value.time}) was {value.with_all} and is {value.without}. Find out why "
                "with mlstrat reproduce."
            )
