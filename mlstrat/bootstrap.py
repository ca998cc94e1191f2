"""Intervals of means of dependent series, by the stationary block bootstrap."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.errors import DataError


@dataclass(frozen=True)
class Interval:
    """An estimate with the bounds of its confidence interval, all in one unit; NaN where it has no value."""

    estimate: float
    low: float
    high: float


def bootstrap_block(n_bars: int, target_periods: int) -> float:
    """Mean block length in bars: the n^(1/3) of Politis and White 2004, and at least 5 label horizons."""
    return float(max(1.0, round(n_bars ** (1.0 / 3.0)), 5 * target_periods))


def bootstrap_mean(
    values: FloatArray, block: float, seed: int, samples: int = 2000, level: float = 0.95
) -> Interval:
    """Percentile interval of the mean of a dependent series, by the stationary block bootstrap.

    Blocks start anywhere, wrap round the end and have geometric lengths (Politis and Romano 1994). Hand
    it per-bar differences of two log losses and it is the paired interval of their difference.

    Parameters
    ----------
    values : (n,) float64
        The series in time order.
    block : float
        Mean block length in bars, at least 1; longer than the overlap of the labels.
    seed : int
        Seed of the draws: same seed, same interval.
    samples : int
        Bootstrap samples.
    level : float
        Coverage of the interval.

    Returns
    -------
    Interval
        The sample mean and its bounds; NaN without values.
    """
    n = len(values)
    if n == 0:
        return Interval(math.nan, math.nan, math.nan)
    starts, lengths = stationary_blocks(n, block, samples, np.random.default_rng(seed))
    upto = np.r_[0.0, np.cumsum(np.r_[values, values])]
    means = np.sum(upto[starts + lengths] - upto[starts], axis=1) / n
    low, high = np.quantile(means, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return Interval(float(np.mean(values)), float(low), float(high))


def stationary_blocks(
    n: int, block: float, draws: int, random: np.random.Generator
) -> tuple[IntArray, IntArray]:
    """Starts and lengths of the blocks of each draw (Politis and Romano 1994).

    Starts are uniform, lengths geometric with mean `block`, and blocks wrap round the end. The last ones
    are cut so that a draw has n values.

    Returns
    -------
    (draws, m) int64, (draws, m) int64
        A length is at least 0, and a row of lengths sums to n.

    Raises
    ------
    DataError
        The mean length is below 1 or not finite.
    """
    if not 1.0 <= block < math.inf:
        raise DataError(f"the bootstrap's block length is {block}: give a mean length of 1 bar or more.")
    expected = n / block
    enough = math.ceil(expected + 8.0 * math.sqrt(expected) + 8.0)
    ends = np.cumsum(random.geometric(1.0 / block, (draws, enough)), axis=1)
    while ends[:, -1].min() < n:
        more = np.cumsum(random.geometric(1.0 / block, (draws, enough)), axis=1)
        ends = np.hstack([ends, ends[:, -1:] + more])
    lengths = np.minimum(np.diff(np.minimum(ends, n), axis=1, prepend=0), n)
    return random.integers(0, n, lengths.shape), lengths
