"""From the spacing of open times to the length of a bar."""

from __future__ import annotations

import numpy as np

from mlstrat.arrays import TimeArray
from mlstrat.data.bars import RowError
from mlstrat.data.timeframe import Timeframe
from mlstrat.errors import DataError

_DAY = 86_400
_HOUR = np.timedelta64(3_600_000_000_000, "ns")


def timeframe_of(time: TimeArray, told: str, origin: str) -> tuple[Timeframe, list[str]]:
    """Return the length of a bar and a note where it was inferred.

    Parameters
    ----------
    time : (n,) datetime64[ns], n >= 1
        Open times in any order.
    told : str
        What the user or the file's name says; empty = nothing.
    origin : str
        Name of the source, for messages.

    Raises
    ------
    DataError
        One bar of unknown length, seconds, another length than told, or a day of 23 hours.
    """
    common = common_spacing(time)
    if not common:
        if not told:
            raise DataError(
                f'{origin} has one bar, so its length is not known: pass timeframe, such as "1h".'
            )
        return Timeframe(told), []
    if told and Timeframe(told).seconds == common:
        _refuse_short_days(time, common, origin)
        return _canonical(told), []
    if common < 60 or common % 60:
        raise DataError(f"the bars of {origin} are {common} s apart: export bars of whole minutes.")
    measured = _text_of(common)
    if told:
        raise DataError(
            f"{origin} should hold {told} bars, but its most common spacing is {measured}: "
            f'pass timeframe="{measured}", or give the right file.'
        )
    _refuse_short_days(time, common, origin)
    return Timeframe(measured), [f"The timeframe {measured} was inferred from the most common spacing."]


def common_spacing(time: TimeArray) -> int:
    """Return the most common spacing in seconds, the smaller of equals; 0 for fewer than two moments."""
    spacing = np.diff(np.unique(time)) // np.timedelta64(1_000_000_000, "ns")
    if not len(spacing):
        return 0
    seconds, counts = np.unique(spacing.astype(np.int64), return_counts=True)
    return int(seconds[np.argmax(counts)])


def _canonical(told: str) -> Timeframe:
    return Timeframe(_text_of(Timeframe(told).seconds))


def _text_of(seconds: int) -> str:
    """Return a length in its largest whole unit: 3600 -> 1h, 5400 -> 90m, 604800 -> 1w."""
    for unit, size in (("w", 7 * _DAY), ("d", _DAY), ("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    raise DataError(f"bars of {seconds} s are not supported: export bars of whole minutes.")


def _refuse_short_days(time: TimeArray, seconds: int, origin: str) -> None:
    """Refuse daily bars stamped by a local clock across the start of summer time: one lasts 23 hours."""
    if seconds != _DAY:
        return
    short = np.r_[False, np.diff(time) == 23 * _HOUR]
    if short.any():
        row = int(np.argmax(short))
        where = f"{origin} ({np.datetime_as_string(time[row], 'm')})"
        what = "follows a day of 23 hours, as a clock with summer time makes it"
        raise RowError(row, where, what, "stamp daily bars at 00:00 UTC")
