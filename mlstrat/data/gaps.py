"""Bars that are missing: by the calendar where there is one, else by the spacing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlstrat.arrays import BoolArray, IntArray
from mlstrat.data.bars import Bars
from mlstrat.data.calendars import Sessions

# The longest usual closure of a stock exchange: from Thursday's to Monday's or Tuesday's bar.
_USUAL_CLOSURE = np.timedelta64(5, "D")
_DAY = 86_400
_HOUR = np.timedelta64(3_600_000_000_000, "ns")


@dataclass(frozen=True)
class Gap:
    """Bars that are missing between two bars.

    Parameters
    ----------
    row : int
        0-based row of the first bar after the gap.
    after, before : datetime64[ns]
        Open times of the last bar before the gap and of the first one after it, UTC.
    missing : int
        Bars that would have fitted in between.
    """

    row: int
    after: np.datetime64
    before: np.datetime64
    missing: int


def gaps_of(bars: Bars) -> tuple[Gap, ...]:
    """Return the runs of missing bars, in order.

    With a calendar, sessions without a bar, or trading time without one for bars shorter than a day. Without
    one, in a market that closes, only what exceeds five days.
    """
    missing = missing_bars(bars)
    rows: IntArray = np.flatnonzero(missing > 0) + 1
    return tuple(Gap(int(row), bars.time[row - 1], bars.time[row], int(missing[row - 1])) for row in rows)


def long_days(bars: Bars) -> BoolArray:
    """(n_bars,) whether the bar follows a day of 25 hours, as a clock with summer time makes it."""
    if bars.timeframe.seconds != _DAY:
        return np.zeros(len(bars), bool)
    return np.asarray(np.r_[False, np.diff(bars.time) == 25 * _HOUR], bool)


def missing_bars(bars: Bars) -> IntArray:
    """(n_bars - 1,) bars that would have fitted between each bar and the next."""
    sessions, step = bars.sessions, np.diff(bars.time)
    if sessions is not None and bars.timeframe.seconds <= _DAY:
        return _missing_trading(bars, sessions)
    # Rounded, because a day of 25 hours in a local calendar is no missing bar.
    fitting = np.rint(step / bars.timeframe.delta).astype(np.int64) - 1
    return np.where(step > _USUAL_CLOSURE, fitting, 0) if bars.closes else fitting


def _missing_trading(bars: Bars, sessions: Sessions) -> IntArray:
    if bars.timeframe.seconds == _DAY:
        return np.diff(sessions.index_of(bars.time)) - 1
    idle = sessions.traded(bars.time[1:]) - sessions.traded(bars.time[:-1] + bars.timeframe.delta)
    return np.floor(idle / bars.timeframe.seconds).astype(np.int64)
