"""Kelly against the growth it maximises, and the laws of a size."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlstrat.signals.kelly import STANDARD_ERRORS, kelly_fraction, position_fraction


@pytest.mark.parametrize(
    ("win_prob", "payoff"), [(0.6, 1.0), (0.45, 1.6), (0.3, 3.0), (0.9, 0.2), (0.4, 1.2)]
)
def test_kelly_maximises_expected_log_growth(win_prob, payoff):
    stake = np.linspace(0, 0.999, 99_901)
    growth = win_prob * np.log1p(stake * payoff) + (1 - win_prob) * np.log1p(-stake)
    assert kelly_fraction(win_prob, 0.0, payoff, 0.0) == pytest.approx(stake[np.argmax(growth)], abs=2e-5)


def test_a_million_random_estimates_obey_the_laws():
    rng = np.random.default_rng(1)
    n = 1_000_000
    win_prob, payoff = rng.random(n), rng.lognormal(0, 1, n)
    win_se, cap = rng.lognormal(-2, 1, n), rng.uniform(0.01, 1, n)
    multiplier, errors = rng.uniform(0.01, 1, n), rng.choice([0.0, 0.5, 1.5], n)
    for p, b, se, c, m, k in zip(win_prob, payoff, win_se, cap, multiplier, errors, strict=True):
        kelly = kelly_fraction(p, se, b, k)
        held = position_fraction(kelly, m, c, 0.0, 1.0)
        assert 0.0 <= held <= c
        assert held <= kelly
        closed = p - (1 - p) / b
        if k == 0.0:
            assert abs(kelly - max(closed, 0.0)) < 1e-12
        if closed <= 0.0:
            assert held == 0.0


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    p=st.floats(0.01, 0.98),
    more=st.floats(0.0, 0.01),
    b=st.floats(0.1, 10),
    se=st.floats(0, 2),
    k=st.floats(0, 3),
)
def test_a_better_estimate_never_bets_less_and_a_surer_one_neither(p, more, b, se, k):
    assert kelly_fraction(p + more, se, b, k) >= kelly_fraction(p, se, b, k)
    assert kelly_fraction(p, se, b + more, k) >= kelly_fraction(p, se, b, k)
    assert kelly_fraction(p, se + more, b, k) <= kelly_fraction(p, se, b, k)


@pytest.mark.parametrize(
    "estimate", [(np.nan, 0.1, 1.0), (0.6, np.nan, 1.0), (0.6, 0.1, np.nan), (1.0, 0.1, 1.0), (0.6, 0.1, 0.0)]
)
def test_an_impossible_estimate_bets_nothing(estimate):
    assert kelly_fraction(*estimate, 0.5) == 0.0


def test_the_three_modes_grow_in_caution():
    assert STANDARD_ERRORS["off"] == 0.0 < STANDARD_ERRORS["standard"] == 0.5 < STANDARD_ERRORS["strict"]


def test_basis_risk_holds_what_loses_the_kelly_share_at_the_stop():
    held = position_fraction(0.02, 0.5, 1.0, 0.0, 0.025)
    assert held * 0.025 == pytest.approx(0.5 * 0.02)
    assert position_fraction(0.02, 0.5, 0.1, 0.0, 0.025) == 0.1
    assert position_fraction(0.001, 0.5, 1.0, 0.001, 1.0) == 0.0
