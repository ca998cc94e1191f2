"""Retraining inside Backtrader: the same predictions, bit for bit, and the same trades."""

from dataclasses import replace
from itertools import pairwise

import backtrader as bt
import numpy as np
import pytest

from mlstrat.data.synthetic import random_walk
from mlstrat.engines.on_backtrader import MLStrategy, cerebro_for
from mlstrat.engines.on_backtrader.sided import SidedStrategy
from mlstrat.errors import ConfigError
from mlstrat.execution.kernel import simulate
from mlstrat.pipeline import load_panel, run_panel
from mlstrat.sentiment.align import SentimentSeries, neutral
from mlstrat.signals.decide import decide
from mlstrat.signals.terms import risk_rules

TRADE = ("entry_bar", "exit_bar", "side", "units", "entry_price", "exit_price", "reason")


@pytest.fixture(scope="module")
def retrained(walk, tiny_config):
    cerebro = cerebro_for(walk, risk_rules(tiny_config, walk), stdstats=False)
    cerebro.addstrategy(MLStrategy, config=tiny_config, retrain=True)
    (strategy,) = cerebro.run()
    return strategy


def test_predictions_are_bit_identical_to_the_batch(retrained, tiny_run):
    inside = retrained.advisor.predictions
    for name in (
        "prob_up",
        "magnitude",
        "votes",
        "score",
        "win_prob",
        "win_se",
        "payoff",
        "threshold",
        "fold",
    ):
        np.testing.assert_array_equal(
            getattr(inside, name), getattr(tiny_run.predictions, name), err_msg=name
        )
    assert inside.windows == tiny_run.predictions.windows


def test_trades_are_those_of_the_kernel(retrained, tiny_run, walk, tiny_config):
    inside = retrained.result
    kernel = simulate(walk, tiny_run.decisions, risk_rules(tiny_config, walk))
    assert len(kernel.trades) > 10
    for name in TRADE:
        np.testing.assert_array_equal(
            getattr(inside.trades, name), getattr(kernel.trades, name), err_msg=name
        )
    np.testing.assert_allclose(inside.equity, kernel.equity, rtol=1e-9)


def test_precomputed_predictions_give_the_same_trades(tiny_run, walk, tiny_config):
    cerebro = cerebro_for(walk, risk_rules(tiny_config, walk), stdstats=False)
    cerebro.addstrategy(MLStrategy, config=tiny_config, predictions=tiny_run.predictions)
    (strategy,) = cerebro.run()
    result = strategy.result
    for name in TRADE:
        np.testing.assert_array_equal(getattr(result.trades, name), getattr(tiny_run.result.trades, name))


def same_trades(result, kernel):
    for name in TRADE:
        np.testing.assert_array_equal(
            getattr(result.trades, name), getattr(kernel.trades, name), err_msg=name
        )
    np.testing.assert_allclose(result.equity, kernel.equity, rtol=1e-9)


def test_conditions_act_the_same_in_the_batch_and_bar_by_bar(tiny_run, walk, tiny_config):
    other = replace(random_walk(3500, seed=12, step_ticks=10_000.0), symbol="OTHER")
    asked = {
        "confirm": "rsi_14_4h > 30 and corr_20@OTHER < 0.5",
        "confirm_long": "close > sma_200",
        "confirm_short": "close < ema_50 and volume > 0",
    }
    config = tiny_config.model_copy(update={"signals": tiny_config.signals.model_copy(update=asked)})
    batch = run_panel(tiny_run.panel, config, others=[other])
    assert 10 < len(batch.result.trades) < len(tiny_run.result.trades)
    for given in ({"retrain": True}, {"predictions": tiny_run.predictions}):
        cerebro = cerebro_for(walk, risk_rules(config, walk), stdstats=False)
        cerebro.addstrategy(MLStrategy, config=config, others=(other,), **given)
        same_trades(cerebro.run()[0].result, batch.result)


@pytest.mark.parametrize("seen", [False, True], ids=["unseen", "seen"])
def test_sentiment_acts_the_same_in_the_batch_and_bar_by_bar(walk, tiny_config, seen):
    draw = np.random.default_rng(7)
    known = draw.random(len(walk)) < 0.5
    score = np.where(known, draw.uniform(-1, 1, len(walk)), 0.0)
    mood = SentimentSeries(walk.time, score, known * 0.7, known.astype(np.int64))
    sentiment = tiny_config.sentiment.model_copy(update={"features": seen})
    signals = tiny_config.signals.model_copy(update={"sentiment_gate": False})
    config = tiny_config.model_copy(update={"sentiment": sentiment, "signals": signals})
    batch = run_panel(load_panel(walk, mood, config), config)
    assert len(batch.result.trades) > 10
    cerebro = cerebro_for(walk, risk_rules(config, walk), stdstats=False)
    cerebro.addstrategy(MLStrategy, config=config, retrain=True, mood=mood)
    (strategy,) = cerebro.run()
    inside = strategy.advisor.predictions
    assert inside.windows == batch.predictions.windows
    for name in ("prob_up", "votes", "score", "win_prob", "threshold", "novelty"):
        np.testing.assert_array_equal(getattr(inside, name), getattr(batch.predictions, name), err_msg=name)
    same_trades(strategy.result, batch.result)


