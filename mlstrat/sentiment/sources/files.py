"""Texts of a file as a source among others."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from mlstrat.errors import DataError
from mlstrat.sentiment.headlines import Headlines, read_headlines
from mlstrat.sentiment.items import Item, SourceError
from mlstrat.sentiment.sources.reading import Pile, name, text


class FileSource:
    """Headlines of a CSV, Parquet or JSON Lines file, as `read_headlines` reads it.

    Parameters
    ----------
    path : str or Path
        The file, or sample:headlines.
    """

    name = "file"

    def __init__(self, path: str | Path) -> None:
        self._path = path

    def fetch(self, symbol: str, since: datetime, until: datetime) -> Sequence[Item]:
        """Return headlines, oldest first; see `Source.fetch`. An empty symbol takes all."""
        try:
            headlines = read_headlines(self._path, symbol)
        except DataError as error:
            raise SourceError(str(error)) from error
        pile = Pile(self.name, since, until)
        bounds = np.array([since.timestamp(), until.timestamp()]) * 1e6
        stamps = headlines.published_at.astype("datetime64[us]").astype(np.int64)
        inside = np.flatnonzero((stamps >= bounds[0]) & (stamps < bounds[1]))
        for row in inside:
            _add(pile, headlines, int(row), int(stamps[row]))
        return pile.items()


def _add(pile: Pile, headlines: Headlines, row: int, microseconds: int) -> None:
    words, publisher = text(headlines.texts[row]), name(headlines.source[row])
    published = datetime.fromtimestamp(microseconds // 1_000_000, UTC).replace(
        microsecond=microseconds % 1_000_000
    )
    polarity = float(headlines.given_polarity[row])
    pile.add(
        hashlib.sha256(f"{microseconds} {publisher}\n{words}".encode()).hexdigest()[:32],
        words,
        published,
        time_known=bool(headlines.time_known[row]),
        publisher=publisher,
        reach=float(headlines.reach[row]),
        subjects=tuple(headlines.subjects[row].split()),
        polarity=None if np.isnan(polarity) else polarity,
    )
