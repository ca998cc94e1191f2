"""The mood of headlines at one moment, and block by block before it, as `to_bars` defines it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.config_sentiment import SentimentConfig
from mlstrat.data.bars import Bars
from mlstrat.data.instrument import Instrument
from mlstrat.data.timeframe import Timeframe
from mlstrat.sentiment.align import SentimentSeries, to_bars
from mlstrat.sentiment.analysis.combined import Voice
from mlstrat.sentiment.analysis.trend import BLOCK_HOURS, N_BLOCKS, Trend, trend
from mlstrat.sentiment.headlines import Headlines
from mlstrat.sentiment.weights import weights_of

_HOUR = np.timedelta64(3_600_000_000_000, "ns")


@dataclass(frozen=True, eq=False)
class Scored:
    """Headlines and what a scorer says of them.

    Parameters
    ----------
    headlines : Headlines
        n headlines, all seen by the moments that are asked about.
    polarity, confidence : (n,) float64
        In [-1, 1] and in [0, 1].
    settings : SentimentConfig
        How they age and what they weigh: `half_life_hours`, `window_hours`, `source_weights`, `reach` and
        `novelty`. Its latency does not count, since what has been seen is known.
    """

    headlines: Headlines
    polarity: FloatArray
    confidence: FloatArray
    settings: SentimentConfig

    def voice(self, moment: np.datetime64) -> Voice:
        """Return the mood at a moment (UTC), and how many headlines the window before it holds."""
        series = self._series(moment, 1, 1, self.settings.window_hours)
        return Voice(float(series.score[0]), float(series.confidence[0]), int(series.count[0]))

    def trend(self, moment: np.datetime64) -> Trend:
        """Return where the mood of the 24 blocks of three hours before a moment (UTC) is heading."""
        series = self._series(moment, N_BLOCKS, BLOCK_HOURS, BLOCK_HOURS)
        return trend(series.score, series.confidence)

    @cached_property
    def _weight(self) -> FloatArray:
        return weights_of(self.headlines, self.settings)

    def _series(
        self, moment: np.datetime64, n: int, block_hours: int, window_hours: float
    ) -> SentimentSeries:
        return to_bars(
            self.headlines,
            self.polarity,
            self.confidence,
            _blocks(moment, n, block_hours),
            latency_minutes=0.0,
            half_life_hours=self.settings.half_life_hours,
            window_hours=window_hours,
            weight=self._weight,
        )


def together(one: Scored, other: Scored) -> Scored:
    """Return the headlines of both in order of publication, those of the first before equal ones."""
    a, b = one.headlines, other.headlines
    order = np.argsort(np.concatenate([a.published_at, b.published_at]), kind="stable")
    texts, source, subjects = a.texts + b.texts, a.source + b.source, a.subjects + b.subjects
    headlines = Headlines(
        published_at=np.concatenate([a.published_at, b.published_at])[order],
        time_known=np.concatenate([a.time_known, b.time_known])[order],
        texts=tuple(texts[row] for row in order),
        source=tuple(source[row] for row in order),
        seen_at=np.concatenate([a.seen_at, b.seen_at])[order],
        reach=np.concatenate([a.reach, b.reach])[order],
        given_polarity=np.concatenate([a.given_polarity, b.given_polarity])[order],
        subjects=tuple(subjects[row] for row in order),
    )
    polarity = np.concatenate([one.polarity, other.polarity])[order]
    confidence = np.concatenate([one.confidence, other.confidence])[order]
    return Scored(headlines, polarity, confidence, one.settings)


def by_age(
    headlines: Headlines, moment: np.datetime64, hours: float
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the texts known in the hours before a moment (UTC), and those the earlier ones."""
    age = (moment - headlines.known_from) / _HOUR
    recent, earlier = np.flatnonzero((age >= 0) & (age < hours)), np.flatnonzero(age >= hours)
    return tuple(headlines.texts[i] for i in recent), tuple(headlines.texts[i] for i in earlier)


def _blocks(moment: np.datetime64, n: int, hours: int) -> Bars:
    """Return n bars without prices of their own, the last of which closes at the moment."""
    length = Timeframe(f"{hours}h")
    opens = moment - np.arange(n, 0, -1) * length.delta
    flat = np.ones(n)
    return Bars(opens, flat, flat, flat, flat, flat, "moments", length, Instrument("moments"))
