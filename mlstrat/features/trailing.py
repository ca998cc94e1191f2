"""Technical, third part: trailing stops. Both are paths without a bounded memory, so each bar's value is
that of a path begun a fixed number of bars before it.

The path begun one bar later soon runs into the one before and is the same from there on, so only its first
bars are computed: the states of the current path are kept, and the new path is followed until it meets them.
"""

import math

from mlstrat.arrays import FloatArray, njit
from mlstrat.features.registry import feature
from mlstrat.features.window import WINDOW, part_of_step, sum_push, true_range

# A slot of the ring holds what the path needs of a bar, then the path's state there.
_SAR, _TREND = 8, 6


@part_of_step
def _sar_begin(state: FloatArray, at: int) -> None:
    """Begin a rising path at the bar in this slot: stop at its low, extreme point at its high."""
    state[at + 4], state[at + 5], state[at + 6], state[at + 7] = 1.0, state[at + 1], state[at], 0.02


@part_of_step
def _sar_follow(state: FloatArray, before: int, at: int) -> bool:
    """Take the path from one slot to the next; whether that changed the state kept there."""
    high, low = state[at], state[at + 1]
    side, stop, extreme, speed = state[before + 4], state[before + 5], state[before + 6], state[before + 7]
    stop += speed * (extreme - stop)
    if side > 0.0:
        stop = min(stop, state[before + 3])
        if low <= stop:
            side, stop, extreme, speed = -1.0, max(extreme, state[at + 2]), low, 0.02
        elif high > extreme:
            extreme, speed = high, min(speed + 0.02, 0.2)
    else:
        stop = max(stop, state[before + 2])
        if high >= stop:
            side, stop, extreme, speed = 1.0, min(extreme, state[at + 3]), high, 0.02
        elif low < extreme:
            extreme, speed = low, min(speed + 0.02, 0.2)
    same = (
        state[at + 4] == side
        and state[at + 5] == stop
        and state[at + 6] == extreme
        and state[at + 7] == speed
    )
    state[at + 4], state[at + 5], state[at + 6], state[at + 7] = side, stop, extreme, speed
    return not same


