"""Volatility: estimators from the range and from returns, per bar and not annualised."""

import math

from mlstrat.arrays import FloatArray, njit
from mlstrat.features.moments import POWERS, powers_push, variance_of
from mlstrat.features.registry import feature
from mlstrat.features.window import (
    WINDOW,
    part_of_step,
    sum_push,
    true_range,
)


@feature(
    "true_range",
    "volatility",
    inputs=("high", "low", "close"),
    state=1,
    lookback=2,
    unit="share of close",
    source="Wilder 1978, ch. 3, over close",
    pine="ta.tr / close",
)
@njit
def true_range_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """True range of the bar."""
    previous, state[0] = state[0], bar[3]
    return math.nan if previous == 0.0 else true_range(previous, bar) / bar[3]


@feature(
    "parkinson_{0}",
    "volatility",
    each=((20,), (50,)),
    inputs=("high", "low"),
    state=lambda n: n + WINDOW,
    local=WINDOW,
    lookback=lambda n: n,
    unit="share a bar",
    source="Parkinson 1980, extreme value estimator",
    pine="own = math.pow(math.log(high / low), 2) / (4 * math.log(2))\n"
    "math.sqrt(math.sign(ta.highest(own, {0})) * ta.sma(own, {0}))",
)
@njit
def parkinson_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Volatility from high and low."""
    n = int(params[0])
    spread = math.log(bar[1] / bar[2])
    return math.sqrt(sum_push(state, 0, n, spread * spread) / (4.0 * math.log(2.0) * n))


@feature(
    "garman_klass_{0}",
    "volatility",
    each=((20,),),
    inputs=("open", "high", "low", "close"),
    state=lambda n: n + WINDOW,
    local=WINDOW,
    lookback=lambda n: n,
    unit="share a bar",
    source="Garman and Klass 1980, eq. 20 in its usual short form",
    pine="move = math.pow(math.log(close / open), 2)\n"
    "own = math.max(0.5 * math.pow(math.log(high / low), 2) - (2 * math.log(2) - 1) * move, 0.0)\n"
    "math.sqrt(math.sign(ta.highest(own, {0})) * ta.sma(own, {0}))",
)
@njit
def garman_klass_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Volatility from all four prices, without drift."""
    n = int(params[0])
    spread, move = math.log(bar[1] / bar[2]), math.log(bar[3] / bar[0])
    own = 0.5 * spread * spread - (2.0 * math.log(2.0) - 1.0) * move * move
    return math.sqrt(sum_push(state, 0, n, max(own, 0.0)) / n)


@part_of_step
def _drift_free(bar: FloatArray, move: float) -> float:
    """Rogers and Satchell's variance of one bar, where `move` is its log return from open to close."""
    above, below = math.log(bar[1] / bar[3]), math.log(bar[2] / bar[3])
    # Rounding leaves about -1e-33 where the bar is all body.
    return max(above * (above + move) + below * (below + move), 0.0)


@feature(
    "rogers_satchell_{0}",
    "volatility",
    each=((20,),),
    inputs=("open", "high", "low", "close"),
    state=lambda n: n + WINDOW,
    local=WINDOW,
    lookback=lambda n: n,
    unit="share a bar",
    source="Rogers and Satchell 1991, independent of drift",
    pine="above = math.log(high / close) * math.log(high / open)\n"
    "own = math.max(above + math.log(low / close) * math.log(low / open), 0.0)\n"
    "math.sqrt(math.sign(ta.highest(own, {0})) * ta.sma(own, {0}))",
)
@njit
def rogers_satchell_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Volatility from all four prices, with drift."""
    n = int(params[0])
    return math.sqrt(sum_push(state, 0, n, _drift_free(bar, math.log(bar[3] / bar[0]))) / n)


@feature(
    "yang_zhang_{0}",
    "volatility",
    each=((20,),),
    inputs=("open", "high", "low", "close"),
    state=lambda n: 1 + 2 * (2 * n + POWERS) + n + WINDOW,
    lookback=lambda n: n + 1,
    unit="share a bar",
    source="Yang and Zhang 2000, eq. 10, k = 0.34 / (1.34 + (n + 1) / (n - 1))",
    pine="gap = math.log(open / close[1])\n"
    "move = math.log(close / open)\n"
    "above = math.log(high / close) * math.log(high / open)\n"
    "own = math.max(above + math.log(low / close) * math.log(low / open), 0.0)\n"
    "gaps = math.sign(ta.highest(gap, {0}) - ta.lowest(gap, {0})) * ta.variance(gap, {0}, false)\n"
    "days = math.sign(ta.highest(move, {0}) - ta.lowest(move, {0})) * ta.variance(move, {0}, false)\n"
    "drift_free = math.sign(ta.highest(own, {0})) * ta.sma(own, {0})\n"
    "k = 0.34 / (1.34 + ({0} + 1.0) / ({0} - 1.0))\n"
    "math.sqrt(gaps + k * days + (1 - k) * drift_free)",
)
@njit
def yang_zhang_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Volatility from all four prices, with drift and opening gaps."""
    previous, state[0] = state[0], bar[3]
    if previous == 0.0:
        return math.nan
    n = int(params[0])
    second, inner = 1 + 2 * n + POWERS, 1 + 2 * (2 * n + POWERS)
    move = math.log(bar[3] / bar[0])
    drift_free = sum_push(state, inner, n, _drift_free(bar, move)) / n
    _, gap1, gap2, _, _ = powers_push(state, 1, n, 2, math.log(bar[0] / previous))
    _, move1, move2, _, _ = powers_push(state, second, n, 2, move)
    if math.isnan(gap1):
        return math.nan
    sample = n / (n - 1.0)
    gaps, days = sample * variance_of(n, gap1, gap2), sample * variance_of(n, move1, move2)
    k = 0.34 / (1.34 + (n + 1.0) / (n - 1.0))
    return math.sqrt(gaps + k * days + (1.0 - k) * drift_free)


