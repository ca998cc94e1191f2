"""`mlstrat sentiment fetch`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from mlstrat.sentiment.fetching import FetchReport
    from mlstrat.sentiment.items import Source
    from mlstrat.sentiment.scorers import Scorer
    from mlstrat.sentiment.store import ScorerVersion, SentimentStore


class Scored(StrEnum):
    """Who scores the texts that are new."""

    vader = "vader"
    learned = "learned"
    finbert = "finbert"
    none = "none"


def fetch(
    symbol: Annotated[str, typer.Option(metavar="NAME", help="Whose texts: BTCUSDT, ETH-USD, SPY.")],
    since: Annotated[
        str,
        typer.Option(
            metavar="DATE", help="Texts from here on, UTC; what the store has is not asked for again."
        ),
    ],
    until: Annotated[
        str | None, typer.Option(metavar="DATE", help="Texts published before this, UTC; else until now.")
    ] = None,
    sources: Annotated[
        str, typer.Option(metavar="LIST", help="Such as rss,newsapi; else all that need no key or have one.")
    ] = "",
    store: Annotated[
        str,
        typer.Option(metavar="PLACE", help="An SQLite file, or postgresql://user@host/database."),
    ] = "sentiment.db",
    keys: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Keys of the sources, in TOML, readable by you alone; else the environment."
        ),
    ] = None,
    score: Annotated[Scored, typer.Option(help="Who scores the texts that are new.")] = Scored.learned,
    file: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Texts of a CSV, JSONL or Parquet file; repeat for more. Sources are then asked if named.",
        ),
    ] = None,
) -> None:
    """Fetch news and posts into a store that remembers when each was first seen.

    The same command again asks only for what is new. A source that fails is told, and asked again next time.
    """
    from mlstrat.cli.sentiment_fetch_progress import watching
    from mlstrat.sentiment.fetching import fetch_into
    from mlstrat.sentiment.sources.pace import utc_now
    from mlstrat.sentiment.store import SentimentStore

    begin, end = _span(since, until)
    _check_symbol(symbol)
    reader = _reader(score)
    asked, notes = _sources(sources, keys, file or [])
    for note in notes:
        typer.echo(f"note: {note}", err=True)
    with SentimentStore(store) as opened:
        with watching() as watcher:
            report = fetch_into(opened, asked, symbol, begin, utc_now, watcher, until=end)
        for warning in report.warnings:
            typer.echo(f"warning: {warning}", err=True)
        _check(report)
        scored = ""
        if reader:
            scored = f"; {opened.score(*reader, utc_now()):,} scored by {score.value}"
        typer.echo(_ending(report, opened, scored))


def _sources(names: str, keys: Path | None, files: Sequence[Path]) -> tuple[list[Source], Sequence[str]]:
    """Return what is asked, and sentences on sources that are left out."""
    import os

    from mlstrat.errors import ConfigError
    from mlstrat.sentiment.sources.keys import load_keys
    from mlstrat.sentiment.sources.registry import sources_from

    named = [name.strip() for name in names.split(",") if name.strip()]
    every = None if not named and not files else named
    asked, notes = sources_from(load_keys(os.environ, keys), every, files=files, cache=_cache())
    if not asked:
        raise ConfigError(f"no source can be asked: {' '.join(notes)}")
    return asked, notes


def _cache() -> Path:
    """Return the folder in which answers of sources are kept."""
    import os

    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mlstrat" / "sources"


def _reader(score: Scored) -> tuple[Scorer, ScorerVersion] | None:
    """Return the scorer before anything is fetched: what it lacks is told at once."""
    if score is Scored.none:
        return None
    from mlstrat.sentiment.choice import scorer
    from mlstrat.sentiment.store import version_of

    return scorer(score.value), version_of(score.value)


def _check(report: FetchReport) -> None:
    from mlstrat.errors import DataError

    if not report.worked:
        raise DataError(
            f"no source gave texts of {report.symbol}: look at the warnings above, then run the same command "
            "again."
        )


def _ending(report: FetchReport, store: SentimentStore, scored: str) -> str:
    added, failed = report.added, len(report.warnings)
    left_out = f", {added.left_out:,} without a usable stamp" if added.left_out else ""
    warned = f"; {failed} of {len(report.fetched)} sources failed or broke off" if failed else ""
    return (
        f"{store}: {added.new:,} new, {added.revised:,} revised and {added.known:,} known texts of "
        f"{report.symbol} from {', '.join(report.worked)}{left_out}; {added.near_duplicates:,} repeat "
        f"another publisher's{scored}{warned}"
    )


def _check_symbol(symbol: str) -> None:
    from mlstrat.errors import ConfigError
    from mlstrat.sentiment.aliases import coin_of

    if not coin_of(symbol):
        raise ConfigError(f"--symbol is {symbol!r}, which names nothing: give one such as BTCUSDT or SPY.")


def _span(since: str, until: str | None) -> tuple[datetime, datetime | None]:
    from mlstrat.errors import ConfigError
    from mlstrat.sentiment.sources.pace import utc_now

    begin, end = _moment(since, "--since"), _moment(until, "--until") if until is not None else None
    if begin >= utc_now():
        raise ConfigError(f"--since is {since}, which is still to come: give an earlier date.")
    if end and end <= begin:
        raise ConfigError(f"--until {until} is not behind --since {since}: give a later one.")
    return begin, end


def _moment(text: str, option: str) -> datetime:
    from datetime import UTC, datetime

    from mlstrat.errors import ConfigError

    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{option} is {text!r}, which is no date: give one such as 2024-01-01.") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
