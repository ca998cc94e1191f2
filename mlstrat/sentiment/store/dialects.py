"""The few places where SQLite and PostgreSQL differ."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, NoSuchModuleError

from mlstrat.errors import DataError, MissingExtraError
from mlstrat.sentiment.store.places import is_file, told

# How long a writer waits for another one.
_PATIENCE_SECONDS = 60
# Names the lock of PostgreSQL that writers of a store take in turn: SQLite has one by itself.
_WRITERS = 7_101_833
_WRITES = "mlstrat_writes"
# What SQLite answers where it cannot make the shared memory beside a journal.
_NO_SHARED_MEMORY = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY})
_KIND_OF_ERROR = 0xFF


def engine_of(url: URL, *, read_only: bool = False) -> Any:
    """Return the engine of a store's address; nothing is opened yet.

    Parameters
    ----------
    url : URL
        From `place_of`.
    read_only : bool
        Open a file for reading alone: it is not changed, and may lie where nothing can be written. What an
        account may do on a server is settled there.

    Raises
    ------
    DataError
        The driver is not known, or does not wait for answers.
    MissingExtraError
        The driver of PostgreSQL is not installed.
    """
    try:
        if url.get_dialect().is_async:
            raise DataError(f"the driver {url.drivername} is asynchronous: write postgresql://.")
        if not is_file(url):
            return sa.create_engine(url, pool_pre_ping=True)
        path = _file_of(url)
        engine = sa.create_engine(
            url,
            creator=lambda: _opened_to_read(path) if read_only else _opened(str(path)),
            poolclass=sa.pool.NullPool,
        )
    except ModuleNotFoundError as error:
        raise MissingExtraError("postgres", error.name or url.drivername, "A store in PostgreSQL") from error
    except NoSuchModuleError as error:
        raise DataError(f"the driver {url.drivername} is not known: write postgresql://.") from error
    sa.event.listen(engine, "connect", _prepare_file)
    sa.event.listen(engine, "begin", _begin_file)
    return engine


def keep_journal(engine: Any) -> None:
    """Let readers of a new file not wait for its writers; the file keeps it. A server does so by itself."""
    if is_file(engine.url):
        with _sentences(engine), closing(engine.raw_connection()) as connection:
            connection.cursor().execute("PRAGMA journal_mode = WAL")


def _opened(address: str, *, uri: bool = False) -> sqlite3.Connection:
    return sqlite3.connect(address, timeout=_PATIENCE_SECONDS, uri=uri)


def _file_of(url: URL) -> Path:
    # SQLite keeps the journal beside the file itself, not beside a link to it.
    return Path(str(url.database)).resolve()


def _opened_to_read(path: Path) -> sqlite3.Connection:
    address = path.as_uri()
    if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        # Opened with mode=ro, the last reader would leave the journal and its shared memory behind.
        connection = _looked_at(f"{address}?mode=rw")
        connection.execute("PRAGMA query_only = ON")
        return connection
    try:
        return _looked_at(f"{address}?mode=ro")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & _KIND_OF_ERROR not in _NO_SHARED_MEMORY or not _is_at_rest(path):
            raise
    return _looked_at(f"{address}?immutable=1")


def _looked_at(address: str) -> sqlite3.Connection:
    """Return a connection that has been used: SQLite opens a file late."""
    connection = _opened(address, uri=True)
    try:
        connection.execute("PRAGMA schema_version").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _is_at_rest(path: Path) -> bool:
    """Whether nothing can be written there, and no journal holds what the file lacks."""
    journal = _journal_of(path)
    return not os.access(path.parent, os.W_OK) and not (journal.exists() and journal.stat().st_size)


def _journal_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _prepare_file(connection: Any, _record: Any) -> None:
    # Python's driver would begin transactions late and end them at each change of a table.
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_file(connection: Any) -> None:
    # A writer that began as a reader is refused when another one wrote in between.
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def reading(engine: Any) -> Iterator[Any]:
    """Yield a connection whose statements see one state of the store.

    Raises
    ------
    DataError
        The database refuses; the sentence says what to do.
    """
    reader = engine
    if engine.dialect.name == "postgresql":
        reader = engine.execution_options(isolation_level="REPEATABLE READ")
    with _sentences(engine), reader.begin() as connection:
        yield connection


@contextmanager
def writing(engine: Any) -> Iterator[Any]:
    """Yield a connection that writes all or nothing, one writer at a time.

    Raises
    ------
    DataError
        The database refuses; the sentence says what to do.
    """
    writer = engine.execution_options(**{_WRITES: True})
    with _sentences(engine), writer.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_WRITERS)))
        yield connection


def insert(connection: Any, table: Any) -> Any:
    """Return an insert that leaves rows alone whose primary key is there, or that can be told to update."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    return dialect.insert(table)


@contextmanager
def _sentences(engine: Any) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise DataError(_sentence(engine.url, str(error.orig).strip().partition("\n")[0])) from None


def _sentence(url: URL, reason: str) -> str:
    name = told(url)
    if "not a database" in reason:
        return f"{name} is no database: give the file of a store, or a new name."
    if "malformed" in reason:
        return f"{name} is damaged ({reason}): restore it from a copy, or fetch into a new store."
    if "readonly" in reason:
        return f"{name} may only be read here: copy it to a folder where you may write, and give the copy."
    if "unable to open" in reason and _journal_of(_file_of(url)).exists():
        return (
            f"{name} has a journal beside it that cannot be read here: copy both to a folder where you may "
            "write, and give the copy."
        )
    if "locked" in reason:
        return f"{name} is being written by another process: wait for it, then run the same command again."
    if is_file(url) and not Path(str(url.database)).parent.is_dir():
        return f"the folder {Path(str(url.database)).parent} is not there: make it."
    remedy = "check its folder, its permissions and the space left" if is_file(url) else "check the server"
    return f"the store {name} cannot be used ({reason}): {remedy}."
