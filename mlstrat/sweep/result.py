"""What a sweep found: one row a column, the best of them, heat maps, and any column as a whole run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.config import RunConfig
from mlstrat.errors import ConfigError, DataError
from mlstrat.execution.kernel import simulate
from mlstrat.execution.types import Decisions, Result
from mlstrat.signals.terms import risk_rules
from mlstrat.sweep.forecasts import Forecaster
from mlstrat.sweep.grid import Grid, config_of
from mlstrat.sweep.judged import Judged, Returns, judged
from mlstrat.sweep.measures import LOW, MEASURES
from mlstrat.trials.ledger import Tried

if TYPE_CHECKING:
    import pandas as pd

    from mlstrat.evidence import Others

Column = int | tuple[Any, ...] | Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Sweep:
    """The columns of a sweep, judged on the same out-of-sample bars.

    The best of N columns is the best of N tries: its numbers are out of sample for the models, and in sample
    for the choice of the column.

    Parameters
    ----------
    config : RunConfig
        The run, whose other settings hold in every column.
    grid : Grid
        What was varied.
    table : (n_columns, 18) float64
        `MEASURES` of each column, after costs; NaN where a number has no value.
    forecaster : callable
        Gives the forecasts of a group again.
    notes : tuple of str
        What a reader has to know.
    returns : Returns, optional
        Of every column; None where the sweep was read from a folder, or has too many columns.
    bars_per_year : float
        Of the bars.
    """

    config: RunConfig
    grid: Grid
    table: FloatArray
    forecaster: Forecaster
    notes: tuple[str, ...] = ()
    returns: Returns | None = None
    bars_per_year: float = math.nan

    def __len__(self) -> int:
        return len(self.table)

    def measure(self, name: str) -> FloatArray:
        """(n_columns,) float64: one of `MEASURES`."""
        if name not in MEASURES:
            raise ConfigError(f"there is no measure {name!r}: use one of {', '.join(MEASURES)}.")
        return self.table[:, MEASURES.index(name)]

    def judged(self, tried: Tried | None = None, others: Others | None = None) -> Judged:
        """Judge all columns by one test.

        Parameters
        ----------
        tried : Tried, optional
            What the trial ledger counts on the same bars.
        others : Others, optional
            What it knows of the returns of what else was tried.

        Raises
        ------
        DataError
            The sweep was read from a folder, whose evidence.json holds the verdict.
        """
        if self.returns is None and not math.isfinite(self.bars_per_year):
            raise DataError("this sweep was read from its folder: its verdict is in evidence.json there.")
        return judged(self.returns, self.table, self.bars_per_year, self.config.seed, tried, others)

    def frame(self) -> pd.DataFrame:
        """Return one row a column, with a level of the MultiIndex for each key that was varied."""
        import pandas as pd

        index = pd.MultiIndex.from_product(self.grid.values, names=self.grid.keys)
        return pd.DataFrame(self.table, index=index, columns=list(MEASURES))

    def ranking(self, by: str = "sharpe") -> IntArray:
        """Return the numbers of the columns that have this measure, the best first; ties in their order."""
        value = self.measure(by) * (1.0 if by in LOW else -1.0)
        order = np.argsort(value, kind="stable")
        return order[~np.isnan(value[order])]

    def best(self, by: str = "sharpe", count: int = 1) -> pd.DataFrame:
        """Return the rows of the best columns; each is the best of all that were tried.

        Raises
        ------
        ConfigError
            There is no such measure.
        DataError
            No column has it, as where none made a trade.
        """
        order = self.ranking(by)
        if not len(order):
            raise DataError(f"no column of this sweep has a {by}: none made trades enough; loosen the grid.")
        return self.frame().iloc[order[:count]]

    def heat_map(
        self, down: str, across: str, by: str = "sharpe", rest: str | Mapping[str, Any] = "median"
    ) -> pd.DataFrame:
        """Return a measure over two keys.

        Parameters
        ----------
        down, across : str
            Keys of the rows and of the columns.
        by : str
            The measure.
        rest : {"median", "best"} or mapping
            What stands for the other keys: the median or the best of their columns, or the value of each.

        Raises
        ------
        ConfigError
            A key was not varied, or has no such value.
        """
        import pandas as pd

        for key in (down, across):
            if key not in self.grid.keys:
                raise ConfigError(f"{key} was not varied: use two of {', '.join(self.grid.keys)}.")
        places = [self.grid.keys.index(key) for key in (down, across)]
        cube = np.moveaxis(self.measure(by).reshape(self.grid.shape), places, (0, 1))
        others = [key for key in self.grid.keys if key not in (down, across)]
        if isinstance(rest, Mapping):
            fixed = self.grid.where(others)
            flat = cube.reshape(*cube.shape[:2], -1)[:, :, fixed.column(rest) if others else 0]
        else:
            flat = _summary(cube.reshape(*cube.shape[:2], -1), rest, by in LOW)
        rows, columns = (pd.Index(self.grid.values[place], name=self.grid.keys[place]) for place in places)
        return pd.DataFrame(flat, index=rows, columns=columns)

    def column(self, of: Column) -> int:
        """Return the number of a column, given as its number, its values in order, or by key."""
        if isinstance(of, Mapping):
            return self.grid.column(of)
        if isinstance(of, tuple):
            if len(of) != len(self.grid.keys):
                raise ConfigError(f"a column is told by {', '.join(self.grid.keys)}: give one value of each.")
            return self.grid.column(dict(zip(self.grid.keys, of, strict=True)))
        if not 0 <= int(of) < len(self):
            raise ConfigError(f"there is no column {of}: give a number from 0 to {len(self) - 1}.")
        return int(of)

    def run_config(self, of: Column) -> RunConfig:
        """Return the settings of a column as those of a run."""
        return config_of(self.config, self.grid.settings(self.column(of)))

    def decisions(self, of: Column) -> Decisions:
        """Return the decisions of a column."""
        return self._made(of)[0]

    def result(self, of: Column) -> Result:
        """Return a column as `mlstrat.simulate` runs it: every trade, and the equity at every close."""
        return self._made(of)[1]

    def portfolio(self, of: Column) -> Any:
        """Return a column as a `vectorbt.Portfolio`.

        Raises
        ------
        MissingExtraError
            vectorbt is not installed.
        """
        from mlstrat.engines import on_vectorbt

        config = self.run_config(of)
        return on_vectorbt.portfolio(self.forecaster(config).bars, self.result(of))

    def _made(self, of: Column) -> tuple[Decisions, Result]:
        config = self.run_config(of)
        forecasts = self.forecaster(config)
        decisions = forecasts.decide(config)
        return decisions, simulate(forecasts.bars, decisions, risk_rules(config, forecasts.bars))


def _summary(cube: FloatArray, rest: str, low: bool) -> FloatArray:
    import warnings

    known: dict[str, Any] = {"median": np.nanmedian, "best": np.nanmin if low else np.nanmax}
    if rest not in known:
        raise ConfigError(f'rest is {rest!r}: give "median", "best", or a value of each other key.')
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # where no column has the measure it stays NaN
        return np.asarray(known[rest](cube, axis=2))
