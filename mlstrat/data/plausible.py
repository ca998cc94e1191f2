"""Columns that obey every law of a bar and still are no market: refused when they are read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from mlstrat.arrays import BoolArray, FloatArray
from mlstrat.data.bars import COLUMNS, Bars, RowError, count_of
from mlstrat.errors import DataError

# A price beyond both neighbouring closes by this factor, gone in the next bar, is a slipped decimal point.
SPIKE_FACTOR = 5.0
# Fewer equal closes than this may be a lull.
LEAST_CONSTANT = 20


def implausible(bars: Any) -> Iterator[DataError]:
    """Yield why columns cannot be a market's; `bars` needs the attributes of `Bars`, and to obey its laws."""
    if len(bars.time) >= LEAST_CONSTANT and np.all(bars.close == bars.close[0]):
        yield _constant(bars)
    yield from _spiked(bars)


class Plausibility:
    """`implausible` for bars that come in pieces: refuses what it would find in all of them together."""

    def __init__(self) -> None:
        self._tail: Bars | None = None
        self._count = 0
        self._first_close = np.nan
        self._moved = False

    def take(self, bars: Bars) -> None:
        """Look at the next bars; a row of the bars before them is counted from -1 backwards.

        Raises
        ------
        DataError
            A bar among them, or the last one before, spikes.
        """
        known = 0 if self._tail is None else len(self._tail)
        joined = bars if self._tail is None else _joined(self._tail, bars)
        for error in _spiked(joined):
            raise RowError(error.row - known, error.where, error.what, error.remedy)
        self._first_close = self._first_close if self._count else float(bars.close[0])
        self._moved = self._moved or bool(np.any(bars.close != self._first_close))
        self._count += len(bars)
        self._tail = joined[-2:]

    def end(self) -> None:
        """Raise DataError if every close was the same."""
        if self._tail is not None and not self._moved and self._count >= LEAST_CONSTANT:
            raise _constant(self._tail)


def _joined(before: Bars, after: Bars) -> Bars:
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(before, name), getattr(after, name)]) for name in ("time", *COLUMNS)
    }
    return replace(after, **columns)


def _constant(bars: Any) -> DataError:
    return DataError(
        f"every close of {bars.symbol} is the same ({bars.close[0]:.10g}): check what was exported."
    )


def _spiked(bars: Any) -> Iterator[RowError]:
    bad = spikes(bars.open, bars.high, bars.low, bars.close)
    if bad.any():
        row = int(np.argmax(bad))
        values = ", ".join(f"{name} {getattr(bars, name)[row]:.10g}" for name in ("high", "low", "close"))
        where = f"{bars.symbol} ({np.datetime_as_string(bars.time[row], 'm')}: {values})"
        what = f"leaves the closes before and after it by a factor of {SPIKE_FACTOR:g} or more"
        yield RowError(row, where, what + count_of(bad), "compare it with another source, or drop the row")


def spikes(open_px: FloatArray, high: FloatArray, low: FloatArray, close: FloatArray) -> BoolArray:
    """(n_bars,) whether a bar leaves both neighbouring closes by `SPIKE_FACTOR`; never at either end."""
    bad = np.zeros(len(close), bool)
    if len(close) < 3:
        return bad
    before, after = close[:-2], close[2:]
    top = np.maximum(np.maximum(open_px, close), high)[1:-1]
    bottom = np.minimum(np.minimum(open_px, close), low)[1:-1]
    above = top >= SPIKE_FACTOR * np.maximum(before, after)
    bad[1:-1] = above | (bottom * SPIKE_FACTOR <= np.minimum(before, after))
    return bad
