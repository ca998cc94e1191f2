"""Rank information coefficient: whether a score orders what comes after it, and how long that lasts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.errors import ConfigError, DataError
from mlstrat.evidence.normal import quantile
from mlstrat.evidence.sharpe import long_run_variance, newey_west_lags


@dataclass(frozen=True, eq=False)
class InformationCoefficient:
    """Rank correlation of a score with forward returns, a row a horizon.

    Parameters
    ----------
    horizons : (h,) int64
        Bars ahead.
    ic, low, high : (h,) float64
        Spearman's correlation and the bounds of its interval; NaN with fewer than 10 pairs or without
        variation.
    pairs : (h,) int64
        Bars with a score and an outcome.
    """

    horizons: IntArray
    ic: FloatArray
    low: FloatArray
    high: FloatArray
    pairs: IntArray

    @property
    def peak(self) -> int | None:
        """Horizon of the largest absolute coefficient; None where none has a value."""
        return None if np.isnan(self.ic).all() else int(self.horizons[np.nanargmax(np.abs(self.ic))])

    @property
    def half_life(self) -> int | None:
        """First horizon after the peak with at most half of it left; None where more is left throughout."""
        if self.peak is None:
            return None
        top = int(np.nanargmax(np.abs(self.ic)))
        left = self.ic[top:] / self.ic[top] <= 0.5
        return int(self.horizons[top + int(np.argmax(left))]) if left.any() else None


def rank_ic(
    score: FloatArray, price: FloatArray, horizons: Sequence[int], *, level: float = 0.95
) -> InformationCoefficient:
    """Spearman correlation of score[t] with price[t + h] / price[t] - 1, for each horizon h.

    The standard error is that of the mean product of standardised ranks, with Newey and West's weights over
    max(2 h, 4 (n / 100)^(2/9)) lags, since outcomes of neighbouring bars overlap. It leaves out that ranks
    are estimated too, which changes nothing where the true coefficient is 0 (Hajek), and little below 0.2.

    Parameters
    ----------
    score : (n_bars,) float64
        Known at each bar's close; NaN where there is none.
    price : (n_bars,) float64
        Price at which one could act on it, such as the next bar's open, or the close; NaN where unknown.
    horizons : sequence of int
        Bars ahead, at least 1, ascending.
    level : float
        Coverage of each interval alone.

    Raises
    ------
    ConfigError
        Horizons are empty, below 1, or not ascending.
    DataError
        Scores and prices differ in number, or a price is not positive.
    """
    ahead = np.asarray(horizons, dtype=np.int64)
    if not len(ahead) or ahead[0] < 1 or np.any(np.diff(ahead) < 1):
        raise ConfigError(f"horizons are {list(horizons)}: give bars ahead from 1 on, in ascending order.")
    if score.shape != price.shape or score.ndim != 1:
        raise DataError(f"{score.shape} scores do not match {price.shape} prices: give one of each a bar.")
    if np.any(price <= 0.0):
        raise DataError("a price is not positive: give prices of validated bars.")
    rows = [_at(score, price, int(h), quantile(0.5 + level / 2.0)) for h in ahead]
    ic, low, high, pairs = (np.array(column) for column in zip(*rows, strict=True))
    return InformationCoefficient(ahead, ic, low, high, pairs.astype(np.int64))


def _at(score: FloatArray, price: FloatArray, h: int, z: float) -> tuple[float, float, float, int]:
    outcome = price[h:] / price[:-h] - 1.0 if h < len(price) else np.empty(0)
    known = np.isfinite(score[: len(outcome)]) & np.isfinite(outcome)
    n = int(np.count_nonzero(known))
    if n < 10:
        return math.nan, math.nan, math.nan, n
    product = _ranks(score[: len(outcome)][known]) * _ranks(outcome[known])
    ic = float(np.mean(product))
    error = math.sqrt(long_run_variance(product, max(2 * h, newey_west_lags(n))) / n)
    return ic, ic - z * error, ic + z * error, n


def _ranks(values: FloatArray) -> FloatArray:
    """(n,) ranks of mean 0 and variance 1, equal values sharing theirs; NaN where nothing varies."""
    from scipy.stats import rankdata

    ranks = rankdata(values)
    away = ranks - np.mean(ranks)
    spread = float(np.std(ranks))
    return np.asarray(away / spread if spread > 0.0 else np.full(len(values), math.nan))
