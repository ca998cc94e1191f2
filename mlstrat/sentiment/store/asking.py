"""Ask a store for the headlines of a symbol, as they stand or as they were known at a moment."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa

from mlstrat.sentiment.aliases import COINS, coin_of
from mlstrat.sentiment.headlines import Headlines
from mlstrat.sentiment.store.tables import fetched_for, mentions, texts

# Sources that tell of the crypto market without naming a coin.
_OF_COINS = ("fear_greed",)
_SEEN = (texts.c.first_seen_at, fetched_for.c.seen_at)


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
    found = connection.execute(_about(coin, chosen, asked.as_of)).mappings().all()
    seen = [_counts_from(row, coin) for row in found]
    rows = [row for row, moment in zip(found, seen, strict=True) if moment is not None]
    total = connection.execute(sa.select(sa.func.count()).select_from(chosen)).scalar_one()
    return Headlines(
        published_at=_moments([row["published_at"] for row in rows]),
        time_known=np.array([row["time_known"] for row in rows], bool),
        texts=tuple(row["text"] for row in rows),
        source=tuple(row["publisher"] or row["source"] for row in rows),
        origin=origin,
        off_topic=total - len(rows),
        seen_at=_moments([moment for moment in seen if moment is not None]),
        reach=np.array([row["reach"] for row in rows], np.float64),
        given_polarity=np.array([row["polarity"] for row in rows], np.float64),
        subjects=tuple(row["subjects"].replace("$", "") for row in rows),
    )


def newest(connection: Any) -> int | None:
    """Return the last moment at which a text was seen for the first time, or first for a symbol."""
    moments = [connection.execute(sa.select(sa.func.max(column))).scalar_one() for column in _SEEN]
    return max((moment for moment in moments if moment is not None), default=None)


def _counts_from(row: Any, coin: str) -> int | None:
    """Return from when a text counts for a coin, or for a symbol that is none; None where it does not.

    The empty coin takes everything. One that does not name the coin counts from when it was fetched so.
    """
    seen, fetched = row["first_seen_at"], row["fetched_at"]
    if not coin:
        return int(seen)
    if coin not in COINS and row["source"] in _OF_COINS:
        return None
    if row["mentioned"] or _names(coin, f"{row['text']} {row['subjects']}"):
        return int(seen)
    return None if fetched is None else max(int(seen), int(fetched))


def _names(ticker: str, words: str) -> bool:
    return ticker in words and re.search(rf"(?<!\w){re.escape(ticker)}(?!\w)", words) is not None


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


def _about(coin: str, chosen: Any, as_of: int | None) -> Any:
    """Those that name the coin or were fetched so that they count, and those whose words are to be read."""
    named = sa.select(mentions.c.ticker).where(mentions.c.text_id == chosen.c.id).correlate(chosen)
    mentioned = named.where(mentions.c.ticker == coin).exists()
    fetched_at = _fetched_at(coin, chosen, ~named.exists(), as_of)
    wanted = sa.select(chosen, mentioned.label("mentioned"), fetched_at.label("fetched_at")).order_by(
        chosen.c.published_at, chosen.c.first_seen_at, chosen.c.id
    )
    if not coin:
        return wanted
    words = chosen.c.text.contains(coin, autoescape=True) | chosen.c.subjects.contains(coin, autoescape=True)
    return wanted.where(mentioned | fetched_at.is_not(None) | words)


def _fetched_at(coin: str, chosen: Any, names_none: Any, as_of: int | None) -> Any:
    """When a text was first fetched so that it counts for a coin, or for a symbol that is none.

    A text that names no coin counts for all of them, unless it was fetched for other markets alone.
    """
    unnamed = fetched_for.c.ticker.in_([*COINS, ""] if coin in COINS else [""]) & names_none
    counts = unnamed if coin in COINS else unnamed | (fetched_for.c.ticker == coin)
    fetched = sa.select(sa.func.min(fetched_for.c.seen_at)).where(
        fetched_for.c.story == chosen.c.story, counts
    )
    if as_of is not None:
        fetched = fetched.where(fetched_for.c.seen_at <= as_of)
    return fetched.scalar_subquery()


def _moments(numbers: Sequence[int]) -> Any:
    return np.array(numbers, np.int64).astype("datetime64[ns]")
