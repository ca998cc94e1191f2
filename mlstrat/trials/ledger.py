"""The trial ledger: every model and every run that was tried on a data set, counted once.

A result is judged by how many were tried before it. One SQLite file lies beside the run folders, so that runs
share it. Any number of processes may write at a time; each waits its turn. A file of an earlier version is
read as it is, and gets what it lacks when it is next written to.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from mlstrat.errors import ConfigError, RunFolderError

FILE = "trials.sqlite"
KINDS = ("run", "tune", "sweep")
_PATIENCE = 10.0  # seconds that a writer waits for the others
_TRIALS = """
CREATE TABLE IF NOT EXISTS trials (
    number INTEGER PRIMARY KEY,
    data_sha256 TEXT NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    content TEXT NOT NULL,
    same TEXT NOT NULL DEFAULT '',
    UNIQUE (data_sha256, kind, key)
)
"""
_SPANS = """
CREATE {}TABLE IF NOT EXISTS spans (
    data_sha256 TEXT PRIMARY KEY,
    symbol TEXT NOT NULL,
    timeframe TEXT NOT NULL,
    first TEXT NOT NULL,
    last TEXT NOT NULL
)
"""
_SAME = "ALTER TABLE trials ADD COLUMN same TEXT NOT NULL DEFAULT ''"
_INSERT = "INSERT OR IGNORE INTO trials (data_sha256, kind, key, content, same) VALUES (?, ?, ?, ?, ?)"
_INSERT_SPAN = "INSERT OR IGNORE INTO spans VALUES (?, ?, ?, ?, ?)"
_LISTED = """
SELECT kind, key, content, same, symbol, timeframe, first, last
FROM trials LEFT JOIN spans USING (data_sha256) WHERE data_sha256 = ? ORDER BY number
"""
# Data of one market that overlap in time are related: what was tried on a part of them was tried on these.
# What was written before there was a `same` is known by its key.
FOUND = """
WITH related AS (
    SELECT ?1 AS data_sha256 UNION SELECT other.data_sha256 FROM spans AS own JOIN spans AS other
    ON other.symbol = own.symbol AND other.timeframe = own.timeframe
        AND other.first <= own.last AND other.last >= own.first
    WHERE own.data_sha256 = ?1 AND own.symbol <> ''
), found AS (
    SELECT kind, CASE same WHEN '' THEN kind || ' ' || key ELSE same END AS id
    FROM trials JOIN related USING (data_sha256)
)
"""
# The states of the data that one trial on these data was judged on, where bars came in between.
_LOOKS = """
SELECT COALESCE(MAX(states), 0) FROM (
    SELECT COUNT(DISTINCT data_sha256) AS states FROM trials JOIN related USING (data_sha256)
    WHERE kind <> 'tune' AND same <> '' AND same IN (SELECT same FROM trials WHERE data_sha256 = ?1)
    GROUP BY same
)
"""
_TRIED = """
SELECT COUNT(DISTINCT CASE WHEN kind <> 'tune' THEN id END),
    COUNT(DISTINCT CASE kind WHEN 'run' THEN id END),
    COUNT(DISTINCT CASE kind WHEN 'sweep' THEN id END),
    COUNT(DISTINCT CASE kind WHEN 'tune' THEN id END)
