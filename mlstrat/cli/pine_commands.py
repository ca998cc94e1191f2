"""`mlstrat pine`: a run as a TradingView strategy, weighed, proven, and compared with what happened there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlstrat.cli import pine_budget_command, pine_compare_command, pine_verify_command
from mlstrat.cli.pine_options import (
    NO_PUBLISHER,
    PublisherOption,
    ScriptMode,
    checked_publisher,
    hash_told,
    verify_command,
)

if TYPE_CHECKING:
    from mlstrat.pine.exported import Exported

app = typer.Typer(no_args_is_help=True, help="TradingView: a Pine script that carries the trained models.")
app.command("budget")(pine_budget_command.budget)
app.command("compare")(pine_compare_command.compare)
app.command("verify")(pine_verify_command.verify)


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
        ScriptMode,
        typer.Option("--mode", help="All windows as they were tested, or the newest one for live alerts."),
    ] = ScriptMode.replay,
    libraries: Annotated[
        bool, typer.Option("--libraries", help="Put each window's data into a library of its own.")
    ] = False,
    publisher: PublisherOption = NO_PUBLISHER,
) -> None:
    """Write a finished run as a Pine v6 strategy that computes its real models.

    Features, bins, trees, LSTM, calibration, sentiment, Kelly, stops and breakers are those that were tested;
    nothing is made smaller. What has no Pine form is refused by name. Verify the script with mlstrat pine
    verify before you trust it.
    """
    from rich.console import Console
    from rich.text import Text

    from mlstrat.files import check_place, write_together
    from mlstrat.pine.exported import export_run

    check_place(output)
    made = export_run(run, mode.value, libraries=libraries, publisher=checked_publisher(publisher))
    texts = {output.parent / f"{name}.pine": text for name, text in made.libraries.items()}
    write_together({path: text.encode() for path, text in ({output: made.text} | texts).items()})
    console = Console(highlight=False)
    for line in (*_told(made, output), *_publishing(list(texts), output, publisher)):
        console.print(Text(line), soft_wrap=True)
    if run.is_file():
        after = "A model file cannot be verified, only a run's folder: mlstrat pine verify RUN_DIR."
    else:
        after = f"Next: {verify_command(run, mode.value, libraries, publisher, output)}"
    console.print(Text(after), soft_wrap=True)
    console.print(Text(hash_told(made)), soft_wrap=True)


def _told(made: Exported, output: Path) -> list[str]:
    from mlstrat.pine.loops import RUN_SECONDS

    models = f"{made.windows} windows" if made.windows > 1 else "one window"
    basic, others = (made.budget.load.bars_within(seconds) for seconds in RUN_SECONDS)
    at_once = ", or at once where the chart begins with the run's bars"
    return [
        f"{output}: {made.symbol} {made.timeframe}, {models}, {len(made.features)} features, about "
        f"{made.tokens:,} of TradingView's 100,256 compiled tokens.",
        f"TradingView's time for a script is enough for about {basic:,} bars on basic plans and {others:,} "
        "on others, at a microsecond for each pass of a loop.",
        f"{_begins(made)}{at_once if made.from_start else ''}.",
    ]


def _begins(made: Exported) -> str:
    """Return from where on a script trades."""
    from mlstrat.pine.exported import NEVER

    said = f"It trades from bar {made.warmup:,} of a chart on"
    if made.settled == made.warmup:
        return said
    if made.settled < NEVER:
        return f"{said} (bar {made.settled:,} where the chart begins within a window)"
    if made.mode == ScriptMode.latest:
        return f"{said}, if the model's training ended after that bar"
    return f"{said}, but not with a window that had begun before"


def _publishing(libraries: list[Path], output: Path, publisher: str) -> list[str]:
    """Return the steps by which TradingView comes to know the libraries; none where there are none."""
    if not libraries:
        return []
    names = ", ".join(path.name for path in libraries)
    steps = [
        f"Libraries: {names}.",
        "1. In the Pine editor, open each library, save it, and publish it (Publish script, Private).",
        f"2. Only then paste {output.name}: it imports them by {publisher}/NAME/1.",
    ]
    if publisher == NO_PUBLISHER:
        steps.append("3. Export again with --publisher and your TradingView name, so that it imports yours.")
    return steps
