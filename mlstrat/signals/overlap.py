"""Whether the models and the headlines say the same: then the blend counts one opinion twice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlstrat.arrays import FloatArray, njit
from mlstrat.errors import DataError
from mlstrat.predictions import Predictions
from mlstrat.sentiment.align import SentimentSeries

WINDOW = 500  # bars with a forecast and known sentiment that a correlation is taken over
DOUBLE_COUNTING = 0.8


@dataclass(frozen=True, eq=False)
class Overlap:
    """Correlation (Pearson) of the models' probability with the sentiment.

    Parameters
    ----------
    rolling : (n_bars,) float64
        Over the last `WINDOW` bars that have both, this one included; NaN at bars that lack one, before
        there are so many, and where either does not vary.
    whole : float
        Over all bars that have both; NaN where either does not vary.
    bars : int
        How many these are.
    """

    rolling: FloatArray
    whole: float
    bars: int

    @property
    def highest(self) -> float:
        """Highest rolling correlation; NaN without any."""
        return float(np.nanmax(self.rolling)) if np.isfinite(self.rolling).any() else float("nan")

    @property
    def warned_share(self) -> float:
        """Share of the rolling correlations above `DOUBLE_COUNTING`; NaN without any."""
        known = self.rolling[np.isfinite(self.rolling)]
        return float(np.mean(known > DOUBLE_COUNTING)) if len(known) else float("nan")

    def sentences(self) -> list[str]:
        """Say what it came to, and warn where one opinion counts twice; none without known sentiment."""
        if not self.bars:
            return []
        if np.isnan(self.whole):
            return [f"Models and sentiment were compared on {self.bars:,} bars, where one does not vary."]
        told = (
            f"The models' probability and the sentiment correlate by {self.whole:.2f} over the {self.bars:,} "
            f"bars that have both"
        )
        if np.isnan(self.highest):
            return [f"{told}, too few to watch how that changes ({WINDOW:,} are needed)."]
        said = [f"{told}, and by at most {self.highest:.2f} over any {WINDOW:,} of them in a row."]
        if self.highest > DOUBLE_COUNTING:
            said.append(
                f"That is above {DOUBLE_COUNTING:g} at {self.warned_share:.1%} of them: the score counts one "
                "opinion twice there; lower signals.sentiment_weight."
            )
        return said


def overlap_of(predictions: Predictions, mood: SentimentSeries) -> Overlap:
    """Correlate `prob_up`, in which sentiment has no part yet, with the sentiment score.

    Parameters
    ----------
    predictions : Predictions
        Of the models.
    mood : SentimentSeries
        Aligned with them; only bars with known sentiment count.

    Raises
    ------
    DataError
        They are of other bars.
    """
    if not np.array_equal(predictions.time, mood.time):
        raise DataError("predictions and sentiment are of other bars: align the sentiment with the bars.")
    both = np.flatnonzero(np.isfinite(predictions.prob_up) & mood.known)
    prob, score = predictions.prob_up[both], mood.score[both]
    rolling = np.full(len(predictions), np.nan)
    rolling[both] = _rolling(prob, score, WINDOW)
    whole = _correlation(prob, score) if len(both) else float("nan")
    return Overlap(rolling, whole, len(both))


@njit
def _rolling(a: FloatArray, b: FloatArray, window: int) -> FloatArray:
    out = np.full(len(a), np.nan)
    for t in range(window - 1, len(a)):
        out[t] = _correlation(a[t + 1 - window : t + 1], b[t + 1 - window : t + 1])
    return out


@njit
def _correlation(a: FloatArray, b: FloatArray) -> float:
    if a.max() == a.min() or b.max() == b.min():
        return np.nan
    da, db = a - a.mean(), b - b.mean()
    return float((da * db).sum() / np.sqrt((da * da).sum() * (db * db).sum()))
