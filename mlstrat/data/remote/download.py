"""Bars from an exchange into a Parquet file that carries its own facts: incremental and resumable."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.data import stamps, stored
from mlstrat.data.remote.fetching import Span, Watch, fetch, said
from mlstrat.data.remote.journal import Journal, Kept, kept
from mlstrat.data.remote.pages import Listing, Source, empty, moment
from mlstrat.data.remote.patience import Hiccup, Patience, Retrier
from mlstrat.data.timeframe import Timeframe
from mlstrat.errors import DataError, DownloadError, RunFolderError
from mlstrat.files import make_folder

YAHOO = "yahoo"
_MS = np.timedelta64(1, "ms")
# Five days: the longest usual closure of a stock exchange.
_USUAL_CLOSURE_MS = 5 * 86_400_000


@dataclass(frozen=True)
class Downloaded:
    """What `download` has done.

    Parameters
    ----------
    path : Path
        The file.
    origin : Origin
        What it says about itself.
    n_bars, n_new : int
        Bars in the file, and how many of them are new.
    notes : tuple of str
        Sentences about what was left out, kept or changed.
    """

    path: Path
    origin: stored.Origin
    n_bars: int
    n_new: int
    notes: tuple[str, ...]


def source_of(exchange: str, symbol: str, timeframe: str, market: str = "spot", base_url: str = "") -> Source:
    """Return the source of that name: yahoo, or an exchange of ccxt.

    Raises
    ------
    ConfigError
        There is no such exchange or market.
    DataError
        The timeframe is no bar length.
    MissingExtraError
        ccxt or yfinance is not installed.
    """
    if exchange == YAHOO:
        from mlstrat.data.remote.yahoo import YahooSource

        return YahooSource(symbol, Timeframe(timeframe), base_url)
    from mlstrat.data.remote.exchange import CcxtSource

    return CcxtSource(exchange, symbol, Timeframe(timeframe), market, base_url)


def download(
    source: Source,
    path: Path,
    *,
    since: object = None,
    until: object = None,
    now: datetime | None = None,
    patience: Patience | None = None,
    watch: Watch | None = None,
) -> Downloaded:
    """Bring a file of bars up to date, or begin it.

    A file that is there is continued: its bars stay the same bits, and its last one is fetched again and must
    agree. Each page is written to `FILE.part` as it comes; a download that was killed goes on behind the last
    page when it is called again. Only bars that have closed are stored.

    Parameters
    ----------
    source : Source
        Where the bars come from; see `source_of`.
    path : Path
        The Parquet file: `time` (UTC, open time), open, high, low, close, volume, and in the metadata of its
        schema the facts that `read_bars` takes from it.
    since, until : str, date or datetime, optional
        Bars that open at or after `since` and close by `until`; no offset = UTC. A file that is continued
        needs no `since`.
    now : datetime, optional
        The moment up to which bars may have closed, with time zone; default the system clock.
    patience : Patience, optional
        How long to go on asking when a request fails.
    watch : Watch, optional
        Told of pages and waits.

    Returns
    -------
    Downloaded

    Raises
    ------
    DownloadError
        The source cannot be reached, refuses, goes on failing, or has no such bars.
    DataError
        The file holds something else, or the source has revised its history.
    RunFolderError
        The file cannot be written, or another process downloads into it.
    """
    watch = watch or Watch()
    _check_path(path)
    clock, begin, last = stamps.now_utc(now), stamps.bound(since, "since"), stamps.bound(until, "until")
    make_folder(path.parent)
    with _held(path):
        origin, rows = stored.read(path) if path.exists() else (stored.Origin(), empty())
        before = kept(_part(path))
        begin = _begin(source, path, begin, origin, before)
        retry = Retrier(patience or Patience(), watch.waits)
        listing = _listing(source, retry)
        request = _request(source, listing, begin)
        _check_same(path, request, origin, before)
        span = _span(source, begin, clock if last is None else min(last, clock))
        notes, before = _fitting(before, rows)
        with Journal(_part(path), {**request, "after": _last(rows)}, before.size) as journal:
            fetched = fetch(source, span, rows, before, journal, retry, watch)
        new = stored.Origin(
            **request,
            symbol=listing.symbol,
            prices=source.prices,
            downloaded_at=f"{np.datetime_as_string(clock, 's')}Z",
            facts=listing.facts,
        )
        notes += [*listing.notes, *_changes(origin, new)]
        return _finish(path, origin, new, rows, fetched, span, notes)


def _check_path(path: Path) -> None:
    if not path.name.lower().endswith(stored.SUFFIXES):
        raise DataError(f"{path} is not Parquet by its name: give a file that ends in .parquet.")


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


@contextlib.contextmanager
def _held(path: Path) -> Iterator[None]:
    from filelock import FileLock, Timeout

    try:
        with FileLock(path.with_name(f".{path.name}.lock"), timeout=0):
            yield
    except Timeout as error:
        raise RunFolderError(
            f"another process downloads into {path}: wait for it, or choose another file."
        ) from error


def _begin(
    source: Source, path: Path, since: np.datetime64 | None, origin: stored.Origin, before: Kept
) -> np.datetime64 | None:
    """Return where the file begins: as it was first asked for; None = with the first bar there is."""
    told = origin.since if origin.exchange else str(before.request.get("since", ""))
    if origin.exchange or before.request:
        begun = stamps.bound(told or None, "since")
        if since is not None and begun is not None and since < begun:
            raise DataError(
                f"{path} begins with {told}, and earlier bars are not put before it: leave out --since, or "
                "choose another file."
            )
        return begun
    if since is None and source.earliest is None:
        raise DataError(
            f"a new file of {source.exchange} bars needs a beginning: give --since, such as 2021-01-01."
        )
    return since


def _listing(source: Source, retry: Retrier) -> Listing:
    try:
        return retry(source.listing)
    except Hiccup as hiccup:
        what = "goes on failing" if hiccup.answered else "cannot be reached"
        raise DownloadError(
            f"{source.exchange} {what} ({said(hiccup)}): check the network, then run the same command again."
        ) from hiccup


def _request(source: Source, listing: Listing, begin: np.datetime64 | None) -> dict[str, str]:
    return {
        "exchange": source.exchange,
        "market": source.market,
        "listed": listing.name,
        "timeframe": str(source.timeframe),
        "since": "" if begin is None else str(np.datetime_as_string(begin, "s")),
    }


def _check_same(path: Path, request: dict[str, str], origin: stored.Origin, before: Kept) -> None:
    there = [(path, vars(origin))] if origin.exchange else []
    there += [(_part(path), dict(before.request))] if before.request else []
    for file, told in there:
        for name, wanted in request.items():
            if told[name] != wanted:
                raise DataError(
                    f"{file} holds bars whose {name} is {told[name]}, and {wanted} is asked for: choose "
                    "another file, or delete it."
                )


def _span(source: Source, begin: np.datetime64 | None, end: np.datetime64) -> Span:
    first = source.earliest if begin is None else _milliseconds(begin)
    assert first is not None
    return Span(first, _milliseconds(end), source.timeframe.seconds * 1000)


def _milliseconds(moment: np.datetime64) -> int:
    return int((moment - np.datetime64(0, "ns")) // _MS)


def _last(rows: FloatArray) -> int | None:
    return int(rows[-1, 0]) if len(rows) else None


def _fitting(before: Kept, rows: FloatArray) -> tuple[list[str], Kept]:
    """Drop pages that do not follow on the file: it was finished, exchanged or deleted meanwhile."""
    if not before.request or before.request.get("after") == _last(rows):
        note = (
            [f"{len(before.rows):,} bars of an unfinished download are taken up."] if len(before.rows) else []
        )
        return note, before
    return [], Kept({}, empty(), None, 0)


def _changes(old: stored.Origin, new: stored.Origin) -> list[str]:
    if not old.exchange:
        return []
    names = {**old.facts, **new.facts}
    return [
        f"{name} of {new.symbol} was {old.facts.get(name)} and is now {new.facts.get(name)}."
        for name in names
        if old.facts.get(name) != new.facts.get(name)
    ]


def _finish(
    path: Path,
    old: stored.Origin,
    new: stored.Origin,
    rows: FloatArray,
    fetched: FloatArray,
    span: Span,
    notes: list[str],
) -> Downloaded:
    """Write the file where anything has changed, and drop the journal."""
    whole = np.concatenate([rows, fetched])
    if len(whole) and (len(fetched) or dict(old.facts) != dict(new.facts)):
        stored.write(path, whole, new)
    _part(path).unlink(missing_ok=True)
    if not len(whole):
        raise DownloadError(
            f"{new.exchange} has no {new.timeframe} bars of {new.listed} that open at or after "
            f"{moment(span.first)} and close by {moment(span.end)}: move --since or --until."
        )
    if new.since and not old.exchange and whole[0, 0] > span.first + span.bar:
        notes.append(f"{new.exchange} has no bars before {moment(whole[0, 0])}.")
    closed = int(whole[-1, 0]) + span.bar
    if span.end - closed > max(_USUAL_CLOSURE_MS, 2 * span.bar):
        notes.append(f"{new.exchange} has no bars after {moment(closed)}.")
    return Downloaded(path, new, len(whole), len(fetched), tuple(notes))
