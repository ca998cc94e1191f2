"""Options that the commands about features share."""

from __future__ import annotations

import re
from typing import Annotated

import typer

NamesOption = Annotated[
    list[str] | None,
    typer.Option("--names", metavar="NAME", help="Only these, commas or repeats; else every model input."),
]
ContextOption = Annotated[
    list[str] | None,
    typer.Option(
        "--context", metavar="FILE", help="Bars of another symbol, for features such as ret_5@BTCUSDT."
    ),
]
PluginOption = Annotated[
    list[str] | None,
    typer.Option("--plugin", metavar="FILE", help="A Python file that registers features; it is run."),
]


def split(given: list[str] | None) -> list[str]:
    """Return names, split at commas but not at those between brackets: `ret_1,ta.stoch(window=9, ...)`."""
    names = [name.strip() for text in given or () for name in re.split(r",(?![^()]*\))", text)]
    return [name for name in names if name]
