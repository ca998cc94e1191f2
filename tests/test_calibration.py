"""Calibration maps against scikit-learn and SciPy, and against probabilities that are known."""

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.isotonic import IsotonicRegression

from mlstrat.calibration import (
    IDENTITY,
    KINDS,
    LEAST_BLOCK,
    Part,
    apply_curve,
    check_curve,
    check_variance,
    choose,
    curve_row,
    fit_curve,
    name_of,
    variance_row,
)
from mlstrat.logistic import logit, sigmoid

N = 20_000


def drawn(true_eta, seed=0, n=N):
    """Numbers about zero, and outcomes whose log-odds are `true_eta` of them."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)
    return z, (rng.random(n) < sigmoid(true_eta(z))).astype(float)


def straight(z):
    return 0.4 * z


def bent(z):
    """The beta map with a low of 0.1 and a high of 1.2."""
    return 1.2 * (np.logaddexp(0, z) - np.log(2)) - 0.1 * (np.logaddexp(0, -z) - np.log(2))


def stepped(z):
    return np.where(z > 0.8, 0.9, -0.1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("truth", [straight, bent, stepped])
def test_every_map_ascends_and_keeps_the_mean(kind, truth):
    z, y = drawn(truth)
    base = float(logit(y.mean()))
    curve = fit_curve(kind, z, y, base, 1.0).curve
    grid = np.linspace(-5, 5, 1_001)
    assert (np.diff(apply_curve(grid, curve)) >= -1e-12).all()
    assert sigmoid(base + apply_curve(z, curve)).mean() == pytest.approx(y.mean(), abs=0.01)
    assert name_of(curve) == kind


@pytest.mark.parametrize(("kind", "truth"), [("platt", straight), ("beta", bent), ("isotonic", stepped)])
def test_a_map_finds_the_truth_of_its_kind(kind, truth):
    z, y = drawn(truth)
    base = float(logit(y.mean()))
    eta = base + apply_curve(z, fit_curve(kind, z, y, base, 1.0).curve)
    assert np.abs(sigmoid(eta) - sigmoid(truth(z))).mean() < 0.015


def test_the_beta_map_is_the_penalised_maximum_of_its_likelihood():
    """Against an unconstrained minimiser of the same criterion, written out once more."""
    z, y = drawn(bent, n=4_000)
    base, overlap = float(logit(y.mean())), 3.0
    curve = fit_curve("beta", z, y, base, overlap).curve
    u = z / z.std()
    below, above = np.log1p(np.exp(-u)), np.log1p(np.exp(u))

    def loss(ab):
        eta = base - ab[0] * (below - below.mean()) + ab[1] * (above - above.mean())
        fit = np.sum(y * np.log(sigmoid(eta)) + (1 - y) * np.log(1 - sigmoid(eta)))
        return -fit / overlap + 12.5 * ab @ ab

    best = minimize(loss, [0.1, 0.1], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10}).x
    assert curve.weights == pytest.approx(best, abs=1e-4)


def test_the_isotonic_map_is_that_of_scikit_learn_where_its_blocks_are_wide():
    z, y = drawn(stepped)
    curve = fit_curve("isotonic", z, y, 0.0, 1.0).curve
    rate = (y.sum() + 1) / (N + 2)
    ours = sigmoid(apply_curve(z, curve) + logit(rate))
    theirs = IsotonicRegression(out_of_bounds="clip").fit(z, y).predict(z)
    assert np.abs(ours - theirs).mean() < 0.005


def test_steps_stand_for_enough_independent_labels():
    z, y = drawn(straight, n=500)
    curve = fit_curve("isotonic", z, y, 0.0, 5.0).curve
    counts = np.histogram(z / curve.scale, [-np.inf, *curve.knots[1:], np.inf])[0]
    assert counts.min() >= LEAST_BLOCK * 5.0


def test_equal_numbers_lie_on_one_step():
    rng = np.random.default_rng(3)
    z = rng.integers(-3, 4, size=2_000).astype(float)
    y = (rng.random(2_000) < sigmoid(0.3 * z)).astype(float)
    curve = fit_curve("isotonic", z, y, 0.0, 1.0).curve
    assert set(np.round(curve.knots * curve.scale)) <= set(range(-3, 4))
    assert (np.diff(curve.knots) > 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_variance_is_what_repeated_samples_show(kind):
    """At a fixed number, over 300 samples, for weak truths."""
    at, found, claimed = 1.0, [], []
    for seed in range(300):
        z, y = drawn(lambda z: 0.1 * z, seed, n=2_000)
        fitted = fit_curve(kind, z, y, 0.0, 1.0)
        found.append(curve_row(at, fitted.curve))
        claimed.append(variance_row(at, fitted.curve, fitted.variance))
    # Neighbouring steps steady one another, and the isotonic map claims nothing for that.
    least = 0.25 if kind == "isotonic" else 1 / 1.6
    assert least < np.var(found) / np.mean(claimed) < 1.6


@pytest.mark.parametrize(("kind", "truth"), [("platt", straight), ("beta", bent), ("isotonic", stepped)])
def test_the_log_loss_of_the_other_half_chooses(kind, truth):
    z, y = drawn(truth, n=8 * N)
    parts = [Part(z[::2], y[::2], z[1::2], y[1::2]), Part(z[1::2], y[1::2], z[::2], y[::2])]
    assert choose("auto", parts, float(logit(y.mean())), 1.0) == kind


def test_noise_keeps_the_simplest_map():
    """200 tails without anything to find: more than nine in ten stay with one parameter."""
    kept = 0
    for seed in range(200):
        z, y = drawn(np.zeros_like, seed, n=600)
        parts = [Part(z[:300], y[:300], z[300:], y[300:]), Part(z[300:], y[300:], z[:300], y[:300])]
        kept += choose("auto", parts, 0.0, 5.0) == "platt"
    assert kept > 180


def test_what_the_settings_say_is_done():
    assert [choose(kind, [], 0.0, 1.0) for kind in KINDS] == list(KINDS)
    assert choose("auto", [], 0.0, 1.0) == "platt"


def test_the_identity_changes_no_bit():
    for z in np.random.default_rng(1).normal(size=100):
        assert curve_row(z, IDENTITY) == z


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"scale": 0.0}, "not positive"),
        ({"weights": np.array([-0.1])}, "below zero"),
        ({"weights": np.ones(3)}, "3 weights"),
        ({"knots": np.array([0.0, 1.0])}, "do not ascend"),
        ({"knots": np.array([1.0, 0.0]), "weights": np.array([0.0, 1.0])}, "do not ascend"),
        ({"knots": np.array([0.0, 1.0]), "weights": np.array([1.0, 0.0])}, "do not ascend"),
    ],
)
def test_a_map_of_a_foreign_file_is_checked(changed, what):
    assert what in check_curve(IDENTITY._replace(**changed))


def test_variances_of_a_foreign_file_are_checked():
    beta = IDENTITY._replace(weights=np.ones(2))
    assert check_variance(IDENTITY, np.ones(1)) == check_variance(beta, np.array([1.0, 1, 0.5, 0, 0])) == ""
    assert "2 variances" in check_variance(IDENTITY, np.ones(2))
    assert "not positive" in check_variance(IDENTITY, np.zeros(1))
    assert "covariance" in check_variance(beta, np.array([1.0, 1, 1.0, 0, 0]))
