"""Leaks that an audit plants, one a stage: steps that use whatever lies before them.

Each is done to all data and to what was known, as a leaking run would do it, and goes through the comparison
that the run itself goes through. An audit that does not see them sees nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlstrat.arrays import SideArray
from mlstrat.data.bars import Bars
from mlstrat.features.causality import Rounding, values_of
from mlstrat.features.registry import Feature
from mlstrat.lookahead.alone import cut_function, draw
from mlstrat.lookahead.compare import Compared, Unlike
from mlstrat.lookahead.past import Known, Past
from mlstrat.lookahead.replay import (
    DECISIONS,
    FEATURES,
    LABELS,
    PREDICTIONS,
    SENTIMENT,
    Replayed,
    compare_panels,
    compare_tables,
    rows_of,
    table_of,
)
from mlstrat.lookahead.texts import Texts, latency_of, mood_of, texts_known
from mlstrat.lookahead.windows import fold_of, forecast, one_of
from mlstrat.panel import Panel
from mlstrat.sentiment.headlines import Headlines
from mlstrat.signals.decide import decide

_FUNCTION_CUTS = 20


@dataclass(frozen=True)
class Planted:
    """A planted leak, and what the comparison found of it."""

    leak: str
    found: Compared

    @property
    def caught(self) -> bool:
        """Whether it was seen."""
        return self.found.different > 0


def plant(past: Past, at: Replayed, unlike: Unlike) -> Iterator[Planted]:
    """Plant every leak at the cut of a replay; it costs one more fit."""
    panels, ahead = (past.panel, at.known.panel), past.config.labels.target_periods
    yield Planted(
        "a feature is shifted one bar into the future",
        _panels(FEATURES, past, at.known, [features_ahead(panel) for panel in panels], unlike),
    )
    yield Planted(
        "a label counts as resolved one bar too early",
        _panels(LABELS, past, at.known, [labels_early(panel, ahead) for panel in panels], unlike),
    )
    yield Planted("a function of whole arrays looks one bar ahead", _function_ahead(past, unlike))
    yield Planted("a headline is heard one bar before it is known", _headline_early(past, at, unlike))
    yield Planted("labels resolved after the fit train the models", _fitted_late(past, at, unlike))
    yield Planted("a decision follows the close of the next bar", _decided_late(past, at, unlike))


def _panels(stage: str, past: Past, known: Known, leaking: Sequence[Panel], unlike: Unlike) -> Compared:
    """Compare what a leak makes of all data with what it makes of what was known."""
    whole, part = leaking
    return compare_panels(stage, past, replace(known, panel=part), unlike, whole)


def features_ahead(panel: Panel) -> Panel:
    """Give each bar the features of the next one; the last keeps its own."""
    values = panel.features.values
    return replace(panel, features=replace(panel.features, values=np.vstack([values[1:], values[-1:]])))


def _function_ahead(past: Past, unlike: Unlike) -> Compared:
    f = Feature(
        name="planted",
        family="user",
        step=None,
        function=lambda frame: (frame["high"] + frame["low"]).shift(-1).ffill(),
        params=(),
        inputs=("high", "low"),
        state_size=0,
        lookback=1,
        warmup=1,
        unit="price",
        source="",
        pine=None,
        no_pine="planted",
        model_input=False,
    )
    bars = past.bars
    rounding = Rounding.of(values_of(f, bars.matrix))
    return cut_function(f, bars, draw(f, len(bars), 0, _FUNCTION_CUTS), rounding, unlike)


def labels_early(panel: Panel, target_periods: int) -> Panel:
    """Say of each label that it was resolved one bar before it was."""
    labels = panel.labels
    known = ~np.isnat(labels.resolved_at)
    early = labels.resolved_at.copy()
    early[known] = panel.bars.close_time[np.flatnonzero(known) + target_periods]
    return replace(panel, labels=replace(labels, resolved_at=early))


def _headline_early(past: Past, at: Replayed, unlike: Unlike) -> Compared:
    cfg, bars = past.config.sentiment, at.known.panel.bars
    close = np.datetime64(bars.close_time[-1])
    # What is known half a bar after the close is for the next bar, not for this one.
    told_at = close + (bars.timeframe.delta / 2).astype("timedelta64[ns]")
    whole = with_headline(past.texts, told_at - latency_of(cfg))
    known = texts_known(whole, cfg, bars.symbol, close, past.seen_until)
    moment = bars.time[-1].astype("datetime64[D]") if cfg.resolution == "1d" else close
    early = told_at - moment.astype("datetime64[ns]")
    moods = (mood_of(_sooner(texts, early), bars, cfg) for texts in (whole, known))
    panels = [replace(at.known.panel, mood=mood) for mood in moods]
    return _panels(SENTIMENT, past, at.known, panels, unlike)


def with_headline(texts: Texts | None, published_at: np.datetime64) -> Texts:
    """Return texts with one more, seen when it was published."""
    moment, one = np.array([published_at]), np.ones(1)
    new = Headlines(moment, np.ones(1, bool), ("Planted words that nobody published",), ("",), seen_at=moment)
    if texts is None:
        return Texts(new, one, one)
    old = texts.headlines
    place = int(np.searchsorted(old.published_at, published_at, side="right"))
    arrays: dict[str, Any] = {
        name: np.insert(value, place, getattr(new, name)[0])
        for name, value in vars(old).items()
        if isinstance(value, np.ndarray)
    }
    words: dict[str, Any] = {
        name: (*getattr(old, name)[:place], *getattr(new, name), *getattr(old, name)[place:])
        for name in ("texts", "source", "subjects")
    }
    together = replace(old, **arrays, **words)
    return Texts(together, np.insert(texts.polarity, place, 1.0), np.insert(texts.confidence, place, 1.0))


def _sooner(texts: Texts, early: np.timedelta64) -> Texts:
    old = texts.headlines
    moved = replace(old, published_at=old.published_at - early, seen_at=old.seen_at - early)
    return replace(texts, headlines=moved)


def _fitted_late(past: Past, at: Replayed, unlike: Unlike) -> Compared:
    """Train on labels that were not resolved at the fit: of what was known then there are none more, so that
    the honest replay is what this leak says there."""
    cut, panel = at.cut, past.panel
    own = one_of(past.schedule, cut.window, cut.window)
    fold = fold_of(own, panel)
    rows = np.arange(fold.first, cut.first)
    late = rows[panel.labels.resolved_at[rows] > panel.bars.close_time[cut.fitted]]
    leaking = replace(fold, train=np.union1d(fold.train, late))
    said = forecast(panel, leaking, panel, rows_of(cut), own.end, past.config)
    return compare_tables(PREDICTIONS, past, cut, table_of(said), table_of(at.predictions), unlike)


def _decided_late(past: Past, at: Replayed, unlike: Unlike) -> Compared:
    panel, config = at.known.panel, past.config
    # Nothing else of the run is to hide what this leak does.
    signals = config.signals.model_copy(update={"conformal": 0.0, "direction": "both"})
    config = config.model_copy(update={"signals": signals})
    holds = np.ones((len(panel.bars), 2), bool)
    whole, known = (
        decide(
            panel.bars,
            at.predictions,
            panel.mood,
            panel.atr_px,
            config,
            sides=sides[: len(panel.bars)],
            confirmed=holds,
        )
        for sides in (next_sides(past.bars), next_sides(panel.bars))
    )
    return compare_tables(DECISIONS, past, at.cut, table_of(whole), table_of(known), unlike)


def next_sides(bars: Bars) -> SideArray:
    """Return the side that each next close will have been right; 0 for the last bar, which has none."""
    rises = np.diff(bars.close) > 0
    return np.append(np.where(rises, 1, -1), 0).astype(np.int8)
