"""Who tells the strategy what to do at a close: decisions made beforehand, or a model asked bar by bar."""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.errors import DataError
from mlstrat.execution.types import Decisions


class Advice(NamedTuple):
    """One candidate trade, as one row of `Decisions`: made at a close as if flat.

    `fraction` is a share of equity, used where `units` is NaN; `stop` and `target` are prices on the
    tick grid; `max_bars` is N of the time exit, 0 for none.
    """

    side: int
    fraction: float
    units: float
    stop: float
    target: float
    max_bars: int


NO_TRADE = Advice(0, 0.0, math.nan, math.nan, math.nan, 0)


class Advisor(Protocol):
    """What a strategy asks at the close of every bar, in order, whether it is flat or not."""

    def advise(self, bar_index: int, row: FloatArray) -> Advice:
        """Return the candidate made at this close.

        Parameters
        ----------
        bar_index : int
            Index of the bar that closes, from 0.
        row : (6,) float64
            The bar: open, high, low, close, volume, open time in epoch seconds.
        """


class PrecomputedAdvisor:
    """Decisions made beforehand, checked against the feed's stamps bar by bar.

    Parameters
    ----------
    decisions : Decisions
        One candidate for each bar of the feed.
    """

    def __init__(self, decisions: Decisions) -> None:
        self._decisions = decisions
        self._seconds = (decisions.time.astype(np.int64) // 1_000_000_000).tolist()
        names = ("side", "fraction", "units", "stop", "target", "max_bars")
        columns = [getattr(decisions, name).tolist() for name in names]
        self._advice = [Advice(*row) if row[0] else NO_TRADE for row in zip(*columns, strict=True)]

    def advise(self, bar_index: int, row: FloatArray) -> Advice:
        """Return the decision of this bar.

        Raises
        ------
        DataError
            The feed shows another bar than the one decided on.
        """
        if bar_index >= len(self._advice) or abs(row[5] - self._seconds[bar_index]) > 1.0:
            raise DataError(
                f"bar {bar_index:,} of the feed opens at {np.datetime64(int(row[5]), 's')}, "
                f"where the decisions of {self._decisions.symbol} have {self._stamp(bar_index)}: "
                "feed the bars that were decided on, from the first one."
            )
        return self._advice[bar_index]

    def _stamp(self, bar_index: int) -> str:
        return str(self._decisions.time[bar_index]) if bar_index < len(self._advice) else "no bar"
