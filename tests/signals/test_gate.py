"""Whether a window listens to sentiment: seldom where it is noise, nearly always where it knows something."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from mlstrat.logistic import PRIOR_SD
from mlstrat.signals.blend import blend
from mlstrat.signals.gate import LEAST_TRADES, Side, gate_of

N, SPAN = 2_400, 6


def tail(seed, truth):
    """A tail of overlapping trades; `truth` is what a unit of sentiment adds to the logit of a long."""
    draw = np.random.default_rng(seed)
    mood = np.clip(np.repeat(draw.normal(size=N // 24), 24) * 0.4, -1, 1)
    prob = 1 / (1 + np.exp(-0.1 * draw.normal(size=N)))
    drift = 0.1 * np.log(prob / (1 - prob)) + truth * mood
    shocks = np.convolve(draw.normal(size=N + SPAN), np.ones(SPAN), "valid")[:N] / np.sqrt(SPAN)
    net = 0.01 * (shocks + drift)
    blended = np.array([blend(p, m, 0.5, 0.6, 0.4) for p, m in zip(prob, mood, strict=True)])
    half = np.r_[np.zeros(N // 2 - SPAN), np.full(2 * SPAN, -1), np.ones(N // 2 - SPAN)].astype(int)
    sides = [Side(1, prob, blended, net, 0.0, SPAN), Side(-1, prob, blended, -net, 0.0, SPAN)]
    return sides, half, np.ones(N, bool)


def gates(truth, count):
    return [gate_of(*tail(seed, truth), memory=24) for seed in range(count)]


def test_noise_is_let_in_about_once_in_twenty():
    assert np.mean([gate.share for gate in gates(0.0, 200)]) <= 0.08


def test_what_helps_is_let_in():
    made = gates(1.5, 25)
    assert np.mean([gate.share for gate in made]) >= 0.9
    assert all(gate.low < gate.gain for gate in made)


def test_what_is_the_wrong_way_round_is_kept_out():
    assert np.mean([gate.share for gate in gates(-1.5, 50)]) <= 0.10


def test_the_gain_is_that_of_two_maps_fitted_by_hand():
    """Each half is predicted by the ridge logistic slope of the other half, found by another minimiser."""
    sides, half, known = tail(3, 0.8)

    def loss(score, net, side):
        z, won, out = side * np.log(score / (1 - score)), (net > 0).astype(float), np.full(N, np.nan)
        for part in (0, 1):
            z[half == part] = (z[half == part] - z[half == part].mean()) / z[half == part].std()
        for own, other in ((0, 1), (1, 0)):
            a, b = half == own, half == other

            def penalty(slope, rows=b):
                eta = slope * z[rows]
                return np.sum(np.log1p(np.exp(eta)) - won[rows] * eta) / SPAN + slope**2 / PRIOR_SD**2 / 2

            slope = minimize_scalar(penalty, bounds=(0.0, 5.0), method="bounded", options={"xatol": 1e-10}).x
            out[a] = np.log1p(np.exp(slope * z[a])) - won[a] * slope * z[a]
        return out

    gain = np.mean(
        [loss(one.alone, one.net, one.side) - loss(one.blended, one.net, one.side) for one in sides],
        axis=0,
    )
    assert gate_of(sides, half, known, memory=24).gain == pytest.approx(np.nanmean(gain), abs=1e-7)


@pytest.mark.parametrize("half_with_too_few", [0, 1])
def test_too_little_known_in_either_half_is_no_evidence(half_with_too_few):
    sides, half, known = tail(1, 1.5)
    rows = np.flatnonzero(half == half_with_too_few)
    known[rows] = False
    known[rows[: int(LEAST_TRADES * SPAN) - 1]] = True
    gate = gate_of(sides, half, known, memory=24)
    assert gate.share == 0.0
    assert gate.gain == gate.low == 0.0
    assert gate.bars == np.sum(known & (half >= 0))
    known[rows[: int(LEAST_TRADES * SPAN)]] = True
    assert gate_of(sides, half, known, memory=24).gain != 0.0


def test_the_same_tail_gives_the_same_bits():
    assert gate_of(*tail(5, 0.5), memory=24) == gate_of(*tail(5, 0.5), memory=24)
