"""The odds of a trade: calibrated where there is something to learn, humble where there is not."""

import numpy as np
import pytest

from mlstrat.calibration import name_of
from mlstrat.data.synthetic import random_walk
from mlstrat.errors import ModelError
from mlstrat.execution.types import RiskRules
from mlstrat.labels import trade_outcomes
from mlstrat.logistic import logit, sigmoid
from mlstrat.signals.kelly import kelly_fraction
from mlstrat.signals.odds import Tail, break_even_threshold, drift_of, fit_odds, odds_row

N, OVERLAP = 20_000, 8


def trades(side, strength, seed=0):
    """Scores near one half, and trades that win 1 % or lose 0.8 % with a probability that the score tells."""
    rng = np.random.default_rng(seed)
    score = sigmoid(0.15 * rng.normal(size=N))
    win_prob = sigmoid(-0.2 + strength * side * logit(score))
    net = np.where(rng.random(N) < win_prob, 0.01, -0.008)
    return score, net, win_prob


def odds_of(side, score, net, held):
    """Odds where one stack scored the whole tail, and the tail is the whole window."""
    tail = Tail(score, np.zeros(len(score), np.int64), score, net)
    return fit_odds(side, tail, net, held)


@pytest.mark.parametrize("side", [1, -1])
def test_win_prob_is_calibrated_where_the_score_tells(side):
    score, net, win_prob = trades(side, 2.0)
    odds = odds_of(side, score, net, np.full(N, 0.0))
    fitted = np.array([odds_row(value, odds)[0] for value in score])
    assert np.abs(fitted - win_prob).max() < 0.03
    assert odds.payoff == pytest.approx(1.25)


def test_a_score_that_tells_nothing_leaves_the_base_rate():
    score, net, _ = trades(1, 0.0)
    odds = odds_of(1, score, net, np.full(N, OVERLAP - 1.0))
    fitted = np.array([odds_row(value, odds)[0] for value in score])
    assert fitted.std() < 0.01
    assert fitted.mean() == pytest.approx(np.mean(net > 0), abs=0.01)


def test_a_score_that_tells_the_opposite_is_not_turned_round():
    score, net, _ = trades(1, -2.0)
    assert odds_of(1, score, net, np.full(N, 0.0)).curve.weights == [0.0]


def test_the_standard_error_is_what_repeated_samples_show():
    """Over 300 samples the logit's error at a fixed score has the spread that the map claims.

    The rate of these trades does not wander, so what is claimed for that is left out.
    """
    errors, claimed = [], []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        score = sigmoid(0.15 * rng.normal(size=600))
        net = np.where(rng.random(600) < sigmoid(-0.2 + 2.0 * logit(score)), 0.01, -0.008)
        odds = odds_of(1, score, net, np.zeros(600))
        win_prob, win_se = odds_row(0.5, odds._replace(drift_var=0.0))
        errors.append(float(logit(win_prob)) + 0.2)
        claimed.append(win_se)
    assert np.std(errors) == pytest.approx(np.mean(claimed), rel=0.15)


def test_overlapping_trades_count_once():
    score, net, _ = trades(1, 0.5)
    alone, overlapping = (odds_of(1, score, net, np.full(N, held)) for held in (0.0, 15.0))
    assert overlapping.base_var == pytest.approx(16 * alone.base_var)
    assert overlapping.curve_var > alone.curve_var
    assert overlapping.curve.weights < alone.curve.weights


@pytest.mark.parametrize(("side", "shift"), [(1, -0.1), (-1, -0.1), (1, 0.3), (-1, 0.3)])
def test_the_threshold_is_where_the_trade_breaks_even(side, shift):
    score, _, _ = trades(side, 2.0)
    rng = np.random.default_rng(5)
    net = np.where(rng.random(N) < sigmoid(shift - 0.2 + 2.0 * side * logit(score)), 0.01, -0.008)
    odds = odds_of(side, score, net, np.zeros(N))
    at = break_even_threshold(odds)
    assert side * (at - 0.5) >= 0
    beyond, short_of = at + side * 1e-6, at - side * 1e-6
    assert kelly_fraction(*odds_row(beyond, odds), odds.payoff, 0.0) > 0
    if at != 0.5:
        assert kelly_fraction(*odds_row(short_of, odds), odds.payoff, 0.0) == 0.0


def test_no_threshold_where_no_score_pays():
    score, net, _ = trades(1, 0.0)
    hopeless = net - 0.003
    odds = odds_of(1, score, hopeless, np.zeros(N))
    odds = odds._replace(curve=odds.curve._replace(weights=np.zeros(1)))
    assert np.isnan(break_even_threshold(odds))


def test_a_window_without_losses_has_finite_odds():
    odds = odds_of(1, np.full(50, 0.5), np.full(50, 0.01), np.zeros(50))
    assert all(np.isfinite(value) for value in odds if isinstance(value, float))
    assert 0 < odds_row(0.9, odds)[0] < 1


