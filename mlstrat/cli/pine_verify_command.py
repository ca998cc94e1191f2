"""`mlstrat pine verify`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlstrat.cli.options import BarsOption
from mlstrat.cli.pine_options import (
    NO_PUBLISHER,
    PublisherOption,
    ScriptMode,
    checked_publisher,
    hash_told,
)

if TYPE_CHECKING:
    from rich.table import Table

    from mlstrat.parity.script.verifying import ScriptVerified

# As other commands that look for something and find it.
DIFFERENT = 3
_SECONDS = 5.0  # between two lines where there is no terminal


def verify(
    run: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="Folder of a finished run.")],
    bars: BarsOption = None,
    mode: Annotated[
        ScriptMode, typer.Option(help="All windows, as they were tested, or the newest one.")
    ] = ScriptMode.replay,
    libraries: Annotated[
        bool, typer.Option("--libraries", help="Verify the form with a library for each window.")
    ] = False,
    publisher: PublisherOption = NO_PUBLISHER,
    script: Annotated[
        Path | None,
        typer.Option("--script", metavar="FILE", help="The script at hand: refuse it where it is another."),
    ] = None,
    starts: Annotated[
        bool, typer.Option("--starts/--no-starts", help="Whether to try charts that begin inside the run.")
    ] = True,
) -> None:
    """Run a run's exported script bar by bar and certify that it says and trades what Python does.

    The charts are the run's own bars, three that begin later, and with --bars FILE those bars too. Writes
    pine-certificate.json and pine-certificate.html into the run's folder (pine-certificate-latest,
    -libraries: one for each form), and a section into report.html. Exit code 0 when everything is identical,
    3 when something differs, when fewer than 100 bars have a probability, or when --script FILE is another
    script; 5 when PyneCore is not installed.
    """
    from rich.console import Console
    from rich.text import Text

    from mlstrat.parity.script.at_hand import check_file
    from mlstrat.parity.script.certificate import write
    from mlstrat.parity.script.charts import read_chart
    from mlstrat.parity.script.sentences import sentences
    from mlstrat.parity.script.verifying import check_installed, verify_script
    from mlstrat.pine.exported import export_run
    from mlstrat.runfolder import read_manifest

    name = checked_publisher(publisher)
    read_manifest(run)
    check_installed()
    with _watching() as watcher:
        watcher.stage("exporting the script")
        made = export_run(run, mode.value, libraries=libraries, publisher=name)
        if script is not None:
            check_file(script, made)
        others = [read_chart(run, bars)] if bars else []
        verified = verify_script(run, made, starts=starts, others=others, watcher=watcher)
    written = write(run, verified)
    console = Console(highlight=False)
    console.print(_table(verified))
    for sentence in sentences(verified):
        console.print(Text(sentence), soft_wrap=True)
    console.print(Text(f"Certificate: {', '.join(str(path) for path in written)}"), soft_wrap=True)
    at_hand = f" {script} holds this text." if script is not None else ""
    console.print(Text(f"{hash_told(made)}{at_hand}"), soft_wrap=True)
    if not verified.identical:
        raise typer.Exit(DIFFERENT)


def _table(verified: ScriptVerified) -> Table:
    from rich.table import Table
    from rich.text import Text

    from mlstrat.reports.tradingview import capital, tiny

    bars, script = verified.run.past.bars, verified.script
    windows = f"{script.windows} window{'' if script.windows == 1 else 's'}"
    table = Table(title=Text(f"{bars.symbol} {bars.timeframe}, {windows}: largest differences"))
    table.add_column("chart")
    for heading in ("probability", "feature", "signals alike", "trades identical", "bars a second"):
        table.add_column(heading, justify="right")
    for case in verified.cases:
        found, trades = case.measured, case.measured.comparison
        table.add_row(
            Text(capital(case.chart.name)),
            tiny(found.prob_up),
            tiny(found.feature[1]),
            f"{found.signals / found.bars:.2%}" if found.signals < found.bars else "all",
            f"{trades.identical:,} of {trades.total:,}",
            f"{found.bars / case.seconds:,.0f}" if case.seconds else "",
        )
    return table


@contextmanager
def _watching() -> Iterator[Any]:
    """Yield what tells of bars on this process's stderr."""
    from mlstrat.cli.progress import BarWatcher, PlainWatcher, watching
    from mlstrat.parity.script.verifying import Watching

    class PlainBars(PlainWatcher, Watching):
        """A line for each stage, and now and then one for the bars."""

        _said = 0.0

        def stage(self, text: str) -> None:
            """Print the stage."""
            super().stage(text)
            self._said = time.monotonic()

        def bars(self, done: int, total: int) -> None:
            """Print the bars done."""
            now = time.monotonic()
            if now - self._said >= _SECONDS:
                self._say(f"  {done:,} of {total:,} bars")
                self._said = now

    class BarBars(BarWatcher, Watching):
        """A line with a bar for each stage."""

        def bars(self, done: int, total: int) -> None:
            """Move the bar."""
            note = f"{done:,} of {total:,} bars"
            self._progress.update(self._task, completed=done, total=total, note=note)

    with watching(PlainBars, BarBars) as watcher:
        yield watcher
