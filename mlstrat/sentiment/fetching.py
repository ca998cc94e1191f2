"""Fetch what sources have of a symbol into a store: what is new, and again what may have come late."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import add
from types import MappingProxyType

from mlstrat.errors import MlstratError
from mlstrat.sentiment.aliases import coin_of
from mlstrat.sentiment.items import Item, Source
from mlstrat.sentiment.sources.web import Unfinished
from mlstrat.sentiment.store import Added, SentimentStore

Clock = Callable[[], datetime]

# How far before the last fetch the next one begins. Free plans of news services hold texts back for a day,
# and a text of which only the day is known is stamped with its first moment.
OVERLAP = timedelta(hours=26)
# X has no such delay and counts what is read; a feed is read whole in any case, whatever its stamps.
OVERLAPS = MappingProxyType({"x": timedelta(hours=2), "rss": timedelta(days=7)})
# Another file may hold older texts, so that there is nothing to go on from.
WHOLE = frozenset({"file"})
_NOTHING = Added()


@dataclass(frozen=True)
class Fetched:
    """What came from one source.

    Parameters
    ----------
    source : str
        Its name.
    since, until : datetime
        What it was asked for.
    added : Added
        What the store did not have, and what it had.
    warning : str
        A sentence that says why it gave nothing or broke off, "" where it did neither; the next fetch asks
        for the same again.
    """

    source: str
    since: datetime
    until: datetime
    added: Added = _NOTHING
    warning: str = ""


@dataclass(frozen=True)
class FetchReport:
    """What came from all sources, in their order."""

    symbol: str
    fetched: tuple[Fetched, ...]

    @property
    def added(self) -> Added:
        """The sum over the sources."""
        return reduce(add, (one.added for one in self.fetched), _NOTHING)

    @property
    def worked(self) -> tuple[str, ...]:
        """Names of the sources that answered; one that broke off behind some texts is among them."""
        return tuple(
            dict.fromkeys(one.source for one in self.fetched if not one.warning or one.added != _NOTHING)
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence for each source that failed."""
        return tuple(one.warning for one in self.fetched if one.warning)


class FetchWatcher:
    """Is told of each source; this one says nothing."""

    def begins(self, source: str, since: datetime, until: datetime) -> None:
        """A source is about to be asked."""

    def ends(self, fetched: Fetched) -> None:
        """A source has answered or failed."""


def fetch_into(
    store: SentimentStore,
    sources: Sequence[Source],
    symbol: str,
    since: datetime,
    now: Clock,
    watcher: FetchWatcher | None = None,
    until: datetime | None = None,
) -> FetchReport:
    """Ask each source for what the store lacks, and add it.

    A source that was fetched before is asked from `OVERLAP` before the end of that on, or from `since` where
    the store begins later. Its texts are in the store before the span is marked as fetched, and both are
    whole or not there at all: a process that is killed loses nothing, and the next one doubles nothing. A
    source that fails is told and asked for the same span by the next fetch.

    Parameters
    ----------
    store : SentimentStore
        Where to put the texts.
    sources : sequence of Source
        In the order in which they are asked.
    symbol : str
        Whose texts.
    since, until : datetime
        Published from the one and before the other; `until` is now by default, and never later.
    now : callable
        The clock, in UTC. A text counts as seen when its source has answered.
    watcher : FetchWatcher, optional
        Is told what happens.

    Raises
    ------
    DataError
        The store refuses. Nothing that a source does is raised.
    """
    told = watcher or FetchWatcher()
    return FetchReport(symbol, tuple(_fetch(store, one, symbol, since, now, told, until) for one in sources))


def _fetch(
    store: SentimentStore,
    source: Source,
    symbol: str,
    since: datetime,
    now: Clock,
    watcher: FetchWatcher,
    until: datetime | None,
) -> Fetched:
    coin = coin_of(symbol) or symbol
    span = None if source.name in WHOLE else store.fetched(source.name, coin)
    end = min(until, now()) if until else now()
    begin = since if span is None else _begin(span, since, OVERLAPS.get(source.name, OVERLAP))
    watcher.begins(source.name, begin, end)
    fetched = _asked(store, source, symbol, begin, end, now)
    if not fetched.warning and source.name not in WHOLE and begin < end:
        known = span or (begin, end)
        store.mark_fetched(source.name, coin, min(begin, known[0]), max(end, known[1]))
    watcher.ends(fetched)
    return fetched


def _begin(span: tuple[datetime, datetime], since: datetime, overlap: timedelta) -> datetime:
    """Where to go on, so that the span stays without a gap."""
    first, last = span
    return since if since < first else max(first, last - overlap)


def _asked(
    store: SentimentStore, source: Source, symbol: str, begin: datetime, end: datetime, now: Clock
) -> Fetched:
    if begin >= end:
        return Fetched(source.name, begin, end)
    items: Sequence[Item] = ()
    warning = ""
    try:
        items = source.fetch(symbol, begin, end)
    except Unfinished as error:
        items, warning = error.items, str(error)
    except MlstratError as error:
        warning = str(error)
    return Fetched(source.name, begin, end, store.add(items, now()), warning)
