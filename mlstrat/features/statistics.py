"""Statistics: moments and dependence of one-bar returns."""

import math

from mlstrat.arrays import FloatArray, njit
from mlstrat.features.registry import feature
from mlstrat.features.window import (
    RING,
    WINDOW,
    max_push,
    min_push,
    part_of_step,
    ring_back,
    ring_full,
    ring_mean,
    ring_push,
    ring_variance,
    sum_push,
)


@part_of_step
def return_push(state: FloatArray, n: int, close: float) -> bool:
    """Append the one-bar return to a ring of n at offset 1; whether the ring is full."""
    previous, state[0] = state[0], close
    if previous > 0.0:
        ring_push(state, 1, n, close / previous - 1.0)
    return ring_full(state, 1, n)


@feature(
    "ret_mean_{0}",
    "statistics",
    each=((10,), (50,)),
    inputs=("close",),
    state=lambda n: 1 + n + WINDOW,
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
    state=lambda n: 1 + n + RING,
    lookback=lambda n: n + 1,
    unit="share a bar",
    source="definition: population deviation of n one-bar returns",
    pine="ta.stdev(close / close[1] - 1, {0})",
)
@njit
def ret_std_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Deviation of one-bar returns."""
    n = int(params[0])
    if not return_push(state, n, bar[3]):
        return math.nan
    pivot = state[1 + RING]
    return math.sqrt(ring_variance(state, 1, n, pivot, ring_mean(state, 1, n, pivot)))


@part_of_step
def _standard_moment(state: FloatArray, n: int, power: int) -> float:
    """Mean of the ring's values as z-scores, to a power; NaN where they do not vary."""
    pivot = state[1 + RING]
    mean = ring_mean(state, 1, n, pivot)
    variance = ring_variance(state, 1, n, pivot, mean)
    if variance == 0.0:
        return math.nan
    total = 0.0
    for i in range(1 + RING, 1 + RING + n):
        off = state[i] - pivot - mean
        total += off * off * off if power == 3 else (off * off) * (off * off)
    return total / n / (variance * math.sqrt(variance) if power == 3 else variance * variance)


@feature(
    "ret_skew_{0}",
    "statistics",
    each=((20,), (50,)),
    inputs=("close",),
    state=lambda n: 1 + n + RING,
    lookback=lambda n: n + 1,
    unit="1",
    source="definition: population skewness g1 of n one-bar returns; 0 where they do not vary",
    no_pine="a third central moment needs a loop: too long for one expression",
)
@njit
def ret_skew_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Skewness of one-bar returns."""
    n = int(params[0])
    if not return_push(state, n, bar[3]):
        return math.nan
    moment = _standard_moment(state, n, 3)
    return 0.0 if math.isnan(moment) else moment


@feature(
    "ret_kurt_{0}",
    "statistics",
    each=((20,), (50,)),
    inputs=("close",),
    state=lambda n: 1 + n + RING,
    lookback=lambda n: n + 1,
    unit="1",
    source="definition: population excess kurtosis g2 of n one-bar returns; 0 where they do not vary",
    no_pine="a fourth central moment needs a loop: too long for one expression",
)
@njit
def ret_kurt_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Excess kurtosis of one-bar returns."""
    n = int(params[0])
    if not return_push(state, n, bar[3]):
        return math.nan
    moment = _standard_moment(state, n, 4)
    return 0.0 if math.isnan(moment) else moment - 3.0


@feature(
    "autocorr_{0}",
    "statistics",
    each=((20,), (50,)),
    inputs=("close",),
    state=lambda n: 1 + n + RING,
    lookback=lambda n: n + 1,
    unit="-1..1",
    source="Box and Jenkins 1970, lag-1 autocorrelation of n one-bar returns; 0 where they do not vary",
    no_pine="needs a loop over the window: too long for one expression",
)
@njit
def autocorr_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Autocorrelation of one-bar returns at lag 1."""
    n = int(params[0])
    if not return_push(state, n, bar[3]):
        return math.nan
    pivot = state[1 + RING]
    mean = ring_mean(state, 1, n, pivot)
    variance = ring_variance(state, 1, n, pivot, mean)
    if variance == 0.0:
        return 0.0
    later = ring_back(state, 1, n, 0) - pivot - mean
    total = 0.0
    for k in range(1, n):
        earlier = ring_back(state, 1, n, k) - pivot - mean
        total += later * earlier
        later = earlier
    return total / (n * variance)


@feature(
    "ret_max_{0}",
    "statistics",
    each=((20,),),
    inputs=("close",),
    state=lambda n: 1 + n + WINDOW,
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
    no_pine="a count that goes on needs a variable: too long for one expression",
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
