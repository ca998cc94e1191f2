"""Funding and borrow as small compiled functions that every engine calls: paragraph 10 of the rule.

A table of rates has one row a bar (`mlstrat.data.carry.Carry`); one without rows charges nothing.
"""

from __future__ import annotations

import numpy as np

from mlstrat.arrays import FloatArray, njit
from mlstrat.data.bars import Bars
from mlstrat.data.carry import ENDED, GAP, HELD, WIDTH


def rates_of(bars: Bars) -> FloatArray:
    """Return what positions pay at the bars as the compiled functions take it; no rows = nothing."""
    return np.zeros((0, WIDTH)) if bars.carry is None else bars.carry.table


@njit
def gap_charge(rates: FloatArray, bar: int, side: int, units: float, open_: float) -> float:
    """Return what a position that was held at the close before pays at the open of a bar (10a).

    Parameters
    ----------
    rates : (n_bars, 6) float64
        `rates_of`.
    bar : int
        The bar.
    side : int
        1 long, -1 short.
    units, open_ : float
        Quantity, and the price that it is valued at.

    Returns
    -------
    float
        Quote currency; negative = the position receives.
    """
    return float(units * (open_ * rates[bar, GAP if side > 0 else GAP + 3]))


@njit
def close_charge(rates: FloatArray, bar: int, side: int, units: float, close: float) -> float:
    """Return what a position that is held at the close of a bar pays there (10b); see `gap_charge`."""
    return float(units * (close * rates[bar, HELD if side > 0 else HELD + 3]))


@njit
def exit_rate(
    rates: FloatArray, bar: int, side: int, stop: float, target: float, time_due: bool, open_: float
) -> float:
    """Return which share of its value at the exit a trade pays that ends in a bar (10c).

    Parameters
    ----------
    rates, bar, side
        As for `gap_charge`.
    stop, target, time_due, open_
        As for `mlstrat.execution.rule.step_bar`: they tell whether it ended at the open.

    Returns
    -------
    float
        0 where the trade ended at the open, else never negative: nobody knows which stamps inside the bar
        came before the exit.
    """
    if time_due or side * (open_ - stop) <= 0.0 or side * (open_ - target) >= 0.0:
        return 0.0
    return float(rates[bar, ENDED if side > 0 else ENDED + 3])


@njit
def exit_charge(
    rates: FloatArray,
    bar: int,
    side: int,
    units: float,
    stop: float,
    target: float,
    time_due: bool,
    open_: float,
    price: float,
) -> float:
    """Return what a trade that ends in a bar pays at its exit, at this price; see `exit_rate`."""
    return float(units * (price * exit_rate(rates, bar, side, stop, target, time_due, open_)))
