"""The stationary block bootstrap: which blocks a draw is made of, and how long they should be."""

from __future__ import annotations

import math

import numpy as np

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.bootstrap import bootstrap_block

_LOOKED_AT = 32  # columns whose own block length is estimated


def weights_of(starts: IntArray, lengths: IntArray, n: int) -> FloatArray:
    """(draws, n) how often each of n values is in each draw; a row sums to n."""
    draws = len(starts)
    width = 2 * n + 1
    first = starts + width * np.arange(draws)[:, None]
    cells = draws * width
    steps = np.bincount(first.ravel(), minlength=cells) - np.bincount(
        (first + lengths).ravel(), minlength=cells
    )
    counts = np.cumsum(steps.reshape(draws, width), axis=1)
    return np.asarray(counts[:, :n] + counts[:, n : 2 * n], dtype=np.float64)


def optimal_block(values: FloatArray) -> float:
    """Mean block length for the mean of a series, chosen from its autocorrelation.

    Politis and White 2004 with Patton, Politis and White's correction of 2009, as the reference programs
    have it: the cut-off is the first lag of five or more in a row whose autocorrelation is within
    2 sqrt(log10(n) / n).

    Parameters
    ----------
    values : (n,) float64
        The series in time order.

    Returns
    -------
    float
        Bars, at least 1 and at most min(3 sqrt(n), n / 3); 1 where values do not vary.
    """
    n = len(values)
    away = np.ascontiguousarray(values - np.mean(values))
    variance = float(away @ away) / n
    if n < 9 or np.ptp(values) == 0.0:
        return 1.0
    run = max(5, int(math.log10(n)))
    most = min(math.ceil(math.sqrt(n)) + run, n - 1)
    covariance, cut = _until_quiet(away, run, min(4 * run, most))
    if cut == 0 or cut >= len(covariance):
        covariance, cut = _until_quiet(away, run, most)
    cut = min(cut, most) or most
    lags = np.arange(1, cut + 1)
    taper = np.minimum(1.0, 2.0 * (1.0 - lags / cut))
    slope = 2.0 * float(np.sum(taper * lags * covariance[lags]))
    spectrum = variance + 2.0 * float(np.sum(taper * covariance[lags]))
    if spectrum == 0.0:
        return 1.0
    length = (slope / spectrum) ** 2 * n
    return float(min(max(length ** (1.0 / 3.0), 1.0), math.ceil(min(3.0 * math.sqrt(n), n / 3.0))))


def _until_quiet(away: FloatArray, run: int, most: int) -> tuple[FloatArray, int]:
    """(most + 1,) covariances by lag, and twice the first lag of a run near 0, or 0 where there is none."""
    n = len(away)
    covariance = np.array([float(away[lag:] @ away[: n - lag]) / n for lag in range(most + 1)])
    upto = np.r_[0.0, np.cumsum(away * away)]
    lag = np.arange(most + 1)
    # The covariance of values that a lag leaves over, were their correlation 1.
    whole = np.sqrt((upto[-1] - upto[lag]) * upto[n - lag]) / n
    within = np.abs(covariance) < whole * 2.0 * math.sqrt(math.log10(n) / n)
    quiet = np.lib.stride_tricks.sliding_window_view(within[:-1], run).all(axis=1)
    return covariance, 2 * max(int(np.argmax(quiet)), 1) if quiet.any() else 0


def common_block(table: FloatArray) -> float:
    """Mean block length for all columns: n^(1/3), or twice the median of their own where that is longer.

    Politis and White's length has the smallest mean squared error of a variance, which is then low on the
    whole; a test that shall not be wrong too often needs less bias, hence twice. On autoregressive noise
    (0.6, 2,000 bars, 50 columns) a test at 5 % was wrong on 10 % of 400 series with the length itself, on 7 %
    with twice. More than 32 columns are represented by 32 at even distances.
    """
    n, k = table.shape
    chosen = np.unique(np.linspace(0, k - 1, min(k, _LOOKED_AT)).astype(np.int64))
    own = float(np.median([optimal_block(table[:, column]) for column in chosen]))
    return max(bootstrap_block(n, 1), 2.0 * own)
