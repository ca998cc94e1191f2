"""Ask a store for the headlines of a symbol, as they stand or as they were known at a moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa

from mlstrat.sentiment.aliases import COINS, coin_of, concerns
from mlstrat.sentiment.headlines import Headlines
from mlstrat.sentiment.store.tables import mentions, texts

# Sources that tell of the crypto market without naming a coin.
_OF_COINS = ("fear_greed",)


@dataclass(frozen=True)
class Asked:
    """Which texts; moments in nanoseconds since 1970 UTC, None = no bound. See `SentimentStore.headlines`."""

    symbol: str = ""
    since: int | None = None
    until: int | None = None
    as_of: int | None = None
    language: str = "en"
    duplicates: bool = True
    first_wording: bool = False
    sources: tuple[str, ...] = ()


def headlines(connection: Any, asked: Asked, origin: str) -> Headlines:
    """Return the texts that were asked for; see `SentimentStore.headlines`."""
    coin = coin_of(asked.symbol)
    chosen = _chosen(asked)
    found = connection.execute(_about(coin, chosen)).mappings().all()
    rows = [row for row in found if _counts(row, coin)]
    total = connection.execute(sa.select(sa.func.count()).select_from(chosen)).scalar_one()
    return Headlines(
        published_at=_moments(rows, "published_at"),
        time_known=np.array([row["time_known"] for row in rows], bool),
        texts=tuple(row["text"] for row in rows),
        source=tuple(row["publisher"] or row["source"] for row in rows),
        origin=origin,
        off_topic=total - len(rows),
        seen_at=_moments(rows, "first_seen_at"),
        reach=np.array([row["reach"] for row in rows], np.float64),
        given_polarity=np.array([row["polarity"] for row in rows], np.float64),
    )


def _counts(row: Any, coin: str) -> bool:
    """Whether a text counts for a coin, or for a symbol that is none; the empty one takes everything."""
    if coin and coin not in COINS and row["source"] in _OF_COINS:
        return False
    return bool(row["sure"]) or concerns(coin, f"{row['text']} {row['subjects']}")


def _chosen(asked: Asked) -> Any:
    """One wording of each text: by default the last that was seen by then."""
    wordings = _wordings(asked)
    chosen = sa.select(texts).join(wordings, wordings.c.id == texts.c.id).where(wordings.c.place == 1)
    chosen = chosen.where(*_published(asked))
    if asked.language:
        named = texts.c.language == asked.language
        unnamed = (texts.c.language == "") & texts.c.foreign_words.is_(asked.language != "en")
        chosen = chosen.where(named | unnamed)
    if not asked.duplicates:
        chosen = chosen.where(texts.c.duplicate_of.is_(None))
    return chosen.subquery("chosen")


def _wordings(asked: Asked) -> Any:
    """The wordings seen by then of all texts that may be asked for, numbered within each text."""
    orders = (texts.c.first_seen_at, texts.c.published_at, texts.c.id)
    ordered = orders if asked.first_wording else [column.desc() for column in orders]
    place = sa.func.row_number().over(partition_by=texts.c.story, order_by=ordered)
    seen = sa.select(texts.c.id, place.label("place"))
    if asked.as_of is not None:
        seen = seen.where(texts.c.first_seen_at <= asked.as_of)
    if asked.sources:
        seen = seen.where(texts.c.source.in_(asked.sources))
    bounds = _published(asked)
    if bounds:
        # All wordings of a text, for one outside of the bounds may be the one that counts.
        seen = seen.where(texts.c.story.in_(sa.select(texts.c.story).where(*bounds)))
    return seen.subquery("wordings")


def _published(asked: Asked) -> list[Any]:
    bounds = []
    if asked.since is not None:
        bounds.append(texts.c.published_at >= asked.since)
    if asked.until is not None:
        bounds.append(texts.c.published_at < asked.until)
    return bounds


def _about(coin: str, chosen: Any) -> Any:
    """Those that name the coin or no coin at all, and those whose words have to be looked at (`concerns`)."""
    named = sa.select(mentions.c.ticker).where(mentions.c.text_id == chosen.c.id)
    sure = sa.true() if not coin else named.where(mentions.c.ticker == coin).exists() | ~named.exists()
    wanted = sa.select(chosen, sure.label("sure")).order_by(
        chosen.c.published_at, chosen.c.first_seen_at, chosen.c.id
    )
    if not coin:
        return wanted
    words = chosen.c.text.contains(coin, autoescape=True) | chosen.c.subjects.contains(coin, autoescape=True)
    return wanted.where(sure | words)


def _moments(rows: Sequence[Any], name: str) -> Any:
    return np.array([row[name] for row in rows], np.int64).astype("datetime64[ns]")
