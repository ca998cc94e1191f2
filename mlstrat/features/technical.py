"""Technical: RSI, MACD, average true range and directional movement."""

import math

from mlstrat.arrays import FloatArray, njit
from mlstrat.features.registry import decay_bars, feature
from mlstrat.features.window import EMA, ema_push, part_of_step, true_range


@feature(
    "rsi_{0}",
    "technical",
    each=((7,), (14,), (21,)),
    inputs=("close",),
    state=1 + 2 * EMA,
    lookback=lambda n: n + 1,
    warmup=lambda n: n + 1 + decay_bars(2 * n - 1),
    unit="points, 0..100",
    source="Wilder 1978, ch. 6, seeded with the mean of the first n changes; 50 where no price changed",
    pine="up = ta.rma(math.max(ta.change(close), 0.0), {0})\n"
    "down = ta.rma(math.max(-ta.change(close), 0.0), {0})\n"
    "math.sign(up + down) == 0 ? 50.0 : 100 * up / (up + down)",
)
@njit
def rsi_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Relative strength index."""
    previous, state[0] = state[0], bar[3]
    if previous == 0.0:
        return math.nan
    n = int(params[0])
    change = bar[3] - previous
    up = ema_push(state, 1, n, 1.0 / n, max(change, 0.0))
    down = ema_push(state, 1 + EMA, n, 1.0 / n, max(-change, 0.0))
    return 50.0 if up + down == 0.0 else 100.0 * (up / (up + down))


def _macd_warmup(fast: int, slow: int, signal: int) -> int:
    return slow + signal + decay_bars(slow) + decay_bars(signal)


@part_of_step
def _macd_line(state: FloatArray, fast: int, slow: int, close: float) -> float:
    quick = ema_push(state, 0, fast, 2.0 / (fast + 1.0), close)
    return quick - ema_push(state, EMA, slow, 2.0 / (slow + 1.0), close)


@feature(
    "macd",
    "technical",
    each=((12, 26, 9),),
    inputs=("close",),
    state=2 * EMA,
    lookback=lambda fast, slow, signal: slow,
    warmup=_macd_warmup,
    unit="share of close",
    source="Appel 2005, ch. 8, over close",
    pine="(ta.ema(close, {0}) - ta.ema(close, {1})) / close",
)
@njit
def macd_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """MACD line."""
    return float(_macd_line(state, int(params[0]), int(params[1]), bar[3]) / bar[3])


@feature(
    "macd_signal",
    "technical",
    each=((12, 26, 9),),
    inputs=("close",),
    state=3 * EMA,
    lookback=lambda fast, slow, signal: slow + signal - 1,
    warmup=_macd_warmup,
    unit="share of close",
    source="Appel 2005, ch. 8, over close",
    pine="gap = ta.ema(close, {0}) - ta.ema(close, {1})\nta.ema(gap, {2}) / close",
)
@njit
def macd_signal_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """MACD signal line."""
    line = _macd_line(state, int(params[0]), int(params[1]), bar[3])
    if math.isnan(line):
        return math.nan
    n = int(params[2])
    return float(ema_push(state, 2 * EMA, n, 2.0 / (n + 1.0), line) / bar[3])


@feature(
    "macd_hist",
    "technical",
    each=((12, 26, 9),),
    inputs=("close",),
    state=3 * EMA,
    lookback=lambda fast, slow, signal: slow + signal - 1,
    warmup=_macd_warmup,
    unit="share of close",
    source="Appel 2005, ch. 8, over close",
    pine="gap = ta.ema(close, {0}) - ta.ema(close, {1})\n(gap - ta.ema(gap, {2})) / close",
)
@njit
def macd_hist_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """MACD line less its signal line."""
    line = _macd_line(state, int(params[0]), int(params[1]), bar[3])
    if math.isnan(line):
        return math.nan
    n = int(params[2])
    return float((line - ema_push(state, 2 * EMA, n, 2.0 / (n + 1.0), line)) / bar[3])


@part_of_step
def atr_push(state: FloatArray, at: int, n: int, bar: FloatArray) -> float:
    """Wilder's average true range in price; a block of 1 + EMA values, NaN before n bars."""
    spread = true_range(state[at], bar)
    state[at] = bar[3]
    return ema_push(state, at + 1, n, 1.0 / n, spread)


