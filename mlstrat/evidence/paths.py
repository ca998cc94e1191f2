"""Resampled paths of an account, bar by bar, compiled."""

from __future__ import annotations

import numpy as np

from mlstrat.arrays import FloatArray, IntArray, njit


@njit
def path_numbers(returns: FloatArray, starts: IntArray, lengths: IntArray) -> FloatArray:
    """(draws, 3) Sharpe ratio of a bar, total return and deepest drawdown of each resampled path.

    Parameters
    ----------
    returns : (n,) float64
        Simple returns.
    starts, lengths : (draws, m) int64
        Blocks, which wrap round the end; lengths of a draw sum to n.
    """
    n = len(returns)
    out = np.empty((len(starts), 3))
    for draw in range(len(starts)):
        total, square, equity, peak, deepest = 0.0, 0.0, 1.0, 1.0, 0.0
        for block in range(starts.shape[1]):
            place = starts[draw, block]
            for _ in range(lengths[draw, block]):
                value = returns[place]
                total += value
                square += value * value
                equity = max(equity * (1.0 + value), 0.0)
                peak = max(peak, equity)
                deepest = max(deepest, 1.0 - equity / peak)
                place = place + 1 if place + 1 < n else 0
        away = square - total * total / n
        out[draw, 0] = total / n / np.sqrt(away / (n - 1.0)) if away > 1e-12 * square else np.nan
        out[draw, 1] = equity - 1.0
        out[draw, 2] = deepest
    return out
