"""Technical, second part: the close in its band or channel."""

import math

from mlstrat.arrays import FloatArray, njit
from mlstrat.features.registry import feature
from mlstrat.features.window import (
    RING,
    WINDOW,
    max_push,
    min_push,
    ring_back,
    ring_full,
    ring_mean,
    ring_push,
    ring_variance,
    sum_push,
    true_range,
)


@feature(
    "bb_position",
    "technical",
    each=((20, 2.0),),
    inputs=("close",),
    state=lambda n, mult: n + RING,
    lookback=lambda n, mult: n,
    unit="share of the band, 0 = lower, 1 = upper",
    source="Bollinger 2001, %b, population deviation; 0.5 where the band has no width",
    pine="ta.stdev(close, {0}) > 0 ? "
    "0.5 + (close - ta.sma(close, {0})) / (2 * {1} * ta.stdev(close, {0})) : 0.5",
)
@njit
def bb_position_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Where the close lies in its Bollinger band."""
    n = int(params[0])
    ring_push(state, 0, n, bar[3])
    if not ring_full(state, 0, n):
        return math.nan
    mean = ring_mean(state, 0, n, bar[3])
    deviation = math.sqrt(ring_variance(state, 0, n, bar[3], mean))
    return 0.5 - mean / (2.0 * params[1] * deviation) if deviation > 0.0 else 0.5


@feature(
    "bb_width",
    "technical",
    each=((20, 2.0),),
    inputs=("close",),
    state=lambda n, mult: n + RING,
    lookback=lambda n, mult: n,
    unit="share of the middle",
    source="Bollinger 2001, BandWidth, population deviation",
    pine="2 * {1} * ta.stdev(close, {0}) / ta.sma(close, {0})",
)
@njit
def bb_width_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Width of the Bollinger band."""
    n = int(params[0])
    ring_push(state, 0, n, bar[3])
    if not ring_full(state, 0, n):
        return math.nan
    mean = ring_mean(state, 0, n, bar[3])
    deviation = math.sqrt(ring_variance(state, 0, n, bar[3], mean))
    return float(2.0 * params[1] * deviation / (bar[3] + mean))


@feature(
    "keltner_position",
    "technical",
    each=((20, 2.0),),
    inputs=("high", "low", "close"),
    state=lambda n, mult: 1 + RING + n + WINDOW + n,
    lookback=lambda n, mult: n,
    unit="share of the channel, 0 = lower, 1 = upper",
    source="Keltner 1960 with simple means, of close and of true range; 0.5 where the channel has no width",
    pine="math.sum(ta.tr(true), {0}) > 0 ? "
    "0.5 + (close - ta.sma(close, {0})) / (2 * {1} * ta.sma(ta.tr(true), {0})) : 0.5",
)
@njit
def keltner_position_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Where the close lies in its Keltner channel."""
    n = int(params[0])
    spread = sum_push(state, 1 + RING + n, n, true_range(state[0], bar)) / n
    state[0] = bar[3]
    ring_push(state, 1, n, bar[3])
    if not ring_full(state, 1, n):
        return math.nan
    mean = ring_mean(state, 1, n, bar[3])
    return 0.5 - mean / (2.0 * params[1] * spread) if spread > 0.0 else 0.5


@feature(
    "donchian_position_{0}",
    "technical",
    each=((20,), (55,)),
    inputs=("high", "low", "close"),
    state=lambda n: 2 * (n + WINDOW),
    lookback=lambda n: n,
    unit="share of the channel, 0..1",
    source="Donchian's n-bar channel, this bar included; 0.5 where it has no width",
    pine="ta.highest({0}) > ta.lowest({0}) ? "
    "(close - ta.lowest({0})) / (ta.highest({0}) - ta.lowest({0})) : 0.5",
)
@njit
def donchian_position_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Where the close lies between the lowest low and the highest high of n bars."""
    n = int(params[0])
    top = max_push(state, 0, n, bar[1])
    bottom = min_push(state, n + WINDOW, n, bar[2])
    return 0.5 if top == bottom else (bar[3] - bottom) / (top - bottom)


@feature(
    "ichimoku_tenkan_{0}",
    "technical",
    each=((9,),),
    inputs=("high", "low", "close"),
    state=lambda n: 2 * (n + WINDOW),
    lookback=lambda n: n,
    unit="share",
    source="Hosoda 1969: close over the midpoint of n bars, not displaced",
    pine="close / ((ta.highest({0}) + ta.lowest({0})) / 2) - 1",
)
@feature(
    "ichimoku_kijun_{0}",
    "technical",
    each=((26,),),
    inputs=("high", "low", "close"),
    state=lambda n: 2 * (n + WINDOW),
    lookback=lambda n: n,
    unit="share",
    source="Hosoda 1969: close over the midpoint of n bars, not displaced",
    pine="close / ((ta.highest({0}) + ta.lowest({0})) / 2) - 1",
)
@njit
def midpoint_distance_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Close over the middle of the n-bar channel."""
    n = int(params[0])
    top = max_push(state, 0, n, bar[1])
    bottom = min_push(state, n + WINDOW, n, bar[2])
    return float(bar[3] / ((top + bottom) / 2.0) - 1.0)


@feature(
    "aroon_{0}",
    "technical",
    each=((25,),),
    inputs=("high", "low"),
    state=lambda n: 2 * (n + 1 + RING),
    lookback=lambda n: n + 1,
    unit="points, -100..100",
    source="Chande 1995, Aroon oscillator; the latest of equal extremes counts, so 0 on a flat market",
    pine="100.0 * (ta.highestbars(high, {0} + 1) - ta.lowestbars(low, {0} + 1)) / {0}",
)
@njit
def aroon_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Aroon oscillator: how much later the highest high came than the lowest low."""
    n = int(params[0])
    lows = n + 1 + RING
    ring_push(state, 0, n + 1, bar[1])
    ring_push(state, lows, n + 1, bar[2])
    if not ring_full(state, 0, n + 1):
        return math.nan
    top, bottom = bar[1], bar[2]
    since_top, since_bottom = 0, 0
    for k in range(1, n + 1):
        high, low = ring_back(state, 0, n + 1, k), ring_back(state, lows, n + 1, k)
        if high > top:
            top, since_top = high, k
        if low < bottom:
            bottom, since_bottom = low, k
    return 100.0 * (since_bottom - since_top) / n
