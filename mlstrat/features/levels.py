"""Levels in price, for conditions such as `close > sma_px_200`; no model is trained on them."""

import math

from mlstrat.arrays import FloatArray, njit
from mlstrat.features.moments import LINE, line_push
from mlstrat.features.registry import decay_bars, feature
from mlstrat.features.window import EMA, WINDOW, ema_push, max_push, min_push, sum_push

_LENGTHS = ((5,), (10,), (20,), (50,), (100,), (200,))


@feature(
    "sma_px_{0}",
    "moving_average",
    each=_LENGTHS,
    inputs=("close",),
    state=lambda n: n + WINDOW,
    local=WINDOW,
    lookback=lambda n: n,
    unit="price",
    source="definition: simple mean of n closes",
    pine="ta.sma(close, {0})",
    model_input=False,
)
@njit
def sma_px_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Simple mean of the closes."""
    n = int(params[0])
    return float(sum_push(state, 0, n, bar[3]) / n)


@feature(
    "ema_px_{0}",
    "moving_average",
    each=_LENGTHS,
    inputs=("close",),
    state=EMA,
    lookback=lambda n: n,
    warmup=lambda n: n + decay_bars(n),
    unit="price",
    source="definition: exponential mean of the closes, seeded with the simple mean of the first n",
    pine="ta.ema(close, {0})",
    model_input=False,
)
@njit
def ema_px_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Exponential mean of the closes."""
    n = int(params[0])
    return float(ema_push(state, 0, n, 2.0 / (n + 1.0), bar[3]))


@feature(
    "wma_px_{0}",
    "moving_average",
    each=_LENGTHS,
    inputs=("close",),
    state=lambda n: 3 * n + LINE,
    local=LINE,
    lookback=lambda n: n,
    unit="price",
    source="definition: mean of n closes with weights n, n - 1, ... 1",
    pine="ta.wma(close, {0})",
    model_input=False,
)
@njit
def wma_px_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Linearly weighted mean of the closes."""
    n = int(params[0])
    pivot, _, _, weighted = line_push(state, 0, n, bar[3])
    return float(pivot + weighted / (n * (n + 1) / 2.0))


@feature(
    "high_px_{0}",
    "technical",
    each=((20,), (55,)),
    inputs=("high",),
    state=lambda n: 1 + n + WINDOW,
    lookback=lambda n: n + 1,
    unit="price",
    source="Donchian's channel: highest high of the n bars before this one, so that a close can lie above it",
    pine="ta.highest(high, {0})[1]",
    model_input=False,
)
@njit
def high_px_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Highest high of the bars before."""
    before, state[0] = state[0], bar[1]
    return math.nan if before == 0.0 else float(max_push(state, 1, int(params[0]), before))


@feature(
    "low_px_{0}",
    "technical",
    each=((20,), (55,)),
    inputs=("low",),
    state=lambda n: 1 + n + WINDOW,
    lookback=lambda n: n + 1,
    unit="price",
    source="Donchian's channel: lowest low of the n bars before this one, so that a close can lie below it",
    pine="ta.lowest(low, {0})[1]",
    model_input=False,
)
@njit
def low_px_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Lowest low of the bars before."""
    before, state[0] = state[0], bar[2]
    return math.nan if before == 0.0 else float(min_push(state, 1, int(params[0]), before))
