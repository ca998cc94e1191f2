"""Technical, second part: the close in its band or channel."""

import math

from mlstrat.arrays import FloatArray, njit
from mlstrat.features.moments import POWERS, powers_push, variance_of
from mlstrat.features.registry import feature
from mlstrat.features.window import (
    RING,
    WINDOW,
    max_push,
    min_push,
    part_of_step,
    ring_back,
    ring_full,
    ring_push,
    sum_push,
    true_range,
)


@feature(
    "bb_position",
    "technical",
    each=((20, 2.0),),
    inputs=("close",),
    state=lambda n, mult: 2 * n + POWERS,
    local=POWERS,
    lookback=lambda n, mult: n,
    unit="share of the band, 0 = lower, 1 = upper",
    source="Bollinger 2001, %b, population deviation; 0.5 where the band has no width",
    pine="mean = ta.sma(close, {0})\n"
    "square = 0.0\n"
    "for i = 0 to {0} - 1\n"
    "    square += math.pow(close[i] - mean, 2)\n"
    "deviation = math.sqrt(square / {0})\n"
    "flat = math.sign(ta.highest(close, {0}) - ta.lowest(close, {0})) == 0\n"
    "flat ? 0.5 : 0.5 + (close - mean) / (2 * {1} * deviation)",
)
@njit
def bb_position_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Where the close lies in its Bollinger band."""
    n = int(params[0])
    pivot, s1, s2, _, _ = powers_push(state, 0, n, 2, bar[3])
    if math.isnan(s1):
        return math.nan
    reach = params[1] * math.sqrt(variance_of(n, s1, s2))
    return 0.5 + (bar[3] - pivot - s1 / n) / (2.0 * reach) if reach > 0.0 else 0.5


@feature(
    "bb_width",
    "technical",
    each=((20, 2.0),),
    inputs=("close",),
    state=lambda n, mult: 2 * n + POWERS,
    local=POWERS,
    lookback=lambda n, mult: n,
    unit="share of the middle",
    source="Bollinger 2001, BandWidth, population deviation",
    pine="mean = ta.sma(close, {0})\n"
    "square = 0.0\n"
    "for i = 0 to {0} - 1\n"
    "    square += math.pow(close[i] - mean, 2)\n"
    "deviation = math.sqrt(square / {0})\n"
    "flat = math.sign(ta.highest(close, {0}) - ta.lowest(close, {0})) == 0\n"
    "flat ? 0.0 : 2 * {1} * deviation / mean",
)
@njit
def bb_width_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Width of the Bollinger band."""
    n = int(params[0])
    pivot, s1, s2, _, _ = powers_push(state, 0, n, 2, bar[3])
    if math.isnan(s1):
        return math.nan
    return float(2.0 * params[1] * math.sqrt(variance_of(n, s1, s2)) / (pivot + s1 / n))


@feature(
    "keltner_position",
    "technical",
    each=((20, 2.0),),
    inputs=("high", "low", "close"),
    state=lambda n, mult: 1 + n + WINDOW + n + POWERS,
    lookback=lambda n, mult: n,
    unit="share of the channel, 0 = lower, 1 = upper",
    source="Keltner 1960 with simple means, of close and of true range; 0.5 where the channel has no width",
    pine="mean = ta.sma(close, {0})\n"
    "spread = ta.sma(ta.tr(true), {0})\n"
    "flat = math.sign(ta.highest(ta.tr(true), {0})) == 0\n"
    "flat ? 0.5 : 0.5 + (close - mean) / (2 * {1} * spread)",
)
@njit
def keltner_position_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Where the close lies in its Keltner channel."""
    n = int(params[0])
    spread = sum_push(state, 1, n, true_range(state[0], bar)) / n
    state[0] = bar[3]
    pivot, s1, _, _, _ = powers_push(state, 1 + n + WINDOW, n, 1, bar[3])
    if math.isnan(s1):
        return math.nan
    return 0.5 + (bar[3] - pivot - s1 / n) / (2.0 * params[1] * spread) if spread > 0.0 else 0.5


@feature(
    "donchian_position_{0}",
    "technical",
    each=((20,), (55,)),
    inputs=("high", "low", "close"),
    state=lambda n: 2 * (n + WINDOW),
    local=2 * WINDOW,
    lookback=lambda n: n,
    unit="share of the channel, 0..1",
    source="Donchian's n-bar channel, this bar included; 0.5 where it has no width",
    pine="top = ta.highest({0})\n"
    "bottom = ta.lowest({0})\n"
    "math.sign(top - bottom) == 0 ? 0.5 : (close - bottom) / (top - bottom)",
)
@njit
def donchian_position_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Where the close lies between the lowest low and the highest high of n bars."""
    n = int(params[0])
    top = max_push(state, 0, n, bar[1], 2 * WINDOW)
    bottom = min_push(state, WINDOW, n, bar[2], 2 * WINDOW + n)
    return 0.5 if top == bottom else (bar[3] - bottom) / (top - bottom)


