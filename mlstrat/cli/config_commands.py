"""`mlstrat config init`, `validate` and `reference`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlstrat.cli.options import SetOption

app = typer.Typer(no_args_is_help=True, help="Write and check run files.")


@app.callback()
def group() -> None:
    """Write and check run files."""


@app.command()
def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write.")] = Path("run.toml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
) -> None:
    """Write a run file with every setting, its default, what is allowed and what it means."""
    from mlstrat.cli.settings import as_toml
    from mlstrat.errors import ConfigError
    from mlstrat.files import write_bytes

    if file.exists() and not force:
        raise ConfigError(f"{file} exists: give another name, or overwrite it with --force.")
    write_bytes(file, as_toml().encode())
    typer.echo(f"{file} written. Next: edit it, then run: mlstrat backtest {file}")


@app.command()
def validate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A run file.")], set_: SetOption = None
) -> None:
    """Check a run file, its features included, without reading any bars."""
    from mlstrat.config import load_config
    from mlstrat.inputs import asked_names, check_headlines
    from mlstrat.plugins import load_plugins
    from mlstrat.signals.confirmation import confirmation_of

    config = load_config(file, set_ or ())
    load_plugins(config.plugins)
    names = asked_names(config)
    check_headlines(config)
    confirmation_of(config.signals)
    typer.echo(
        f"{file} is valid: run {config.name!r} with {len(names)} features. Next: mlstrat backtest {file}"
    )


@app.command()
def reference() -> None:
    """Print every setting as Markdown: the content of docs/configuration.md."""
    from mlstrat.cli.settings import as_markdown

    typer.echo(as_markdown(), nl=False)
