"""From the accounts of columns to their performance numbers, by the definitions of `execution.metrics`."""

from __future__ import annotations

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.sweep.account import MEASURED

# Columns of a table of measures, in the order of `measures`.
MEASURES = (
    "final_equity",
    "total_return",
    "annual_return",
    "annual_volatility",
    "sharpe",
    "sortino",
    "max_drawdown",
    "trades",
    "open_trades",
    "win_rate",
    "profit_factor",
    "average_trade_share",
    "commission",
    "exposure",
    "sent",
    "blocked",
    "zero_units",
    "cancelled",
)
# Of these less is better.
LOW = ("annual_volatility", "max_drawdown", "commission", "blocked", "zero_units", "cancelled")


def measures(accounts: FloatArray, cash: FloatArray, n_bars: int, bars_per_year: float) -> FloatArray:
    """Return the numbers of each column.

    Parameters
    ----------
    accounts : (n_columns, 19) float64
        From the kernel.
    cash : (n_columns,) float64
        Starting cash of each.
    n_bars : int
        Bars they ran on.
    bars_per_year : float
        For annualisation.

    Returns
    -------
    (n_columns, 18) float64
        `MEASURES`; NaN where a number has no value, as in `mlstrat.execution.metrics`.
    """
    a, year = dict(zip(MEASURED, accounts.T, strict=True)), np.sqrt(bars_per_year)
    equity, trades = a["equity"], a["trades"]
    mean = a["total"] / n_bars
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt(np.maximum(a["squares"] - n_bars * mean**2, 0.0) / max(n_bars - 1, 0))
        down = np.sqrt(a["down"] / n_bars)
        table = (
            equity,
            equity / cash - 1.0,
            np.maximum(equity / cash, 0.0) ** (bars_per_year / n_bars) - 1.0,
            spread * year,
            _where(spread > 0.0, mean / spread * year),
            _where(down > 0.0, mean / down * year),
            a["deepest"],
            trades,
            a["opened"],
            _where(trades > 0, a["won"] / trades),
            _where(a["lost"] > 0.0, a["gained"] / a["lost"]),
            _where(trades > 0, a["shares"] / trades),
            a["fees"],
            a["held"] / n_bars,
            a["sent"],
            a["blocked"],
            a["zero"],
            a["cancelled"],
        )
    return np.column_stack(table)


def _where(known: FloatArray, value: FloatArray) -> FloatArray:
    return np.where(known, value, np.nan)
