"""Page after page until a source has no more, or goes too far."""

from __future__ import annotations

from collections.abc import Iterator

from mlstrat.sentiment.items import Item, SourceError
from mlstrat.sentiment.sources.reading import Pile
from mlstrat.sentiment.sources.web import Limited, Unfinished


def only_newest(source: str, most: int) -> str:
    """Return the sentence on a source that gives no more of a span than its newest texts."""
    return (
        f"{source} gave the newest {most:,} of the span and no older ones: fetch more often, or a shorter "
        "span, from --since to --until."
    )


def all_pages(pile: Pile, pages: Iterator[None], most: int) -> tuple[Item, ...]:
    """Let pages fill a pile.

    Parameters
    ----------
    pile : Pile
        What they fill.
    pages : iterator
        Yields behind each page that another one follows, and ends behind the last.
    most : int
        Pages that are read at most.

    Raises
    ------
    Unfinished
        A page failed, or there are more pages; the items before it go along.
    SourceError
        The first page failed.
    """
    try:
        for page, _ in enumerate(pages, start=1):
            if page == most:
                raise SourceError(
                    f"{pile.source} has more than {most} pages for this span: fetch a shorter one, from "
                    "--since to --until."
                )
    except SourceError as error:
        if not len(pile):
            raise
        raise Unfinished(str(error), pile.items(), isinstance(error, Limited)) from None
    return pile.items()
