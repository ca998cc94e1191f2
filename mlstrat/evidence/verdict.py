"""The verdict on returns: one test, and beside it what else one should know. It never promises anything."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.bootstrap import Interval
from mlstrat.errors import ConfigError, DataError
from mlstrat.evidence.columns import checked_returns, kept, moving, over_benchmark
from mlstrat.evidence.intervals import PathIntervals, path_intervals
from mlstrat.evidence.pbo import Overfitting, overfitting
from mlstrat.evidence.sharpe import (
    SharpeMoments,
    deflated_sharpe,
    minimum_track_record,
    probabilistic_sharpe,
    sharpe_moments,
)
from mlstrat.evidence.spa import SuperiorAbility, superior_ability
from mlstrat.evidence.trials import effective_trials

Conclusion = Literal["edge", "no evidence", "too few trades"]
Basis = Literal["spa", "spa with a bound", "deflated sharpe", "none"]

# Below this many trades the mean of trade profits is mostly noise (the usual small-sample bound).
FEW_TRADES = 30
LEVEL = 0.05
_BLOCKS = 16
_MOST_DRAWS = 20_000


@dataclass(frozen=True)
class Evidence:
    """What returns say about an edge. Only `p` decides, or where it cannot, `deflated`; NaN without a value.

    Parameters
    ----------
    conclusion : {"edge", "no evidence", "too few trades"}
        The verdict at 5 %.
    basis : {"spa", "spa with a bound", "deflated sharpe", "none"}
        What decided: the test of superior ability; the same, its p-value times one more than the trials that
        are not at hand (Bonferroni); the deflated Sharpe ratio, for one column chosen from others not at
        hand; nothing, without trades.
    p : float
        P-value that decided, or would have: for "deflated sharpe" that of the one column alone.
    spa : SuperiorAbility
        The test, with the p-value that forgets the other columns.
    best, trades : int
        The column the test found best, and its trades; -1 and the most trades of any column where none was
        tested.
    columns, trials : int
        Columns at hand, and all that was tried on the same data.
    effective_trials : float
        Independent trials that the tested columns and what is not at hand amount to.
    moments : SharpeMoments
        Of the best column's returns above the benchmark, a bar.
    probabilistic, deflated : float
        Probability that its true Sharpe ratio is above 0, and above what the best of the effective trials has
        by luck.
    track_record : float
        Bars after which its Sharpe ratio, were it the only one, is above 0 at 95 %.
    overfitting : Overfitting
        Of the choice among the tested columns.
    intervals : PathIntervals
        Of the best column's own returns.
    benchmark : bool
        Whether returns above a benchmark were tested, not above 0.
    """

    conclusion: Conclusion
    basis: Basis
    p: float
    spa: SuperiorAbility
    best: int
    trades: int
    columns: int
    trials: int
    effective_trials: float
    moments: SharpeMoments
    probabilistic: float
    deflated: float
    track_record: float
    overfitting: Overfitting
    intervals: PathIntervals
    benchmark: bool


def judge(
    returns: FloatArray,
    trades: IntArray,
    trials: int | None = None,
    benchmark: FloatArray | None = None,
    *,
    seed: int = 7,
    block: float | None = None,
    draws: int = 1000,
) -> Evidence:
    """Judge columns of returns by one test: Hansen's SPA over the columns with at least 30 trades, at 5 %.

    The test knows of the columns at hand only. Where more were tried (`trials`), its p-value is multiplied by
    one more than their number. A single column that was chosen from others is worse off: the choice itself
    cannot be tested, and the deflated Sharpe ratio has to be 0.95 in its place, which asks for more than a
    test would.

    Parameters
    ----------
    returns : (n_bars, n_columns) or (n_bars,) float64
        Simple returns of a bar after costs; every column that was tried, not only the good ones.
    trades : (n_columns,) int64
        Closed trades of each.
    trials : int, optional
        All that was ever tried on these data, columns at hand included, as the trial ledger counts; by
        default the columns at hand. Fewer than these counts as these.
    benchmark : (n_bars,) float64, optional
        Returns to beat; by default 0.
    seed : int
        Of all draws; the same seed gives the same evidence.
    block : float, optional
        Mean block length in bars, longer than positions last; by default chosen from the returns.
    draws : int
        Bootstrap draws; more are made where trials not at hand ask for smaller p-values, up to 20,000, which
        is not enough for 1,000 such trials.

    Raises
    ------
    ConfigError
        `trials` is below 1.
    DataError, NotEnoughBarsError
        Counts do not match columns, a value is not finite, or there are fewer than 32 bars.
    """
    table = checked_returns(returns, 2 * _BLOCKS, "a verdict")
    counts = _counts(trades, table.shape[1])
    if trials is not None and trials < 1:
        raise ConfigError(f"{trials} trials were counted: give at least 1, or leave it to the columns.")
    tried = max(table.shape[1], trials or 0)
    unseen = tried - table.shape[1]
    excess = over_benchmark(table, benchmark)
    tested = (counts >= FEW_TRADES) & moving(excess)
    enough = max(draws, min(_MOST_DRAWS, 40 * (1 + unseen)))
    found = superior_ability(excess, tested=tested, block=block, draws=enough, seed=seed)
    overfit = overfitting(excess, _BLOCKS, tested)
    if found.best < 0:
        return _untested(found, overfit, counts, tried, benchmark is not None)
    moments = sharpe_moments(excess[:, found.best], round(found.block))
    effective = effective_trials(kept(excess, tested), seed) + unseen
    deflated = deflated_sharpe(moments, effective, moments.standard_error)
    conclusion, basis, p = _conclude(found, unseen, table.shape[1], deflated)
    return Evidence(
        conclusion=conclusion,
        basis=basis,
        p=p,
        spa=found,
        best=found.best,
        trades=int(counts[found.best]),
        columns=table.shape[1],
        trials=tried,
        effective_trials=effective,
        moments=moments,
        probabilistic=probabilistic_sharpe(moments),
        deflated=deflated,
        track_record=minimum_track_record(moments),
        overfitting=overfit,
        intervals=path_intervals(table[:, found.best], block=found.block, draws=draws, seed=seed),
        benchmark=benchmark is not None,
    )


def _conclude(
    found: SuperiorAbility, unseen: int, columns: int, deflated: float
) -> tuple[Conclusion, Basis, float]:
    if unseen and columns == 1:
        return ("edge" if deflated >= 1.0 - LEVEL else "no evidence"), "deflated sharpe", found.p
    p = min(1.0, found.p * (1 + unseen))
    return ("edge" if p <= LEVEL else "no evidence"), ("spa with a bound" if unseen else "spa"), p


def _untested(
    found: SuperiorAbility, overfit: Overfitting, counts: IntArray, tried: int, benchmark: bool
) -> Evidence:
    nothing = Interval(math.nan, math.nan, math.nan)
    return Evidence(
        conclusion="too few trades",
        basis="none",
        p=math.nan,
        spa=found,
        best=-1,
        trades=int(counts.max()),
        columns=len(counts),
        trials=tried,
        effective_trials=float(tried - len(counts)),
        moments=SharpeMoments(math.nan, math.nan, math.nan, math.nan, 0),
        probabilistic=math.nan,
        deflated=math.nan,
        track_record=math.nan,
        overfitting=overfit,
        intervals=PathIntervals(nothing, nothing, nothing, math.nan),
        benchmark=benchmark,
    )


def _counts(trades: IntArray, columns: int) -> IntArray:
    counts = np.atleast_1d(np.asarray(trades))
    if counts.shape != (columns,) or np.any(counts < 0):
        raise DataError(
            f"trades of shape {counts.shape} do not go with {columns:,} columns: "
            "give each column's number of closed trades."
        )
    return counts.astype(np.int64)
