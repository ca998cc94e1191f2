"""`mlstrat data check`, `data resample` and `data download`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlstrat.cli.download_command import download
from mlstrat.cli.options import SymbolOption, TimeframeOption, TzOption

if TYPE_CHECKING:
    from mlstrat.data.quality import Finding

app = typer.Typer(no_args_is_help=True, help="Look at bars before they are used.")
app.command("download")(download)
_COLOURS = {"ok": "green", "note": "yellow", "repaired": "cyan", "defect": "red"}
FileArgument = Annotated[str, typer.Argument(metavar="FILE", help="CSV, Parquet, or sample:NAME.")]
CalendarOption = Annotated[
    str, typer.Option(metavar="CODE", help="Calendar of its exchange, such as XNYS; else from the symbol.")
]


@app.callback()
def group() -> None:
    """Look at bars before they are used."""


@app.command()
def check(
    file: FileArgument,
    symbol: SymbolOption = "",
    timeframe: TimeframeOption = "",
    tz: TzOption = "",
    calendar: CalendarOption = "",
    repair: Annotated[
        Path | None,
        typer.Option(metavar="OUT", help="Write repaired bars there (.parquet or .csv); list each change."),
    ] = None,
) -> None:
    """List everything that is strange about a file of bars; exit with 3 if it cannot be used as it is."""
    from mlstrat.data.quality import inspect
    from mlstrat.errors import DataError

    facts = _facts(calendar)
    given: dict[str, Any] = {"symbol": symbol, "timeframe": timeframe, "tz": tz, "instrument": facts}
    if repair is not None:
        _repair(file, repair, given)
        return
    bars, findings = inspect(file, **given)
    _print(file, findings)
    if bars is None or any(found.level == "defect" for found in findings):
        raise DataError(
            f"{file} cannot be used as it is: do what the table says, or try --repair OUT.parquet, which "
            "mends defects of rows."
        )


@app.command()
def resample(
    file: FileArgument,
    to: Annotated[str, typer.Option(metavar="LENGTH", help="Length of the new bars, such as 4h, 1d or 1w.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUT", help="File to write, .parquet or .csv.")],
    symbol: SymbolOption = "",
    timeframe: TimeframeOption = "",
    tz: TzOption = "",
    calendar: CalendarOption = "",
) -> None:
    """Join bars to bars of a higher timeframe; periods that are not whole are dropped and said."""
    from mlstrat.data.quality import check as describe
    from mlstrat.data.resample import resample as joined
    from mlstrat.data.sources import read_bars
    from mlstrat.data.writing import check_output, write_bars

    check_output(out, file)
    facts = _facts(calendar)
    bars = joined(read_bars(file, symbol=symbol, timeframe=timeframe, tz=tz, instrument=facts), to)
    write_bars(bars, out)
    _print(str(out), describe(bars).findings())


def _repair(file: str, out: Path, given: Mapping[str, Any]) -> None:
    """Write what can be repaired, and print each change before what is left to know."""
    from mlstrat.data.quality import repaired
    from mlstrat.data.writing import check_output, write_bars

    check_output(out, file)
    bars, findings = repaired(file, **given)
    write_bars(bars, out)
    _print(f"{file} -> {out}", findings)


def _facts(calendar: str) -> dict[str, str] | None:
    return {"calendar": calendar} if calendar else None


def _print(title: str, findings: Iterable[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("level", "what", "where", "what to do", title=Text(title))
    for found in findings:
        level = Text(found.level, _COLOURS[found.level])
        table.add_row(level, Text(found.what), Text(found.where), Text(found.remedy))
    Console(highlight=False).print(table)
