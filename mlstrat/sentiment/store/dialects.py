"""The few places where SQLite and PostgreSQL differ."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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


def engine_of(url: URL) -> Any:
    """Return the engine of a store's address; nothing is opened yet.

    Raises
    ------
    MissingExtraError
        The driver of PostgreSQL is not installed.
    """
    try:
        if not is_file(url):
            return sa.create_engine(url, pool_pre_ping=True)
        arguments = {"timeout": _PATIENCE_SECONDS}
        engine = sa.create_engine(url, connect_args=arguments, poolclass=sa.pool.NullPool)
    except ModuleNotFoundError as error:
        raise MissingExtraError("postgres", error.name or url.drivername, "A store in PostgreSQL") from error
    except NoSuchModuleError as error:
        raise DataError(f"the driver {url.drivername} is not known: write postgresql://.") from error
    sa.event.listen(engine, "connect", _prepare_file)
    sa.event.listen(engine, "begin", _begin_file)
    return engine


def _prepare_file(connection: Any, _record: Any) -> None:
    # Python's driver would begin transactions late and end them at each change of a table.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
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
    if "locked" in reason:
        return f"{name} is being written by another process: wait for it, then run the same command again."
    if is_file(url) and not Path(str(url.database)).parent.is_dir():
        return f"the folder {Path(str(url.database)).parent} is not there: make it."
    remedy = "check its folder, its permissions and the space left" if is_file(url) else "check the server"
    return f"the store {name} cannot be used ({reason}): {remedy}."
