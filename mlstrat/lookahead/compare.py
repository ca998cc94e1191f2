"""Columns that a run saw with all its data, beside the same columns made without what came later."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlstrat.arrays import BoolArray, TimeArray

Column = NDArray[Any]
# Tells which values of two columns are not the same.
Unlike = Callable[[Column, Column], BoolArray]


@dataclass(frozen=True)
class Difference:
    """The first value that is not the same.

    Parameters
    ----------
    column : str
        Where it stands.
    bar : int
        Its bar, counted from 0.
    time : str
        Open time of that bar, UTC.
    with_all, without : str
        The value with all data, and without what was known only after the bar `cut`.
    cut : int
        The last bar that was there.
    """

    column: str
    bar: int
    time: str
    with_all: str
    without: str
    cut: int

    def __str__(self) -> str:
        return (
            f"{self.column} at bar {self.bar:,} ({self.time}) is {self.with_all} with all data, and "
            f"{self.without} without what came after bar {self.cut:,}"
        )


@dataclass(frozen=True)
class Compared:
    """What came of comparing a stage of a run: values compared, how many differ, and the first that does.

    `rounded` counts the values that are the same but for rounding.
    """

    stage: str
    values: int = 0
    different: int = 0
    first: Difference | None = None
    rounded: int = 0

    def __add__(self, other: Compared) -> Compared:
        """Return both together; the first difference is this one's where it has one."""
        values, different = self.values + other.values, self.different + other.different
        rounded = self.rounded + other.rounded
        return Compared(self.stage, values, different, self.first or other.first, rounded)

    @property
    def verdict(self) -> str:
        """What to say of it in a few words."""
        if self.first:
            return str(self.first)
        if self.rounded:
            return f"the same but for rounding of {self.rounded:,}"
        return "the same bits" if self.values else "nothing to compare"


def unlike_bits(with_all: Column, without: Column) -> BoolArray:
    """Tell which values differ in a bit; NaN equals NaN, and the two zeros are not the same."""
    if with_all.dtype != without.dtype:
        return np.ones(len(with_all), bool)
    if with_all.dtype == np.float64:
        both = np.isnan(with_all) & np.isnan(without)
        bits = np.ascontiguousarray(with_all).view(np.int64) != np.ascontiguousarray(without).view(np.int64)
        return np.asarray(bits & ~both)
    if with_all.dtype.kind == "M":
        return np.asarray(with_all.astype(np.int64) != without.astype(np.int64))
    return np.asarray(with_all != without)


def compare(
    stage: str,
    columns: Mapping[str, tuple[Column, Column]],
    time: TimeArray,
    first: int,
    cut: int,
    unlike: Unlike = unlike_bits,
) -> Compared:
    """Compare columns of consecutive bars.

    Parameters
    ----------
    stage : str
        What they are of.
    columns : mapping
        Of each name the values with all data and those without what came later.
    time : (n_bars,) datetime64[ns]
        Open times of all bars.
    first : int
        Bar of the first row.
    cut : int
        The last bar that was there.
    unlike : callable
        What tells values apart.
    """
    values, different, place = 0, 0, None
    for name, (with_all, without) in columns.items():
        apart = np.flatnonzero(unlike(with_all, without))
        values, different = values + len(with_all), different + len(apart)
        if len(apart) and (place is None or apart[0] < place[0]):
            place = int(apart[0]), name
    if place is None:
        return Compared(stage, values, different)
    row, name = place
    told, made = (str(column[row]) for column in columns[name])
    when = str(np.datetime_as_string(time[first + row], "m"))
    return Compared(stage, values, different, Difference(name, first + row, when, told, made, cut))
