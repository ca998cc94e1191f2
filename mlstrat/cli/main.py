"""`mlstrat`: the commands. Each imports what it needs when it runs, so that `--help` answers at once."""

import io
import sys
from typing import Annotated

import typer

from mlstrat.cli import (
    audit_commands,
    config_commands,
    data_commands,
    evidence_command,
    features_commands,
    model_commands,
    new_command,
    pine_commands,
    reproduce_command,
    run_commands,
    sentiment_commands,
    simulate_command,
    sweep_command,
    verify_command,
)
from mlstrat.cli.group import Commands, exit_codes

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=exit_codes(),
)
app.command("backtest")(run_commands.backtest)
app.command("demo")(run_commands.demo)
app.command("evidence")(evidence_command.evidence)
app.command("new")(new_command.new)
app.command("reproduce")(reproduce_command.reproduce)
app.command("predict")(model_commands.predict)
app.command("simulate")(simulate_command.simulate)
app.command("sweep")(sweep_command.sweep)
app.command("train")(model_commands.train)
app.command("verify")(verify_command.verify)
app.add_typer(audit_commands.app, name="audit")
app.add_typer(config_commands.app, name="config")
app.add_typer(data_commands.app, name="data")
app.add_typer(features_commands.app, name="features")
app.add_typer(model_commands.app, name="model")
app.add_typer(pine_commands.app, name="pine")
app.add_typer(sentiment_commands.app, name="sentiment")


def _version(wanted: bool) -> None:
    if wanted:
        from mlstrat import __version__

        typer.echo(f"mlstrat {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Bars and headlines in, one set of out-of-sample trading decisions out, executed the same everywhere."""


def main() -> None:
    """Run the command line of this process; what its terminal cannot show becomes a question mark."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    app(prog_name="mlstrat")
