"""Moments as a store holds them: nanoseconds since 1970 UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from mlstrat.errors import DataError

Moment = datetime | np.datetime64

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# Where 64 bits of nanoseconds end, to whole years.
EARLIEST, LATEST = datetime(1678, 1, 1, tzinfo=UTC), datetime(2262, 1, 1, tzinfo=UTC)


def nanoseconds(moment: Moment) -> int:
    """Return a moment in nanoseconds since 1970 UTC, exactly; a datetime64 is in UTC.

    Raises
    ------
    DataError
        No moment, one without a time zone, or a year that nanoseconds do not reach.
    """
    if isinstance(moment, np.datetime64):
        if np.isnat(moment):
            raise DataError("a moment is missing: give a time in UTC.")
        if not EARLIEST.year <= int(moment.astype("datetime64[Y]").astype(np.int64)) + 1970 < LATEST.year:
            raise _out_of_range(moment)
        return int(moment.astype("datetime64[ns]").astype(np.int64))
    if not isinstance(moment, datetime):
        raise DataError(f"{moment!r} is no moment: give a datetime with a time zone, or a datetime64 in UTC.")
    if moment.tzinfo is None:
        raise DataError(f"the moment {moment} has no time zone: give it in UTC.")
    if not EARLIEST <= moment < LATEST:
        raise _out_of_range(moment)
    return (moment - _EPOCH) // _MICROSECOND * 1000


def _out_of_range(moment: Moment) -> DataError:
    return DataError(f"the moment {moment} is out of range: give one from 1678 to 2261.")


def bound(moment: Moment | None) -> int | None:
    """Return a moment in nanoseconds since 1970 UTC; None stays None."""
    return None if moment is None else nanoseconds(moment)


def moment_of(nanoseconds_since: int) -> datetime:
    """Return the moment of a number of nanoseconds since 1970, to the microsecond below."""
    return _EPOCH + _MICROSECOND * (nanoseconds_since // 1000)
