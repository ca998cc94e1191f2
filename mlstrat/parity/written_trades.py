"""The trades that a run wrote, beside those of the reference."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mlstrat.execution.types import Result
from mlstrat.parity.causes import SAME
from mlstrat.parity.trades_file import trades_bytes

_TEXTS = ("symbol", "side", "entry_time", "exit_time", "reason")
# Of their own value, and of the value traded.
_OF_THEMSELVES, _OF_THE_VALUE = ("units", "entry_price", "exit_price"), ("commission", "funding", "profit")


@dataclass(frozen=True)
class Written:
    """How many trades of a run's trades.csv the reference makes too.

    Parameters
    ----------
    identical, total : int
        Trades alike in times, side and reason, and within `SAME` in numbers, as `Comparison` counts them;
        and trades in the longer of the two lists.
    first : str
        Entry time of the first that differs; empty where none does.
    whole : bool
        Whether the file has the columns of a run's trades.csv.
    """

    identical: int
    total: int
    first: str
    whole: bool = True

    @property
    def same(self) -> bool:
        """Whether the file holds the reference's trades, and nothing else."""
        return self.whole and self.identical == self.total


def compare_written(content: bytes, reference: Result) -> Written:
    """Compare the content of a run's trades.csv with the reference's trades.

    Trades are paired by their entry time, of which an engine makes at most one. A line that is cut off or
    holds something else than a trade is one that differs.

    Parameters
    ----------
    content : bytes
        The file.
    reference : Result
        Of the run's decisions, such as the kernel's.
    """
    columns = reference.trade_columns
    ours = list(_rows(trades_bytes(reference), columns))
    theirs = list(_rows(content, columns))
    by_entry = {row["entry_time"]: row for row in theirs}
    alike = {row["entry_time"] for row in ours if _alike(row, by_entry.get(row["entry_time"], {}))}
    entries = [row["entry_time"] for row in (*ours, *theirs)]
    head = content.splitlines()[:1] == [",".join(columns).encode()]
    return Written(
        identical=len(alike),
        total=max(len(ours), len(theirs)),
        first=min((entry for entry in entries if entry and entry not in alike), default=""),
        whole=head,
    )


def _rows(content: bytes, columns: Sequence[str]) -> Iterator[Mapping[str, str]]:
    """Yield the lines below the header by column; all empty where the number of fields is another."""
    lines = csv.reader(content.decode(errors="replace").splitlines())
    next(lines, None)
    for cells in lines:
        whole = len(cells) == len(columns)
        yield dict(zip(columns, cells, strict=True)) if whole else dict.fromkeys(columns, "")


def _alike(ours: Mapping[str, str], theirs: Mapping[str, str]) -> bool:
    if any(ours[name] != theirs.get(name) for name in _TEXTS):
        return False
    of_the_value = [name for name in _OF_THE_VALUE if name in ours]
    numbers = {name: _number(ours[name]) for name in (*_OF_THEMSELVES, *of_the_value)}
    traded = numbers["units"] * (numbers["entry_price"] + numbers["exit_price"])
    scales = {
        **{name: numbers[name] for name in _OF_THEMSELVES},
        **dict.fromkeys(of_the_value, traded),
    }
    return all(
        abs(_number(theirs[name]) - numbers[name]) <= SAME * abs(scale) for name, scale in scales.items()
    )


def _number(text: str) -> float:
    """Return a cell's number; NaN, which is like no other, where it holds none."""
    try:
        return float(text)
    except ValueError:
        return float("nan")
