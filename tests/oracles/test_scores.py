"""Forecast scores against scikit-learn, and the bootstrap against its exact variance."""

import math

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score, brier_score_loss
from sklearn.metrics import log_loss as sklearn_log_loss

from mlstrat.bootstrap import bootstrap_mean
from mlstrat.errors import DataError
from mlstrat.models import scores


@pytest.fixture(scope="module")
def sample() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(2)
    prob = random.beta(8, 7, 3000)
    return prob, (random.uniform(size=3000) < 0.3 + 0.4 * prob).astype(np.float64)


def test_losses_equal_those_of_scikit_learn(sample: tuple[np.ndarray, np.ndarray]) -> None:
    prob, up = sample
    assert scores.log_loss(prob, up) == pytest.approx(sklearn_log_loss(up, prob), abs=1e-12)
    assert scores.brier(prob, up) == pytest.approx(brier_score_loss(up, prob), abs=1e-12)
    assert scores.directional_accuracy(prob, up) == pytest.approx(accuracy_score(up, prob > 0.5))


def test_certain_and_wrong_is_dear_but_finite() -> None:
    prob, up = np.array([0.0, 1.0, 0.5]), np.array([1.0, 0.0, 1.0])
    assert scores.log_loss(prob, up) == pytest.approx(sklearn_log_loss(up, np.clip(prob, 1e-15, 1 - 1e-15)))
    assert math.isfinite(scores.log_loss(prob, up))


def test_an_undecided_forecast_is_half_right() -> None:
    assert scores.directional_accuracy(np.full(4, 0.5), np.array([1.0, 1.0, 1.0, 0.0])) == 0.5


def test_base_rate_loss_is_the_entropy_where_the_rate_is_right() -> None:
    up = np.array([1.0] * 30 + [0.0] * 70)
    entropy = -(0.3 * math.log(0.3) + 0.7 * math.log(0.7))
    assert scores.base_rate_log_loss(np.full(100, 0.3), up) == pytest.approx(entropy)


def test_reliability_equals_that_of_scikit_learn(sample: tuple[np.ndarray, np.ndarray]) -> None:
    prob, up = sample
    curve = scores.reliability(prob, up, bins=10)
    share, mean = calibration_curve(up, prob, n_bins=10, strategy="quantile")
    np.testing.assert_allclose(curve.prob, mean, atol=1e-12)
    np.testing.assert_allclose(curve.share, share, atol=1e-12)
    assert curve.count.sum() == len(prob)
    assert np.ptp(curve.count) <= 1


def test_equal_forecasts_share_a_bin() -> None:
    prob = np.repeat([0.4, 0.5, 0.6], [10, 80, 10])
    curve = scores.reliability(prob, np.tile([1.0, 0.0], 50), bins=10)
    np.testing.assert_allclose(curve.prob, [0.4, 0.5, 0.6])
    np.testing.assert_array_equal(curve.count, [10, 80, 10])


def test_calibration_error_equals_a_plain_loop(sample: tuple[np.ndarray, np.ndarray]) -> None:
    prob, up = sample
    order = np.argsort(prob)
    expected = 0.0
    for part in np.array_split(order, 10):
        expected += len(part) / len(prob) * abs(prob[part].mean() - up[part].mean())
    found = scores.expected_calibration_error(scores.reliability(prob, up, bins=10))
    assert found == pytest.approx(expected, abs=1e-12)


def persistent(n: int) -> np.ndarray:
    random = np.random.default_rng(4)
    out = np.zeros(n)
    for t in range(1, n):
        out[t] = 0.7 * out[t - 1] + random.normal()
    return out + 0.3


def exact_variance(values: np.ndarray, block: float) -> float:
    """Variance of the bootstrapped mean: Politis and Romano 1994, lemma 1."""
    n, p = len(values), 1.0 / block
    centred = values - values.mean()
    total = float(centred @ centred) / n
    for lag in range(1, n):
        covariance = float(centred[lag:] @ centred[:-lag]) / n
        total += 2.0 * ((1 - lag / n) * (1 - p) ** lag + lag / n * (1 - p) ** (n - lag)) * covariance
    return total / n


@pytest.mark.parametrize("block", [1.0, 8.0, 40.0])
def test_bootstrap_interval_has_the_width_of_its_exact_variance(block: float) -> None:
    values = persistent(600)
    found = bootstrap_mean(values, block, seed=1, samples=20_000)
    spread = math.sqrt(exact_variance(values, block))
    assert found.estimate == pytest.approx(values.mean())
    assert found.high - found.low == pytest.approx(2 * 1.96 * spread, rel=0.04)
    assert (found.high + found.low) / 2 == pytest.approx(values.mean(), abs=0.15 * spread)


def test_bootstrap_repeats_with_its_seed_and_not_with_another() -> None:
    values = persistent(300)
    assert bootstrap_mean(values, 10, seed=3) == bootstrap_mean(values, 10, seed=3)
    assert bootstrap_mean(values, 10, seed=3) != bootstrap_mean(values, 10, seed=4)


def test_a_constant_difference_has_an_interval_of_no_width() -> None:
    found = bootstrap_mean(np.full(50, 0.25), 500, seed=0)
    assert (found.estimate, found.low, found.high) == pytest.approx((0.25, 0.25, 0.25))


def test_skill_is_positive_for_forecasts_that_know_and_spans_zero_for_noise() -> None:
    random = np.random.default_rng(9)
    prob = random.uniform(0.2, 0.8, 4000)
    base = np.full(4000, 0.5)
    knowing = (random.uniform(size=4000) < prob).astype(np.float64)
    assert scores.log_loss_skill(prob, base, knowing, 20, seed=1).low > 0.0
    near = 0.5 + 0.001 * random.choice([-1.0, 1.0], 4000)
    coin = (random.uniform(size=4000) < 0.5).astype(np.float64)
    blind = scores.log_loss_skill(near, base, coin, 20, seed=1)
    assert blind.low < 0.0 < blind.high


def test_no_rows_give_nan() -> None:
    none = np.empty(0)
    assert math.isnan(scores.log_loss(none, none))
    assert math.isnan(scores.brier(none, none))
    assert math.isnan(scores.directional_accuracy(none, none))
    assert math.isnan(scores.expected_calibration_error(scores.reliability(none, none)))
    assert math.isnan(bootstrap_mean(none, 5, seed=0).low)


def test_rows_that_are_not_known_are_refused() -> None:
    with pytest.raises(DataError, match="drop the rows that are not known"):
        scores.log_loss(np.array([0.5, np.nan]), np.array([1.0, 0.0]))
    with pytest.raises(DataError, match="drop the rows that are not known"):
        scores.brier(np.array([0.5, 0.5]), np.array([1.0, np.nan]))
    with pytest.raises(DataError, match="one outcome a forecast"):
        scores.brier(np.array([0.5, 0.5]), np.array([1.0]))
    with pytest.raises(DataError, match="a mean length of 1 bar or more"):
        bootstrap_mean(np.ones(5), 0.5, seed=0)
