"""Sharpe ratios with their errors, against textbook numbers, other definitions and simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from mlstrat.errors import DataError, NotEnoughBarsError
from mlstrat.evidence.normal import below, largest_of, quantile
from mlstrat.evidence.sharpe import (
    SharpeMoments,
    deflated_sharpe,
    long_run_variance,
    minimum_track_record,
    newey_west_lags,
    probabilistic_sharpe,
    sharpe_moments,
)
from mlstrat.execution import metrics


def skewed(seed, n=500):
    return np.random.default_rng(seed).gamma(2.0, 0.01, n) - 0.019


def autoregressive(random, n, phi, rows=1):
    from scipy.signal import lfilter

    return lfilter([1.0], [1.0, -phi], random.normal(size=(rows, n + 100)), axis=1)[:, 100:]


def test_moments_are_those_of_the_sample():
    returns = skewed(1)
    found = sharpe_moments(returns)
    assert found.sharpe * math.sqrt(8760) == pytest.approx(metrics.sharpe(returns, 8760.0), rel=1e-12)
    assert found.skewness == pytest.approx(stats.skew(returns), rel=1e-12)
    assert found.kurtosis == pytest.approx(stats.kurtosis(returns, fisher=False), rel=1e-12)
    ratio = found.sharpe
    mertens = 1.0 - found.skewness * ratio + (found.kurtosis - 1.0) / 4.0 * ratio**2
    assert found.variance == pytest.approx(mertens, rel=1e-12)
    assert found.standard_error == pytest.approx(math.sqrt(mertens / 499), rel=1e-12)


def test_the_example_of_the_paper_on_the_deflated_ratio():
    # Bailey and Lopez de Prado 2014: annual ratio 2.5 on 1,250 days, variance 1/2 across 100 trials, skewness
    # -3, kurtosis 10, 250 days a year. They find the threshold 0.1132 a day and the probability 0.9004.
    ratio, spread = 2.5 / math.sqrt(250.0), math.sqrt(0.5 / 250.0)
    moments = SharpeMoments(ratio, -3.0, 10.0, 1.0 + 3.0 * ratio + 9.0 / 4.0 * ratio**2, 1250)
    euler = 0.5772156649015329
    largest = (1.0 - euler) * stats.norm.ppf(0.99) + euler * stats.norm.ppf(1.0 - 0.01 / math.e)
    assert spread * largest == pytest.approx(0.1132, abs=5e-5)
    assert probabilistic_sharpe(moments, spread * largest) == pytest.approx(0.9004, abs=5e-5)
    # Their approximation of the expected maximum is 0.9 % above its tabulated value, 2.50759364.
    exact = stats.norm.cdf((ratio - spread * 2.50759364) / moments.standard_error)
    assert 0.9004 < exact < 0.906
    assert deflated_sharpe(moments, 100, spread) == pytest.approx(exact, abs=1e-8)
    assert deflated_sharpe(moments, 1, spread) == probabilistic_sharpe(moments)


@pytest.mark.parametrize(
    ("draws", "expected"),
    [
        (1, 0.0),
        (2, 1.0 / math.sqrt(math.pi)),
        (3, 1.5 / math.sqrt(math.pi)),
        (10, 1.53875273),
        (100, 2.50759364),
    ],
)
def test_the_largest_of_draws_is_the_tabulated_order_statistic(draws, expected):
    assert largest_of(draws) == pytest.approx(expected, abs=1e-8)


def test_the_largest_of_many_draws_is_that_of_their_distribution():
    many = 1e9
    z = np.linspace(0.0, 13.0, 200_001)
    above = -np.expm1(many * stats.norm.logcdf(z))
    assert largest_of(many) == pytest.approx(float(np.trapezoid(above, z)), abs=1e-6)


def test_a_track_record_of_the_minimum_length_is_just_sure_enough():
    found = sharpe_moments(skewed(2))
    length = minimum_track_record(found, 0.01, 0.9)
    at = SharpeMoments(found.sharpe, found.skewness, found.kurtosis, found.variance, length)
    assert probabilistic_sharpe(at, 0.01) == pytest.approx(0.9, abs=1e-12)
    assert math.isnan(minimum_track_record(found, found.sharpe))


def test_the_probability_is_right_as_often_as_it_says():
    random = np.random.default_rng(3)
    sure = [
        probabilistic_sharpe(sharpe_moments(random.gamma(2.0, 1.0, 400) - 2.0)) > 0.95 for _ in range(2000)
    ]
    assert np.mean(sure) == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize("phi", [0.3, -0.3])
def test_the_error_of_a_dependent_series_is_the_spread_of_many(phi):
    paths = autoregressive(np.random.default_rng(4), 1500, phi, 1500) + 0.1
    spread = np.std(paths.mean(axis=1) / paths.std(axis=1, ddof=1))
    told = np.median([sharpe_moments(path, 20).standard_error for path in paths[:200]])
    naive = np.median([sharpe_moments(path).standard_error for path in paths[:200]])
    assert told == pytest.approx(spread, rel=0.07)
    assert abs(naive / spread - 1.0) > 0.2


def test_long_run_variance_is_the_double_sum():
    values = autoregressive(np.random.default_rng(5), 60, 0.5)[0]
    away = values - values.mean()
    lags = 7
    total = sum(
        (1.0 - abs(i - j) / (lags + 1)) * away[i] * away[j]
        for i in range(60)
        for j in range(60)
        if abs(i - j) <= lags
    )
    assert long_run_variance(values, lags) == pytest.approx(total / 60, rel=1e-12)
    assert long_run_variance(values, 0) == pytest.approx(np.var(values), rel=1e-12)
    assert [newey_west_lags(n) for n in (100, 17_520)] == [4, 12]


def test_the_normal_distribution():
    for z in (-9.0, -1.3, 0.0, 2.5):
        assert below(z) == pytest.approx(stats.norm.cdf(z), rel=1e-12)
    assert quantile(0.975) == pytest.approx(stats.norm.ppf(0.975), rel=1e-12)


def test_what_has_no_ratio_is_nan_and_what_is_not_known_is_refused():
    still = sharpe_moments(np.zeros(20))
    assert math.isnan(still.sharpe)
    assert math.isnan(probabilistic_sharpe(still))
    assert math.isnan(deflated_sharpe(still, 10, 0.1))
    assert math.isnan(minimum_track_record(still))
    with pytest.raises(DataError, match="return in row 1 of column 0 is nan: give 0 where nothing is held"):
        sharpe_moments(np.array([0.1, math.nan, 0.2]))
    with pytest.raises(NotEnoughBarsError, match="a Sharpe ratio with its error needs 3 bars but got 2"):
        sharpe_moments(np.array([0.1, 0.2]))
