"""`mlstrat pine compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlstrat.cli.options import BarsOption
from mlstrat.cli.verify_command import DIFFERENT

if TYPE_CHECKING:
    from rich.table import Table

    from mlstrat.parity.tradingview.compare import Compared

_SHOWN = 3


def compare(
    run: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="Folder of a finished run.")],
    tradingview: Annotated[
        Path,
        typer.Option(
            "--tradingview", metavar="FILE", help='"List of trades" that the Strategy Tester exported, CSV.'
        ),
    ],
    tz: Annotated[
        str, typer.Option(metavar="ZONE", help="Time zone of the chart, such as Europe/Berlin.")
    ] = "UTC",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where to write; default the run's folder.")
    ] = None,
    bars: BarsOption = None,
) -> None:
    """Explain every difference between a run's trades and those that TradingView listed.

    Writes tradingview.json and tradingview.csv (every trade: both sides, cause, sentence). Exit code 0 when
    all trades inside both spans are equal, 3 when one differs or there is none.
    """
    from rich.console import Console
    from rich.text import Text

    from mlstrat.parity.tradingview.compare import compare_run
    from mlstrat.parity.tradingview.report import sentences, write

    past, found = compare_run(run, tradingview, tz=tz, bars=bars)
    written = write(out or run, tradingview, tz, past, found)
    console = Console(highlight=False)
    if found.causes:
        console.print(_table(found))
    for sentence in sentences(found):
        console.print(Text(sentence), soft_wrap=True)
    console.print(Text(f"Every trade: {', '.join(str(path) for path in written)}"), soft_wrap=True)
    if not found.all_equal:
        raise typer.Exit(DIFFERENT)


def _table(found: Compared) -> Table:
    from rich.table import Table
    from rich.text import Text

    from mlstrat.parity.tradingview.report import examples, when

    table = Table(title=Text("Trades of the run and of TradingView that differ, by cause"))
    for heading in ("cause", "trades", "first examples (entry, UTC)"):
        table.add_column(heading, justify="right" if heading == "trades" else "left", overflow="fold")
    for cause, amount in found.causes.items():
        lines = examples(found, cause, _SHOWN)
        times: dict[str, list[str]] = {}
        for line in lines:
            times.setdefault(line.sentence, []).append(when(found, line))
        shown = [f"{', '.join(entries)}: {sentence}" for sentence, entries in times.items()]
        table.add_row(cause, f"{amount:,}", Text("\n".join(shown)))
    return table
