"""The returns of a sweep's columns by days, as the trial ledger keeps them after the sweep itself is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.data.timeframe import Timeframe
from mlstrat.evidence.verdict import FEW_TRADES
from mlstrat.runfolder import Inputs
from mlstrat.sweep.grid import Grid
from mlstrat.sweep.measures import MEASURES
from mlstrat.sweep.trials import Trials
from mlstrat.trials.ledger import Ledger, Span
from mlstrat.trials.returns import days_kept, days_of

_NEEDED = {field.name for field in fields(Inputs)}


class Days(NamedTuple):
    """The columns of a sweep by days.

    Parameters
    ----------
    same : tuple of str
        Key of each column in the ledger.
    trades : (n_columns,) int64
        Closed trades of each.
    table : (n_days, n_columns) float64
        Sums of the returns of each day; 0 for columns with fewer than 30 trades, which are never tested.
    day : (n_days,) int64
        Counted from 1970-01-01, every one from the first to the last.
    """

    same: tuple[str, ...]
    trades: IntArray
    table: FloatArray
    day: IntArray


def days_of_sweep(ledger: Ledger, inputs: Mapping[str, Any], columns: Path) -> Days | None:
    """Return the columns of a sweep by days; None where the ledger does not hold all that can be tested.

    Parameters
    ----------
    ledger : Ledger
        Where the sweep was counted.
    inputs : mapping
        Of the sweep, as its manifest holds them.
    columns : Path
        Its table of columns.

    Raises
    ------
    RunFolderError
        The ledger cannot be read.
    """
    if _NEEDED - inputs.keys():
        return None  # an earlier version did not know what makes a trial
    import pandas as pd

    measured = pd.read_parquet(columns, columns=list(MEASURES)).to_numpy(np.float64)
    same, trades = _trials(inputs, measured), measured[:, MEASURES.index("trades")].astype(np.int64)
    wanted = [key for key, count in zip(same, trades, strict=True) if count >= FEW_TRADES]
    kept = days_kept(ledger, wanted)
    if not wanted or len(kept) < len(wanted):
        return None
    first = min(begun for begun, _ in kept.values())
    # A column that was run again with more bars has more days than the sweep.
    last = min(_last_day(inputs["span"]), *(begun + len(days) - 1 for begun, days in kept.values()))
    day = np.arange(first, last + 1)
    table = np.zeros((len(day), len(same)))
    for place, key in enumerate(same):
        if key in kept:
            begun, days = kept[key]
            inside = days[: max(last + 1 - begun, 0)]
            table[begun - first : begun - first + len(inside), place] = inside
    return Days(same, trades, table, day)


def _trials(inputs: Mapping[str, Any], measured: FloatArray) -> tuple[str, ...]:
    """Return the key of each column, as it stands in the ledger."""
    made = Inputs(**{name: inputs[name] for name in _NEEDED} | {"span": Span(*inputs["span"])})
    keys: Sequence[str] = made.config["grid_keys"]
    grid = Grid(tuple(keys), tuple(tuple(made.config["grid"][key]) for key in keys))
    return tuple(trial.same for trial in Trials("", made).of(grid, slice(0, len(grid)), measured))


def _last_day(span: Sequence[str]) -> int:
    """Return the day on which the last bar ends, or would without a calendar."""
    ends = np.datetime64(span[3], "ns") + Timeframe(span[1]).delta
    return int(days_of(np.array([ends]))[0])
