"""`read_bars`: what an exporter wrote -> `Bars`. Every defect is refused; what is inferred is said."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlstrat.arrays import FloatArray, TimeArray
from mlstrat.data import samples, stamps, tables
from mlstrat.data.bars import PRICES, Bars, RowError
from mlstrat.data.instrument import KNOWN, Instrument, facts_of
from mlstrat.data.timeframe import Timeframe
from mlstrat.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_MOST_DECIMALS = 8
_DEFAULTS = Instrument("")
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
_DAY = 86_400
_HOUR = np.timedelta64(3_600_000_000_000, "ns")


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
) -> Reading:
    """Read a source as `read_bars` does, but without checking the laws of a bar.

    Raises
    ------
    DataError
        The source cannot be understood as bars at all, or runs into the future.
    """
    table, named, length = _table(source, symbol)
    symbol = symbol or named or table.ticker
    if not symbol:
        raise DataError(
            f'the symbol of {table.origin} is not known: pass symbol, such as symbol="BTCUSDT" '
            "(--symbol on the command line)."
        )
    if not len(table.stamps):
        raise DataError(f"{table.origin} has no bars: check the file and the dates asked for.")
    time = stamps.to_utc(table.stamps, tz, table.origin)
    length_of_bar, notes = _timeframe(time, timeframe or length, table.origin)
    facts, facts_notes = _instrument(symbol, table, instrument)
    notes += facts_notes
    kept, drop_notes = _closed(time, length_of_bar, stamps.now_utc(now), table.origin)
    notes += drop_notes
    columns = {name: column[:kept] for name, column in table.columns.items()}
    return Reading(
        time=time[:kept],
        symbol=symbol,
        timeframe=length_of_bar,
        instrument=facts,
        notes=tuple(notes),
        **columns,
    )


def _table(source: str | Path | pd.DataFrame, symbol: str) -> tuple[tables.Table, str, str]:
    """Return the table, and the symbol and bar length that its name tells (empty = none)."""
    import pandas as pd

    if isinstance(source, pd.DataFrame):
        return tables.from_frame(source, symbol), "", ""
    if not isinstance(source, str | Path):
        raise DataError(f"bars cannot be read from a {type(source).__name__}: give a path or a DataFrame.")
    if str(source).startswith(samples.PREFIX):
        own, length = name_facts(str(source).removeprefix(samples.PREFIX))
        table = tables.from_frame(samples.load_frame(str(source)), symbol, str(source))
        if symbol and symbol != own:
            raise DataError(
                f"{source} holds {own}, not {symbol}: leave out the symbol, or name another file."
            )
        return table, own, length
    path = Path(source)
    return tables.from_file(path, symbol), *name_facts(path.name.split(".csv")[0].removesuffix(".parquet"))


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


def _timeframe(time: TimeArray, told: str, origin: str) -> tuple[Timeframe, list[str]]:
    spacing = np.diff(np.unique(time)) // np.timedelta64(1_000_000_000, "ns")
    if not len(spacing):
        if not told:
            raise DataError(
                f'{origin} has one bar, so its length is not known: pass timeframe, such as "1h".'
            )
        return Timeframe(told), []
    seconds, counts = np.unique(spacing.astype(np.int64), return_counts=True)
    common = int(seconds[np.argmax(counts)])
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


def _instrument(
    symbol: str, table: tables.Table, facts: Mapping[str, Any] | None
) -> tuple[Instrument, list[str]]:
    given = {name: value for name, value in (facts or {}).items() if value is not None}
    notes = [] if table.has_volume else [f"{symbol} has no volume: volume is 0 in every bar."]
    inferred: dict[str, Any] = {}
    if symbol.upper() not in KNOWN:
        prices = np.concatenate([table.columns[name] for name in PRICES])
        for fact, values in (("tick", prices), ("step", table.columns["volume"])):
            if fact not in given:
                inferred[fact], note = _grid(fact, values)
                notes.append(f"{fact} of {symbol} is not known: {note}; override it in the instrument facts.")
    try:
        return facts_of(symbol, **{**inferred, **given}), notes
    except TypeError as error:
        raise DataError(
            f"the facts of {symbol} are {dict(given)}: give numbers, such as tick=0.01."
        ) from error


def _grid(fact: str, values: FloatArray) -> tuple[float, str]:
    """Return the power of ten of which all values are whole multiples, and how it was found."""
    finite = values[np.isfinite(values) & (np.abs(values) < 1e15)]
    usual = float(getattr(_DEFAULTS, fact))
    if not finite.any():
        return usual, f"{usual:g} is assumed"
    for decimals in range(_MOST_DECIMALS + 1):
        if np.array_equal(np.round(finite, decimals), finite):
            return float(
                f"1e-{decimals}"
            ), f"{float(f'1e-{decimals}'):g} was inferred from the data's decimals"
    fine = float(f"1e-{_MOST_DECIMALS}")
    size = usual if finite[finite > 0].min(initial=np.inf) >= 1 else fine
    return size, f"the data has no fixed number of decimals, {size:g} is assumed"


def _closed(time: TimeArray, timeframe: Timeframe, now: np.datetime64, origin: str) -> tuple[int, list[str]]:
    """Return how many bars to keep: all, or all but a last one that has not closed by `now`."""
    ahead = time > now
    if ahead.any():
        row = int(np.argmax(ahead))
        where = f"{origin} ({np.datetime_as_string(time[row], 'm')})"
        what = f"lies in the future of the clock ({np.datetime_as_string(now, 'm')} UTC)"
        raise RowError(row, where, what, "check the time zone and the unit of the stamps, or set the clock")
    if time[-1] + timeframe.delta <= now:
        return len(time), []
    if len(time) == 1:
        raise DataError(f"{origin} holds one bar, and it has not closed yet: read it after its close.")
    when = np.datetime_as_string(time[-1], "m")
    return len(time) - 1, [f"The last bar ({when} UTC) had not closed when it was read and was dropped."]
