"""The verdict on a file of returns from any other tool."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mlstrat.arrays import BoolArray, FloatArray, IntArray
from mlstrat.errors import ConfigError, DataError
from mlstrat.evidence import judge, plain_words
from mlstrat.evidence.returns_file import ReturnsTable, read_returns
from mlstrat.judging.verdict import Verdict

_ALWAYS = 0.9  # share of rows with a return from which on a strategy is taken to be in the market always
_SEED = 7
_SHOWN = 5  # columns that a sentence names


def judge_returns(
    path: Path,
    *,
    equity: bool = False,
    trades: Sequence[int] | None = None,
    trials: int | None = None,
    periods_per_year: float | None = None,
    benchmark: str = "",
    seed: int = _SEED,
) -> Verdict:
    """Judge the strategies of a file by one test over all of them.

    Parameters
    ----------
    path : Path
        CSV or Parquet as `mlstrat.evidence.returns_file.read_returns` reads it.
    equity : bool
        Whether it holds equity, not returns.
    trades : sequence of int, optional
        Closed trades of each column. By default how often a column's returns leave 0; where they are hardly
        ever 0, so that no trade can be seen, the months of the record stand in.
    trials : int, optional
        All that was ever tried on these data; by default the columns.
    periods_per_year : float, optional
        Rows of a year, to annualise; by default counted in the times.
    benchmark : str
        What has to be beaten: a column of the file, or another file of one column; empty = 0.
    seed : int
        Of the draws.

    Raises
    ------
    DataError, NotEnoughBarsError
        A file cannot be used, or has fewer than 32 rows.
    ConfigError
        A number that was given is impossible.
    """
    if periods_per_year is not None and not 0.0 < periods_per_year < np.inf:
        raise ConfigError(
            f"there are no {periods_per_year:g} rows a year: give a number above 0, such as 252."
        )
    table = read_returns(path, equity=equity)
    if benchmark:
        table, held = _over(table, benchmark, equity)
    year = periods_per_year or table.rows_per_year
    counts, how = _trades(table, trades, year)
    found = judge(table.values, counts, trials, held if benchmark else None, seed=seed)
    notes = (*table.notes, _trials_note(trials, len(table.names)), how, _year_note(table, periods_per_year))
    best = table.names[found.best] if found.best >= 0 and len(table.names) > 1 else ""
    return Verdict(found, best, year, "row", None, tuple(plain_words(found, "row")), notes)


def _over(table: ReturnsTable, benchmark: str, equity: bool) -> tuple[ReturnsTable, FloatArray]:
    """Return the table without the benchmark, and the benchmark's returns row by row."""
    if benchmark in table.names:
        if len(table.names) == 1:
            raise DataError(f"{table.origin} holds the benchmark {benchmark!r} alone: add a strategy.")
        return table.without(benchmark)
    if not Path(benchmark).exists():
        raise DataError(
            f"the benchmark {benchmark!r} is no file and no column of {table.origin} "
            f"({', '.join(table.names[:12])}): give one of these columns, or the path of a file."
        )
    other = read_returns(Path(benchmark), equity=equity)
    if len(other.names) != 1:
        raise DataError(f"{benchmark} holds {len(other.names)} columns of returns: give a benchmark of one.")
    if table.time is None or other.time is None:
        if len(other.values) != len(table.values):
            raise DataError(
                f"{benchmark} has {len(other.values):,} rows and {table.origin} {len(table.values):,}: give "
                "both the same rows, or a column of times to both."
            )
        return table, other.values[:, 0]
    place = np.minimum(np.searchsorted(other.time, table.time), len(other.time) - 1)
    missing = np.flatnonzero(other.time[place] != table.time)
    if len(missing):
        raise DataError(
            f"{benchmark} has no return at {table.time[missing[0]]} and {len(missing) - 1:,} other times of "
            f"{table.origin}: give a benchmark with all its times."
        )
    return table, other.values[place, 0]


def _trades(table: ReturnsTable, given: Sequence[int] | None, year: float | None) -> tuple[IntArray, str]:
    """(n_columns,) int64 trades, and how they were counted."""
    n, columns = table.values.shape
    if given is not None:
        if len(given) != columns:
            raise ConfigError(
                f"{len(given)} numbers of trades do not go with {columns} columns: give one for each, as in "
                "--trades 40,35."
            )
        return np.array(given, np.int64), "Numbers of trades are those given."
    counts = entries(table.values)
    always = np.mean(table.values != 0.0, axis=0) >= _ALWAYS
    if not always.any():
        return counts, _counted(counts) + " Give --trades if you know better."
    if year is None:
        name = table.names[int(np.argmax(always))]
        raise DataError(
            f"the returns of {name!r} are hardly ever 0, so that no trade can be seen in them: give "
            "--trades, or --periods-per-year, by which months can stand in for trades."
        )
    months = int(12.0 * n / year)
    who = "The returns are" if columns == 1 else f"The returns of {_named(table.names, always)} are"
    said = (
        f"{who} hardly ever 0, so that no trade can be seen in them: months stand in for trades, and there "
        f"are {months:,}. Give --trades if you know better."
    )
    rest = "" if always.all() else f"{_counted(counts[~always])} "
    return np.where(always, months, counts), rest + said


def _named(names: Sequence[str], marked: BoolArray) -> str:
    shown = [name for name, mark in zip(names, marked, strict=True) if mark]
    return ", ".join(shown[:_SHOWN]) + (f" and {len(shown) - _SHOWN:,} more" if len(shown) > _SHOWN else "")


def entries(values: FloatArray) -> IntArray:
    """(n_columns,) how often the returns of each column leave 0: its trades, as far as returns show them.

    Trades that follow each other without a row at 0 count as one; one with a return of exactly 0 within
    counts as two.
    """
    held = values != 0.0
    return np.asarray(held[0].astype(np.int64) + np.sum(held[1:] & ~held[:-1], axis=0), np.int64)


def _counted(counts: IntArray) -> str:
    fewest, most = int(counts.min()), int(counts.max())
    span = f"{most:,}" if fewest == most else f"{fewest:,} to {most:,}"
    return f"Trades were not given and are counted as how often returns leave 0: {span}."


def _trials_note(trials: int | None, columns: int) -> str:
    if trials is not None:
        return f"Trials are those given, {trials:,}, and at least the columns."
    counted = "this one strategy" if columns == 1 else f"the {columns:,} columns"
    return (
        f"Only {counted} of the file {'is' if columns == 1 else 'are'} counted as tried: give --trials N "
        "with all that was ever tried on these data, or a column for each of them."
    )


def _year_note(table: ReturnsTable, given: float | None) -> str:
    if given is not None:
        return f"A year has {given:g} rows, as given."
    if table.time is None or table.rows_per_year is None:
        return (
            "There is no column of times, so that ratios are those of a row and not of a year: give "
            "--periods-per-year, such as 252 for the days of a stock exchange."
        )
    first, last = (str(table.time[k].astype("datetime64[D]")) for k in (0, -1))
    return f"The times, {first} to {last}, have {table.rows_per_year:,.1f} rows a year."
