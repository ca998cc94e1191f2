"""All sources asked one after another; one that fails is counted and stops nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from mlstrat.errors import MlstratError
from mlstrat.sentiment.items import Item, Source, SourceError
from mlstrat.sentiment.sources.reading import in_order
from mlstrat.sentiment.sources.web import Unfinished


@dataclass(frozen=True)
class Gathered:
    """What sources gave.

    Parameters
    ----------
    items : tuple of Item
        Oldest first, each source's text once; those before a failure are among them.
    failures : mapping
        A sentence for each source that failed, by its name; of two with one name, both.
    counts : mapping
        Items by source, 0 included.
    """

    items: tuple[Item, ...]
    failures: Mapping[str, str]
    counts: Mapping[str, int]

    @property
    def warnings(self) -> int:
        """Sources that failed."""
        return len(self.failures)


class Guarded:
    """A source that raises nothing but sentences.

    Parameters
    ----------
    source : Source
        Any source.
    """

    def __init__(self, source: Source) -> None:
        self._source = source

    @property
    def name(self) -> str:
        """Name of the source."""
        return self._source.name

    def fetch(self, symbol: str, since: datetime, until: datetime) -> Sequence[Item]:
        """Return its items, oldest first; see `Source.fetch`."""
        try:
            return tuple(self._source.fetch(symbol, since, until))
        except MlstratError:
            raise
        except Exception as error:  # noqa: BLE001 - what strangers send may break any library
            kind = type(error).__name__
        # Outside the block, because what the error holds may be a request with its key.
        raise SourceError(f"{self.name} broke on an answer ({kind}): ask again later, and report it.")


def fetch_all(sources: Iterable[Source], symbol: str, since: datetime, until: datetime) -> Gathered:
    """Ask each source, and raise nothing.

    Parameters
    ----------
    sources : iterable of Source
        In the order in which they are asked.
    symbol : str
        Whose texts.
    since, until : datetime
        Published from the one and before the other.
    """
    items: dict[tuple[str, str], Item] = {}
    failures: dict[str, str] = {}
    counts: dict[str, int] = {}
    for source in map(Guarded, sources):
        problem = ""
        found: Sequence[Item] = ()
        try:
            found = source.fetch(symbol, since, until)
        except Unfinished as error:
            found, problem = error.items, str(error)
        except MlstratError as error:
            problem = str(error)
        if problem:
            failures[source.name] = " ".join(filter(None, (failures.get(source.name), problem)))
        new = {(item.source, item.key): item for item in found}
        counts[source.name] = counts.get(source.name, 0) + len(new.keys() - items.keys())
        items = {**new, **items}
    return Gathered(in_order(items.values()), failures, counts)
