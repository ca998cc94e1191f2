"""Which value of an array function changes when later bars are added or changed, and by how much.

Values are compared but for rounding (`Rounding`) and not bit by bit: libraries add up in an order that may
depend on how many rows there are, as an FFT does, so that honest functions differ in their last bits.
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

# Convolutions by FFT, the roughest of honest functions, came to 2e-13 of the size and of the spread, and to
# ten times as much with later bars ten times as high.
_OF_SIZE, _OF_SPREAD, _ULPS = 1e-11, 1e-10, 8


@dataclass(frozen=True)
class Rounding:
    """How far values of a column may differ and still be the same but for rounding.

    Size alone does not tell: of a column that hardly varies, the last digits are all that it says.

    Parameters
    ----------
    usual : float
        Median absolute value of those that are not 0: what differences near zero are measured against.
    spread : float
        Standard deviation.
    """

    usual: float
    spread: float

    @classmethod
    def of(cls, values: FloatArray) -> Rounding:
        """Measure a column, (n_bars,) float64; what is not finite does not count."""
        finite = values[np.isfinite(values)]
        sizes = np.abs(finite[finite != 0.0])
        return cls(
            float(np.median(sizes)) if len(sizes) else 0.0, float(finite.std()) if len(finite) else 0.0
        )

    def apart(self, actual: FloatArray, expected: FloatArray) -> BoolArray:
        """Tell which values differ by more than rounding; two that are no number do not."""
        size = np.abs(expected)
        by_size = np.minimum(_OF_SIZE * np.maximum(size, self.usual), _OF_SPREAD * self.spread)
        allowed = np.maximum(by_size, _ULPS * np.finfo(np.float64).eps * size)
        with np.errstate(invalid="ignore"):
            near = np.abs(actual - expected) <= allowed
        far: BoolArray = ~(near | (actual == expected) | (np.isnan(actual) & np.isnan(expected)))
        return far


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
    rounding, known = Rounding.of(whole), np.full(n, np.nan)
    first: tuple[int, int] | None = None
    for end in range(f.lookback, n + 1):
        values = whole if end == n else _masked(f, frame.iloc[:end])
        known[end - 1] = values[-1]
        upto = end - 1 if first is None else min(first[0], end - 1)
        changed = np.flatnonzero(rounding.apart(values[:upto], known[:upto]))
        if len(changed):
            first = int(changed[0]), end - 1
    if first is None:
        return None
    bar, saw = first
    after = whole[bar]
    if not rounding.apart(whole[bar : bar + 1], known[bar : bar + 1])[0]:
        after = values_of(f, rows[: saw + 1])[bar]
    return Leak(bar, saw, float(known[bar]), float(after), ADDED, series)


def at_cuts(f: Feature, rows: FloatArray, whole: FloatArray, cuts: Sequence[int], series: str) -> Leak | None:
    """Return a leak that a few cuts show, or None; quicker than `at_every_cut`, and no proof.

    `whole` holds the values of all rows.
    """
    rounding = Rounding.of(whole)
    for cut in cuts:
        found = _changed(values_of(f, rows[:cut]), whole[:cut], rounding, cut, ADDED, series)
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
    rounding = Rounding.of(whole)
    for cut in cuts:
        for test, later in _tampered(rows[cut:]):
            values = values_of(f, np.vstack([rows[:cut], later]))
            found = _changed(whole[:cut], values[:cut], rounding, cut, test, series)
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


def _changed(
    before: FloatArray, after: FloatArray, rounding: Rounding, saw: int, test: str, series: str
) -> Leak | None:
    changed = np.flatnonzero(rounding.apart(before, after))
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
    before, after = told_apart(leak.before, leak.after)
    return (
        f"feature {f.name} sees the future: on {leak.series} its value at bar {leak.bar} changes from "
        f"{before} to {after} with bar {leak.saw} ({leak.test}): {remedy}"
    )


def told_apart(before: float, after: float) -> tuple[str, str]:
    """Write two values with six digits, or with all where six do not tell them apart."""
    short, long = (
        tuple("no number" if np.isnan(value) else form(value) for value in (before, after))
        for form in ("{:.6g}".format, repr)
    )
    return (short[0], short[1]) if short[0] != short[1] else (long[0], long[1])
