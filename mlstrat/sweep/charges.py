"""What holding a position costs, in the form in which the kernels of a sweep take it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mlstrat.arrays import FloatArray, njit
from mlstrat.data.bars import Bars
from mlstrat.data.carry import GAP, HELD
from mlstrat.execution.carry import exit_charge


class Charges(NamedTuple):
    """What holding a position costs where the bars have a carry; numba drops the code for it where not.

    `dues` (n_bars, 4) is what a unit is charged at the open for the gap before it and at the close, of a
    long, then of a short; `rates` is the carry's table.
    """

    dues: FloatArray
    rates: FloatArray


def charges_of(bars: Bars) -> Charges | None:
    """Return what holding a position on the bars costs; None where it costs nothing."""
    if bars.carry is None:
        return None
    rates = bars.carry.table
    columns = [
        price * rates[:, of_side + place]
        for of_side in (0, 3)
        for place, price in ((GAP, bars.open), (HELD, bars.close))
    ]
    return Charges(np.column_stack(columns), rates)


@njit
def due_at_end(
    charges: Charges,
    bars: FloatArray,
    signal: int,
    ended: tuple[int, float],
    side: int,
    stop: float,
    target: float,
    max_bars: int,
) -> float:
    """Return what a unit is charged where a trade decided at `signal` ends, in that bar and at that price."""
    end, price = ended
    time_due = max_bars > 0 and end > signal + max_bars
    return exit_charge(charges.rates, end, side, 1.0, stop, target, time_due, bars[end, 0], price)
