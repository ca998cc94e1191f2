"""The odds of a trade: calibrated where there is something to learn, humble where there is not."""

import numpy as np
import pytest

from mlstrat.logistic import logit, sigmoid
from mlstrat.signals.kelly import kelly_fraction
from mlstrat.signals.odds import break_even_threshold, fit_odds, odds_row

N, OVERLAP = 20_000, 8


def trades(side, strength, seed=0):
    """Scores near one half, and trades that win 1 % or lose 0.8 % with a probability that the score tells."""
    rng = np.random.default_rng(seed)
    score = sigmoid(0.15 * rng.normal(size=N))
    win_prob = sigmoid(-0.2 + strength * side * logit(score))
    net = np.where(rng.random(N) < win_prob, 0.01, -0.008)
    return score, net, win_prob


@pytest.mark.parametrize("side", [1, -1])
def test_win_prob_is_calibrated_where_the_score_tells(side):
    score, net, win_prob = trades(side, 2.0)
    odds = fit_odds(side, score, net, net, np.full(N, 0.0))
    fitted = np.array([odds_row(value, odds)[0] for value in score])
    assert np.abs(fitted - win_prob).max() < 0.03
    assert odds.payoff == pytest.approx(1.25)


def test_a_score_that_tells_nothing_leaves_the_base_rate():
    score, net, _ = trades(1, 0.0)
    odds = fit_odds(1, score, net, net, np.full(N, OVERLAP - 1.0))
    fitted = np.array([odds_row(value, odds)[0] for value in score])
    assert fitted.std() < 0.01
    assert fitted.mean() == pytest.approx(np.mean(net > 0), abs=0.01)


def test_a_score_that_tells_the_opposite_is_not_turned_round():
    score, net, _ = trades(1, -2.0)
    assert fit_odds(1, score, net, net, np.full(N, 0.0)).slope == 0.0


def test_the_standard_error_is_what_repeated_samples_show():
    """Over 300 samples the logit's error at a fixed score has the spread that the map claims."""
    errors, claimed = [], []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        score = sigmoid(0.15 * rng.normal(size=600))
        net = np.where(rng.random(600) < sigmoid(-0.2 + 2.0 * logit(score)), 0.01, -0.008)
        odds = fit_odds(1, score, net, net, np.zeros(600))
        win_prob, win_se = odds_row(0.5, odds)
        errors.append(float(logit(win_prob)) + 0.2)
        claimed.append(win_se)
    assert np.std(errors) == pytest.approx(np.mean(claimed), rel=0.15)


def test_overlapping_trades_count_once():
    score, net, _ = trades(1, 0.5)
    alone, overlapping = (fit_odds(1, score, net, net, np.full(N, held)) for held in (0.0, 15.0))
    assert overlapping.base_var == pytest.approx(16 * alone.base_var)
    assert overlapping.slope_var > alone.slope_var
    assert overlapping.slope < alone.slope


@pytest.mark.parametrize(("side", "shift"), [(1, -0.1), (-1, -0.1), (1, 0.3), (-1, 0.3)])
def test_the_threshold_is_where_the_trade_breaks_even(side, shift):
    score, _, _ = trades(side, 2.0)
    rng = np.random.default_rng(5)
    net = np.where(rng.random(N) < sigmoid(shift - 0.2 + 2.0 * side * logit(score)), 0.01, -0.008)
    odds = fit_odds(side, score, net, net, np.zeros(N))
    at = break_even_threshold(odds)
    assert side * (at - 0.5) >= 0
    beyond, short_of = at + side * 1e-6, at - side * 1e-6
    assert kelly_fraction(*odds_row(beyond, odds), odds.payoff, 0.0) > 0
    if at != 0.5:
        assert kelly_fraction(*odds_row(short_of, odds), odds.payoff, 0.0) == 0.0


def test_no_threshold_where_no_score_pays():
    score, net, _ = trades(1, 0.0)
    hopeless = net - 0.003
    odds = fit_odds(1, score, hopeless, hopeless, np.zeros(N))._replace(slope=0.0)
    assert np.isnan(break_even_threshold(odds))


def test_a_window_without_losses_has_finite_odds():
    odds = fit_odds(1, np.full(50, 0.5), np.full(50, 0.01), np.full(50, 0.01), np.zeros(50))
    assert all(np.isfinite(value) for value in odds)
    assert 0 < odds_row(0.9, odds)[0] < 1
