"""Probability of back-test overfitting: how often the best of one half is below the middle of the other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations, islice, pairwise

import numpy as np

from mlstrat.arrays import BoolArray, FloatArray, IntArray
from mlstrat.errors import ConfigError
from mlstrat.evidence.columns import checked_returns, kept, usable

_CELLS = 2**19  # of a chunk of splits times columns: it stays in the cache
_SAME = 1e-12  # Sharpe ratios so near are one, since the order of a sum decides the last digits


@dataclass(frozen=True)
class Overfitting:
    """What choosing the best of the columns is worth out of sample, by symmetric cross-validation.

    Parameters
    ----------
    pbo : float
        Share of splits in which the column with the best Sharpe ratio in sample is below the median out of
        sample; a split in which it is the median counts half. 0.5 is what choosing among equals gives. NaN
        for fewer than two columns.
    slope : float
        Of the regression of the chosen column's Sharpe ratio out of sample on that in sample. Both halves
        make up one record, so that it is below 0 on noise.
    loss : float
        Share of splits in which the chosen column lost out of sample.
    splits : int
        Splits; half of the blocks against the other half, each way.
    columns : int
        Columns that were compared.
    """

    pbo: float
    slope: float
    loss: float
    splits: int
    columns: int


def overfitting(returns: FloatArray, blocks: int = 16, tested: BoolArray | None = None) -> Overfitting:
    """Combinatorially symmetric cross-validation (Bailey, Borwein, Lopez de Prado and Zhu 2017).

    Time is cut into `blocks` runs of nearly the same length. For each choice of half of them, the column of
    the best Sharpe ratio there is ranked on the rest; pbo is the share of ranks below the middle. Sums and
    squares of each block are enough. A half without variance has Sharpe ratio 0 (an account at rest earns
    nothing); of columns that tie for the best the first is chosen, and ties on the other half share their
    mean rank.

    Parameters
    ----------
    returns : (n_bars, n_columns) float64
        Simple returns of a bar.
    blocks : int
        An even number, 2 to 20.
    tested : (n_columns,) bool, optional
        Columns to compare; columns that never move are left out in any case.

    Raises
    ------
    ConfigError
        The number of blocks is odd or out of bounds.
    DataError, NotEnoughBarsError
        A return is not finite, or a block would have fewer than two bars.
    """
    if blocks % 2 or not 2 <= blocks <= 20:
        raise ConfigError(f"time cannot be cut into {blocks} blocks here: give an even number from 2 to 20.")
    table = checked_returns(returns, 2 * blocks, "the probability of back-test overfitting")
    use = usable(table, tested)
    splits = math.comb(blocks, blocks // 2)
    if np.count_nonzero(use) < 2:
        return Overfitting(math.nan, math.nan, math.nan, splits, int(np.count_nonzero(use)))
    chosen, there, below = _all_splits(kept(table, use), blocks)
    return Overfitting(
        pbo=float(np.mean(below)),
        slope=_slope(chosen, there),
        loss=float(np.mean(there < 0.0)),
        splits=splits,
        columns=int(np.count_nonzero(use)),
    )


def _all_splits(table: FloatArray, blocks: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Of each split: the chosen ratio, the same out of sample, and 1, 1/2 or 0: below, at, above median."""
    edges = np.linspace(0, len(table), blocks + 1).astype(np.int64)
    parts = [table[first:last] for first, last in pairwise(edges)]
    sums = np.array([part.sum(axis=0) for part in parts])
    squares = np.array([np.einsum("ij,ij->j", part, part) for part in parts])
    sizes = np.diff(edges).astype(np.float64)
    halves = _halves(blocks)
    step = max(1, _CELLS // table.shape[1])
    found = []
    for at in range(0, len(halves), step):
        half = halves[at : at + step]
        one = _sharpes(half, sums, squares, sizes)
        other = _sharpes(1.0 - half, sums, squares, sizes)
        found += [_chosen(one, other), _chosen(other, one)]
    chosen, there, below = (np.concatenate(part) for part in zip(*found, strict=True))
    return chosen, there, below


def _halves(blocks: int) -> FloatArray:
    """(splits / 2, blocks) 1 for the blocks of one half; the other directions are the complements."""
    count = math.comb(blocks, blocks // 2) // 2
    picks: IntArray = np.array(list(islice(combinations(range(blocks), blocks // 2), count)))
    half = np.zeros((count, blocks))
    np.put_along_axis(half, picks, 1.0, axis=1)
    return half


def _sharpes(half: FloatArray, sums: FloatArray, squares: FloatArray, sizes: FloatArray) -> FloatArray:
    """(splits, n_columns) Sharpe ratio of a bar on the blocks marked 1; 0 where nothing varies."""
    n = (half @ sizes)[:, None]
    total, square = half @ sums, half @ squares
    away = square - total * total / n
    varies = away > _SAME * square
    spread = np.sqrt(np.where(varies, away, 1.0) / (n - 1.0))
    return np.asarray(np.where(varies, total / n / spread, 0.0))


def _chosen(seen: FloatArray, unseen: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    rows = np.arange(len(seen))
    best = np.argmax(seen >= seen.max(axis=1, keepdims=True) - _SAME, axis=1)
    there = unseen[rows, best]
    lower = np.count_nonzero(unseen < there[:, None] - _SAME, axis=1)
    higher = np.count_nonzero(unseen > there[:, None] + _SAME, axis=1)
    return seen[rows, best], there, 0.5 * (1.0 + np.sign(higher - lower))


def _slope(chosen: FloatArray, there: FloatArray) -> float:
    away = chosen - np.mean(chosen)
    total = float(away @ away)
    return float(away @ there) / total if total > 0.0 else math.nan
