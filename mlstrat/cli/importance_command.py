"""`mlstrat features importance`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlstrat.cli.feature_options import ContextOption, NamesOption, PluginOption, split
from mlstrat.cli.options import SymbolOption, TimeframeOption, TzOption

if TYPE_CHECKING:
    from mlstrat.importance_result import Importance

_SHOWN = 10
_COLUMNS = 6  # of the page's table: what fits a terminal


def importance(
    file: Annotated[str, typer.Argument(metavar="BARS", help="CSV, Parquet, or sample:NAME.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Page (.html) or bar plot (.png) to write.")
    ],
    target_periods: Annotated[
        int, typer.Option(min=1, metavar="N", help="Bars ahead whose direction is forecast.")
    ] = 5,
    names: NamesOption = None,
    folds: Annotated[
        int, typer.Option(min=2, metavar="N", help="Test blocks, each behind all it learned from.")
    ] = 5,
    repeats: Annotated[int, typer.Option(min=1, metavar="N", help="Permutations of each block.")] = 5,
    seed: Annotated[
        int, typer.Option(min=0, metavar="N", help="Of forests and permutations; same seed, same bits.")
    ] = 7,
    context: ContextOption = None,
    plugin: PluginOption = None,
    symbol: SymbolOption = "",
    timeframe: TimeframeOption = "",
    tz: TzOption = "",
) -> None:
    """Measure what each feature is worth out of sample, and whether that is more than noise."""
    from mlstrat.cli.progress import watching
    from mlstrat.data.sources import read_bars
    from mlstrat.features.choose import left_out, market_of
    from mlstrat.importance import feature_importance
    from mlstrat.plugins import load_plugins
    from mlstrat.reports.importance import check_place, plot_importance

    check_place(output)
    load_plugins(plugin or ())
    wanted = split(names)
    bars = read_bars(file, symbol=symbol, timeframe=timeframe, tz=tz)
    others = [read_bars(source, tz=tz) for source in context or ()]
    with watching() as watcher:
        watcher.stage("fitting forests and permuting features")
        found = feature_importance(
            bars,
            target_periods,
            wanted,
            folds=folds,
            repeats=repeats,
            seed=seed,
            others=others,
            progress=watcher.windows,
        )
    plot_importance(found, output)
    _show(found, left_out(market_of(bars, others), wanted))
    typer.echo(f"{output} written")


def _show(found: Importance, notes: tuple[str, ...]) -> None:
    from rich.console import Console
    from rich.table import Table

    from mlstrat.reports.importance import features

    rows = features(found, found.order[:_SHOWN])
    table = Table(title=f"{found.symbol} {found.timeframe}: log loss gained, 1/100,000 nat a bar")
    for at, heading in enumerate(rows.head[:_COLUMNS]):
        table.add_column(heading, justify="left" if at < rows.texts else "right", no_wrap=at == 0)
    for row in rows.rows:
        table.add_row(*row[:_COLUMNS])
    console = Console(highlight=False)
    console.print(table)
    for note in (*found.notes, *notes):
        console.print(f"* {note}", markup=False)
