"""`RuleBroker` beyond what the parity tests see: ordinary orders, users who interfere, several feeds."""

import backtrader as bt
import numpy as np
import pytest

from mlstrat.engines.on_backtrader import BarsFeed, KellySizer, RuleBroker
from mlstrat.errors import ConfigError
from mlstrat.execution.types import RiskRules


def play(bars, rules, script, *more_feeds):
    """Run `script(strategy, bar)` at every close; return the strategy with its completed fills."""

    class Player(bt.Strategy):
        def __init__(self):
            self.fills, self.statuses = [], []

        def notify_order(self, order):
            self.statuses.append((len(self.data) - 1, order.ref, order.getstatusname()))
            if order.status == order.Completed:
                self.fills.append((len(self.data) - 1, order.executed.size, order.executed.price))

        def next(self):
            script(self, len(self.data) - 1)

    cerebro = bt.Cerebro(stdstats=False)
    for feed in (BarsFeed(dataname=bars), *more_feeds):
        cerebro.adddata(feed)
    cerebro.setbroker(RuleBroker(rules=rules))
    cerebro.addstrategy(Player)
    return cerebro.run()[0]


def far_bracket(strategy, **given):
    close = strategy.data.close[0]
    prices = {"stopprice": close * 0.5, "limitprice": close * 2.0, **given}
    return strategy.buy_bracket(size=2, exectype=bt.Order.Market, **prices)


def test_plain_market_orders_fill_at_the_next_open_with_slippage_and_commission(bars, rules):
    def script(strategy, bar):
        if bar == 4:
            strategy.buy(size=3)
        if bar == 9:
            strategy.close()

    player = play(bars, rules, script)
    bought, sold = bars.open[5] + 0.01, bars.open[10] - 0.01
    assert [fill[0] for fill in player.fills] == [5, 10]
    np.testing.assert_allclose([fill[2] for fill in player.fills], [bought, sold])
    fees = 3 * (bought + sold) * 0.0004
    np.testing.assert_allclose(player.broker.getcash(), rules.cash + 3 * (sold - bought) - fees)


def test_plain_limit_orders_do_not_slip(bars, rules):
    wanted = round(float(bars.close[4]) * 1.2, 2)

    def script(strategy, bar):
        if bar == 4:
            strategy.buy(size=1, price=wanted, exectype=bt.Order.Limit)

    assert play(bars, rules, script).fills == [(5, 1, bars.open[5])]


def test_cancelled_children_leave_the_position_to_its_owner(bars, rules):
    def script(strategy, bar):
        if bar == 2:
            strategy.bracket = far_bracket(strategy, stopprice=strategy.data.close[0] * 0.98)
        if bar == 3:
            strategy.cancel(strategy.bracket[1])
        if bar == 40:
            strategy.close()

    player = play(bars, rules, script)
    assert [fill[0] for fill in player.fills] == [3, 41]
    assert not player.broker.pending


def test_close_is_the_time_exit_and_takes_both_children_along(bars, rules):
    def script(strategy, bar):
        if bar == 2:
            far_bracket(strategy)
        if bar == 6:
            strategy.close()

    player = play(bars, rules, script)
    assert [fill[0] for fill in player.fills] == [3, 7]
    assert [status for _, _, status in player.statuses].count("Canceled") == 2
    assert not player.broker.pending
    assert not player.broker._brackets


def test_a_bracket_with_a_trailing_stop_is_left_to_the_stock_broker(bars, rules):
    def script(strategy, bar):
        if bar == 2:
            far_bracket(strategy, stopexec=bt.Order.StopTrail, stopargs={"trailamount": 0.5})

    player = play(bars, rules, script)
    assert len(player.fills) == 2
    assert player.fills[1][0] > 3


def test_a_faster_second_feed_does_not_replay_the_slow_bar(make_market, rules):
    slow, fast = make_market(40, "4h"), make_market(160, "1h", seed=8)

    def script(strategy, bar):
        if len(strategy.data) == 3 and not strategy.broker.orders and not getattr(strategy, "sent", False):
            strategy.sent = True
            far_bracket(strategy)

    player = play(slow, rules, script, BarsFeed(dataname=fast, name="FAST"))
    assert player.fills[0] == (3, 2, slow.open[3] + 0.01)


def test_cash_and_commission_set_the_usual_way_change_the_rules(bars, rules):
    broker = RuleBroker(rules=rules)
    broker.setcash(500.0)
    broker.setcommission(commission=0.001)
    assert (broker.rules.cash, broker.rules.fee_share) == (500.0, 0.001)
    assert broker.getcash() == 500.0
    with pytest.raises(ConfigError, match="use Backtrader's own broker"):
        broker.setcommission(commission=2.0, margin=2000.0, mult=10.0)


def test_kelly_sizer_needs_a_strategy_that_gives_advice(bars):
    class Buyer(bt.Strategy):
        def next(self):
            self.buy()

    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(BarsFeed(dataname=bars))
    cerebro.setbroker(RuleBroker(rules=RiskRules()))
    cerebro.addsizer(KellySizer)
    cerebro.addstrategy(Buyer)
    with pytest.raises(ConfigError, match=r"use it with MLStrategy, or set self.advice"):
        cerebro.run()
