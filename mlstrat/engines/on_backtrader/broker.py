"""`RuleBroker`: Backtrader's own broker, in which brackets are filled by the one execution rule."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import backtrader as bt

from mlstrat.arrays import FloatArray
from mlstrat.engines.on_backtrader.feed import BarsFeed
from mlstrat.errors import ConfigError
from mlstrat.execution.carry import close_charge, exit_charge, gap_charge, rates_of
from mlstrat.execution.rule import entry_price, payable, step_bar
from mlstrat.execution.types import OPEN, SLIP, STOP, TARGET, TICK, TIME, RiskRules

_Order = bt.Order


@dataclass(eq=False)
class _Bracket:
    """A market entry with its stop, its target and, once requested, its time exit.

    `seen` is the number of bars that the feed had shown when the bracket was last looked at, and `funding`
    what its position has paid.
    """

    entry: Any
    seen: int
    stop: Any = None
    target: Any = None
    time_exit: Any = None
    funding: float = 0.0

    @property
    def side(self) -> int:
        return 1 if self.entry.isbuy() else -1

    @property
    def orders(self) -> Iterator[Any]:
        group = (self.entry, self.stop, self.target, self.time_exit)
        return (order for order in group if order is not None)

    @property
    def held(self) -> bool:
        return bool(self.entry.status == _Order.Completed)


class RuleBroker(bt.brokers.BackBroker):  # type: ignore[misc]
    """A broker that fills every bracket as the kernel does; set it before `cerebro.run`.

    A bracket is what `buy_bracket(exectype=Order.Market)` and `sell_bracket(...)` send: a market entry
    with a Stop and a Limit. Its fills come from `mlstrat.execution.rule`: entry at the next open,
    cancelled (status Margin) where cash cannot pay it; stop and target live from the entry bar on; a
    market order that closes the whole position (`strategy.close()`) is its time exit. Orders, trades,
    cash and value are Backtrader's own, so that its analyzers, observers and plots see nothing unusual.

    Where the bars of a `BarsFeed` have a carry, funding and borrow of a bracket's position leave cash as the
    rule says. Backtrader's own trades know nothing of it: `funding_of` tells what one has paid.

    All other orders are executed by the stock broker, with the rules' commission, and their slippage on
    market and stop fills. Entries are checked against cash when they fill, not when they are sent.

    Parameters
    ----------
    rules : RiskRules
        Cash, commission, tick and slippage.
    """

    params = (("rules", RiskRules()), ("checksubmit", False))

    def __init__(self) -> None:
        self.rules: RiskRules = self.p.rules
        self.p.cash = self.rules.cash
        super().__init__()
        super().setcommission(commission=self.rules.fee_share)

    def init(self) -> None:
        """Start afresh; called by Backtrader on construction and at the start of every run."""
        super().init()
        self._row = self.rules.as_row()
        self._slip = float(self._row[SLIP] * self._row[TICK])
        self._brackets: dict[int, _Bracket] = {}
        self._ruled: set[int] = set()

    def set_cash(self, cash: float) -> None:
        """Set the starting cash, in the rules too."""
        super().set_cash(cash)
        self.rules = replace(self.rules, cash=float(cash))
        self._row = self.rules.as_row()

    setcash = set_cash

    def setcommission(self, commission: float = 0.0, **scheme: Any) -> None:
        """Set the commission as a share of traded value, in the rules too.

        Raises
        ------
        ConfigError
            Another kind of commission was asked for.
        """
        if scheme:
            raise ConfigError(
                f"RuleBroker charges a share of traded value and has no {', '.join(sorted(scheme))}: "
                "give commission alone, such as 0.0004, or use Backtrader's own broker."
            )
        super().setcommission(commission=commission)
        self.rules = replace(self.rules, fee_share=float(commission))
        self._row = self.rules.as_row()

    def submit(self, order: Any, check: bool = True) -> Any:
        """Take an order as the stock broker does, and note whether it belongs to a bracket."""
        sent = super().submit(order, check=check)
        if order.alive():
            self._enrol(order)
        return sent

    def next(self) -> None:
        """Carry every bracket through the bar that just opened, then execute all other orders."""
        for bracket in list(self._brackets.values()):
            shown = len(bracket.entry.data)
            if shown > bracket.seen:
                bracket.seen = shown
                self._step(bracket)
        super().next()

    def _enrol(self, order: Any) -> None:
        if order.parent is not None:
            self._enrol_child(order)
        elif order.exectype == _Order.Market and not order.transmit:
            self._brackets[order.ref] = _Bracket(order, len(order.data))
            self._ruled.add(order.ref)
        elif order.exectype == _Order.Market:
            self._enrol_time_exit(order)

    def _enrol_child(self, order: Any) -> None:
        bracket = self._brackets.get(order.parent.ref)
        if bracket is None:
            return
        if order.exectype == _Order.Stop and bracket.stop is None:
            bracket.stop = order
        elif order.exectype == _Order.Limit and bracket.target is None:
            bracket.target = order
        else:  # the rule knows no trailing or doubled children: the stock broker takes the whole group
            self._forget(bracket)
            return
        self._ruled.add(order.ref)

    def _enrol_time_exit(self, order: Any) -> None:
        for bracket in self._brackets.values():
            entry = bracket.entry
            held = entry.status == _Order.Completed and entry.data is order.data
            if held and order.size == -entry.size and not _live(bracket.time_exit):
                bracket.time_exit = order
                self._ruled.add(order.ref)
                return

    def _step(self, bracket: _Bracket) -> None:
        data = bracket.entry.data
        rates, bar = _rates(data), len(data) - 1
        units, open_ = float(abs(bracket.entry.size)), data.open[0]
        if bracket.held and rates is not None:
            self._charge(bracket, gap_charge(rates, bar, bracket.side, units, open_))
        if _live(bracket.entry):
            self._enter(bracket, open_)
        if bracket.held:
            at = _price(bracket.stop), _price(bracket.target), _live(bracket.time_exit), open_
            reason, price = step_bar(bracket.side, *at, data.high[0], data.low[0], self._slip)
            if rates is not None and reason == OPEN:
                self._charge(bracket, close_charge(rates, bar, bracket.side, units, data.close[0]))
            elif rates is not None:
                self._charge(bracket, exit_charge(rates, bar, bracket.side, units, *at, price))
            if reason != OPEN:
                self._leave(bracket, reason, price)
        if not any(order.alive() for order in bracket.orders):
            self._forget(bracket)

    def _charge(self, bracket: _Bracket, amount: float) -> None:
        self.cash -= amount
        bracket.funding += amount
        for order in bracket.orders:
            order.addinfo(funding=bracket.funding)

    def _enter(self, bracket: _Bracket, open_: float) -> None:
        order, side = bracket.entry, bracket.side
        price = entry_price(side, open_, self._row)
        if payable(side, float(abs(order.size)), price, float(self.cash), self._row):
            self._fill(order, price)
            return
        self.pending.remove(order)
        order.margin()
        self.notify(order)
        self._ococheck(order)
        self._bracketize(order, cancel=True)

    def _leave(self, bracket: _Bracket, reason: int, price: float) -> None:
        exits = {STOP: bracket.stop, TARGET: bracket.target, TIME: bracket.time_exit}
        self._fill(exits[reason], price)
        if reason == TIME:
            self._bracketize(bracket.stop or bracket.target, cancel=True)

    def _fill(self, order: Any, price: float) -> None:
        self.pending.remove(order)
        self._execute(order, ago=0, price=price)
        if order.status == _Order.Completed:
            self._bracketize(order)

    def _forget(self, bracket: _Bracket) -> None:
        del self._brackets[bracket.entry.ref]
        self._ruled.difference_update(order.ref for order in bracket.orders)

    def _try_exec(self, order: Any) -> None:
        if order.ref not in self._ruled:
            super()._try_exec(order)

    def _slip_up(self, pmax: float, price: float, doslip: bool = True, lim: bool = False) -> float:
        return price if lim else entry_price(1, price, self._row)

    def _slip_down(self, pmin: float, price: float, doslip: bool = True, lim: bool = False) -> float:
        return price if lim else entry_price(-1, price, self._row)


def rules_for(strategy: bt.Strategy) -> RiskRules:
    """Return the rules of a run: those of its broker, else those given, else facts of broker and feed.

    Raises
    ------
    ConfigError
        The strategy was given other rules than the broker.
    """
    given: RiskRules | None = strategy.p.rules
    broker = strategy.broker
    if isinstance(broker, RuleBroker):
        if given is not None and given != broker.rules:
            raise ConfigError(
                "the strategy and its RuleBroker were given different rules: give them to the broker alone."
            )
        return broker.rules
    cash = float(broker.getcash())
    if given is not None:
        return replace(given, cash=cash)
    fee_share = float(broker.getcommissioninfo(strategy.data).p.commission)
    if not isinstance(strategy.data, BarsFeed):
        return RiskRules(cash=cash, fee_share=fee_share)
    facts = strategy.data.bars.instrument
    return RiskRules(
        cash=cash, fee_share=fee_share, tick=facts.tick, step=facts.step, min_notional=facts.min_notional
    )


def funding_of(order: Any) -> float:
    """Return what the position of an order's bracket had paid when it filled; of an entry, until now."""
    return float(order.info.get("funding", 0.0))


def _rates(data: Any) -> FloatArray | None:
    charged = isinstance(data, BarsFeed) and data.bars.carry is not None
    return rates_of(data.bars) if charged else None


def _live(order: Any) -> bool:
    return order is not None and order.status == _Order.Accepted


def _price(order: Any) -> float:
    return float(order.created.price) if _live(order) else math.nan
