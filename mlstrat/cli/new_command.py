"""`mlstrat new`: a project to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlstrat.cli.options import demo_file

TEMPLATE = Path(__file__).with_name("template")
# Scripts lie there as text, so that nothing takes them for modules of this package.
_TEXT = ".txt"


def new(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that is empty or not there yet.")],
) -> None:
    """Copy a project to start from: strategies, a run file and a notebook."""
    from mlstrat.errors import RunFolderError
    from mlstrat.files import make_folder, write_bytes

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunFolderError(f"{folder} is not an empty folder: give the name of a new one.")
    for name, source in _files().items():
        make_folder((folder / name).parent)
        write_bytes(folder / name, source.read_bytes())
    typer.echo(f"{folder} is ready. Next: cd {folder}, then: mlstrat backtest run.toml")


def _files() -> dict[str, Path]:
    """Return what a project consists of: path in it, and the packaged file."""
    packaged = [path for path in sorted(TEMPLATE.rglob("*")) if path.is_file()]
    copies = {path.relative_to(TEMPLATE).as_posix().removesuffix(_TEXT): path for path in packaged}
    return {"run.toml": demo_file(), **copies}
