"""What a source of texts gives: items, and the one way to fail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from mlstrat.errors import DataError


class SourceError(DataError):
    """A source of texts that cannot be reached, refuses, or answers what cannot be read."""


@dataclass(frozen=True)
class Item:
    """One text as a source gave it.

    Parameters
    ----------
    source : str
        Name of the source in the registry: newsapi, cryptopanic, rss, x, reddit, fear_greed, file.
    key : str
        The source's own identifier, else its address: the same text fetched twice has the same key.
    text : str
        The title of an article or the words of a post; never blank.
    published_at : datetime
        As stamped, with a time zone.
    time_known : bool
        False where only the day is known.
    publisher : str
        Who published it, such as coindesk.com or r/Bitcoin; "" where unknown.
    url : str
        Where it stands.
    language : str
        ISO 639-1 code, such as en; "" where unknown.
    reach : float
        How many people it reached, as the source counts them: followers, votes. 0 where unknown.
    subjects : tuple of str
        Tickers that the source itself attaches, such as ("BTC",).
    polarity : float, optional
        What the source itself says of the mood, in [-1, 1]; None where it says nothing.

    Raises
    ------
    DataError
        A blank source, key or text, a stamp without a time zone, a negative reach, or a polarity out of
        range.
    """

    source: str
    key: str
    text: str
    published_at: datetime
    time_known: bool = True
    publisher: str = ""
    url: str = ""
    language: str = ""
    reach: float = 0.0
    subjects: tuple[str, ...] = ()
    polarity: float | None = None

    def __post_init__(self) -> None:
        for name in ("source", "key", "text"):
            if not getattr(self, name).strip():
                raise DataError(f"an item has no {name}: leave out items without one.")
        if self.published_at.tzinfo is None:
            raise DataError(f"item {self.key} has a stamp without a time zone: give it in UTC.")
        object.__setattr__(self, "published_at", self.published_at.astimezone(UTC))
        if not 0 <= self.reach < float("inf"):
            raise DataError(f"item {self.key} has reach {self.reach}: give 0 or more.")
        if self.polarity is not None and not -1 <= self.polarity <= 1:
            raise DataError(f"item {self.key} has polarity {self.polarity}: give a number in [-1, 1].")


class Source(Protocol):
    """Anything that texts about a symbol can be fetched from."""

    @property
    def name(self) -> str:
        """Name in the registry of sources."""
        ...

    def fetch(self, symbol: str, since: datetime, until: datetime) -> Sequence[Item]:
        """Return what was published about a symbol from `since` until before `until`, oldest first.

        Raises
        ------
        SourceError
            Nothing usable could be had; the message says what to do and holds no key.
        """
        ...
