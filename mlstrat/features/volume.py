"""Volume: how much was traded, and on which side. Every sum runs over a finite window."""

import math

from mlstrat.arrays import FloatArray, njit
from mlstrat.features.moments import POWERS, powers_push, variance_of
from mlstrat.features.registry import feature
from mlstrat.features.window import RING, WINDOW, ring_full, ring_mean, ring_push, sum_push


@feature(
    "volume_ratio",
    "volume",
    each=((20,),),
    inputs=("volume",),
    state=lambda n: n + WINDOW,
    local=WINDOW,
    lookback=lambda n: n,
    unit="ratio",
    source="definition: volume over its mean of n bars; 1 where all of them are zero",
    pine="mean = ta.sma(volume, {0})\nmath.sign(ta.highest(volume, {0})) == 0 ? 1.0 : volume / mean",
)
@njit
def volume_ratio_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Volume over its mean."""
    n = int(params[0])
    mean = sum_push(state, 0, n, bar[4]) / n
    return 1.0 if mean == 0.0 else bar[4] / mean


@feature(
    "volume_z_{0}",
    "volume",
    each=((20,), (50,)),
    inputs=("volume",),
    state=lambda n: 2 * n + POWERS,
    local=POWERS,
    lookback=lambda n: n,
    unit="population deviations",
    source="definition: z-score of the volume in n bars; 0 where they are equal",
    pine="mean = ta.sma(volume, {0})\n"
    "deviation = ta.stdev(volume, {0})\n"
    "math.sign(ta.highest(volume, {0}) - ta.lowest(volume, {0})) == 0 ? 0.0 : (volume - mean) / deviation",
)
@njit
def volume_z_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Z-score of the volume."""
    n = int(params[0])
    pivot, s1, s2, _, _ = powers_push(state, 0, n, 2, bar[4])
    if math.isnan(s1):
        return math.nan
    variance = variance_of(n, s1, s2)
    return (bar[4] - pivot - s1 / n) / math.sqrt(variance) if variance > 0.0 else 0.0


@feature(
    "volume_change_{0}",
    "volume",
    each=((1,), (5,)),
    inputs=("volume",),
    state=lambda n: n + RING,
    local=RING,
    lookback=lambda n: n + 1,
    unit="share, -1..1",
    source="definition: difference of two volumes over their sum; 0 where both are zero",
    pine="math.sign(volume + volume[{0}]) == 0 ? 0.0 : (volume - volume[{0}]) / (volume + volume[{0}])",
)
@njit
def volume_change_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Change of the volume, bounded."""
    old = ring_push(state, 0, int(params[0]), bar[4])
    return 0.0 if bar[4] + old == 0.0 else (bar[4] - old) / (bar[4] + old)


@feature(
    "volume_cross_{0}_{1}",
    "volume",
    each=((5, 20),),
    inputs=("volume",),
    state=lambda fast, slow: fast + slow + 2 * WINDOW,
    lookback=lambda fast, slow: slow,
    unit="share",
    source="definition: short mean of the volume over the long one; 0 where all of it is zero",
    pine="fast = ta.sma(volume, {0})\n"
    "slow = ta.sma(volume, {1})\n"
    "math.sign(ta.highest(volume, {1})) == 0 ? 0.0 : fast / slow - 1",
)
@njit
def volume_cross_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Short mean of the volume over the long one."""
    fast, slow = int(params[0]), int(params[1])
    short = sum_push(state, 0, fast, bar[4]) / fast
    long = sum_push(state, fast + WINDOW, slow, bar[4]) / slow
    return 0.0 if long == 0.0 else short / long - 1.0


@feature(
    "obv_{0}",
    "volume",
    each=((20,),),
    inputs=("close", "volume"),
    state=lambda n: 1 + 2 * (n + WINDOW),
    lookback=lambda n: n + 1,
    unit="share of volume, -1..1",
    source="Granville 1963, on-balance volume of n bars over their volume; 0 where that is zero",
    pine="signed = math.sum(math.sign(ta.change(close)) * volume, {0})\n"
    "total = math.sum(volume, {0})\n"
    "math.sign(ta.highest(volume, {0})) == 0 ? 0.0 : signed / total",
)
@njit
def obv_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """On-balance volume of a window."""
    previous, state[0] = state[0], bar[3]
    if previous == 0.0:
        return math.nan
    n = int(params[0])
    side = 1.0 if bar[3] > previous else (-1.0 if bar[3] < previous else 0.0)
    signed = sum_push(state, 1, n, side * bar[4])
    total = sum_push(state, 1 + n + WINDOW, n, bar[4])
    return 0.0 if total == 0.0 else signed / total


