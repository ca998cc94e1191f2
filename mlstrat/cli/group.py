"""How every command ends: errors as one sentence on stderr with a documented exit code."""

from typing import Any

import typer
from typer.core import TyperGroup

from mlstrat.errors import MlstratError

INTERRUPTED = 130
# What each exit code means, as the help and docs/cli.md tell it.
EXIT_CODES = {
    0: "ok",
    1: "other",
    2: "configuration or usage",
    3: "data",
    4: "run folder",
    5: "missing extra",
    6: "model",
    7: "not reproduced",
    8: "audit failed",
    INTERRUPTED: "interrupted",
}


class Commands(TyperGroup):
    """Commands whose deliberate errors are printed without a traceback; a bug keeps its traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except MlstratError as error:
            for line in str(error).splitlines():
                typer.echo(f"error: {line}", err=True)
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as error:
            typer.echo(
                "interrupted: run the same command again to go on; finished windows are kept.", err=True
            )
            raise typer.Exit(INTERRUPTED) from error


def exit_codes() -> str:
    """Return the exit codes on one line."""
    return "Exit codes: " + ", ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items()) + "."
