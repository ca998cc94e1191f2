"""The mood of a run's bars, as its configuration asks for it: read, score, align."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.config_places import is_store
from mlstrat.config_sentiment import SentimentConfig
from mlstrat.data.bars import Bars
from mlstrat.sentiment.align import SentimentSeries, neutral, to_bars
from mlstrat.sentiment.choice import ScorerChoice, scorer
from mlstrat.sentiment.coverage import unknown_months
from mlstrat.sentiment.headlines import Headlines, read_headlines
from mlstrat.sentiment.weights import unnamed, weights_of


def newest_seen(cfg: SentimentConfig) -> np.datetime64 | None:
    """Return up to when the store of a configuration has seen texts; a run that keeps it can be repeated.

    None where the headlines are no store's.

    Raises
    ------
    DataError
        The store cannot be read.
    """
    if not is_store(cfg.source):
        return None
    from mlstrat.sentiment.store.scored import newest_seen as newest_of

    return newest_of(cfg.source)


def mood_for(bars: Bars, cfg: SentimentConfig, seen_until: np.datetime64 | None = None) -> SentimentSeries:
    """Return the sentiment of each bar from the headlines that were known at its close.

    Parameters
    ----------
    bars : Bars
        The bars; their symbol chooses the headlines that count.
    cfg : SentimentConfig
        `source` "none" gives score 0 and confidence 0 everywhere.
    seen_until : datetime64, optional
        Of a store: only what it had seen by then, as `newest_seen` told it before an earlier run. Default:
        all. A file has one state.

    Raises
    ------
    DataError
        The headlines cannot be read.
    MissingExtraError
        A package that the scorer needs is not installed.
    """
    if cfg.source == "none":
        return replace(neutral(bars), notes=("No headlines were asked for: sentiment has no vote.",))
    headlines, polarity, confidence = _read(cfg, bars.symbol, seen_until)
    series = to_bars(
        headlines,
        polarity,
        confidence,
        bars,
        latency_minutes=cfg.latency_minutes,
        half_life_hours=cfg.half_life_hours,
        window_hours=cfg.window_hours,
        resolution=cfg.resolution,
        weight=weights_of(headlines, cfg),
        known_by=cfg.known_by,
    )
    return replace(series, notes=(f"Sentiment rests on {headlines}.", *_told(series, headlines, cfg)))


def _read(
    cfg: SentimentConfig, symbol: str, seen_until: np.datetime64 | None
) -> tuple[Headlines, FloatArray, FloatArray]:
    choice = ScorerChoice.of(cfg)
    if is_store(cfg.source):
        from mlstrat.sentiment.store.scored import read_store

        return read_store(cfg.source, symbol, choice, seen_until)
    headlines = read_headlines(cfg.source, symbol)
    return headlines, *scorer(choice).score(headlines.texts)


def _told(series: SentimentSeries, headlines: Headlines, cfg: SentimentConfig) -> tuple[str, ...]:
    absent = ", ".join(unnamed(headlines, cfg))
    weightless = f"sentiment.source_weights names {absent}, of whom there is no headline." if absent else ""
    return tuple(sentence for sentence in (_span(series), unknown_months(series), weightless) if sentence)


def _span(series: SentimentSeries) -> str:
    known = series.known
    if not known.any():
        return f"It is known on none of the {len(series):,} bars, and has no vote there."
    days = series.time[known].astype("datetime64[D]")
    return (
        f"It is known on {int(known.sum()):,} of {len(series):,} bars, from {days[0]} to {days[-1]}; "
        "on the others it has no vote."
    )