def test_a_trade_that_makes_exactly_nothing_is_neither_a_win_nor_a_loss():
    net = np.r_[np.full(40, 0.01), np.zeros(10), np.full(50, -0.008)]
    odds = odds_of(1, np.linspace(0.45, 0.55, 100), net, np.zeros(100))
    assert (odds.win, odds.loss) == (pytest.approx(0.01), pytest.approx(0.008))
    assert odds.base == pytest.approx(float(logit(41 / 102)))


def test_halves_scored_by_other_stacks_are_compared_within_themselves():
    """A stack that scores its half higher says nothing about the trades of that half."""
    score, net, _ = trades(1, 2.0)
    half = (np.arange(N) >= N // 2).astype(np.int64)
    shifted = np.where(half == 1, sigmoid(logit(score) * 3.0 + 1.0), score)
    apart = fit_odds(1, Tail(shifted, half, score, net), net, np.zeros(N), "platt")
    together = odds_of(1, score, net, np.zeros(N))
    assert apart.curve.weights == pytest.approx(together.curve.weights, rel=0.01)
    assert (apart.centre, apart.spread) == (
        pytest.approx(logit(score).mean()),
        pytest.approx(logit(score).std()),
    )


def test_too_few_ended_trades_are_refused():
    with pytest.raises(ModelError, match=r"only 29 trades had ended .* lower stops\.max_bars, or raise"):
        odds_of(1, np.full(29, 0.5), np.full(29, 0.01), np.zeros(29))


@pytest.mark.parametrize("max_bars", [24, 100])
def test_the_error_of_the_base_rate_is_what_independent_walks_show(max_bars):
    """Bracket trades on every bar of 200 walks: the spread of the win rate is the one that is claimed."""
    bases, claimed = [], []
    for seed in range(200):
        bars = random_walk(1500, seed, step_ticks=10_000.0)
        outcomes = trade_outcomes(
            bars, np.full(1500, 120.0), RiskRules(), stop_atr=2.5, target_atr=3.5, max_bars=max_bars
        )
        ended = ~np.isnat(outcomes.latest_at)
        net, held = outcomes.net[ended, 0], outcomes.held[ended, 0]
        odds = odds_of(1, np.full(len(net), 0.5), net, held)
        bases.append(odds.base)
        claimed.append(np.sqrt(odds.base_var))
    assert np.std(bases) / np.mean(claimed) == pytest.approx(1.0, abs=0.15)


def drifting(spread, seed, n=8_000, block=1_000):
    """Trades whose true rate is another one in every block; the logits differ by `spread`."""
    rng = np.random.default_rng(seed)
    level = np.repeat(rng.normal(scale=spread, size=n // block), block)
    return (rng.random(n) < sigmoid(-0.2 + level)).astype(float)


def test_a_rate_that_wanders_is_measured_and_one_that_does_not_is_not():
    found = [drift_of(drifting(0.3, seed), 1.0) for seed in range(200)]
    assert np.mean(found) == pytest.approx(0.09, rel=0.15)
    still = [drift_of(drifting(0.0, seed), 1.0) for seed in range(200)]
    assert np.mean(still) < 0.001


def test_the_next_block_lies_where_the_standard_error_says():
    """Of the shares of a ninth block, 95 % lie within 1.96 claimed standard errors of the first eight."""
    inside = []
    for seed in range(300):
        won = drifting(0.3, seed, n=9_000)
        net = np.where(won[:8_000] > 0, 0.01, -0.008)
        odds = odds_of(1, np.full(8_000, 0.5), net, np.zeros(8_000))
        win_prob, win_se = odds_row(0.5, odds)
        rate = won[8_000:].mean()
        sampling = 1.0 / (1_000 * rate * (1.0 - rate))
        inside.append(abs(logit(rate) - logit(win_prob)) < 1.96 * np.sqrt(win_se**2 + sampling))
    assert 0.88 < np.mean(inside) < 0.97


@pytest.mark.parametrize("kind", ["beta", "isotonic"])
@pytest.mark.parametrize("side", [1, -1])
def test_every_map_is_calibrated_and_has_its_threshold(kind, side):
    score, _, _ = trades(side, 2.0)
    win_prob = sigmoid(-0.3 + 2.0 * side * logit(score))
    net = np.where(np.random.default_rng(5).random(N) < win_prob, 0.01, -0.008)
    tail = Tail(score, np.zeros(N, np.int64), score, net)
    odds = fit_odds(side, tail, net, np.zeros(N), kind)
    assert name_of(odds.curve) == kind
    fitted = np.array([odds_row(value, odds)[0] for value in score])
    assert np.abs(fitted - win_prob).mean() < 0.02
    at = break_even_threshold(odds)
    assert kelly_fraction(*odds_row(at, odds), odds.payoff, 0.0) >= 0
    assert side * (at - 0.5) > 0
    assert kelly_fraction(*odds_row(at - side * 1e-6, odds), odds.payoff, 0.0) == 0.0
