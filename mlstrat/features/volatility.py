"""Volatility: estimators from the range and from returns, per bar and not annualised."""

import math

from mlstrat.arrays import FloatArray, njit
from mlstrat.features.registry import feature
from mlstrat.features.window import (
    RING,
    WINDOW,
    ring_full,
    ring_mean,
    ring_push,
    ring_variance,
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
    lookback=lambda n: n,
    unit="share a bar",
    source="Parkinson 1980, extreme value estimator",
    pine="math.sqrt(ta.sma(math.pow(math.log(high / low), 2), {0}) / (4 * math.log(2)))",
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
    lookback=lambda n: n,
    unit="share a bar",
    source="Garman and Klass 1980, eq. 20 in its usual short form",
    pine="math.sqrt(ta.sma(0.5 * math.pow(math.log(high / low), 2)"
    " - (2 * math.log(2) - 1) * math.pow(math.log(close / open), 2), {0}))",
)
@njit
def garman_klass_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Volatility from all four prices, without drift."""
    n = int(params[0])
    spread, move = math.log(bar[1] / bar[2]), math.log(bar[3] / bar[0])
    own = 0.5 * spread * spread - (2.0 * math.log(2.0) - 1.0) * move * move
    return math.sqrt(sum_push(state, 0, n, max(own, 0.0)) / n)


@feature(
    "rogers_satchell_{0}",
    "volatility",
    each=((20,),),
    inputs=("open", "high", "low", "close"),
    state=lambda n: n + WINDOW,
    lookback=lambda n: n,
    unit="share a bar",
    source="Rogers and Satchell 1991, independent of drift",
    pine="math.sqrt(ta.sma(math.log(high / close) * math.log(high / open)"
    " + math.log(low / close) * math.log(low / open), {0}))",
)
@njit
def rogers_satchell_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Volatility from all four prices, with drift."""
    n = int(params[0])
    above = math.log(bar[1] / bar[3]) * math.log(bar[1] / bar[0])
    below = math.log(bar[2] / bar[3]) * math.log(bar[2] / bar[0])
    return math.sqrt(sum_push(state, 0, n, above + below) / n)


@feature(
    "yang_zhang_{0}",
    "volatility",
    each=((20,),),
    inputs=("open", "high", "low", "close"),
    state=lambda n: 1 + 2 * (n + RING) + n + WINDOW,
    lookback=lambda n: n + 1,
    unit="share a bar",
    source="Yang and Zhang 2000, eq. 10, k = 0.34 / (1.34 + (n + 1) / (n - 1))",
    no_pine="the sum of two sample variances and a mean is too long for one expression",
)
@njit
def yang_zhang_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Volatility from all four prices, with drift and opening gaps."""
    previous, state[0] = state[0], bar[3]
    if previous == 0.0:
        return math.nan
    n = int(params[0])
    moves, inner = 1 + n + RING, 1 + 2 * (n + RING)
    gap, move = math.log(bar[0] / previous), math.log(bar[3] / bar[0])
    above = math.log(bar[1] / bar[3]) * math.log(bar[1] / bar[0])
    below = math.log(bar[2] / bar[3]) * math.log(bar[2] / bar[0])
    drift_free = sum_push(state, inner, n, above + below) / n
    ring_push(state, 1, n, gap)
    ring_push(state, moves, n, move)
    if not ring_full(state, 1, n):
        return math.nan
    sample = n / (n - 1.0)
    gaps = sample * ring_variance(state, 1, n, gap, ring_mean(state, 1, n, gap))
    days = sample * ring_variance(state, moves, n, move, ring_mean(state, moves, n, move))
    k = 0.34 / (1.34 + (n + 1.0) / (n - 1.0))
    return math.sqrt(gaps + k * days + (1.0 - k) * drift_free)


@feature(
    "downside_{0}",
    "volatility",
    each=((20,),),
    inputs=("close",),
    state=lambda n: 1 + n + WINDOW,
    lookback=lambda n: n + 1,
    unit="share a bar",
    source="Sortino and van der Meer 1991, downside deviation from 0 of n one-bar returns",
    pine="math.sqrt(ta.sma(math.pow(math.min(close / close[1] - 1, 0.0), 2), {0}))",
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
    pine="ta.sma(math.pow(close / close[1] - 1, 2), {1}) > 0 ? math.sqrt("
    "ta.sma(math.pow(close / close[1] - 1, 2), {0}) / ta.sma(math.pow(close / close[1] - 1, 2), {1})) : 1.0",
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
