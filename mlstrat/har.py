"""The mean of a dependent series with an interval that holds in short samples.

A block bootstrap of a few dozen blocks is too sure of itself. Here the variance of the mean comes from the
series' slowest swings, and the few of them there are cost degrees of freedom of a Student t.
"""

from __future__ import annotations

import math

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.bootstrap import Interval
from mlstrat.errors import DataError

LEAST_SWINGS = 4


def mean_interval(values: FloatArray, memory: float, level: float = 0.95) -> Interval:
    """Return the mean with its interval by equal-weighted cosines.

    With n values and the cosine transforms ``c_j = sqrt(2 / n) sum_t cos(pi j (t - 1/2) / n) x_t``, the
    long-run variance is the mean of ``c_j^2`` over j = 1 ... v, and the mean less the true one, over
    ``sqrt(variance / n)``, is nearly Student's t with v degrees of freedom. v is n / (2 memory), at least 4:
    the swings that are slower than four times the memory.

    Parameters
    ----------
    values : (n,) float64
        The series in time order.
    memory : float
        Values after which the series has forgotten, at least 1: longer than the overlap of labels.
    level : float
        Coverage of the two-sided interval.

    Returns
    -------
    Interval
        NaN bounds with fewer than `LEAST_SWINGS` + 1 values, all NaN without values.

    References
    ----------
    Mueller (2004), A theory of robust long-run variance estimation. Lazarus, Lewis, Stock and Watson (2018),
    HAR inference: recommendations for practice, Journal of Business & Economic Statistics 36(4), eq. 4 and 9.
    """
    from scipy.special import stdtrit

    if memory < 1.0:
        raise DataError(f"the memory is {memory}: give 1 value or more.")
    n = len(values)
    if n == 0:
        return Interval(math.nan, math.nan, math.nan)
    mean = float(np.mean(values))
    if n <= LEAST_SWINGS:
        return Interval(mean, math.nan, math.nan)
    swings = min(max(LEAST_SWINGS, int(n / (2.0 * memory))), n - 1)
    places = np.pi * (np.arange(n) + 0.5) / n
    weights = np.sqrt(2.0 / n) * np.cos(np.outer(np.arange(1, swings + 1), places))
    variance = float(np.mean((weights @ (values - mean)) ** 2))
    reach = float(stdtrit(swings, (1.0 + level) / 2.0)) * math.sqrt(variance / n)
    return Interval(mean, mean - reach, mean + reach)
