"""`mlstrat backtest` and `mlstrat demo`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlstrat.cli.options import (
    BarsOption,
    CacheOption,
    ClusterOption,
    ControlsOption,
    Engine,
    EngineOption,
    JobsOption,
    OutOption,
    ResumeOption,
    SetOption,
    SymbolOption,
    TimeframeOption,
    TzOption,
    default_folder,
    demo_file,
    from_here,
    overrides_of,
)

if TYPE_CHECKING:
    from mlstrat.config import RunConfig


def backtest(
    run: Annotated[Path, typer.Argument(metavar="RUN.toml", help="The run; see mlstrat config init.")],
    engine: EngineOption = Engine.backtrader,
    bars: BarsOption = None,
    symbol: SymbolOption = "",
    timeframe: TimeframeOption = "",
    tz: TzOption = "",
    set_: SetOption = None,
    out: OutOption = None,
    resume: ResumeOption = False,
    jobs: JobsOption = None,
    cluster: ClusterOption = None,
    cache: CacheOption = True,
    controls: ControlsOption = False,
) -> None:
    """Run a TOML file into a folder: predictions, decisions, trades and an HTML report.

    The same command again goes on where an interrupted run stopped, and does nothing when it is complete.
    """
    from mlstrat.config import load_config

    checks = ["report.controls=true"] if controls else []
    config = load_config(run, [*checks, *overrides_of(set_, bars, symbol, timeframe, tz, jobs)])
    _run(config, out, engine, resume, cluster, cache)


def demo(
    bars: BarsOption = None,
    symbol: SymbolOption = "",
    timeframe: TimeframeOption = "",
    tz: TzOption = "",
    engine: EngineOption = Engine.backtrader,
    set_: SetOption = None,
    out: OutOption = None,
    jobs: JobsOption = None,
    cluster: ClusterOption = None,
    cache: CacheOption = True,
) -> None:
    """Run the packaged demo on bundled BTCUSDT bars, or with --bars the same settings on your own.

    With --bars the demo's dates do not apply: the latest windows that the data allows are used.
    """
    from mlstrat.cli.own_bars import fit_to
    from mlstrat.config import load_config

    config = load_config(demo_file(), overrides_of(set_, bars, symbol, timeframe, tz, jobs))
    if bars is not None:
        config, said = fit_to(config, from_here(set_ or ()))
        for sentence in said:
            typer.echo(sentence, err=True)
    _run(config, out, engine, False, cluster, cache)


def _run(
    config: RunConfig, out: Path | None, engine: Engine, resume: bool, cluster: str | None, cache: bool
) -> None:
    from mlstrat.backtest import backtest as run_into
    from mlstrat.cli.ending import show
    from mlstrat.cli.progress import watching
    from mlstrat.cluster import OnCluster

    folder, fits = out or default_folder(config), OnCluster(cluster) if cluster else None
    with watching() as watcher:
        finished = run_into(
            config,
            folder,
            engine=engine.value,
            resume=resume,
            watcher=watcher,
            use_cache=cache,
            fits=fits,
        )
    show(finished)
