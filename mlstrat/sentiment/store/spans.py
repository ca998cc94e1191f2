"""From when to when a source was fetched for a symbol, without a gap."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from mlstrat.sentiment.store.dialects import insert
from mlstrat.sentiment.store.tables import cursors

Span = tuple[int, int]


def span_of(connection: Any, source: str, symbol: str) -> Span | None:
    """Return the span that is known, in nanoseconds since 1970 UTC."""
    wanted = sa.select(cursors.c.since, cursors.c.until).where(
        cursors.c.source == source, cursors.c.symbol == symbol
    )
    row = connection.execute(wanted).one_or_none()
    return row and (row.since, row.until)


def mark(connection: Any, source: str, symbol: str, span: Span) -> None:
    """Keep a span with the known one; see `SentimentStore.mark_fetched`."""
    known = span_of(connection, source, symbol)
    since, until = span if known is None else _joined(known, span)
    values = {"since": since, "until": until}
    adding = insert(connection, cursors).values(source=source, symbol=symbol, **values)
    connection.execute(adding.on_conflict_do_update(index_elements=["source", "symbol"], set_=values))


def _joined(one: Span, other: Span) -> Span:
    if other[0] > one[1] or one[0] > other[1]:
        return max(one, other)
    return min(one[0], other[0]), max(one[1], other[1])
