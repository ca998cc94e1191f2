"""Stamps that tell a day and no time: the end of that day, wherever it was written."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import numpy as np

from mlstrat.arrays import BoolArray, TimeArray

_DAY = np.timedelta64(1, "D")


def next_days(published: TimeArray) -> TimeArray:
    """Return 00:00 UTC of the days after those of stamps in UTC, (n,) datetime64[ns]."""
    return (published.astype("datetime64[D]") + _DAY).astype("datetime64[ns]")


def at_midnight(published: TimeArray, local: TimeArray) -> BoolArray:
    """Return whether stamps are at exactly 00:00:00, in UTC or by the clock of who wrote them.

    Parameters
    ----------
    published, local : (n,) datetime64[ns]
        The same moments in UTC, and as written with the offset left out.
    """
    return np.asarray(
        (published == published.astype("datetime64[D]")) | (local == local.astype("datetime64[D]"))
    )


def day_stamps(published: TimeArray, local: TimeArray) -> TimeArray:
    """Return stamps in UTC of texts of which only the day is known, none known before its day has ended.

    Such a text is known from 00:00 UTC of the day after its stamp on. Where the day of who wrote it ends
    later than that, the stamp becomes 00:00 UTC of the day in which it ends.

    Parameters
    ----------
    published, local : (n,) datetime64[ns]
        The same moments in UTC, and as written with the offset left out.
    """
    offset = local - published
    ends = next_days(local) - offset
    last_day = (ends - np.timedelta64(1, "ns")).astype("datetime64[D]").astype("datetime64[ns]")
    return np.where(next_days(published) >= ends, published, last_day)


def is_midnight(stamp: datetime) -> bool:
    """Return `at_midnight` of one stamp with a time zone."""
    return time.min in (stamp.time(), stamp.astimezone(UTC).time())


def day_stamp(stamp: datetime) -> datetime:
    """Return `day_stamps` of one stamp with a time zone."""
    utc = stamp.astimezone(UTC)
    next_day = datetime.combine(utc.date(), time.min, UTC) + timedelta(days=1)
    ends = datetime.combine(stamp.date(), time.min, stamp.tzinfo) + timedelta(days=1)
    if next_day >= ends:
        return utc
    last = (ends - timedelta(microseconds=1)).astimezone(UTC)
    return datetime.combine(last.date(), time.min, UTC)
