"""Compiled building blocks for moments of a window, at a cost that does not grow with the window.

Each block lives at an offset `at` of a feature's state, as those of `window`. Values are taken in blocks of
n: state holds running sums of the current block and the suffix sums of the block before it (van Herk 1992),
of the values less a pivot, which is the last value of the block before. So

* a window's sums are one addition of two parts, each summed from the window's own values: nothing drifts;
* the pivot is one of the window's values: central moments lose at most the digits of n, and a window of
  equal values gives exact zeros.
"""

import math

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.features.local import head_at, values_at
from mlstrat.features.window import part_of_step, place

# Sizes of the blocks beyond their n values (times the number of sums).
POWERS = 7
LINE = 7
PAIRS = 7


@part_of_step
def powers_push(
    state: FloatArray, at: int, n: int, order: int, value: float
) -> tuple[float, float, float, float, float]:
    """Append a value; return the pivot and the sums of (x - pivot) to the powers 1 to 4 over the last n.

    A block of `POWERS` + order x n values. Sums of powers above `order` are 0; all are NaN before n values.
    """
    head, values = head_at(state, at), values_at(state, at + POWERS)
    slot = place(head[0])
    values[slot] = value
    head[0] += 1.0
    if head[0] < n:
        pivot, after = head[2], slot + np.uintp(1)
        off = value - pivot
        if slot == 0:
            head[3], head[4], head[5], head[6] = 0.0, 0.0, 0.0, 0.0
        if head[1] == 0.0:
            return math.nan, math.nan, math.nan, math.nan, math.nan
        head[3] += off
        s1, s2, s3, s4 = head[3] + values[after], 0.0, 0.0, 0.0
        if order > 1:
            head[4] += off * off
            s2 = head[4] + values[after + np.uintp(n)]
        if order > 2:
            head[5] += off * off * off
            s3 = head[5] + values[after + np.uintp(2 * n)]
        if order > 3:
            head[6] += (off * off) * (off * off)
            s4 = head[6] + values[after + np.uintp(3 * n)]
        return float(pivot), float(s1), float(s2), float(s3), float(s4)
    head[0], head[1], head[2] = 0.0, 1.0, value
    s1, s2, s3, s4 = 0.0, 0.0, 0.0, 0.0
    for back in range(1, n + 1):
        i = np.uintp(n - back)
        off = values[i] - value
        s1 += off
        values[i] = s1
        if order > 1:
            s2 += off * off
            values[i + np.uintp(n)] = s2
        if order > 2:
            s3 += off * off * off
            values[i + np.uintp(2 * n)] = s3
        if order > 3:
            s4 += (off * off) * (off * off)
            values[i + np.uintp(3 * n)] = s4
    return value, s1, s2, s3, s4


@part_of_step
def variance_of(n: int, s1: float, s2: float) -> float:
    """Population variance from the first two sums of `powers_push`."""
    mean = s1 / n
    return max(s2 / n - mean * mean, 0.0)


@part_of_step
def line_push(state: FloatArray, at: int, n: int, value: float) -> tuple[float, float, float, float]:
    """Append a value; return the pivot and three sums over the last n, of x - pivot, of its square, and of
    its product with the weights 1 (oldest) to n (newest).

    A block of `LINE` + 3 n values; all NaN before n values.
    """
    head, values = head_at(state, at), values_at(state, at + LINE)
    earlier, slot = head[0], place(head[0])
    values[slot] = value
    head[0] += 1.0
    if head[0] < n:
        if slot == 0:
            head[3], head[4], head[5] = 0.0, 0.0, 0.0
        if head[1] == 0.0:
            return math.nan, math.nan, math.nan, math.nan
        pivot, after = head[2], slot + np.uintp(1)
        off = value - pivot
        head[3] += off
        head[4] += off * off
        head[5] += earlier * off
        weighted = (n - earlier) * head[3] + head[5] + values[after + np.uintp(2 * n)]
        return (
            float(pivot),
            float(head[3] + values[after]),
            float(head[4] + values[after + np.uintp(n)]),
            float(weighted),
        )
    head[0], head[1], head[2] = 0.0, 1.0, value
    s1, s2, weighted = 0.0, 0.0, 0.0
    for back in range(1, n + 1):
        i = np.uintp(n - back)
        off = values[i] - value
        s1 += off
        s2 += off * off
        weighted += s1
        values[i], values[i + np.uintp(n)], values[i + np.uintp(2 * n)] = s1, s2, weighted
    return value, s1, s2, weighted


@part_of_step
def pairs_push(state: FloatArray, at: int, n: int, value: float) -> tuple[float, float, float, float, float]:
    """Append a value; return the pivot and, over the last n, the sums of d = x - pivot, of its square, of
    its product with the d before it (n - 1 products), and the first d plus the last.

    A block of `PAIRS` + 4 n values; all NaN before n values.
    """
    head, values = head_at(state, at), values_at(state, at + PAIRS)
    slot = place(head[0])
    values[slot] = value
    head[0] += 1.0
    if head[0] < n:
        if slot == 0:
            head[3], head[4], head[5], head[6] = 0.0, 0.0, 0.0, 0.0
        if head[1] == 0.0:
            return math.nan, math.nan, math.nan, math.nan, math.nan
        pivot, after = head[2], slot + np.uintp(1)
        off = value - pivot
        head[3] += off
        head[4] += off * off
        # The value before this block is the pivot itself, so no product reaches over the border.
        head[5] += off * head[6]
        head[6] = off
        s1, s2 = head[3] + values[after], head[4] + values[after + np.uintp(n)]
        return (
            float(pivot),
            float(s1),
            float(s2),
            float(head[5] + values[after + np.uintp(2 * n)]),
            float(off + values[after + np.uintp(3 * n)]),
        )
    head[0], head[1], head[2] = 0.0, 1.0, value
    s1, s2, products, later = 0.0, 0.0, 0.0, 0.0
    for back in range(1, n + 1):
        i = np.uintp(n - back)
        off = values[i] - value
        s1 += off
        s2 += off * off
        products += off * later
        later = off
        values[i], values[i + np.uintp(n)] = s1, s2
        values[i + np.uintp(2 * n)], values[i + np.uintp(3 * n)] = products, off
    return value, s1, s2, products, later
