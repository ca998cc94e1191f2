"""Columns of trades that somebody else decided: entries as arrays, executed by the one execution rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.data.bars import Bars
from mlstrat.errors import DataError
from mlstrat.execution.types import CASH, RiskRules
from mlstrat.sweep.account import LOGGED, MEASURED
from mlstrat.sweep.charges import charges_of
from mlstrat.sweep.entry_kernel import first_defect, run_entries
from mlstrat.sweep.measures import MEASURES, measures
from mlstrat.sweep.running import NO_GAINS, in_threads

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Entries:
    """One candidate trade a bar and column, as in `mlstrat.Decisions`.

    All but `side` may have any shape that broadcasts to (n_bars, n_columns): (n_bars, 1) for values that all
    columns share, (n_columns,) for one value a column; the latter is refused where there are as many bars as
    columns. They are held as (n_columns or 1, n_bars or 1).

    Parameters
    ----------
    side : (n_bars, n_columns) int8
        1 long, -1 short, 0 no trade; decided at the close, filled at the next open. An array that is in
        memory column by column (`order="F"`) is not copied.
    fraction : array_like
        Share of equity to hold, in [0, 1].
    stop, target : array_like
        Prices, taken as they are: give them on the tick grid. Read only where there is a trade.
    max_bars : array_like
        N of the time exit; 0 = none.
    units : array_like
        Quantity where it is given; NaN = from `fraction`.

    Raises
    ------
    DataError
        A shape does not fit, or a trade has an impossible side, fraction, stop or target.
    """

    side: Any
    fraction: Any
    stop: Any
    target: Any
    max_bars: Any = 0
    units: Any = np.nan

    def __post_init__(self) -> None:
        side = np.asarray(self.side)
        if side.ndim != 2:
            raise DataError(f"entries.side has shape {side.shape}: give a row a bar and a column a trial.")
        for name, kind in _KINDS.items():
            object.__setattr__(self, name, _by_column(name, getattr(self, name), side.shape, kind))
        found: list[tuple[int, int, int]] = []

        def check(part: slice) -> None:
            tables = (_part(table, part) for table in (self.fraction, self.stop, self.target))
            column, bar, kind = first_defect(self.side[part], *tables)
            if kind:
                found.append((part.start + column, bar, kind))

        in_threads(check, side.shape[1], _THREADS)
        if found:
            column, bar, kind = min(found)
            raise DataError(f"the entry at bar {bar} of column {column} {_DEFECTS[kind - 1]}.")


_THREADS = 2  # that look for entries which cannot be executed
_KINDS: dict[str, Any] = {
    "side": np.int8,
    "fraction": np.float64,
    "units": np.float64,
    "stop": np.float64,
    "target": np.float64,
    "max_bars": np.int64,
}
_DEFECTS = (
    "has a side that is none of 1, 0, -1: give 1 for long, -1 for short, 0 for none",
    "has a fraction outside [0, 1]: give a share of equity",
    "has no stop short of its target: a long's stop lies below its target",
    "has a stop or target of zero or less: give prices above zero",
)


def _by_column(name: str, given: Any, shape: tuple[int, ...], kind: Any) -> Any:
    """Return values as (n_columns or 1, n_bars or 1), one column after the other in memory."""
    flat = np.asarray(given, kind)
    if flat.ndim == 1 and len(flat) > 1 and shape[0] == shape[1] == len(flat):
        raise DataError(
            f"entries.{name} of shape {flat.shape} may be one value a bar or one a column: write "
            f"{name}[:, None] for one a bar, or {name}[None, :] for one a column."
        )
    value = np.atleast_2d(flat)
    if value.ndim != 2 or any(have not in (1, want) for have, want in zip(value.shape, shape, strict=True)):
        raise DataError(
            f"entries.{name} of shape {flat.shape} does not fit side of shape {shape}: give one value, one a "
            f"column, one a bar as {name}[:, None], or one a bar and column."
        )
    return np.ascontiguousarray(value.T)


def sweep_entries(
    bars: Bars,
    entries: Entries,
    rules: RiskRules | Sequence[RiskRules],
    names: pd.Index | Sequence[Any] | None = None,
    threads: int = 2,
) -> pd.DataFrame:
    """Execute columns of given entries.

    Parameters
    ----------
    bars : Bars
        The bars; an entry at bar t fills at the open of bar t + 1. Where they have a carry, funding and
        borrow are charged.
    entries : Entries
        Aligned with the bars.
    rules : RiskRules or sequence of RiskRules
        Cash, costs, grids and breakers, of all columns or of each.
    names : Index, optional
        Of the columns, such as a MultiIndex of their settings.
    threads : int
        Columns run at a time; the numbers are the same bits for any.

    Returns
    -------
    pandas.DataFrame
        One row a column of the entries, `MEASURES` as columns: the numbers of `mlstrat.simulate` and
        `mlstrat.execution.metrics` on the same decisions.

    Raises
    ------
    DataError
        Entries, rules or names do not fit.
    """
    import pandas as pd

    accounts, risks, _ = _run(bars, entries, rules, threads, every=0)
    table = measures(accounts, risks[:, CASH], len(bars), bars.bars_per_year)
    return pd.DataFrame(table, index=None if names is None else pd.Index(names), columns=list(MEASURES))


def returns_of_entries(
    bars: Bars, entries: Entries, rules: RiskRules | Sequence[RiskRules], threads: int = 2
) -> tuple[FloatArray, IntArray]:
    """Execute columns of given entries for what a verdict needs of them; arguments as for `sweep_entries`.

    Returns
    -------
    tuple of (n_bars, n_columns) float64 and (n_columns,) int64
        The return of equity over each bar, as in `mlstrat.Result`, and the closed trades of each column.
    """
    accounts, _, gains = _run(bars, entries, rules, threads, every=1)
    return gains.T, accounts[:, MEASURED.index("trades")].astype(np.int64)


def _run(
    bars: Bars, entries: Entries, rules: RiskRules | Sequence[RiskRules], threads: int, every: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    n_columns, n_bars = entries.side.shape
    each = [rules] * n_columns if isinstance(rules, RiskRules) else list(rules)
    for what, have, need in (("bars", len(bars), n_bars), ("rules", len(each), n_columns)):
        if have != need:
            raise DataError(f"entries for {need:,} {what} were given with {have:,}: give as many.")
    risks = np.array([one.as_row() for one in each]).reshape(n_columns, -1)
    accounts, log = np.empty((n_columns, len(MEASURED))), np.empty((0, len(LOGGED)))
    charges = charges_of(bars)
    gains = np.zeros((n_columns, n_bars)) if every else NO_GAINS

    def run(part: slice) -> None:
        side, *others = (_part(getattr(entries, name), part) for name in _KINDS)
        tables: tuple[Any, Any, Any, Any, Any] = tuple(others)
        seconds = float(bars.timeframe.seconds)
        into = gains[part] if every else gains
        own = risks[part], accounts[part], log, into, every
        run_entries(bars.matrix, seconds, side, *tables, *own, charges)

    in_threads(run, n_columns, threads)
    return accounts, risks, gains


def _part(table: Any, part: slice) -> Any:
    return table if len(table) == 1 else table[part]
