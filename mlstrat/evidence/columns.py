"""Returns as the tests of this package take them: one row a bar, one column a strategy, all finite."""

from __future__ import annotations

import numpy as np

from mlstrat.arrays import BoolArray, FloatArray, IntArray
from mlstrat.errors import DataError, NotEnoughBarsError


def checked_returns(returns: FloatArray, least: int, by: str) -> FloatArray:
    """(n_bars, n_columns) float64 of returns that a test can use.

    Parameters
    ----------
    returns : (n_bars, n_columns) or (n_bars,) float64
        Simple returns of a bar; a bar without a position is 0, not NaN.
    least : int
        Bars that the test needs.
    by : str
        The test, as the subject of a sentence.

    Raises
    ------
    DataError
        The array is of another shape, has no column, or a value is NaN or infinite.
    NotEnoughBarsError
        There are fewer bars.
    """
    table = np.asarray(returns, dtype=np.float64)
    table = table[:, None] if table.ndim == 1 else table
    if table.ndim != 2 or table.shape[1] == 0:
        raise DataError(
            f"returns of shape {table.shape} are no table: give one row a bar, one column a strategy."
        )
    if len(table) < least:
        raise NotEnoughBarsError(len(table), least, by)
    if not np.isfinite(table).all():
        row, column = np.argwhere(~np.isfinite(table))[0]
        raise DataError(
            f"the return in row {row} of column {column} is {table[row, column]}: "
            "give 0 where nothing is held, and drop bars whose return is not known."
        )
    return table


def moving(table: FloatArray) -> BoolArray:
    """(n_columns,) whether a column's values differ; one that never trades does not."""
    return np.asarray(np.ptp(table, axis=0) > 0.0)


def usable(table: FloatArray, tested: BoolArray | None) -> BoolArray:
    """(n_columns,) whether a column is to be tested, which asks that it moves; None tests all that do.

    Raises
    ------
    DataError
        The mask has another length.
    """
    if tested is None:
        return moving(table)
    mask = np.asarray(tested, dtype=np.bool_)
    if mask.shape != table.shape[1:]:
        raise DataError(
            f"a mask of shape {mask.shape} does not go with {table.shape[1]:,} columns: "
            "give one truth value a column."
        )
    return np.asarray(mask & moving(table))


def kept(table: FloatArray, use: BoolArray) -> FloatArray:
    """Return the columns marked; the table itself, which may be large, where that is all of them."""
    return table if use.all() else np.asarray(table[:, use])


def summed(table: FloatArray, row: IntArray, n_rows: int) -> FloatArray:
    """(n_rows, n_columns) sums of the bars of each row; `row`, (n_bars,), never falls from bar to bar."""
    out = np.zeros((n_rows, table.shape[1]))
    starts = np.flatnonzero(np.r_[True, np.diff(row) > 0])
    out[row[starts]] = np.add.reduceat(table, starts, axis=0)
    return out


def over_benchmark(table: FloatArray, benchmark: FloatArray | None) -> FloatArray:
    """(n_bars, n_columns) returns less those of the benchmark, (n_bars,) float64; None is 0.

    Raises
    ------
    DataError
        The benchmark has another length or a value that is not finite.
    """
    if benchmark is None:
        return table
    held = np.asarray(benchmark, dtype=np.float64)
    if held.shape != table.shape[:1] or not np.isfinite(held).all():
        raise DataError(
            f"a benchmark of shape {held.shape} does not go with {len(table):,} bars: "
            "give one finite return a bar."
        )
    return np.asarray(table - held[:, None])
