"""`mlstrat features list` and `mlstrat features build`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlstrat.cli.feature_options import ContextOption, NamesOption, PluginOption, split
from mlstrat.cli.importance_command import importance
from mlstrat.cli.options import SymbolOption, TimeframeOption, TzOption

if TYPE_CHECKING:
    from mlstrat.features.files import Progress
    from mlstrat.features.registry import Feature

app = typer.Typer(no_args_is_help=True, help="The numbers that models learn from.")
app.command("importance")(importance)


@app.callback()
def group() -> None:
    """List and compute the numbers that models learn from."""


@app.command("list")
def list_(
    family: Annotated[str, typer.Option(metavar="F", help="Only this family.")] = "",
    names: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only these, such as ta.rsi(window=21); commas or repeats."),
    ] = None,
    plugin: PluginOption = None,
    pine: Annotated[bool, typer.Option("--pine", help="Only those that a Pine script can compute.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the features: lookback and warm-up in bars, how each streams, unit, source, and Pine twin."""
    import json

    from mlstrat.errors import ConfigError
    from mlstrat.features.lookup import find, registered
    from mlstrat.features.registry import FAMILIES
    from mlstrat.plugins import load_plugins

    if family and family not in FAMILIES:
        raise ConfigError(f"there is no feature family {family!r}: use one of {', '.join(FAMILIES)}.")
    load_plugins(plugin or ())
    wanted = split(names)
    listed = [find(name) for name in wanted] if wanted else registered().values()
    chosen = [f for f in listed if family in ("", f.family) and (f.pine is not None or not pine)]

    def row(f: Feature) -> dict[str, object]:
        names = ("name", "family", "lookback", "warmup", "unit", "source", "pine", "no_pine", "model_input")
        return {**{name: getattr(f, name) for name in names}, "streams": _streams(f)}

    if as_json:
        typer.echo(json.dumps([row(f) for f in chosen], indent=2, ensure_ascii=False))
        return
    _print_table([row(f) for f in chosen])


def _streams(f: Feature) -> str:
    if f.step is not None:
        return "bit by bit"
    return f"recomputes its last {f.warmup:,} bars"


def _print_table(rows: list[dict[str, object]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"{len(rows)} features", show_lines=True)
    for heading in ("name\nfamily", "lookback\nwarmup (bars)"):
        table.add_column(heading, no_wrap=True)
    table.add_column("unit; how it streams\nsource\nPine twin, or why there is none", overflow="fold")
    for row in rows:
        twin = row["pine"] or f"no Pine twin: {row['no_pine']}"
        cells = (("name", "family"), ("lookback", "warmup"))
        texts = ["\n".join(str(row[name]) for name in names) for names in cells]
        told = f"{row['unit']}; {row['streams']}\n{row['source']}\n{twin}"
        table.add_row(Text(texts[0]), Text(texts[1]), Text(told))
    Console(highlight=False).print(table)


@app.command()
def build(
    file: Annotated[str, typer.Argument(metavar="BARS", help="CSV, Parquet, or sample:NAME.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Parquet file to write.")],
    names: NamesOption = None,
    chunk: Annotated[
        int, typer.Option(min=1000, metavar="ROWS", help="Bars in memory at a time; same result.")
    ] = 50_000,
    jobs: Annotated[
        int, typer.Option(min=1, metavar="N", help="Threads that share the features; same result.")
    ] = 2,
    context: ContextOption = None,
    plugin: PluginOption = None,
    symbol: SymbolOption = "",
    timeframe: TimeframeOption = "",
    tz: TzOption = "",
) -> None:
    """Write every feature of every bar to a Parquet file: one column a feature, and the open time."""
    from mlstrat.data.sources import read_bars
    from mlstrat.features.files import check_place, write
    from mlstrat.features.lookup import resolve
    from mlstrat.features.pieces import BarFile
    from mlstrat.plugins import load_plugins

    check_place(output)
    load_plugins(plugin or ())
    wanted = split(names)
    resolve(wanted)  # a name that is not registered need not wait until the bars are read
    others = [read_bars(source, tz=tz) for source in context or ()]
    bars = BarFile(file, chunk, symbol, timeframe, tz)
    made = write(bars, output, wanted, threads=jobs, progress=_progress(), others=others)
    for note in made.notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(
        f"{output}: {len(made.names)} features of {made.n_bars:,} bars of {made.symbol} {made.timeframe}, "
        f"all of them finite from row {made.ready:,} on"
    )


def _progress() -> Progress:
    """Return what writes each piece's end to stderr: over the line before on a terminal, else below it."""
    import sys

    over = sys.stderr.isatty()

    def say(stage: str, done: int, total: int) -> None:
        text = f"{stage}: {done:,} of {total:,} bars" if total else f"{stage}: {done:,} bars"
        end = done == total
        typer.echo(f"\r{text}" if over else text, err=True, nl=end or not over)

    return say
