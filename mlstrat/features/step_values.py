"""Values of one step over rows of bars: what an audit tries."""

from __future__ import annotations

import re

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.errors import DataError
from mlstrat.features.program import Program, compile_program
from mlstrat.features.registry import Feature

# Bars between a bar and the one that stands beside it as the other symbol's.
_APART = 7


def compiled(f: Feature) -> Program:
    """Return the step, compiled.

    Raises
    ------
    DataError
        It is a user's and cannot be compiled.
    """
    try:
        return compile_program([f])
    except Exception as error:
        if not f.origin:
            raise
        told = " ".join(re.sub(r"\x1b\[\d*m", "", str(error)).split())[:200]
        raise DataError(
            f"the step of feature {f.name} cannot be compiled ({type(error).__name__}: {told}): mend it, or "
            "leave numba's decorator out to make it an array function."
        ) from error


def rows_for(f: Feature, rows: FloatArray) -> FloatArray:
    """Return rows of `Bars.matrix` as the step takes them: for pairs with other bars beside each."""
    if not f.pair:
        return rows
    return np.ascontiguousarray(np.hstack([rows, np.roll(rows, _APART, axis=0)]))


def step_values(f: Feature, rows: FloatArray) -> FloatArray:
    """Return the values of a step that begins with the first of these rows (from `rows_for`)."""
    program = compiled(f)
    out = np.empty((len(rows), 1))
    program.advance(program.start(), np.ascontiguousarray(rows), out)
    return out[:, 0]
