"""How many independent trials a set of alike columns amounts to."""

from __future__ import annotations

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.evidence.columns import checked_returns, kept, moving
from mlstrat.evidence.normal import largest_of
from mlstrat.evidence.spa import added_up

_ROWS = 1024  # more rows do not change the answer, less would blur correlations
_DRAWS, _CHUNK = 2048, 256


def effective_trials(returns: FloatArray, seed: int = 7) -> float:
    """Effective number of trials: as many independent ones have the same best by luck.

    Under no skill the standardised means of the columns are normal with the columns' own correlations. The
    expected largest of them is measured by drawing them (random signs of bars, in pairs z and -z), and N is
    the number of independent normal draws with that expected largest. So k groups of copies are k trials
    however large each group is, independent columns are all of them, and columns of correlation 0.5 lie
    between, where a count of clusters would have to choose 1 or all.

    Parameters
    ----------
    returns : (n_bars, n_columns) float64
        Simple returns of a bar. Columns that never move are left out. Bars are added up to at most 2,048
        rows: it is correlation over longer times that makes means alike.
    seed : int
        Of the draws; the same seed gives the same number. Its error is about 2 %.

    Returns
    -------
    float
        From 1 to the number of columns that move; 0 without such a column.

    Raises
    ------
    DataError, NotEnoughBarsError
        A return is not finite, or there are fewer than 3 bars.
    """
    table = checked_returns(returns, 3, "the effective number of trials")
    table = kept(table, moving(table))
    if table.shape[1] <= 1:
        return float(table.shape[1])
    unit = _unit_columns(added_up(table, max(1, len(table) // _ROWS)))
    random = np.random.default_rng(seed)
    largest = [_largest(random.standard_normal((_CHUNK, len(unit))) @ unit) for _ in range(_DRAWS // _CHUNK)]
    return _draws_with(float(np.mean(largest)), table.shape[1])


def _unit_columns(table: FloatArray) -> FloatArray:
    away = table - table.mean(axis=0)
    length = np.sqrt(np.sum(away * away, axis=0))
    return np.asarray(away / np.where(length > 0.0, length, 1.0))


def _largest(draws: FloatArray) -> float:
    """Mean of the largest of z and of -z, which is exactly 0 where all columns are copies."""
    return 0.5 * float(np.mean(draws.max(axis=1) - draws.min(axis=1)))


def _draws_with(largest: float, most: int) -> float:
    """Return how many independent draws have this expected largest, from 1 to `most`."""
    from scipy.optimize import brentq

    if largest <= 0.0:
        return 1.0
    if largest >= largest_of(most):
        return float(most)
    return float(np.exp(brentq(lambda log: largest_of(float(np.exp(log))) - largest, 0.0, np.log(most))))
