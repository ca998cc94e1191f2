"""The result of a Pine strategy, from the trades that PyneCore booked and what the script plotted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.data.bars import Bars
from mlstrat.engines.on_pynecore.runtime import Run
from mlstrat.execution.rule import profit_of
from mlstrat.execution.types import OPEN, STOP, TARGET, TIME, Result, RiskRules, Trades
from mlstrat.pine.execution import (
    BLOCKED,
    CANCELLED,
    EQUITY,
    SENT,
    STOP_COMMENT,
    TARGET_COMMENT,
    TIME_COMMENT,
    ZERO_UNITS,
)

_REASONS = {STOP_COMMENT: STOP, TARGET_COMMENT: TARGET, TIME_COMMENT: TIME}
_KINDS = {
    "signal_bar": np.int64,
    "entry_bar": np.int64,
    "exit_bar": np.int64,
    "side": np.int8,
    "units": np.float64,
    "entry_price": np.float64,
    "exit_price": np.float64,
    "commission": np.float64,
    "profit": np.float64,
    "reason": np.int8,
}


def result_of(run: Run, bars: Bars, stop: FloatArray, rules: RiskRules) -> Result:
    """Return what a strategy of `mlstrat.pine.execution` did, in the form of every engine.

    Parameters
    ----------
    run : Run
        The strategy, run over the bars.
    bars : Bars
        The chart.
    stop : (n_bars,) float64
        The stop that was decided at each bar.
    rules : RiskRules
        The rules it ran under.
    """
    counts = {name: int(run.plots[-1][name]) for name in (SENT, BLOCKED, ZERO_UNITS, CANCELLED)}
    return Result(
        symbol=bars.symbol,
        time=bars.time,
        equity=run.column(EQUITY),
        trades=_trades(run, bars, stop),
        cancelled=counts[CANCELLED],
        sent=counts[SENT],
        blocked=counts[BLOCKED],
        zero_units=counts[ZERO_UNITS],
        rules=rules,
        engine="pine",
    )


def _trades(run: Run, bars: Bars, stop: FloatArray) -> Trades:
    rows = [_closed(trade, stop) for trade in run.closed] + [_still_open(trade, bars) for trade in run.open]
    columns: Sequence[Sequence[float]] = list(zip(*rows, strict=True)) if rows else [()] * len(_KINDS)
    pairs = zip(_KINDS.items(), columns, strict=True)
    return Trades(**{name: np.array(column, kind) for (name, kind), column in pairs})


def _closed(trade: Any, stop: FloatArray) -> tuple[float, ...]:
    reason = _REASONS[trade.exit_comment] if trade.exit_comment else _gapped(trade, stop)
    return _row(trade, int(trade.exit_bar_index), trade.exit_price, trade.commission, trade.profit, reason)


def _gapped(trade: Any, stop: FloatArray) -> int:
    """Return which price of its bracket a trade ended beyond: PyneCore writes no comment on a gap's fill."""
    decided = float(stop[int(trade.entry_bar_index) - 1])
    beyond_stop = _side(trade) * (trade.exit_price - decided) <= 1e-9 * decided
    return STOP if beyond_stop else TARGET


def _still_open(trade: Any, bars: Bars) -> tuple[float, ...]:
    """Mark a trade to the last close; Pine's own open profit has the exit's commission off already."""
    mark = float(bars.close[-1])
    profit = profit_of(_side(trade), abs(trade.size), trade.entry_price, mark, trade.commission)
    return _row(trade, len(bars) - 1, mark, trade.commission, profit, OPEN)


def _row(
    trade: Any, exit_bar: int, exit_price: float, fees: float, profit: float, reason: int
) -> tuple[float, ...]:
    entry_bar = int(trade.entry_bar_index)
    paid = (entry_bar - 1, entry_bar, exit_bar, _side(trade), abs(trade.size), trade.entry_price)
    return (*paid, exit_price, fees, profit, reason)


def _side(trade: Any) -> int:
    return 1 if trade.size > 0 else -1
