"""A cross of two averages says which way; the models say whether to follow it, and how much.

    python strategies/meta_label.py run.toml              predictions made beforehand: fast
    python strategies/meta_label.py run.toml --retrain    models fitted inside the run, as bars arrive

Both make the same trades, those of the kernel with decide(..., sides=...).
"""

import sys

import backtrader as bt

import mlstrat
from mlstrat.engines.on_backtrader import BarsFeed, Recorder, RuleBroker, feature_indicator
from mlstrat.engines.on_backtrader.sided import SidedStrategy
from mlstrat.pipeline import load_bars
from mlstrat.sentiment.series import mood_for
from mlstrat.signals.terms import risk_rules


class MetaLabel(SidedStrategy):
    """Judges a long where the fast average crosses above the slow one, a short where it crosses below."""

    params = (("cross", "sma_cross_20_50"),)

    def __init__(self) -> None:
        super().__init__()
        self.cross = feature_indicator(self.p.cross)(self.data)

    def choose_side(self) -> int:
        before, now = self.cross[-1], self.cross[0]
        return int(before <= 0 < now) - int(now < 0 <= before)


def run(config: mlstrat.RunConfig, retrain: bool = False, **params: object) -> mlstrat.Result:
    """Run a configuration in Backtrader."""
    bars = load_bars(config)
    mood = mood_for(bars, config.sentiment)
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(BarsFeed(dataname=bars))
    cerebro.setbroker(RuleBroker(rules=risk_rules(config, bars)))
    cerebro.addanalyzer(Recorder)
    if retrain:
        params["retrain"] = True
    else:
        params["predictions"] = mlstrat.run(config, bars=bars, mood=mood).predictions
    cerebro.addstrategy(MetaLabel, config=config, mood=mood, **params)
    return cerebro.run()[0].result


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: python strategies/meta_label.py RUN.toml [--retrain]")
    chosen = mlstrat.load_config(sys.argv[1])
    print(run(chosen, retrain="--retrain" in sys.argv).trades_frame())
