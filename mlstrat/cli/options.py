"""Options that several commands share, and how they change a run's configuration."""

from __future__ import annotations

import json
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlstrat.config_places import resolved, resolved_model

if TYPE_CHECKING:
    from mlstrat.config import RunConfig

_MODEL = "sentiment.model"
_PATHS = ("data.bars", "models.transfer", "sentiment.source", _MODEL)


class Engine(StrEnum):
    """Where decisions are executed; the trades are the same."""

    kernel = "kernel"
    backtrader = "backtrader"
    vectorbt = "vectorbt"


class AnyEngine(StrEnum):
    """Where decisions that were made before can be executed."""

    kernel = "kernel"
    backtrader = "backtrader"
    vectorbt = "vectorbt"
    pine = "pine"


EngineOption = Annotated[Engine, typer.Option(help="Where the decisions are executed; same trades.")]
BarsOption = Annotated[
    str | None,
    typer.Option("--bars", metavar="FILE", help="Bars to use instead: CSV, Parquet, or sample:NAME."),
]
SymbolOption = Annotated[
    str, typer.Option(metavar="NAME", help="Symbol of the bars; else from the file's name.")
]
TimeframeOption = Annotated[
    str, typer.Option(metavar="LENGTH", help="Length of a bar, such as 1h; else from the data.")
]
TzOption = Annotated[
    str, typer.Option(metavar="ZONE", help="Zone of stamps without offset, such as UTC or Europe/Berlin.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Replace a setting; repeat for more."),
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Where to write; default runs/NAME."),
]
ResumeOption = Annotated[
    bool,
    typer.Option("--resume", help="Go on with an interrupted run, and refuse to begin a new one."),
]
JobsOption = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Windows fitted side by side; the result is the same."),
]


ClusterOption = Annotated[
    str | None,
    typer.Option("--cluster", metavar="ADDRESS", help="Fit windows on a Dask cluster: tcp://HOST:PORT."),
]
CacheOption = Annotated[
    bool,
    typer.Option("--cache/--no-cache", help="Take fitted models from the runs beside it, and keep new ones."),
]
ControlsOption = Annotated[
    bool,
    typer.Option("--controls", help="Judge models of permuted labels too; the same as report.controls=true."),
]


def overrides_of(
    pairs: list[str] | None, bars: str | None, symbol: str, timeframe: str, tz: str, jobs: int | None
) -> list[str]:
    """Return the `section.key=value` pairs that the options stand for, the user's own last.

    With `bars`, what the run file says about the symbol, bar length and zone of its own bars is dropped.
    """
    given = {"symbol": symbol, "timeframe": timeframe, "tz": tz}
    if bars is None:
        given = {key: value for key, value in given.items() if value}
    else:
        given["bars"] = bars
    changed = from_here(f"data.{key}={json.dumps(value, ensure_ascii=False)}" for key, value in given.items())
    if jobs is not None:
        changed.append(f"jobs={jobs}")
    return [*changed, *from_here(pairs or ())]


def from_here(pairs: Iterable[str]) -> list[str]:
    """Return the pairs with paths made absolute: on a command line they start at the current folder."""
    return [_from_here(pair) for pair in pairs]


def _from_here(pair: str) -> str:
    key, _, value = pair.partition("=")
    plain = value.strip().strip("\"'")
    if key.strip() not in _PATHS:
        return pair
    place = (resolved_model if key.strip() == _MODEL else resolved)(plain, Path.cwd())
    return pair if place == plain else f"{key}={json.dumps(place, ensure_ascii=False)}"


def default_folder(config: RunConfig) -> Path:
    """Return where a run goes that was given no folder."""
    return Path("runs") / config.name


def demo_file() -> Path:
    """Return the packaged demo's run file."""
    from mlstrat.data import samples

    return samples.headlines_path().with_name("demo.toml")
