"""What a repair may do to cells: numbers with thousands separators, and stamps that cannot be used."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from mlstrat.arrays import BoolArray, FloatArray
from mlstrat.data.mending.rules import Change, change_of
from mlstrat.data.stamps import (
    EPOCH_UNITS,
    FIRST_YEAR,
    LAST_YEAR,
    NUMBER,
    as_float,
    as_text,
    unit_index,
)
from mlstrat.data.tables import floats
from mlstrat.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf(inity)?|nan)", re.IGNORECASE)
# A comma that cannot separate thousands.
_DECIMAL_COMMA = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+,\d+|\d+,(\d{1,2}|\d{4,}))")
_MOSTLY = 0.5


class NumberCells:
    """Turns columns into floats where `tables.floats` would refuse, and remembers what it changed."""

    def __init__(self) -> None:
        self.changes: list[Change] = []

    def __call__(self, column: pd.Series, name: str, origin: str) -> FloatArray:
        """Return a column as float64; NaN where a cell is empty or no number.

        Raises
        ------
        DataError
            No cell is a number, or numbers are written with a decimal comma.
        """
        import pandas as pd

        if pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_datetime64_any_dtype(column.dtype):
            return floats(column, name, origin)
        texts = ["" if isinstance(cell, bool | np.bool_) else as_text(cell) for cell in column]
        _refuse_decimal_comma(texts, name, origin)
        separated = np.array([_THOUSANDS.fullmatch(text) is not None for text in texts], bool)
        plain = np.array([_PLAIN.fullmatch(text) is not None for text in texts], bool)
        filled = np.array([as_text(cell) != "" for cell in column], bool)
        if filled.any() and not (separated | plain).any():
            return floats(column, name, origin)
        rows = np.arange(len(texts))
        self.changes += change_of(
            f"has the {name} written with thousands separators", "read as a number", rows[separated]
        )
        self.changes += change_of(
            f"has a {name} that is no number", "read as an empty cell", rows[filled & ~separated & ~plain]
        )
        usable = zip(texts, separated | plain, strict=True)
        return np.array([float(text.replace(",", "")) if good else np.nan for text, good in usable])


def _refuse_decimal_comma(texts: list[str], name: str, origin: str) -> None:
    for row, text in enumerate(texts):
        if _DECIMAL_COMMA.fullmatch(text):
            raise DataError(
                f"{name} of {origin} is written with a decimal comma ({text[:40]!r} in row {row}): "
                "export it with decimal points."
            )


def usable_stamps(raw: pd.Series) -> tuple[BoolArray, pd.Series, list[Change]]:
    """Tell the stamps that can be read from those that cannot, and bring epoch numbers to one unit.

    Parameters
    ----------
    raw : (n,) Series
        Stamps as written.

    Returns
    -------
    (n,) bool, (n_kept,) Series, list of Change
        Which rows to keep, their stamps, and what was changed.
    """
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(raw.dtype):
        return _readable(raw, raw.dt.year.to_numpy(np.float64), raw.isna().to_numpy())
    texts = [as_text(value) for value in raw]
    missing = np.array([not text for text in texts], bool)
    numeric = pd.api.types.is_numeric_dtype(raw.dtype) and not pd.api.types.is_bool_dtype(raw.dtype)
    numbers = np.array([NUMBER.match(text) is not None for text in texts], bool)
    if numeric:
        return _epochs(raw, as_float(raw), missing)
    if numbers.sum() > _MOSTLY * np.sum(~missing):
        whole = [float(text) if good else 0.0 for text, good in zip(texts, numbers, strict=True)]
        exact = [
            int(text.partition(".")[0]) if good else 0 for text, good in zip(texts, numbers, strict=True)
        ]
        return _epochs(pd.Series(exact, dtype=object), np.array(whole), missing)
    plain = [text.removesuffix("UTC").rstrip() for text in texts]
    moments = pd.to_datetime(pd.Series(plain, dtype=object), format="ISO8601", utc=True, errors="coerce")
    return _readable(raw, moments.dt.year.to_numpy(np.float64), missing)


def _readable(raw: pd.Series, year: FloatArray, missing: BoolArray) -> tuple[BoolArray, Any, list[Change]]:
    rows = np.arange(len(raw))
    far = (year < float(FIRST_YEAR)) | (year >= float(LAST_YEAR))
    unreadable = np.isnan(year) & ~missing
    changes = change_of("has no time", "dropped", rows[missing])
    changes += change_of("has a time that cannot be read", "dropped", rows[unreadable])
    span = f"lies outside the years {FIRST_YEAR} to {LAST_YEAR}"
    changes += change_of(span, "dropped", rows[far])
    kept = ~(missing | unreadable | far)
    return kept, raw[kept].reset_index(drop=True), changes


def _epochs(
    raw: pd.Series, number: FloatArray, missing: BoolArray
) -> tuple[BoolArray, pd.Series, list[Change]]:
    import pandas as pd

    rows, unit = np.arange(len(raw)), unit_index(number)
    foreign = (unit == 0) & ~missing
    with np.errstate(invalid="ignore"):
        broken = (unit > 0) & (number != np.floor(number))
    changes = change_of("has no time", "dropped", rows[missing])
    changes += change_of("has a time that is no epoch number", "dropped", rows[foreign])
    changes += change_of("has a time with a fraction", "dropped", rows[broken])
    kept = ~(missing | foreign | broken)
    units = np.bincount(unit[kept], minlength=len(EPOCH_UNITS) + 1)
    usual = int(np.argmax(units))
    other = kept & (unit != usual)
    if not other.any():
        return kept, raw[kept].reset_index(drop=True), changes
    name = list(EPOCH_UNITS)[usual - 1]
    changes += change_of(f"has a time in another unit than {name}", "converted", rows[other])
    per_second = np.array([1, *EPOCH_UNITS.values()])[unit]
    nanoseconds = [
        int(value) * (10**9 // int(scale)) for value, scale in zip(raw[kept], per_second[kept], strict=True)
    ]
    return kept, pd.Series(nanoseconds, dtype="int64"), changes
