"""`mlstrat sweep`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlstrat.cli.options import (
    BarsOption,
    CacheOption,
    ClusterOption,
    JobsOption,
    ResumeOption,
    SetOption,
    SymbolOption,
    TimeframeOption,
    TzOption,
    default_folder,
    overrides_of,
)

if TYPE_CHECKING:
    from rich.table import Table

    from mlstrat.sweep.folder import Swept
    from mlstrat.sweep.result import Sweep

# The page's minus, no-break space and dash, which not every terminal can show.
_PLAIN = str.maketrans({"\u2212": "-", "\u00a0": " ", "\u2013": "-"})
_MOST = 100_000
_SHOWN = 5


def sweep(
    run: Annotated[Path, typer.Argument(metavar="RUN.toml", help="The run; see mlstrat config init.")],
    grid: Annotated[
        list[str],
        typer.Option(
            "--grid", metavar="KEY=VALUES", help="from:to:step, both ends included, or v1,v2,...; repeat."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Where to write; default runs/NAME-sweep."),
    ] = None,
    most: Annotated[
        int, typer.Option("--max-columns", min=1, metavar="N", help="Refuse a grid of more columns.")
    ] = _MOST,
    bars: BarsOption = None,
    symbol: SymbolOption = "",
    timeframe: TimeframeOption = "",
    tz: TzOption = "",
    set_: SetOption = None,
    resume: ResumeOption = False,
    jobs: JobsOption = None,
    cluster: ClusterOption = None,
    cache: CacheOption = True,
) -> None:
    """Run every combination of settings on the same forecasts: a table, a page with heat maps.

    Models are fitted once or taken from the cache; odds are estimated anew for each kind of trade. Every
    column is entered in the trial ledger. The same command again goes on where an interrupted one stopped.
    """
    from mlstrat.cli.sweep_progress import watching_columns
    from mlstrat.cluster import OnCluster
    from mlstrat.config import load_config
    from mlstrat.sweep.folder import sweep_into
    from mlstrat.sweep.grid import make_grid
    from mlstrat.sweep.grid_text import parse_grid

    config = load_config(run, overrides_of(set_, bars, symbol, timeframe, tz, jobs))
    made = make_grid(config, parse_grid(grid, most))
    fits = OnCluster(cluster) if cluster else None
    folder = out or default_folder(config).with_name(f"{config.name}-sweep")
    with watching_columns() as watcher:
        swept = sweep_into(config, made, folder, resume=resume, watcher=watcher, use_cache=cache, fits=fits)
    _show(swept)


def _show(swept: Swept) -> None:
    from rich.console import Console

    from mlstrat.sweep.folder import PAGE
    from mlstrat.sweep.page import verdict

    console, sweep = Console(highlight=False), swept.sweep
    if swept.reused:
        console.print(f"{swept.folder}: already complete; nothing to redo.", markup=False, soft_wrap=True)
    console.print()
    for sentence in (*verdict(sweep, swept.sentences), *sweep.notes):
        console.print(sentence.translate(_PLAIN), markup=False)
    if len(sweep.ranking()):
        console.print()
        console.print(_best(sweep))
        console.print(
            "Neighbours: median Sharpe ratio of the columns one step away on the grid; - where "
            "fewer than three of them made trades."
        )
    console.print(f"Page: {swept.folder / PAGE}", markup=False, soft_wrap=True)


def _best(sweep: Sweep) -> Table:
    from rich.table import Table

    from mlstrat.sweep.page import best_table

    rows, keys = best_table(sweep, _SHOWN), sweep.grid.keys
    table = Table(title=f"The best {len(rows.rows)} of {len(sweep):,} tries, after costs")
    for heading in (", ".join(keys), *rows.head[len(keys) : -1]):
        table.add_column(heading, justify="right" if table.columns else "left")
    for row in rows.rows:
        cells = (", ".join(row[: len(keys)]), *row[len(keys) : -1])
        table.add_row(*(cell.translate(_PLAIN) for cell in cells))
    return table
