"""`mlstrat train`, `mlstrat predict` and `mlstrat model`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlstrat.cli.options import (
    BarsOption,
    SetOption,
    SymbolOption,
    TimeframeOption,
    TzOption,
    overrides_of,
)

if TYPE_CHECKING:
    from mlstrat.capsule import Capsule
    from mlstrat.data.bars import Bars
    from mlstrat.sentiment.align import SentimentSeries
    from mlstrat.smaller import Comparison

app = typer.Typer(no_args_is_help=True, help="Models in one file: what they are, smaller ones, and ONNX.")

CapsuleArgument = Annotated[Path, typer.Argument(metavar="CAPSULE", help="A model that mlstrat train wrote.")]
OutputOption = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Capsule to write.")]
BarsArgument = Annotated[str, typer.Argument(metavar="BARS", help="CSV, Parquet, or sample:NAME.")]
ModelBarsOption = Annotated[
    str,
    typer.Option("--bars", metavar="BARS", help="The bars it was fitted on, and later ones to compare on."),
]
ContextOption = Annotated[
    list[str] | None,
    typer.Option("--context", metavar="FILE", help="Bars of another symbol that features name."),
]
TrustOption = Annotated[
    list[str] | None,
    typer.Option("--trust", metavar="CLASS", help="A type that a model which is no trees may hold; repeat."),
]
PluginOption = Annotated[
    list[str] | None,
    typer.Option("--plugin", metavar="FILE", help="A Python file that registers features; it is run."),
]
HeadlinesOption = Annotated[
    str, typer.Option("--headlines", metavar="FILE", help="The headlines it was fitted on, if it sees them.")
]
TreesOption = Annotated[
    int | None, typer.Option("--keep-trees", min=1, metavar="N", help="Trees of forest and of booster.")
]
ShareOption = Annotated[float, typer.Option("--share", metavar="S", help="Trees kept, as a share of each.")]


@app.callback()
def group() -> None:
    """Look into a model file, make a smaller one, or write it as ONNX."""


def train(
    run: Annotated[Path, typer.Argument(metavar="RUN.toml", help="The run; see mlstrat config init.")],
    output: OutputOption,
    bars: BarsOption = None,
    symbol: SymbolOption = "",
    timeframe: TimeframeOption = "",
    tz: TzOption = "",
    set_: SetOption = None,
) -> None:
    """Fit the latest model, on everything known at the close of the last bar, into one file."""
    from mlstrat.capsule import save
    from mlstrat.cli.progress import watching
    from mlstrat.config import load_config
    from mlstrat.files import make_folder
    from mlstrat.live import train as fit
    from mlstrat.pipeline import load_bars, load_others, load_panel, require
    from mlstrat.sentiment.series import mood_for

    config = load_config(run, overrides_of(set_, bars, symbol, timeframe, tz, None))
    require(config, "kernel")
    make_folder(output.parent)
    with watching() as watcher:
        watcher.stage("computing features and labels")
        read = load_bars(config)
        panel = load_panel(read, mood_for(read, config.sentiment), config, load_others(config))
        watcher.stage("fitting the model")
        capsule = fit(panel, config)
    save(capsule, output)
    window = capsule.window
    typer.echo(
        f"{output} written: {capsule.about.symbol} {capsule.about.timeframe}, fitted on {window.n_train:,} "
        f"labels until {_minute(window.cut)}, due again at {_minute(window.valid_to)}."
    )


def predict(
    capsule: CapsuleArgument,
    bars: BarsArgument,
    symbol: SymbolOption = "",
    timeframe: TimeframeOption = "",
    tz: TzOption = "",
    headlines: Annotated[
        str, typer.Option(metavar="FILE", help="Headlines to score; without them sentiment has no vote.")
    ] = "none",
    context: ContextOption = None,
    plugin: PluginOption = None,
    trust: TrustOption = None,
) -> None:
    """Print what a model says about the last closed bar, as JSON; notes go to stderr."""
    import json

    from mlstrat.answer import answer
    from mlstrat.live import Predictor

    loaded, read, others = _loaded(capsule, bars, symbol, timeframe, tz, context, plugin, trust)
    predictor = Predictor(loaded, others)
    forecast = predictor.forecast(read, _mood(loaded, read, headlines))
    for note in (*read.notes, *forecast.notes):
        typer.echo(f"note: {note}", err=True)
    typer.echo(json.dumps(answer(predictor, forecast), indent=2, allow_nan=False, ensure_ascii=False))


@app.command()
def info(
    capsule: CapsuleArgument,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    trust: TrustOption = None,
) -> None:
    """Tell what a model is, where it comes from, how large it is and how long a row takes."""
    import json

    from mlstrat.capsule import load

    facts = _facts(load(capsule, trust or ()))
    if as_json:
        typer.echo(json.dumps(facts, indent=2, allow_nan=False, ensure_ascii=False))
        return
    width = max(len(name) for name in facts)
    for name, value in facts.items():
        text = ", ".join(map(str, value)) if isinstance(value, list) else value
        typer.echo(f"{name.replace('_', ' '):{width}}  {'none' if value in (None, '', []) else text}")


@app.command()
def prune(
    capsule: CapsuleArgument,
    bars: ModelBarsOption,
    output: OutputOption,
    keep_trees: TreesOption = None,
    share: ShareOption = 0.5,
    symbol: SymbolOption = "",
    timeframe: TimeframeOption = "",
    tz: TzOption = "",
    headlines: HeadlinesOption = "none",
    context: ContextOption = None,
    plugin: PluginOption = None,
    trust: TrustOption = None,
) -> None:
    """Keep the trees whose sum follows the whole best, and tell what that costs out of sample."""
    from mlstrat.smaller import keeping, pruned

    loaded, read, others = _loaded(capsule, bars, symbol, timeframe, tz, context, plugin, trust)
    mood = _mood(loaded, read, headlines)
    smaller = pruned(loaded, read, keeping(keep_trees, share), others, mood)
    _write_smaller(loaded, smaller, read, others, mood, output)


@app.command()
def distil(
    capsule: CapsuleArgument,
    bars: ModelBarsOption,
    output: OutputOption,
    keep_trees: TreesOption = None,
    share: ShareOption = 0.25,
    symbol: SymbolOption = "",
    timeframe: TimeframeOption = "",
    tz: TzOption = "",
    headlines: HeadlinesOption = "none",
    context: ContextOption = None,
    plugin: PluginOption = None,
    trust: TrustOption = None,
) -> None:
    """Fit fewer, smaller trees to the votes of the model, and tell what that costs out of sample."""
    from mlstrat.smaller import distilled, keeping

    loaded, read, others = _loaded(capsule, bars, symbol, timeframe, tz, context, plugin, trust)
    mood = _mood(loaded, read, headlines)
    smaller = distilled(loaded, read, keeping(keep_trees, share), others, mood)
    _write_smaller(loaded, smaller, read, others, mood, output)


@app.command()
def onnx(
    capsule: CapsuleArgument,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="ONNX file to write.")],
    trust: TrustOption = None,
) -> None:
    """Write a model as an ONNX file, and tell how far it is from the model on random rows."""
    from mlstrat.capsule import load
    from mlstrat.files import write_bytes
    from mlstrat.onnx_export import to_onnx

    loaded = load(capsule, trust or ())
    content = to_onnx(loaded)
    compared = _compared(content, loaded)
    write_bytes(output, content)
    typer.echo(f"{output} written: {len(content):,} bytes; {compared}.")


def _compared(content: bytes, capsule: Capsule) -> str:
    import numpy as np

    from mlstrat.errors import MissingExtraError
    from mlstrat.onnx_export import check_onnx

    rows = 500
    try:
        found = check_onnx(content, capsule, np.random.default_rng(0), rows)
    except MissingExtraError as error:
        return f"not compared with the model: {str(error).removesuffix('.')}"
    return f"on {rows} random rows it differs from the model by {found:.1e} at most"


def _loaded(
    capsule: Path,
    bars: str,
    symbol: str,
    timeframe: str,
    tz: str,
    context: list[str] | None,
    plugin: list[str] | None,
    trust: list[str] | None,
) -> tuple[Capsule, Bars, list[Bars]]:
    from mlstrat.capsule import load
    from mlstrat.data.sources import read_bars
    from mlstrat.plugins import load_plugins

    loaded = load(capsule, trust or ())
    load_plugins(plugin or ())
    read = read_bars(bars, symbol=symbol, timeframe=timeframe, tz=tz)
    return loaded, read, [read_bars(source, tz=tz) for source in context or ()]


def _mood(capsule: Capsule, bars: Bars, headlines: str) -> SentimentSeries:
    """Score headlines as the model's run did."""
    from mlstrat.sentiment.series import mood_for

    asked = capsule.about.run_config().sentiment
    return mood_for(bars, asked.model_copy(update={"source": headlines}))


