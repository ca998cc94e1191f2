"""Where a store lies: a file of SQLite, or a database of PostgreSQL."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from mlstrat.errors import DataError

_EXAMPLES = "give a file such as sentiment.db, sqlite:///sentiment.db or postgresql://user@host/database."


def place_of(text: str) -> URL:
    """Return the address of a store; text without a scheme is the path of an SQLite file.

    Raises
    ------
    DataError
        No address, another kind of database, no file, or an address that holds a password.
    """
    url = _parsed(text)
    kind = url.get_backend_name()
    if kind == "sqlite":
        return _of_file(url)
    if kind != "postgresql":
        raise DataError(f"{url.drivername} is not supported as a store: {_EXAMPLES}")
    if url.password is not None or "password" in url.query:
        # A run writes its settings into its folder, and a command line is seen by everybody.
        raise DataError(
            f"the address {_without_password(url)} holds a password: leave it out, and put it into ~/.pgpass "
            "or the environment variable PGPASSWORD."
        )
    return url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url


def told(url: URL) -> str:
    """Return how a store is named in a sentence: its file, or its address without a password."""
    return str(url.database) if url.get_backend_name() == "sqlite" else _without_password(url)


def is_file(url: URL) -> bool:
    """Whether the store is a file of SQLite."""
    return bool(url.get_backend_name() == "sqlite")


def _parsed(text: str) -> URL:
    if "://" not in text:
        return URL.create("sqlite", database=text)
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # The text is not repeated: it may hold a password.
        raise DataError(f"the address of the store cannot be read: {_EXAMPLES}") from None
    return url.set(drivername=url.drivername.lower())


def _of_file(url: URL) -> URL:
    if url.host:
        raise DataError(
            f"sqlite://{url.host} has too few slashes: write sqlite:///{url.host} for a file beside this one."
        )
    if not url.database or url.database == ":memory:":
        raise DataError(f"the store {url.database or 'sqlite://'!r} names no file: {_EXAMPLES}")
    if url.drivername not in ("sqlite", "sqlite+pysqlite"):
        raise DataError(f"{url.drivername} is no driver of a store: write sqlite:///{url.database}.")
    if url.query:
        raise DataError(
            f"the address of the store {url.database} says more than a file behind ?: write "
            f"sqlite:///{url.database}."
        )
    if Path(url.database).is_dir():
        raise DataError(f"the store {url.database} is a folder: {_EXAMPLES}")
    return url


def _without_password(url: URL) -> str:
    query = {name: value for name, value in url.query.items() if name != "password"}
    return str(url.set(query=query).render_as_string(hide_password=True))
