"""What a finished run says: where the report is, the verdict, the key numbers, what to do next."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from mlstrat.backtest import Finished
from mlstrat.errors import RunFolderError
from mlstrat.runfolder import read_manifest
from mlstrat.trials.ledger import Ledger

# The report's minus and no-break space, which not every terminal can show.
_PLAIN = str.maketrans({"\u2212": "-", "\u00a0": " "})


def show(finished: Finished, console: Console | None = None) -> None:
    """Print the ending of a run to stdout.

    Parameters
    ----------
    finished : Finished
        The run.
    console : rich Console, optional
        Where to print.
    """
    console = console or Console(highlight=False)
    if finished.reused:
        console.print(f"{finished.folder}: already complete; nothing to redo.", markup=False, soft_wrap=True)
    console.print()
    for sentence in finished.verdict:
        console.print(sentence.translate(_PLAIN), markup=False)
    console.print()
    console.print(key_numbers(finished.metrics))
    if since := tried_since(finished):
        console.print(since, markup=False, soft_wrap=True)
    console.print(f"Report: {finished.folder / 'report.html'}", markup=False, soft_wrap=True)
    console.print(
        "Next: open the report in a browser; predictions, decisions and trades lie beside it. To try another "
        "setting, repeat the command with --set, such as --set kelly.shrink=strict, and another --out.",
        markup=False,
    )


def tried_since(finished: Finished) -> str:
    """Say that more is counted on the data of a run that was there already than when it was judged.

    Parameters
    ----------
    finished : Finished
        The run.

    Returns
    -------
    str
        A sentence; empty where the run is new, or no more is counted.
    """
    if not finished.reused:
        return ""
    then, now = (finished.metrics["evidence"]["tried"] or {}).get("distinct", 1), 0
    with contextlib.suppress(RunFolderError):  # a ledger that cannot be read takes nothing from the run
        data = read_manifest(finished.folder)["inputs"]["data_sha256"]
        now = Ledger.beside(finished.folder).tried(data).distinct
    if now <= then:
        return ""
    return (
        f"Trials: {_count(then)} {'was' if then == 1 else 'were'} counted then, {_count(now)} are counted "
        f"now: mlstrat evidence {finished.folder} says what that changes."
    )


def key_numbers(metrics: Mapping[str, Any]) -> Table:
    """Return the table of a run's key numbers, out of sample and after costs.

    Parameters
    ----------
    metrics : mapping
        The content of `metrics.json`; None stands where a number does not exist.
    """
    own, hold = metrics["performance"], metrics["baselines"]["hold"]
    fair, forecast = metrics["baselines"]["hold_at_exposure"], metrics["forecast"]
    span = f"{metrics['from'][:10]} to {metrics['to'][:10]}"
    table = Table(title=f"{metrics['symbol']} {metrics['timeframe']}, out of sample, {span}")
    for heading in ("after costs", "strategy", "hold at its exposure", "buy and hold"):
        table.add_column(heading, justify="left" if heading == "after costs" else "right")
    runs = (own, fair, hold)
    table.add_row("total return", *(_share(run["total_return"]) for run in runs))
    table.add_row("Sharpe ratio", *(_number(run["sharpe"]) for run in runs))
    for name, value in _beside_sharpe(metrics["evidence"]):
        table.add_row(f"  {name}", value)
    table.add_row("deepest drawdown", *(_share(run["max_drawdown"]) for run in runs))
    table.add_row("trades", _count(own["trades"]), "", "")
    table.add_row("time in the market", _share(own["exposure"]), "", "")
    table.add_row(
        "log loss (base rate)",
        f"{_number(forecast['log_loss'], 4)} ({_number(forecast['base_log_loss'], 4)})",
    )
    return table


def _beside_sharpe(evidence: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what a Sharpe ratio is never shown without."""
    interval, judged, tried = evidence["sharpe"], evidence["judged"] or {}, evidence["tried"]
    return [
        ("95 % interval", f"{_number(interval['low'])} to {_number(interval['high'])}"),
        ("SPA p-value", _number(judged.get("p"), 3)),
        ("deflated", _number(judged.get("deflated"), 3)),
        ("trials counted", _count(tried and tried["distinct"])),
    ]


def _share(value: float | None) -> str:
    return "none" if value is None else f"{value:.2%}"


def _number(value: float | None, digits: int = 2) -> str:
    return "none" if value is None else f"{value:.{digits}f}"


def _count(value: float | None) -> str:
    return "none" if value is None else f"{value:,.0f}"
