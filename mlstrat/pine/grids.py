"""Numbers of a fitted model as whole levels on evenly spaced values, as a string holds them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.models.grid import LEVELS
from mlstrat.pine.packing import BASE

# Levels that are tried on values: those that models are fitted on, then as many as so many digits hold.
_WIDEST = 6
# A few roundings of a float64: what "the same" means here.
_SAME = 1e-15


@dataclass(frozen=True)
class Grid:
    """Values as levels: `low + level * step`."""

    low: float
    step: float
    levels: tuple[int, ...]

    @property
    def count(self) -> int:
        """Levels that are needed."""
        return max(self.levels) + 1


def grid_of(values: FloatArray) -> Grid:
    """Return the coarsest grid that holds the values to their last bits, or to 1e-12 of their range."""
    low, high = float(values.min()), float(values.max())
    if low == high:
        return Grid(low, 0.0, (0,) * len(values))
    for levels in (*LEVELS.values(), *(BASE**width for width in range(2, _WIDEST + 1))):
        step = (high - low) / (levels - 1)
        places = np.rint((values - low) / step)
        if float(np.abs(low + places * step - values).max()) <= _SAME * max(abs(low), abs(high)):
            break
    return Grid(low, step, tuple(int(place) for place in places))
