"""Compiled building blocks of the steps: windows and exponential means inside a state array.

Each block lives at an offset `at` of a feature's state, starts from zeros, and takes one value a bar:

================  =========  =====================================
block             size       holds
================  =========  =====================================
`ring_push`       n + 2      the last n values
`sum_push` ...    n + 3      sum, highest or lowest of n values
`ema_push`        2          exponential mean
================  =========  =====================================

Nothing accumulates: window sums are rebuilt from the values themselves, so they do not drift, and a window
of equal values gives exact zeros where zeros are due.
"""

import math
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from mlstrat.arrays import FloatArray, njit

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
def ring_push(state: FloatArray, at: int, n: int, value: float) -> float:
    """Append a value to the ring of n and return the one n bars before it; NaN while there is none."""
    slot = state[at + 1]
    here = at + RING + int(slot)
    old = state[here] if state[at] >= n else math.nan
    state[here] = value
    state[at] += 1.0
    state[at + 1] = 0.0 if slot + 1.0 == n else slot + 1.0
    return float(old)


@part_of_step
def ring_full(state: FloatArray, at: int, n: int) -> bool:
    """Whether the ring holds n values."""
    return bool(state[at] >= n)


@part_of_step
def ring_back(state: FloatArray, at: int, n: int, k: int) -> float:
    """Return the value pushed k bars before the last one; k < n, the ring is full."""
    slot = int(state[at + 1]) - 1 - k
    return float(state[at + RING + (slot + n if slot < 0 else slot)])


@part_of_step
def ring_mean(state: FloatArray, at: int, n: int, pivot: float) -> float:
    """Mean of the ring's values less `pivot`; exactly 0 where all of them equal it."""
    values = state[at + RING : at + RING + n]
    # Two sums, so that one addition need not wait for the other.
    even, odd = 0.0, 0.0
    for i in range(n // 2):
        even += values[2 * i] - pivot
        odd += values[2 * i + 1] - pivot
    if n % 2 == 1:
        even += values[n - 1] - pivot
    return float((even + odd) / n)


@part_of_step
def sum_push(state: FloatArray, at: int, n: int, value: float) -> float:
    """Append a value and return the sum of the last n; NaN while there are fewer.

    Blocks of n values: the slots up to the current one hold this block's values, the later ones the suffix
    sums of the block before (van Herk 1992), so that a sum costs three additions a bar and never drifts.
    """
    slot = state[at + 1]
    first = at + WINDOW
    here = first + int(slot)
    state[here] = value
    state[at + 2] += 1.0
    running = value if slot == 0.0 else state[at] + value
    state[at] = running
    if slot + 1.0 < n:
        state[at + 1] = slot + 1.0
        return float(running + state[here + 1]) if state[at + 2] >= n else math.nan
    state[at + 1] = 0.0
    total = 0.0
    for i in range(first + n - 1, first - 1, -1):
        total += state[i]
        state[i] = total
    return float(running)


@part_of_step
def max_push(state: FloatArray, at: int, n: int, value: float) -> float:
    """Append a value and return the highest of the last n; NaN while there are fewer. See `sum_push`."""
    slot = state[at + 1]
    first = at + WINDOW
    here = first + int(slot)
    state[here] = value
    state[at + 2] += 1.0
    running = value if slot == 0.0 else max(state[at], value)
    state[at] = running
    if slot + 1.0 < n:
        state[at + 1] = slot + 1.0
        return float(max(running, state[here + 1])) if state[at + 2] >= n else math.nan
    state[at + 1] = 0.0
    top = value
    for i in range(first + n - 2, first - 1, -1):
        top = max(top, state[i])
        state[i] = top
    return float(running)


@part_of_step
def min_push(state: FloatArray, at: int, n: int, value: float) -> float:
    """Append a value and return the lowest of the last n; NaN while there are fewer. See `sum_push`."""
    return -max_push(state, at, n, -value)


@part_of_step
def ema_push(state: FloatArray, at: int, n: int, alpha: float, value: float) -> float:
    """Append a value and return the exponential mean; NaN while there are fewer than n.

    Seeded with the mean of the first n values, as Pine's `ta.ema` (alpha = 2 / (n + 1)) and `ta.rma`
    (alpha = 1 / n) and TA-Lib do.
    """
    seen = state[at] + 1.0
    state[at] = seen
    if seen <= n:
        state[at + 1] += value
        if seen < n:
            return math.nan
        state[at + 1] /= n
    else:
        state[at + 1] = alpha * value + (1.0 - alpha) * state[at + 1]
    return float(state[at + 1])


@part_of_step
def true_range(previous_close: float, bar: FloatArray) -> float:
    """Wilder's true range, in price; high - low where there is no previous close (0)."""
    spread = bar[1] - bar[2]
    if previous_close == 0.0:
        return float(spread)
    return float(max(spread, abs(bar[1] - previous_close), abs(bar[2] - previous_close)))
