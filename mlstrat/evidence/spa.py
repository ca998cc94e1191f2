"""Hansen's test of superior predictive ability: is the best of many columns better than luck?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from mlstrat.arrays import BoolArray, FloatArray
from mlstrat.bootstrap import stationary_blocks
from mlstrat.errors import DataError
from mlstrat.evidence.blocks import common_block, weights_of
from mlstrat.evidence.columns import checked_returns, kept, moving, over_benchmark, usable

KINDS = ("lower", "consistent", "upper", "alone")
_CHUNK = 256  # draws whose weights are in memory at a time
_PIECES = 4.0  # runs of bars that a block has in the mean


@dataclass(frozen=True)
class SuperiorAbility:
    """The outcome of the test. P-values are NaN, and `best` -1, where no column could be tested.

    Parameters
    ----------
    p : float
        Hansen's consistent p-value of "no column is better than the benchmark".
    p_lower, p_upper : float
        Its bounds: columns below the benchmark count not at all, or as if they were equal to it (White 2000).
    statistic : float
        Largest mean in standard errors of independent runs of bars, at least 0.
    best : int
        Column with it.
    naive_p : float
        P-value of that column as if it had been the only one: what whoever forgets the others would state.
    tested : int
        Columns in the test, without those beside.
    block : float
        Mean block length in bars.
    draws : int
        Bootstrap draws; no p-value is below 1 / (draws + 1).
    """

    p: float
    p_lower: float
    p_upper: float
    statistic: float
    best: int
    naive_p: float
    tested: int
    block: float
    draws: int


def superior_ability(
    returns: FloatArray,
    benchmark: FloatArray | None = None,
    *,
    tested: BoolArray | None = None,
    beside: FloatArray | None = None,
    block: float | None = None,
    draws: int = 1000,
    seed: int = 7,
) -> SuperiorAbility:
    """Test whether any column's mean return is above the benchmark's, given that all were tried.

    Hansen 2005 with the stationary bootstrap. Bars are first added up to runs of a quarter of the block
    length. A mean depends on sums only, and the blocks of the bootstrap then start and end where runs do: it
    is the stationary bootstrap of the series of runs, which keeps all dependence within a run and, by its
    blocks of four runs in the mean, as much of that across runs as blocks of bars of that length. At most one
    run of the oldest bars is cut. A draw is a row of weights, so that all draws of all columns are one matrix
    product.

    Parameters
    ----------
    returns : (n_bars, n_columns) or (n_bars,) float64
        Simple returns of a bar, after costs.
    benchmark : (n_bars,) float64, optional
        Returns to beat; by default 0.
    tested : (n_columns,) bool, optional
        Columns in the test: leave out those with fewer than 30 trades, whose means are not nearly normal.
        Columns that never move are left out in any case.
    beside : (n_bars, n_others) float64, optional
        Returns of what else was tried. The best is sought among `returns` only, and luck is that of the best
        of all: the p-value of a test of all columns in which one of these ones came out so well (the
        single-step adjustment of Westfall and Young 1993).
    block : float, optional
        Mean block length in bars, longer than positions last; by default `blocks.common_block`.
    draws : int
        Bootstrap draws.
    seed : int
        Of the draws; the same seed gives the same p-values.

    Raises
    ------
    DataError, NotEnoughBarsError
        A value is not finite, the block is shorter than a bar, or there are fewer than 10 bars.
    """
    table = over_benchmark(checked_returns(returns, 10, "the test of superior ability"), benchmark)
    use = usable(table, tested)
    places = np.flatnonzero(use)
    if not len(places):
        return _untested(draws)
    table, own = kept(table, use), len(places)
    if beside is not None and beside.shape[1]:
        others = over_benchmark(checked_returns(beside, len(table), "a test beside others"), benchmark)
        if len(others) != len(table):
            raise DataError(
                f"{len(others):,} rows of what else was tried do not go with {len(table):,} bars: "
                "give returns of the same bars."
            )
        table = np.column_stack([table, others])
    length = common_block(table[:, :own]) if block is None else float(block)
    run = bars_per_run(len(table), length)
    runs = added_up(table, run)
    moves = moving(runs)
    runs, places = kept(runs, moves), places[moves[:own]]
    if not len(places):
        return _untested(draws)
    weights = drawn_weights(len(runs), length / run, draws, seed)
    found = compare(runs, weights, length / run, among=len(places))
    return SuperiorAbility(
        p=found.share_beyond("consistent"),
        p_lower=found.share_beyond("lower"),
        p_upper=found.share_beyond("upper"),
        statistic=found.statistic,
        best=int(places[found.best]),
        naive_p=found.share_beyond("alone"),
        tested=len(places),
        block=length,
        draws=draws,
    )


def _untested(draws: int) -> SuperiorAbility:
    nan = math.nan
    return SuperiorAbility(nan, nan, nan, nan, best=-1, naive_p=nan, tested=0, block=nan, draws=draws)


def bars_per_run(n_bars: int, block: float) -> int:
    """Return how many bars are added up before the test: a quarter of a block, and ten runs at least."""
    return max(1, int(min(block / _PIECES, n_bars / 10.0)))


def added_up(table: FloatArray, run: int) -> FloatArray:
    """(n_bars // run, n_columns) sums over runs of so many bars; the oldest bars that are over are cut."""
    rows = len(table) // run
    return np.asarray(table[len(table) - rows * run :].reshape(rows, run, -1).sum(axis=1))


@dataclass(frozen=True, eq=False)
class Comparison:
    """The statistic beside its bootstrap draws.

    Parameters
    ----------
    statistic : float
        Largest mean in standard errors, at least 0.
    best : int
        Column with it.
    drawn : (draws, 4) float64
        The same of each draw, a column a kind of p-value (`KINDS`); "alone" is that of the best column, as if
        it had been the only one.
    """

    statistic: float
    best: int
    drawn: FloatArray

    def share_beyond(self, kind: str) -> float:
        """Share of draws that reach the statistic, itself counted as one, so that no p-value is 0."""
        reached = np.count_nonzero(self.drawn[:, KINDS.index(kind)] >= self.statistic)
        return float((1 + reached) / (1 + len(self.drawn)))


def compare(
    differences: FloatArray,
    weights: Iterable[FloatArray],
    block: float,
    studentize: bool = True,
    among: int | None = None,
) -> Comparison:
    """Hansen's statistic and its draws (2005).

    Parameters
    ----------
    differences : (n, k) float64
        Returns above the benchmark's; every column moves.
    weights : iterable of (some, n) float64
        How often each row is in each draw.
    block : float
        Mean block length of the draws, in rows.
    studentize : bool
        Divide each mean by a standard error. It is that of independent rows, the same in the statistic and in
        its draws: any fixed scale makes a valid test, since the draws carry the dependence, and this one is
        estimated best (a long-run standard error, which Hansen takes, is low by luck for some of many columns
        and rejects too often). The draws are also widened for the mean that is taken from the same rows.
        False gives the plain means of White (2000).
    among : int, optional
        The best is sought among so many leading columns; by default among all. Draws are of all.
    """
    n = len(differences)
    mean = differences.mean(axis=0)
    long_run = np.sqrt(bootstrap_variance(differences, block) / n)
    # Columns so far below the benchmark that in a long sample they cannot be the best.
    hopeless = mean < -long_run * math.sqrt(2.0 * math.log(max(math.log(n), 1.0)))
    centres = (np.maximum(mean, 0.0), np.where(hopeless, 0.0, mean), mean)
    scale = differences.std(axis=0) / math.sqrt(n) if studentize else np.ones_like(mean)
    wider = math.sqrt(1.0 / (1.0 - _kernel_sum(n, block) / n)) if studentize else 1.0
    best = int(np.argmax((mean / scale)[:among]))
    drawn = []
    for some in weights:
        away = wider * (some @ differences / n - mean)
        largest = [((away + (mean - centre)) / scale).max(axis=1) for centre in centres]
        drawn.append(np.column_stack([*largest, away[:, best] / scale[best]]))
    statistic = max(float(mean[best] / scale[best]), 0.0)
    return Comparison(statistic, best, np.maximum(np.concatenate(drawn), 0.0))


def bootstrap_variance(differences: FloatArray, block: float) -> FloatArray:
    """(k,) variance of sqrt(n) times the mean of a stationary bootstrap draw of each column.

    gamma_0 + 2 sum_i kappa_i gamma_i with kappa_i = (1 - i/n) q^i + (i/n) q^(n-i), q = 1 - 1/block (Politis
    and Romano 1994; Hansen 2005). The bootstrap wraps round, so that it is a sum over circular
    autocovariances with weights (1 - i/n) q^i, taken here from the spectrum.
    """
    n = len(differences)
    lag = np.arange(n)
    gain = 2.0 * np.fft.rfft(_kernel(n, block)).real - 1.0
    twice = np.where((lag == 0) | (2 * lag == n), 1.0, 2.0)[: len(gain)]
    spectrum = np.fft.rfft(differences - differences.mean(axis=0), axis=0)
    return np.asarray((gain * twice) @ (spectrum.real**2 + spectrum.imag**2) / n**2)


def _kernel(n: int, block: float) -> FloatArray:
    lag = np.arange(n)
    return np.asarray((1.0 - lag / n) * (1.0 - 1.0 / block) ** lag)


def _kernel_sum(n: int, block: float) -> float:
    """Return the share times n by which `bootstrap_variance` of white noise is low in the mean."""
    return min(2.0 * float(np.sum(_kernel(n, block))) - 1.0, 0.5 * n)


def drawn_weights(n: int, block: float, draws: int, seed: int) -> Iterator[FloatArray]:
    """(some, n) how often each of n rows is in each draw of the stationary bootstrap, some at a time."""
    random = np.random.default_rng(seed)
    for done in range(0, draws, _CHUNK):
        starts, lengths = stationary_blocks(n, block, min(_CHUNK, draws - done), random)
        yield weights_of(starts, lengths, n)
