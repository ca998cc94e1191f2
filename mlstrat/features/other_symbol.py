"""Other symbol: the bars beside those of another symbol, such as a coin beside BTCUSDT.

A step takes rows of twelve: the bar, then the last bar of the other symbol that had closed by its close.
"""

import math

from mlstrat.arrays import FloatArray, njit
from mlstrat.features.moments import POWERS, powers_push, variance_of
from mlstrat.features.registry import feature
from mlstrat.features.window import RING, ring_full, ring_mean, ring_push

# Columns of the two closes.
_OWN, _OTHER = 3, 9
_NO_PINE = "another symbol needs a request, which an exported script does not make"
# What is computed of the other symbol's own bars where no names are given.
OF_OTHER = ("ret_1", "ret_5", "ret_20", "rsi_14", "atr_14", "bb_position", "sma_50", "volume_ratio")


@feature(
    "strength_{0}",
    "other_symbol",
    each=((1,), (5,), (20,)),
    inputs=("close",),
    state=lambda n: 2 * (n + RING),
    lookback=lambda n: n + 1,
    unit="share",
    source="definition: return of n bars less that of the other symbol (relative strength)",
    no_pine=_NO_PINE,
    pair=True,
)
@njit
def strength_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Return less the other's return."""
    n = int(params[0])
    own = ring_push(state, 0, n, bar[_OWN])
    other = ring_push(state, n + RING, n, bar[_OTHER])
    return float(bar[_OWN] / own - bar[_OTHER] / other)


@feature(
    "ratio_z_{0}",
    "other_symbol",
    each=((50,),),
    inputs=("close",),
    state=lambda n: 2 * n + POWERS,
    local=POWERS,
    lookback=lambda n: n,
    unit="population deviations",
    source="definition: z-score in n bars of close over the other's close; 0 where it does not vary",
    no_pine=_NO_PINE,
    pair=True,
)
@njit
def ratio_z_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Z-score of the price ratio."""
    n = int(params[0])
    ratio = bar[_OWN] / bar[_OTHER]
    pivot, s1, s2, _, _ = powers_push(state, 0, n, 2, ratio)
    if math.isnan(s1):
        return math.nan
    variance = variance_of(n, s1, s2)
    # Below the rounding of the ratio itself there is nothing but rounding.
    return (ratio - pivot - s1 / n) / math.sqrt(variance) if variance > (1e-12 * ratio) ** 2 else 0.0


@njit
def _products(state: FloatArray, bar: FloatArray, n: int) -> tuple[float, float, float]:
    """Take a row; return the sums of own x other, own squared and other squared, of centred returns."""
    own_before, other_before = state[0], state[1]
    state[0], state[1] = bar[_OWN], bar[_OTHER]
    if own_before == 0.0:
        return math.nan, math.nan, math.nan
    second = 2 + n + RING
    own, other = bar[_OWN] / own_before - 1.0, bar[_OTHER] / other_before - 1.0
    ring_push(state, 2, n, own)
    ring_push(state, second, n, other)
    if not ring_full(state, 2, n):
        return math.nan, math.nan, math.nan
    own_mean = own + ring_mean(state, 2, n, own)
    other_mean = other + ring_mean(state, second, n, other)
    shared, of_own, of_other = 0.0, 0.0, 0.0
    for i in range(RING, RING + n):
        a, b = state[2 + i] - own_mean, state[second + i] - other_mean
        shared += a * b
        of_own += a * a
        of_other += b * b
    return shared, of_own, of_other


@feature(
    "corr_{0}",
    "other_symbol",
    each=((20,), (100,)),
    inputs=("close",),
    state=lambda n: 2 + 2 * (n + RING),
    lookback=lambda n: n + 1,
    unit="-1..1",
    source="definition: Pearson correlation of one-bar returns with the other's; 0 where either is constant",
    no_pine=_NO_PINE,
    pair=True,
)
@njit
def corr_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Correlation with the other symbol."""
    shared, of_own, of_other = _products(state, bar, int(params[0]))
    if math.isnan(shared):
        return math.nan
    scale = math.sqrt(of_own) * math.sqrt(of_other)
    return shared / scale if scale > 0.0 else 0.0


@feature(
    "beta_{0}",
    "other_symbol",
    each=((100,),),
    inputs=("close",),
    state=lambda n: 2 + 2 * (n + RING),
    lookback=lambda n: n + 1,
    unit="ratio",
    source="definition: slope of one-bar returns on the other's; 0 where the other's are constant",
    no_pine=_NO_PINE,
    pair=True,
)
@njit
def beta_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Slope on the other symbol."""
    shared, _, of_other = _products(state, bar, int(params[0]))
    if math.isnan(shared):
        return math.nan
    return shared / of_other if of_other > 0.0 else 0.0
