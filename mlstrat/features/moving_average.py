"""Moving averages: distance of the close from them, crossovers and slopes."""

from mlstrat.arrays import FloatArray, njit
from mlstrat.features.moments import LINE, line_push
from mlstrat.features.registry import decay_bars, feature
from mlstrat.features.window import EMA, RING, WINDOW, ema_push, ring_push, sum_push

_LENGTHS = ((5,), (10,), (20,), (50,), (100,), (200,))


@feature(
    "sma_{0}",
    "moving_average",
    each=_LENGTHS,
    inputs=("close",),
    state=lambda n: n + WINDOW,
    local=WINDOW,
    lookback=lambda n: n,
    unit="share",
    source="definition: close over the simple mean of n closes",
    pine="close / ta.sma(close, {0}) - 1",
)
@njit
def sma_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Distance of the close from its simple mean."""
    n = int(params[0])
    return float(bar[3] / (sum_push(state, 0, n, bar[3]) / n) - 1.0)


@feature(
    "ema_{0}",
    "moving_average",
    each=_LENGTHS,
    inputs=("close",),
    state=EMA,
    lookback=lambda n: n,
    warmup=lambda n: n + decay_bars(n),
    unit="share",
    source="definition: close over the exponential mean, seeded with the simple mean of the first n closes",
    pine="close / ta.ema(close, {0}) - 1",
)
@njit
def ema_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Distance of the close from its exponential mean."""
    n = int(params[0])
    return float(bar[3] / ema_push(state, 0, n, 2.0 / (n + 1.0), bar[3]) - 1.0)


@feature(
    "wma_{0}",
    "moving_average",
    each=_LENGTHS,
    inputs=("close",),
    state=lambda n: 3 * n + LINE,
    local=LINE,
    lookback=lambda n: n,
    unit="share",
    source="definition: close over the mean of n closes with weights n, n - 1, ... 1",
    pine="close / ta.wma(close, {0}) - 1",
)
@njit
def wma_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Distance of the close from its linearly weighted mean."""
    n = int(params[0])
    pivot, _, _, weighted = line_push(state, 0, n, bar[3])
    return float(bar[3] / (pivot + weighted / (n * (n + 1) / 2.0)) - 1.0)


@feature(
    "sma_cross_{0}_{1}",
    "moving_average",
    each=((5, 20), (20, 50), (50, 200)),
    inputs=("close",),
    state=lambda fast, slow: fast + slow + 2 * WINDOW,
    lookback=lambda fast, slow: slow,
    unit="share",
    source="definition: short simple mean over long; its sign changes at the crossover",
    pine="ta.sma(close, {0}) / ta.sma(close, {1}) - 1",
)
@njit
def sma_cross_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Short simple mean over the long one."""
    fast, slow = int(params[0]), int(params[1])
    short = sum_push(state, 0, fast, bar[3]) / fast
    return short / (sum_push(state, fast + WINDOW, slow, bar[3]) / slow) - 1.0


@feature(
    "ema_cross_{0}_{1}",
    "moving_average",
    each=((5, 20), (20, 50)),
    inputs=("close",),
    state=2 * EMA,
    lookback=lambda fast, slow: slow,
    warmup=lambda fast, slow: slow + decay_bars(slow),
    unit="share",
    source="definition: short exponential mean over long; its sign changes at the crossover",
    pine="ta.ema(close, {0}) / ta.ema(close, {1}) - 1",
)
@njit
def ema_cross_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Short exponential mean over the long one."""
    fast, slow = int(params[0]), int(params[1])
    short = ema_push(state, 0, fast, 2.0 / (fast + 1.0), bar[3])
    return short / ema_push(state, EMA, slow, 2.0 / (slow + 1.0), bar[3]) - 1.0


@feature(
    "sma_slope_{0}_{1}",
    "moving_average",
    each=((20, 5), (50, 10)),
    inputs=("close",),
    state=lambda n, back: n + WINDOW + back + RING,
    lookback=lambda n, back: n + back,
    unit="share",
    source="definition: simple mean over what it was some bars ago",
    pine="ta.sma(close, {0}) / ta.sma(close, {0})[{1}] - 1",
)
@njit
def sma_slope_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Change of the simple mean."""
    n, back = int(params[0]), int(params[1])
    total = sum_push(state, 0, n, bar[3])
    return total / ring_push(state, n + WINDOW, back, total) - 1.0
