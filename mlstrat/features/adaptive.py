"""Moving averages, second part: the one that adapts its length."""

import math

from mlstrat.arrays import FloatArray, njit
from mlstrat.features.registry import decay_bars, feature
from mlstrat.features.window import RING, WINDOW, ring_push, sum_push

# Kaufman's constants: an EMA of 2 where the way is straight, of 30 where it is not.
_FAST, _SLOW = 2.0 / 3.0, 2.0 / 31.0


@feature(
    "kama_{0}",
    "moving_average",
    each=((5,), (10,), (20,), (50,), (100,), (200,)),
    inputs=("close",),
    state=lambda n: 2 + n + WINDOW + n + RING,
    lookback=lambda n: n + 1,
    # The slowest smoothing, the square of 2 / 31, is that of an EMA of 479.5.
    warmup=lambda n: n + decay_bars(2.0 / _SLOW**2 - 1.0),
    unit="share",
    source="Kaufman 1995: close over his adaptive mean of efficiency ratio n, fast 2 and slow 30, started "
    "at the n-th close as TA-Lib does; efficiency 1 where no price changed",
    pine="var float mean = na\n"
    "path = math.sum(math.abs(ta.change(close)), {0})\n"
    "flat = math.sign(ta.highest(math.abs(ta.change(close)), {0})) == 0\n"
    "efficiency = flat ? 1.0 : math.min(math.abs(close - close[{0}]) / path, 1.0)\n"
    "smoothing = math.pow(efficiency * (2.0 / 3.0 - 2.0 / 31.0) + 2.0 / 31.0, 2)\n"
    "before = nz(mean, close[1])\n"
    "mean := na(path) ? na : before + smoothing * (close - before)\n"
    "close / mean - 1",
)
@njit
def kama_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Distance of the close from its adaptive mean."""
    n = int(params[0])
    previous, state[0] = state[0], bar[3]
    old = ring_push(state, 2 + n + WINDOW, n, bar[3])
    if previous == 0.0:
        return math.nan
    path = sum_push(state, 2, n, abs(bar[3] - previous))
    if math.isnan(path):
        return math.nan
    if state[1] == 0.0:
        state[1] = previous
    efficiency = min(abs(bar[3] - old) / path, 1.0) if path > 0.0 else 1.0
    smoothing = efficiency * (_FAST - _SLOW) + _SLOW
    state[1] += smoothing * smoothing * (bar[3] - state[1])
    return float(bar[3] / state[1] - 1.0)
