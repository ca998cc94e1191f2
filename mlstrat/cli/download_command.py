"""`mlstrat data download`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mlstrat.data.bars import Bars
    from mlstrat.data.remote.download import Downloaded


def download(
    symbol: Annotated[
        str, typer.Option(metavar="NAME", help="As the exchange writes it: BTC/USDT, BTCUSDT, SPY.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Parquet file to begin or to continue.")
    ],
    exchange: Annotated[
        str, typer.Option(metavar="NAME", help="yahoo, binance, or another exchange of ccxt.")
    ] = "binance",
    timeframe: Annotated[str, typer.Option(metavar="LENGTH", help="Length of a bar, such as 1h.")] = "1h",
    since: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="Bars that open from here on, UTC; a new file needs it."),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="DATE", help="Bars that close by here, UTC; else by now.")
    ] = None,
    market: Annotated[
        str, typer.Option(metavar="KIND", help="spot, or swap for perpetual contracts.")
    ] = "spot",
    patience: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="How long to go on asking when a request fails.")
    ] = 120.0,
    base_url: Annotated[
        str, typer.Option(metavar="URL", help="Ask this server instead: for a proxy or a test server.")
    ] = "",
) -> None:
    """Download bars into a Parquet file, or bring it up to date; tick, step and fee go into the file.

    The same command again fetches only what is new, and goes on where an interrupted download stopped.
    """
    from mlstrat.cli.download_progress import watching
    from mlstrat.data.remote.download import download as download_into
    from mlstrat.data.remote.download import source_of
    from mlstrat.data.remote.patience import Patience
    from mlstrat.data.sources import read_bars

    source = source_of(exchange, symbol, timeframe, market, base_url)
    with watching(f"{exchange} {symbol} {timeframe}") as watch:
        done = download_into(
            source, output, since=since, until=until, patience=Patience(total=patience), watch=watch
        )
    for note in done.notes:
        typer.echo(f"note: {note}", err=True)
    _show(done, read_bars(done.path))


def _show(done: Downloaded, bars: Bars) -> None:
    facts = bars.instrument
    told = ("tick", "step", "min_notional", "fee_share")
    source = {name: "" if name in done.origin.facts else " (not told)" for name in told}
    listed = ", ".join(f"{name} {getattr(facts, name):g}{source[name]}" for name in told)
    first, last = (str(moment.astype("datetime64[m]")).replace("T", " ") for moment in bars.time[[0, -1]])
    typer.echo(
        f"{done.path}: {done.n_bars:,} bars of {bars.symbol} {bars.timeframe}, {done.n_new:,} of them new, "
        f"{first} to {last} UTC; {listed}, currency {facts.currency}; prices {done.origin.prices}"
    )
