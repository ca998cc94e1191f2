"""From scored headlines to one value a bar, by what was known at its close."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from mlstrat.arrays import BoolArray, FloatArray, IntArray, TimeArray, read_only
from mlstrat.config_sentiment import MOST_HALF_LIFE_HOURS, MOST_LATENCY_MINUTES, MOST_WINDOW_HOURS
from mlstrat.data.bars import Bars
from mlstrat.errors import DataError
from mlstrat.sentiment.headlines import Headlines
from mlstrat.sentiment.joining import join
from mlstrat.sentiment.shock import shocks

if TYPE_CHECKING:
    import pandas as pd

# Steps a unit of daily values: 21 levels of score in [-1, 1] and 4 of confidence in (0, 1]. With the unknown
# day these are 85, as many as one character of an exported script holds.
SCORE_STEPS, CONFIDENCE_STEPS = 10, 4
_HOUR_NS = 3_600_000_000_000
_MINUTE_NS = 60_000_000_000
_COLUMNS = ("score", "confidence", "count", "dispersion", "shock")


@dataclass(frozen=True, eq=False)
class SentimentSeries:
    """The mood of each bar, by the headlines known at its close.

    Parameters
    ----------
    time : (n_bars,) datetime64[ns]
        Open time of the bars, UTC.
    score : (n_bars,) float64
        In [-1, 1]; 0 where nothing is known. Never NaN.
    confidence : (n_bars,) float64
        In [0, 1]; 0 where nothing is known, so that such a bar has no vote at all. Never NaN.
    count : (n_bars,) int64
        Headlines known and within the window.
    notes : tuple of str
        Sentences on what was read and for how many bars it speaks.
    dispersion : (n_bars,) float64, optional
        How far the headlines disagree: the weighted standard deviation of their polarity around the score,
        in [0, 1]; 0 where fewer than two have a vote. Never NaN. Default: 0.
    shock : (n_bars,) bool, optional
        Whether the news of the last hours is unlike that of the days before, as
        `mlstrat.sentiment.shock.shocks` defines it. Default: False.

    Raises
    ------
    DataError
        Columns of unlike length, or values outside those ranges.
    """

    time: TimeArray
    score: FloatArray
    confidence: FloatArray
    count: IntArray
    notes: tuple[str, ...] = ()
    dispersion: FloatArray = field(default_factory=lambda: np.empty(0))
    shock: BoolArray = field(default_factory=lambda: np.empty(0, bool))

    def __post_init__(self) -> None:
        for name, kind in (("dispersion", np.float64), ("shock", np.bool_)):
            if not len(getattr(self, name)):
                object.__setattr__(self, name, np.zeros(len(self.time), kind))
        for name in ("time", *_COLUMNS):
            object.__setattr__(self, name, read_only(getattr(self, name)))
            if len(getattr(self, name)) != len(self.time):
                raise DataError(
                    f"sentiment.{name} has {len(getattr(self, name)):,} rows for {len(self.time):,} bars: "
                    "give one value a bar."
                )
        inside = (np.abs(self.score) <= 1) & (self.confidence >= 0) & (self.confidence <= 1)
        inside &= (self.dispersion >= 0) & (self.dispersion <= 1)
        if not inside.all():
            raise DataError(
                f"sentiment of bar {int(np.argmin(inside))} is out of range: give scores in [-1, 1], and "
                "confidences and dispersions in [0, 1]."
            )

    def __len__(self) -> int:
        return len(self.time)

    def head(self, n: int) -> SentimentSeries:
        """Return the first n bars' values."""
        return self[:n]

    def __getitem__(self, part: slice) -> SentimentSeries:
        """Return the values of a run of bars, without the notes, which speak of all of them."""
        return SentimentSeries(time=self.time[part], **{name: getattr(self, name)[part] for name in _COLUMNS})

    def frame(self) -> pd.DataFrame:
        """Return score, confidence, count, dispersion and shock, one row a bar."""
        import pandas as pd

        columns = {name: getattr(self, name) for name in _COLUMNS}
        return pd.DataFrame(columns, index=pd.DatetimeIndex(self.time, tz="UTC", name="time"))

    @property
    def known(self) -> BoolArray:
        """(n_bars,) bool: whether anything is known that has a mood."""
        return np.asarray(self.confidence > 0)


