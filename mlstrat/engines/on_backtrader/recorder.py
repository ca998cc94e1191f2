"""`Recorder`: an analyzer that hands back an ordinary Backtrader run as a `Result`."""

from collections.abc import Sequence

import backtrader as bt
import numpy as np

from mlstrat.engines.on_backtrader.broker import RuleBroker, funding_of
from mlstrat.engines.on_backtrader.feed import BarsFeed, times_of
from mlstrat.execution.types import OPEN, STOP, TARGET, TIME, Result, Trades

_REASONS = {bt.Order.Stop: STOP, bt.Order.Limit: TARGET}
_INTEGERS = {"signal_bar": np.int64, "entry_bar": np.int64, "exit_bar": np.int64}
_FIELDS = {
    **_INTEGERS,
    "side": np.int8,
    "units": np.float64,
    "entry_price": np.float64,
    "exit_price": np.float64,
    "commission": np.float64,
    "profit": np.float64,
    "reason": np.int8,
    "funding": np.float64,
}


class Recorder(bt.Analyzer):  # type: ignore[misc]
    """Records the trades and the equity of a `DecisionStrategy` as Backtrader itself booked them.

    Add it with `cerebro.addanalyzer(Recorder)`; after the run, `get_analysis()["result"]` is the
    `Result`, with a trade still open marked to the last close. One position at a time, opened and
    closed whole, as the strategy trades.
    """

    def start(self) -> None:
        """Start an empty record."""
        self._equity: list[float] = []
        self._closed: list[tuple[float, ...]] = []
        self._entry: tuple[int, bt.Order, bt.OrderExecutionBit] | None = None

    def next(self) -> None:
        """Book the equity of a close of the first feed."""
        if len(self.strategy.data) > len(self._equity):
            self._equity.append(self.strategy.broker.getvalue())

    def notify_order(self, order: bt.Order) -> None:
        """Book a fill."""
        if order.status != order.Completed:
            return
        fill, bar = order.executed.exbits[-1], len(order.data) - 1
        if fill.closed and self._entry is not None:
            reason = _REASONS.get(order.exectype, TIME)
            fees, funding = self._entry[2].openedcomm + fill.closedcomm, funding_of(order)
            profit = fill.pnl - (fees + funding)
            self._closed.append(self._row(bar, fill.price, fees, profit, reason, funding))
            self._entry = None
        if fill.opened:
            self._entry = (bar, order, fill)

    def stop(self) -> None:
        """Put the result together."""
        strategy = self.strategy
        data, counts = strategy.data, strategy.counts
        self.rets["result"] = Result(
            symbol=data._name,
            time=times_of(data),
            equity=np.array(self._equity, np.float64),
            trades=_trades([*self._closed, *self._still_open()]),
            cancelled=counts.cancelled,
            sent=counts.sent,
            blocked=counts.blocked,
            zero_units=counts.zero_units,
            rules=strategy.rules,
            engine="backtrader",
            charged=isinstance(strategy.broker, RuleBroker)
            and isinstance(data, BarsFeed)
            and data.bars.carry is not None,
        )

    def _still_open(self) -> list[tuple[float, ...]]:
        if self._entry is None:
            return []
        data, (_, order, fill) = self.strategy.data, self._entry
        mark, fees, funding = data.close[0], fill.openedcomm, funding_of(order)
        costs = self.strategy.broker.getcommissioninfo(data)
        profit = costs.profitandloss(fill.opened, fill.price, mark) - (fees + funding)
        return [self._row(len(data) - 1, mark, fees, profit, OPEN, funding)]

    def _row(
        self, bar: int, price: float, fees: float, profit: float, reason: int, funding: float
    ) -> tuple[float, ...]:
        if self._entry is None:
            raise AssertionError("a trade is recorded only after its entry")
        entry_bar, _, fill = self._entry
        side = 1 if fill.opened > 0 else -1
        units = abs(fill.opened)
        paid = (entry_bar - 1, entry_bar, bar, side, units, fill.price)
        return (*paid, price, fees, profit, reason, funding)


def _trades(rows: Sequence[tuple[float, ...]]) -> Trades:
    columns = zip(*rows, strict=True) if rows else [()] * len(_FIELDS)
    pairs = zip(_FIELDS.items(), columns, strict=True)
    return Trades(**{name: np.array(column, kind) for (name, kind), column in pairs})
