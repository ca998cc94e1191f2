"""`mlstrat pine budget`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mlstrat.cli.options import SetOption, from_here

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from mlstrat.config import RunConfig
    from mlstrat.data.bars import Bars
    from mlstrat.pine.largest import Asked
    from mlstrat.pine.plan import Size

_DOES_NOT_FIT = 3
_JUSTIFIED: tuple[Literal["left", "right"], ...] = (*("right",) * 6, "left")
_VERDICTS = {"one script": "fits in one script", "--libraries": "fits with --libraries", "no": "does not fit"}


def budget(
    run: Annotated[Path, typer.Argument(metavar="RUN.toml", help="The run; see mlstrat config init.")],
    set_: SetOption = None,
    score: Annotated[
        bool, typer.Option("--score", help="Run profile pine and profile full, and tell what pine costs.")
    ] = False,
) -> None:
    """Tell before training how many windows of a run fit a TradingView script.

    It builds the largest windows that the settings allow, writes them down as the export does, and counts:
    trained windows take less, but for isotonic maps, which are told apart. Compiled tokens are estimated,
    since only TradingView counts them. With --score the run is made twice, in memory. Exit code 0: the run
    fits, in one script or with libraries; 3: it does not; 2: something of it has no Pine form.
    """
    from rich.console import Console

    from mlstrat.config import load_config
    from mlstrat.pine.plan import NEITHER, size_of

    config = load_config(run, from_here(set_ or ()))
    asked, windows = _asked(config)
    size, console = size_of(asked), Console(highlight=False)
    console.print(_parts(asked, size, windows))
    for line in _told(asked, size, windows):
        console.print(line, markup=False)
    console.print(_others(asked, windows))
    if score:
        _print_score(config, console)
    if size.verdict(windows) == NEITHER:
        raise typer.Exit(_DOES_NOT_FIT)


def _print_score(config: RunConfig, console: Console) -> None:
    from rich.table import Table

    from mlstrat.cli.progress import watching
    from mlstrat.profiles import profile_cost

    with watching() as watcher:
        cost = profile_cost(config, watcher)
    table = Table(title="What the small profile costs, out of sample and after costs")
    for heading in ("profile", "log loss", "gain on base rate", "trades", "return"):
        table.add_column(heading, justify="left" if heading == "profile" else "right")
    for profile, row in (("pine", cost.small), ("full", cost.full)):
        told = f"{row.log_loss:.5f}", f"{row.skill:.5f}", f"{row.trades:,}", f"{row.total_return:.2%}"
        table.add_row(profile, *told)
    console.print(table)
    console.print(cost.sentence, markup=False)


def _asked(config: RunConfig) -> tuple[Asked, int]:
    """Return what is known before training, and the windows of the run."""
    from mlstrat.features.matrix import build
    from mlstrat.inputs import asked_names, check_headlines, of_bars
    from mlstrat.pine.largest import Asked
    from mlstrat.pine.plan import refuse
    from mlstrat.pipeline import load_bars
    from mlstrat.plugins import load_plugins
    from mlstrat.walkforward import schedule_for

    load_plugins(config.plugins)
    names = asked_names(config)
    check_headlines(config)
    refuse(config, names)
    bars = load_bars(config)
    ready = build(bars, of_bars(names)).ready
    schedule, closes = schedule_for(bars, ready, config), bars.close_time
    folds = [schedule.fold(k, closes, closes, ready) for k in range(len(schedule))]
    asked = Asked(
        config=config,
        features=names,
        symbol=bars.symbol,
        timeframe=str(bars.timeframe),
        instrument=bars.instrument,
        rows=max(len(fold.train) for fold in folds),
        days=_mood_days(bars, config),
    )
    return asked, sum(1 for fold in folds if len(fold.test))


def _mood_days(bars: Bars, config: RunConfig) -> int:
    """Return how many days of the bars the headlines may tell of, from the first to the last."""
    import numpy as np

    from mlstrat.sentiment.headlines import read_headlines

    if config.sentiment.source == "none":
        return 0
    known = read_headlines(config.sentiment.source, bars.symbol).known_from
    if not len(known):
        return 0
    hours = np.ceil(config.sentiment.window_hours + config.sentiment.latency_minutes / 60)
    first = max(known.min(), bars.time[0])
    last = min(known.max() + np.timedelta64(int(hours), "h"), bars.time[-1])
    # A day's value is that of the day before, and both ends are included.
    return max(int((last - first) / np.timedelta64(1, "D")) + 3, 0)


def _parts(asked: Asked, size: Size, windows: int) -> Table:
    from rich.table import Table

    from mlstrat.pine.plan import usual_map
    from mlstrat.pine.text import TOKEN_BUDGET

    table = Table(title=f"{asked.symbol} {asked.timeframe}, compiled tokens, at most")
    for heading in ("", "one script", "with --libraries"):
        table.add_column(heading, justify="right" if heading else "left")
    apart = size.fixed_apart + windows * size.window_apart
    shares = [f"{100 * tokens / TOKEN_BUDGET:.0f} %" for tokens in (size.tokens(windows), apart)]
    table.add_row("rule, interface, features", f"{size.fixed:,}", f"{size.fixed_apart:,}")
    each = f"each window, {usual_map(asked.config)} maps"
    table.add_row(each, f"{size.window:,}", f"{size.window_apart:,}")
    table.add_row("each window's library", "-", f"{size.library:,}")
    table.add_row("windows of the run", f"{windows:,}", f"{windows:,}")
    table.add_row("sum of the strategy", f"{size.tokens(windows):,}", f"{apart:,}")
    table.add_row(f"share of {TOKEN_BUDGET:,}", *shares)
    table.add_row("windows that fit", f"{size.most:,}", f"{size.most_apart:,}")
    return table


def _told(asked: Asked, size: Size, windows: int) -> list[str]:
    from mlstrat.pine.plan import NEITHER, most_steps, size_of

    verdict = size.verdict(windows)
    lines = [f"This run of {windows:,} windows {_VERDICTS[verdict]}."]
    if asked.config.models.calibration == "auto":
        extra = size_of(asked, "isotonic").window - size.window
        lines.append(
            f"A window that chooses isotonic maps, of at most {most_steps(asked):,} steps each, takes up to "
            f"{extra:,} more."
        )
    if asked.config.models.characters == 0:
        lines.append(
            "With models.characters = 0 the width of bin edges is a guess; only the export knows it. "
            "models.characters = 2 or 3 bounds it."
        )
    if asked.config.tune.trials:
        lines.append("A search ([tune]) may choose other sizes than those of [models], which are counted.")
    if verdict == NEITHER:
        lines.append(
            "Take fewer windows (splits.retrain, splits.max_windows), smaller models (models.profile = "
            '"pine", models.characters = 2) or fewer features.'
        )
    return lines


def _others(asked: Asked, windows: int) -> Table:
    from rich.table import Table

    from mlstrat.pine.plan import alternatives, size_of

    table = Table(title="Other sizes: tokens of each window, and windows that fit")
    sizes, most = ("trees", "characters", "features"), ("each window", "in one", "apart")
    headings = (*sizes, *most, f"{windows:,} fit")
    for heading, justify in zip(headings, _JUSTIFIED, strict=True):
        table.add_column(heading, justify=justify)
    for other in alternatives(asked):
        models, size = other.config.models, size_of(other)
        trees = f"{models.rf_n_estimators} + {models.gb_n_estimators}"
        fit = f"{size.most:,}", f"{size.most_apart:,}", size.verdict(windows)
        table.add_row(trees, str(models.characters), str(len(other.features)), f"{size.window:,}", *fit)
    return table
