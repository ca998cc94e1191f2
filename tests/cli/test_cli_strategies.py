"""The strategies that users copy, on a few thousand bars."""

import importlib.util
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

bt = pytest.importorskip("backtrader")

ROOT = Path(__file__).parents[2]


def load(name: str):
    spec = importlib.util.spec_from_file_location(f"shipped_{name}", ROOT / "strategies" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", sorted((ROOT / "strategies").glob("*.py")), ids=lambda path: path.name)
def test_strategies_are_short_enough_to_copy(path):
    assert len(path.read_text().splitlines()) <= 60


def test_precomputed_and_retraining_make_the_same_trades(tiny):
    from mlstrat import load_config
    from mlstrat import run as run_in_memory

    config = load_config(tiny, ["splits.max_windows=1", "signals.threshold=0.5"])
    ml_ensemble = load("ml_ensemble")
    before, inside = ml_ensemble.run(config), ml_ensemble.run(config, retrain=True)
    kernel = run_in_memory(config).result
    assert len(before.trades) > 0
    for result in (before, inside):
        for column in ("entry_bar", "exit_bar", "side", "units", "entry_price", "exit_price"):
            np.testing.assert_array_equal(getattr(result.trades, column), getattr(kernel.trades, column))


def test_meta_label_takes_the_crosses_that_the_models_believe(tiny):
    from mlstrat import load_config
    from mlstrat import run as run_in_memory
    from mlstrat.execution.kernel import simulate
    from mlstrat.signals.decide import decide
    from mlstrat.signals.terms import risk_rules

    config = load_config(tiny, ["splits.max_windows=1", "signals.threshold=0.99"])
    meta_label, made = load("meta_label"), run_in_memory(config)
    bars, panel = made.panel.bars, made.panel
    sides = crosses(bars.close, 5, 20)
    decisions = decide(bars, made.predictions, panel.mood, panel.atr_px, config, sides=sides)
    kernel = simulate(bars, decisions, risk_rules(config, bars))
    assert 0 < len(kernel.trades) < np.count_nonzero(sides)
    before = meta_label.run(config, cross="sma_cross_5_20")
    inside = meta_label.run(config, retrain=True, cross="sma_cross_5_20")
    for result in (before, inside):
        for column in ("entry_bar", "exit_bar", "side", "units", "entry_price", "exit_price"):
            np.testing.assert_array_equal(getattr(result.trades, column), getattr(kernel.trades, column))


def test_the_example_of_the_page_trades_breakouts_only(tiny):
    from mlstrat import load_config
    from mlstrat import run as run_in_memory
    from mlstrat.engines.on_backtrader import cerebro_for
    from mlstrat.signals.terms import risk_rules

    page = (ROOT / "docs" / "strategies.md").read_text(encoding="utf-8")
    names: dict = {}
    exec(re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)[0], names)
    config = load_config(tiny, ["splits.max_windows=1"])
    made = run_in_memory(config)
    bars = made.panel.bars
    cerebro = cerebro_for(bars, risk_rules(config, bars), stdstats=False)
    cerebro.addstrategy(names["Breakout"], config=config, predictions=made.predictions)
    at = cerebro.run()[0].result.trades.signal_bar
    assert len(at) > 0
    assert all(bars.close[t] > bars.high[t - 55 : t].max() for t in at)


def crosses(close, fast, slow):
    """1 where the mean of `fast` closes comes to lie above that of `slow`, -1 where below, 0 elsewhere."""
    sides = np.zeros(len(close), np.int8)
    gap = [
        close[t - fast + 1 : t + 1].mean() - close[t - slow + 1 : t + 1].mean()
        for t in range(slow, len(close))
    ]
    for t in range(slow + 1, len(close)):
        before, now = gap[t - slow - 1], gap[t - slow]
        sides[t] = 1 if before <= 0 < now else -1 if now < 0 <= before else 0
    return sides


def test_sentiment_only_follows_the_score_it_was_given():
    from mlstrat.data.synthetic import random_walk
    from mlstrat.sentiment.align import neutral

    bars = random_walk(2000, 5)
    sentiment_only = load("sentiment_only")
    assert len(sentiment_only.run(bars, neutral(bars)).trades) == 0
    score = np.where(np.arange(len(bars)) < 1000, 0.5, -0.5)
    sure = np.ones(len(bars))
    mood = replace(neutral(bars), score=score, confidence=sure, count=sure.astype(np.int64))
    trades = sentiment_only.run(bars, mood).trades
    assert len(trades) > 20
    assert np.array_equal(trades.side, np.where(trades.signal_bar < 1000, 1, -1))


def test_buy_and_hold_is_the_price_ratio_less_one_commission():
    from mlstrat.data.synthetic import random_walk

    bars = random_walk(500, 7)
    baselines = load("baselines")
    units = 10_000.0 * 0.99 / bars.close[0]
    paid = units * bars.open[1]
    expected = 10_000.0 - paid * (1 + bars.instrument.fee_share) + units * bars.close[-1]
    assert baselines.final_value(bars, baselines.BuyAndHold) == pytest.approx(expected, rel=1e-12)


def test_sma_cross_is_a_plain_loop():
    from mlstrat.data.synthetic import random_walk

    bars = random_walk(2000, 11)
    baselines = load("baselines")
    fee, cash, units = bars.instrument.fee_share, 10_000.0, 0.0
    for t in range(39, len(bars) - 1):
        above = bars.close[t - 9 : t + 1].mean() > bars.close[t - 39 : t + 1].mean()
        fill = bars.open[t + 1]
        if above and units == 0:
            units = cash * 0.99 / bars.close[t]
            cash -= units * fill * (1 + fee)
        elif not above and units > 0:
            cash, units = cash + units * fill * (1 - fee), 0.0
    expected = cash + units * bars.close[-1]
    value = baselines.final_value(bars, baselines.SmaCross, fast=10, slow=40)
    assert value == pytest.approx(expected, rel=1e-9)
