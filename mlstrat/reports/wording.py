"""Numbers as text for people: one place for signs, units and the dash that stands for "no value"."""

from __future__ import annotations

import math

import numpy as np

from mlstrat.bootstrap import Interval

NO_VALUE = "–"
_MINUS = "−"


def number(value: float, digits: int = 2, *, signed: bool = False) -> str:
    """Return a number with thousands separators; NaN and infinity become a dash, zero has no sign."""
    if not math.isfinite(value):
        return NO_VALUE
    rounded = round(value, digits) + 0.0
    return f"{rounded:{'+' if signed and rounded else ''},.{digits}f}".replace("-", _MINUS)


def percent(share: float, digits: int = 1, *, signed: bool = False) -> str:
    """Return a share as a percentage: 0.0312 becomes 3.1 %."""
    text = number(share * 100.0, digits, signed=signed)
    return text if text == NO_VALUE else f"{text}\u00a0%"


def chance(value: float) -> str:
    """Return a probability with three digits, never rounded to 0 or 1; a dash for NaN."""
    if not math.isfinite(value):
        return NO_VALUE
    if value < 0.001:
        return "below 0.001"
    return "above 0.999" if value > 0.999 and value < 1.0 else number(value, 3)


def bounds(interval: Interval) -> str:
    """Return the bounds of an interval; a dash where it has none."""
    if not math.isfinite(interval.low):
        return NO_VALUE
    return f"{number(interval.low)} to {number(interval.high)}"


def count(value: float) -> str:
    """Return a whole number with thousands separators."""
    return number(value, 0)


def price(value: float) -> str:
    """Return a price with the digits its size needs: 2 from 1,000 on, 4 from 1 on, 6 below."""
    size = abs(value)
    return number(value, 2 if size >= 1000 else 4 if size >= 1 else 6)


def day(time: np.datetime64) -> str:
    """Return the UTC date of a moment."""
    return str(time.astype("datetime64[D]"))


def minute(time: np.datetime64) -> str:
    """Return a moment as UTC date and time."""
    return str(time.astype("datetime64[m]")).replace("T", " ")


def plural(amount: int, noun: str) -> str:
    """Return `1 trade`, `2 trades`, `no trades`."""
    return f"{'no' if amount == 0 else count(amount)} {noun}{'' if amount == 1 else 's'}"
