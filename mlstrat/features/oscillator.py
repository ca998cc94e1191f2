"""Momentum, second part: oscillators between the extremes of a window."""

import math

from mlstrat.arrays import FloatArray, njit
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
def _raw_stochastic(state: FloatArray, n: int, bar: FloatArray) -> float:
    top = max_push(state, 0, n, bar[1])
    bottom = min_push(state, n + WINDOW, n, bar[2])
    return 50.0 if top == bottom else 100.0 * ((bar[3] - bottom) / (top - bottom))


@feature(
    "stoch_k_{0}",
    "momentum",
    each=((14, 3),),
    inputs=("high", "low", "close"),
    state=lambda n, smooth: 2 * (n + WINDOW) + smooth + WINDOW,
    lookback=lambda n, smooth: n + smooth - 1,
    unit="points, 0..100",
    source="Lane 1984, slow %K: mean of 3 raw values; 50 where the window has no range",
    pine="ta.sma(ta.stoch(close, high, low, {0}), {1})",
)
@njit
def stoch_k_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Slow stochastic %K."""
    n, smooth = int(params[0]), int(params[1])
    raw = _raw_stochastic(state, n, bar)
    return math.nan if math.isnan(raw) else sum_push(state, 2 * (n + WINDOW), smooth, raw) / smooth


@feature(
    "stoch_d_{0}",
    "momentum",
    each=((14, 3, 3),),
    inputs=("high", "low", "close"),
    state=lambda n, smooth, signal: 2 * (n + WINDOW) + smooth + signal + 2 * WINDOW,
    lookback=lambda n, smooth, signal: n + smooth + signal - 2,
    unit="points, 0..100",
    source="Lane 1984, slow %D: mean of 3 values of %K; 50 where the window has no range",
    pine="ta.sma(ta.sma(ta.stoch(close, high, low, {0}), {1}), {2})",
)
@njit
def stoch_d_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Slow stochastic %D."""
    n, smooth, signal = int(params[0]), int(params[1]), int(params[2])
    at = 2 * (n + WINDOW)
    raw = _raw_stochastic(state, n, bar)
    if math.isnan(raw):
        return math.nan
    k = sum_push(state, at, smooth, raw) / smooth
    if math.isnan(k):
        return math.nan
    return sum_push(state, at + smooth + WINDOW, signal, k) / signal


@feature(
    "williams_{0}",
    "momentum",
    each=((14,),),
    inputs=("high", "low", "close"),
    state=lambda n: 2 * (n + WINDOW),
    lookback=lambda n: n,
    unit="points, -100..0",
    source="Williams 1973, %R; -50 where the window has no range",
    pine="ta.highest({0}) > ta.lowest({0}) ? ta.wpr({0}) : -50.0",
)
@njit
def williams_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Williams %R."""
    n = int(params[0])
    top = max_push(state, 0, n, bar[1])
    bottom = min_push(state, n + WINDOW, n, bar[2])
    return -50.0 if top == bottom else -100.0 * ((top - bar[3]) / (top - bottom))


@feature(
    "cci_{0}",
    "momentum",
    each=((20,),),
    inputs=("high", "low", "close"),
    state=lambda n: n + RING,
    lookback=lambda n: n,
    unit="points, about -200..200",
    source="Lambert 1980, of the typical price; 0 where it did not change",
    pine="ta.dev(hlc3, {0}) > 0 ? ta.cci(hlc3, {0}) : 0.0",
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
    for i in range(RING, RING + n):
        total += abs(state[i] - typical - mean)
    return -mean / (0.015 * (total / n)) if total > 0.0 else 0.0
