"""Price: returns, gaps and the shape of the bar."""

import math

from mlstrat.arrays import FloatArray, njit
from mlstrat.features.registry import feature
from mlstrat.features.window import RING, ring_push

_SHAPE = "definition; 0 on a bar without range"


@feature(
    "ret_{0}",
    "price",
    each=((1,), (2,), (3,), (5,), (10,), (20,)),
    inputs=("close",),
    state=lambda n: n + RING,
    local=RING,
    lookback=lambda n: n + 1,
    unit="share",
    source="definition: simple return over n bars",
    pine="close / close[{0}] - 1",
)
@njit
def ret_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Simple return over n bars."""
    return float(bar[3] / ring_push(state, 0, int(params[0]), bar[3]) - 1.0)


@feature(
    "log_ret_{0}",
    "price",
    each=((1,), (2,), (3,), (5,), (10,), (20,)),
    inputs=("close",),
    state=lambda n: n + RING,
    local=RING,
    lookback=lambda n: n + 1,
    unit="log share",
    source="definition: log return over n bars",
    pine="math.log(close / close[{0}])",
)
@njit
def log_ret_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Log return over n bars."""
    return math.log(bar[3] / ring_push(state, 0, int(params[0]), bar[3]))


@feature(
    "gap",
    "price",
    inputs=("open", "close"),
    state=1,
    lookback=2,
    unit="share",
    source="definition: open over the previous close",
    pine="open / close[1] - 1",
)
@njit
def gap_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Open over the close before."""
    previous, state[0] = state[0], bar[3]
    return bar[0] / previous - 1.0 if previous > 0.0 else float("nan")


@feature(
    "close_to_open",
    "price",
    inputs=("open", "close"),
    unit="share",
    source="definition: close over open of the same bar",
    pine="close / open - 1",
)
@njit
def close_to_open_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Return inside the bar."""
    return float(bar[3] / bar[0] - 1.0)


@feature(
    "high_to_open",
    "price",
    each=((1, 0),),
    inputs=("open", "high"),
    unit="share",
    source="definition: high over open of the same bar",
    pine="high / open - 1",
)
@feature(
    "low_to_open",
    "price",
    each=((2, 0),),
    inputs=("open", "low"),
    unit="share",
    source="definition: low over open of the same bar",
    pine="low / open - 1",
)
@feature(
    "high_to_close",
    "price",
    each=((1, 3),),
    inputs=("high", "close"),
    unit="share",
    source="definition: high over close of the same bar",
    pine="high / close - 1",
)
@feature(
    "low_to_close",
    "price",
    each=((2, 3),),
    inputs=("low", "close"),
    unit="share",
    source="definition: low over close of the same bar",
    pine="low / close - 1",
)
@njit
def bar_ratio_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """One price of the bar over another, by their places in it."""
    return float(bar[int(params[0])] / bar[int(params[1])] - 1.0)


@feature(
    "bar_range",
    "price",
    inputs=("high", "low", "close"),
    unit="share of close",
    source="definition: high less low over close",
    pine="(high - low) / close",
)
@njit
def bar_range_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Range of the bar."""
    return float((bar[1] - bar[2]) / bar[3])


@feature(
    "body",
    "price",
    inputs=("open", "high", "low", "close"),
    unit="share of range, -1..1",
    source=_SHAPE,
    pine="nz((close - open) / (high - low))",
)
@njit
def body_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Close less open, over the range."""
    spread = bar[1] - bar[2]
    return (bar[3] - bar[0]) / spread if spread > 0.0 else 0.0


@feature(
    "upper_shadow",
    "price",
    inputs=("open", "high", "low", "close"),
    unit="share of range, 0..1",
    source=_SHAPE,
    pine="nz((high - math.max(open, close)) / (high - low))",
)
@njit
def upper_shadow_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """High above the body, over the range."""
    spread = bar[1] - bar[2]
    return (bar[1] - max(bar[0], bar[3])) / spread if spread > 0.0 else 0.0


@feature(
    "lower_shadow",
    "price",
    inputs=("open", "high", "low", "close"),
    unit="share of range, 0..1",
    source=_SHAPE,
    pine="nz((math.min(open, close) - low) / (high - low))",
)
@njit
def lower_shadow_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Body above the low, over the range."""
    spread = bar[1] - bar[2]
    return (min(bar[0], bar[3]) - bar[2]) / spread if spread > 0.0 else 0.0


@feature(
    "close_position",
    "price",
    inputs=("high", "low", "close"),
    unit="share of range, 0..1",
    source="definition; 0.5 on a bar without range",
    pine="nz((close - low) / (high - low), 0.5)",
)
@njit
def close_position_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Where the bar closes between its low and its high."""
    spread = bar[1] - bar[2]
    return (bar[3] - bar[2]) / spread if spread > 0.0 else 0.5
