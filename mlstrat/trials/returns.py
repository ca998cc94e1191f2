"""The returns of what was tried, by days, in the file of the trial ledger.

A ledger that counts says how many chances luck had; with the returns beside it a test can see how alike they
were. 500 columns that hardly differ are then paid for as the few that they amount to.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Set
from typing import Any, NamedTuple

import numpy as np

from mlstrat.arrays import FloatArray, IntArray, TimeArray
from mlstrat.evidence.beside import Others
from mlstrat.evidence.columns import summed
from mlstrat.evidence.verdict import FEW_TRADES
from mlstrat.trials.ledger import FOUND, Ledger, show_as_new

# Sweeps of more columns are counted, and their returns not kept. No more are read for a verdict: with days of
# three years these are 175 MB, and the test takes some seconds.
MOST = 20_000
_TABLE = """
CREATE TABLE IF NOT EXISTS returns (
    same TEXT PRIMARY KEY,
    trades INTEGER NOT NULL,
    first_day INTEGER NOT NULL,
    last_day INTEGER NOT NULL,
    days BLOB NOT NULL
)
"""
# The record that reaches further stays: a trial repeated on a part of its bars was tried on all of them.
_INSERT = """
INSERT INTO returns VALUES (?, ?, ?, ?, ?) ON CONFLICT (same) DO UPDATE SET
    trades = excluded.trades, first_day = excluded.first_day, last_day = excluded.last_day,
    days = excluded.days
WHERE excluded.last_day >= returns.last_day
"""
_THERE = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'returns'"
_WANTED = "CREATE TEMP TABLE wanted (same TEXT PRIMARY KEY)"
_ASKED = "SELECT same, first_day, days FROM wanted JOIN returns USING (same) WHERE trades >= ?"
_KEPT = "SELECT DISTINCT same, trades, first_day, days FROM found JOIN returns ON id = same ORDER BY same"


class Kept(NamedTuple):
    """One trial's returns.

    Parameters
    ----------
    same : str
        Its key in the ledger.
    trades : int
        Closed trades. Below 30 the returns are not kept, because no verdict ever calls such a column an edge.
    first_day : int
        Day of the first sum, counted from 1970-01-01.
    days : (n_days,) float64
        Sums of the returns of the bars that close on each day, UTC.
    """

    same: str
    trades: int
    first_day: int
    days: FloatArray


def days_of(close_time: TimeArray) -> IntArray:
    """(n_bars,) day on which each bar ends, counted from 1970-01-01; midnight belongs to the day before."""
    return (close_time - np.timedelta64(1, "ns")).astype("datetime64[D]").astype(np.int64)


def by_day(returns: FloatArray, day: IntArray) -> FloatArray:
    """(n_days, n_columns) sums of (n_rows, n_columns) returns, every day from the first to the last."""
    return summed(returns, day - day[0], int(day[-1] - day[0]) + 1)


def keep(ledger: Ledger, trials: Iterable[Kept]) -> None:
    """Write down returns, in place of those of the same trial that end earlier.

    Raises
    ------
    RunFolderError
        The file cannot be written.
    """
    rows = []
    for same, trades, first_day, days in trials:
        told = days if trades >= FEW_TRADES else days[:0]
        content = zlib.compress(told.astype(np.float32).tobytes(), 1)
        rows.append((same, trades, first_day, first_day + len(days) - 1, content))
    with ledger.opened() as connection, connection:
        connection.execute(_TABLE)
        connection.executemany(_INSERT, rows)


def days_kept(ledger: Ledger, wanted: Iterable[str]) -> dict[str, tuple[int, FloatArray]]:
    """Return the first day of some trials, and the sums of each day from there on; of those that have any.

    Raises
    ------
    RunFolderError
        The file cannot be read.
    """
    with ledger.opened() as connection:
        if connection.execute(_THERE).fetchone() is None:
            return {}
        connection.execute(_WANTED)
        connection.executemany("INSERT OR IGNORE INTO wanted VALUES (?)", ((same,) for same in wanted))
        rows = connection.execute(_ASKED, (FEW_TRADES,)).fetchall()
    return {same: (first, _decoded(content)) for same, first, content in rows}


def others_of(ledger: Ledger, data_sha256: str, own: Set[str], day: IntArray) -> Others:
    """Return what else was tried on these data, as far as its returns are known.

    Parameters
    ----------
    ledger : Ledger
        Where it stands.
    data_sha256 : str
        Hash of the data; what overlaps with them counts too, see `Ledger.tried`.
    own : set of str
        Keys of what is about to be judged.
    day : (n_bars,) int64
        Days of the bars that are judged; days of others outside of them are cut off.

    Returns
    -------
    Others
        With 20,000 columns at most; what is left out is not counted, and so paid for by a bound.

    Raises
    ------
    RunFolderError
        The file cannot be read.
    """
    first, n_days = int(day[0]), int(day[-1] - day[0]) + 1
    rows, columns = _rows(ledger, data_sha256, own), []
    # Columns of a sweep are often the very same, as where a limit never binds.
    known = list(dict.fromkeys(tuple(rest) for trades, *rest in rows if trades >= FEW_TRADES))[:MOST]
    for first_day, content in known:
        days = _decoded(content)
        column, start = np.zeros(n_days), first_day - first
        inside = slice(max(start, 0), min(start + len(days), n_days))
        if inside.start < inside.stop:
            column[inside] = days[inside.start - start : inside.stop - start]
        columns.append(column)
    table = np.column_stack(columns) if columns else np.empty((n_days, 0))
    read = set(known)
    counted = sum(trades < FEW_TRADES or tuple(rest) in read for trades, *rest in rows)
    return Others(table, day - first, counted)


def _decoded(content: bytes) -> FloatArray:
    return np.frombuffer(zlib.decompress(content), np.float32).astype(np.float64)


def _rows(ledger: Ledger, data_sha256: str, own: Set[str]) -> list[Any]:
    if not ledger.path.exists():
        return []
    with ledger.opened() as connection:
        if connection.execute(_THERE).fetchone() is None:
            return []
        show_as_new(connection)
        found = connection.execute(FOUND + _KEPT, (data_sha256,)).fetchall()
    return [row for same, *row in found if same not in own]
