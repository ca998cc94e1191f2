"""Worse fills, as small compiled functions on top of `mlstrat.execution.rule`.

Without spread, delay, worst order and cap each gives the bits of the rule's own.
"""

from __future__ import annotations

import numpy as np

from mlstrat.arrays import FloatArray, njit
from mlstrat.execution.rule import entry_price, step_bar, units_for
from mlstrat.execution.types import OPEN, STOP, TARGET


@njit
def at_most(units: float, most: float, price: float, rules: FloatArray) -> float:
    """Return the quantity, cut to `most` units on the step; 0 where that is worth less than the minimum."""
    return units if units <= most else units_for(np.inf, price, 0.0, most, rules)


@njit
def paid_under(side: int, open_: float, half_spread: float, rules: FloatArray) -> float:
    """Price of a market entry at the open: the rule's, and half the spread on top."""
    return entry_price(side, open_, rules) + side * half_spread * open_


@njit
def seen_target(side: int, target: float, half_spread: float) -> float:
    """Price that a bar must reach for the quote of the target's side to reach the target.

    A long sells at the bid, price (1 - half spread); a short buys at the ask, price (1 + half spread).
    """
    return target / (1.0 - side * half_spread)


@njit
def step_under(
    side: int,
    stop: float,
    target: float,
    time_due: bool,
    open_: float,
    high: float,
    low: float,
    slip: float,
    half_spread: float,
    worst_order: bool,
) -> tuple[int, float]:
    """Carry an open position through one bar, as `step_bar` does, under worse fills.

    Parameters
    ----------
    side, stop, target, time_due, open_, high, low, slip
        As in `step_bar`.
    half_spread : float
        Share of price. A target fills where the quote reaches it (`seen_target`); an open beyond that fills
        at its own quote, which is no worse than the target.
    worst_order : bool
        Whether the stop comes first where both are touched inside the bar.

    Returns
    -------
    tuple of int, float
        The reason and the fill price.
    """
    seen = seen_target(side, target, half_spread)
    reason, price = step_bar(side, stop, seen, time_due, open_, high, low, slip)
    if reason == OPEN:
        return reason, price
    at_open = time_due or side * (open_ - stop) <= 0.0 or side * (open_ - seen) >= 0.0
    if reason == TARGET and worst_order and not at_open:
        # Without its target the trade leaves this bar by its stop, if that was touched too.
        other, worse = step_bar(side, stop, side * np.inf, time_due, open_, high, low, slip)
        if other == STOP:
            reason, price = other, worse
    if reason == TARGET:
        return reason, open_ * (1.0 - side * half_spread) if at_open else target
    return reason, price - side * half_spread * (open_ if at_open else stop)
