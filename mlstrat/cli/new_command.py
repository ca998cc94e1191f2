"""`mlstrat new`: a project to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

TEMPLATE = Path(__file__).with_name("template")


def new(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that is empty or not there yet.")],
) -> None:
    """Copy a project to start from: strategies, a run file and a notebook."""
    import shutil

    from mlstrat.errors import RunFolderError
    from mlstrat.files import new_folder

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunFolderError(f"{folder} is not an empty folder: give the name of a new one.")
    with new_folder(folder) as fresh:
        skip = shutil.ignore_patterns("__pycache__")
        shutil.copytree(TEMPLATE, fresh, dirs_exist_ok=True, ignore=skip)
        fresh.chmod(0o755)
    typer.echo(f"{folder} is ready. Next: cd {folder}, then: mlstrat backtest run.toml")
