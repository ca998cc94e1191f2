"""`mlstrat verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlstrat.cli.options import AnyEngine, BarsOption

if TYPE_CHECKING:
    from rich.table import Table

    from mlstrat.parity.verify import Verified

# As other commands that look for something and find it.
DIFFERENT = 3


def verify(
    run: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="Folder of a finished run.")],
    engine: Annotated[
        list[AnyEngine] | None,
        typer.Option("--engine", help="Compare this engine; repeat for more. Default: all installed."),
    ] = None,
    bars: BarsOption = None,
) -> None:
    """Execute a run's decisions in every engine and certify that the trades are identical.

    Writes certificate.json and certificate.html into the run's folder; with --engine X they are
    certificate-X.json and certificate-X.html. Exit code 0 when all trades are identical in all engines that
    ran and in the run's trades.csv, 3 when something differs, 5 when nothing ran because an extra is missing.
    """
    from rich.console import Console
    from rich.text import Text

    from mlstrat.cli.progress import watching
    from mlstrat.parity.certificate import sentences, write
    from mlstrat.parity.verify import verify as execute_anew

    names = [name.value for name in engine or ()]
    with watching() as watcher:
        verified = execute_anew(run, engines=names, bars=bars, watcher=watcher)
    written = write(run, verified)
    console = Console(highlight=False)
    console.print(_table(verified))
    for sentence in sentences(verified):
        console.print(Text(sentence), soft_wrap=True)
    console.print(Text(f"Certificate: {', '.join(str(path) for path in written)}"), soft_wrap=True)
    if not verified.identical:
        raise typer.Exit(DIFFERENT)


def _table(verified: Verified) -> Table:
    from rich.table import Table
    from rich.text import Text

    from mlstrat.parity.certificate import tiny

    bars = verified.past.bars
    table = Table(title=Text(f"{bars.symbol} {bars.timeframe}, {len(bars):,} bars: largest differences"))
    table.add_column("engine", no_wrap=True)
    for heading in ("identical", "price", "size", "profit", "equity", "seconds"):
        table.add_column(heading, justify="right", no_wrap=True)
    for position, outcome in enumerate(verified.outcomes):
        found = outcome.comparison
        if found is None:
            table.add_row(outcome.engine.title, outcome.why.partition(":")[0])
            continue
        count = f"{found.identical:,} of {found.total:,}" if position else f"{found.total:,} trades"
        largest = (tiny(size) for size in (found.price, found.units, found.profit, found.equity))
        table.add_row(outcome.engine.title, count, *largest, f"{outcome.seconds:.2f}")
    return table
