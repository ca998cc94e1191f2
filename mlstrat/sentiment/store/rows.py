"""One text as a row of the store."""

from __future__ import annotations

import hashlib
from typing import Any

from mlstrat.sentiment.aliases import COINS
from mlstrat.sentiment.items import Item
from mlstrat.sentiment.store.language import clearly_not_english
from mlstrat.sentiment.store.moments import EARLIEST, LATEST, nanoseconds

Row = dict[str, Any]


def can_be_kept(item: Item) -> bool:
    """Whether nanoseconds reach the year of a text's stamp; year 1 or 9999 is a source's word for unknown."""
    return EARLIEST <= item.published_at < LATEST


def row_of(item: Item, seen_at: int) -> Row:
    """Return the row of a text that was first seen at a moment, in nanoseconds since 1970 UTC."""
    text = storable(item.text).strip()
    language = item.language.strip().lower().replace("_", "-").partition("-")[0]
    return {
        "id": number(item.source, item.key, text),
        "story": number(item.source, item.key),
        "revision": revision_of(text),
        "source": storable(item.source),
        "key": storable(item.key),
        "text": text,
        "publisher": storable(item.publisher).strip(),
        "url": storable(item.url),
        "language": storable(language),
        "foreign_words": not language and clearly_not_english(text),
        "subjects": storable(" ".join(map(_named, item.subjects))),
        "reach": float(item.reach),
        "polarity": None if item.polarity is None else float(item.polarity),
        "published_at": nanoseconds(item.published_at),
        "time_known": item.time_known,
        "first_seen_at": seen_at,
        "duplicate_of": None,
    }


def _named(ticker: str) -> str:
    """Return a ticker so that it names its coin even where it is a word too, such as NEAR."""
    return f"${ticker}" if ticker.upper() in COINS else ticker


def storable(text: str) -> str:
    """Return a text without what databases refuse: NUL and halves of surrogate pairs."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def revision_of(text: str) -> str:
    """Return the name of a wording: the hash of the text as it is stored."""
    return hashlib.blake2b(storable(text).strip().encode(), digest_size=16).hexdigest()


def number(*parts: str) -> int:
    """Return 63 bits of the hash of texts: the same in every process."""
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        content = storable(part).encode()
        digest.update(len(content).to_bytes(8, "big") + content)
    return int.from_bytes(digest.digest(), "big") >> 1
