"""Retraining inside Backtrader: the same predictions, bit for bit, and the same trades."""

from dataclasses import replace

import backtrader as bt
import numpy as np
import pytest

from mlstrat.data.synthetic import random_walk
from mlstrat.engines.on_backtrader import MLStrategy, cerebro_for
from mlstrat.errors import ConfigError
from mlstrat.execution.kernel import simulate
from mlstrat.pipeline import load_panel, run_panel
from mlstrat.sentiment.align import neutral
from mlstrat.signals.decide import risk_rules

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
