"""A table of returns from any tool: one row a period, one column a strategy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlstrat.arrays import FloatArray, TimeArray
from mlstrat.data.stamps import to_utc
from mlstrat.data.table_files import read_frame
from mlstrat.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_TIMES = ("time", "date", "datetime", "timestamp")
_YEAR = np.timedelta64(31_557_600, "s")  # 365.25 days
_MUCH = 1.0  # a gain in one period that is more likely a percentage
_LIKE_EQUITY = 0.5  # the median of a curve that begins at 1 or more; returns are never so large


@dataclass(frozen=True, eq=False)
class ReturnsTable:
    """Returns of strategies, row by row.

    Parameters
    ----------
    origin : str
        Name of the source, for messages.
    names : tuple of str
        Of the strategies.
    values : (n_rows, n_columns) float64
        Simple returns of a period, finite, not below -1.
    time : (n_rows,) datetime64[ns] or None
        UTC, strictly increasing; None where the source has none.
    notes : tuple of str
        What reading had to infer.
    """

    origin: str
    names: tuple[str, ...]
    values: FloatArray
    time: TimeArray | None
    notes: tuple[str, ...] = ()

    @property
    def rows_per_year(self) -> float | None:
        """Rows in a year of 365.25 days, counted from the first to the last time; None without times."""
        if self.time is None or len(self.time) < 2:
            return None
        return float((len(self.time) - 1) / ((self.time[-1] - self.time[0]) / _YEAR))

    def without(self, name: str) -> tuple[ReturnsTable, FloatArray]:
        """Return the table without a column, and that column."""
        place = self.names.index(name)
        names = self.names[:place] + self.names[place + 1 :]
        return replace(self, names=names, values=np.delete(self.values, place, axis=1)), self.values[:, place]


def read_returns(path: Path, *, equity: bool = False) -> ReturnsTable:
    """Read a CSV or Parquet file of returns.

    A column named time, date, datetime or timestamp, or a first column of dates, gives the times; each other
    column is a strategy. A first column that counts the rows from 0 or 1 is left out.

    Parameters
    ----------
    path : Path
        The file.
    equity : bool
        Whether columns hold equity, from which returns are computed; the first row gives none.

    Raises
    ------
    DataError
        The file cannot be read, a value is no finite number, times do not increase, a return is below -1, or
        a column is not what was said: equity where returns were, or the other way round.
    """
    import pandas as pd

    frame, notes = read_frame(path), []
    frame = frame if isinstance(frame.index, pd.RangeIndex) else frame.reset_index()
    if not len(frame.columns) or not len(frame):
        raise DataError(f"{path} has no rows: give a table of returns, one row a period.")
    if len(frame.columns) > 1 and _counts_rows(frame.iloc[:, 0]):
        notes.append(f"The first column of {path.name} counts the rows and was left out.")
        frame = frame.iloc[:, 1:]
    dated = _time_column(frame)
    time = None if dated is None else _times(frame.iloc[:, dated], str(path))
    held = [place for place in range(len(frame.columns)) if place != dated]
    if not held:
        raise DataError(f"{path} has times and no returns: give at least one column of numbers.")
    names = tuple(str(frame.columns[k]) for k in held)
    values = np.column_stack(
        [_numbers(frame.iloc[:, k], name, path) for k, name in zip(held, names, strict=True)]
    )
    if equity:
        values, time = _from_equity(values, names, path), None if time is None else time[1:]
    _refuse_others(values, names, path)
    notes += _large(values, names)
    return ReturnsTable(str(path), names, values, time, tuple(notes))


def _counts_rows(column: pd.Series) -> bool:
    """Whether values are the row numbers, from 0 or 1."""
    if column.dtype.kind not in "iu":
        return False
    values = column.to_numpy()
    return values[0] in (0, 1) and bool((values == np.arange(values[0], values[0] + len(values))).all())


def _time_column(frame: pd.DataFrame) -> int | None:
    """Return the place of the column of times; None without one."""
    for place, name in enumerate(frame.columns):
        if str(name).strip().lower() in _TIMES:
            return place
    return 0 if _is_dated(frame.iloc[:, 0]) else None


def _is_dated(column: pd.Series) -> bool:
    """Whether a column holds dates, by its values: date-times, or text that begins like 2024-01-31."""
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return True
    if pd.api.types.is_numeric_dtype(column.dtype):
        return False
    return bool(column.astype(str).str.match(r"\s*\d{4}-\d{2}-\d{2}").all())


def _times(column: pd.Series, origin: str) -> TimeArray:
    time = to_utc(column, "UTC", origin)
    back = np.flatnonzero(np.diff(time) <= np.timedelta64(0, "ns"))
    if len(back):
        row = int(back[0]) + 1
        raise DataError(
            f"row {row} of {origin} ({time[row]}) is not later than the row before: give rows in the order "
            "of time, each once."
        )
    return time


def _numbers(column: pd.Series, name: str, path: Path) -> FloatArray:
    import pandas as pd

    if pd.api.types.is_bool_dtype(column.dtype) or not pd.api.types.is_numeric_dtype(column.dtype):
        texts = [str(value).strip() for value in column]
        row = next((row for row, text in enumerate(texts) if not _is_number(text)), 0)
        raise DataError(f"{name!r} of {path} has {texts[row]!r} in row {row}: {_remedy(texts[row])}.")
    values = column.to_numpy(np.float64, na_value=np.nan)
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        row = int(bad[0])
        remedy = "drop rows whose return is not known, and give 0 where nothing is held"
        if row == 0:
            remedy = "drop the first row, which has no return yet, or give 0 where nothing is held"
        raise DataError(f"{name!r} of {path} has no number in row {row}: {remedy}.")
    return np.asarray(values)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _remedy(text: str) -> str:
    if text.endswith("%"):
        return "write a return of 1.2 % as 0.012"
    return "give numbers only, and times in a first column named time, as 2024-01-31 or with an offset"


def _from_equity(values: FloatArray, names: tuple[str, ...], path: Path) -> FloatArray:
    if (values <= 0.0).any():
        row, column = np.argwhere(values <= 0.0)[0]
        raise DataError(
            f"{names[column]!r} of {path} is {values[row, column]:g} in row {row}, which is no equity: give "
            "values above 0, or leave out --equity where these are returns."
        )
    return np.asarray(values[1:] / values[:-1] - 1.0)


def _refuse_others(values: FloatArray, names: tuple[str, ...], path: Path) -> None:
    for column, name in enumerate(names):
        series = values[:, column]
        if len(series) and np.min(series) > 0.0 and np.median(series) >= _LIKE_EQUITY:
            raise DataError(
                f"{name!r} of {path} looks like an equity curve (first {series[0]:g}, last {series[-1]:g}): "
                "give --equity, or a table of returns, in which 0.01 is 1 %."
            )
        if (series < -1.0).any():
            row = int(np.argmax(series < -1.0))
            raise DataError(
                f"{name!r} of {path} is {series[row]:g} in row {row}, and no return is below -1: where these "
                "are percentages, divide by 100; where they are profits, divide by the equity before."
            )


def _large(values: FloatArray, names: tuple[str, ...]) -> list[str]:
    if not len(values):
        return []
    most, column = float(np.max(values)), int(np.argmax(np.max(values, axis=0)))
    if most <= _MUCH:
        return []
    return [
        f"Careful: the largest return of {names[column]!r} is {most:g}, which is {most:.0%} in one period; "
        "where these are percentages, divide by 100."
    ]
