"""The verdict on returns: one test, and beside it what else one should know. It never promises anything."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.bootstrap import Interval
from mlstrat.errors import ConfigError, DataError
from mlstrat.evidence.beside import Others, all_of, tested_beside
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
from mlstrat.evidence.spa import SuperiorAbility
from mlstrat.evidence.trials import effective_trials

Conclusion = Literal["edge", "no evidence", "too few trades"]
Basis = Literal["spa", "spa with a bound", "none"]

# Below this many trades the mean of trade profits is mostly noise (the usual small-sample bound).
FEW_TRADES = 30
LEVEL = 0.05
_BLOCKS = 16
_MOST_DRAWS = 20_000


@dataclass(frozen=True)
class Evidence:
    """What returns say about an edge. Only `p` decides; NaN stands for no value.

    Parameters
    ----------
    conclusion : {"edge", "no evidence", "too few trades"}
        The verdict at 5 %.
    basis : {"spa", "spa with a bound", "none"}
        What decided: the test of superior ability; the same, its p-value times one more than the trials whose
        returns are not known (Bonferroni); nothing, without trades.
    p : float
        P-value that decided.
    spa : SuperiorAbility
        The test, with the p-value that forgets the other columns.
    best, trades : int
        The column the test found best, and its trades; -1 and the most trades of any column where none was
        tested.
    columns, beside, trials : int
        Columns judged, what else was tried whose returns are known, and all that was tried on the same data.
    effective_trials : float
        Independent trials that all of these amount to.
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
    apart : int
        What else was tried whose returns are known over fewer than 32 rows, too few to test it beside.
    """

    conclusion: Conclusion
    basis: Basis
    p: float
    spa: SuperiorAbility
    best: int
    trades: int
    columns: int
    beside: int
    trials: int
    effective_trials: float
    moments: SharpeMoments
    probabilistic: float
    deflated: float
    track_record: float
    overfitting: Overfitting
    intervals: PathIntervals
    benchmark: bool
    apart: int = 0


def judge(
    returns: FloatArray,
    trades: IntArray,
    trials: int | None = None,
    benchmark: FloatArray | None = None,
    *,
    others: Others | None = None,
    seed: int = 7,
    block: float | None = None,
    draws: int = 1000,
) -> Evidence:
    """Judge columns of returns by one test: Hansen's SPA over the columns with at least 30 trades, at 5 %.

    Luck is that of the best of all these columns, and of all `others` whose returns are known. Where still
    more were tried (`trials`), the p-value is multiplied by one more than their number: that is safe, and
    asks for more than a test that knows them, so give the returns of whatever was tried.

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
        Returns to beat; by default 0, which is what `others` have to be judged by.
    others : Others, optional
        What else was tried. Where it has 32 rows or more, the test is made on rows instead of bars; with
        fewer, it only counts.
    seed : int
        Of all draws; the same seed gives the same evidence.
    block : float, optional
        Mean block length in bars, longer than positions last; by default chosen from the returns.
    draws : int
        Bootstrap draws; more are made where trials that are not known ask for smaller p-values, up to 20,000,
        which is not enough for 1,000 such trials.

    Raises
    ------
    ConfigError
        `trials` is below 1, or there are others and a benchmark.
    DataError, NotEnoughBarsError
        Counts do not match columns, a value is not finite, or there are fewer than 32 bars.
    """
    table = checked_returns(returns, 2 * _BLOCKS, "a verdict")
    columns = table.shape[1]
    counts = _counts(trades, columns)
    if others is not None and benchmark is not None:
        raise ConfigError("what else was tried has returns above 0: leave out the benchmark, or the others.")
    known = others.counted if others else 0
    others = others if others is not None and len(others.table) >= 2 * _BLOCKS else None
    beside = others.counted if others else 0
    tried = columns + beside if trials is None else _at_least(trials, columns + beside)
    excess = over_benchmark(table, benchmark)
    tested = (counts >= FEW_TRADES) & moving(excess)
    enough = max(draws, min(_MOST_DRAWS, 40 * (1 + tried - columns - beside)))
    found = tested_beside(excess, tested, others, block, enough, seed)
    overfit = overfitting(excess, _BLOCKS, tested)
    if found.best < 0:
        return with_trials(_untested(found, overfit, counts, beside, benchmark is not None), tried)
    moments = sharpe_moments(excess[:, found.best], round(found.block))
    own = Evidence(
        conclusion="no evidence",
        basis="spa",
        p=found.p,
        spa=found,
        best=found.best,
        trades=int(counts[found.best]),
        columns=columns,
        beside=beside,
        trials=columns + beside,
        effective_trials=effective_trials(all_of(kept(excess, tested), others), seed),
        moments=moments,
        probabilistic=probabilistic_sharpe(moments),
        deflated=math.nan,
        track_record=minimum_track_record(moments),
        overfitting=overfit,
        intervals=path_intervals(table[:, found.best], block=found.block, draws=draws, seed=seed),
        benchmark=benchmark is not None,
        apart=known - beside,
    )
    return with_trials(own, tried)


def with_trials(evidence: Evidence, trials: int) -> Evidence:
    """Return the evidence as it is when so many were tried on the same data, more or fewer than was thought.

    The test is not made again: its p-value keeps the draws it was made with, and so errs to the safe side
    where more were tried.

    Parameters
    ----------
    evidence : Evidence
        What `judge` returned, with any number of trials.
    trials : int
        All that was tried, columns at hand included; fewer than these counts as these.

    Raises
    ------
    ConfigError
        `trials` is below 1.
    """
    known = evidence.columns + evidence.beside
    tried = _at_least(trials, known)
    effective = evidence.effective_trials + tried - evidence.trials
    if evidence.best < 0:
        return replace(evidence, trials=tried, effective_trials=effective)
    deflated = deflated_sharpe(evidence.moments, effective, evidence.moments.standard_error)
    conclusion, basis, p = _conclude(evidence.spa, tried - known)
    return replace(
        evidence,
        conclusion=conclusion,
        basis=basis,
        p=p,
        trials=tried,
        effective_trials=effective,
        deflated=deflated,
    )


def _at_least(trials: int, columns: int) -> int:
    if trials < 1:
        raise ConfigError(f"{trials} trials were counted: give at least 1, or leave it to the columns.")
    return max(columns, trials)


def _conclude(found: SuperiorAbility, unseen: int) -> tuple[Conclusion, Basis, float]:
    p = min(1.0, found.p * (1 + unseen))
    return ("edge" if p <= LEVEL else "no evidence"), ("spa with a bound" if unseen else "spa"), p


def _untested(
    found: SuperiorAbility, overfit: Overfitting, counts: IntArray, beside: int, benchmark: bool
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
        beside=beside,
        trials=len(counts) + beside,
        effective_trials=0.0,
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
    if np.any(counts < 0):
        raise DataError("a number of trades is below 0: give each column's number of closed trades.")
    if counts.shape != (columns,):
        raise DataError(
            f"trades of shape {counts.shape} do not go with {columns:,} columns: "
            "give each column's number of closed trades."
        )
    return counts.astype(np.int64)