class AfterThreeUp(SidedStrategy):
    """A long after three higher closes in a row, a short after three lower ones."""

    def choose_side(self) -> int:
        closes = [self.data.close[-k] for k in range(4)] if len(self.data) > 3 else [0.0]
        moves = {np.sign(later - before) for later, before in pairwise(closes)}
        return int(moves.pop()) if len(moves) == 1 else 0


@pytest.mark.parametrize("coverage", [0.0, 0.6])
def test_sides_of_ones_own_are_judged_the_same_in_the_batch_and_bar_by_bar(
    tiny_run, walk, tiny_config, coverage
):
    # The score chooses no side at this threshold.
    asked = {"conformal": coverage, "confirm_long": "close > sma_20", "threshold": 0.99}
    config = tiny_config.model_copy(update={"signals": tiny_config.signals.model_copy(update=asked)})
    moves = np.sign(np.diff(walk.close, prepend=walk.close[0]))
    same = (moves == np.roll(moves, 1)) & (moves == np.roll(moves, 2)) & (np.arange(len(walk)) >= 3)
    sides = np.where(same, moves, 0).astype(np.int8)
    panel = tiny_run.panel
    decisions = decide(walk, tiny_run.predictions, panel.mood, panel.atr_px, config, sides=sides)
    kernel = simulate(walk, decisions, risk_rules(config, walk))
    assert len(kernel.trades) > 10
    for given in ({"retrain": True}, {"predictions": tiny_run.predictions}):
        cerebro = cerebro_for(walk, risk_rules(config, walk), stdstats=False)
        cerebro.addstrategy(AfterThreeUp, config=config, **given)
        same_trades(cerebro.run()[0].result, kernel)


@pytest.mark.parametrize(
    ("side", "given", "says"),
    [
        (2, {}, r"choose_side of Chooses gave 2: return 1, -1 or 0\."),
        (
            1,
            {"threshold": 0.6},
            r"Chooses chooses the side itself and was given decisions or a threshold: give",
        ),
    ],
)
def test_a_side_that_is_none_is_refused(tiny_run, walk, tiny_config, side, given, says):
    class Chooses(SidedStrategy):
        def choose_side(self) -> int:
            return side

    cerebro = cerebro_for(walk, risk_rules(tiny_config, walk), stdstats=False)
    cerebro.addstrategy(Chooses, config=tiny_config, predictions=tiny_run.predictions, **given)
    with pytest.raises(ConfigError, match=says):
        cerebro.run()


def test_retraining_takes_no_predictions(tiny_run, walk, tiny_config):
    cerebro = cerebro_for(walk, risk_rules(tiny_config, walk), stdstats=False)
    cerebro.addstrategy(MLStrategy, config=tiny_config, predictions=tiny_run.predictions, retrain=True)
    with pytest.raises(
        ConfigError, match=r"told to retrain and given what to trade on: leave out one of them\."
    ):
        cerebro.run()


def test_thresholds_are_swept_by_backtrader_itself(tiny_run, walk, tiny_config):
    cerebro = cerebro_for(walk, risk_rules(tiny_config, walk), stdstats=False, optreturn=True)
    cerebro.optstrategy(
        MLStrategy, threshold=[0.51, 0.6], config=[tiny_config], predictions=[tiny_run.predictions]
    )
    cerebro.addanalyzer(bt.analyzers.TradeAnalyzer, _name="trades")
    counts = [run[0].analyzers.trades.get_analysis().total.total for run in cerebro.run(maxcpus=1)]
    assert counts[0] > counts[1]


def test_higher_timeframes_and_another_symbol_give_the_same_predictions_inside(walk, tiny_config):
    other = replace(random_walk(3500, seed=12, step_ticks=10_000.0), symbol="OTHER")
    names = ("ret_1", "rsi_14_4h", "rsi_14@OTHER", "corr_20@OTHER", "ret_5_1d")
    config = tiny_config.model_copy(
        update={"features": tiny_config.features.model_copy(update={"names": names})}
    )
    mood = neutral(walk)
    panel = load_panel(walk, mood, config, [other])
    expected = run_panel(panel, config).predictions
    cerebro = cerebro_for(walk, risk_rules(config, walk), stdstats=False)
    cerebro.addstrategy(MLStrategy, config=config, retrain=True, others=(other,))
    (strategy,) = cerebro.run()
    inside = strategy.advisor.predictions
    assert panel.features.names == names
    for name in ("prob_up", "votes", "score", "win_prob"):
        np.testing.assert_array_equal(getattr(inside, name), getattr(expected, name), err_msg=name)
    assert np.isfinite(inside.prob_up).sum() > 500
