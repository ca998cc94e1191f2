"""The headlines of a run with their scores, and those of them that were known at a moment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlstrat.arrays import BoolArray, FloatArray, TimeArray
from mlstrat.config_places import is_store
from mlstrat.config_sentiment import SentimentConfig
from mlstrat.data.bars import Bars
from mlstrat.sentiment.align import SentimentSeries, to_bars
from mlstrat.sentiment.choice import ScorerChoice, scorer
from mlstrat.sentiment.headlines import Headlines, read_headlines
from mlstrat.sentiment.weights import weights_of


@dataclass(frozen=True, eq=False)
class Texts:
    """Headlines, and what a scorer says of each: polarity and confidence, (n_headlines,) float64."""

    headlines: Headlines
    polarity: FloatArray
    confidence: FloatArray

    def __getitem__(self, kept: BoolArray) -> Texts:
        """Return those of a mask."""
        old, rows = self.headlines, np.flatnonzero(kept)
        arrays: dict[str, Any] = {
            name: value[kept] for name, value in vars(old).items() if isinstance(value, np.ndarray)
        }
        words: dict[str, Any] = {
            name: tuple(getattr(old, name)[row] for row in rows) for name in ("texts", "source", "subjects")
        }
        return Texts(replace(old, **arrays, **words), self.polarity[kept], self.confidence[kept])

    def known_at(self, cfg: SentimentConfig) -> TimeArray:
        """Return from when each counts by the rules of a run, UTC."""
        return np.asarray(self.headlines.known_by(cfg.known_by) + latency_of(cfg))


def latency_of(cfg: SentimentConfig) -> np.timedelta64:
    """Return how long after its publication a headline counts."""
    return np.timedelta64(round(cfg.latency_minutes * 60e9), "ns")


def read_texts(cfg: SentimentConfig, symbol: str, seen_until: np.datetime64 | None) -> Texts | None:
    """Read and score what a run read; None where it has no headlines."""
    if cfg.source == "none":
        return None
    if is_store(cfg.source):
        return _of_store(cfg, symbol, seen_until)
    headlines = read_headlines(cfg.source, symbol)
    return Texts(headlines, *scorer(ScorerChoice.of(cfg)).score(headlines.texts))


def texts_known(
    texts: Texts, cfg: SentimentConfig, symbol: str, moment: np.datetime64, seen_until: np.datetime64 | None
) -> Texts:
    """Return those of a run's texts that counted by a moment.

    A store is asked anew for what it had seen by then, where that is when its texts count.

    Parameters
    ----------
    texts : Texts
        All of the run.
    cfg : SentimentConfig
        Where they come from and when they count.
    symbol : str
        For whom.
    moment : datetime64[ns]
        UTC.
    seen_until : datetime64 or None
        Up to when the store had seen texts at the time of the run.
    """
    if is_store(cfg.source) and cfg.known_by == "seen":
        texts = _of_store(cfg, symbol, moment if seen_until is None else min(moment, seen_until))
    return texts[texts.known_at(cfg) <= moment]


def _of_store(cfg: SentimentConfig, symbol: str, seen_until: np.datetime64 | None) -> Texts:
    from mlstrat.sentiment.store.scored import read_store

    return Texts(*read_store(cfg.source, symbol, ScorerChoice.of(cfg), seen_until))


def mood_of(texts: Texts, bars: Bars, cfg: SentimentConfig) -> SentimentSeries:
    """Join texts to bars as a run does."""
    return to_bars(
        texts.headlines,
        texts.polarity,
        texts.confidence,
        bars,
        latency_minutes=cfg.latency_minutes,
        half_life_hours=cfg.half_life_hours,
        window_hours=cfg.window_hours,
        resolution=cfg.resolution,
        weight=weights_of(texts.headlines, cfg),
        known_by=cfg.known_by,
    )


def seen_later(texts: Texts, cfg: SentimentConfig) -> int:
    """Count the texts that count from their publication though they were first seen only after that."""
    seen = texts.headlines.seen_at
    return int(np.sum(seen > texts.known_at(cfg))) if cfg.known_by == "published" else 0
