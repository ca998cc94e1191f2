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
from mlstrat.sentiment.sources.gathering import Guarded
from mlstrat.sentiment.sources.web import Unfinished
from mlstrat.sentiment.store import Added, SentimentStore

Clock = Callable[[], datetime]
Span = tuple[datetime, datetime]

# How far before the last fetch the next one begins. Free plans of news services hold texts back for a day,
# and a text of which only the day is known is stamped with its first moment.
OVERLAP = timedelta(hours=26)
# X has no such delay and counts what is read; a feed is read whole in any case, whatever its stamps.
OVERLAPS = MappingProxyType({"x": timedelta(hours=2), "rss": timedelta(days=7)})
# Another file may hold older texts, so that there is nothing to go on from.
WHOLE = frozenset({"file"})
# A source that was asked so shortly before has hardly anything new, and counts what it is asked.
PAUSE = timedelta(minutes=5)
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
    note : str
        Why it was not asked, "" where it was.
    final : bool
        Whether it broke off where it always does: then the next fetch goes on behind this one.
    """

    source: str
    since: datetime
    until: datetime
    added: Added = _NOTHING
    warning: str = ""
    note: str = ""
    final: bool = False


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
        """Names of the sources that answered, now or just before; also if one broke off behind some texts."""
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
    pause: timedelta = PAUSE,
) -> FetchReport:
    """Ask each source for what the store lacks, and add it.

    A source that was fetched before is asked from `OVERLAP` before the end of that on, or from `since` where
    the store begins later. Its texts are in the store before the span is marked as fetched, and both are
    whole or not there at all: a process that is killed loses nothing, and the next one doubles nothing. A
    source that fails is told and asked for the same span by the next fetch; one that never gives more of it
    (the newest 1,000 posts) is told too, and not asked for the rest again. Only what was asked for is
    marked: a span that ends before the known one begins is added and not marked, for what lies between was
    never fetched.

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
        The clock, in UTC. A text counts as seen when its source has answered and it can be read.
    watcher : FetchWatcher, optional
        Is told what happens.
    pause : timedelta
        A source that was fetched up to less than this before now is left alone and noted.

    Raises
    ------
    DataError
        The store refuses. Nothing that a source does is raised.
    """
    told = watcher or FetchWatcher()
    wanted = _Wanted(symbol, coin_of(symbol) or symbol, since, until, pause)
    guarded = [Guarded(source) for source in sources]
    # Known before any source is asked: two sources may have one name.
    spans = [None if one.name in WHOLE else store.fetched(one.name, wanted.coin) for one in guarded]
    fetched = (_fetch(store, *one, wanted, now, told) for one in zip(guarded, spans, strict=True))
    return FetchReport(symbol, tuple(fetched))


@dataclass(frozen=True)
class _Wanted:
    """What is asked for; see `fetch_into`."""

    symbol: str
    coin: str
    since: datetime
    until: datetime | None
    pause: timedelta


def _fetch(
    store: SentimentStore,
    source: Source,
    span: Span | None,
    wanted: _Wanted,
    now: Clock,
    watcher: FetchWatcher,
) -> Fetched:
    name, moment = source.name, now()
    end = min(wanted.until, moment) if wanted.until else moment
    begin = wanted.since if span is None else _begin(span, wanted.since, OVERLAPS.get(name, OVERLAP))
    watcher.begins(name, begin, end)
    if span and span[0] <= wanted.since and timedelta(0) <= moment - span[1] < wanted.pause:
        fetched = Fetched(name, begin, end, note=f"asked less than {_told(wanted.pause)} ago")
    else:
        fetched = _asked(store, source, wanted.symbol, begin, end, now)
        if (fetched.final or not fetched.warning) and name not in WHOLE and begin < end:
            store.mark_fetched(name, wanted.coin, begin, end)
    watcher.ends(fetched)
    return fetched


def _begin(span: Span, since: datetime, overlap: timedelta) -> datetime:
    """Where to go on, so that the span stays without a gap."""
    first, last = span
    return since if since < first else max(first, last - overlap)


def _asked(
    store: SentimentStore, source: Source, symbol: str, begin: datetime, end: datetime, now: Clock
) -> Fetched:
    if begin >= end:
        return Fetched(source.name, begin, end)
    items: Sequence[Item] = ()
    warning, final = "", False
    try:
        items = source.fetch(symbol, begin, end)
    except Unfinished as error:
        items, warning, final = error.items, str(error), error.final
    except MlstratError as error:
        warning = str(error)
    added = store.add(items, now, symbol=symbol)
    return Fetched(source.name, begin, end, added, warning, final=final)


def _told(pause: timedelta) -> str:
    return "five minutes" if pause == PAUSE else f"{pause.total_seconds():.0f} seconds"
