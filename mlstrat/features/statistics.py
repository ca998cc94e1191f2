"""Statistics: moments and dependence of one-bar returns."""

import math

from mlstrat.arrays import FloatArray, njit
from mlstrat.features.moments import PAIRS, POWERS, pairs_push, powers_push, variance_of
from mlstrat.features.registry import feature
from mlstrat.features.window import (
    WINDOW,
    max_push,
    min_push,
    sum_push,
)


@feature(
    "ret_mean_{0}",
    "statistics",
    each=((10,), (50,)),
    inputs=("close",),
    state=lambda n: 1 + n + WINDOW,
    local=1 + WINDOW,
    lookback=lambda n: n + 1,
    unit="share a bar",
    source="definition: mean of n one-bar returns",
    pine="ta.sma(close / close[1] - 1, {0})",
)
@njit
def ret_mean_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Mean of one-bar returns."""
    previous, state[0] = state[0], bar[3]
    n = int(params[0])
    return math.nan if previous == 0.0 else sum_push(state, 1, n, bar[3] / previous - 1.0) / n


@feature(
    "ret_std_{0}",
    "statistics",
    each=((10,), (20,), (50,)),
    inputs=("close",),
    state=lambda n: 1 + 2 * n + POWERS,
    local=1 + POWERS,
    lookback=lambda n: n + 1,
    unit="share a bar",
    source="definition: population deviation of n one-bar returns",
    pine="ret = close / close[1] - 1\n"
    "math.sign(ta.highest(ret, {0}) - ta.lowest(ret, {0})) * ta.stdev(ret, {0})",
)
@njit
def ret_std_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Deviation of one-bar returns."""
    previous, state[0] = state[0], bar[3]
    if previous == 0.0:
        return math.nan
    n = int(params[0])
    _, s1, s2, _, _ = powers_push(state, 1, n, 2, bar[3] / previous - 1.0)
    return math.nan if math.isnan(s1) else math.sqrt(variance_of(n, s1, s2))


@feature(
    "ret_skew_{0}",
    "statistics",
    each=((20,), (50,)),
    inputs=("close",),
    state=lambda n: 1 + 3 * n + POWERS,
    local=1 + POWERS,
    lookback=lambda n: n + 1,
    unit="1",
    source="definition: population skewness g1 of n one-bar returns; 0 where they do not vary",
    pine="ret = close / close[1] - 1\n"
    "mean = ta.sma(ret, {0})\n"
    "still = math.sign(ta.highest(ret, {0}) - ta.lowest(ret, {0})) == 0\n"
    "square = 0.0\n"
    "cube = 0.0\n"
    "for i = 0 to {0} - 1\n"
    "    off = ret[i] - mean\n"
    "    square += off * off / {0}\n"
    "    cube += off * off * off / {0}\n"
    "still ? 0.0 : cube / math.pow(square, 1.5)",
)
@njit
def ret_skew_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Skewness of one-bar returns."""
    previous, state[0] = state[0], bar[3]
    if previous == 0.0:
        return math.nan
    n = int(params[0])
    _, s1, s2, s3, _ = powers_push(state, 1, n, 3, bar[3] / previous - 1.0)
    if math.isnan(s1):
        return math.nan
    variance, mean = variance_of(n, s1, s2), s1 / n
    third = s3 / n - 3.0 * mean * (s2 / n) + 2.0 * mean * mean * mean
    return third / (variance * math.sqrt(variance)) if variance > 0.0 else 0.0


@feature(
    "ret_kurt_{0}",
    "statistics",
    each=((20,), (50,)),
    inputs=("close",),
    state=lambda n: 1 + 4 * n + POWERS,
    local=1 + POWERS,
    lookback=lambda n: n + 1,
    unit="1",
    source="definition: population excess kurtosis g2 of n one-bar returns; 0 where they do not vary",
    pine="ret = close / close[1] - 1\n"
    "mean = ta.sma(ret, {0})\n"
    "still = math.sign(ta.highest(ret, {0}) - ta.lowest(ret, {0})) == 0\n"
    "square = 0.0\n"
    "fourth = 0.0\n"
    "for i = 0 to {0} - 1\n"
    "    off = ret[i] - mean\n"
    "    square += off * off / {0}\n"
    "    fourth += off * off * off * off / {0}\n"
    "still ? 0.0 : fourth / (square * square) - 3",
)
@njit
def ret_kurt_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Excess kurtosis of one-bar returns."""
    previous, state[0] = state[0], bar[3]
    if previous == 0.0:
        return math.nan
    n = int(params[0])
    _, s1, s2, s3, s4 = powers_push(state, 1, n, 4, bar[3] / previous - 1.0)
    if math.isnan(s1):
        return math.nan
    variance, mean = variance_of(n, s1, s2), s1 / n
    fourth = s4 / n - 4.0 * mean * (s3 / n) + mean * mean * (6.0 * (s2 / n) - 3.0 * mean * mean)
    return fourth / (variance * variance) - 3.0 if variance > 0.0 else 0.0


