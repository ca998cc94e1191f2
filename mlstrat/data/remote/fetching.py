"""Page after page of a source, each kept as it comes, behind bars that are there already."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.data.remote.journal import Journal, Kept
from mlstrat.data.remote.pages import Page, Source, moment
from mlstrat.data.remote.patience import Hiccup, Retrier
from mlstrat.errors import DataError, DownloadError


class Watch:
    """What a download tells while it works; this one is silent."""

    def page(self, bars: int, reached: str, share: float) -> None:
        """Hear of bars fetched so far, the time reached, and the share of the span in [0, 1]."""

    def waits(self, reason: str, seconds: float) -> None:
        """Hear that a request failed and is made again after so many seconds."""


@dataclass(frozen=True)
class Span:
    """Epoch milliseconds: bars that open at or after `first` and close by `end`, each `bar` long."""

    first: int
    end: int
    bar: int


def fetch(
    source: Source,
    span: Span,
    rows: FloatArray,
    before: Kept,
    journal: Journal,
    retry: Retrier,
    watch: Watch,
) -> FloatArray:
    """Return the bars behind `rows`, those of an earlier try included; each page goes to the journal.

    Parameters
    ----------
    source : Source
        Where pages come from.
    span : Span
        The bars asked for.
    rows : (n, 6) float64
        Bars of the file, as in `Page`; the last known bar is fetched again and has to agree.
    before : Kept
        Pages of an earlier try.
    journal : Journal
        Open behind those pages.
    retry : Retrier
        Makes each request.
    watch : Watch
        Told of each page.

    Raises
    ------
    DownloadError
        The source goes on failing, or refuses.
    DataError
        It has revised its history.
    """
    fetched = [before.rows]
    known = before.rows if len(before.rows) else rows
    cursor = int(known[-1, 0]) if len(known) else max(span.first, before.reached or span.first)
    again = known[-1] if len(known) else None
    # The last bar is fetched again only together with bars that may have closed since.
    while cursor + span.bar * (2 if again is not None else 1) <= span.end:
        try:
            page = _page(source, cursor, span.end, retry)
        except Hiccup as hiccup:
            raise _stopped(source, cursor, sum(map(len, fetched)), hiccup) from hiccup
        found = page.rows[(page.rows[:, 0] >= cursor) & (page.rows[:, 0] + span.bar <= span.end)]
        if again is not None:
            _check_again(source, again, found)
            found, again = found[1:], None
        journal.add(Page(found, page.reached))
        fetched.append(found)
        cursor = page.reached
        share = min((cursor - span.first) / (span.end - span.first), 1.0)
        watch.page(sum(map(len, fetched)), moment(min(cursor, span.end)), share)
    return np.concatenate(fetched)


def _page(source: Source, cursor: int, end: int, retry: Retrier) -> Page:
    """Return a page; an empty one is asked for twice, because a server in trouble may answer so."""

    def request() -> Page:
        return source.page(cursor, end)

    page = retry(request)
    return page if len(page.rows) else retry(request)


def _stopped(source: Source, cursor: int, bars: int, hiccup: Hiccup) -> DownloadError:
    kept = f"{bars:,} new bars are kept" if bars else "no new bars were fetched"
    return DownloadError(
        f"{source.exchange} gives no page from {moment(cursor)} on ({said(hiccup)}), {kept}: check the "
        "network, then run the same command again to go on."
    )


def _check_again(source: Source, again: FloatArray, found: FloatArray) -> None:
    """Refuse to go on behind a bar that the source no longer tells as it did."""
    when = moment(again[0])
    remedy = "download into another file, and compare the two"
    if not len(found) or found[0, 0] != again[0]:
        raise DataError(f"{source.exchange} no longer gives the last stored bar, of {when}: {remedy}.")
    if not np.array_equal(found[0, : source.compared], again[: source.compared]):
        was, now = (", ".join(f"{value:.10g}" for value in row[1:]) for row in (again, found[0]))
        raise DataError(
            f"{source.exchange} has revised its history: the last stored bar, of {when}, was {was} and is "
            f"now {now} (open, high, low, close, volume): {remedy}."
        )


def said(hiccup: Hiccup) -> str:
    """Return why a request failed, and how long the server asks to wait."""
    return f"{hiccup.reason}; it asks to wait {hiccup.wait:g} s" if hiccup.wait else hiccup.reason
