"""Momentum: rates of change, and ups against downs."""

import math

from mlstrat.arrays import FloatArray, njit
from mlstrat.features.registry import decay_bars, feature
from mlstrat.features.technical import atr_push
from mlstrat.features.window import EMA, RING, WINDOW, ema_push, part_of_step, ring_push, sum_push, true_range


@feature(
    "roc_{0}",
    "momentum",
    each=((12,), (24,), (48,)),
    inputs=("close",),
    state=lambda n: n + RING,
    local=RING,
    lookback=lambda n: n + 1,
    unit="percent",
    source="definition: rate of change over n bars",
    pine="ta.roc(close, {0})",
)
@njit
def roc_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Rate of change."""
    return float(100.0 * (bar[3] / ring_push(state, 0, int(params[0]), bar[3]) - 1.0))


@feature(
    "momentum_{0}",
    "momentum",
    each=((10, 14),),
    inputs=("high", "low", "close"),
    state=lambda n, atr: 1 + EMA + n + RING,
    lookback=lambda n, atr: max(n + 1, atr),
    warmup=lambda n, atr: n + atr + decay_bars(2 * atr - 1),
    unit="average true ranges",
    source="definition: change over n bars in units of ATR; 0 where there was no range",
    pine="spread = ta.atr({1})\nmath.sign(spread) == 0 ? 0.0 : (close - close[{0}]) / spread",
)
@njit
def momentum_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Change of the close in average true ranges."""
    spread = atr_push(state, 0, int(params[1]), bar)
    change = bar[3] - ring_push(state, 1 + EMA, int(params[0]), bar[3])
    return 0.0 if spread == 0.0 and change == 0.0 else change / spread


@feature(
    "cmo_{0}",
    "momentum",
    each=((14,),),
    inputs=("close",),
    state=lambda n: 1 + 2 * (n + WINDOW),
    local=1 + 2 * WINDOW,
    lookback=lambda n: n + 1,
    unit="points, -100..100",
    source="Chande 1994, with sums of n changes; 0 where no price changed",
    pine="move = ta.change(close)\n"
    "up = math.sum(math.max(move, 0.0), {0})\n"
    "down = math.sum(math.max(-move, 0.0), {0})\n"
    "math.sign(ta.highest(math.abs(move), {0})) == 0 ? 0.0 : 100 * (up - down) / (up + down)",
)
@njit
def cmo_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Chande momentum oscillator."""
    previous, state[0] = state[0], bar[3]
    if previous == 0.0:
        return math.nan
    n = int(params[0])
    change = bar[3] - previous
    first = 1 + 2 * WINDOW
    up = sum_push(state, 1, n, max(change, 0.0), first)
    down = sum_push(state, 1 + WINDOW, n, max(-change, 0.0), first + n)
    return 0.0 if up + down == 0.0 else 100.0 * ((up - down) / (up + down))


@feature(
    "tsi_{0}_{1}",
    "momentum",
    each=((25, 13),),
    inputs=("close",),
    state=1 + 4 * EMA,
    lookback=lambda slow, fast: slow + fast,
    warmup=lambda slow, fast: slow + fast + decay_bars(slow) + decay_bars(fast),
    unit="share, -1..1",
    source="Blau 1991, true strength index; 0 where no price changed",
    pine="strength = ta.tsi(close, {1}, {0})\nna(close[{0} + {1} - 1]) ? na : nz(strength)",
)
@njit
def tsi_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """True strength index."""
    previous, state[0] = state[0], bar[3]
    if previous == 0.0:
        return math.nan
    slow, fast = int(params[0]), int(params[1])
    change = bar[3] - previous
    signed = ema_push(state, 1, slow, 2.0 / (slow + 1.0), change)
    absolute = ema_push(state, 1 + EMA, slow, 2.0 / (slow + 1.0), abs(change))
    if math.isnan(signed):
        return math.nan
    signed = ema_push(state, 1 + 2 * EMA, fast, 2.0 / (fast + 1.0), signed)
    absolute = ema_push(state, 1 + 3 * EMA, fast, 2.0 / (fast + 1.0), absolute)
    return 0.0 if absolute == 0.0 else signed / absolute


@part_of_step
def _buying_share(state: FloatArray, at: int, first: int, n: int, pressure: float, spread: float) -> float:
    bought = sum_push(state, at, n, pressure, first)
    total = sum_push(state, at + WINDOW, n, spread, first + n)
    return 0.5 if total == 0.0 else bought / total


@feature(
    "uo_{0}_{1}_{2}",
    "momentum",
    each=((7, 14, 28),),
    inputs=("high", "low", "close"),
    state=lambda a, b, c: 1 + 2 * (a + b + c + 3 * WINDOW),
    local=1 + 6 * WINDOW,
    lookback=lambda a, b, c: c + 1,
    unit="points, 0..100",
    source="Williams 1985, ultimate oscillator; 50 where there was no range",
    pine="pressure = close - math.min(low, close[1])\n"
    "short = math.sum(pressure, {0}) / math.sum(ta.tr, {0})\n"
    "middle = math.sum(pressure, {1}) / math.sum(ta.tr, {1})\n"
    "long = math.sum(pressure, {2}) / math.sum(ta.tr, {2})\n"
    "short := math.sign(ta.highest(ta.tr, {0})) == 0 ? 0.5 : short\n"
    "middle := math.sign(ta.highest(ta.tr, {1})) == 0 ? 0.5 : middle\n"
    "long := math.sign(ta.highest(ta.tr, {2})) == 0 ? 0.5 : long\n"
    "100 * (4 * short + 2 * middle + long) / 7",
)
@njit
def ultimate_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Ultimate oscillator."""
    previous, state[0] = state[0], bar[3]
    if previous == 0.0:
        return math.nan
    a, b, c = int(params[0]), int(params[1]), int(params[2])
    pressure = bar[3] - min(bar[2], previous)
    spread = true_range(previous, bar)
    first = 1 + 6 * WINDOW
    short = _buying_share(state, 1, first, a, pressure, spread)
    middle = _buying_share(state, 1 + 2 * WINDOW, first + 2 * a, b, pressure, spread)
    long = _buying_share(state, 1 + 4 * WINDOW, first + 2 * (a + b), c, pressure, spread)
    return 100.0 * (4.0 * short + 2.0 * middle + long) / 7.0


