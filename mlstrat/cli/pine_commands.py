"""`mlstrat pine`: a run as a TradingView strategy, weighed, proven, and compared with what happened there."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlstrat.cli import pine_budget_command, pine_compare_command, pine_verify_command

if TYPE_CHECKING:
    from mlstrat.pine.exported import Exported

app = typer.Typer(no_args_is_help=True, help="TradingView: a Pine script that carries the trained models.")
app.command("budget")(pine_budget_command.budget)
app.command("compare")(pine_compare_command.compare)
app.command("verify")(pine_verify_command.verify)


class AnyMode(StrEnum):
    """What a script holds."""

    replay = "replay"
    latest = "latest"


@app.callback()
def group() -> None:
    """Export a run as a Pine script, verify it, and compare it with TradingView."""


@app.command("export")
def export(
    run: Annotated[
        Path, typer.Argument(metavar="RUN_DIR", help="Folder of a finished run; or a model file, for latest.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The script to write.")],
    mode: Annotated[
        AnyMode,
        typer.Option("--mode", help="All windows as they were tested, or the newest one for live alerts."),
    ] = AnyMode.replay,
    libraries: Annotated[
        bool, typer.Option("--libraries", help="Put each window's data into a library of its own.")
    ] = False,
    publisher: Annotated[
        str, typer.Option("--publisher", metavar="NAME", help="Your TradingView name, for the libraries.")
    ] = "publisher",
) -> None:
    """Write a finished run as a Pine v6 strategy that computes its real models.

    Features, bins, trees, LSTM, calibration, sentiment, Kelly, stops and breakers are those that were tested;
    nothing is made smaller. What has no Pine form is refused by name. Verify the script with mlstrat pine
    verify before you trust it.
    """
    from rich.console import Console
    from rich.text import Text

    from mlstrat.files import write_bytes
    from mlstrat.pine.exported import export_run

    made = export_run(run, mode.value, libraries=libraries, publisher=publisher)
    written = [output.parent / f"{name}.pine" for name in made.libraries]
    for path, text in zip(written, made.libraries.values(), strict=True):
        write_bytes(path, text.encode())
    write_bytes(output, made.text.encode())
    console = Console(highlight=False)
    for line in _told(made, output, written, publisher):
        console.print(Text(line), soft_wrap=True)


def _told(made: Exported, output: Path, libraries: list[Path], publisher: str) -> list[str]:
    models = f"{made.windows} windows" if made.windows > 1 else "one window"
    lines = [
        f"{output}: {made.symbol} {made.timeframe}, {models}, {len(made.features)} features, about "
        f"{made.tokens:,} of TradingView's 100,256 compiled tokens.",
        f"It trades from bar {made.warmup:,} of a chart on, or at once where the chart begins with the run's "
        "bars.",
    ]
    if libraries:
        lines += _publishing(libraries, output, publisher)
    return [*lines, "Next: mlstrat pine verify RUN_DIR, then paste the script into the Pine editor."]


def _publishing(libraries: list[Path], output: Path, publisher: str) -> list[str]:
    """Return the steps by which TradingView comes to know the libraries."""
    names = ", ".join(path.name for path in libraries)
    steps = [
        f"Libraries: {names}.",
        "1. In the Pine editor, open each library, save it, and publish it (Publish script, Private).",
        f"2. Only then paste {output.name}: it imports them by {publisher}/NAME/1.",
    ]
    if publisher == "publisher":
        steps.append("3. Give your TradingView name with --publisher, or replace publisher in the imports.")
    return steps
