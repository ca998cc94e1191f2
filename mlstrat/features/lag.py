"""Lag: what a bar of some time ago looked like."""

import math

from mlstrat.arrays import FloatArray, njit
from mlstrat.features.registry import feature
from mlstrat.features.window import RING, WINDOW, ring_push, sum_push


@feature(
    "ret_lag_{0}",
    "lag",
    each=((1,), (2,), (3,), (5,), (10,)),
    inputs=("close",),
    state=lambda k: 1 + k + RING,
    local=1 + RING,
    lookback=lambda k: k + 2,
    unit="share",
    source="definition: one-bar return k bars ago",
    pine="close[{0}] / close[{0} + 1] - 1",
)
@njit
def ret_lag_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """One-bar return k bars ago."""
    previous, state[0] = state[0], bar[3]
    if previous == 0.0:
        return math.nan
    return ring_push(state, 1, int(params[0]), bar[3] / previous - 1.0)


@feature(
    "range_lag_{0}",
    "lag",
    each=((1,), (2,), (3,)),
    inputs=("high", "low", "close"),
    state=lambda k: k + RING,
    local=RING,
    lookback=lambda k: k + 1,
    unit="share of close",
    source="definition: range over close, k bars ago",
    pine="(high[{0}] - low[{0}]) / close[{0}]",
)
@njit
def range_lag_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Range of the bar k bars ago."""
    return ring_push(state, 0, int(params[0]), (bar[1] - bar[2]) / bar[3])


@feature(
    "volume_ratio_lag_{0}",
    "lag",
    each=((1, 20), (2, 20), (3, 20)),
    inputs=("volume",),
    state=lambda k, n: n + WINDOW + k + RING,
    lookback=lambda k, n: n + k,
    unit="ratio",
    source="definition: volume_ratio k bars ago",
    pine="mean = ta.sma(volume, {1})\n"
    "ratio = math.sign(ta.highest(volume, {1})) == 0 ? 1.0 : volume / mean\n"
    "ratio[{0}]",
)
@njit
def volume_ratio_lag_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Volume over its mean, k bars ago."""
    k, n = int(params[0]), int(params[1])
    mean = sum_push(state, 0, n, bar[4]) / n
    return ring_push(state, n + WINDOW, k, 1.0 if mean == 0.0 else bar[4] / mean)
