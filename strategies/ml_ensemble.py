"""The ensemble in a Cerebro of one's own.

    python strategies/ml_ensemble.py run.toml              predictions made beforehand: fast
    python strategies/ml_ensemble.py run.toml --retrain    models fitted inside the run, as bars arrive

Both make the same trades.
"""

import sys

import backtrader as bt

import mlstrat
from mlstrat.engines.on_backtrader import BarsFeed, MLStrategy, Recorder, RuleBroker
from mlstrat.pipeline import load_bars
from mlstrat.sentiment.series import mood_for
from mlstrat.signals.terms import risk_rules


def run(config: mlstrat.RunConfig, retrain: bool = False) -> mlstrat.Result:
    """Run a configuration in Backtrader."""
    bars = load_bars(config)
    mood = mood_for(bars, config.sentiment)
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(BarsFeed(dataname=bars))
    cerebro.setbroker(RuleBroker(rules=risk_rules(config, bars)))
    cerebro.addanalyzer(Recorder)
    if retrain:
        cerebro.addstrategy(MLStrategy, config=config, mood=mood, retrain=True)
    else:
        predictions = mlstrat.run(config, bars=bars, mood=mood).predictions
        cerebro.addstrategy(MLStrategy, config=config, mood=mood, predictions=predictions)
    return cerebro.run()[0].result


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: python strategies/ml_ensemble.py RUN.toml [--retrain]")
    chosen = mlstrat.load_config(sys.argv[1])
    print(run(chosen, retrain="--retrain" in sys.argv).trades_frame())
