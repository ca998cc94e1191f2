"""Compiled building blocks for moments of a window, at a cost that does not grow with the window.

Each block lives at an offset `at` of a feature's state, as those of `window`. Values are taken in blocks of
n: state holds running sums of the current block and the suffix sums of the block before it (van Herk 1992),
of the values less a pivot, which is the last value of the block before. So

* a window's sums are one addition of two parts, each summed from the window's own values: nothing drifts;
* the pivot is one of the window's values: central moments lose at most the digits of n, and a window of
  equal values gives exact zeros.
"""

import math

from mlstrat.arrays import FloatArray
from mlstrat.features.window import part_of_step

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
    slot = int(state[at])
    first = at + POWERS
    state[first + slot] = value
    state[at + 1] += 1.0
    if slot + 1 < n:
        pivot = state[at + 2]
        off = value - pivot
        if slot == 0:
            for power in range(order):
                state[at + 3 + power] = 0.0
        state[at] = slot + 1.0
        if state[at + 1] < n:
            return math.nan, math.nan, math.nan, math.nan, math.nan
        here = first + slot + 1
        state[at + 3] += off
        s1, s2, s3, s4 = state[at + 3] + state[here], 0.0, 0.0, 0.0
        if order > 1:
            state[at + 4] += off * off
            s2 = state[at + 4] + state[here + n]
        if order > 2:
            state[at + 5] += off * off * off
            s3 = state[at + 5] + state[here + 2 * n]
        if order > 3:
            state[at + 6] += (off * off) * (off * off)
            s4 = state[at + 6] + state[here + 3 * n]
        return float(pivot), float(s1), float(s2), float(s3), float(s4)
    state[at], state[at + 2] = 0.0, value
    s1, s2, s3, s4 = 0.0, 0.0, 0.0, 0.0
    for i in range(first + n - 1, first - 1, -1):
        off = state[i] - value
        s1 += off
        state[i] = s1
        if order > 1:
            s2 += off * off
            state[i + n] = s2
        if order > 2:
            s3 += off * off * off
            state[i + 2 * n] = s3
        if order > 3:
            s4 += (off * off) * (off * off)
            state[i + 3 * n] = s4
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
    slot = int(state[at])
    first = at + LINE
    state[first + slot] = value
    state[at + 1] += 1.0
    if slot + 1 < n:
        if slot == 0:
            state[at + 3], state[at + 4], state[at + 5] = 0.0, 0.0, 0.0
        state[at] = slot + 1.0
        if state[at + 1] < n:
            return math.nan, math.nan, math.nan, math.nan
        pivot, here = state[at + 2], first + slot + 1
        off = value - pivot
        state[at + 3] += off
        state[at + 4] += off * off
        state[at + 5] += slot * off
        weighted = (n - slot) * state[at + 3] + state[at + 5] + state[here + 2 * n]
        return (
            float(pivot),
            float(state[at + 3] + state[here]),
            float(state[at + 4] + state[here + n]),
            weighted,
        )
    state[at], state[at + 2] = 0.0, value
    s1, s2, weighted = 0.0, 0.0, 0.0
    for i in range(first + n - 1, first - 1, -1):
        off = state[i] - value
        s1 += off
        s2 += off * off
        weighted += s1
        state[i], state[i + n], state[i + 2 * n] = s1, s2, weighted
    return value, s1, s2, weighted


@part_of_step
def pairs_push(state: FloatArray, at: int, n: int, value: float) -> tuple[float, float, float, float, float]:
    """Append a value; return the pivot and, over the last n, the sums of d = x - pivot, of its square, of
    its product with the d before it (n - 1 products), and the first d plus the last.

    A block of `PAIRS` + 4 n values; all NaN before n values.
    """
    slot = int(state[at])
    first = at + PAIRS
    state[first + slot] = value
    state[at + 1] += 1.0
    if slot + 1 < n:
        if slot == 0:
            state[at + 3], state[at + 4], state[at + 5], state[at + 6] = 0.0, 0.0, 0.0, 0.0
        state[at] = slot + 1.0
        if state[at + 1] < n:
            return math.nan, math.nan, math.nan, math.nan, math.nan
        pivot, here = state[at + 2], first + slot + 1
        off = value - pivot
        state[at + 3] += off
        state[at + 4] += off * off
        # The value before this block is the pivot itself, so no product reaches over the border.
        state[at + 5] += off * state[at + 6]
        state[at + 6] = off
        s1, s2 = state[at + 3] + state[here], state[at + 4] + state[here + n]
        return (
            float(pivot),
            float(s1),
            float(s2),
            float(state[at + 5] + state[here + 2 * n]),
            float(off + state[here + 3 * n]),
        )
    state[at], state[at + 2] = 0.0, value
    s1, s2, products, later = 0.0, 0.0, 0.0, 0.0
    for i in range(first + n - 1, first - 1, -1):
        off = state[i] - value
        s1 += off
        s2 += off * off
        products += off * later
        later = off
        state[i], state[i + n], state[i + 2 * n], state[i + 3 * n] = s1, s2, products, off
    return value, s1, s2, products, later