@feature(
    "trix_{0}",
    "momentum",
    each=((15,),),
    inputs=("close",),
    state=1 + 3 * EMA,
    lookback=lambda n: 3 * n - 1,
    warmup=lambda n: 3 * (n + decay_bars(n)),
    unit="percent a bar",
    source="Hutson 1983: rate of change of the triple exponential mean",
    pine="mean = ta.ema(ta.ema(ta.ema(close, {0}), {0}), {0})\n100 * (mean / mean[1] - 1)",
)
@njit
def trix_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Slope of the triple exponential mean."""
    n = int(params[0])
    value = bar[3]
    for part in range(3):
        value = ema_push(state, 1 + part * EMA, n, 2.0 / (n + 1.0), value)
        if math.isnan(value):
            return math.nan
    previous, state[0] = state[0], value
    return math.nan if previous == 0.0 else 100.0 * (value / previous - 1.0)


@feature(
    "awesome_{0}_{1}",
    "momentum",
    each=((5, 34),),
    inputs=("high", "low", "close"),
    state=lambda fast, slow: fast + slow + 2 * WINDOW,
    lookback=lambda fast, slow: slow,
    unit="share of close",
    source="Williams 1998, awesome oscillator, over close",
    pine="(ta.sma(hl2, {0}) - ta.sma(hl2, {1})) / close",
)
@njit
def awesome_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Short mean of the bar's middle less the long one."""
    fast, slow = int(params[0]), int(params[1])
    middle = (bar[1] + bar[2]) / 2.0
    short = sum_push(state, 0, fast, middle) / fast
    return float((short - sum_push(state, fast + WINDOW, slow, middle) / slow) / bar[3])


@feature(
    "efficiency_{0}",
    "momentum",
    each=((10,), (20,)),
    inputs=("close",),
    state=lambda n: 1 + n + WINDOW + n + RING,
    lookback=lambda n: n + 1,
    unit="share, -1..1",
    source="Kaufman 1995, efficiency ratio, signed; 0 where no price changed",
    pine="path = math.sum(math.abs(ta.change(close)), {0})\n"
    "flat = math.sign(ta.highest(math.abs(ta.change(close)), {0})) == 0\n"
    "flat ? 0.0 : (close - close[{0}]) / path",
)
@njit
def efficiency_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Way made over way travelled."""
    n = int(params[0])
    previous, state[0] = state[0], bar[3]
    old = ring_push(state, 1 + n + WINDOW, n, bar[3])
    if previous == 0.0:
        return math.nan
    path = sum_push(state, 1, n, abs(bar[3] - previous))
    return 0.0 if path == 0.0 else (bar[3] - old) / path
