"""Results with one thing changed, whose cause is therefore known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mlstrat.execution.types import Result


def with_trade(result: Result, k: int, **values: float) -> Result:
    """The result with some fields of trade k replaced."""
    columns = {}
    for name, value in values.items():
        columns[name] = getattr(result.trades, name).copy()
        columns[name][k] = value
    return replace(result, trades=replace(result.trades, **columns))


def without_trades(result: Result, *gone: int) -> Result:
    """The result without some of its trades."""
    keep = np.setdiff1d(np.arange(len(result.trades)), gone)
    columns = {name: column[keep] for name, column in vars(result.trades).items()}
    return replace(result, trades=replace(result.trades, **columns))


def of_the_last(result: Result, first: int) -> Result:
    """The result of an engine that begins at bar `first`, without the bars and trades before."""
    later = result.trades.signal_bar >= first
    columns = {name: column[later].copy() for name, column in vars(result.trades).items()}
    for name in ("signal_bar", "entry_bar", "exit_bar"):
        columns[name] -= first
    trades = replace(result.trades, **columns)
    return replace(result, time=result.time[first:], equity=result.equity[first:], trades=trades)