@feature(
    "cmf_{0}",
    "volume",
    each=((20,),),
    inputs=("high", "low", "close", "volume"),
    state=lambda n: 2 * (n + WINDOW),
    lookback=lambda n: n,
    unit="share of volume, -1..1",
    source="Chaikin: the accumulation/distribution line of n bars over their volume; 0 without volume",
    pine="place = nz((2 * close - high - low) / (high - low))\n"
    "signed = math.sum(place * volume, {0})\n"
    "total = math.sum(volume, {0})\n"
    "math.sign(ta.highest(volume, {0})) == 0 ? 0.0 : signed / total",
)
@njit
def cmf_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Chaikin money flow."""
    n = int(params[0])
    spread = bar[1] - bar[2]
    place = ((bar[3] - bar[2]) - (bar[1] - bar[3])) / spread if spread > 0.0 else 0.0
    signed = sum_push(state, 0, n, place * bar[4])
    total = sum_push(state, n + WINDOW, n, bar[4])
    return 0.0 if total == 0.0 else signed / total


@feature(
    "vwap_{0}",
    "volume",
    each=((20,), (50,)),
    inputs=("high", "low", "close", "volume"),
    state=lambda n: 2 * (n + WINDOW),
    lookback=lambda n: n,
    unit="share",
    source="definition: close over the volume-weighted typical price of n bars; 0 where they have no volume",
    pine="paid = math.sum(hlc3 * volume, {0})\n"
    "total = math.sum(volume, {0})\n"
    "math.sign(ta.highest(volume, {0})) == 0 ? 0.0 : close / (paid / total) - 1",
)
@njit
def vwap_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Distance of the close from the volume-weighted mean price."""
    n = int(params[0])
    typical = (bar[1] + bar[2] + bar[3]) / 3.0
    paid = sum_push(state, 0, n, typical * bar[4])
    total = sum_push(state, n + WINDOW, n, bar[4])
    return 0.0 if total == 0.0 else bar[3] / (paid / total) - 1.0


@feature(
    "mfi_{0}",
    "volume",
    each=((14,),),
    inputs=("high", "low", "close", "volume"),
    state=lambda n: 1 + 2 * (n + WINDOW),
    local=1 + 2 * WINDOW,
    lookback=lambda n: n + 1,
    unit="points, 0..100",
    source="Quong and Soudack 1989, money flow index; 50 where no money flowed",
    pine="side = math.sign(ta.change(hlc3))\n"
    "up = math.sum(math.max(side, 0.0) * hlc3 * volume, {0})\n"
    "down = math.sum(math.max(-side, 0.0) * hlc3 * volume, {0})\n"
    "math.sign(ta.highest(math.abs(side) * volume, {0})) == 0 ? 50.0 : 100 * up / (up + down)",
)
@njit
def mfi_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Money flow index."""
    typical = (bar[1] + bar[2] + bar[3]) / 3.0
    previous, state[0] = state[0], typical
    if previous == 0.0:
        return math.nan
    n = int(params[0])
    flow = typical * bar[4]
    first = 1 + 2 * WINDOW
    up = sum_push(state, 1, n, flow if typical > previous else 0.0, first)
    down = sum_push(state, 1 + WINDOW, n, flow if typical < previous else 0.0, first + n)
    return 50.0 if up + down == 0.0 else 100.0 * (up / (up + down))


@feature(
    "force_{0}",
    "volume",
    each=((13,),),
    inputs=("close", "volume"),
    state=lambda n: 1 + 2 * (n + WINDOW),
    lookback=lambda n: n + 1,
    unit="share, -1..1",
    source="Elder 1993, force index of n bars over the same with absolute changes; 0 where that is zero",
    pine="force = ta.change(close) * volume\n"
    "signed = math.sum(force, {0})\n"
    "total = math.sum(math.abs(force), {0})\n"
    "math.sign(ta.highest(math.abs(force), {0})) == 0 ? 0.0 : signed / total",
)
@njit
def force_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Force index of a window."""
    previous, state[0] = state[0], bar[3]
    if previous == 0.0:
        return math.nan
    n = int(params[0])
    force = (bar[3] - previous) * bar[4]
    signed = sum_push(state, 1, n, force)
    total = sum_push(state, 1 + n + WINDOW, n, abs(force))
    return 0.0 if total == 0.0 else signed / total


@feature(
    "volume_corr_{0}",
    "volume",
    each=((20,),),
    inputs=("close", "volume"),
    state=lambda n: 1 + 2 * (n + RING),
    lookback=lambda n: n + 1,
    unit="-1..1",
    source="definition: Pearson correlation of one-bar return and volume; 0 where either does not vary",
    # ta.correlation is 0 below a covariance of 1e-10, whatever the units: returns are taken in millionths.
    pine="ret = 1e6 * (close / close[1] - 1)\n"
    "shared = ta.correlation(ret, volume, {0})\n"
    "still = math.sign(ta.highest(ret, {0}) - ta.lowest(ret, {0})) == 0\n"
    "level = math.sign(ta.highest(volume, {0}) - ta.lowest(volume, {0})) == 0\n"
    "still or level ? 0.0 : shared",
)
@njit
def volume_corr_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Correlation of return and volume."""
    previous, state[0] = state[0], bar[3]
    if previous == 0.0:
        return math.nan
    n = int(params[0])
    second = 1 + n + RING
    change = bar[3] / previous - 1.0
    ring_push(state, 1, n, change)
    ring_push(state, second, n, bar[4])
    if not ring_full(state, 1, n):
        return math.nan
    mean_change = change + ring_mean(state, 1, n, change)
    mean_volume = bar[4] + ring_mean(state, second, n, bar[4])
    shared, of_change, of_volume = 0.0, 0.0, 0.0
    for i in range(RING, RING + n):
        a, b = state[1 + i] - mean_change, state[second + i] - mean_volume
        shared += a * b
        of_change += a * a
        of_volume += b * b
    scale = math.sqrt(of_change) * math.sqrt(of_volume)
    return shared / scale if scale > 0.0 else 0.0
