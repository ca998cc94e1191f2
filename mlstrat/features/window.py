"""Compiled building blocks of the steps: windows and exponential means inside a state array.

Each block lives at an offset `at` of a feature's state, starts from zeros, and takes one value a bar:

================  =========  =====================================
block             size       holds
================  =========  =====================================
`ring_push`       n + 2      the last n values
`sum_push` ...    n + 3      sum, highest or lowest of n values
`ema_push`        2          exponential mean
================  =========  =====================================

A block is a head of 2 or 3 numbers and n values. The values follow the head, or lie at `first` where a step
of several blocks has all heads at the front of its state (`local` of `registry.feature`).

Nothing accumulates: window sums are rebuilt from the values themselves, so they do not drift, and a window
of equal values gives exact zeros where zeros are due.
"""

import math
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numpy as np

from mlstrat.arrays import FloatArray, njit
from mlstrat.features.local import head_at, values_at

P = ParamSpec("P")
R = TypeVar("R")

# Sizes of the blocks beyond their n values.
RING = 2
WINDOW = 3
EMA = 2


def part_of_step(function: Callable[P, R]) -> Callable[P, R]:
    """Compile like `mlstrat.arrays.njit`, and always into the caller: a call costs more than these bodies."""
    return njit(function, inline=True)


@part_of_step
def place(number: float) -> np.uintp:
    """Return a number of the state as an index; numba asks of a signed one whether it is negative."""
    return np.uintp(int(number))


@part_of_step
def ring_push(state: FloatArray, at: int, n: int, value: float, first: int = 0) -> float:
    """Append a value to the ring of n and return the one n bars before it; NaN while there is none."""
    head, values = head_at(state, at), values_at(state, first or at + RING)
    slot = place(head[1])
    old = values[slot] if head[0] >= n else math.nan
    values[slot] = value
    head[0] += 1.0
    head[1] = 0.0 if head[1] + 1.0 == n else head[1] + 1.0
    return float(old)


@part_of_step
def ring_full(state: FloatArray, at: int, n: int) -> bool:
    """Whether the ring holds n values."""
    return bool(head_at(state, at)[0] >= n)


@part_of_step
def ring_back(state: FloatArray, at: int, n: int, k: int, first: int = 0) -> float:
    """Return the value pushed k bars before the last one; k < n, the ring is full."""
    slot = int(head_at(state, at)[1]) - 1 - k
    return float(values_at(state, first or at + RING)[np.uintp(slot + n if slot < 0 else slot)])


@part_of_step
def ring_mean(state: FloatArray, at: int, n: int, pivot: float) -> float:
    """Mean of the ring's values less `pivot`; exactly 0 where all of them equal it."""
    values = values_at(state, at + RING)
    # Two sums, so that one addition need not wait for the other.
    even, odd = 0.0, 0.0
    for i in range(n // 2):
        even += values[2 * i] - pivot
        odd += values[2 * i + 1] - pivot
    if n % 2 == 1:
        even += values[n - 1] - pivot
    return float((even + odd) / n)


@part_of_step
def sum_push(state: FloatArray, at: int, n: int, value: float, first: int = 0) -> float:
    """Append a value and return the sum of the last n; NaN while there are fewer.

    Blocks of n values: the slots up to the current one hold this block's values, the later ones the suffix
    sums of the block before (van Herk 1992), so that a sum costs three additions a bar and never drifts.
    Head: the sum of this block, the slot, whether there is a block before.
    """
    head, values = head_at(state, at), values_at(state, first or at + WINDOW)
    slot = place(head[1])
    values[slot] = value
    running = value if slot == 0 else head[0] + value
    head[0] = running
    head[1] += 1.0
    if head[1] < n:
        return float(running + values[slot + np.uintp(1)]) if head[2] > 0.0 else math.nan
    head[1], head[2] = 0.0, 1.0
    total = 0.0
    for back in range(1, n + 1):
        i = np.uintp(n - back)
        total += values[i]
        values[i] = total
    return float(running)


@part_of_step
def max_push(state: FloatArray, at: int, n: int, value: float, first: int = 0) -> float:
    """Append a value and return the highest of the last n; NaN while there are fewer. See `sum_push`."""
    head, values = head_at(state, at), values_at(state, first or at + WINDOW)
    slot = place(head[1])
    values[slot] = value
    running = value if slot == 0 else max(head[0], value)
    head[0] = running
    head[1] += 1.0
    if head[1] < n:
        return float(max(running, values[slot + np.uintp(1)])) if head[2] > 0.0 else math.nan
    head[1], head[2] = 0.0, 1.0
    top = value
    for back in range(2, n + 1):
        i = np.uintp(n - back)
        top = max(top, values[i])
        values[i] = top
    return float(running)


@part_of_step
def min_push(state: FloatArray, at: int, n: int, value: float, first: int = 0) -> float:
    """Append a value and return the lowest of the last n; NaN while there are fewer. See `sum_push`."""
    return -max_push(state, at, n, -value, first)


@part_of_step
def ema_push(state: FloatArray, at: int, n: int, alpha: float, value: float) -> float:
    """Append a value and return the exponential mean; NaN while there are fewer than n.

    Seeded with the mean of the first n values, as Pine's `ta.ema` (alpha = 2 / (n + 1)) and `ta.rma`
    (alpha = 1 / n) and TA-Lib do.
    """
    head = head_at(state, at)
    head[0] += 1.0
    if head[0] <= n:
        head[1] += value
        if head[0] < n:
            return math.nan
        head[1] /= n
    else:
        head[1] = alpha * value + (1.0 - alpha) * head[1]
    return float(head[1])


@part_of_step
def true_range(previous_close: float, bar: FloatArray) -> float:
    """Wilder's true range, in price; high - low where there is no previous close (0)."""
    spread = bar[1] - bar[2]
    if previous_close == 0.0:
        return float(spread)
    return float(max(spread, abs(bar[1] - previous_close), abs(bar[2] - previous_close)))