@feature(
    "autocorr_{0}",
    "statistics",
    each=((20,), (50,)),
    inputs=("close",),
    state=lambda n: 1 + 4 * n + PAIRS,
    local=1 + PAIRS,
    lookback=lambda n: n + 1,
    unit="-1..1",
    source="Box and Jenkins 1970, lag-1 autocorrelation of n one-bar returns; 0 where they do not vary",
    pine="ret = close / close[1] - 1\n"
    "mean = ta.sma(ret, {0})\n"
    "still = math.sign(ta.highest(ret, {0}) - ta.lowest(ret, {0})) == 0\n"
    "later = 0.0\n"
    "square = 0.0\n"
    "product = 0.0\n"
    "for i = 0 to {0} - 1\n"
    "    off = ret[i] - mean\n"
    "    square += off * off\n"
    "    product += off * later\n"
    "    later := off\n"
    "still ? 0.0 : product / square",
)
@njit
def autocorr_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Autocorrelation of one-bar returns at lag 1."""
    previous, state[0] = state[0], bar[3]
    if previous == 0.0:
        return math.nan
    n = int(params[0])
    _, s1, s2, products, ends = pairs_push(state, 1, n, bar[3] / previous - 1.0)
    variance, mean = variance_of(n, s1, s2), s1 / n
    if math.isnan(s1) or variance == 0.0:
        return 0.0 * s1
    return (products - mean * (2.0 * s1 - ends) + (n - 1.0) * mean * mean) / (n * variance)


@feature(
    "ret_max_{0}",
    "statistics",
    each=((20,),),
    inputs=("close",),
    state=lambda n: 1 + n + WINDOW,
    local=1 + WINDOW,
    lookback=lambda n: n + 1,
    unit="share",
    source="definition: highest of n one-bar returns",
    pine="ta.highest(close / close[1] - 1, {0})",
)
@njit
def ret_max_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Best one-bar return."""
    previous, state[0] = state[0], bar[3]
    return math.nan if previous == 0.0 else max_push(state, 1, int(params[0]), bar[3] / previous - 1.0)


@feature(
    "ret_min_{0}",
    "statistics",
    each=((20,),),
    inputs=("close",),
    state=lambda n: 1 + n + WINDOW,
    local=1 + WINDOW,
    lookback=lambda n: n + 1,
    unit="share",
    source="definition: lowest of n one-bar returns",
    pine="ta.lowest(close / close[1] - 1, {0})",
)
@njit
def ret_min_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Worst one-bar return."""
    previous, state[0] = state[0], bar[3]
    return math.nan if previous == 0.0 else min_push(state, 1, int(params[0]), bar[3] / previous - 1.0)


@feature(
    "up_share_{0}",
    "statistics",
    each=((20,),),
    inputs=("close",),
    state=lambda n: 1 + n + WINDOW,
    local=1 + WINDOW,
    lookback=lambda n: n + 1,
    unit="share of bars, 0..1",
    source="definition: bars that closed above the one before, unchanged ones counted half",
    pine="0.5 + 0.5 * ta.sma(math.sign(ta.change(close)), {0})",
)
@njit
def up_share_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Share of rising bars."""
    previous, state[0] = state[0], bar[3]
    if previous == 0.0:
        return math.nan
    n = int(params[0])
    up = 1.0 if bar[3] > previous else (0.0 if bar[3] < previous else 0.5)
    return sum_push(state, 1, n, up) / n


@feature(
    "streak_{0}",
    "statistics",
    each=((10,),),
    inputs=("close",),
    state=2,
    lookback=2,
    warmup=lambda cap: cap + 1,
    unit="bars",
    source="definition: closes in a row above (below: negative) the one before, counted up to a cap",
    pine="var float count = 0.0\n"
    "move = nz(math.sign(ta.change(close)))\n"
    "rising = math.min(math.max(count, 0.0) + 1, {0})\n"
    "falling = math.max(math.min(count, 0.0) - 1, -{0})\n"
    "count := move == 0 ? 0.0 : move > 0 ? rising : falling\n"
    "count",
)
@njit
def streak_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Rising or falling closes in a row."""
    previous, state[0] = state[0], bar[3]
    if previous == 0.0:
        return math.nan
    if bar[3] > previous:
        state[1] = min(max(state[1], 0.0) + 1.0, params[0])
    elif bar[3] < previous:
        state[1] = max(min(state[1], 0.0) - 1.0, -params[0])
    else:
        state[1] = 0.0
    return float(state[1])
