"""`mlstrat features list`."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="The numbers that models learn from.")


@app.callback()
def group() -> None:
    """List the numbers that models learn from."""


@app.command("list")
def list_(
    family: Annotated[str, typer.Option(metavar="F", help="Only this family.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the registered features: lookback and warm-up in bars, unit, source, and their Pine twin."""
    import json

    from mlstrat.errors import ConfigError
    from mlstrat.features.registry import FAMILIES, Feature, registered

    if family and family not in FAMILIES:
        raise ConfigError(f"there is no feature family {family!r}: use one of {', '.join(FAMILIES)}.")
    chosen = [f for f in registered().values() if family in ("", f.family)]

    def row(f: Feature) -> dict[str, object]:
        names = ("name", "family", "lookback", "warmup", "unit", "source", "pine", "no_pine", "model_input")
        return {name: getattr(f, name) for name in names}

    if as_json:
        typer.echo(json.dumps([row(f) for f in chosen], indent=2, ensure_ascii=False))
        return
    _print_table([row(f) for f in chosen])


def _print_table(rows: list[dict[str, object]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"{len(rows)} features", show_lines=True)
    for heading in ("name\nfamily", "lookback\nwarmup (bars)"):
        table.add_column(heading, no_wrap=True)
    table.add_column("unit\nsource\nPine twin, or why there is none", overflow="fold")
    for row in rows:
        twin = row["pine"] or f"no Pine twin: {row['no_pine']}"
        cells = (("name", "family"), ("lookback", "warmup"), ("unit", "source"))
        texts = ["\n".join(str(row[name]) for name in names) for names in cells]
        table.add_row(Text(texts[0]), Text(texts[1]), Text(f"{texts[2]}\n{twin}"))
    Console(highlight=False).print(table)
