"""What is asked of a source beyond its protocol: that whatever it does ends in Items or in a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from mlstrat.errors import MlstratError
from mlstrat.sentiment.items import Item, Source, SourceError
from mlstrat.sentiment.sources.web import Unfinished


class Guarded:
    """A source that raises nothing but sentences.

    Parameters
    ----------
    source : Source
        Any source.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        told = getattr(source, "name", None)
        self._named = isinstance(told, str) and bool(told.strip())
        self._name = str(told) if self._named else type(source).__name__

    @property
    def name(self) -> str:
        """Name of the source; that of its class where it has none."""
        return self._name

    def fetch(self, symbol: str, since: datetime, until: datetime) -> Sequence[Item]:
        """Return its items, oldest first; see `Source.fetch`."""
        if not self._named:
            raise SourceError(f"a source of the class {self._name} has no name: give it one, a text.")
        try:
            return self._found(symbol, since, until)
        except MlstratError:
            raise
        except Exception as error:  # noqa: BLE001 - what strangers send may break any library
            kind = type(error).__name__
        # Outside the block, because what the error holds may be a request with its key.
        raise SourceError(f"{self.name} broke on an answer ({kind}): ask again later, and report it.")

    def _found(self, symbol: str, since: datetime, until: datetime) -> tuple[Item, ...]:
        try:
            return self._checked(self._source.fetch(symbol, since, until))
        except Unfinished as error:
            raise Unfinished(str(error), self._checked(error.items), error.final) from None

    def _checked(self, found: Iterable[object]) -> tuple[Item, ...]:
        items = []
        for one in found:
            if not isinstance(one, Item):
                raise SourceError(f"{self.name} gives a {type(one).__name__} for a text: return Items.")
            items.append(one)
        return tuple(items)