@feature(
    "psar_{0}",
    "technical",
    each=((100,),),
    inputs=("high", "low", "close"),
    state=lambda n: 2 + _SAR * n,
    lookback=lambda n: n + 1,
    unit="share",
    source="Wilder 1978, ch. 2, parabolic stop 0.02 to 0.2, begun anew for each bar n - 1 bars before it as "
    "a rising path from that bar's low; close over the stop",
    pine="side = 1.0\n"
    "stop = low[{0} - 1]\n"
    "extreme = high[{0} - 1]\n"
    "speed = 0.02\n"
    "for i = {0} - 2 to 0\n"
    "    stop += speed * (extreme - stop)\n"
    "    if side > 0\n"
    "        stop := math.min(stop, low[i + 1], low[i + 2])\n"
    "        if math.sign(low[i] - stop) <= 0\n"
    "            side := -1.0\n"
    "            stop := math.max(extreme, high[i], high[i + 1])\n"
    "            extreme := low[i]\n"
    "            speed := 0.02\n"
    "        else if math.sign(high[i] - extreme) > 0\n"
    "            extreme := high[i]\n"
    "            speed := math.min(speed + 0.02, 0.2)\n"
    "    else\n"
    "        stop := math.max(stop, high[i + 1], high[i + 2])\n"
    "        if math.sign(high[i] - stop) >= 0\n"
    "            side := 1.0\n"
    "            stop := math.min(extreme, low[i], low[i + 1])\n"
    "            extreme := high[i]\n"
    "            speed := 0.02\n"
    "        else if math.sign(low[i] - extreme) < 0\n"
    "            extreme := low[i]\n"
    "            speed := math.min(speed + 0.02, 0.2)\n"
    "close / stop - 1",
)
@njit
def psar_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Distance of the close from the parabolic stop."""
    n = int(params[0])
    slot = int(state[1])
    here = 2 + _SAR * slot
    before = here - _SAR if slot > 0 else 2 + _SAR * (n - 1)
    state[here], state[here + 1] = bar[1], bar[2]
    state[0] += 1.0
    state[1] = 0.0 if slot + 1 == n else slot + 1.0
    if state[0] == 1.0:
        state[here + 2], state[here + 3] = bar[1], bar[2]
        _sar_begin(state, here)
        return math.nan
    # The stop keeps off the two bars before.
    state[here + 2], state[here + 3] = max(bar[1], state[before]), min(bar[2], state[before + 1])
    _sar_follow(state, before, here)
    if state[0] <= n:
        return math.nan
    last = 2 + _SAR * int(state[1])
    _sar_begin(state, last)
    while last != here:
        after = last + _SAR if last + _SAR < 2 + _SAR * n else 2
        if not _sar_follow(state, last, after):
            break
        last = after
    return float(bar[3] / state[here + 5] - 1.0)


@part_of_step
def _trend_begin(state: FloatArray, at: int) -> None:
    """Begin a rising path at the bar in this slot, with both bands where they are."""
    state[at + 3], state[at + 4], state[at + 5] = state[at], state[at + 1], 1.0


@part_of_step
def _trend_follow(state: FloatArray, before: int, at: int) -> bool:
    """Take the path from one slot to the next; whether that changed the state kept there."""
    close, closed = state[at + 2], state[before + 2]
    upper, lower, side = state[before + 3], state[before + 4], state[before + 5]
    if state[at] < upper or closed > upper:
        upper = state[at]
    if state[at + 1] > lower or closed < lower:
        lower = state[at + 1]
    if side < 0.0 and close > upper:
        side = 1.0
    elif side > 0.0 and close < lower:
        side = -1.0
    same = state[at + 3] == upper and state[at + 4] == lower and state[at + 5] == side
    state[at + 3], state[at + 4], state[at + 5] = upper, lower, side
    return not same


@feature(
    "supertrend_{0}",
    "technical",
    each=((10, 3.0, 100),),
    inputs=("high", "low", "close"),
    state=lambda n, mult, window: 3 + n + WINDOW + _TREND * window,
    lookback=lambda n, mult, window: n + window - 1,
    unit="1 = rising, -1 = falling",
    source="Seban's Supertrend, 3 simple means of 10 true ranges from the bar's middle, begun anew for each "
    "bar 99 bars before it as a rising path",
    pine="reach = {1} * ta.sma(ta.tr(true), {0})\n"
    "above = hl2 + reach\n"
    "below = hl2 - reach\n"
    "side = 1.0\n"
    "upper = above[{2} - 1]\n"
    "lower = below[{2} - 1]\n"
    "for i = {2} - 2 to 0\n"
    "    if math.sign(above[i] - upper) < 0 or math.sign(close[i + 1] - upper) > 0\n"
    "        upper := above[i]\n"
    "    if math.sign(below[i] - lower) > 0 or math.sign(close[i + 1] - lower) < 0\n"
    "        lower := below[i]\n"
    "    if side < 0 and math.sign(close[i] - upper) > 0\n"
    "        side := 1.0\n"
    "    else if side > 0 and math.sign(close[i] - lower) < 0\n"
    "        side := -1.0\n"
    "na(upper) ? na : side",
)
@njit
def supertrend_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Side of the Supertrend."""
    n, window = int(params[0]), int(params[2])
    spread = sum_push(state, 3, n, true_range(state[2], bar)) / n
    state[2] = bar[3]
    if math.isnan(spread):
        return math.nan
    first = 3 + n + WINDOW
    slot = int(state[1])
    here = first + _TREND * slot
    before = here - _TREND if slot > 0 else first + _TREND * (window - 1)
    middle = (bar[1] + bar[2]) / 2.0
    state[here], state[here + 1], state[here + 2] = (
        middle + params[1] * spread,
        middle - params[1] * spread,
        bar[3],
    )
    state[0] += 1.0
    state[1] = 0.0 if slot + 1 == window else slot + 1.0
    if state[0] == 1.0:
        _trend_begin(state, here)
        return math.nan
    _trend_follow(state, before, here)
    if state[0] < window:
        return math.nan
    if state[0] > window:
        last = first + _TREND * int(state[1])
        _trend_begin(state, last)
        while last != here:
            after = last + _TREND if last + _TREND < first + _TREND * window else first
            if not _trend_follow(state, last, after):
                break
            last = after
    return float(state[here + 5])
