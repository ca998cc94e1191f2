"""Articles from RSS and Atom feeds: what a feed holds now, without a history."""

from __future__ import annotations

import calendar
import html
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta, timezone
from types import MappingProxyType
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

# A time of day, behind which stands an offset or the name of a zone.
_TIME = r"(\d\d?):(\d\d)(?:[:.]\d+)*"
_OFFSET = re.compile(rf"{_TIME}\s*(?:GMT)?(?P<sign>[+-])(?P<hours>\d\d):?(?P<minutes>\d\d)\b")
_NAMED = re.compile(rf"{_TIME}\s*(?:Etc/)?(?P<zone>[A-Za-z]+)(?![\w+-])")
# Hours of the zones that feedparser knows by name; it takes any other for UTC.
_ZONES = MappingProxyType(
    {
        **{"Z": 0, "UT": 0, "UTC": 0, "GMT": 0, "MET": 1, "MEST": 2},
        **{"ADT": -3, "AST": -4, "EDT": -4, "EST": -5, "CDT": -5, "CST": -6},
        **{"MDT": -6, "MST": -7, "PDT": -7, "PST": -8},
        **{"AT": -4, "ET": -5, "CT": -6, "MT": -7, "PT": -8},
    }
)
# Where a day ends last.
_WESTMOST = timezone(timedelta(hours=-12))
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")

# Reading a broken feed takes some seconds a megabyte, which no deadline cuts short; whole ones are below.
_MOST_BYTES = 2_000_000


class Rss:
    """Titles of feeds that count for a symbol. Entries without a time are left out.

    Where a stamp does not tell its offset from UTC, or names a zone that feedparser does not know, only its
    day counts as known, as far west as there is one.

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
    title, link = _title(entry), name(entry.get("link"))
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


def _title(entry: Mapping[str, Any]) -> str:
    """Return the title without markup, which is still there where a feed escapes it twice."""
    return text(html.unescape(_TAG.sub(" ", html.unescape(text(entry.get("title"))))))


def _published(entry: Mapping[str, Any]) -> datetime | None:
    field = "published" if entry.get("published_parsed") else "updated"
    told, written = entry.get(f"{field}_parsed"), name(entry.get(field))
    try:
        return _zoned(datetime.fromtimestamp(calendar.timegm(told), UTC), written) if told else None
    except (ValueError, OverflowError, OSError):
        return None


def _zoned(utc: datetime, written: str) -> datetime:
    """Return a moment in the zone in which it is written; its day alone where that is not known.

    It is known only if the clock there shows what is written: else feedparser has not heeded the zone.
    """
    clock, zone = re.search(_TIME, written), _zone(written)
    if not clock:
        return utc
    local = utc.astimezone(zone or _WESTMOST)
    if zone and (int(clock[1]), int(clock[2])) == (local.hour, local.minute):
        return local
    return datetime.combine(utc.date(), time.min, _WESTMOST)


def _zone(written: str) -> timezone | None:
    offset, named = _OFFSET.search(written), _NAMED.search(written)
    if offset:
        ahead = timedelta(hours=int(offset["hours"]), minutes=int(offset["minutes"]))
        return timezone(-ahead if offset["sign"] == "-" else ahead)
    hours = _ZONES.get(named["zone"].upper()) if named else None
    return None if hours is None else timezone(timedelta(hours=hours))
