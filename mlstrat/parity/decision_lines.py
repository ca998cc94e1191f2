"""The lines of a CSV file of decisions as text: what a table of numbers would no longer show."""

from __future__ import annotations

import csv
import gzip
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlstrat.data import stamps
from mlstrat.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

# What each column of a list of signals holds; those that may be empty.
_MAY_BE_EMPTY = {
    "quantity": "a number",
    "fraction": "a number",
    "stop": "a price",
    "target": "a price",
    "exit_time": "a time",
}
_NAMES = ("time", "side", *_MAY_BE_EMPTY)


@dataclass(frozen=True)
class Lines:
    """The cells of a CSV file.

    Parameters
    ----------
    origin : str
        Name of the file.
    head : tuple of str
        Names of the columns.
    rows : tuple of (int, tuple of str)
        Each row's line, counted from 1 with the header, and its cells; empty lines are left out.
    """

    origin: str
    head: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]

    def check(self) -> None:
        """Refuse a name that repeats, and a line with more or fewer fields than the header.

        Raises
        ------
        DataError
            There is one; the message names it.
        """
        for name, times in Counter(name.strip() for name in self.head).items():
            if name and times > 1:
                raise DataError(f"{self.origin} has {times} columns {name}: keep one of them.")
        for line, cells in self.rows:
            if len(cells) != len(self.head):
                more = "more" if len(cells) > len(self.head) else "fewer"
                raise DataError(
                    f"line {line} of {self.origin} has {len(cells)} fields, {more} than the "
                    f"{len(self.head)} of the header: give one for each column; one may be empty."
                )

    def refuse_words_for_nothing(self, frame: pd.DataFrame) -> None:
        """Refuse a word such as nan, which reads as an empty cell, in the table that was read of the file.

        Raises
        ------
        DataError
            There is one; the message names its line.
        """
        for name in _MAY_BE_EMPTY:
            if name not in self.head or name not in frame.columns:
                continue
            column = self.head.index(name)
            for (line, cells), value in zip(self.rows, frame[name], strict=False):
                text = cells[column].strip()
                if text and not stamps.as_text(value):
                    raise DataError(
                        f"line {line} of {self.origin} has the {name} {text[:40]!r}: give "
                        f"{_MAY_BE_EMPTY[name]}, or leave it empty."
                    )


def read_lines(path: Path) -> Lines | None:
    """Return the lines of a CSV file; None where it is another file, has no header of names or is damaged.

    What is wrong with such a file is said by whoever reads it as a table.
    """
    try:
        text = _text(path)
        reader = csv.reader(text.splitlines(keepends=True))
        rows = [(reader.line_num, tuple(cells)) for cells in reader if cells]
    except (OSError, EOFError, UnicodeDecodeError, csv.Error, zipfile.BadZipFile):
        return None
    if not rows or len(rows[0][1]) == 1:
        return None
    return Lines(str(path), rows[0][1], tuple(rows[1:]))


def _text(path: Path) -> str:
    name = path.name.lower()
    if name.endswith(".csv"):
        return path.read_text(encoding="utf-8-sig")
    if name.endswith(".csv.gz"):
        return gzip.decompress(path.read_bytes()).decode("utf-8-sig")
    if name.endswith(".zip"):
        with zipfile.ZipFile(path) as archive:
            return archive.read(archive.namelist()[0]).decode("utf-8-sig") if archive.namelist() else ""
    return ""


def check_names(frame: pd.DataFrame, origin: str) -> None:
    """Refuse a column that is known but for its case or spaces, since it would be ignored.

    Raises
    ------
    DataError
        There is one.
    """
    for label in map(str, frame.columns):
        plain = label.strip().lower()
        if plain in _NAMES and plain not in frame.columns:
            raise DataError(
                f"{origin} has no column {plain}, but one called {label!r}: write {plain}, in small letters "
                "and without spaces."
            )
