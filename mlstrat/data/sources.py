"""`read_bars`: what an exporter wrote -> `Bars`. Every defect is refused; what is inferred is said."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlstrat.arrays import FloatArray, TimeArray
from mlstrat.data import samples, stamps, stored, table_files, tables
from mlstrat.data.bars import Bars, RowError
from mlstrat.data.calendars import calendar_notes, close_times
from mlstrat.data.inferred import instrument_of
from mlstrat.data.instrument import Instrument
from mlstrat.data.plausible import implausible
from mlstrat.data.spacing import timeframe_of
from mlstrat.data.timeframe import Timeframe
from mlstrat.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

# A file name's bar length: minutes as TradingView writes them (60), or a count and a unit (1h, 1D, 15min).
_LENGTH = r"(?P<length>\d{1,4}(?:min|mo|[mhdwHDWMS])?|[DWM])"
_NAMES = tuple(
    re.compile(pattern)
    for pattern in (
        rf"^(?:[A-Z0-9]+_)?(?P<symbol>[^\s,]+), {_LENGTH}(?:_[0-9a-f]+)?(?: \(\d+\))?$",
        r"^(?P<symbol>[A-Za-z0-9.^=]+(?:[_-][A-Z]{3,5})?)[_-]"
        r"(?P<length>\d{1,4}(?:min|mo|[mhdwHDWMS]))(?:[_-].*)?$",
        r"^(?P<symbol>(?=.*[A-Z])[A-Z0-9.^=-]{1,20})$",
    )
)
_UNITS = {"": "m", "min": "m", "m": "m", "h": "h", "H": "h", "d": "d", "D": "d", "w": "w", "W": "w"}


@dataclass(frozen=True, eq=False)
class Reading:
    """The columns of `Bars` before their laws are checked, with what was inferred on the way.

    The attributes are those of `Bars`, arrays included, but they may still break its laws.
    """

    time: TimeArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    symbol: str
    timeframe: Timeframe
    instrument: Instrument
    notes: tuple[str, ...]

    def bars(self, start: object = None, end: object = None) -> Bars:
        """Return the validated bars that open at or after `start` and close by `end` (None = no bound)."""
        bars = Bars(**vars(self))
        for doubt in implausible(bars):
            raise doubt
        first, last = stamps.bound(start, "start"), stamps.bound(end, "end")
        return bars if first is None and last is None else bars.between(first, last)


def read_bars(
    source: str | Path | pd.DataFrame,
    *,
    symbol: str = "",
    timeframe: str = "",
    tz: str = "",
    start: object = None,
    end: object = None,
    instrument: Mapping[str, Any] | None = None,
    now: datetime | None = None,
) -> Bars:
    """Read bars from a CSV or Parquet file, a DataFrame or a sample.

    Understood unedited: chart exports of TradingView, klines of Binance (with and without header), ccxt's
    `fetch_ohlcv`, yfinance's frames, and the columns time or timestamp, open, high, low, close, volume.

    Parameters
    ----------
    source : str, Path or DataFrame
        A path, a DataFrame, or a sample such as `sample:BTCUSDT_1h`.
    symbol : str
        Name of the instrument; empty = from the file name or the table.
    timeframe : str
        Length of a bar, such as `1h`; empty = from the file name, else the most common spacing.
    tz : str
        IANA zone of stamps without offset. Stamps that are epoch numbers or carry an offset need none.
    start, end : str, date or datetime, optional
        Keep the bars that open at or after `start` and close by `end`; no offset = UTC.
    instrument : mapping, optional
        Facts that replace the shipped ones, such as `{"tick": 0.5}`; None values are ignored.
    now : datetime, optional
        The moment of reading, with time zone; default the system clock. A last bar that has not closed by
        then is dropped, and `Bars.notes` says so.

    Returns
    -------
    Bars
        With `notes`: what had to be inferred or dropped.

    Raises
    ------
    DataError
        Any defect of the source; the message names the 0-based data row, its time and what to do. No row is
        repaired.
    """
    return take(source, symbol, timeframe, tz, instrument, now).bars(start, end)


def take(
    source: str | Path | pd.DataFrame,
    symbol: str = "",
    timeframe: str = "",
    tz: str = "",
    instrument: Mapping[str, Any] | None = None,
    now: datetime | None = None,
    unnamed: str = "",
) -> Reading:
    """Read a source as `read_bars` does, but without checking the laws of a bar.

    Bars whose symbol is not known are called `unnamed`, and a note says so; empty = they are refused.

    Raises
    ------
    DataError
        The source cannot be understood as bars at all, or runs into the future.
    """
    raw = open_source(source, symbol)
    return understood(raw, symbol, timeframe, tz, instrument, now, unnamed)


def understood(
    raw: Raw,
    symbol: str,
    timeframe: str,
    tz: str,
    instrument: Mapping[str, Any] | None,
    now: datetime | None,
    unnamed: str,
) -> Reading:
    """Return the rows of a source as columns of bars; parameters and errors as for `take`."""
    table = tables.from_frame(raw.frame, symbol, raw.origin)
    notes: list[str] = []
    symbol = symbol or raw.symbol or table.ticker
    if not symbol and unnamed:
        symbol = unnamed
        notes.append(f"The symbol is not known, so the bars are called {unnamed}: give it with --symbol.")
    if not symbol:
        raise DataError(
            f'the symbol of {table.origin} is not known: pass symbol, such as symbol="BTCUSDT" '
            "(--symbol on the command line)."
        )
    if not len(table.stamps):
        raise DataError(f"{table.origin} has no bars: check the file and the dates asked for.")
    time = stamps.to_utc(table.stamps, tz, table.origin)
    length_of_bar, length_notes = timeframe_of(time, timeframe or raw.timeframe, table.origin)
    facts, facts_notes = instrument_of(symbol, table, stored.facts_with(raw.own, instrument))
    _refuse_future(time, stamps.now_utc(now), table.origin)
    kept, drop_notes = _closed(time, length_of_bar, facts.calendar, stamps.now_utc(now), table.origin)
    notes += length_notes + facts_notes + drop_notes
    notes += calendar_notes(facts.calendar, np.sort(time), length_of_bar.delta)
    columns = {name: column[:kept] for name, column in table.columns.items()}
    return Reading(
        time=time[:kept],
        symbol=symbol,
        timeframe=length_of_bar,
        instrument=facts,
        notes=tuple(notes),
        **columns,
    )


@dataclass(frozen=True, eq=False)
class Raw:
    """A source as a frame, with what it or its name tells.

    Parameters
    ----------
    frame : DataFrame
        Its rows, unjudged.
    origin : str
        Name for messages.
    symbol, timeframe : str
        As the file says itself, else as its name tells; empty = nothing.
    own : Origin
        What the file says about itself.
    """

    frame: pd.DataFrame
    origin: str
    symbol: str = ""
    timeframe: str = ""
    own: stored.Origin = field(default_factory=stored.Origin)


def open_source(source: str | Path | pd.DataFrame, symbol: str = "") -> Raw:
    """Return the rows of a source unjudged; parameters as for `read_bars`.

    Raises
    ------
    DataError
        The source is no path and no frame, cannot be read, or is a sample of another symbol.
    """
    import pandas as pd

    if isinstance(source, pd.DataFrame):
        return Raw(source, "the frame")
    if not isinstance(source, str | Path):
        raise DataError(f"bars cannot be read from a {type(source).__name__}: give a path or a DataFrame.")
    if str(source).startswith(samples.PREFIX):
        named, length = name_facts(str(source).removeprefix(samples.PREFIX))
        if symbol and symbol != named:
            raise DataError(
                f"{source} holds {named}, not {symbol}: leave out the symbol, or name another file."
            )
        return Raw(samples.load_frame(str(source)), str(source), named, length)
    path = Path(source)
    frame, own = table_files.read_frame(path), stored.origin_of(source)
    named, length = name_facts(path.name.split(".csv")[0].removesuffix(".parquet"))
    return Raw(frame, path.name, own.symbol or named, own.timeframe or length, own)


def name_facts(stem: str) -> tuple[str, str]:
    """Return the symbol and bar length told by a file name without suffix; empty where it tells none.

    Known shapes: `BTCUSDT_1h`, `BTC_USDT-1h`, `BTCUSDT-1h-2024-01` (data.binance.vision),
    `BINANCE_BTCUSDT, 60` (TradingView, minutes) and a bare symbol in capitals such as `SPY`.
    """
    stem = stem.removesuffix(".pq").removesuffix(".zip")
    for pattern in _NAMES:
        found = pattern.match(stem)
        if found:
            length = found.groupdict().get("length") or ""
            return found["symbol"].replace("_", ""), _length(length)
    return "", ""


def _length(text: str) -> str:
    if not text:
        return ""
    count, unit = re.sub(r"\D", "", text) or "1", re.sub(r"\d", "", text)
    if unit not in _UNITS:
        raise DataError(f"bars of length {text} are not supported: export minutes, hours, days or weeks.")
    return f"{int(count)}{_UNITS[unit]}"


def _refuse_future(time: TimeArray, now: np.datetime64, origin: str) -> None:
    ahead = time > now
    if ahead.any():
        row = int(np.argmax(ahead))
        where = f"{origin} ({np.datetime_as_string(time[row], 'm')})"
        what = f"lies in the future of the clock ({np.datetime_as_string(now, 'm')} UTC)"
        raise RowError(row, where, what, "check the time zone and the unit of the stamps, or set the clock")


def _closed(
    time: TimeArray, timeframe: Timeframe, calendar: str, now: np.datetime64, origin: str
) -> tuple[int, list[str]]:
    """Return how many bars to keep: all, or all but a last one that has not closed by `now`."""
    if close_times(time[-1:], timeframe, calendar)[0] <= now:
        return len(time), []
    if len(time) == 1:
        raise DataError(f"{origin} holds one bar, and it has not closed yet: read it after its close.")
    when = np.datetime_as_string(time[-1], "m")
    return len(time) - 1, [f"The last bar ({when} UTC) had not closed when it was read and was dropped."]