def neutral(bars: Bars) -> SentimentSeries:
    """Return the series of a run without headlines: score 0 and confidence 0 on every bar."""
    n = len(bars)
    return SentimentSeries(bars.time, np.zeros(n), np.zeros(n), np.zeros(n, np.int64))


def check_mood(mood: SentimentSeries, bars: Bars) -> None:
    """Raise DataError unless there is one value of sentiment a bar, at the same times."""
    if not np.array_equal(mood.time, bars.time):
        raise DataError(
            f"the sentiment of {len(mood):,} bars does not match the {len(bars):,} bars of {bars.symbol}: "
            "align it to these bars."
        )


def to_bars(
    headlines: Headlines,
    polarity: FloatArray,
    confidence: FloatArray,
    bars: Bars,
    *,
    latency_minutes: float,
    half_life_hours: float,
    window_hours: float,
    resolution: str = "bar",
    weight: FloatArray | None = None,
    known_by: str = "published",
) -> SentimentSeries:
    """Join headlines to bars by when they were known.

    Headline i is known at ``k_i = known_by_i + latency``. At a moment T (the close of the bar) it weighs
    ``w_i = v_i 2 ** (-(T - k_i) / half_life)`` if ``0 <= T - k_i < window``, else nothing, where v_i is its
    own weight. With polarity p_i and confidence c_i, which are `given_polarity` and 1 where the source itself
    told the mood::

        score      = sum(w c p) / sum(w c)           0 where sum(w c) is 0
        confidence = sum(w c) / (sum(w) + 3)         = mean of c, times n / (n + 3), with n = sum(w)
        dispersion = sqrt(sum(w c (p - score)^2) / sum(w c))      0 where fewer than two have w c > 0
        count      = number of i with 0 <= T - k_i < window and a weight above 0
        shock      = see `mlstrat.sentiment.shock.shocks`: of v, c p and k; half-life and window do not count

    so that score x confidence is the weighted mean of c p with three neutral headlines added.

    Parameters
    ----------
    headlines : Headlines
        n headlines.
    polarity, confidence : (n,) float64
        In [-1, 1] and in [0, 1], from a scorer.
    bars : Bars
        Where to put the values. A value depends on no later bar and on no headline known after the close.
    latency_minutes : float
        From publication to our knowing it.
    half_life_hours, window_hours : float
        Age at which a headline weighs half, and from which it weighs nothing.
    resolution : {"bar", "1d"}
        `1d` takes T = 00:00 UTC of the day on which the bar opens, which is the end of the previous day, for
        all bars of that day, and rounds score and confidence to the levels of `daily_code`. Count, dispersion
        and shock are those of the same T, not rounded; a script does not carry them.
    weight : (n,) float64, optional
        Each headline's own weight v, 0 or more, as by `mlstrat.sentiment.weights.weights_of`. Default: 1.
    known_by : {"published", "seen"}
        From when a headline counts as known, before the latency: see `Headlines.known_by`.

    Raises
    ------
    DataError
        Scores or weights of the wrong length or range, a negative latency, a half-life or window that is not
        positive, one of them beyond the bounds of `SentimentConfig`, an unknown resolution or rule, or no
        first-seen time where the rule needs it.
    """
    weight = np.ones(len(headlines)) if weight is None else weight
    _check_scores(len(headlines), polarity, confidence)
    _check_weight(len(headlines), weight)
    _check_settings(latency_minutes, half_life_hours, window_hours, resolution)
    known_at = headlines.known_by(known_by).astype(np.int64) + round(latency_minutes * _MINUTE_NS)
    order = np.argsort(known_at, kind="stable")
    known_at, weight = known_at[order], np.ascontiguousarray(weight[order], np.float64)
    polarity, confidence = (column[order] for column in _moods(headlines, polarity, confidence))
    times = bars.close_time if resolution == "bar" else bars.time.astype("datetime64[D]")
    moments = times.astype("datetime64[ns]").astype(np.int64)
    spans = half_life_hours * _HOUR_NS, window_hours * _HOUR_NS
    score, trust, count, dispersion = join(known_at, weight, polarity, confidence, moments, *spans)
    if resolution == "1d":
        score, trust = daily_values(daily_code(score, trust))
    shock = shocks(known_at, weight, confidence * polarity, moments)
    return SentimentSeries(bars.time, score, trust, count, dispersion=dispersion, shock=shock)


