"""How sure a Sharpe ratio is: probabilistic and deflated Sharpe ratio, minimum track record.

Sharpe ratios here are those of a bar; times sqrt(bars_per_year) they are annual. Moments and probabilities do
not change with that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.evidence.columns import checked_returns
from mlstrat.evidence.normal import below, largest_of, quantile
from mlstrat.execution.metrics import sharpe


@dataclass(frozen=True)
class SharpeMoments:
    """A Sharpe ratio with what its error depends on; NaN where returns do not vary.

    Parameters
    ----------
    sharpe : float
        Mean over sample standard deviation (n - 1) of the returns of a bar.
    skewness, kurtosis : float
        Standardised third and fourth moments; 0 and 3 for normal returns.
    variance : float
        Asymptotic variance of sqrt(n) times the estimate.
    n_bars : int
        Returns.
    """

    sharpe: float
    skewness: float
    kurtosis: float
    variance: float
    n_bars: int

    @property
    def standard_error(self) -> float:
        """Standard error of the Sharpe ratio of a bar."""
        return math.sqrt(self.variance / (self.n_bars - 1))


def sharpe_moments(returns: FloatArray, lags: int = 0) -> SharpeMoments:
    """Return the Sharpe ratio of a bar and the variance of its estimate.

    The variance is the long-run variance of the ratio's influence function

        psi = z - SR / 2 * (z^2 - 1),    z = (r - mean) / sd,

    which is Lo's (2002) GMM estimator with Newey and West's (1987) weights. At `lags` = 0 it is exactly
    1 - skewness SR + (kurtosis - 1) / 4 SR^2 (Mertens 2002), which holds for independent returns only.

    Parameters
    ----------
    returns : (n_bars,) float64
        Simple returns of a bar, finite.
    lags : int
        Lags whose autocovariance counts: what a position lasts, or `newey_west_lags`.

    Raises
    ------
    DataError, NotEnoughBarsError
        A return is not finite, or there are fewer than 3.
    """
    series = checked_returns(returns, 3, "a Sharpe ratio with its error")[:, 0]
    ratio = sharpe(series, 1.0)
    if math.isnan(ratio):
        return SharpeMoments(math.nan, math.nan, math.nan, math.nan, len(series))
    z = (series - np.mean(series)) / np.std(series)
    influence = z - 0.5 * ratio * (z * z - 1.0)
    return SharpeMoments(
        sharpe=ratio,
        skewness=float(np.mean(z**3)),
        kurtosis=float(np.mean(z**4)),
        variance=long_run_variance(influence, lags),
        n_bars=len(series),
    )


def probabilistic_sharpe(moments: SharpeMoments, threshold: float = 0.0) -> float:
    """Probability that the true Sharpe ratio of a bar is above `threshold`, before any selection.

    PSR = Phi((SR - threshold) / standard error) (Bailey and Lopez de Prado 2012). One minus it is the p-value
    of a one-sided test. NaN where the ratio has no value.
    """
    return below((moments.sharpe - threshold) / moments.standard_error)


def minimum_track_record(moments: SharpeMoments, threshold: float = 0.0, level: float = 0.95) -> float:
    """Bars after which a ratio like this one is above `threshold` at confidence `level`.

    MinTRL = 1 + variance (z / (SR - threshold))^2 (Bailey and Lopez de Prado 2012). NaN where the ratio is
    not above the threshold, since then no length is enough.
    """
    excess = moments.sharpe - threshold
    return 1.0 + moments.variance * (quantile(level) / excess) ** 2 if excess > 0.0 else math.nan


def deflated_sharpe(moments: SharpeMoments, trials: float, spread: float) -> float:
    """Probability that the true Sharpe ratio is above what the best of so many trials has by luck.

    The probabilistic Sharpe ratio at the threshold spread * E[largest of `trials` standard normals] (Bailey
    and Lopez de Prado 2014; the expectation is computed, not approximated).

    Parameters
    ----------
    moments : SharpeMoments
        Of the one that was chosen.
    trials : float
        Independent trials it was chosen from, at least 1; 1 gives the probabilistic Sharpe ratio.
    spread : float
        Standard deviation of the trials' Sharpe ratios of a bar. The paper takes that of the ratios seen; the
        standard error of one ratio is that of trials without any skill.
    """
    return probabilistic_sharpe(moments, spread * largest_of(trials))


def newey_west_lags(n_bars: int) -> int:
    """Lags by the usual rule 4 (n / 100)^(2/9) (Newey and West 1994, Bartlett weights)."""
    return int(4.0 * (n_bars / 100.0) ** (2.0 / 9.0))


def long_run_variance(values: FloatArray, lags: int) -> float:
    """Variance of sqrt(n) times the mean of a dependent series, never below 0.

    gamma_0 + 2 sum_j (1 - j / (lags + 1)) gamma_j (Newey and West 1987).

    Parameters
    ----------
    values : (n,) float64
        The series in time order.
    lags : int
        The largest lag; cut to n - 1.
    """
    n, away = len(values), values - np.mean(values)
    total = float(away @ away)
    for lag in range(1, min(lags, n - 1) + 1):
        total += 2.0 * (1.0 - lag / (lags + 1.0)) * float(away[lag:] @ away[:-lag])
    return max(total, 0.0) / n
