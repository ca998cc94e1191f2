"""Intervals of what an equity curve shows, by the stationary block bootstrap."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.bootstrap import Interval, stationary_blocks
from mlstrat.evidence.blocks import common_block
from mlstrat.evidence.columns import checked_returns
from mlstrat.evidence.paths import path_numbers


@dataclass(frozen=True)
class PathIntervals:
    """Percentile intervals of one equity curve; NaN where a number has no value.

    Parameters
    ----------
    sharpe : Interval
        Sharpe ratio of a bar; times sqrt(bars_per_year) it is annual.
    total_return : Interval
        Compounded return, as a share of starting cash.
    max_drawdown : Interval
        Deepest drawdown, as a share of the peak. Other orders of the same bars: where the bounds lie above
        the estimate, this history was lucky in its order.
    block : float
        Mean block length in bars.
    """

    sharpe: Interval
    total_return: Interval
    max_drawdown: Interval
    block: float


def path_intervals(
    returns: FloatArray,
    *,
    block: float | None = None,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 7,
) -> PathIntervals:
    """Return intervals of Sharpe ratio, total return and deepest drawdown.

    Each draw is a whole path of n bars, made of blocks of the history (Politis and Romano 1994); an interval
    is between the quantiles (1 - level) / 2 and (1 + level) / 2 of the draws. Bars are compounded one by one,
    and an account that has lost everything stays there.

    Parameters
    ----------
    returns : (n_bars,) float64
        Simple returns of a bar, after costs.
    block : float, optional
        Mean block length in bars, longer than positions last; by default `blocks.common_block`.
    draws, level, seed : int, float, int
        Bootstrap draws, coverage, and the seed: the same seed gives the same bounds.

    Raises
    ------
    DataError, NotEnoughBarsError
        A value is not finite, the block is shorter than a bar, or there are fewer than 10 bars.
    """
    table = checked_returns(returns, 10, "an interval by the block bootstrap")
    series, n = np.ascontiguousarray(table[:, 0]), len(table)
    length = common_block(series[:, None]) if block is None else float(block)
    starts, lengths = stationary_blocks(n, length, draws, np.random.default_rng(seed))
    drawn = path_numbers(series, starts, lengths)
    itself = path_numbers(series, np.zeros((1, 1), np.int64), np.full((1, 1), n))[0]
    sharpe, total_return, max_drawdown = (
        _interval(float(estimate), column, level) for estimate, column in zip(itself, drawn.T, strict=True)
    )
    return PathIntervals(sharpe, total_return, max_drawdown, length)


def _interval(estimate: float, drawn: FloatArray, level: float) -> Interval:
    known = drawn[~np.isnan(drawn)]
    if math.isnan(estimate) or not len(known):
        return Interval(math.nan, math.nan, math.nan)
    low, high = np.quantile(known, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return Interval(estimate, float(low), float(high))
