"""Which value of an array function changes when later bars are added or changed, and by how much.

Values are compared within 1e-9 of their size and not bit by bit: pandas and NumPy add up in an order that
depends on how many rows there are, so that honest functions differ in their last bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mlstrat.arrays import BoolArray, FloatArray
from mlstrat.features.array_function import call, frame_of
from mlstrat.features.registry import Feature

if TYPE_CHECKING:
    import pandas as pd

SHARE = 1e-9
ADDED = "bars added"


@dataclass(frozen=True)
class Leak:
    """The first bar whose value depends on a later bar.

    Parameters
    ----------
    bar : int
        The bar, counted from 0.
    saw : int
        The first later bar that changes its value; with a test other than `ADDED`, the first one tampered.
    before, after : float
        Value at that bar as known at its own close, and with all later bars there; NaN = no value.
    test : str
        What was done to the later bars.
    series : str
        The bars on which it was found.
    """

    bar: int
    saw: int
    before: float
    after: float
    test: str
    series: str

    @property
    def size(self) -> float:
        """How much the value changes; infinite where one of the two is no number."""
        change = abs(self.after - self.before)
        return change if np.isfinite(change) else float("inf")

    @property
    def relative(self) -> float:
        """The change as a share of the larger of both values."""
        largest = max(abs(self.before), abs(self.after))
        return self.size / largest if np.isfinite(self.size) and largest > 0 else self.size


def values_of(f: Feature, rows: FloatArray) -> FloatArray:
    """Return what a run would see of an array function: NaN before the lookback."""
    return _masked(f, frame_of(rows, f.inputs))


def _masked(f: Feature, frame: pd.DataFrame) -> FloatArray:
    values = call(f, frame)
    values[: f.lookback - 1] = np.nan
    return values


def usual_size(values: FloatArray) -> float:
    """Mean absolute value: what small differences near zero are measured against."""
    finite = np.abs(values[np.isfinite(values)])
    return float(finite.mean()) if len(finite) else 0.0


def differs(actual: FloatArray, expected: FloatArray, usual: float) -> BoolArray:
    """Whether values differ by more than 1e-9 of their size; two that are no number do not."""
    with np.errstate(invalid="ignore"):
        near = np.abs(actual - expected) <= SHARE * np.maximum(np.abs(expected), usual)
    far: BoolArray = ~(near | (actual == expected) | (np.isnan(actual) & np.isnan(expected)))
    return far


def at_every_cut(f: Feature, rows: FloatArray, series: str) -> Leak | None:
    """Return the first leak that adding bars one by one shows; None proves that these bars show none.

    A bar's value is known when the bars end with it. That no longer series changes it, for every bar, is what
    causality means on these bars.
    """
    n, frame = len(rows), frame_of(rows, f.inputs)
    whole = _masked(f, frame)
    usual, known = usual_size(whole), np.full(n, np.nan)
    first: tuple[int, int] | None = None
    for end in range(f.lookback, n + 1):
        values = whole if end == n else _masked(f, frame.iloc[:end])
        known[end - 1] = values[-1]
        upto = end - 1 if first is None else min(first[0], end - 1)
        changed = np.flatnonzero(differs(values[:upto], known[:upto], usual))
        if len(changed):
            first = int(changed[0]), end - 1
    if first is None:
        return None
    bar, saw = first
    after = whole[bar]
    if not differs(whole[bar : bar + 1], known[bar : bar + 1], usual)[0]:
        after = values_of(f, rows[: saw + 1])[bar]
    return Leak(bar, saw, float(known[bar]), float(after), ADDED, series)


def at_cuts(f: Feature, rows: FloatArray, whole: FloatArray, cuts: Sequence[int], series: str) -> Leak | None:
    """Return a leak that a few cuts show, or None; quicker than `at_every_cut`, and no proof.

    `whole` holds the values of all rows.
    """
    for cut in cuts:
        found = _changed(values_of(f, rows[:cut]), whole[:cut], cut, ADDED, series)
        if found:
            return found
    return None


def when_tampered(
    f: Feature, rows: FloatArray, whole: FloatArray, cuts: Sequence[int], series: str
) -> Leak | None:
    """Return a leak that shows when later bars are made ten times or a tenth as high, or turned around.

    They are not made NaN: a run's bars never hold one, and an honest function may spread it, as a
    convolution by FFT does. `whole` holds the values of all rows.
    """
    for cut in cuts:
        for test, later in _tampered(rows[cut:]):
            values = values_of(f, np.vstack([rows[:cut], later]))
            found = _changed(whole[:cut], values[:cut], cut, test, series)
            if found:
                return found
    return None


def _tampered(later: FloatArray) -> Iterator[tuple[str, FloatArray]]:
    high, low, turned = later.copy(), later.copy(), later.copy()
    high[:, :5] *= 10.0
    low[:, :5] *= 0.1
    turned[:, :5] = later[::-1, :5]
    yield "later bars times 10", high
    yield "later bars times 0.1", low
    yield "later bars turned around", turned


def _changed(before: FloatArray, after: FloatArray, saw: int, test: str, series: str) -> Leak | None:
    changed = np.flatnonzero(differs(before, after, usual_size(after)))
    if not len(changed):
        return None
    bar = int(changed[0])
    return Leak(bar, saw, float(before[bar]), float(after[bar]), test, series)


def leak_sentence(f: Feature, leak: Leak) -> str:
    """Say what leaks where, how much, and what to do."""
    remedy = (
        f"use bars up to its own only; see mlstrat audit features {f.origin}."
        if f.origin
        else "leave it out."
    )
    return (
        f"feature {f.name} sees the future: on {leak.series} its value at bar {leak.bar} changes from "
        f"{_number(leak.before)} to {_number(leak.after)} with bar {leak.saw} ({leak.test}): {remedy}"
    )


def _number(value: float) -> str:
    return "no number" if np.isnan(value) else f"{value:.6g}"
