"""Put texts into a store: each wording once, with the moment at which it was first seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import sqlalchemy as sa

from mlstrat.sentiment.items import Item
from mlstrat.sentiment.store.dialects import insert
from mlstrat.sentiment.store.duplicates import APART_NS, Copy, Originals
from mlstrat.sentiment.store.rows import Row, can_be_kept, row_of
from mlstrat.sentiment.store.schema import mentions_of
from mlstrat.sentiment.store.tables import fetched_for, mentions, texts

T = TypeVar("T")
# Values of one statement: databases take some thousands.
_MANY = 900
# Stands for when a text was seen until that is known: no moment has this number.
_NOT_YET = int(np.iinfo(np.int64).min)


@dataclass(frozen=True)
class Added:
    """What came of adding texts.

    Parameters
    ----------
    new : int
        Texts that the store did not have.
    revised : int
        New wordings of texts that it has.
    known : int
        Texts that it has word for word.
    near_duplicates : int
        Of the new and revised ones: those that repeat what another publisher had before.
    left_out : int
        Texts stamped before 1678 or after 2261.
    """

    new: int = 0
    revised: int = 0
    known: int = 0
    near_duplicates: int = 0
    left_out: int = 0

    def __add__(self, other: Added) -> Added:
        return Added(
            self.new + other.new,
            self.revised + other.revised,
            self.known + other.known,
            self.near_duplicates + other.near_duplicates,
            self.left_out + other.left_out,
        )


def add(connection: Any, items: Sequence[Item], seen_at: Callable[[], int], ticker: str) -> Added:
    """Add texts for a ticker; see `SentimentStore.add`.

    The moment at which they were seen, in nanoseconds since 1970 UTC, is taken when all is done but to keep
    it: whoever asked as of an earlier moment could not read them.
    """
    usable = [item for item in items if can_be_kept(item)]
    rows: dict[int, Row] = {}
    for item in usable:
        row = row_of(item, _NOT_YET)
        rows.setdefault(row["id"], row)
    stories, ids = _there(connection, _stories(rows))
    fresh = sorted(
        (row for row in rows.values() if row["id"] not in ids),
        key=lambda row: (row["published_at"], row["id"]),
    )
    new = len({row["story"] for row in fresh} - stories)
    if fresh:
        _mark(connection, fresh)
        connection.execute(insert(connection, texts).on_conflict_do_nothing(), fresh)
        found = mentions_of(fresh)
        if found:
            connection.execute(insert(connection, mentions).on_conflict_do_nothing(), found)
    if rows:
        asked = [{"story": story, "ticker": ticker, "seen_at": _NOT_YET} for story in _stories(rows)]
        connection.execute(insert(connection, fetched_for).on_conflict_do_nothing(), asked)
        _see(connection, seen_at())
    return Added(
        new=new,
        revised=len(fresh) - new,
        known=len(usable) - len(fresh),
        near_duplicates=sum(row["duplicate_of"] is not None for row in fresh),
        left_out=len(items) - len(usable),
    )


def parts_of(values: Iterable[T]) -> Iterator[list[T]]:
    """Yield values in parts that fit into one statement."""
    held = list(values)
    for begin in range(0, len(held), _MANY):
        yield held[begin : begin + _MANY]


def _stories(rows: Mapping[int, Row]) -> list[int]:
    return list(dict.fromkeys(row["story"] for row in rows.values()))


def _see(connection: Any, moment: int) -> None:
    for column in (texts.c.first_seen_at, fetched_for.c.seen_at):
        connection.execute(sa.update(column.table).where(column == _NOT_YET).values({column: moment}))


def _there(connection: Any, stories: Sequence[int]) -> tuple[set[int], set[int]]:
    """Return which stories the store has, and the ids of all their wordings."""
    found: set[tuple[int, int]] = set()
    for part in parts_of(stories):
        wanted = sa.select(texts.c.story, texts.c.id).where(texts.c.story.in_(part))
        found.update(map(tuple, connection.execute(wanted)))
    return {story for story, _ in found}, {id_ for _, id_ in found}


def _mark(connection: Any, fresh: Sequence[Row]) -> None:
    """Mark those that repeat an original: first those that the store has, then the fresh ones in order."""
    originals = Originals()
    for known in connection.execute(_near(fresh[0]["published_at"], fresh[-1]["published_at"])).mappings():
        originals.keep(Copy.of(known))
    for row in fresh:
        row["duplicate_of"] = originals.original_of(Copy.of(row))


def _near(first: int, last: int) -> Any:
    columns = (
        texts.c.id,
        texts.c.story,
        texts.c.publisher,
        texts.c.source,
        texts.c.published_at,
        texts.c.text,
    )
    return (
        sa.select(*columns)
        .where(texts.c.published_at >= first - APART_NS, texts.c.published_at <= last + APART_NS)
        .where(texts.c.duplicate_of.is_(None))
        .order_by(texts.c.first_seen_at, texts.c.published_at, texts.c.id)
    )
