"""Bars of a higher timeframe from lower ones, without look-ahead: `resample(bars, "4h")`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlstrat.arrays import BoolArray, TimeArray
from mlstrat.data.bars import COLUMNS, Bars
from mlstrat.data.calendars import Sessions, sessions_of
from mlstrat.data.timeframe import Timeframe
from mlstrat.errors import DataError

_DAY = 86_400
_WEEK = 7 * _DAY
# 1970-01-05, the first Monday of the epoch.
_MONDAY = np.datetime64("1970-01-05", "ns")
_EPOCH = np.datetime64("1970-01-01", "ns")
# Bars begin with the sessions if so many sessions have a bar that does.
_MOSTLY = 0.5


@dataclass(frozen=True, eq=False)
class _Periods:
    """(n_bars,) begin and end of the period of each bar."""

    begin: TimeArray
    end: TimeArray


def resample(bars: Bars, timeframe: str) -> Bars:
    """Join bars to bars of a higher timeframe.

    A period takes the first open, the highest high, the lowest low, the last close and the sum of the volume
    of the bars in it; missing ones are not filled. Periods shorter than a day begin at multiples of their
    length since 1970 UTC, or at the session's open where the instrument has a calendar and its bars begin
    there. Days are UTC days, or sessions where there is a calendar, stamped 00:00 UTC of the trading day.
    Weeks begin on Monday.

    A period is dropped at either end of the data if trading before the first bar or after the last one
    belongs to it; `notes` says so. The value of a period depends on no bar after it.

    Parameters
    ----------
    bars : Bars
        Bars to join.
    timeframe : str
        Such as `4h`; a multiple of the bars' own.

    Raises
    ------
    DataError
        The timeframe is no multiple, a bar lies in two periods, or no period is whole.
    """
    to = Timeframe(timeframe)
    own, wanted = bars.timeframe.seconds, to.seconds
    if wanted <= own or wanted % own:
        raise DataError(
            f"bars of {bars.timeframe} cannot be joined to {to}: "
            f"give a longer timeframe that is a multiple of {bars.timeframe}."
        )
    sessions = _sessions(bars, to)
    followed = sessions if sessions is not None and _follows(bars, to, sessions) else None
    bars, notes = (bars, []) if followed is None else _in_session(bars, followed)
    periods = _periods(bars, to, followed)
    _refuse_straddling(bars, periods, to)
    first = np.flatnonzero(np.r_[True, periods.begin[1:] != periods.begin[:-1]])
    whole, edge_notes = _whole(bars, periods, first, sessions)
    if not whole.any():
        raise DataError(f"{bars.symbol} has no whole period of {to}: give more bars of {bars.timeframe}.")
    last = np.r_[first[1:], len(bars)] - 1
    columns: dict[str, Any] = {
        "time": periods.begin[first],
        "open": bars.open[first],
        "high": np.maximum.reduceat(bars.high, first),
        "low": np.minimum.reduceat(bars.low, first),
        "close": bars.close[last],
        "volume": np.add.reduceat(bars.volume, first),
    }
    kept = {name: column[whole] for name, column in columns.items()}
    return replace(bars, **kept, timeframe=to, notes=(*bars.notes, *notes, *edge_notes), carry=None)


def _sessions(bars: Bars, to: Timeframe) -> Sessions | None:
    """Return the sessions of all periods that the bars touch; None where they are not all known."""
    edges = np.array([bars.time[0] - to.delta, bars.time[-1]])
    sessions = sessions_of(bars.instrument.calendar, edges, to.delta)
    known = sessions is not None and sessions.covered(edges, to.delta).all()
    return sessions if known else None


def _follows(bars: Bars, to: Timeframe, sessions: Sessions) -> bool:
    """Whether periods begin with the sessions and not by the UTC clock."""
    inside = (sessions.open >= bars.time[0]) & (sessions.open <= bars.time[-1])
    starts = np.isin(sessions.open[inside], bars.time)
    return to.seconds >= _DAY or (len(starts) > 0 and bool(np.mean(starts) > _MOSTLY))


def _in_session(bars: Bars, sessions: Sessions) -> tuple[Bars, list[str]]:
    """Leave out bars without trading, which belong to no session."""
    outside = sessions.idle(bars.time, bars.timeframe.delta)
    if outside.all():
        raise DataError(
            f"no bar of {bars.symbol} lies in a session of {sessions.code}: "
            "give the right instrument.calendar, or none."
        )
    if not outside.any():
        return bars, []
    inside: dict[str, Any] = {name: getattr(bars, name)[~outside] for name in ("time", *COLUMNS)}
    note = f"{int(outside.sum()):,} bars outside the sessions of {sessions.code} were left out."
    return replace(bars, **inside, carry=None), [note]


def _periods(bars: Bars, to: Timeframe, sessions: Sessions | None) -> _Periods:
    if sessions is None:
        begin = _floor(bars.time, to)
        return _Periods(begin, begin + to.delta)
    session = sessions.index_of(bars.time)
    if to.seconds < _DAY:
        opened = sessions.open[session]
        begin = opened + np.maximum((bars.time - opened) // to.delta, 0) * to.delta
        return _Periods(begin, np.minimum(begin + to.delta, sessions.close[session]))
    begin = _floor(sessions.date[session], to)
    # The last session of the period: the one before the first that belongs to a later one.
    after = np.searchsorted(sessions.date, begin + to.delta, side="left") - 1
    return _Periods(begin, sessions.close[after])


def _floor(time: TimeArray, to: Timeframe) -> TimeArray:
    origin = _MONDAY if to.seconds % _WEEK == 0 else _EPOCH
    return np.asarray(origin + (time - origin) // to.delta * to.delta)


def _refuse_straddling(bars: Bars, periods: _Periods, to: Timeframe) -> None:
    over = bars.close_time > periods.end
    if over.any():
        row = int(np.argmax(over))
        raise DataError(
            f"the bar of {bars.symbol} at {np.datetime_as_string(bars.time[row], 'm')} UTC lies in two "
            f"periods of {to}: give bars that begin with the periods, or another timeframe."
        )


def _whole(
    bars: Bars, periods: _Periods, first: np.ndarray, sessions: Sessions | None
) -> tuple[BoolArray, list[str]]:
    """Return which periods to keep, all but an incomplete first and last one, and what was dropped."""
    whole, notes = np.ones(len(first), bool), []

    def trading(begin: np.datetime64, end: np.datetime64) -> bool:
        if sessions is None:
            return bool(end > begin)
        seconds = sessions.traded(np.array([begin, end]))
        return bool(seconds[1] > seconds[0])

    for place, begin, end, what in (
        (0, periods.begin[0], bars.time[0], "first period began before the first bar"),
        (-1, bars.close_time[-1], periods.end[-1], "last period had not closed with the last bar"),
    ):
        if trading(begin, end):
            whole[place] = False
            when = np.datetime_as_string(periods.begin[place], "m")
            notes.append(f"The {what} and was dropped ({when} UTC).")
    return whole, notes
