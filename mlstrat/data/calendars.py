"""Trading sessions of exchanges, from the package exchange_calendars: closes, half days and holidays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.util import find_spec
from typing import Any

import numpy as np

from mlstrat.arrays import BoolArray, FloatArray, IntArray, TimeArray
from mlstrat.data.timeframe import Timeframe
from mlstrat.errors import DataError

PACKAGE = "exchange_calendars"
_YEAR_SECONDS = 365.25 * 86_400


@dataclass(frozen=True, eq=False)
class Sessions:
    """Sessions of one exchange over whole calendar years, UTC, in order.

    Parameters
    ----------
    code : str
        Name of the calendar, such as XNYS.
    date : (n_sessions,) datetime64[ns]
        00:00 UTC of the trading day.
    open, close : (n_sessions,) datetime64[ns]
        First and last moment; a half day closes early.
    pause, resume : (n_sessions,) datetime64[ns]
        The break within a session, such as lunch; NaT without one.
    covers_from, covers_to : datetime64[ns]
        Outside of these the calendar says nothing.
    """

    code: str
    date: TimeArray
    open: TimeArray
    close: TimeArray
    pause: TimeArray
    resume: TimeArray
    covers_from: np.datetime64
    covers_to: np.datetime64

    @property
    def per_year(self) -> float:
        """Sessions in 365.25 days, over the years covered."""
        return len(self.date) * _YEAR_SECONDS / float(_seconds(self.covers_to - self.covers_from))

    @property
    def closes(self) -> bool:
        """Whether there is a moment without trading."""
        return bool(np.any(self.open[1:] > self.close[:-1]))

    def covered(self, time: TimeArray, delta: np.timedelta64) -> BoolArray:
        """Whether the calendar covers all of each bar; `time` is (n,) open times and `delta` their length."""
        return np.asarray((time >= self.covers_from) & (time + delta <= self.covers_to))

    def close_of(self, time: TimeArray, delta: np.timedelta64) -> TimeArray:
        """Return when each bar is known: at the last session's close within it, else at its own end.

        Never later than one `delta` after the open time. A daily bar may be stamped at 00:00 UTC of its day,
        at midnight of the exchange or at the session's open: the close that follows is the same one.
        """
        end = time + delta
        last = np.searchsorted(self.close, end, side="right") - 1
        close = self.close[np.maximum(last, 0)]
        return np.where((close > time) & (close <= end) & self.covered(time, delta), close, end)

    def index_of(self, time: TimeArray) -> IntArray:
        """Return for each moment the index of the first session that closes after it."""
        return np.asarray(np.searchsorted(self.close, time, side="right"), np.int64)

    def traded(self, time: TimeArray) -> FloatArray:
        """Return the seconds of trading before each moment, counted from the first session."""
        edges, total = self._clock
        return np.asarray(np.interp(_seconds(time), edges, total), np.float64)

    def idle(self, time: TimeArray, delta: np.timedelta64) -> BoolArray:
        """Whether no trading takes place within each bar, as on a holiday."""
        return np.asarray((self.traded(time + delta) == self.traded(time)) & self.covered(time, delta))

    @cached_property
    def _clock(self) -> tuple[FloatArray, FloatArray]:
        """Moments at which trading starts or stops, and the seconds traded until each."""
        pause = np.where(np.isnat(self.pause), self.close, self.pause)
        resume = np.where(np.isnat(self.resume), self.close, self.resume)
        edges = _seconds(np.column_stack([self.open, pause, resume, self.close]))
        length = np.zeros_like(edges)
        length[:, 1] = edges[:, 1] - edges[:, 0]
        length[:, 3] = edges[:, 3] - edges[:, 2]
        return edges.ravel(), np.cumsum(length.ravel())


def sessions_of(code: str, time: TimeArray, delta: np.timedelta64) -> Sessions | None:
    """Return the sessions of all years that bars touch; None where there is nothing to know them from.

    Parameters
    ----------
    code : str
        A calendar of exchange_calendars, such as XNYS; empty = the market has none.
    time : (n,) datetime64[ns], n >= 1
        Open times, sorted.
    delta : timedelta64
        Length of a bar.

    Raises
    ------
    DataError
        There is no such calendar.
    """
    if not code or not len(time) or find_spec(PACKAGE) is None:
        return None
    return _load(code, _year(time[0]), _year(time[-1] + delta))


def close_times(time: TimeArray, timeframe: Timeframe, code: str) -> TimeArray:
    """Return when each bar is known, (n,) datetime64[ns]; the value of a bar depends on no other bar.

    The session's close where there is a calendar (see `Sessions.close_of`), else the end of the bar.
    """
    sessions = sessions_of(code, time, timeframe.delta)
    return time + timeframe.delta if sessions is None else sessions.close_of(time, timeframe.delta)


def calendar_notes(code: str, time: TimeArray, delta: np.timedelta64) -> list[str]:
    """Say where a calendar is asked for and cannot be used."""
    if not code:
        return []
    late = "bars count as known one bar length after they open"
    sessions = sessions_of(code, time, delta)
    if sessions is None and find_spec(PACKAGE) is None:
        return [
            f"The calendar {code} needs the package {PACKAGE}, which is not installed, so {late}: "
            'run `pip install "mlstrat[data]"`.'
        ]
    known = np.zeros(len(time), bool) if sessions is None else sessions.covered(time, delta)
    if known.all():
        return []
    return [f"The calendar {code} does not cover {int(np.sum(~known)):,} of the bars, so these {late}."]


@lru_cache(maxsize=64)
def _load(code: str, first: int, last: int) -> Sessions | None:
    """Return the sessions of the years first to last, or of those among them whose holidays are known."""
    whole = _schedule(code, first, last)
    if whole is not None:
        return _sessions(code, [whole], first, last)
    each = {year: _schedule(code, year, year) for year in range(first, last + 1)}
    known = {year: schedule for year, schedule in each.items() if schedule is not None}
    return _sessions(code, list(known.values()), min(known), max(known)) if known else None


def _schedule(code: str, first: int, last: int) -> Any:
    """Return a calendar's table of sessions; None where its holidays are not known over these years."""
    import exchange_calendars
    from exchange_calendars.errors import CalendarError, InvalidCalendarName

    try:
        return exchange_calendars.get_calendar(code, start=f"{first}-01-01", end=f"{last}-12-31").schedule
    except InvalidCalendarName as error:
        raise DataError(
            f"instrument.calendar {code!r} is not a calendar: give a code of {PACKAGE}, "
            "such as XNYS for US stocks, or leave it empty."
        ) from error
    except (CalendarError, ValueError):
        return None


def _sessions(code: str, schedules: list[Any], first: int, last: int) -> Sessions:
    def moments(name: str) -> TimeArray:
        columns = [table[name].dt.tz_localize(None).to_numpy() for table in schedules]
        return np.concatenate(columns).astype("datetime64[ns]")

    return Sessions(
        code=code,
        date=np.concatenate([table.index.to_numpy() for table in schedules]).astype("datetime64[ns]"),
        open=moments("open"),
        close=moments("close"),
        pause=moments("break_start"),
        resume=moments("break_end"),
        covers_from=np.datetime64(f"{first}-01-01", "ns"),
        covers_to=np.datetime64(f"{last + 1}-01-01", "ns"),
    )


def _year(moment: np.datetime64) -> int:
    return int(moment.astype("datetime64[Y]").astype(np.int64)) + 1970


def _seconds(moments: Any) -> FloatArray:
    return np.asarray(moments.astype(np.int64) / 1e9, np.float64)
