"""The rows of TradingView's list of trades: which column is what, which row enters and which leaves."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mlstrat.errors import DataError
from mlstrat.execution.types import LONG, SHORT

AGAIN = 'export "List of trades" from the Strategy Tester again'
_DELIMITERS = (",", ";", "\t")
# A heading may follow lines that name the symbol.
_SEARCHED = 20
_LARGEST = 50_000_000


class Columns(NamedTuple):
    """Where each column stands; -1 = the list has none."""

    number: int
    kind: int
    time: int
    signal: int
    price: int
    units: int
    profit: int


class Row(NamedTuple):
    """A row and the line of the file where it ends."""

    line: int
    cells: list[str]


def text_of(path: Path) -> str:
    """Return the text of an exported file, whatever its byte order mark.

    Raises
    ------
    DataError
        It cannot be read, or is no text.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise DataError(f"{path} is larger than any list of 9,000 orders: {AGAIN}.")
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): give the exported CSV.") from error
    if content.startswith(b"PK"):
        raise DataError(f'{path} is a workbook: save its sheet "List of trades" as CSV and give that.')
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no text in UTF-8: {AGAIN}.") from error
    if "\0" in text:
        raise DataError(f"{path} is no text: {AGAIN}.")
    return text


def table(text: str) -> tuple[str, Columns, list[str], list[Row]]:
    """Return delimiter, columns, their names and the rows below them."""
    for delimiter in _DELIMITERS:
        reader = csv.reader(text.splitlines(), delimiter=delimiter)
        rows = [Row(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
        for place, row in enumerate(rows[:_SEARCHED]):
            columns = _columns(row.cells)
            if columns is not None:
                below = rows[place + 1 :]
                _check_rows(below, len(row.cells))
                return delimiter, columns, row.cells, below
    first = next((line for line in text.splitlines() if line.strip()), "")
    what = f"begins with {first[:60]!r}" if first else "is empty"
    raise DataError(
        f"this {what}, where the headings of a list of trades (Trade #, Type, Date and time, Price, ...) are "
        f"due: set TradingView to English and {AGAIN}."
    )


def _columns(cells: Sequence[str]) -> Columns | None:
    names = [" ".join(cell.replace("\u00a0", " ").casefold().split()) for cell in cells]

    def place(*known: str, begins: tuple[str, ...] = ()) -> int:
        exact = [names.index(name) for name in known if name in names]
        like = [
            k for k, name in enumerate(names) if begins and name.startswith(begins) and not name.endswith("%")
        ]
        return (exact + like + [-1])[0]

    found = Columns(
        number=place("trade #", "trade number", "trade no.", "#"),
        kind=place("type"),
        time=place("date and time", "date/time", "date & time", "date", "time"),
        signal=place("signal"),
        price=place(begins=("price",)),
        units=place(
            "contracts", "position size (qty)", "size (qty)", "quantity", "qty", "position size", "size"
        ),
        profit=place(begins=("net p&l", "net pnl", "net profit", "profit", "p&l", "pnl")),
    )
    needed = (found.number, found.kind, found.time, found.price)
    return None if min(needed) < 0 else found


def _check_rows(rows: Sequence[Row], width: int) -> None:
    if not rows:
        raise DataError(f"this has no trades below its headings: {AGAIN} once the strategy has traded.")
    for row in rows:
        if len(row.cells) != width:
            raise DataError(
                f"line {row.line} has {len(row.cells)} fields where the headings have {width}: {AGAIN}."
            )


def sides_of(rows: Sequence[Row], columns: Columns) -> tuple[dict[int, Row], dict[int, Row]]:
    """Return entry rows and exit rows by the number of their trade."""
    entries: dict[int, Row] = {}
    exits: dict[int, Row] = {}
    for row in rows:
        text = row.cells[columns.number].strip().replace(",", "")
        if not (text.isdecimal() and len(text) < 10):
            raise DataError(f"line {row.line} has the trade number {text[:20]!r}: {AGAIN}.")
        is_entry, _ = kind_of(row, columns)
        known = entries if is_entry else exits
        if int(text) in known:
            other = known[int(text)].line
            raise DataError(f"lines {other} and {row.line} are the same side of trade {text}: {AGAIN}.")
        known[int(text)] = row
    for number, row in exits.items():
        if number not in entries:
            raise DataError(f"line {row.line} ends trade {number}, whose entry is missing: {AGAIN}.")
        if kind_of(row, columns)[1] != kind_of(entries[number], columns)[1]:
            raise DataError(f"line {row.line} ends trade {number} with the other side: {AGAIN}.")
    return entries, exits


def kind_of(row: Row, columns: Columns) -> tuple[bool, int]:
    """Return whether a row is an entry, and its side."""
    words = row.cells[columns.kind].casefold().split()
    entry, side = "entry" in words, LONG if "long" in words else SHORT
    if entry == ("exit" in words) or ("long" in words) == ("short" in words):
        shown = row.cells[columns.kind][:40]
        raise DataError(
            f"line {row.line} has the type {shown!r}, which is none of entry or exit, long or short: set "
            f"TradingView to English and {AGAIN}."
        )
    return entry, side


def signal_of(row: Row | None, columns: Columns) -> str:
    """Return what a row says about its order; empty where there is none."""
    return "" if row is None or columns.signal < 0 else row.cells[columns.signal].strip()