def _write_smaller(
    before: Capsule, after: Capsule, bars: Bars, others: list[Bars], mood: SentimentSeries, output: Path
) -> None:
    from mlstrat.capsule import save
    from mlstrat.smaller import compare

    _show(compare(before, after, bars, mood, others))
    save(after, output)
    typer.echo(f"{output} written")


def _show(found: Comparison) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{found.bars:,} bars after those that the model has seen")
    for heading in ("", "before", "after"):
        table.add_column(heading, justify="right" if heading else "left")
    first, second = found.sizes
    for text, name, digits in (
        ("bytes", "n_bytes", 0),
        ("trees", "trees", 0),
        ("nodes", "nodes", 0),
        ("edges", "edges", 0),
        ("one row, p50, microseconds", "row_us", 1),
    ):
        table.add_row(text, *(f"{getattr(size, name):,.{digits}f}" for size in (first, second)))
    table.add_row("log loss", *(f"{loss:.5f}" for loss in found.log_loss))
    table.add_row("bars with a signal", *(f"{count:,}" for count in found.signals))
    table.add_row("bars with the equal signal", "", f"{found.equal_signals:.2%}")
    Console(highlight=False).print(table)


def _facts(capsule: Capsule) -> dict[str, Any]:
    import math

    from mlstrat.smaller import size_of

    about, window, size = capsule.about, capsule.window, size_of(capsule)
    models = capsule.ensemble.models
    return {
        "symbol": about.symbol,
        "timeframe": about.timeframe,
        "fitted_from": _minute(window.train_from),
        "fitted_until": _minute(window.cut),
        "due_again": _minute(window.valid_to),
        "last_bar_seen": about.seen_until[:16],
        "labels": window.n_train,
        "share_of_rises": window.base_rate,
        "features": list(about.features),
        "forest_trees": len(models.forest.roots),
        "booster_trees": len(models.boosting.roots),
        "nodes": size.nodes,
        "edges": size.edges,
        "lstm_units": len(models.lstm.w_out),
        "lstm_inputs": len(models.lstm.inputs),
        "portable": capsule.portable,
        "calibration": list(window.calibration),
        "thresholds": [None if math.isnan(at) else at for at in capsule.threshold],
        "payoffs": [odds.payoff for odds in capsule.odds],
        "bytes": size.n_bytes,
        "row_us": size.row_us,
        "model_sha256": window.model_sha256,
        "data_sha256": about.data_sha256,
        "code_sha256": about.code_sha256,
        "made_from": about.made_from,
        "versions": [f"{name} {version}" for name, version in sorted(about.versions.items())],
    }


def _minute(moment: Any) -> str:
    return f"{str(moment)[:16]}Z"
