"""TradingView's "List of trades", as its Strategy Tester exports it, read into arrays.

The export has two rows a trade, exit and entry in either order and newest or oldest first. Names of columns
have changed over the years and carry the currency:

* 2021: ``Trade #, Type, Signal, Date/Time, Price USDT, Contracts, Profit USDT, Profit %, Cum. Profit ...``
* 2024: ``Trade #, Type, Date/Time, Signal, Price USD, Position size (qty), ..., Net P&L USD, Net P&L %, ...``
* 2025: ``Trade #, Type, Date and time, Signal, Price USD, Size (qty), Size (value), Net P&L USD, ...``
* 2026: ``Trade number, Type, Date and time, Signal, Price USD, Size (qty), Size (value), Net PnL USD, ...``

Times are those of the chart, of the open of the bar in which an order filled.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

import numpy as np

from mlstrat.arrays import BoolArray, FloatArray, IntArray, SideArray, TimeArray
from mlstrat.errors import DataError
from mlstrat.parity.tradingview.cells import dates, decimal_mark, is_blank, numbers
from mlstrat.parity.tradingview.table import AGAIN, Columns, Row, kind_of, sides_of, signal_of, table, text_of


@dataclass(frozen=True, eq=False)
class ListedTrades:
    """The trades of a list, in order of entry; one an array element.

    Parameters
    ----------
    number : (n,) int64
        As the list counts them.
    side : (n,) int8
        1 long, -1 short.
    entry_time, exit_time : (n,) datetime64[ns]
        Open time of the filling bar, UTC; that of an open trade's exit is the list's last bar, or NaT.
    entry_local : (n,) datetime64[ns]
        The entry as printed, in the chart's time zone.
    entry_price, exit_price, units, profit : (n,) float64
        As printed; NaN where the list has none.
    is_open : (n,) bool
        Whether the trade had not ended; its exit is a mark then and no fill.
    exit_signal : tuple of str
        What the list says about the exit.
    price_step, units_step, profit_step : float
        One unit of the last digit printed in the column.
    """

    number: IntArray
    side: SideArray
    entry_time: TimeArray
    exit_time: TimeArray
    entry_local: TimeArray
    entry_price: FloatArray
    exit_price: FloatArray
    units: FloatArray
    profit: FloatArray
    is_open: BoolArray
    exit_signal: tuple[str, ...]
    price_step: float
    units_step: float
    profit_step: float

    def __len__(self) -> int:
        return len(self.number)

    @property
    def last_time(self) -> np.datetime64:
        """The last moment that the list knows of."""
        known = self.exit_time[~np.isnat(self.exit_time)]
        return np.datetime64(np.concatenate([self.entry_time, known]).max())

    def moved(self, move: Callable[[TimeArray], TimeArray]) -> ListedTrades:
        """Return the same trades with their times changed."""
        return replace(self, entry_time=move(self.entry_time), exit_time=move(self.exit_time))


def read_trades(path: Path, tz: str = "UTC") -> ListedTrades:
    """Read a list of trades that TradingView exported.

    Parameters
    ----------
    path : Path
        The CSV; or the sheet "List of trades" of the workbook, saved as CSV.
    tz : str
        The chart's time zone, an IANA name. A stamp that says its own offset keeps it.

    Raises
    ------
    DataError
        The file or a line of it cannot be read as such a list, or the zone is none; one sentence.
    """
    zone = _zone(tz)
    text = text_of(path)
    try:
        return _parse(text, zone, tz)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    except csv.Error as error:
        raise DataError(f"{path} is no CSV ({error}): {AGAIN}.") from error


def _zone(tz: str) -> tzinfo:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise DataError(f"tz {tz!r} is not a time zone: give an IANA name such as Europe/Berlin.") from error


def _parse(text: str, zone: tzinfo, tz: str) -> ListedTrades:
    delimiter, columns, names, rows = table(text)
    marked = [row.cells[column] for row in rows for column in columns[4:] if column >= 0]
    mark = decimal_mark(marked, delimiter)
    entries, exits = sides_of(rows, columns)
    keys = sorted(entries)
    stamped = [number for number in keys if number in exits and _has_stamp(exits[number], columns)]
    ended = [number for number in stamped if _has_ended(exits[number], columns)]
    closing = [exits[number] for number in stamped]
    opening = [entries[number] for number in keys]
    stamps = [row.cells[columns.time] for row in (*opening, *closing)]
    moments = dates(stamps, [row.line for row in (*opening, *closing)])
    exit_moments = dict(zip(stamped, moments[len(keys) :], strict=True))
    both = list(zip(keys, moments[: len(keys)], strict=True))
    times = _in_utc([(moment, exit_moments.get(number)) for number, moment in both], zone, tz)

    def column(place: int, found: Sequence[Row]) -> tuple[FloatArray, float]:
        if place < 0:
            return np.full(len(found), np.nan), 1.0
        lines = [row.line for row in found]
        return numbers([row.cells[place] for row in found], lines, mark, names[place])

    last = [exits.get(number, entries[number]) for number in keys]
    prices, price_step = column(columns.price, [*opening, *last])
    units, units_step = column(columns.units, opening)
    units_last, step_last = column(columns.units, last)
    profit, profit_step = column(columns.profit, last)
    _check_prices(prices[: len(keys)], opening)
    closed = np.isin(keys, ended)
    made = ListedTrades(
        number=np.array(keys, np.int64),
        side=np.array([kind_of(row, columns)[1] for row in opening], np.int8),
        entry_time=times[0],
        exit_time=times[1],
        entry_local=np.array([m.replace(tzinfo=None) for _, m in both], "datetime64[ns]"),
        entry_price=prices[: len(keys)],
        exit_price=np.where(np.isin(keys, list(exits)), prices[len(keys) :], np.nan),
        units=np.abs(np.where(np.isnan(units), units_last, units)),
        profit=np.where(np.isin(keys, list(exits)), profit, np.nan),
        is_open=~closed,
        exit_signal=tuple(signal_of(exits.get(number), columns) for number in keys),
        price_step=price_step,
        units_step=min(units_step, step_last),
        profit_step=profit_step,
    )
    return _sorted(made)


def _has_stamp(row: Row, columns: Columns) -> bool:
    stamp = row.cells[columns.time]
    return not (is_blank(stamp) or stamp.strip().casefold() == "open")


def _has_ended(row: Row, columns: Columns) -> bool:
    return signal_of(row, columns).casefold() != "open" and not is_blank(row.cells[columns.price])


def _check_prices(prices: FloatArray, rows: Sequence[Row]) -> None:
    bad = ~(prices > 0)
    if bad.any():
        line = rows[int(np.argmax(bad))].line
        raise DataError(f"line {line} has no entry price above zero: {AGAIN}.")


def _in_utc(
    moments: Sequence[tuple[datetime, datetime | None]], zone: tzinfo, tz: str
) -> tuple[TimeArray, TimeArray]:
    """Return entry and exit times in UTC; NaT where there is no exit.

    Of a time that the clock shows twice, the first is meant unless something earlier in the list then lies
    later.
    """
    made: list[list[np.datetime64]] = [[], []]
    before = datetime.min.replace(tzinfo=UTC)
    for pair in moments:
        for column, moment in zip(made, pair, strict=True):
            if moment is None:
                column.append(np.datetime64("NaT"))
                continue
            utc = _one_in_utc(moment, zone, tz)
            if utc < before and moment.tzinfo is None:
                utc = _one_in_utc(moment.replace(fold=1), zone, tz)
            before = max(before, utc)
            column.append(np.datetime64(utc.replace(tzinfo=None)))
    return np.array(made[0], "datetime64[ns]"), np.array(made[1], "datetime64[ns]")


def _one_in_utc(moment: datetime, zone: tzinfo, tz: str) -> datetime:
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    utc = moment.replace(tzinfo=zone).astimezone(UTC)
    if utc.astimezone(zone).replace(tzinfo=None) != moment.replace(fold=0):
        raise DataError(f"the clock of {tz} skips {moment}: give the chart's time zone with --tz.")
    return utc


def _sorted(listed: ListedTrades) -> ListedTrades:
    order = np.lexsort((listed.number, listed.entry_time))
    columns: dict[str, Any] = {
        name: value[order] for name, value in vars(listed).items() if isinstance(value, np.ndarray)
    }
    return replace(listed, exit_signal=tuple(listed.exit_signal[k] for k in order), **columns)
