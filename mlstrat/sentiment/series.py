"""The mood of a run's bars, as its configuration asks for it: read, score, align."""

from __future__ import annotations

from dataclasses import replace

from mlstrat.config import SentimentConfig
from mlstrat.data.bars import Bars
from mlstrat.sentiment.align import SentimentSeries, neutral, to_bars
from mlstrat.sentiment.headlines import read_headlines
from mlstrat.sentiment.scorers import scorer


def mood_for(bars: Bars, cfg: SentimentConfig) -> SentimentSeries:
    """Return the sentiment of each bar from the headlines that were known at its close.

    Parameters
    ----------
    bars : Bars
        The bars; their symbol chooses the headlines that count.
    cfg : SentimentConfig
        `source` "none" gives score 0 and confidence 0 everywhere.

    Raises
    ------
    DataError
        The headlines cannot be read.
    MissingExtraError
        A package that the scorer needs is not installed.
    """
    if cfg.source == "none":
        return replace(neutral(bars), notes=("No headlines were asked for: sentiment has no vote.",))
    headlines = read_headlines(cfg.source, bars.symbol)
    polarity, confidence = scorer(cfg.scorer).score(headlines.texts)
    series = to_bars(
        headlines,
        polarity,
        confidence,
        bars,
        latency_minutes=cfg.latency_minutes,
        half_life_hours=cfg.half_life_hours,
        window_hours=cfg.window_hours,
        resolution=cfg.resolution,
    )
    return replace(series, notes=(f"Sentiment rests on {headlines}.", _span(series)))


def _span(series: SentimentSeries) -> str:
    known = series.known
    if not known.any():
        return f"It is known on none of the {len(series):,} bars, and has no vote there."
    days = series.time[known].astype("datetime64[D]")
    return (
        f"It is known on {int(known.sum()):,} of {len(series):,} bars, from {days[0]} to {days[-1]}; "
        "on the others it has no vote."
    )
