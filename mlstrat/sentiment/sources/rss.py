"""Articles from RSS and Atom feeds: what a feed holds now, without a history."""

from __future__ import annotations

import calendar
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from mlstrat.sentiment.items import Item, SourceError
from mlstrat.sentiment.sources.queries import Subject, subject_of
from mlstrat.sentiment.sources.reading import Pile, name, text
from mlstrat.sentiment.sources.socketry import library
from mlstrat.sentiment.sources.web import Access, Unfinished, Web

FEEDS = (
    "https://www.coindesk.com/arc/outboundfeeds/rss/",
    "https://cointelegraph.com/rss",
    "https://decrypt.co/feed",
    "https://bitcoinmagazine.com/feed",
    "https://cryptoslate.com/feed/",
)

# Reading a broken feed takes some seconds a megabyte, which no deadline cuts short; whole ones are below.
_MOST_BYTES = 2_000_000


class Rss:
    """Titles of feeds that count for a symbol. Entries without a time are left out.

    Parameters
    ----------
    access : Access
        Cache, clock and limits; each feed has limits of its own, and is asked only whether it has changed.
    feeds : sequence of str
        Addresses.
    """

    name = "rss"

    def __init__(self, access: Access, feeds: Sequence[str] = FEEDS) -> None:
        small = replace(access.limits, body=min(access.limits.body, _MOST_BYTES))
        access = replace(access, limits=small)
        self._feeds = {
            feed: Web(f"{self.name} feed {urlsplit(feed).netloc}", (feed,), access, 1.0, conditional=True)
            for feed in feeds
        }

    def fetch(self, symbol: str, since: datetime, until: datetime) -> Sequence[Item]:
        """Return articles, oldest first; see `Source.fetch`. One feed's failure leaves the others."""
        subject, pile = subject_of(symbol, self.name), Pile(self.name, since, until)
        problems = []
        for feed, web in self._feeds.items():
            try:
                with web.visit() as visit:
                    content = visit.feed(feed)
                self._read(content, urlsplit(feed).netloc, subject, pile)
            except SourceError as error:
                problems.append(str(error))
        if not problems:
            return pile.items()
        if len(problems) == len(self._feeds):
            raise SourceError(problems[0])
        raise Unfinished(f"{len(problems)} of {len(self._feeds)} feeds failed; {problems[0]}", pile.items())

    def _read(self, content: bytes, host: str, subject: Subject, pile: Pile) -> None:
        feedparser = library("feedparser")
        # A file, because feedparser takes bytes that look like an address or a path for one.
        found = feedparser.parse(io.BytesIO(content))
        if not found.get("version"):
            raise SourceError(f"rss feed {host} is no feed: look at its address in a browser.")
        language = name(found.feed.get("language"))[:2].lower()
        for entry in found.entries:
            _add(pile, entry, subject, host, language)


def _add(pile: Pile, entry: Mapping[str, Any], subject: Subject, host: str, language: str) -> None:
    title, link = text(entry.get("title")), name(entry.get("link"))
    tags = [name(tag.get("term")) for tag in entry.get("tags") or ()]
    if not subject.concerns(" ".join([title, *tags])):
        return
    pile.add(
        name(entry.get("id")) or link,
        title,
        _published(entry),
        publisher=host.removeprefix("www."),
        url=link,
        language=language,
    )


def _published(entry: Mapping[str, Any]) -> datetime | None:
    told = entry.get("published_parsed") or entry.get("updated_parsed")
    try:
        return datetime.fromtimestamp(calendar.timegm(told), UTC) if told else None
    except (ValueError, OverflowError, OSError):
        return None