def _moods(
    headlines: Headlines, polarity: FloatArray, confidence: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the scores, replaced where a headline's own source told its mood."""
    told = np.isfinite(headlines.given_polarity)
    return (
        np.where(told, headlines.given_polarity, np.asarray(polarity, np.float64)),
        np.where(told, 1.0, np.asarray(confidence, np.float64)),
    )


def daily_code(score: FloatArray, confidence: FloatArray) -> IntArray:
    """Return daily sentiment as the one number by which an exported script holds it.

    Parameters
    ----------
    score, confidence : (n_days,) float64
        In [-1, 1] and in [0, 1].

    Returns
    -------
    (n_days,) int64
        0 where nothing is known: where the confidence rounds to 0. Else ``1 + 4 s + c`` with s = 0 to 20 for
        scores -1, -0.9, ... 1 and c = 0 to 3 for confidences 0.25, 0.5, 0.75, 1: at most 84.
    """
    level = np.rint(np.asarray(score) * SCORE_STEPS) + SCORE_STEPS
    trust = np.rint(np.asarray(confidence) * CONFIDENCE_STEPS)
    code = np.where(trust > 0, 1 + CONFIDENCE_STEPS * level + trust - 1, 0)
    return np.asarray(code, np.int64)


def daily_values(code: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return the score and the confidence (n_days,) of codes, bit for bit those of a daily series."""
    level, trust = np.divmod(np.asarray(code) - 1, CONFIDENCE_STEPS)
    known = np.asarray(code) > 0
    score = np.where(known, (level - SCORE_STEPS) / SCORE_STEPS, 0.0)
    return score, np.where(known, (trust + 1) / CONFIDENCE_STEPS, 0.0)


def _check_scores(n: int, polarity: FloatArray, confidence: FloatArray) -> None:
    if polarity.shape != (n,) or confidence.shape != (n,):
        raise DataError(
            f"{n:,} headlines have {polarity.shape} polarities and {confidence.shape} confidences: "
            "score every headline once."
        )
    inside = (np.abs(polarity) <= 1) & (confidence >= 0) & (confidence <= 1)
    if not inside.all():
        row = int(np.argmin(inside))
        raise DataError(
            f"headline {row} has polarity {polarity[row]} and confidence {confidence[row]}: give a polarity "
            "in [-1, 1] and a confidence in [0, 1]."
        )


def _check_weight(n: int, weight: FloatArray) -> None:
    if weight.shape != (n,) or not ((weight >= 0) & (weight < np.inf)).all():
        raise DataError(f"weights of {n:,} headlines are wrong: give each one finite weight of 0 or more.")


def _check_settings(latency: float, half_life: float, window: float, resolution: str) -> None:
    if not 0 <= latency <= MOST_LATENCY_MINUTES:
        raise DataError(
            f"sentiment.latency_minutes is {latency}: give 0 or more, or headlines would be known too early, "
            f"and at most {MOST_LATENCY_MINUTES:,.0f}."
        )
    for name, hours, most in (
        ("half_life_hours", half_life, MOST_HALF_LIFE_HOURS),
        ("window_hours", window, MOST_WINDOW_HOURS),
    ):
        if not 0 < hours <= most:
            raise DataError(
                f"sentiment.{name} is {hours}: give a positive number of hours, at most {most:,.0f}."
            )
    if resolution not in ("bar", "1d"):
        raise DataError(f"sentiment.resolution is {resolution!r}: give bar or 1d.")
