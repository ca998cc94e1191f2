"""One bootstrap for all rows of a matrix: the same draws judge the same decisions under each assumption."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.bootstrap import Interval
from mlstrat.evidence.spa import added_up, bars_per_run, compare, drawn_weights
from mlstrat.execution.metrics import sharpe

LEAST_BARS = 10  # that the test asks for
_UNKNOWN = Interval(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Judged:
    """What the draws say of one series of returns; NaN where it does not move or cannot be judged.

    Parameters
    ----------
    p : float
        P-value of `superior_ability` on this series alone, with the same block, draws and seed.
    sharpe : Interval
        Annual Sharpe ratio with its 95 % interval.
    """

    p: float
    sharpe: Interval


NOTHING = Judged(math.nan, _UNKNOWN)


class SharedDraws:
    """The draws of `superior_ability`, made once and used for many series of the same length.

    That function would make the same ones for each series anew, which takes most of its time. The Sharpe
    ratio of a draw needs the sums of returns and of their squares only, so that the same weights of runs
    give its interval: that of `path_intervals` with blocks that begin and end where runs do.

    Parameters
    ----------
    n_bars : int
        Length of the series, at least 10.
    block : float
        Mean block length in bars.
    draws, seed : int
        Bootstrap draws and their seed.
    """

    def __init__(self, n_bars: int, block: float, draws: int, seed: int) -> None:
        self._run = bars_per_run(n_bars, block)
        self._block = block / self._run
        self._weights = list(drawn_weights(n_bars // self._run, self._block, draws, seed))

    def judge(self, table: FloatArray, bars_per_year: float) -> list[Judged]:
        """Test each column of simple returns of a bar by itself, and bound its Sharpe ratio.

        Parameters
        ----------
        table : (n_bars, n_columns) float64
            A column with a value that is not finite is not judged.
        bars_per_year : float
            For annual Sharpe ratios.
        """
        known = np.asarray(np.isfinite(table).all(axis=0))
        sums = added_up(np.where(known, table, 0.0), self._run)
        squares = added_up(np.where(known, table * table, 0.0), self._run)
        ratios = self._ratios(sums, squares) * math.sqrt(bars_per_year)
        return [
            Judged(self._p(sums[:, [column]]), _interval(table[:, column], ratios[:, column], bars_per_year))
            if known[column]
            else NOTHING
            for column in range(table.shape[1])
        ]

    def _p(self, sums: FloatArray) -> float:
        if np.ptp(sums) == 0.0:
            return math.nan
        return compare(sums, self._weights, self._block).share_beyond("consistent")

    def _ratios(self, sums: FloatArray, squares: FloatArray) -> FloatArray:
        """(draws, n_columns) Sharpe ratio of a bar of each draw; NaN where it does not vary."""
        n, k = len(sums) * self._run, sums.shape[1]
        drawn = np.concatenate([some @ np.hstack([sums, squares]) for some in self._weights])
        total, square = drawn[:, :k], drawn[:, k:]
        away = square - total * total / n
        varies = away > 1e-12 * square
        spread = np.sqrt(np.where(varies, away, math.nan) / (n - 1.0))
        return np.asarray(total / n / spread)


def _interval(returns: FloatArray, drawn: FloatArray, bars_per_year: float) -> Interval:
    known = drawn[~np.isnan(drawn)]
    estimate = sharpe(returns, bars_per_year)
    if math.isnan(estimate) or not len(known):
        return _UNKNOWN
    low, high = np.quantile(known, [0.025, 0.975])
    return Interval(estimate, float(low), float(high))
