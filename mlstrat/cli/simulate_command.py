"""`mlstrat simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlstrat.cli.options import AnyEngine, SymbolOption, TimeframeOption


def simulate(
    bars: Annotated[str, typer.Argument(metavar="BARS", help="CSV, Parquet, or sample:NAME.")],
    decisions: Annotated[
        Path,
        typer.Argument(metavar="DECISIONS", help="A run's decisions.parquet, or a CSV (docs/parity.md)."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="File of the trades, .csv.")],
    engine: Annotated[AnyEngine, typer.Option(help="Where they are executed.")] = AnyEngine.kernel,
    fee: Annotated[float, typer.Option(help="Commission of a fill as a share of its value.")] = 0.0,
    cash: Annotated[float, typer.Option(help="Starting equity.")] = 1_000_000.0,
    tick: Annotated[float | None, typer.Option(help="Price grid; default the instrument's.")] = None,
    step: Annotated[float | None, typer.Option(help="Quantity grid; default the instrument's.")] = None,
    slippage_ticks: Annotated[float, typer.Option(help="Ticks lost on market and stop fills.")] = 0.0,
    gap_reserve: Annotated[
        float, typer.Option(help="Share of an order's value kept in cash, to pay the next open.")
    ] = 0.01,
    symbol: SymbolOption = "",
    timeframe: TimeframeOption = "",
    tz: Annotated[str, typer.Option(metavar="ZONE", help="Zone of stamps without offset.")] = "UTC",
) -> None:
    """Execute a file of decisions on a file of bars by the one rule, and write the trades.

    Decisions made while a trade is held are ignored. There are no breakers and no minimum notional.
    """
    from mlstrat.execution.types import RiskRules
    from mlstrat.files import write_bytes
    from mlstrat.parity.simulate import check_trades_path, simulate_file
    from mlstrat.parity.trades_file import trades_bytes

    check_trades_path(out, bars, decisions)
    done = simulate_file(
        bars,
        decisions,
        engine=engine.value,
        rules=RiskRules(cash=cash, fee_share=fee, slippage_ticks=slippage_ticks, gap_reserve=gap_reserve),
        tick=tick,
        step=step,
        symbol=symbol,
        timeframe=timeframe,
        tz=tz,
    )
    write_bytes(out, trades_bytes(done.result))
    for note in done.notes:
        typer.echo(note, err=True)
    result = done.result
    earned = result.equity[-1] / result.rules.cash - 1.0
    still_open = ", the last one still open" if not result.trades.closed.all() else ""
    typer.echo(
        f"{len(result.trades):,} trades{still_open}; return after costs {earned:.4%}; "
        f"executed in {result.engine}; {done.ignored:,} of {done.decided:,} decisions ignored, "
        "because they were made while not flat."
    )
    typer.echo(f"Trades: {out}")
