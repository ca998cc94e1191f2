"""Statistics, third part: order, persistence and long memory of the closes."""

import math

from mlstrat.arrays import FloatArray, njit
from mlstrat.features.moments import POWERS, powers_push, variance_of
from mlstrat.features.registry import feature
from mlstrat.features.window import RING, part_of_step, ring_full, ring_push

_PATTERNS = 8


@part_of_step
def _fill_entropy_table(state: FloatArray, at: int, n: int) -> None:
    """Fill n + 1 cells with -p ln p, for p = 0, 1 / n, ... 1, as shares of ln 6."""
    for count in range(1, n + 1):
        state[at + count] = -(count / n) * math.log(count / n) / math.log(6.0)


@feature(
    "entropy_{0}",
    "statistics",
    each=((50,), (100,)),
    inputs=("close",),
    state=lambda n: 3 + _PATTERNS + n + RING + n + 1,
    lookback=lambda n: n + 2,
    unit="share of the largest, 0..1",
    source="Bandt and Pompe 2002, permutation entropy: of the 6 orders of 3 closes in a row among the last n "
    "such triples, equal ones counted as rising. Histograms of returns jump where rounding moves a return "
    "over an edge, orders do not",
    pine="early = math.sign(close[1] - close[2]) < 0 ? 0 : 1\n"
    "late = math.sign(close - close[1]) < 0 ? 0 : 2\n"
    "both = math.sign(close - close[2]) < 0 ? 0 : 4\n"
    "pattern = early + late + both\n"
    "a = math.sum(pattern == 0 ? 1.0 : 0.0, {0}) / {0}\n"
    "b = math.sum(pattern == 1 ? 1.0 : 0.0, {0}) / {0}\n"
    "c = math.sum(pattern == 2 ? 1.0 : 0.0, {0}) / {0}\n"
    "d = math.sum(pattern == 5 ? 1.0 : 0.0, {0}) / {0}\n"
    "e = math.sum(pattern == 6 ? 1.0 : 0.0, {0}) / {0}\n"
    "f = math.sum(pattern == 7 ? 1.0 : 0.0, {0}) / {0}\n"
    "total = a * math.log(math.max(a, 1e-9)) + b * math.log(math.max(b, 1e-9))\n"
    "total += c * math.log(math.max(c, 1e-9)) + d * math.log(math.max(d, 1e-9))\n"
    "total += e * math.log(math.max(e, 1e-9)) + f * math.log(math.max(f, 1e-9))\n"
    "-total / math.log(6)",
)
@njit
def entropy_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Permutation entropy of the closes."""
    n = int(params[0])
    counts, ring = 3, 3 + _PATTERNS
    table = ring + n + RING
    older, previous = state[0], state[1]
    state[0], state[1] = previous, bar[3]
    if older == 0.0:
        return math.nan
    if state[2] == 0.0:
        state[2] = 1.0
        _fill_entropy_table(state, table, n)
    order = 1.0 * (older <= previous) + 2.0 * (previous <= bar[3]) + 4.0 * (older <= bar[3])
    left = ring_push(state, ring, n, order)
    state[counts + int(order)] += 1.0
    if not math.isnan(left):
        state[counts + int(left)] -= 1.0
    if not ring_full(state, ring, n):
        return math.nan
    total = 0.0
    for pattern in range(_PATTERNS):
        total += state[table + int(state[counts + pattern])]
    return total


@feature(
    "hurst_{0}",
    "statistics",
    each=((100,),),
    inputs=("close",),
    state=lambda n: 1 + n + RING + 2 * n + POWERS,
    lookback=lambda n: n + 1,
    unit="1; 0.5 = no memory",
    source="Hurst 1951: ln(R/S) over ln(n/2), of n one-bar returns; 0.5 where they do not vary",
    pine="ret = close / close[1] - 1\n"
    "mean = ta.sma(ret, {0})\n"
    "deviation = ta.stdev(ret, {0})\n"
    "still = math.sign(ta.highest(ret, {0}) - ta.lowest(ret, {0})) == 0\n"
    "total = 0.0\n"
    "top = 0.0\n"
    "bottom = 0.0\n"
    "for i = 0 to {0} - 1\n"
    "    total += ret[i] - mean\n"
    "    top := math.max(top, total)\n"
    "    bottom := math.min(bottom, total)\n"
    "still ? 0.5 : math.log((top - bottom) / deviation) / math.log({0} / 2.0)",
)
@njit
def hurst_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Rescaled range of the returns, as Hurst's exponent."""
    previous, state[0] = state[0], bar[3]
    if previous == 0.0:
        return math.nan
    n = int(params[0])
    change = bar[3] / previous - 1.0
    ring_push(state, 1, n, change)
    pivot, s1, s2, _, _ = powers_push(state, 1 + n + RING, n, 2, change)
    if math.isnan(s1):
        return math.nan
    deviation = math.sqrt(variance_of(n, s1, s2))
    if deviation == 0.0:
        return 0.5
    # The sums end where they begin, at 0: one half is summed forwards from the oldest return and one
    # backwards from the newest, so that one addition need not wait for the other.
    first, mean = 1 + RING, pivot + s1 / n
    ahead, back = int(state[2]), int(state[2])
    early, late, top, bottom = 0.0, 0.0, 0.0, 0.0
    for _ in range(n // 2):
        early += state[first + ahead] - mean
        ahead = ahead + 1 if ahead + 1 < n else 0
        back = back - 1 if back > 0 else n - 1
        late -= state[first + back] - mean
        if early > top:
            top = early
        if early < bottom:
            bottom = early
        if late > top:
            top = late
        if late < bottom:
            bottom = late
    spread = (top - bottom) / deviation
    return math.log(spread) / math.log(n / 2.0) if spread > 0.0 else 0.5


@part_of_step
def _fill_weights(state: FloatArray, at: int, n: int, order: float) -> None:
    """Fill 2 n cells with the weights of (1 - B) to the power `order`, the oldest value's first, twice over.

    Any n cells in a row are the weights of a ring's slots, whichever of them is the newest.
    """
    state[at + n - 1], state[at + 2 * n - 1] = 1.0, 1.0
    for k in range(1, n):
        weight = state[at + n - k] * (k - 1.0 - order) / k
        state[at + n - 1 - k], state[at + 2 * n - 1 - k] = weight, weight


@feature(
    "fracdiff_{0}",
    "statistics",
    each=((40, 100),),
    inputs=("close",),
    state=lambda d, n: 2 + n + RING + 2 * n,
    lookback=lambda d, n: n + 1,
    unit="log price",
    source="Hosking 1981 and Lopez de Prado 2018, ch. 5: fractional difference of order d % of the log price "
    "over a fixed window, the price n bars ago being 1. As the weights of order d add up to those of order "
    "d - 1, it is summed from log returns, which do not know the price's unit",
    pine="ret = math.log(close / close[1])\n"
    "weight = 1.0\n"
    "total = 0.0\n"
    "for i = 0 to {1} - 1\n"
    "    total += weight * ret[i]\n"
    "    weight *= (i + 1 - {0} / 100.0) / (i + 1)\n"
    "total",
)
@njit
def fracdiff_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Fractional difference of the log price."""
    order, n = params[0] / 100.0 - 1.0, int(params[1])
    previous, state[0] = state[0], bar[3]
    if previous == 0.0:
        return math.nan
    weights = 2 + n + RING
    if state[1] == 0.0:
        _fill_weights(state, weights, n, order)
        state[1] = 1.0
    ring_push(state, 2, n, math.log(bar[3] / previous))
    if not ring_full(state, 2, n):
        return math.nan
    values = state[2 + RING : 2 + RING + n]
    beside = state[weights + n - int(state[3]) : weights + 2 * n - int(state[3])]
    # Two sums, so that one addition need not wait for the other.
    even, odd = 0.0, 0.0
    for i in range(n // 2):
        even += beside[2 * i] * values[2 * i]
        odd += beside[2 * i + 1] * values[2 * i + 1]
    return even + odd
