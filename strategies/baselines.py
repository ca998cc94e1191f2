"""What any strategy must beat: buy and hold, and a cross of two moving averages, in plain Backtrader.

python strategies/baselines.py sample:BTCUSDT_1h
"""

import sys

import backtrader as bt

from mlstrat import Bars, read_bars
from mlstrat.engines.on_backtrader import BarsFeed

# Kept in cash, so that the next open can be paid with its commission.
RESERVE = 0.01


class BuyAndHold(bt.Strategy):
    """Buys once, with all the cash."""

    def next(self) -> None:
        if not self.position:
            self.buy(size=self.broker.getcash() * (1 - RESERVE) / self.data.close[0])


class SmaCross(bt.Strategy):
    """Holds while the fast average lies above the slow one."""

    params = (("fast", 50), ("slow", 200))

    def __init__(self) -> None:
        fast, slow = bt.ind.SMA(period=self.p.fast), bt.ind.SMA(period=self.p.slow)
        self.above = fast > slow

    def next(self) -> None:
        if self.above[0] and not self.position:
            self.buy(size=self.broker.getcash() * (1 - RESERVE) / self.data.close[0])
        elif not self.above[0] and self.position:
            self.close()


def final_value(bars: Bars, strategy: type[bt.Strategy], cash: float = 10_000.0, **params: object) -> float:
    """Return what the cash became, net of the instrument's commission."""
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(BarsFeed(dataname=bars))
    cerebro.broker.setcash(cash)
    cerebro.broker.setcommission(bars.instrument.fee_share)
    cerebro.addstrategy(strategy, **params)
    cerebro.run()
    return float(cerebro.broker.getvalue())


if __name__ == "__main__":
    chosen = read_bars(sys.argv[1] if len(sys.argv) > 1 else "sample:BTCUSDT_1h")
    for baseline in (BuyAndHold, SmaCross):
        print(f"{baseline.__name__}: {final_value(chosen, baseline):,.2f}")
