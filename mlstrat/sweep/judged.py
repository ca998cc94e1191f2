"""The verdict on a sweep: one test over all its columns, which knows what else was tried on these bars."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.errors import NotEnoughBarsError
from mlstrat.sweep.measures import MEASURES
from mlstrat.trials.ledger import Tried

if TYPE_CHECKING:
    from mlstrat.evidence import Evidence, Others

_CELLS = 2**25  # of the table of returns: 256 MiB
_LEAST = 256  # periods, below which a test of many columns sees too little


class Returns(NamedTuple):
    """The returns of all columns.

    Parameters
    ----------
    table : (n_periods, n_columns) float64
        Sums of the returns of `every` bars, after costs, from the first predicted bar on. A column whose
        forecasts begin later has zeros before; the first and the last period may be shorter.
    every : int
        Bars of a period; more than 1 where the table would else be larger than 256 MiB.
    day : (n_periods,) int64
        Day on which each period ends, UTC, counted from 1970-01-01.
    """

    table: FloatArray
    every: int
    day: IntArray


def bars_per_period(n_bars: int, n_columns: int) -> int:
    """Return how many bars' returns are added up; 0 where there are too many columns for a test."""
    every = max(1, -(-n_bars * n_columns // _CELLS))
    return every if every == 1 or n_bars // every >= _LEAST else 0


@dataclass(frozen=True)
class Judged:
    """What is said of a sweep.

    Parameters
    ----------
    evidence : Evidence or None
        None where nothing could be tested.
    bars_per_period : int
        Bars of a period of the returns that were tested.
    periods_per_year : float
        To annualise.
    tried : Tried or None
        What the trial ledger counts on these bars, the columns included; None without a ledger.
    sentences : tuple of str
        The verdict, its conclusion first.
    """

    evidence: Evidence | None
    bars_per_period: int
    periods_per_year: float
    tried: Tried | None
    sentences: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return plain values for JSON; a number without a value is None."""
        from mlstrat.evidence.stored import as_plain

        return {
            **self.__dict__,
            "evidence": self.evidence and as_plain(self.evidence),
            "tried": self.tried and asdict(self.tried),
        }


def judged(
    returns: Returns | None,
    table: FloatArray,
    bars_per_year: float,
    seed: int,
    tried: Tried | None = None,
    others: Others | None = None,
) -> Judged:
    """Judge the columns of a sweep by one test.

    Parameters
    ----------
    returns : Returns or None
        Of every column; None where there are too many.
    table : (n_columns, 18) float64
        `MEASURES` of each.
    bars_per_year : float
        To annualise.
    seed : int
        Of the draws.
    tried : Tried, optional
        What the ledger counts. What it knows besides these columns and `others` is paid for by a bound.
    others : Others, optional
        What else was tried, with its returns.
    """
    from mlstrat.evidence import judge, plain_words

    if returns is None:
        return Judged(None, 0, 0.0, tried, (_too_many(len(table)),))
    year = bars_per_year / returns.every
    trades = table[:, MEASURES.index("trades")].astype(np.int64)
    try:
        found = judge(returns.table, trades, tried.distinct if tried else None, others=others, seed=seed)
    except NotEnoughBarsError as error:
        return Judged(None, returns.every, year, tried, (f"There is no verdict: {error}",))
    row = "bar" if returns.every == 1 else "period"
    return Judged(found, returns.every, year, tried, tuple(plain_words(found, row)))


def _too_many(n_columns: int) -> str:
    return (
        f"There is no verdict: {n_columns:,} columns are too many for one test, which knows all of them at "
        "once; sweep fewer values, about a hundred thousand columns at most."
    )
