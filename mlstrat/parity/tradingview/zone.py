"""In which time zone a list of trades was printed, and of which bar length, when its entries match no bar."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones

import numpy as np

from mlstrat.arrays import IntArray, SideArray, TimeArray
from mlstrat.parity.tradingview.reading import ListedTrades

# Less than this share of entries found says that something is wrong with all of them.
FEW = 0.5
# Entries by which a zone is looked for among all that exist, which are some 600.
_SAMPLE = 300
_QUARTER = np.timedelta64(15, "m")
# Zones span UTC-12 to UTC+14; as much again where --tz is wrong too.
_FURTHEST = 26 * 4
# One for each clock among the time zones that a chart offers; those without summer time last.
_ZONES = (
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "America/Anchorage",
    "Europe/London",
    "Europe/Berlin",
    "Europe/Athens",
    "Africa/Cairo",
    "Asia/Jerusalem",
    "Australia/Sydney",
    "Pacific/Auckland",
    "UTC",
    "America/Sao_Paulo",
    "America/Bogota",
    "Asia/Riyadh",
    "Asia/Dubai",
    "Asia/Tehran",
    "Asia/Karachi",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Asia/Bangkok",
    "Asia/Shanghai",
    "Asia/Tokyo",
    "Australia/Brisbane",
)


@dataclass(frozen=True)
class Found:
    """The time zone with which most entries match.

    Parameters
    ----------
    listed : ListedTrades
        The trades with their times put right.
    sentence : str
        What was found, and what to do.
    """

    listed: ListedTrades
    sentence: str


def entries_matched(time: TimeArray, side: SideArray, listed_time: TimeArray, listed_side: SideArray) -> int:
    """Return how many entries of a list are at the time of one of ours, on the same side."""
    ours = _keys(time, side)
    return int(np.isin(_keys(listed_time, listed_side), ours).sum())


def _keys(time: TimeArray, side: SideArray) -> IntArray:
    return np.asarray(2 * time.astype("datetime64[s]").astype(np.int64) + (side > 0))


def find_zone(time: TimeArray, side: SideArray, listed: ListedTrades, tz: str) -> Found | None:
    """Find the time zone in which a list was printed, where its entries do not match as they are.

    Parameters
    ----------
    time : (n,) datetime64[ns]
        Entry times of the run's trades, UTC.
    side : (n,) int8
        Their sides.
    listed : ListedTrades
        As read with `tz`.
    tz : str
        The zone that it was read with.

    Returns
    -------
    Found or None
        None where entries match well enough as they are, or not with any shift either.
    """
    possible = min(len(time), len(listed))
    as_is = entries_matched(time, side, listed.entry_time, listed.side)
    if as_is >= FEW * possible:
        return None

    def matched(move: Callable[[TimeArray], TimeArray]) -> int:
        return entries_matched(time, side, move(listed.entry_time), listed.side)

    shifts = sorted((quarters * _QUARTER for quarters in range(-_FURTHEST, _FURTHEST + 1)), key=abs)
    counts = [matched(lambda t, shift=shift: t - shift) for shift in shifts]  # type: ignore[misc]
    best = int(np.argmax(counts))

    zone = max(_ZONES, key=lambda name: matched(lambda _: _utc(listed.entry_local, name)))
    in_zone = matched(lambda _: _utc(listed.entry_local, zone))
    if max(counts[best], in_zone) < possible:
        zone = _among_all(time, side, listed, zone)
        in_zone = matched(lambda _: _utc(listed.entry_local, zone))
    most = max(counts[best], in_zone)
    if most < max(2.0, FEW * possible) or most <= 2 * as_is:
        return None
    if in_zone >= counts[best]:
        return Found(
            _in_zone(listed, zone),
            f"the times are not in {tz}: read as {zone}, {most:,} of {len(listed):,} entries match; "
            f"give --tz {zone}, or set the chart to UTC before the export",
        )
    minutes = int(shifts[best] / np.timedelta64(1, "m"))
    shift = shifts[best]
    return Found(
        listed.moved(lambda t: t - shift),
        f"the times are {_clock(minutes)} {'later' if minutes > 0 else 'earlier'} than the run's: moved by "
        f"that, {most:,} of {len(listed):,} entries match; give the chart's time zone with --tz",
    )


def _among_all(time: TimeArray, side: SideArray, listed: ListedTrades, before: str) -> str:
    """Return the zone, among all that exist, with which most of a sample of the entries match."""
    sample = np.unique(np.linspace(0, len(listed) - 1, _SAMPLE).astype(np.int64))
    local, sides = listed.entry_local[sample], listed.side[sample]
    names = (before, *sorted(available_timezones()))
    return max(names, key=lambda name: entries_matched(time, side, _utc(local, name), sides))


def _clock(minutes: int) -> str:
    return f"{abs(minutes) // 60}:{abs(minutes) % 60:02d} h"


def _utc(local: TimeArray, zone: str) -> TimeArray:
    """(n,) datetime64[ns]: local times in UTC, which do not go back where the clock shows an hour twice."""
    clock = ZoneInfo(zone)
    seconds = local.astype("datetime64[s]").astype(np.int64)
    moments = [datetime.fromtimestamp(int(second), UTC).replace(tzinfo=clock) for second in seconds]
    utc = [moment.astimezone(UTC) for moment in moments]
    for k in range(1, len(utc)):
        if utc[k] < utc[k - 1]:
            utc[k] = moments[k].replace(fold=1).astimezone(UTC)
    return np.array([moment.replace(tzinfo=None) for moment in utc], "datetime64[ns]")


def _in_zone(listed: ListedTrades, zone: str) -> ListedTrades:
    """Return the trades with their times, as printed, read in another zone."""
    known = ~np.isnat(listed.exit_time)
    times: TimeArray = np.where(known, listed.exit_time, listed.entry_time)
    leaves: TimeArray = times + (listed.entry_local - listed.entry_time)
    in_order = _utc(np.column_stack([listed.entry_local, leaves]).ravel(), zone)
    leave = in_order[1::2].copy()
    leave[~known] = np.datetime64("NaT")
    moved = iter((in_order[::2], leave))
    return listed.moved(lambda _: next(moved))


def other_timeframe(listed: ListedTrades, seconds: int) -> str:
    """Return what the stamps of a list say against bars of so many seconds; empty where they fit them.

    By chance alone, 8 or more entries lie on a grid twice as wide once in 256 lists.
    """
    times = np.concatenate([listed.entry_time, listed.exit_time[~listed.is_open]])
    grid = int(np.gcd.reduce(times.astype("datetime64[s]").astype(np.int64)))
    if grid % seconds:
        return f"its times lie {_length(grid)} apart, between bars of {_length(seconds)}"
    if grid > seconds and len(listed) >= 8:
        return f"all its times are multiples of {_length(grid)}, with bars of {_length(seconds)} in the run"
    return ""


def _length(seconds: int) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
