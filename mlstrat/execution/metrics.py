"""Performance numbers, as pure functions of arrays.

Conventions: returns are simple returns of equity over a bar, the first from starting cash; the risk-free
rate is 0; every annualisation takes `bars_per_year` explicitly; shares are fractions of 1. A number that
has no value (no trade, no variance, no loss) is NaN, never 0 and never infinite.
"""

from __future__ import annotations

import math

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.data.bars import Bars
from mlstrat.execution.types import Result, Trades, returns_of


def total_return(equity: FloatArray, cash: float) -> float:
    """Return the simple return from starting `cash` to the last equity."""
    return float(equity[-1] / cash - 1.0)


def annual_return(equity: FloatArray, cash: float, bars_per_year: float) -> float:
    """Compound annual growth rate: (last / cash) ** (bars_per_year / n_bars) - 1; -1 once all is lost."""
    growth = max(float(equity[-1]) / cash, 0.0)
    return float(growth ** (bars_per_year / len(equity)) - 1.0)


def annual_volatility(returns: FloatArray, bars_per_year: float) -> float:
    """Sample standard deviation (n - 1) of returns times sqrt(bars_per_year); NaN for fewer than 2 bars."""
    if len(returns) < 2:
        return math.nan
    return float(np.std(returns, ddof=1) * math.sqrt(bars_per_year))


def sharpe(returns: FloatArray, bars_per_year: float) -> float:
    """Annualised Sharpe ratio at a risk-free rate of 0 (Sharpe 1994); NaN where returns do not vary.

    Parameters
    ----------
    returns : (n_bars,) float64
        Simple returns.
    bars_per_year : float
        Returns of this length in a year. No correction is made for serial correlation.
    """
    if len(returns) < 2 or np.ptp(returns) == 0.0:
        return math.nan
    return float(np.mean(returns) / np.std(returns, ddof=1) * math.sqrt(bars_per_year))


def sortino(returns: FloatArray, bars_per_year: float) -> float:
    """Annualised mean over downside deviation sqrt(mean(min(r, 0)^2)) (Sortino and Price 1994).

    NaN where no return is negative.
    """
    downside = float(np.sqrt(np.mean(np.minimum(returns, 0.0) ** 2))) if len(returns) else 0.0
    if downside == 0.0:
        return math.nan
    return float(np.mean(returns) / downside * math.sqrt(bars_per_year))


def drawdown(equity: FloatArray, cash: float) -> FloatArray:
    """(n_bars,) share by which equity is below its highest value so far, starting cash included; >= 0."""
    peak = np.maximum(np.maximum.accumulate(equity), cash)
    return np.asarray(1.0 - equity / peak)


def max_drawdown(equity: FloatArray, cash: float) -> tuple[float, int]:
    """Return the deepest drawdown and its length.

    Returns
    -------
    tuple of float, int
        The share lost from the peak, and the bars from that peak to the bar that regains it (to the last
        bar where none does); 0.0 and 0 where equity never falls.
    """
    below = drawdown(equity, cash)
    deepest = int(np.argmax(below))
    if below[deepest] <= 0.0:
        return 0.0, 0
    whole = np.flatnonzero(below <= 0.0)
    place = int(np.searchsorted(whole, deepest))
    peak = int(whole[place - 1]) if place else -1
    regained = int(whole[place]) if place < len(whole) else len(equity) - 1
    return float(below[deepest]), regained - peak


def held_units(trades: Trades, n_bars: int) -> FloatArray:
    """(n_bars,) signed units held at each close; a trade that ends inside its entry bar leaves no trace."""
    units = np.zeros(n_bars)
    last = np.where(trades.closed, trades.exit_bar, n_bars)
    for entry, end, signed in zip(trades.entry_bar, last, trades.side * trades.units, strict=True):
        units[entry:end] = signed
    return units


