"""The one execution rule, as small compiled functions that every engine calls.

`docs/execution.md` states the rule; the numbers in the comments are its paragraphs.
"""

import math

import numpy as np

from mlstrat.arrays import FloatArray, njit
from mlstrat.execution.types import (
    CASH,
    COOLDOWN,
    FEE,
    MAX_DAY,
    MAX_DD,
    MAX_STREAK,
    MIN_NOTIONAL,
    RESERVE,
    SLIP,
    STEP,
    STOP,
    TARGET,
    TICK,
    TIME,
)

# Positions in a breaker's state row.
PEAK, DAY, DAY_START, STREAK, PAUSED_UNTIL, LAST_CASH = range(6)
DAY_SECONDS = 86_400.0
LEAST_LOSS = 1e-9  # in quote currency


@njit
def round_to_tick(price: float, tick: float) -> float:
    """Round a price to the nearest tick, half up, dividing by the whole inverse of the tick (3)."""
    if tick >= 1.0:
        return math.floor(price / tick + 0.5) * tick
    return math.floor(price / tick + 0.5) / round(1.0 / tick)


@njit
def units_for(equity: float, close: float, fraction: float, units: float, rules: FloatArray) -> float:
    """Quantity of an entry, fixed at the deciding close (2); 0 = no order.

    Parameters
    ----------
    equity, close : float
        Equity and price at the deciding close, quote currency.
    fraction : float
        Share of equity to hold, used where `units` is NaN.
    units : float
        Quantity that the decision gives itself, or NaN.
    rules : (11,) float64
        `RiskRules.as_row()`.

    Returns
    -------
    float
        At most what equity can pay at this close with fee and reserve, rounded down to the step;
        0 where that is worth less than the minimum notional.
    """
    wanted = equity * fraction / close if math.isnan(units) else units
    quantity = min(wanted, equity / (close * (1.0 + rules[FEE] + rules[RESERVE])))
    step = rules[STEP]
    if step >= 1.0:
        rounded = math.floor(quantity / step + 1e-9) * step
    else:
        inverse = round(1.0 / step)
        rounded = math.floor(quantity * inverse + 1e-9) / inverse
    worth_sending = rounded > 0.0 and rounded * close >= rules[MIN_NOTIONAL]
    return float(rounded) if worth_sending else 0.0


@njit
def entry_price(side: int, open_: float, rules: FloatArray) -> float:
    """Price of a market entry at the open, slipped against the trade (7)."""
    return float(open_ + side * rules[SLIP] * rules[TICK])


@njit
def payable(side: int, units: float, price: float, cash: float, rules: FloatArray) -> bool:
    """Whether cash can pay the entry and its commission; shorts likewise, no margin (2)."""
    return bool(units * price * (1.0 + rules[FEE]) <= cash)


@njit
def step_bar(
    side: int,
    stop: float,
    target: float,
    time_due: bool,
    open_: float,
    high: float,
    low: float,
    slip: float,
) -> tuple[int, float]:
    """Carry an open position through one bar: the only place where an exit is decided (4).

    Parameters
    ----------
    side : int
        1 long, -1 short.
    stop, target : float
        Prices on the tick grid.
    time_due : bool
        Whether a time exit was requested at the previous close.
    open_, high, low : float
        The bar.
    slip : float
        Slippage of market and stop fills, in price.

    Returns
    -------
    tuple of int, float
        The reason (`OPEN` = still in the trade, `STOP`, `TARGET`, `TIME`) and the fill price.
    """
    if time_due:
        return TIME, open_ - side * slip
    if side * (open_ - stop) <= 0.0:
        return STOP, open_ - side * slip
    if side * (open_ - target) >= 0.0:
        return TARGET, open_
    if side > 0:
        stop_hit, target_hit = low <= stop, high >= target
    else:
        stop_hit, target_hit = high >= stop, low <= target
    if stop_hit and target_hit:
        high_first = (high - open_) < (open_ - low)
        target_hit = high_first == (side > 0)
        stop_hit = not target_hit
    if stop_hit:
        return STOP, stop - side * slip
    if target_hit:
        return TARGET, target
    return 0, 0.0


@njit
def profit_of(side: int, units: float, paid: float, price: float, costs: float) -> float:
    """Return the profit of a trade after its costs, which are its commissions and its funding.

    Every engine books a trade by this one formula.
    """
    return float(side * units * (price - paid) - costs)


@njit
def breaker_start(rules: FloatArray) -> FloatArray:
    """Return the breakers' state before the first bar."""
    state = np.zeros(6)
    state[PEAK] = rules[CASH]
    state[LAST_CASH] = rules[CASH]
    state[DAY] = -1.0
    state[PAUSED_UNTIL] = -1.0
    return state


@njit
def breaker_trade(state: FloatArray, profit: float) -> None:
    """Tell the breakers that a trade ended with this profit; a loss that is rounding alone counts as none."""
    state[STREAK] = state[STREAK] + 1.0 if profit < -LEAST_LOSS else 0.0


@njit
def breaker_step(state: FloatArray, bar: int, close_seconds: float, cash: float, rules: FloatArray) -> bool:
    """Evaluate the equity breakers at a close at which the account is flat (8).

    Parameters
    ----------
    state : (6,) float64
        From `breaker_start`; changed in place.
    bar : int
        Index of the bar.
    close_seconds : float
        Close time of the bar, epoch seconds; the day is UTC.
    cash : float
        Cash after all commissions.
    rules : (11,) float64
        `RiskRules.as_row()`.

    Returns
    -------
    bool
        Whether an entry may be made at this close.
    """
    day = math.floor((close_seconds - 1.0) / DAY_SECONDS)
    if day != state[DAY]:
        # The day began with the cash of the last flat close before it, so that the loss of a trade held
        # over midnight counts on the day on which it is taken.
        state[DAY] = day
        state[DAY_START] = state[LAST_CASH]
    state[LAST_CASH] = cash
    state[PEAK] = max(state[PEAK], cash)
    if bar < state[PAUSED_UNTIL]:
        return False
    tripped = (
        (rules[MAX_DD] > 0.0 and cash < state[PEAK] * (1.0 - rules[MAX_DD]))
        or (rules[MAX_DAY] > 0.0 and cash < state[DAY_START] * (1.0 - rules[MAX_DAY]))
        or (rules[MAX_STREAK] > 0.0 and state[STREAK] >= rules[MAX_STREAK])
    )
    if not tripped:
        return True
    # A breaker opens once: what it measures starts afresh, so that trading resumes after the pause.
    state[PAUSED_UNTIL] = bar + rules[COOLDOWN]
    state[PEAK] = cash
    state[DAY_START] = cash
    state[STREAK] = 0.0
    return False


@njit
def bracket(
    side: int, close: float, atr: float, stop_atr: float, target_atr: float, tick: float
) -> tuple[float, float]:
    """Return stop and target of a trade decided at this close, so many ATR away, on the tick grid (3)."""
    stop = round_to_tick(close - side * stop_atr * atr, tick)
    target = round_to_tick(close + side * target_atr * atr, tick)
    return stop, target


@njit
def bracket_holds(side: int, stop: float, target: float) -> bool:
    """Whether stop and target can be traded: above zero, and the stop short of the target."""
    return bool((target - stop) * side > 0.0 and min(stop, target) > 0.0)
