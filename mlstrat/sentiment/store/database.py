"""The store of texts: what was published when, and what was known of it at any moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import sqlalchemy as sa

from mlstrat.arrays import FloatArray
from mlstrat.errors import DataError
from mlstrat.sentiment.aliases import coin_of
from mlstrat.sentiment.headlines import Headlines
from mlstrat.sentiment.items import Item
from mlstrat.sentiment.scorers import Scorer
from mlstrat.sentiment.store import adding, asking, scoring, spans
from mlstrat.sentiment.store.adding import Added
from mlstrat.sentiment.store.dialects import engine_of, reading, writing
from mlstrat.sentiment.store.moments import Moment, bound, moment_of, nanoseconds
from mlstrat.sentiment.store.places import is_file, place_of, told
from mlstrat.sentiment.store.schema import is_current, prepare
from mlstrat.sentiment.store.tables import texts
from mlstrat.sentiment.store.versions import ScorerVersion


class SentimentStore:
    """Texts with two times: when each was published, and when it was first seen here.

    Nothing is ever changed or removed: a text that its publisher edits is a new wording with its own first
    sight, so that what was known at a moment can always be asked for. Usable from several threads and
    processes at once; writers take turns.

    Parameters
    ----------
    url : str
        The path of an SQLite file, `sqlite:///FILE`, or `postgresql://user@host/database`.
    create : bool
        Make the tables where there are none. Without it the store is opened for reading alone and must be
        there; one of an earlier version is brought up to date first.

    Raises
    ------
    DataError
        The address is none, holds a password, or leads to no database, to one of another program, or to a
        newer schema. What this version must bring up to date may only be read.
    MissingExtraError
        The driver of PostgreSQL is not installed.
    """

    def __init__(self, url: str, *, create: bool = True) -> None:
        self._url = place_of(url)
        if not create and is_file(self._url) and not Path(str(self._url.database)).exists():
            raise DataError(f"there is no store {told(self._url)}: make one with mlstrat sentiment fetch.")
        self._engine = engine_of(self._url, read_only=not create)
        if create:
            prepare(self._engine, create=True)
        elif not is_current(self._engine):
            writer = engine_of(self._url)
            prepare(writer, create=False)
            writer.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __str__(self) -> str:
        return told(self._url)

    def close(self) -> None:
        """Give back the connections."""
        self._engine.dispose()

    def __len__(self) -> int:
        """Count the texts, each once however often its words changed."""
        with reading(self._engine) as connection:
            counted = sa.select(sa.func.count(sa.distinct(texts.c.story)))
            return int(connection.execute(counted).scalar_one())

    def add(self, items: Sequence[Item], seen_at: Moment | Callable[[], Moment], symbol: str = "") -> Added:
        """Add texts as seen at a moment: all of them or none.

        Adding a text again changes nothing: neither when it was first seen, nor its reach. Another wording
        under the same source and key is kept beside the earlier one; a return to a wording that was there
        before adds nothing. A text that repeats one of another publisher, seen before and published within
        72 h (Jaccard index of its pairs of words 0.8 or more), is marked and kept.

        Parameters
        ----------
        items : sequence of Item
            In any order.
        seen_at : datetime or datetime64, or a callable that gives one
            When they were fetched, by this machine's clock. A clock is read behind all the work, right before
            it is kept: nobody could read the texts earlier.
        symbol : str
            For whom they were fetched; see `headlines`. A text may be added for several symbols. Empty where
            that is not known.

        Raises
        ------
        DataError
            A moment without a time zone, or the database refuses.
        """
        clock = seen_at if callable(seen_at) else lambda: seen_at
        with writing(self._engine) as connection:
            return adding.add(connection, items, lambda: nanoseconds(clock()), coin_of(symbol))

    def headlines(
        self,
        symbol: str = "",
        since: Moment | None = None,
        until: Moment | None = None,
        as_of: Moment | None = None,
        *,
        language: str = "en",
        duplicates: bool = True,
        first_wording: bool = False,
        sources: Sequence[str] = (),
    ) -> Headlines:
        """Return texts sorted by publication, with when each was first seen, its reach and its polarity.

        Parameters
        ----------
        symbol : str
            Those that count for this symbol. For a coin of the table of names: they name it, or they name no
            coin and were not fetched for other markets alone. For any other symbol: they name its ticker as a
            word, or were fetched for it; of those fetched for no known symbol, also the ones that name no
            coin. One that was fetched for this symbol after its first sight counts as seen then. Empty takes
            all.
        since, until : datetime or datetime64, optional
            Published from the one and before the other.
        as_of : datetime or datetime64, optional
            Only what had been seen by then, this moment included, in the wording seen last by then.
        language : str
            ISO 639-1 code. Texts whose source names no language count as English unless they clearly are
            not (`clearly_not_english`). Empty takes all.
        duplicates : bool
            Whether to return texts that repeat another publisher's.
        first_wording : bool
            The wording seen first instead of the last: what a back-test may use, for a later edit then
            changes nothing before it was made.
        sources : sequence of str
            Names of sources, such as rss; empty takes all.

        Raises
        ------
        DataError
            A moment without a time zone, or the database refuses.
        """
        asked = asking.Asked(
            symbol=symbol,
            since=bound(since),
            until=bound(until),
            as_of=bound(as_of),
            language=language.lower(),
            duplicates=duplicates,
            first_wording=first_wording,
            sources=tuple(sources),
        )
        with reading(self._engine) as connection:
            return asking.headlines(connection, asked, str(self))

    def newest_seen(self) -> np.datetime64 | None:
        """Return the last moment at which something was seen for the first time, None where nothing was.

        `headlines` as of this moment are the same ever after, as long as the clock does not go back.
        """
        with reading(self._engine) as connection:
            newest = asking.newest(connection)
        return None if newest is None else np.datetime64(newest, "ns")

    def score(self, scorer: Scorer, version: ScorerVersion, at: Moment, chunk: int = 5_000) -> int:
        """Score every wording that a version of a scorer has not scored yet, and return how many these were.

        Parameters
        ----------
        scorer : Scorer
            Reads the texts.
        version : ScorerVersion
            Of that scorer: `version_of` its name.
        at : datetime or datetime64
            Kept with each score.
        chunk : int
            Texts read, scored and kept together: a process that is killed loses one chunk.

        Raises
        ------
        DataError
            A moment without a time zone, or the database refuses.
        """
        return scoring.score(self._engine, scorer, version, nanoseconds(at), chunk)

    def scores(
        self, wanted: Sequence[str], version: ScorerVersion, as_of: Moment | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Return the polarity and the confidence that a version gave to texts.

        Parameters
        ----------
        wanted : sequence of str
            Texts word for word, such as those of `headlines`.
        version : ScorerVersion
            Which scorer.
        as_of : datetime or datetime64, optional
            Only what had been scored by then.

        Returns
        -------
        polarity, confidence : (n_texts,) float64
            NaN where that version has not scored the text.
        """
        with reading(self._engine) as connection:
            return scoring.scores_of(connection, wanted, version, bound(as_of))

    def fetched(self, source: str, symbol: str) -> tuple[datetime, datetime] | None:
        """Return from when to when a source was fetched without a gap, None where it never was."""
        with reading(self._engine) as connection:
            span = spans.span_of(connection, source, symbol)
        return span and (moment_of(span[0]), moment_of(span[1]))

    def mark_fetched(self, source: str, symbol: str, since: Moment, until: Moment) -> None:
        """Keep from when to when a source has been fetched; its texts must have been added before.

        A span that overlaps or touches the known one is joined with it; of two that do not, the later one is
        kept, because what lies between was never fetched.
        """
        span = nanoseconds(since), nanoseconds(until)
        with writing(self._engine) as connection:
            spans.mark(connection, source, symbol, span)
