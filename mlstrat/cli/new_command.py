"""`mlstrat new`: a project to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlstrat.cli.options import demo_file

TEMPLATE = Path(__file__).with_name("template")
# Scripts lie there as text, so that nothing takes them for modules of this package.
SCRIPT = ".py.txt"


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
        shutil.copytree(TEMPLATE, fresh, dirs_exist_ok=True)
        for path in fresh.rglob(f"*{SCRIPT}"):
            path.rename(path.with_suffix(""))
        shutil.copyfile(demo_file(), fresh / "run.toml")
        fresh.chmod(0o755)
    typer.echo(f"{folder} is ready. Next: cd {folder}, then: mlstrat backtest run.toml")
