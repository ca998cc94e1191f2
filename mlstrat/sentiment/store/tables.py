"""What a store holds: the tables of schema 2. Times are nanoseconds since 1970 UTC."""

from __future__ import annotations

import sqlalchemy as sa

# Raised by one with every change of a table.
SCHEMA = 2

metadata = sa.MetaData()

facts = sa.Table(
    "store_facts",
    metadata,
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

# A row is one wording of one text. Both numbers are hashes, so that the same text has the same row in every
# store, whoever wrote it first: `id` of source, key and wording, `story` of source and key.
texts = sa.Table(
    "texts",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("story", sa.BigInteger, nullable=False, index=True),
    sa.Column("revision", sa.String(32), nullable=False, index=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("publisher", sa.Text, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("foreign_words", sa.Boolean, nullable=False),
    sa.Column("subjects", sa.Text, nullable=False),
    sa.Column("reach", sa.Double, nullable=False),
    sa.Column("polarity", sa.Double),
    sa.Column("published_at", sa.BigInteger, nullable=False, index=True),
    sa.Column("time_known", sa.Boolean, nullable=False),
    sa.Column("first_seen_at", sa.BigInteger, nullable=False, index=True),
    sa.Column("duplicate_of", sa.BigInteger),
)

# For whom a text was fetched, by its ticker, and when first; "" where that was not told.
fetched_for = sa.Table(
    "fetched_for",
    metadata,
    sa.Column("story", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("ticker", sa.String(40), primary_key=True),
    sa.Column("seen_at", sa.BigInteger, nullable=False, index=True),
)

mentions = sa.Table(
    "mentions",
    metadata,
    sa.Column("text_id", sa.BigInteger, sa.ForeignKey("texts.id"), primary_key=True, autoincrement=False),
    sa.Column("ticker", sa.String(16), primary_key=True),
)

# By wording and not by row: the same words have the same score wherever they stand.
scores = sa.Table(
    "scores",
    metadata,
    sa.Column("revision", sa.String(32), primary_key=True),
    sa.Column("scorer", sa.String(40), primary_key=True),
    sa.Column("version", sa.String(40), primary_key=True),
    sa.Column("polarity", sa.Double, nullable=False),
    sa.Column("confidence", sa.Double, nullable=False),
    sa.Column("scored_at", sa.BigInteger, nullable=False),
)

cursors = sa.Table(
    "cursors",
    metadata,
    sa.Column("source", sa.String(100), primary_key=True),
    sa.Column("symbol", sa.String(40), primary_key=True),
    sa.Column("since", sa.BigInteger, nullable=False),
    sa.Column("until", sa.BigInteger, nullable=False),
)
