"""Features that are functions of whole arrays: a user's own, and those of the package `ta`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.data.bars import COLUMNS
from mlstrat.errors import DataError, MlstratError
from mlstrat.features.registry import Feature

if TYPE_CHECKING:
    import pandas as pd


class ArrayColumn:
    """One array function over bars in pieces: each call sees the piece and as many rows before it as the
    warm-up, so that a piece gives what the whole gives, within 1e-9 of its size.

    Parameters
    ----------
    f : Feature
        With a function.
    """

    def __init__(self, f: Feature) -> None:
        self._feature = f
        self._seen = 0
        self._tail = np.empty((0, 6))

    def take(self, rows: FloatArray) -> FloatArray:
        """Return the values of the next rows of `Bars.matrix`, NaN before the lookback.

        Raises
        ------
        DataError
            The function failed, or returned something else than one finite number a bar.
        """
        f = self._feature
        whole = np.vstack([self._tail, rows]) if len(self._tail) else rows
        if self._seen + len(rows) < f.lookback:
            # Many functions fail on fewer bars than they need; none of these values would be used.
            self._seen, self._tail = self._seen + len(rows), whole.copy()
            return np.full(len(rows), np.nan)
        values = call(f, frame_of(whole, f.inputs))[len(whole) - len(rows) :]
        values[: max(f.lookback - 1 - self._seen, 0)] = np.nan
        due = np.arange(self._seen, self._seen + len(rows)) >= f.lookback - 1
        bad = np.flatnonzero(due & ~np.isfinite(values))
        if len(bad):
            moment = np.datetime64(int(rows[bad[0], 5]), "s").astype("datetime64[m]")
            raise DataError(
                f"feature {f.name} is {values[bad[0]]} at bar {self._seen + int(bad[0]):,} ({moment}): "
                f"{_remedy(f)}"
            )
        self._seen += len(rows)
        self._tail = whole[-(f.warmup - 1) :].copy() if f.warmup > 1 else self._tail
        return values


def _remedy(f: Feature) -> str:
    if f.family == "ta":
        return "leave it out, or wrap it in a feature of your own that gives a number there."
    return f"return a finite number for every bar from its lookback ({f.lookback}) on."


def frame_of(rows: FloatArray, inputs: tuple[str, ...]) -> pd.DataFrame:
    """Return rows of `Bars.matrix` as the DataFrame that an array function takes."""
    import pandas as pd

    stamps = (rows[:, 5] * 1e9).astype(np.int64).astype("datetime64[ns]")
    index = pd.DatetimeIndex(stamps, tz="UTC", name="time")
    columns = {name: rows[:, k].copy() for k, name in enumerate(COLUMNS) if name in inputs}
    return pd.DataFrame(columns, index=index)


def call(f: Feature, frame: pd.DataFrame) -> FloatArray:
    """Return what the function gives for a frame, one float64 a row, in an array of its own.

    Raises
    ------
    DataError
        It failed, or returned something else than one number a row.
    """
    function: Any = f.function
    try:
        given = function(frame.copy(), *f.params)
        values = np.array(given, np.float64, copy=True)
    except MlstratError:
        raise
    except Exception as error:  # a user's function may raise anything
        raise DataError(
            f"feature {f.name} failed on {len(frame):,} bars ({type(error).__name__}: {error}): mend it."
        ) from error
    if values.shape != (len(frame),):
        raise DataError(
            f"feature {f.name} returned shape {values.shape} for {len(frame):,} bars: "
            "return one number a bar."
        )
    return values
