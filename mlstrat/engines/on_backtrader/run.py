"""Run decisions in Backtrader, and get back what every other engine gives."""

from typing import Any

import backtrader as bt

from mlstrat.data.bars import Bars
from mlstrat.engines.on_backtrader.broker import RuleBroker
from mlstrat.engines.on_backtrader.feed import BarsFeed
from mlstrat.engines.on_backtrader.recorder import Recorder
from mlstrat.engines.on_backtrader.sizer import KellySizer
from mlstrat.engines.on_backtrader.strategy import MLStrategy
from mlstrat.execution.kernel import check_aligned
from mlstrat.execution.types import Decisions, Result, RiskRules


def cerebro_for(bars: Bars, rules: RiskRules, **options: Any) -> bt.Cerebro:
    """Return a Cerebro with the bars, a `RuleBroker`, a `KellySizer` and a `Recorder`, and no strategy yet.

    Parameters
    ----------
    bars : Bars
        The bars to feed.
    rules : RiskRules
        Cash, costs, grids and breakers.
    **options
        Cerebro's own parameters, such as `stdstats=False`.
    """
    cerebro = bt.Cerebro(**options)
    cerebro.adddata(BarsFeed(dataname=bars))  # type: ignore[call-arg]
    cerebro.setbroker(RuleBroker(rules=rules))  # type: ignore[call-arg]
    cerebro.addsizer(KellySizer)
    cerebro.addanalyzer(Recorder)
    return cerebro


def run(bars: Bars, decisions: Decisions, rules: RiskRules) -> Result:
    """Execute decisions on bars in Backtrader, by the one execution rule.

    Parameters
    ----------
    bars : Bars
        The bars decided on; a decision at bar t fills at the open of bar t + 1.
    decisions : Decisions
        One candidate a bar, aligned with `bars`.
    rules : RiskRules
        Cash, costs, grids and breakers.

    Returns
    -------
    Result
        The trades, equity and counters of the kernel (floats within 1e-9), as Backtrader booked them.

    Raises
    ------
    DataError
        The decisions are not aligned with the bars.
    """
    check_aligned(bars, decisions)
    cerebro = cerebro_for(bars, rules, stdstats=False)
    cerebro.addstrategy(MLStrategy, decisions=decisions)
    (strategy,) = cerebro.run()
    result: Result = strategy.result
    return result
