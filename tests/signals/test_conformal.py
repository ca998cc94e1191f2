"""Adaptive conformal inference: its coverage, a plain reading of it, and nothing from later bars."""

import math

import numpy as np
import pytest

from mlstrat.errors import ConfigError
from mlstrat.live import train
from mlstrat.pipeline import run_panel
from mlstrat.sentiment.align import neutral
from mlstrat.signals.conformal import MEMORY, STEP, conformal
from mlstrat.signals.decide import conformal_of, decide
from mlstrat.signals.funnel import PREDICTED, THRESHOLD
from mlstrat.signals.stopper import stopper

AHEAD = 3  # target_periods


def series(n=20_000, seed=0, spread=1.0):
    """Opens whose move over the horizon follows the probabilities given: label t is up with chance p[t]."""
    rng = np.random.default_rng(seed)
    prob = 1.0 / (1.0 + np.exp(-spread * rng.normal(size=n)))
    up = rng.random(n) < prob
    # open[t + 1 + AHEAD] is above open[t + 1] where bar t is up: AHEAD interleaved walks.
    px = np.full(n, 1000.0)
    for t in range(n - AHEAD - 1):
        px[t + 1 + AHEAD] = px[t + 1] * (1.001 if up[t] else 1.0 / 1.001)
    return px, prob


@pytest.mark.parametrize("coverage", [0.8, 0.9])
@pytest.mark.parametrize("spread", [0.2, 1.0])
def test_the_realised_coverage_of_exchangeable_data_is_the_target(coverage, spread):
    px, prob = series(spread=spread)
    said = conformal(px, prob, coverage, AHEAD)
    assert said.resolved == len(px) - AHEAD - 1
    assert said.coverage == pytest.approx(coverage, abs=0.01)


def test_it_keeps_the_coverage_of_a_forecast_that_breaks():
    """In the second half the probabilities tell nothing any more: fewer bars have one direction alone."""
    px, prob = series(40_000, seed=1)
    rng = np.random.default_rng(2)
    half = len(prob) // 2
    prob[half:] = rng.permutation(prob[half:])
    said = conformal(px, prob, 0.9, AHEAD)
    assert said.coverage == pytest.approx(0.9, abs=0.01)
    single = said.direction != 0
    assert single[:half].mean() > 1.5 * single[half:].mean()


def test_it_is_what_the_definition_says():
    """Every bar anew from the labels resolved by its close: scores sorted, ranked and counted."""
    px, prob = series(900, seed=3)
    prob[:50], prob[300:310] = np.nan, np.nan
    said = conformal(px, prob, 0.8, AHEAD)
    level, bounds, scores, covered = 0.2, {}, [], []
    for t in range(len(px)):
        s = t - 1 - AHEAD
        if s >= 0 and not math.isnan(prob[s]):
            score = 1 - prob[s] if px[t] > px[s + 1] else prob[s]
            covered.append(score <= bounds[s])
            level += STEP * (0.2 - (not covered[-1]))
            scores.append(score)
        known = sorted(scores[-MEMORY:])
        rank = math.ceil((len(known) + 1) * (1 - level))
        bounds[t] = math.inf if rank > len(known) else known[rank - 1]
        both = [1 - prob[t] <= bounds[t], prob[t] <= bounds[t]]
        wanted = 0 if both[0] == both[1] else (1 if both[0] else -1)
        assert said.direction[t] == wanted, t
    assert (said.resolved, said.coverage) == (len(covered), np.mean(covered))
    assert len(scores) > MEMORY
    assert set(np.unique(said.direction)) == {-1, 0, 1}


def test_later_bars_change_nothing():
    px, prob = series(800, seed=4)
    whole = conformal(px, prob, 0.8, AHEAD).direction
    for n in (1, 5, 60, 500):
        np.testing.assert_array_equal(conformal(px[:n], prob[:n], 0.8, AHEAD).direction, whole[:n])


def test_without_a_resolved_label_nothing_is_ruled_out():
    said = conformal(np.full(4, 100.0), np.array([np.nan, 0.99, 0.01, 0.5]), 0.9, AHEAD)
    assert said.direction.tolist() == [0, 0, 0, 0]
    assert (said.resolved, math.isnan(said.coverage)) == (0, True)


@pytest.fixture(scope="module")
def asked(tiny_config):
    signals = tiny_config.signals.model_copy(update={"conformal": 0.55})
    return tiny_config.model_copy(update={"signals": signals})


def test_a_trade_needs_its_direction_alone_in_the_set(tiny_run, asked):
    run = tiny_run
    bars, predictions = run.panel.bars, run.predictions
    made = decide(bars, predictions, run.panel.mood, run.panel.atr_px, asked)
    alone = conformal_of(bars, predictions, asked).direction
    plain = run.decisions
    taken_back = (plain.stage >= THRESHOLD) & (np.where(predictions.score > 0.5, 1, -1) != alone)
    assert 0 < taken_back[plain.side != 0].mean() < 1
    assert (made.stage[taken_back] == PREDICTED).all()
    assert (made.side[taken_back] == 0).all()
    assert (made.fraction[taken_back] == 0).all()
    assert np.isnan(made.stop[taken_back]).all()
    for name in ("side", "fraction", "stop", "target", "max_bars", "stage", "quality"):
        kept = getattr(made, name)[~taken_back]
        np.testing.assert_array_equal(kept, getattr(plain, name)[~taken_back], err_msg=name)


def test_retraining_bar_by_bar_abstains_as_the_batch_does(walk, tiny_run, asked):
    pytest.importorskip("backtrader")
    from mlstrat.engines.on_backtrader.retraining import retraining_advisor

    made = decide(walk, tiny_run.predictions, tiny_run.panel.mood, tiny_run.panel.atr_px, asked)
    advisor = retraining_advisor(walk, neutral(walk), asked)
    advice = [advisor.advise(t, row.copy()) for t, row in enumerate(walk.matrix)]
    assert [given.side for given in advice] == made.side.tolist()
    assert [given.fraction for given in advice] == made.fraction.tolist()
    assert {-1, 0, 1} >= set(made.side.tolist()) != {0}


def test_a_model_file_cannot_have_it(tiny_run, asked):
    with pytest.raises(ConfigError, match="which a model file does not hold: set it to 0"):
        train(tiny_run.panel, asked)


def test_a_run_without_a_direction_alone_says_so(tiny_run, asked):
    signals = asked.signals.model_copy(update={"conformal": 0.9999})
    config = asked.model_copy(update={"signals": signals})
    run = run_panel(tiny_run.panel, config)
    assert run.funnel.trades == 0
    said = stopper(run.funnel, run.predictions, run.decisions, config)
    assert "alone in its conformal set at signals.conformal = 0.9999: lower it" in said
