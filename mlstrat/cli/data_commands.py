"""`mlstrat data check`."""

from __future__ import annotations

from typing import Annotated

import typer

from mlstrat.cli.options import SymbolOption, TimeframeOption, TzOption

app = typer.Typer(no_args_is_help=True, help="Look at bars before they are used.")
_COLOURS = {"ok": "green", "note": "yellow", "defect": "red"}


@app.callback()
def group() -> None:
    """Look at bars before they are used."""


@app.command()
def check(
    file: Annotated[str, typer.Argument(metavar="FILE", help="CSV, Parquet, or sample:NAME.")],
    symbol: SymbolOption = "",
    timeframe: TimeframeOption = "",
    tz: TzOption = "",
) -> None:
    """List everything that is strange about a file of bars; exit with 3 if it cannot be used as it is."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from mlstrat.data.quality import inspect
    from mlstrat.errors import DataError

    bars, findings = inspect(file, symbol=symbol, timeframe=timeframe, tz=tz)
    table = Table("level", "what", "where", "what to do", title=file)
    for found in findings:
        level = Text(found.level, _COLOURS[found.level])
        table.add_row(level, Text(found.what), Text(found.where), Text(found.remedy))
    Console(highlight=False).print(table)
    if bars is None or any(found.level == "defect" for found in findings):
        raise DataError(f"{file} cannot be used as it is: mend what the table calls a defect.")