def weights(result: Result, bars: Bars) -> FloatArray:
    """(n_bars,) signed value of the position at each close, as a share of equity at that close."""
    return np.asarray(held_units(result.trades, len(bars)) * bars.close / result.equity)


def win_rate(profit: FloatArray) -> float:
    """Share of trades with a profit above 0 after commission; NaN without trades."""
    return float(np.mean(profit > 0.0)) if len(profit) else math.nan


def profit_factor(profit: FloatArray) -> float:
    """Sum of winning profits over the sum of losses, after commission; NaN without a losing trade."""
    lost = -float(np.sum(profit[profit < 0.0]))
    return float(np.sum(profit[profit > 0.0])) / lost if lost > 0.0 else math.nan


def turnover(result: Result, bars_per_year: float) -> float:
    """Value bought and sold in a year, in multiples of mean equity; 0 without trades."""
    t = result.trades
    traded = np.sum(t.units * t.entry_price) + np.sum((t.units * t.exit_price)[t.closed])
    years = len(result.equity) / bars_per_year
    return float(traded / np.mean(result.equity) / years)


def equity_summary(equity: FloatArray, cash: float, bars_per_year: float) -> dict[str, float]:
    """Return the numbers that an equity curve alone determines.

    Parameters
    ----------
    equity : (n_bars,) float64
        Equity at each close, after costs.
    cash : float
        Equity before the first bar.
    bars_per_year : float
        Bars in a year of this market.
    """
    returns = returns_of(equity, cash)
    depth, length = max_drawdown(equity, cash)
    return {
        "final_equity": float(equity[-1]),
        "total_return": total_return(equity, cash),
        "annual_return": annual_return(equity, cash, bars_per_year),
        "annual_volatility": annual_volatility(returns, bars_per_year),
        "sharpe": sharpe(returns, bars_per_year),
        "sortino": sortino(returns, bars_per_year),
        "max_drawdown": depth,
        "max_drawdown_bars": float(length),
    }


def trade_summary(result: Result) -> dict[str, float]:
    """Return the numbers of the trades: rates and averages over closed ones, sums over all.

    `average_trade` is in quote currency and `average_trade_share` a share of entry value, both after
    commission and funding. `gross_profit` is the profit of all trades before both, the open one marked to
    the last close; `funding` is what they paid, with borrow; `commission_share` is commission over gross
    profit, NaN where that is not positive.
    """
    t = result.trades
    profit = t.profit[t.closed]
    commission = float(np.sum(t.commission))
    funding = float(np.sum(t.funding))
    gross = float(np.sum(t.profit)) + commission + funding
    share = profit / (t.units * t.entry_price)[t.closed]
    return {
        "trades": float(len(profit)),
        "open_trades": float(len(t) - len(profit)),
        "win_rate": win_rate(profit),
        "profit_factor": profit_factor(profit),
        "average_trade": float(np.mean(profit)) if len(profit) else math.nan,
        "average_trade_share": float(np.mean(share)) if len(profit) else math.nan,
        "commission": commission,
        "funding": funding,
        "gross_profit": gross,
        "commission_share": commission / gross if gross > 0.0 else math.nan,
    }


def summary(result: Result, bars: Bars) -> dict[str, float]:
    """Return every number of a result on the bars it was executed on.

    Parameters
    ----------
    result : Result
        What execution made of the decisions, after costs.
    bars : Bars
        The same bars; they supply closes and `bars_per_year`.

    Returns
    -------
    dict of str to float
        `equity_summary` and `trade_summary`, with `exposure` (share of bars at whose close a position is
        held), `average_weight` (mean absolute value of the position as a share of equity, flat bars
        included) and annual `turnover`. NaN where a number has no value.
    """
    weight = weights(result, bars)
    return {
        **equity_summary(result.equity, result.rules.cash, bars.bars_per_year),
        **trade_summary(result),
        "exposure": float(np.mean(weight != 0.0)),
        "average_weight": float(np.mean(np.abs(weight))),
        "turnover": turnover(result, bars.bars_per_year),
    }
