"""Begin a store, or look whether a database is one that this version can use."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from mlstrat.errors import DataError
from mlstrat.sentiment.aliases import COINS, coins_in
from mlstrat.sentiment.store.dialects import insert, keep_journal, reading, writing
from mlstrat.sentiment.store.places import is_file, told
from mlstrat.sentiment.store.tables import SCHEMA, facts, fetched_for, mentions, metadata, texts

_PAGE = 5_000
# The schema before it was kept for which symbol a text was fetched.
_WITHOUT_SYMBOLS = "1"


def is_current(engine: Any) -> bool:
    """Whether this version can read a store as it is.

    Raises
    ------
    DataError
        A newer schema, the tables of another program, or no store.
    """
    with reading(engine) as connection:
        return _facts(connection, engine, create=False) == _wanted()


def prepare(engine: Any, create: bool) -> None:
    """Make the tables where there are none, and bring those of an earlier version up to date.

    Raises
    ------
    DataError
        A newer schema, the tables of another program, or no store where one must be.
    """
    with reading(engine) as connection:
        found = _facts(connection, engine, create)
    if found == _wanted():
        return
    if not found:
        keep_journal(engine)
    with writing(engine) as connection:  # looks again: another process may have been quicker
        found = _facts(connection, engine, create)
        metadata.create_all(connection)
        if found.get("schema") == _WITHOUT_SYMBOLS:
            connection.execute(_fetched_for_whom())
        if found.get("aliases") != _aliases():
            _mention_anew(connection)
        adding = insert(connection, facts)
        updating = adding.on_conflict_do_update(
            index_elements=["name"], set_={"value": adding.excluded.value}
        )
        connection.execute(updating, [{"name": name, "value": value} for name, value in _wanted().items()])


def mentions_of(rows: Iterable[Any]) -> list[dict[str, Any]]:
    """Return the rows of the table of mentions for rows with id, text and subjects."""
    return [
        {"text_id": row["id"], "ticker": ticker}
        for row in rows
        for ticker in sorted(coins_in(f"{row['text']} {row['subjects']}"))
    ]


def _facts(connection: Any, engine: Any, create: bool) -> dict[str, str]:
    """Return the facts of a store, or none where it is to be made."""
    names = set(sa.inspect(connection).get_table_names())
    if facts.name in names:
        found = {row.name: row.value for row in connection.execute(sa.select(facts))}
        _check(found.get("schema", ""), engine)
        return found
    # A server's database is often shared; in a file, tables of others mean that it was named by mistake.
    taken = sorted(names if is_file(engine.url) else names & set(metadata.tables))
    if taken:
        raise DataError(
            f"{told(engine.url)} holds a table {taken[0]} of another program: give a database of its own."
        )
    if not create:
        raise DataError(
            f"{told(engine.url)} holds no store of headlines: make one with mlstrat sentiment fetch."
        )
    return {}


def _check(schema: str, engine: Any) -> None:
    if schema in (str(SCHEMA), _WITHOUT_SYMBOLS):
        return
    if schema.isdecimal() and int(schema) > SCHEMA:
        raise DataError(
            f"{told(engine.url)} has schema {schema}, and this version of mlstrat knows up to {SCHEMA}: "
            "install a newer mlstrat, or give another store."
        )
    raise DataError(f"{told(engine.url)} has no schema that can be read ({schema!r}): give another store.")


def _wanted() -> dict[str, str]:
    return {"schema": str(SCHEMA), "aliases": _aliases()}


def _aliases() -> str:
    return hashlib.sha256(repr(sorted(COINS.items())).encode()).hexdigest()


def _fetched_for_whom() -> Any:
    first_seen = sa.select(texts.c.story, sa.literal(""), sa.func.min(texts.c.first_seen_at))
    return sa.insert(fetched_for).from_select(
        ["story", "ticker", "seen_at"], first_seen.group_by(texts.c.story)
    )


def _mention_anew(connection: Any) -> None:
    connection.execute(sa.delete(mentions))
    last = -1
    wanted = sa.select(texts.c.id, texts.c.text, texts.c.subjects).order_by(texts.c.id).limit(_PAGE)
    while rows := connection.execute(wanted.where(texts.c.id > last)).mappings().all():
        found = mentions_of(rows)
        if found:
            connection.execute(sa.insert(mentions), found)
        last = rows[-1]["id"]
