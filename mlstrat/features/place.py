"""Statistics, second part: where the close stands in its own past, and how straight the way was."""

import math

from mlstrat.arrays import FloatArray, njit
from mlstrat.features.local import values_at
from mlstrat.features.moments import LINE, POWERS, line_push, powers_push, variance_of
from mlstrat.features.registry import feature
from mlstrat.features.window import (
    RING,
    WINDOW,
    max_push,
    min_push,
    ring_full,
    ring_push,
)


@feature(
    "zscore_{0}",
    "statistics",
    each=((50,),),
    inputs=("close",),
    state=lambda n: 2 * n + POWERS,
    local=POWERS,
    lookback=lambda n: n,
    unit="population deviations",
    source="definition: z-score of the close in n closes; 0 where they are equal",
    pine="mean = ta.sma(close, {0})\n"
    "square = 0.0\n"
    "for i = 0 to {0} - 1\n"
    "    square += math.pow(close[i] - mean, 2)\n"
    "deviation = math.sqrt(square / {0})\n"
    "flat = math.sign(ta.highest(close, {0}) - ta.lowest(close, {0})) == 0\n"
    "flat ? 0.0 : (close - mean) / deviation",
)
@njit
def zscore_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Z-score of the close."""
    n = int(params[0])
    pivot, s1, s2, _, _ = powers_push(state, 0, n, 2, bar[3])
    if math.isnan(s1):
        return math.nan
    variance = variance_of(n, s1, s2)
    return (bar[3] - pivot - s1 / n) / math.sqrt(variance) if variance > 0.0 else 0.0


@feature(
    "rank_{0}",
    "statistics",
    each=((50,),),
    inputs=("close",),
    state=lambda n: n + RING,
    local=RING,
    lookback=lambda n: n,
    unit="share, 0..1",
    source="definition: share of the n - 1 earlier closes below this one, equal ones counted half",
    pine="halves = 0.0\n"
    "for i = 1 to {0} - 1\n"
    "    halves += math.sign(close - close[i]) + 1\n"
    "halves / (2 * ({0} - 1))",
)
@njit
def rank_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Rank of the close among the closes before it."""
    n = int(params[0])
    ring_push(state, 0, n, bar[3])
    if not ring_full(state, 0, n):
        return math.nan
    # Counted in halves; the close itself is one of the equal ones.
    halves = -1
    earlier = values_at(state, RING)
    for i in range(n):
        halves += int(earlier[i] < bar[3]) + int(earlier[i] <= bar[3])
    return halves / (2.0 * (n - 1.0))


@feature(
    "drawdown_{0}",
    "statistics",
    each=((50,), (200,)),
    inputs=("close",),
    state=lambda n: n + WINDOW,
    local=WINDOW,
    lookback=lambda n: n,
    unit="share, -1..0",
    source="definition: close over the highest of n closes",
    pine="close / ta.highest(close, {0}) - 1",
)
@njit
def drawdown_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Fall from the highest close."""
    return float(bar[3] / max_push(state, 0, int(params[0]), bar[3]) - 1.0)


@feature(
    "rise_{0}",
    "statistics",
    each=((50,),),
    inputs=("close",),
    state=lambda n: n + WINDOW,
    local=WINDOW,
    lookback=lambda n: n,
    unit="share, from 0",
    source="definition: close over the lowest of n closes",
    pine="close / ta.lowest(close, {0}) - 1",
)
@njit
def rise_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Rise from the lowest close."""
    return float(bar[3] / min_push(state, 0, int(params[0]), bar[3]) - 1.0)


@feature(
    "trend_slope_{0}",
    "statistics",
    each=((20,),),
    inputs=("close",),
    state=lambda n: 3 * n + LINE,
    local=LINE,
    lookback=lambda n: n,
    unit="share of close a bar",
    source="definition: slope of the least-squares line through n closes, over close",
    pine="(ta.linreg(close, {0}, 0) - ta.linreg(close, {0}, 1)) / close",
)
@njit
def trend_slope_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Slope of the line through the closes."""
    n = int(params[0])
    _, s1, _, weighted = line_push(state, 0, n, bar[3])
    of_time = n * (n * n - 1.0) / 12.0
    return float((weighted - (n + 1.0) / 2.0 * s1) / of_time / bar[3])


@feature(
    "trend_r2_{0}",
    "statistics",
    each=((20,),),
    inputs=("close",),
    state=lambda n: 3 * n + LINE,
    local=LINE,
    lookback=lambda n: n,
    unit="share, 0..1",
    source="definition: squared correlation of close and time in n bars; 0 where the closes are equal",
    pine="mean = ta.sma(close, {0})\n"
    "flat = math.sign(ta.highest(close, {0}) - ta.lowest(close, {0})) == 0\n"
    "shared = 0.0\n"
    "square = 0.0\n"
    "for i = 0 to {0} - 1\n"
    "    off = close[i] - mean\n"
    "    shared += (({0} - 1) / 2.0 - i) * off\n"
    "    square += off * off\n"
    "flat ? 0.0 : shared * shared / (square * {0} * ({0} * {0} - 1) / 12.0)",
)
@njit
def trend_r2_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Straightness of the closes."""
    n = int(params[0])
    _, s1, s2, weighted = line_push(state, 0, n, bar[3])
    if math.isnan(s1):
        return math.nan
    of_time = n * (n * n - 1.0) / 12.0
    shared = weighted - (n + 1.0) / 2.0 * s1
    variance = variance_of(n, s1, s2)
    return shared * shared / (of_time * n * variance) if variance > 0.0 else 0.0
