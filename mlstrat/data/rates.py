"""Files of dated rates, such as funding of a perpetual future or the borrow of a stock, read and judged."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlstrat.arrays import BoolArray, TimeArray
from mlstrat.data.bars import Bars, RowError, count_of
from mlstrat.data.carry import BORROW, FUNDING, RateSeries, carry_of
from mlstrat.data.stamps import as_text, to_utc
from mlstrat.data.table_files import read_frame
from mlstrat.data.tables import floats
from mlstrat.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_TIME, _RATE = "time", "rate"
# No exchange charges more at one stamp: a larger number is a percentage, or a rate a year.
LARGEST = 0.1
_OFFSET = re.compile(r"[+-](\d{2}):?(\d{2})?$")


def with_rates(bars: Bars, funding: str | Path = "", borrow: str | Path = "") -> Bars:
    """Return the bars with what holding a position costs at each of them.

    Parameters
    ----------
    bars : Bars
        The bars.
    funding, borrow : str or Path
        Files for `read_rates`; empty = none. Without either the bars are returned as they are.

    Raises
    ------
    DataError
        A file cannot be used.
    """
    named = ((funding, FUNDING), (borrow, BORROW))
    series = [read_rates(path, name) for path, name in named if str(path)]
    if not series:
        return bars
    return replace(bars, carry=carry_of(bars.time, bars.close_time, series))


def read_rates(path: str | Path, name: str = FUNDING) -> RateSeries:
    """Read a series of rates.

    Parameters
    ----------
    path : str or Path
        CSV or Parquet with the columns `time` (when a rate is due, UTC: ISO dates, epoch numbers or
        date-times) and `rate` (share of the position's value at this stamp: 0.0001 = one basis point), in
        order of time. A time up to a second after a whole minute is taken for that minute: exchanges stamp
        a rate some milliseconds after the hour at which it is due.
    name : {"funding", "borrow"}
        What it is a series of; a rate of borrow is never negative.

    Raises
    ------
    DataError
        The file cannot be read, is empty, or lacks a column; the stamps are not in UTC, repeat or are out of
        order; or a rate is no number, beyond 10 %, or negative where it is of borrow.
    """
    origin = f"{name} in {path}"
    frame = _named(read_frame(Path(path)))
    for column in (_TIME, _RATE):
        if column not in frame.columns:
            listed = ", ".join(str(label) for label in frame.columns[:8])
            raise DataError(f"{origin} has no column {column} (its columns: {listed}): give time and rate.")
    if not len(frame):
        raise DataError(f"{origin} has no rows: give rates, or leave instrument.{name} empty.")
    _refuse_other_zone(frame[_TIME], origin)
    time = _whole(to_utc(frame[_TIME], "UTC", origin))
    series = RateSeries(name, time, floats(frame[_RATE], _RATE, origin))
    _check(series, origin)
    return series


def _whole(time: TimeArray) -> TimeArray:
    """Return times of which those up to a second after a whole minute are brought onto it."""
    minute = time.astype("datetime64[m]").astype(time.dtype)
    return np.asarray(np.where(time - minute <= np.timedelta64(1, "s"), minute, time))


def _named(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame with plain names, its index as a column where that has the stamps."""
    if str(frame.index.name).strip().lower() == _TIME:
        frame = frame.reset_index()
    return frame.set_axis([str(label).strip().lower() for label in frame.columns], axis=1)


def _refuse_other_zone(raw: pd.Series, origin: str) -> None:
    zone = getattr(raw.dtype, "tz", None)
    if zone is not None and str(zone) not in ("UTC", "UTC+00:00"):
        raise DataError(f"{origin} has times in {zone}: give them in UTC.")
    if raw.dtype != object and not isinstance(raw.iloc[0], str):
        return
    found = [_OFFSET.search(text) if ":" in text else None for text in map(as_text, raw)]
    other = np.array([match is not None and set("".join(match.groups(""))) != {"0"} for match in found])
    _refuse(other, origin, "has a time that is not in UTC", "write it with a Z, such as 2024-01-31T08:00:00Z")


def _check(series: RateSeries, origin: str) -> None:
    step = np.r_[np.timedelta64(1, "ns"), np.diff(series.time)]
    _refuse(step == np.timedelta64(0), origin, "repeats the time of the row before", "keep one row a stamp")
    _refuse(step < np.timedelta64(0), origin, "is earlier than the row before", "sort by time")
    share = "give a share of the position's value at this stamp, such as 0.0001"
    _refuse(~np.isfinite(series.rate), origin, "has no rate", share, series.time)
    _refuse(np.abs(series.rate) > LARGEST, origin, f"has a rate beyond {LARGEST:.0%}", share, series.time)
    if series.name == BORROW:
        _refuse(series.rate < 0, origin, "has a rate below zero", "give what shorts pay", series.time)


def _refuse(bad: BoolArray, origin: str, what: str, remedy: str, time: TimeArray | None = None) -> None:
    if bad.any():
        row = int(np.argmax(bad))
        when = "" if time is None else f" ({np.datetime_as_string(time[row], 'm')})"
        raise RowError(row, origin + when, what + count_of(bad), remedy)