FROM found
"""


class Span(NamedTuple):
    """The market and the stretch of time that data are of.

    Parameters
    ----------
    symbol, timeframe : str
        Of the bars.
    first, last : str
        Open times of the first and the last bar, UTC, as numpy writes them to the nanosecond: so texts sort
        as times do.
    """

    symbol: str
    timeframe: str
    first: str
    last: str


class Trial(NamedTuple):
    """One thing that was tried.

    Parameters
    ----------
    kind : {"run", "tune", "sweep"}
        A whole run, a choice of hyper-parameters inside a window, or a run of a sweep.
    key : str
        Hash of everything that determines it: the same trial has the same key.
    content : mapping
        What it was, as JSON can hold it.
    same : str
        What a run and a column of a sweep share which are one trial, as `mlstrat.trials.keys.trial_key` makes
        it; empty where only the same key tells that.
    span : Span, optional
        Of its data.
    """

    kind: str
    key: str
    content: Mapping[str, Any]
    same: str = ""
    span: Span | None = None


@dataclass(frozen=True)
class Tried:
    """How much was tried on the same data: of the same hash, or of the same market and overlapping in time.

    Parameters
    ----------
    distinct : int
        Runs and columns of sweeps, each once however often and wherever it was made: what a result has to
        be judged by.
    runs, columns : int
        Those made as runs, and those made as columns; one that is both counts in both.
    tuned : int
        Sizes that were tried inside training windows. They never saw the bars that a run is judged on, and
        are not among `distinct`.
    looks : int
        On how many states of growing data a trial on these data was judged; the most of any.
    """

    distinct: int
    runs: int
    columns: int
    tuned: int
    looks: int = 1

    def sentence(self) -> str:
        """Return it in plain words."""
        if not self.distinct:
            counted = "The trial ledger holds nothing that was tried on these data."
        elif not self.columns:
            counted = f"The trial ledger counts {_number(self.runs, 'run')} on these data."
        elif not self.runs:
            counted = f"The trial ledger counts {_number(self.columns, 'column')} of sweeps on these data."
        else:
            twice = self.runs + self.columns - self.distinct
            counted = (
                f"The trial ledger counts {self.distinct:,} things tried on these data: "
                f"{_number(self.runs, 'run')} and {_number(self.columns, 'column')} of sweeps"
                + (f", of which {twice:,} {'is' if twice == 1 else 'are'} both." if twice else ".")
            )
        if self.looks > 1:
            counted += (
                f" One of them was judged on {self.looks:,} states of growing data; that one in twenty "
                "passes by luck holds for one look."
            )
        if self.tuned:
            counted += (
                f" Inside training windows {_number(self.tuned, 'choice')} of sizes "
                f"{'was' if self.tuned == 1 else 'were'} tried; no judged bar was seen there, so that is not "
                "counted."
            )
        return counted


@dataclass(frozen=True)
class Ledger:
    """The trials in one file, which is made by the first one written.

    Parameters
    ----------
    path : Path
        The SQLite file; its folder must exist.
    """

    path: Path

    @classmethod
    def beside(cls, folder: Path) -> Ledger:
        """Return the ledger that lies beside a folder and is shared with its neighbours."""
        return cls(folder.absolute().parent / FILE)

    def append(self, data_sha256: str, kind: str, key: str, content: Mapping[str, Any]) -> None:
        """Write down one trial on the data of this hash; one that is there already stays as it is.

        Raises
        ------
        ConfigError
            There is no such kind.
        RunFolderError
            The file cannot be written.
        """
        self.extend(data_sha256, [Trial(kind, key, content)])

    def extend(self, data_sha256: str, trials: Iterable[Trial]) -> None:
        """Write down several trials at once, all or none; errors as for `append`."""
        rows, spans = [], set()
        for kind, key, content, same, span in trials:
            if kind not in KINDS:
                raise ConfigError(f"there is no kind of trial {kind!r}: use one of {', '.join(KINDS)}.")
            rows.append((data_sha256, kind, key, json.dumps(content, sort_keys=True, allow_nan=False), same))
            spans |= {(data_sha256, *span)} if span is not None else set()
        with self.opened() as connection, connection:
            # The lock comes first: another process may be adding the same column.
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(_TRIALS)
            connection.execute(_SPANS.format(""))
            if not _knows_same(connection):
                connection.execute(_SAME)
            connection.executemany(_INSERT, rows)
            connection.executemany(_INSERT_SPAN, spans)

    def count(self, data_sha256: str, kind: str | None = None) -> int:
        """Return how many entries the data of this hash have, of one kind or of all.

        A run and a column of a sweep with the same settings are two entries; `tried` counts them once.

        Raises
        ------
        RunFolderError
            The file cannot be read.
        """
        if not self.path.exists():
            return 0
        query = "SELECT COUNT(*) FROM trials WHERE data_sha256 = ? AND kind = COALESCE(?, kind)"
        with self.opened() as connection:
            found = connection.execute(query, (data_sha256, kind)).fetchone()
        return int(found[0])

    def tried(self, data_sha256: str) -> Tried:
        """Return how much was tried on the data of this hash, on later states of them, and on parts of them.

        Entries that were written before the market was known are counted for the same hash only; errors as
        for `count`.
        """
        if not self.path.exists():
            return Tried(0, 0, 0, 0)
        with self.opened() as connection:
            show_as_new(connection)
            counted = connection.execute(FOUND + _TRIED, (data_sha256,)).fetchone()
            (looks,) = connection.execute(FOUND + _LOOKS, (data_sha256,)).fetchone()
            return replace(Tried(*counted), looks=max(looks, 1))

    def trials(self, data_sha256: str) -> tuple[Trial, ...]:
        """Return the trials on the data of this hash, in the order of writing; errors as for `count`."""
        if not self.path.exists():
            return ()
        with self.opened() as connection:
            show_as_new(connection)
            rows = connection.execute(_LISTED, (data_sha256,)).fetchall()
        return tuple(
            Trial(kind, key, json.loads(content), same, None if span[0] is None else Span(*span))
            for kind, key, content, same, *span in rows
        )

    @contextlib.contextmanager
    def opened(self) -> Iterator[sqlite3.Connection]:
        """Open the file for as long as the context lasts; errors as for `append`."""
        try:
            with contextlib.closing(sqlite3.connect(self.path, timeout=_PATIENCE)) as connection:
                # Another process may be making the very same change, and SQLite does not wait for that one.
                with contextlib.suppress(sqlite3.OperationalError):
                    connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")
                yield connection
        except sqlite3.Error as error:
            raise RunFolderError(
                f"the trial ledger {self.path} cannot be used ({error}): "
                "move it away, or look for a process that holds it, and run again."
            ) from error


def _knows_same(connection: sqlite3.Connection) -> bool:
    """Whether the table of trials is of this version."""
    return any(row[1] == "same" for row in connection.execute("PRAGMA table_info(trials)"))


def show_as_new(connection: sqlite3.Connection) -> None:
    """Let a reader see a file of an earlier version as one of this, without writing to it."""
    if not _knows_same(connection):
        connection.execute("CREATE TEMP VIEW trials AS SELECT *, '' AS same FROM main.trials")
        connection.execute(_SPANS.format("TEMP "))


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"
