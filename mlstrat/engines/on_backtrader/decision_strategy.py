"""`DecisionStrategy`: what every strategy does with the advice it gets."""

import warnings
from dataclasses import dataclass
from typing import Any

import backtrader as bt

from mlstrat.engines.on_backtrader.advisor import NO_TRADE, Advice, Advisor
from mlstrat.engines.on_backtrader.broker import RuleBroker, funding_of, rules_for
from mlstrat.engines.on_backtrader.feed import row_of, seconds_of_a_bar
from mlstrat.engines.on_backtrader.gate import BreakerGate
from mlstrat.engines.on_backtrader.recorder import Recorder
from mlstrat.engines.on_backtrader.sizer import KellySizer
from mlstrat.errors import ConfigError
from mlstrat.execution.rule import profit_of
from mlstrat.execution.types import Result, RiskRules


class EngineWarning(UserWarning):
    """An engine will run, but not by the one execution rule."""


@dataclass
class Counts:
    """Candidates seen while flat, and what became of those that are no trades."""

    sent: int = 0
    blocked: int = 0
    zero_units: int = 0
    cancelled: int = 0


class DecisionStrategy(bt.Strategy):  # type: ignore[misc]
    """Asks an advisor at every close and, when flat with no breaker open, sends its trade as a bracket.

    Subclasses give the advisor in `make_advisor`, and call `super()` where they override a method. The
    advice of the current close is `self.advice`; `self.counts` counts what came of it.

    Parameters
    ----------
    rules : RiskRules, optional
        Cash, costs, grids and breakers; default those of the `RuleBroker`.
    """

    params: Any = (("rules", None),)

    def __init__(self) -> None:
        self.advice: Advice = NO_TRADE
        self.counts = Counts()
        self._bracket: list[Any] = []
        self._fill: Any = None  # of the entry of the trade that is open
        self._bar, self._exit_bar = -1, 0
        self.setsizer(KellySizer())

    def make_advisor(self) -> Advisor:
        """Return who decides; called once, when the run starts."""
        raise NotImplementedError("a DecisionStrategy needs an advisor: return one from make_advisor.")

    @property
    def result(self) -> Result:
        """The run as every engine returns it, once it has ended; needs the `Recorder` among the analyzers.

        Raises
        ------
        ConfigError
            The run had no `Recorder`.
        """
        for analyzer in self.analyzers:
            if isinstance(analyzer, Recorder):
                result: Result = analyzer.get_analysis()["result"]
                return result
        raise ConfigError(
            "this run recorded no result: add cerebro.addanalyzer(Recorder) before cerebro.run()."
        )

    def start(self) -> None:
        """Prepare the run; says once what a broker other than `RuleBroker` will do differently."""
        if not isinstance(self.broker, RuleBroker):
            warnings.warn(
                "this broker tests stops and targets one bar late and in the order in which they were sent, "
                "so trades will differ from the other engines: set cerebro.broker = RuleBroker(rules=rules).",
                EngineWarning,
                stacklevel=2,
            )
        self.rules: RiskRules = rules_for(self)
        self.advisor = self.make_advisor()
        self._gate = BreakerGate(self.rules)
        self._bar_seconds = seconds_of_a_bar(self.data)

    def prenext(self) -> None:
        """Trade from the first bar on: indicators that only decorate a plot must not delay a trade."""
        self.next()

    def next(self) -> None:
        """Decide at the close of a bar of the first feed."""
        bar = len(self.data) - 1
        if bar == self._bar:  # another feed ticked
            return
        self._bar, row = bar, row_of(self.data)
        self.advice = self.advisor.advise(bar, row)
        if self.position or any(order.alive() for order in self._bracket):
            self._request_time_exit(bar)
            return
        allowed = self._gate.allows(bar, row[5] + self._bar_seconds, self.broker.getcash())
        if self.advice.side != 0:
            self._enter(bar, allowed)

    def notify_order(self, order: bt.Order) -> None:
        """Count cancelled entries; leave no sibling of an exit behind, whatever the broker."""
        place = next((k for k, member in enumerate(self._bracket) if member.ref == order.ref), None)
        if place is None:
            return
        if place == 0 and order.status == order.Margin:
            self.counts.cancelled += 1
        elif order.status == order.Completed:
            if place == 0:
                self._fill = order.executed.exbits[-1]
            else:
                self._closed(order.executed.exbits[-1].price, funding_of(order))

    def _closed(self, price: float, funding: float) -> None:
        """Tell the breakers what the trade made, to the kernel's bit, and cancel what is left of it."""
        size, paid = self._fill.size, self._fill.price
        side, units = (1 if size > 0 else -1), abs(size)
        fees = units * (paid + price) * self.rules.fee_share
        self._gate.trade_closed(profit_of(side, units, paid, price, fees + funding))
        for sibling in self._bracket:
            if sibling.alive():
                self.cancel(sibling)

    def _enter(self, bar: int, allowed: bool) -> None:
        self.counts.sent += 1
        if not allowed:
            self.counts.blocked += 1
            return
        advice = self.advice
        size = self.getsizing(isbuy=advice.side > 0)
        if not size:
            self.counts.zero_units += 1
            return
        send = self.buy_bracket if advice.side > 0 else self.sell_bracket
        self._bracket = send(
            size=size, exectype=bt.Order.Market, stopprice=advice.stop, limitprice=advice.target
        )
        self._exit_bar = bar + advice.max_bars if advice.max_bars > 0 else 0

    def _request_time_exit(self, bar: int) -> None:
        if self.position and 0 < self._exit_bar <= bar:
            self._exit_bar = 0
            self._bracket.append(self.close(oco=self._bracket[1]))
