"""Columns on several threads: the compiled kernel holds no lock, and every column is its own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.sweep.account import LOGGED, MEASURED
from mlstrat.sweep.candidates import Rules
from mlstrat.sweep.kernel import Candidates, run_columns

_SLICES = 8  # of each thread, so that one with many trades keeps none waiting for long


NO_GAINS = np.empty((1, 0))  # stands for returns that are not wanted


def accounts_of(
    candidates: Candidates,
    rules: Rules,
    kelly: IntArray,
    threads: int,
    gains: FloatArray = NO_GAINS,
    every: int = 0,
) -> FloatArray:
    """Run the columns of a group.

    Parameters
    ----------
    candidates : Candidates
        Of the group.
    rules : Rules
        One row a column.
    kelly : (n_columns,) int64
        Column of `candidates.kelly` that each reads.
    threads : int
        How many run at a time; the numbers are the same bits for any.
    gains : (n_columns, n_periods) float64, optional
        Zeros, to which the returns of each `every` bars are added.
    every : int
        Bars of a period; 0 = returns are not wanted.

    Returns
    -------
    (n_columns, 19) float64
        An account each.
    """
    accounts, log = np.empty((len(kelly), len(MEASURED))), np.empty((0, len(LOGGED)))

    def run(part: slice) -> None:
        own = rules.signals[part], rules.risks[part], kelly[part]
        into = gains[part] if every else gains
        run_columns(candidates, *own, accounts[part], log, into, every)

    in_threads(run, len(kelly), threads)
    return accounts


def in_threads(run: Callable[[slice], None], n_columns: int, threads: int) -> None:
    """Call `run` on slices that make up all columns."""
    pieces = min(n_columns, threads * _SLICES) if threads > 1 else 1
    edges = np.linspace(0, n_columns, pieces + 1).astype(int)
    parts = [slice(int(a), int(b)) for a, b in pairwise(edges)]
    if len(parts) == 1:
        run(parts[0])
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, parts))
