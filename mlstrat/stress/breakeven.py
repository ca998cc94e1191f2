"""The commission at which the same decisions end where they began."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mlstrat.data.bars import Bars
from mlstrat.execution.kernel import simulate
from mlstrat.execution.metrics import total_return
from mlstrat.execution.types import Decisions, Result, RiskRules

_HIGHEST = 0.5
_POINTS = 64
_HALVINGS = 40


@dataclass(frozen=True)
class BreakEven:
    """What commission the decisions can bear, as a share of the value of one fill, paid on entry and exit.

    Parameters
    ----------
    fee_share : float
        Lowest commission from which on the return is no longer above 0, all other costs as they are; NaN
        without trades, where they lose without any commission, and where half of the value is not enough.
    charged : float
        Commission of the run.
    gross_per_traded : float
        Profit before commission and after funding over the value bought and sold, in the run: the same number
        if sizes did not follow equity. NaN without trades.
    trades : int
        Trades of the run, the open one included.
    total_return, without_commission : float
        Return at the commission charged, and at none.
    """

    fee_share: float
    charged: float
    gross_per_traded: float
    trades: int
    total_return: float
    without_commission: float


def break_even(bars: Bars, decisions: Decisions, rules: RiskRules) -> BreakEven:
    """Find the commission at which the same decisions end at a return of zero.

    The kernel is run at 64 commissions up to twice the likely one, and the first step from profit to no
    profit is halved 40 times. Quantities are whole steps and breakers count losses, so that the return may
    jump across zero there.

    Parameters
    ----------
    bars, decisions, rules
        As in `mlstrat.execution.kernel.simulate`.

    Raises
    ------
    DataError
        The decisions are not aligned with the bars.
    """

    def returned(fee: float) -> float:
        made = simulate(bars, decisions, replace(rules, fee_share=fee))
        return total_return(made.equity, rules.cash)

    run, free = simulate(bars, decisions, rules), returned(0.0)
    likely = _gross_per_traded(run)
    return BreakEven(
        fee_share=_crossing(returned, likely) if free > 0.0 else math.nan,
        charged=rules.fee_share,
        gross_per_traded=likely,
        trades=len(run.trades),
        total_return=total_return(run.equity, rules.cash),
        without_commission=free,
    )


def _gross_per_traded(run: Result) -> float:
    t = run.trades
    traded = float(np.sum(t.units * t.entry_price) + np.sum((t.units * t.exit_price)[t.closed]))
    return float(np.sum(t.profit) + np.sum(t.commission)) / traded if traded > 0.0 else math.nan


def _crossing(returned: Callable[[float], float], likely: float) -> float:
    """Return the lowest fee found from which on there is no profit; there is one at 0."""
    high = min(2.0 * likely, _HIGHEST) if likely > 0.0 else 1e-4
    while returned(high) > 0.0:
        if high >= _HIGHEST:
            return math.nan
        high = min(2.0 * high, _HIGHEST)
    points = np.linspace(0.0, high, _POINTS + 1)
    first = next(i for i, fee in enumerate(points) if not returned(float(fee)) > 0.0)
    low, high = float(points[first - 1]), float(points[first])
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if returned(middle) > 0.0 else (low, middle)
    return high
