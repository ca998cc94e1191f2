"""Cells of a table that TradingView or a spreadsheet wrote: numbers and dates in the forms that occur."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.errors import DataError

_BLANK = {"", "-", "\u2013", "\u2014", "n/a", "nan", "\u2205"}
_SPACES = re.compile(r"[\s\u00a0\u202f\u2009']+")
# Sign, currency sign, sign, digits and separators, currency.
_NUMBER = re.compile(
    r"([+-]?)[^\d.,+-]{0,4}([+-]?)(\d[\d.,]*|[.,]\d+)(e[+-]?\d+)?[^\d.,]{0,5}", re.IGNORECASE
)
_WEEKDAY = re.compile(r"^(mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+", re.IGNORECASE)
_DATES = (
    "%b %d %Y",
    "%B %d %Y",
    "%d %b %Y",
    "%d %B %Y",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%d.%m.%Y",
    "%m/%d/%Y",
    "%d/%m/%Y",
)
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
_FIRST_YEAR, _LAST_YEAR = 1900, 2200


def is_blank(text: str) -> bool:
    """Whether a cell holds no value: empty, or a dash as TradingView prints for none."""
    return text.strip().casefold() in _BLANK


def decimal_mark(texts: Sequence[str], delimiter: str) -> str:
    """Return the decimal mark of a table's numbers, "." or ",".

    Where both occur in one number the last is the mark. A comma alone is one where it cannot part thousands,
    and in a table parted by semicolons, whose writer has the comma for decimals.
    """
    plain = [_SPACES.sub("", text) for text in texts]
    for text in plain:
        if "," in text and "." in text:
            return max(",.", key=text.rfind)
    with_comma = [text for text in plain if "," in text]
    thousands = all(re.fullmatch(r"\D*\d{1,3}(,\d{3})+\D*", text) for text in with_comma)
    if not with_comma or any("." in text for text in plain):
        return "."
    return "." if thousands and delimiter == "," else ","


def numbers(texts: Sequence[str], lines: Sequence[int], mark: str, what: str) -> tuple[FloatArray, float]:
    """Read a column of numbers.

    Parameters
    ----------
    texts : sequence of str
        The cells; thousands separators, currency signs, typographic minus and brackets for losses are read.
    lines : sequence of int
        Line of each cell in the file.
    mark : str
        The decimal mark.
    what : str
        Name of the column.

    Returns
    -------
    values : (n,) float64
        NaN where blank.
    step : float
        One unit of the last digit printed anywhere in the column.

    Raises
    ------
    DataError
        A cell holds something else; the message names its line.
    """
    values, decimals = np.full(len(texts), np.nan), 0
    for row, text in enumerate(texts):
        if is_blank(text):
            continue
        plain = _SPACES.sub("", text).replace("\u2212", "-")
        negative = plain.startswith("(") and plain.endswith(")")
        found = _NUMBER.fullmatch(plain.strip("()"))
        digits = "" if found is None else found[3].replace("," if mark == "." else ".", "").replace(mark, ".")
        if found is None or digits.count(".") > 1:
            raise DataError(
                f"line {lines[row]} has {text[:40]!r} in the column {what!r}, which is no number: export the "
                "list again."
            )
        exponent = found[4] or ""
        values[row] = float(digits + exponent) * (-1.0 if negative or "-" in found[1] + found[2] else 1.0)
        decimals = max(decimals, len(digits.partition(".")[2]) - int(exponent[1:] or 0))
        if not math.isfinite(values[row]):
            raise DataError(f"line {lines[row]} has a number too large to be one: export the list again.")
    return values, 10.0**-decimals


def dates(texts: Sequence[str], lines: Sequence[int]) -> list[datetime]:
    """Read a column of dates, all in one form; those with an offset from UTC keep it.

    Raises
    ------
    DataError
        A cell is no date, or all could be read with the month or the day first.
    """
    readings: list[list[datetime]] = []
    furthest = 0
    for form in (None, *_DATES):
        made: list[datetime] = []
        for text in texts:
            moment = _iso(text) if form is None else _written(text, form)
            if moment is None or not _FIRST_YEAR <= moment.year < _LAST_YEAR:
                break
            made.append(moment)
        furthest = max(furthest, len(made))
        if len(made) == len(texts) and made not in readings:
            readings.append(made)
    if len(readings) == 1:
        return readings[0]
    if readings:
        raise DataError(
            f"the dates (first: {texts[0][:40]!r}) may have the day or the month first: format the column as "
            "2024-01-31 13:00 and save again."
        )
    raise DataError(
        f"line {lines[furthest]} has the date {texts[furthest][:40]!r}, which cannot be read like those "
        "before: export the list again, or format the column as 2024-01-31 13:00."
    )


def _iso(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        return None


def _written(text: str, form: str) -> datetime | None:
    plain = " ".join(_WEEKDAY.sub("", text.strip()).replace(",", " ").split())
    for clock in _CLOCKS:
        try:
            return datetime.strptime(plain, form + clock)
        except ValueError:
            continue
    return None
