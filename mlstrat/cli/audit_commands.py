"""`mlstrat audit features` and `mlstrat audit run`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlstrat.cli.options import BarsOption, SymbolOption, TimeframeOption, TzOption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlstrat.features.audit import Rows, Verdict
    from mlstrat.lookahead.audit import Audited

# As other commands that look for something and find it.
_FOUND = 3

app = typer.Typer(no_args_is_help=True, help="Look for what looks at later bars.")


@app.callback()
def group() -> None:
    """Look for what looks at later bars, and show where it does."""


@app.command()
def features(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A Python file that registers features, or a run file.")
    ],
    bars: Annotated[str, typer.Option(metavar="FILE", help="Try them on the last of these bars too.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    symbol: SymbolOption = "",
    timeframe: TimeframeOption = "",
    tz: TzOption = "",
) -> None:
    """Cut the bars at every bar and compare: exit with 3 if a feature sees later bars or cannot stream.

    Of a run file, the features of its plugins and of the package ta are tried.
    """
    import json

    own = _own_bars(bars, symbol, timeframe, tz)
    names, inputs = _names(file)
    rows = [_row(name, own, name in inputs) for name in names]
    if as_json:
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        _print_table(str(file), rows)
    if not all(row["passed"] for row in rows):
        raise typer.Exit(_FOUND)


@app.command()
def run(
    folder: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="Folder of a finished run.")],
    cuts: Annotated[int, typer.Option(min=1, metavar="K", help="Bars at which later data is cut off.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Of the draw of these bars.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    bars: BarsOption = None,
) -> None:
    """Make a run again at some bars without anything known later: exit with 3 if it says something else.

    Features, labels, sentiment, refitted models, predictions and decisions are compared bit by bit; array
    functions are cut alone at 2,000 more bars. Leaks are planted and must be caught, else the audit itself
    failed (8); permuted labels must teach nothing (3).
    """
    import json

    from mlstrat.cli.progress import watching
    from mlstrat.errors import AuditError
    from mlstrat.lookahead.audit import audit_run

    with watching() as watcher:
        audited = audit_run(folder, cuts=cuts, seed=seed, bars=bars, watcher=watcher)
    if as_json:
        typer.echo(json.dumps(_content(audited), indent=2, ensure_ascii=False))
    else:
        _print_audit(str(folder), audited)
    if not audited.sound:
        raise AuditError(f"{audited.conclusion.rstrip('.')}: please report it.")
    if not audited.passed:
        raise typer.Exit(_FOUND)


def _content(audited: Audited) -> dict[str, Any]:
    from dataclasses import asdict

    told = asdict(audited) | {"passed": audited.passed, "conclusion": audited.conclusion}
    told["permuted_tell"] = audited.permuted_tell
    for planted, leak in zip(told["planted"], audited.planted, strict=True):
        planted["caught"] = leak.caught
    return told | {name: _without_infinities(told[name]) for name in ("permuted", "own")}


def _print_audit(title: str, audited: Audited) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title))
    table.add_column("stage")
    for heading in ("values", "different"):
        table.add_column(heading, justify="right")
    table.add_column("verdict", overflow="fold")
    for stage in (*audited.stages, audited.alone.found):
        table.add_row(stage.stage, f"{stage.values:,}", f"{stage.different:,}", Text(stage.verdict))
    console = Console(highlight=False)
    console.print(table)
    for sentence in (*_sentences(audited), *audited.notes, audited.conclusion):
        console.print(Text(sentence))


def _sentences(audited: Audited) -> list[str]:
    caught = sum(leak.caught for leak in audited.planted)
    where = ", ".join(f"{cut.bar:,}" for cut in audited.cuts)
    told = [f"Cut at bars {where} in {audited.seconds:.1f} s.", _alone(audited)]
    told.append(f"Planted leaks caught: {caught} of {len(audited.planted)}.")
    told += [f"  not seen: {leak.leak}" for leak in audited.planted if not leak.caught]
    skills = (
        f"{told.estimate:+.5f} nats ({told.low:+.5f} to {told.high:+.5f})"
        for told in (audited.permuted, audited.own)
    )
    told.append("Skill with permuted labels: {}; with its own: {}.".format(*skills))
    if audited.edge_lost and not audited.permuted_tell:
        told.append("  Permuted labels tell nothing here: its own teach no more at these windows.")
    return told


def _alone(audited: Audited) -> str:
    alone = audited.alone
    steps = (
        f"{alone.steps:,} features are compiled steps, which are given one bar after another and so have no "
        "later one to look at"
    )
    if not alone.functions:
        return f"All {steps}."
    return f"Cut alone at {alone.bars:,} bars each: {', '.join(alone.functions)}; {steps}."


def _own_bars(source: str, symbol: str, timeframe: str, tz: str) -> list[Rows]:
    from mlstrat.data.sources import read_bars

    if not source:
        return []
    return [(source, read_bars(source, symbol=symbol, timeframe=timeframe, tz=tz).matrix)]


def _names(file: Path) -> tuple[list[str], set[str]]:
    """Return what to audit (the features of plugins, then the names of `ta` in a run file), and what feeds
    the models of that run."""
    from mlstrat.config import load_config
    from mlstrat.errors import ConfigError
    from mlstrat.features.lookup import registered
    from mlstrat.plugins import load_plugins

    plugins: tuple[str, ...] = (str(file),)
    named: tuple[str, ...] = ()
    if file.suffix != ".py":
        config = load_config(file)
        plugins, named = config.plugins, config.features.names
    load_plugins(plugins)
    origins = {str(Path(path).resolve()) for path in plugins}
    users = [name for name, f in registered().items() if f.origin in origins]
    inputs = list(dict.fromkeys(name.partition("@")[0] for name in named))
    bridged = [name for name in inputs if name.startswith("ta.")]
    if not users and not bridged:
        raise ConfigError(f"{file} names no plugins and no features of ta: there is nothing to audit in it.")
    return [*users, *bridged], set(inputs)


def _row(name: str, own: Sequence[Rows], feeds_models: bool) -> dict[str, Any]:
    from mlstrat.errors import ConfigError
    from mlstrat.features.audit import audit
    from mlstrat.features.choose import refuse_unfit_inputs
    from mlstrat.features.lookup import find, registered

    try:
        # A feature of pairs is audited without the symbol that `find` asks for.
        f = registered().get(name) or find(name)
        if feeds_models:
            refuse_unfit_inputs([f])
        return _told(audit(f, own))
    except ConfigError as error:
        return {"name": name, "passed": False, "causal": None, "problem": str(error)}


def _told(verdict: Verdict) -> dict[str, Any]:
    from dataclasses import asdict

    told = {"passed": verdict.passed, **asdict(verdict)}
    if verdict.leak:
        told["leak"] |= {"size": verdict.leak.size, "relative": verdict.leak.relative}
        told["leak"] = _without_infinities(told["leak"])
    return _without_infinities(told)


def _without_infinities(content: dict[str, Any]) -> dict[str, Any]:
    """Put None for what is not finite, for which JSON has no word."""
    from math import isfinite

    return {k: None if isinstance(v, float) and not isfinite(v) else v for k, v in content.items()}


def _print_table(title: str, rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title)
    for heading in ("feature", "causal", "first bad bar", "change", "streams", "warm-up", "seconds"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in _cells(row)))
    console = Console(highlight=False)
    console.print(table)
    for row in rows:
        for text in (row.get("problem"), row.get("note")):
            if text:
                console.print(Text(text if row["name"] in text else f"{row['name']}: {text}"))
    failed = [row["name"] for row in rows if not row["passed"]]
    seconds = sum(row.get("seconds", 0.0) for row in rows)
    end = f"a run refuses {len(failed)} of them" if failed else "a run takes all of them"
    console.print(Text(f"{len(rows)} features in {seconds:.1f} s: {end}"))


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    name, leak = row["name"], row.get("leak")
    if row["causal"] is None:
        return name, "refused", "", "", "", "", ""
    seconds = f"{row['seconds']:.2f}"
    if leak:
        where = f"{leak['bar']}, saw {leak['saw']} ({leak['test']}; {leak['series']})"
        return name, "NO", where, _change(leak), "", "", seconds
    if not row["causal"]:
        return name, "not proved", "", "", "", "", seconds
    proof = "yes, a step" if row["kind"] == "step" else "yes, at every bar"
    return name, proof, "", "", *_streams(row), seconds


def _change(leak: dict[str, Any]) -> str:
    from mlstrat.features.causality import told_apart

    nan = float("nan")
    before, after = told_apart(*(nan if leak[key] is None else leak[key] for key in ("before", "after")))
    share = "" if leak["relative"] is None else f" ({leak['relative']:.2%})"
    return f"{before} to {after}{share}"


def _streams(row: dict[str, Any]) -> tuple[str, str]:
    declared, needed, size = row["warmup"], row["warmup_needed"], row["stream_difference"]
    if row["stream_agrees"]:
        return "bit by bit" if row["kind"] == "step" else "yes", f"{declared:,}"
    off = "NO, no number" if size is None else f"NO, off by {size:.1e}"
    return off, f"{declared:,}; {f'declare {needed:,}' if needed else 'none is enough'}"
