"""A finished run with all its data, and what of it was there at an earlier bar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.config import RunConfig
from mlstrat.config_sentiment import MOOD_FEATURES
from mlstrat.data.bars import Bars
from mlstrat.errors import ReproductionError
from mlstrat.features.causality import Rounding
from mlstrat.features.lookup import find
from mlstrat.lookahead.compare import Column
from mlstrat.lookahead.texts import Texts, mood_of, read_texts, texts_known
from mlstrat.panel import Panel
from mlstrat.pipeline import Watcher, load_panel
from mlstrat.reproduce import read_again
from mlstrat.runfolder import PREDICTIONS
from mlstrat.sentiment.align import neutral
from mlstrat.splits import Schedule
from mlstrat.walkforward import schedule_for

_DECISIONS = "decisions.parquet"
Table = Mapping[str, Column]


@dataclass(frozen=True, eq=False)
class Past:
    """A finished run.

    Parameters
    ----------
    config : RunConfig
        Its settings.
    panel : Panel
        Its bars, features, sentiment and labels.
    others : tuple of Bars
        Bars of other symbols.
    texts : Texts or None
        Its headlines.
    seen_until : datetime64 or None
        Up to when their store had seen texts.
    schedule : Schedule
        Its windows.
    predictions, decisions : mapping
        The columns that it wrote, one value a bar.
    models : tuple of str
        Hash of each window's models.
    """

    config: RunConfig
    panel: Panel
    others: tuple[Bars, ...]
    texts: Texts | None
    seen_until: np.datetime64 | None
    schedule: Schedule
    predictions: Table
    decisions: Table
    models: tuple[str, ...]

    @property
    def bars(self) -> Bars:
        """All its bars."""
        return self.panel.bars


@dataclass(frozen=True, eq=False)
class Known:
    """What was there at the close of a bar: a panel that ends with it, and bars of others closed by then.

    `rounded` counts the feature values that differed from the run's by rounding alone.
    """

    panel: Panel
    others: tuple[Bars, ...]
    rounded: int


def read_run(folder: Path, bars: str | None, watcher: Watcher) -> Past:
    """Read a finished run and what it was made from.

    Raises
    ------
    ReproductionError
        Its data, its settings, the code or a library are other ones now.
    RunFolderError, DataError, ConfigError, MissingExtraError
        As `mlstrat.reproduce.read_again`.
    """
    then = read_again(folder, bars=bars, watcher=watcher)
    if then.differences:
        raise ReproductionError(
            f"{folder} was made from other things ({'; '.join(then.differences)}), so that what differs "
            "would not tell of look-ahead: bring them back, or run again and audit that."
        )
    watcher.stage("computing features and labels (compiled once, then cached)")
    panel = load_panel(then.bars, then.mood, then.config, then.others)
    return Past(
        config=then.config,
        panel=panel,
        others=then.others,
        texts=read_texts(then.config.sentiment, then.bars.symbol, then.seen_until),
        seen_until=then.seen_until,
        schedule=schedule_for(then.bars, panel.features.ready, then.config),
        predictions=_columns(folder / PREDICTIONS),
        decisions=_columns(folder / _DECISIONS),
        models=tuple(then.manifest["windows"]),
    )


def _columns(path: Path) -> Table:
    import pandas as pd

    frame = pd.read_parquet(path)
    return {name: frame[name].to_numpy() for name in frame.columns if name != "symbol"}


def known_at(past: Past, bar: int) -> Known:
    """Compute a run's features, labels and sentiment anew from what was known at the close of a bar."""
    config, bars = past.config, past.bars[: bar + 1]
    moment = past.bars.close_time[bar]
    closed = (other[: int(np.searchsorted(other.close_time, moment, side="right"))] for other in past.others)
    others, mood = tuple(closed), neutral(bars)
    if past.texts is not None:
        texts = texts_known(past.texts, config.sentiment, bars.symbol, moment, past.seen_until)
        mood = mood_of(texts, bars, config.sentiment)
    panel, rounded = _without_rounding(past.panel, load_panel(bars, mood, config, others))
    return Known(panel, others, rounded)


def _without_rounding(whole: Panel, part: Panel) -> tuple[Panel, int]:
    """Give functions of whole arrays the run's own values where they are the same but for rounding.

    Libraries may add up in an order that depends on how many rows there are (see
    `mlstrat.features.causality`); models fitted on other last bits would be other models.
    """
    values, rounded = part.features.values.copy(), 0
    for k, name in enumerate(part.features.names):
        if name in MOOD_FEATURES or name not in whole.features.names or find(name).function is None:
            continue
        own = whole.features.column(name)[: len(values)]
        near = (own != values[:, k]) & ~Rounding.of(own).apart(values[:, k], own) & ~np.isnan(own)
        values[near, k], rounded = own[near], rounded + int(near.sum())
    if not rounded:
        return part, 0
    values.setflags(write=False)
    return replace(part, features=replace(part.features, values=values)), rounded


def feature_columns(whole: Panel, part: Panel) -> dict[str, tuple[Column, Column]]:
    """Return each input of the run with all data and without later data; NaN where there it has none."""
    n = len(part.bars)
    columns: dict[str, tuple[Column, Column]] = {}
    for name in whole.features.names:
        there = name in part.features.names
        without: FloatArray = part.features.column(name) if there else np.full(n, np.nan)
        columns[name] = whole.features.column(name)[:n], without
    return columns | {"atr_px": (whole.atr_px[:n], part.atr_px)}


def label_columns(whole: Panel, part: Panel) -> dict[str, tuple[Column, Column]]:
    """Return labels: what was resolved by the last bar is to be the same, and there is to be no other."""
    n, last = len(part.bars), whole.bars.close_time[len(part.bars) - 1]
    pairs = {"close_time": (whole.bars.close_time[:n], part.bars.close_time)}
    columns: dict[str, tuple[Column, Column]] = dict(pairs)
    told, now = whole.labels, part.labels
    for name in ("ret", "up", "resolved_at"):
        columns[f"label {name}"] = _by(last, told.resolved_at, getattr(told, name))[:n], getattr(now, name)
    for column, side in enumerate(("long", "short")):
        for name in ("net", "held", "resolved_at"):
            of_whole, of_part = (getattr(panel.outcomes, name)[:, column] for panel in (whole, part))
            resolved_at = whole.outcomes.resolved_at[:, column]
            columns[f"{name} of a {side}"] = _by(last, resolved_at, of_whole)[:n], of_part
    latest_at = whole.outcomes.latest_at
    return columns | {"latest_at": (_by(last, latest_at, latest_at)[:n], part.outcomes.latest_at)}


def _by(last: np.datetime64, resolved_at: Column, values: Column) -> Column:
    """Return the values that were resolved by then, and none for the others."""
    none = np.datetime64("NaT", "ns") if values.dtype.kind == "M" else np.nan
    return np.where(resolved_at <= last, values, none)


def mood_columns(whole: Panel, part: Panel) -> dict[str, tuple[Column, Column]]:
    """Return sentiment with all data and without what was known later."""
    n, names = len(part.bars), ("score", "confidence", "count", "dispersion", "shock")
    return {name: (getattr(whole.mood, name)[:n], getattr(part.mood, name)) for name in names}
