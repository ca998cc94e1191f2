"""`mlstrat reproduce`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlstrat.cli.options import BarsOption, JobsOption


def reproduce(
    run: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="Folder of a finished run.")],
    bars: BarsOption = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Compare even where data, code or libraries are other ones.")
    ] = False,
    jobs: JobsOption = None,
) -> None:
    """Make a past run again from its manifest and compare it bit by bit.

    Exit code 0 when models, predictions, decisions and trades are the same; 7 with the first difference.
    """
    from mlstrat.cli.progress import watching
    from mlstrat.reproduce import reproduce as make_again

    with watching() as watcher:
        same = make_again(run, bars=bars, anyway=anyway, jobs=jobs, watcher=watcher)
    if same.differences:
        typer.echo(f"Although {'; '.join(same.differences)}:")
    typer.echo(
        f"{run} comes out the same, bit for bit: {same.windows:,} windows, predictions and decisions on "
        f"{same.bars:,} bars, {same.trades:,} trades."
    )