@feature(
    "ichimoku_tenkan_{0}",
    "technical",
    each=((9,),),
    inputs=("high", "low", "close"),
    state=lambda n: 2 * (n + WINDOW),
    local=2 * WINDOW,
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
    local=2 * WINDOW,
    lookback=lambda n: n,
    unit="share",
    source="Hosoda 1969: close over the midpoint of n bars, not displaced",
    pine="close / ((ta.highest({0}) + ta.lowest({0})) / 2) - 1",
)
@njit
def midpoint_distance_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Close over the middle of the n-bar channel."""
    n = int(params[0])
    top = max_push(state, 0, n, bar[1], 2 * WINDOW)
    bottom = min_push(state, WINDOW, n, bar[2], 2 * WINDOW + n)
    return float(bar[3] / ((top + bottom) / 2.0) - 1.0)


@part_of_step
def _since_highest(state: FloatArray, at: int, first: int, n: int, value: float) -> float:
    """Append a value and return how many bars ago the latest highest of the last n was; NaN before n bars.

    A ring of n and the age of its highest value, which is searched for only when the old one has left.
    """
    ring_push(state, at, n, value, first)
    if state[at] == 1.0:
        return math.nan
    age = int(state[at + RING]) + 1
    if age >= n:
        age, top = 0, value
        for k in range(1, n):
            earlier = ring_back(state, at, n, k, first)
            if earlier > top:
                age, top = k, earlier
    elif value >= ring_back(state, at, n, age, first):
        age = 0
    state[at + RING] = age
    return float(age) if ring_full(state, at, n) else math.nan


@feature(
    "aroon_{0}",
    "technical",
    each=((25,),),
    inputs=("high", "low"),
    state=lambda n: 2 * (n + 1 + RING + 1),
    local=2 * (RING + 1),
    lookback=lambda n: n + 1,
    unit="points, -100..100",
    source="Chande 1995, Aroon oscillator; the latest of equal extremes counts, so 0 on a flat market",
    pine="top = ta.highest({0} + 1)\n"
    "bottom = ta.lowest({0} + 1)\n"
    "since_top = 0\n"
    "since_bottom = 0\n"
    "for i = {0} to 0\n"
    "    since_top := math.sign(high[i] - top) == 0 ? i : since_top\n"
    "    since_bottom := math.sign(low[i] - bottom) == 0 ? i : since_bottom\n"
    "na(top) ? na : 100.0 * (since_bottom - since_top) / {0}",
)
@njit
def aroon_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Aroon oscillator: how much later the highest high came than the lowest low."""
    n = int(params[0])
    since_top = _since_highest(state, 0, 2 * (RING + 1), n + 1, bar[1])
    since_bottom = _since_highest(state, RING + 1, 2 * (RING + 1) + n + 1, n + 1, -bar[2])
    return 100.0 * (since_bottom - since_top) / n
