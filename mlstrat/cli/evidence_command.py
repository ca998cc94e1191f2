"""`mlstrat evidence`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.table import Table

    from mlstrat.bootstrap import Interval
    from mlstrat.evidence import Evidence
    from mlstrat.judging import Verdict

# The minus, no-break space and dash of reports, which not every terminal can show.
_PLAIN = str.maketrans({"\u2212": "-", "\u00a0": " ", "\u2013": "-"})


def evidence(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="RUN_DIR|SWEEP_DIR", help="Folder of a finished run or sweep."),
    ] = None,
    returns: Annotated[
        Path | None,
        typer.Option("--returns", metavar="FILE", help="Returns from any tool: CSV or Parquet."),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option("--trials", metavar="N", help="All that was ever tried; else as the ledger counts."),
    ] = None,
    equity: Annotated[bool, typer.Option("--equity", help="FILE holds equity, not returns.")] = False,
    trades: Annotated[
        str, typer.Option("--trades", metavar="N,...", help="Closed trades of each column of FILE.")
    ] = "",
    periods_per_year: Annotated[
        float | None,
        typer.Option(
            "--periods-per-year",
            "--bars-per-year",
            metavar="N",
            help="Rows of FILE in a year; else counted in its times.",
        ),
    ] = None,
    benchmark: Annotated[
        str, typer.Option("--benchmark", metavar="COLUMN|FILE", help="Returns to beat; else 0.")
    ] = "",
    seed: Annotated[int | None, typer.Option(min=0, metavar="N", help="Seed of the draws.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")] = False,
) -> None:
    """Say whether returns are evidence of an edge, given how much was tried.

    One test decides: Hansen's SPA over all columns with at least 30 trades, at 5 %. Of a run and of a sweep
    it is the verdict of the report, with what the trial ledger counts by now. FILE has one row a period and
    one column a strategy: simple returns after costs, 0 where nothing is held, times in a column named time
    or date. The exit code is 0 whatever the verdict.
    """
    from mlstrat.errors import ConfigError

    own = {
        "--equity": equity,
        "--trades": trades,
        "--periods-per-year": periods_per_year,
        "--benchmark": benchmark,
    }
    given = [name for name, value in own.items() if value not in (None, "", False)]
    if (folder is None) == (returns is None):
        raise ConfigError(
            "what is to be judged is not clear: give the folder of a run or a sweep, or --returns FILE."
        )
    if returns is None and given:
        raise ConfigError(f"{given[0]} is for a file of returns: leave it out for a folder.")
    if returns is not None:
        from mlstrat.judging import judge_returns

        verdict = judge_returns(
            returns,
            equity=equity,
            trades=_numbers(trades),
            trials=trials,
            periods_per_year=periods_per_year,
            benchmark=benchmark,
            **({} if seed is None else {"seed": seed}),
        )
    elif folder is not None:
        from mlstrat.judging import judge_folder

        verdict = judge_folder(folder, trials=trials, seed=seed)
    _print_json(verdict) if as_json else _print(verdict)


def _numbers(text: str) -> list[int] | None:
    from mlstrat.errors import ConfigError

    try:
        return [int(part) for part in text.split(",")] if text else None
    except ValueError as error:
        raise ConfigError(
            f"--trades {text!r} is no list of whole numbers: give for example 40,35."
        ) from error


def _print_json(verdict: Verdict) -> None:
    import json

    typer.echo(json.dumps(verdict.as_plain(), indent=2))


def _print(verdict: Verdict) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    for sentence in verdict.sentences:
        console.print(Text(sentence))
    if verdict.evidence is not None and verdict.evidence.best >= 0:
        console.print()
        console.print(_table(verdict, verdict.evidence))
    if verdict.notes:
        console.print()
    for note in verdict.notes:
        console.print(Text(note.translate(_PLAIN)))


def _table(verdict: Verdict, evidence: Evidence) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table()
    table.add_column("", no_wrap=True)
    table.add_column("value", justify="right")
    table.add_column("what it says")
    for row in (*_tests(evidence), *_ratios(verdict, evidence), *_paths(verdict, evidence)):
        table.add_row(*(Text(cell.translate(_PLAIN)) for cell in row))
    return table


def _tests(evidence: Evidence) -> list[tuple[str, str, str]]:
    from mlstrat.reports.wording import chance, count, number

    spa = evidence.spa
    tested = f"best of {count(spa.tested)} columns" if evidence.columns > 1 else "strategy"
    rows = [
        (
            "SPA p-value",
            chance(evidence.p),
            f"how often luck makes the {tested} as good; decides: up to 0.05 is evidence",
        )
    ]
    if evidence.basis == "spa with a bound":
        rows.append(("  of the columns alone", chance(spa.p), "before trials not at hand are paid for"))
    rows.append(("  lower; upper", f"{chance(spa.p_lower)}; {chance(spa.p_upper)}", "its bounds"))
    if evidence.columns > 1 or evidence.beside:
        rows.append(("  naive", chance(spa.naive_p), "as if it had been the only thing tried"))
    return [
        *rows,
        (
            "deflated Sharpe",
            chance(evidence.deflated),
            "chance that the ratio beats the luckiest of so many trials",
        ),
        (
            "probabilistic Sharpe",
            chance(evidence.probabilistic),
            "chance that the ratio is above 0, had nothing been chosen",
        ),
        ("PBO", *_overfitting(evidence)),
        (
            "trials counted",
            count(evidence.trials),
            f"worth {number(evidence.effective_trials, 1)} independent ones",
        ),
    ]


def _overfitting(evidence: Evidence) -> tuple[str, str]:
    from mlstrat.reports.wording import percent

    pbo = evidence.overfitting.pbo
    if math.isnan(pbo):
        return percent(pbo), "probability of overfitting: needs two columns or more"
    return percent(pbo), "how often the best of one half is below the middle in the other; chance: 50 %"


def _ratios(verdict: Verdict, evidence: Evidence) -> list[tuple[str, str, str]]:
    from mlstrat.reports.wording import count, number

    year = verdict.rows_per_year
    scale, digits = (1.0, 4) if year is None else (math.sqrt(year), 2)
    chosen = ", which forgets the choice" if evidence.columns > 1 else ""
    rows = [("best column", verdict.best, f"with {count(evidence.trades)} trades")] if verdict.best else []
    rows.append(
        (
            "Sharpe ratio",
            _bounds(evidence.intervals.sharpe, lambda ratio: number(scale * ratio, digits)),
            f"of a {verdict.row if year is None else 'year'}, with its 95 % interval{chosen}",
        )
    )
    if evidence.benchmark:
        above = number(scale * evidence.moments.sharpe, digits)
        rows.append(("  above the benchmark", above, "of the returns above it"))
    return [*rows, _record(verdict, evidence)]


def _record(verdict: Verdict, evidence: Evidence) -> tuple[str, str, str]:
    from mlstrat.reports.wording import number

    needed, has, unit, digits = evidence.track_record, float(evidence.moments.n_bars), f" {verdict.row}s", 0
    if verdict.rows_per_year is not None:
        needed, has, unit, digits = needed / verdict.rows_per_year, has / verdict.rows_per_year, " years", 1
    told = number(needed, digits) + (unit if math.isfinite(needed) else "")
    says = f"to tell this ratio from 0, were it the only one; there are {number(has, digits)}"
    return "record needed", told, says


def _paths(verdict: Verdict, evidence: Evidence) -> list[tuple[str, str, str]]:
    from mlstrat.reports.wording import percent

    return [
        (
            "return",
            _bounds(evidence.intervals.total_return, lambda share: percent(share, signed=True)),
            "after costs, with its 95 % interval",
        ),
        (
            "deepest drawdown",
            _bounds(evidence.intervals.max_drawdown, percent),
            f"and in other orders of the same {verdict.row}s",
        ),
    ]


def _bounds(interval: Interval, told: Callable[[float], str]) -> str:
    return f"{told(interval.estimate)} ({told(interval.low)} to {told(interval.high)})"
