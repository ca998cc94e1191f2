"""`portfolio`: results of any engine as a real `vectorbt.Portfolio`, built from their fills."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import vectorbt as vbt
from vectorbt.base.array_wrapper import ArrayWrapper
from vectorbt.portfolio.enums import OrderSide, log_dt, order_dt
from vectorbt.utils.config import Configured

from mlstrat.data.bars import Bars
from mlstrat.errors import DataError
from mlstrat.execution.types import Result


class RulePortfolio(vbt.Portfolio):  # type: ignore[misc]
    """A `vectorbt.Portfolio` that knows how long a year of its market is.

    vectorbt annualises by `year_freq / freq` and takes 365 days for a year, in every method that is not
    told otherwise. Here each is told `year_freq`, by default that of the portfolio.

    Parameters
    ----------
    *args, **kwargs
        Those of `vectorbt.Portfolio`.
    year_freq : pandas.Timedelta
        Bars in a year times the length of a bar: the traded time in a year.
    """

    def __init__(self, *args: Any, year_freq: pd.Timedelta, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.year_freq = year_freq
        # The arguments from which vectorbt makes the portfolio again when it picks columns or copies.
        Configured.__init__(self, **self.config, year_freq=year_freq)

    def get_returns_acc(self, *args: Any, year_freq: Any = None, **kwargs: Any) -> Any:
        """Return vectorbt's accessor of the returns, annualised by this market's year."""
        return super().get_returns_acc(*args, year_freq=year_freq or self.year_freq, **kwargs)

    @property
    def stats_defaults(self) -> dict[str, Any]:
        """vectorbt's defaults of `stats`, with this market's year."""
        return self._with_year(super().stats_defaults)

    @property
    def plots_defaults(self) -> dict[str, Any]:
        """vectorbt's defaults of `plot`, with this market's year."""
        return self._with_year(super().plots_defaults)

    def _with_year(self, defaults: dict[str, Any]) -> dict[str, Any]:
        return {**defaults, "settings": {**defaults["settings"], "year_freq": self.year_freq}}


def portfolio(
    bars: Bars,
    results: Result | Sequence[Result] | Mapping[Hashable, Result],
    columns: Any = None,
) -> RulePortfolio:
    """Return a `vectorbt.Portfolio` of the fills of one result, or of several on the same bars.

    Nothing is simulated again. Statistics, trades, drawdowns and plots are vectorbt's own. A year has
    `bars.bars_per_year` bars, so that `sharpe_ratio()` is `mlstrat.execution.metrics.sharpe`. vectorbt makes
    equity of orders alone and knows no funding: what a trade paid of it is a fee of its last order here, so
    that profits are the result's and equity is at every close at which nothing is held.

    Parameters
    ----------
    bars : Bars
        The bars that the results were executed on.
    results : Result, sequence of Result or mapping to Result
        One result becomes a portfolio of a single column; several become one column each, every one with
        the cash of its own rules.
    columns : index, optional
        Names of the columns, a MultiIndex too; by default the keys of the mapping (tuples make a
        MultiIndex), or 0, 1, 2 and so on.

    Returns
    -------
    RulePortfolio
        Its index is the bars' open times, UTC.

    Raises
    ------
    DataError
        A result is of other bars, there is none, or the names do not fit.
    """
    if isinstance(results, Mapping):
        columns, results = list(results) if columns is None else columns, list(results.values())
    single = isinstance(results, Result) and columns is None
    each: list[Result] = [results] if isinstance(results, Result) else list(results)
    _check(bars, each)
    close = closes(bars)
    if not single:
        close = pd.concat([close] * len(each), axis=1)
        close.columns = _named(columns, len(each))
    records = np.concatenate([orders_of(result, column) for column, result in enumerate(each)])
    records["id"] = np.arange(len(records))
    bar = bars.timeframe.delta
    return RulePortfolio(
        ArrayWrapper.from_obj(close, freq=pd.Timedelta(bar)),
        close,
        records,
        np.empty(0, log_dt),
        np.array([result.rules.cash for result in each]),
        False,
        year_freq=pd.Timedelta(round(bars.bars_per_year * bar.astype(np.int64)), "ns"),
    )


def orders_of(result: Result, column: int = 0) -> np.ndarray:
    """Return the fills of a result as vectorbt's order records.

    Parameters
    ----------
    result : Result
        Of any engine.
    column : int
        The column of the portfolio that they are for.

    Returns
    -------
    (n_orders,) order_dt
        Two for a closed trade and one for an open one, in the order in which they were filled. The first
        commission of a trade is that of its entry by the rules, the second all else that it paid, funding
        with it.
    """
    t = result.trades
    costs = t.commission + t.funding
    entry_fees = np.where(t.closed, t.units * t.entry_price * result.rules.fee_share, costs)
    entry = (t.entry_bar, t.units, t.entry_price, entry_fees, _order_side(t.side))
    exit_ = (t.exit_bar, t.units, t.exit_price, costs - entry_fees, _order_side(-t.side))
    records = np.zeros((len(t), 2), order_dt)
    for place, fills in enumerate((entry, exit_)):
        for name, values in zip(("idx", "size", "price", "fees", "side"), fills, strict=True):
            records[name][:, place] = values
    filled = np.column_stack([np.ones(len(t), bool), t.closed])
    orders = np.asarray(records[filled])
    orders["id"], orders["col"] = np.arange(len(orders)), column
    return orders


def closes(bars: Bars) -> pd.Series:
    """Return the closes as a Series over the open times, UTC, named after the symbol."""
    return pd.Series(bars.close, index=pd.DatetimeIndex(bars.time, tz="UTC", name="time"), name=bars.symbol)


def _order_side(side: np.ndarray) -> np.ndarray:
    return np.asarray(np.where(side > 0, OrderSide.Buy, OrderSide.Sell))


def _check(bars: Bars, results: Sequence[Result]) -> None:
    if not results:
        raise DataError("a portfolio was asked of no results: give it at least one.")
    for result in results:
        if not isinstance(result, Result):
            raise DataError(
                f"a portfolio was asked of {type(result).__name__}: give it Result, such as simulate returns."
            )
        if not np.array_equal(result.time, bars.time):
            raise DataError(
                f"a result of {result.symbol} over {len(result.time):,} bars does not match the "
                f"{len(bars):,} bars of {bars.symbol}: give the bars that it was executed on."
            )


def _named(columns: Any, n: int) -> pd.Index:
    columns = range(n) if columns is None else columns
    # pandas makes tuples of a MultiIndex that is passed to Index.
    names = columns if isinstance(columns, pd.Index) else pd.Index(columns)
    if len(names) != n or not names.is_unique:
        raise DataError(
            f"{len(names)} column names ({', '.join(map(str, names[:4]))}) do not name {n} results: "
            "give each result one name of its own."
        )
    return names
