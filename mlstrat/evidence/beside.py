"""What else was tried, and the test of some columns in which luck is that of the best of all."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from mlstrat.arrays import BoolArray, FloatArray, IntArray
from mlstrat.evidence.blocks import common_block
from mlstrat.evidence.columns import kept, summed
from mlstrat.evidence.spa import SuperiorAbility, superior_ability


class Others(NamedTuple):
    """What else was tried on the same data, as far as its returns are known.

    Parameters
    ----------
    table : (n_rows, n_others) float64
        Sums of returns over stretches of time, such as days, of those with at least 30 trades.
    row : (n_bars,) int64
        Row into which each judged bar falls; it never falls from bar to bar.
    counted : int
        How many trials that is: with those of fewer than 30 trades, which are never called an edge and need
        not be paid for, and with every copy of a column.
    """

    table: FloatArray
    row: IntArray
    counted: int


def tested_beside(
    excess: FloatArray,
    tested: BoolArray,
    others: Others | None,
    block: float | None,
    draws: int,
    seed: int,
) -> SuperiorAbility:
    """Test bars or, beside others, their rows; the block length is one of bars either way."""
    if others is None or not others.table.shape[1]:
        return superior_ability(excess, tested=tested, block=block, draws=draws, seed=seed)
    rows = summed(excess, others.row, len(others.table))
    bars = len(excess) / len(rows)
    # Chosen on bars, so that what else was tried does not change the test of what is judged.
    length = block or common_block(kept(excess, tested)) if tested.any() else bars
    found = superior_ability(
        rows, tested=tested, beside=others.table, block=max(length / bars, 1.0), draws=draws, seed=seed
    )
    return replace(found, block=length)


def all_of(own: FloatArray, others: Others | None) -> FloatArray:
    """Return the columns judged and all others, as rows of the others; the former alone without any."""
    if others is None or not others.table.shape[1]:
        return own
    return np.column_stack([summed(own, others.row, len(others.table)), others.table])
