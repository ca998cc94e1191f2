"""Momentum, second part: oscillators between the extremes of a window."""

import math

from mlstrat.arrays import FloatArray, njit
from mlstrat.features.local import values_at
from mlstrat.features.registry import feature
from mlstrat.features.window import (
    RING,
    WINDOW,
    max_push,
    min_push,
    part_of_step,
    ring_full,
    ring_mean,
    ring_push,
    sum_push,
)


@part_of_step
def _raw_stochastic(state: FloatArray, first: int, n: int, bar: FloatArray) -> float:
    top = max_push(state, 0, n, bar[1], first)
    bottom = min_push(state, WINDOW, n, bar[2], first + n)
    return 50.0 if top == bottom else 100.0 * ((bar[3] - bottom) / (top - bottom))


@feature(
    "stoch_k_{0}",
    "momentum",
    each=((14, 3),),
    inputs=("high", "low", "close"),
    state=lambda n, smooth: 2 * n + smooth + 3 * WINDOW,
    local=3 * WINDOW,
    lookback=lambda n, smooth: n + smooth - 1,
    unit="points, 0..100",
    source="Lane 1984, slow %K: mean of 3 raw values; 50 where the window has no range",
    pine="top = ta.highest({0})\n"
    "bottom = ta.lowest({0})\n"
    "raw = math.sign(top - bottom) == 0 ? 50.0 : 100 * (close - bottom) / (top - bottom)\n"
    "ta.sma(raw, {1})",
)
@njit
def stoch_k_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Slow stochastic %K."""
    n, smooth = int(params[0]), int(params[1])
    first = 3 * WINDOW
    raw = _raw_stochastic(state, first, n, bar)
    if math.isnan(raw):
        return math.nan
    return sum_push(state, 2 * WINDOW, smooth, raw, first + 2 * n) / smooth


@feature(
    "stoch_d_{0}",
    "momentum",
    each=((14, 3, 3),),
    inputs=("high", "low", "close"),
    state=lambda n, smooth, signal: 2 * n + smooth + signal + 4 * WINDOW,
    local=4 * WINDOW,
    lookback=lambda n, smooth, signal: n + smooth + signal - 2,
    unit="points, 0..100",
    source="Lane 1984, slow %D: mean of 3 values of %K; 50 where the window has no range",
    pine="top = ta.highest({0})\n"
    "bottom = ta.lowest({0})\n"
    "raw = math.sign(top - bottom) == 0 ? 50.0 : 100 * (close - bottom) / (top - bottom)\n"
    "ta.sma(ta.sma(raw, {1}), {2})",
)
@njit
def stoch_d_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Slow stochastic %D."""
    n, smooth, signal = int(params[0]), int(params[1]), int(params[2])
    first = 4 * WINDOW
    raw = _raw_stochastic(state, first, n, bar)
    if math.isnan(raw):
        return math.nan
    k = sum_push(state, 2 * WINDOW, smooth, raw, first + 2 * n) / smooth
    if math.isnan(k):
        return math.nan
    return sum_push(state, 3 * WINDOW, signal, k, first + 2 * n + smooth) / signal


@feature(
    "williams_{0}",
    "momentum",
    each=((14,),),
    inputs=("high", "low", "close"),
    state=lambda n: 2 * (n + WINDOW),
    local=2 * WINDOW,
    lookback=lambda n: n,
    unit="points, -100..0",
    source="Williams 1973, %R; -50 where the window has no range",
    pine="top = ta.highest({0})\n"
    "bottom = ta.lowest({0})\n"
    "math.sign(top - bottom) == 0 ? -50.0 : 100 * (close - top) / (top - bottom)",
)
@njit
def williams_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Williams %R."""
    n = int(params[0])
    top = max_push(state, 0, n, bar[1], 2 * WINDOW)
    bottom = min_push(state, WINDOW, n, bar[2], 2 * WINDOW + n)
    return -50.0 if top == bottom else -100.0 * ((top - bar[3]) / (top - bottom))


@feature(
    "cci_{0}",
    "momentum",
    each=((20,),),
    inputs=("high", "low", "close"),
    state=lambda n: n + RING,
    local=RING,
    lookback=lambda n: n,
    unit="points, about -200..200",
    source="Lambert 1980, of the typical price; 0 where it did not change",
    pine="value = ta.cci(hlc3, {0})\n"
    "math.sign(ta.highest(hlc3, {0}) - ta.lowest(hlc3, {0})) == 0 ? 0.0 : value",
)
@njit
def cci_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Commodity channel index."""
    n = int(params[0])
    typical = (bar[1] + bar[2] + bar[3]) / 3.0
    ring_push(state, 0, n, typical)
    if not ring_full(state, 0, n):
        return math.nan
    mean = ring_mean(state, 0, n, typical)
    total = 0.0
    values = values_at(state, RING)
    for i in range(n):
        total += abs(values[i] - typical - mean)
    return -mean / (0.015 * (total / n)) if total > 0.0 else 0.0