@feature(
    "atr_{0}",
    "technical",
    each=((14,),),
    inputs=("high", "low", "close"),
    state=1 + EMA,
    lookback=lambda n: n,
    warmup=lambda n: n + decay_bars(2 * n - 1),
    unit="share of close",
    source="Wilder 1978, ch. 3, over close; the first true range is high - low, as Pine's ta.atr",
    pine="ta.atr({0}) / close",
)
@njit
def atr_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Average true range as a share of the close."""
    return float(atr_push(state, 0, int(params[0]), bar) / bar[3])


@feature(
    "atr_px",
    "technical",
    each=((14,),),
    inputs=("high", "low", "close"),
    state=1 + EMA,
    lookback=lambda n: n,
    warmup=lambda n: n + decay_bars(2 * n - 1),
    unit="price",
    source="Wilder 1978, ch. 3; the first true range is high - low, as Pine's ta.atr",
    pine="ta.atr({0})",
    model_input=False,
)
@njit
def atr_px_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Average true range in price, for stops and targets."""
    return atr_push(state, 0, int(params[0]), bar)


def _directional_warmup(n: int) -> int:
    return 2 * n + 2 * decay_bars(2 * n - 1)


@part_of_step
def _directional(state: FloatArray, n: int, bar: FloatArray) -> tuple[float, float]:
    """Return +DI and -DI; NaN before n + 1 bars, 0 where there was no range."""
    high, low, close = state[0], state[1], state[2]
    state[0], state[1], state[2] = bar[1], bar[2], bar[3]
    if close == 0.0:
        return math.nan, math.nan
    rise, fall = bar[1] - high, low - bar[2]
    spread = ema_push(state, 3, n, 1.0 / n, true_range(close, bar))
    plus = ema_push(state, 3 + EMA, n, 1.0 / n, rise if rise > fall and rise > 0.0 else 0.0)
    minus = ema_push(state, 3 + 2 * EMA, n, 1.0 / n, fall if fall > rise and fall > 0.0 else 0.0)
    if spread == 0.0:
        return 0.0, 0.0
    return 100.0 * (plus / spread), 100.0 * (minus / spread)


@feature(
    "plus_di_{0}",
    "technical",
    each=((14, 0),),
    inputs=("high", "low", "close"),
    state=3 + 3 * EMA,
    lookback=lambda n, side: n + 1,
    warmup=lambda n, side: _directional_warmup(n),
    unit="points, 0..100",
    source="Wilder 1978, ch. 4, +DI; 0 where the market did not move",
    pine="rise = ta.change(high)\n"
    "fall = -ta.change(low)\n"
    "spread = ta.rma(ta.tr, {0})\n"
    "plus = ta.rma(math.max(math.sign(rise - fall), 0.0) * math.max(rise, 0.0), {0})\n"
    "math.sign(spread) == 0 ? 0.0 : 100 * plus / spread",
)
@feature(
    "minus_di_{0}",
    "technical",
    each=((14, 1),),
    inputs=("high", "low", "close"),
    state=3 + 3 * EMA,
    lookback=lambda n, side: n + 1,
    warmup=lambda n, side: _directional_warmup(n),
    unit="points, 0..100",
    source="Wilder 1978, ch. 4, -DI; 0 where the market did not move",
    pine="rise = ta.change(high)\n"
    "fall = -ta.change(low)\n"
    "spread = ta.rma(ta.tr, {0})\n"
    "minus = ta.rma(math.max(math.sign(fall - rise), 0.0) * math.max(fall, 0.0), {0})\n"
    "math.sign(spread) == 0 ? 0.0 : 100 * minus / spread",
)
@njit
def directional_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Directional indicator of one side."""
    plus, minus = _directional(state, int(params[0]), bar)
    return plus if params[1] == 0.0 else minus


@feature(
    "adx_{0}",
    "technical",
    each=((14,),),
    inputs=("high", "low", "close"),
    state=3 + 4 * EMA,
    lookback=lambda n: 2 * n,
    warmup=_directional_warmup,
    unit="points, 0..100",
    source="Wilder 1978, ch. 4, ADX; 0 where the market did not move",
    pine="rise = ta.change(high)\n"
    "fall = -ta.change(low)\n"
    "plus = ta.rma(math.max(math.sign(rise - fall), 0.0) * math.max(rise, 0.0), {0})\n"
    "minus = ta.rma(math.max(math.sign(fall - rise), 0.0) * math.max(fall, 0.0), {0})\n"
    "strength = math.sign(plus + minus) == 0 ? 0.0 : 100 * math.abs(plus - minus) / (plus + minus)\n"
    "ta.rma(strength, {0})",
)
@njit
def adx_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Average directional index."""
    n = int(params[0])
    plus, minus = _directional(state, n, bar)
    if math.isnan(plus):
        return math.nan
    strength = 0.0 if plus + minus == 0.0 else 100.0 * (abs(plus - minus) / (plus + minus))
    return ema_push(state, 3 + 3 * EMA, n, 1.0 / n, strength)
