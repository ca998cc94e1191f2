"""What a person could have done instead, on the same bars and at the same costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.data.bars import Bars
from mlstrat.data.carry import GAP, HELD
from mlstrat.execution.metrics import annual_volatility, equity_summary, weights
from mlstrat.execution.types import Result, RiskRules

SMA_FAST, SMA_SLOW = 50, 200


@dataclass(frozen=True, eq=False)
class Baseline:
    """One alternative.

    Parameters
    ----------
    key : str
        Short name for files.
    name : str
        Name for people.
    note : str
        How it was made, hindsight named as such.
    weight : float
        Mean share of equity held over the bars.
    equity : (n_bars,) float64
        Equity at each close after costs, from the same cash.
    summary : dict of str to float
        `mlstrat.execution.metrics.equity_summary` of it.
    """

    key: str
    name: str
    note: str
    weight: float
    equity: FloatArray
    summary: dict[str, float]


def fair_baselines(result: Result, bars: Bars, closes_before: FloatArray) -> tuple[Baseline, ...]:
    """Return the alternatives to a result.

    Parameters
    ----------
    result : Result
        The strategy on the out-of-sample bars.
    bars : Bars
        The same bars.
    closes_before : (m,) float64
        Closes before the first of them; they only warm the moving averages up.

    Returns
    -------
    tuple of Baseline
        In order: holding at the strategy's average exposure, holding at its volatility, the SMA cross,
        holding with all equity. Each decides at a close and fills at the next open, as the strategy does.
    """
    n = len(bars)
    average = float(np.mean(np.abs(weights(result, bars))))
    whole = held_equity(bars, constant_weight(n, 1.0), result.rules)
    same_risk = _volatility_weight(result, whole, bars.bars_per_year)
    cross = sma_cross_weight(bars.close, closes_before)
    plans = (
        (
            "hold_at_exposure",
            "Hold, same exposure",
            "always long at the strategy's mean position size, rebalanced every bar; the size is hindsight",
            constant_weight(n, average),
        ),
        (
            "hold_at_volatility",
            "Hold, same volatility",
            "always long at the size that gives the strategy's volatility, at most all equity, rebalanced "
            "every bar; the size is hindsight",
            constant_weight(n, same_risk),
        ),
        (
            "sma_cross",
            f"SMA cross {SMA_FAST}/{SMA_SLOW}",
            f"long with all equity while the {SMA_FAST}-bar mean is above the {SMA_SLOW}-bar mean",
            cross,
        ),
        ("hold", "Buy and hold", "all equity at the second bar's open, never sold", constant_weight(n, 1.0)),
    )
    return tuple(_baseline(key, name, note, weight, bars, result.rules) for key, name, note, weight in plans)


def constant_weight(n_bars: int, weight: float) -> FloatArray:
    """(n_bars,) weight that is bought at the second open, the first that a decision can reach."""
    out = np.full(n_bars, weight)
    out[0] = 0.0
    return out


def sma_cross_weight(close: FloatArray, closes_before: FloatArray) -> FloatArray:
    """(n_bars,) 1.0 where the fast mean was above the slow mean at the previous close, else 0.0.

    Without enough earlier closes for the slow mean the weight is 0.
    """
    history = np.r_[closes_before, close]
    signal = np.zeros(len(history))
    if len(history) >= SMA_SLOW:
        fast, slow = _sma(history, SMA_FAST)[SMA_SLOW - SMA_FAST :], _sma(history, SMA_SLOW)
        signal[SMA_SLOW - 1 :] = fast > slow
    decided = signal[len(closes_before) :]
    return np.asarray(np.r_[0.0, decided[:-1]])


def held_equity(bars: Bars, weight: FloatArray, rules: RiskRules) -> FloatArray:
    """Return the equity of a long position that is brought to a weight at every open.

    Parameters
    ----------
    bars : Bars
        The bars.
    weight : (n_bars,) float64
        Share of equity to hold from the open of the bar to the next open, in [0, 1].
    rules : RiskRules
        Cash, commission and slippage; both are charged on the value traded at each open. Quantities are
        not rounded.

    Returns
    -------
    (n_bars,) float64
        Equity at each close. The last position is marked to the last close, not sold. Where the bars have a
        carry, what a long pays is charged at the close of its bar, or at the open after the gap; the next
        open brings the position back to its weight, one of all equity too.
    """
    open_, close = bars.open, bars.close
    cost = rules.fee_share + rules.slippage_ticks * rules.tick / open_
    move = open_[1:] / open_[:-1]
    gap, held = _long_rates(bars)
    paid = weight * (close / open_) * held
    grown = np.r_[1.0, 1.0 + weight[:-1] * (move - 1.0) - paid[:-1] - weight[:-1] * move * gap[1:]]
    drifted = np.r_[0.0, weight[:-1] * move / grown[1:]]
    kept = _kept_after_trade(drifted, weight, cost)
    at_open = rules.cash * np.cumprod(grown * kept)
    return np.asarray(at_open * (1.0 + weight * (close / open_ - 1.0) - paid))


def _long_rates(bars: Bars) -> tuple[FloatArray, FloatArray]:
    """Return what a long pays for the gap before each bar and up to its close, as shares of its value."""
    if bars.carry is None:
        return np.zeros(len(bars)), np.zeros(len(bars))
    return bars.carry.table[:, GAP], bars.carry.table[:, HELD]


def _kept_after_trade(before: FloatArray, after: FloatArray, cost: FloatArray) -> FloatArray:
    """Share of equity left by a trade from weight `before` to `after`, its cost c paid from equity.

    With equity 1 before and E after, E = 1 - c |after E - before|, solved for E on either side.
    """
    sign = np.where(after > before, 1.0, -1.0)
    traded = np.where(after == before, 0.0, sign * cost)
    return np.asarray((1.0 + traded * before) / (1.0 + traded * after))


def _sma(values: FloatArray, window: int) -> FloatArray:
    """(n - window + 1,) means of every whole window, each summed on its own."""
    return np.asarray(np.lib.stride_tricks.sliding_window_view(values, window).mean(axis=1))


def _volatility_weight(result: Result, held: FloatArray, bars_per_year: float) -> float:
    market = held / np.r_[result.rules.cash, held[:-1]] - 1.0
    own = annual_volatility(result.returns, bars_per_year)
    of_market = annual_volatility(market, bars_per_year)
    return min(own / of_market, 1.0) if own > 0.0 and of_market > 0.0 else 0.0


def _baseline(key: str, name: str, note: str, weight: FloatArray, bars: Bars, rules: RiskRules) -> Baseline:
    equity = held_equity(bars, weight, rules)
    summary = equity_summary(equity, rules.cash, bars.bars_per_year)
    return Baseline(key, name, note, float(np.mean(weight)), equity, summary)