@feature(
    "realised_vol_{0}",
    "volatility",
    each=((20,), (50,), (100,)),
    inputs=("close",),
    state=lambda n: 1 + n + WINDOW,
    local=1 + WINDOW,
    lookback=lambda n: n + 1,
    unit="share over n bars",
    source="Andersen and Bollerslev 1998: square root of the sum of n squared log returns",
    pine="own = math.pow(math.log(close / close[1]), 2)\n"
    "math.sqrt(math.sign(ta.highest(own, {0})) * math.sum(own, {0}))",
)
@njit
def realised_vol_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Realised volatility of a window."""
    previous, state[0] = state[0], bar[3]
    if previous == 0.0:
        return math.nan
    change = math.log(bar[3] / previous)
    return math.sqrt(sum_push(state, 1, int(params[0]), change * change))


@feature(
    "vol_of_vol_{0}_{1}",
    "volatility",
    each=((10, 20), (20, 50)),
    inputs=("close",),
    state=lambda n, m: 1 + n + WINDOW + 2 * m + POWERS,
    lookback=lambda n, m: n + m,
    unit="share",
    source="definition: population deviation over mean, in m bars, of the root mean square of n one-bar "
    "returns; 0 where no price changed",
    pine="own = math.pow(close / close[1] - 1, 2)\n"
    "vol = math.sqrt(math.sign(ta.highest(own, {0})) * ta.sma(own, {0}))\n"
    "mean = ta.sma(vol, {1})\n"
    "square = 0.0\n"
    "for i = 0 to {1} - 1\n"
    "    square += math.pow(vol[i] - mean, 2)\n"
    "still = math.sign(ta.highest(vol, {1}) - ta.lowest(vol, {1})) == 0\n"
    "still ? 0.0 : math.sqrt(square / {1}) / mean",
)
@njit
def vol_of_vol_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Variation of the volatility."""
    previous, state[0] = state[0], bar[3]
    if previous == 0.0:
        return math.nan
    n, m = int(params[0]), int(params[1])
    change = bar[3] / previous - 1.0
    vol = math.sqrt(sum_push(state, 1, n, change * change) / n)
    if math.isnan(vol):
        return math.nan
    pivot, s1, s2, _, _ = powers_push(state, 1 + n + WINDOW, m, 2, vol)
    mean = pivot + s1 / m
    return 0.0 if mean == 0.0 else math.sqrt(variance_of(m, s1, s2)) / mean


@feature(
    "downside_{0}",
    "volatility",
    each=((20,),),
    inputs=("close",),
    state=lambda n: 1 + n + WINDOW,
    local=1 + WINDOW,
    lookback=lambda n: n + 1,
    unit="share a bar",
    source="Sortino and van der Meer 1991, downside deviation from 0 of n one-bar returns",
    pine="own = math.pow(math.min(close / close[1] - 1, 0.0), 2)\n"
    "math.sqrt(math.sign(ta.highest(own, {0})) * ta.sma(own, {0}))",
)
@njit
def downside_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Root mean square of the negative returns."""
    previous, state[0] = state[0], bar[3]
    if previous == 0.0:
        return math.nan
    n = int(params[0])
    loss = min(bar[3] / previous - 1.0, 0.0)
    return math.sqrt(sum_push(state, 1, n, loss * loss) / n)


@feature(
    "vol_ratio_{0}_{1}",
    "volatility",
    each=((5, 20), (20, 100)),
    inputs=("close",),
    state=lambda fast, slow: 1 + fast + slow + 2 * WINDOW,
    lookback=lambda fast, slow: slow + 1,
    unit="ratio",
    source="definition: root mean square of the last one-bar returns over that of more; 1 where none moved",
    pine="own = math.pow(close / close[1] - 1, 2)\n"
    "fast = math.sign(ta.highest(own, {0})) * ta.sma(own, {0})\n"
    "slow = math.sign(ta.highest(own, {1})) * ta.sma(own, {1})\n"
    "math.sign(slow) == 0 ? 1.0 : math.sqrt(fast / slow)",
)
@njit
def vol_ratio_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Short volatility over long."""
    previous, state[0] = state[0], bar[3]
    if previous == 0.0:
        return math.nan
    fast, slow = int(params[0]), int(params[1])
    change = bar[3] / previous - 1.0
    short = sum_push(state, 1, fast, change * change) / fast
    long = sum_push(state, 1 + fast + WINDOW, slow, change * change) / slow
    return 1.0 if long == 0.0 else math.sqrt(short / long)
