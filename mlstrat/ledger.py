"""The trial ledger: every model and every run that was tried on a data set, counted once.

A result is judged by how many were tried before it. One SQLite file lies beside the run folders, so that runs
share it. Any number of processes may write at a time; each waits its turn.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from mlstrat.errors import ConfigError, RunFolderError

FILE = "trials.sqlite"
KINDS = ("run", "tune", "sweep")
_PATIENCE = 10.0  # seconds that a writer waits for the others
_TABLE = """
CREATE TABLE IF NOT EXISTS trials (
    number INTEGER PRIMARY KEY,
    data_sha256 TEXT NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    content TEXT NOT NULL,
    UNIQUE (data_sha256, kind, key)
)
"""
_INSERT = "INSERT OR IGNORE INTO trials (data_sha256, kind, key, content) VALUES (?, ?, ?, ?)"


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
    """

    kind: str
    key: str
    content: Mapping[str, Any]


@dataclass(frozen=True)
class Ledger:
    """The trials in one file, which is made by the first one written.

    Parameters
    ----------
    path : Path
        The SQLite file; its folder must exist.
    """

    path: Path

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
        rows = []
        for kind, key, content in trials:
            if kind not in KINDS:
                raise ConfigError(f"there is no kind of trial {kind!r}: use one of {', '.join(KINDS)}.")
            rows.append((data_sha256, kind, key, json.dumps(content, sort_keys=True, allow_nan=False)))
        with self._open() as connection, connection:
            connection.execute(_TABLE)
            connection.executemany(_INSERT, rows)

    def count(self, data_sha256: str, kind: str | None = None) -> int:
        """Return how many entries the data of this hash have, of one kind or of all.

        A run and a column of a sweep with the same settings are two entries.

        Raises
        ------
        RunFolderError
            The file cannot be read.
        """
        if not self.path.exists():
            return 0
        query = "SELECT COUNT(*) FROM trials WHERE data_sha256 = ? AND kind = COALESCE(?, kind)"
        with self._open() as connection:
            found = connection.execute(query, (data_sha256, kind)).fetchone()
        return int(found[0])

    def trials(self, data_sha256: str) -> tuple[Trial, ...]:
        """Return the trials on the data of this hash, in the order of writing; errors as for `count`."""
        if not self.path.exists():
            return ()
        query = "SELECT kind, key, content FROM trials WHERE data_sha256 = ? ORDER BY number"
        with self._open() as connection:
            rows = connection.execute(query, (data_sha256,)).fetchall()
        return tuple(Trial(kind, key, json.loads(content)) for kind, key, content in rows)

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
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
