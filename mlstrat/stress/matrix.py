"""The pessimistic-fill matrix: the same decisions under worse and worse fills."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mlstrat.bootstrap import Interval
from mlstrat.data.bars import Bars
from mlstrat.evidence.blocks import common_block
from mlstrat.evidence.verdict import FEW_TRADES, LEVEL
from mlstrat.execution.metrics import total_return
from mlstrat.execution.types import Decisions, Result, RiskRules
from mlstrat.stress.assumption import Assumption
from mlstrat.stress.draws import LEAST_BARS, NOTHING, Judged, SharedDraws
from mlstrat.stress.kernel import simulate_under

TICKS = (1.0, 2.0, 5.0, 10.0)
HALF_SPREADS = (0.0001, 0.0002, 0.0005, 0.001)
VOLUME_SHARES = (0.01, 0.001)
# A tick may be a large part of a small price; slippage beyond this share of it is no fill.
_MOST_SLIPPAGE = 0.1


@dataclass(frozen=True)
class FillRow:
    """The decisions under one assumption; everything after costs, NaN without a value.

    Parameters
    ----------
    name : str
        Of the assumption.
    assumption : Assumption
        What it is.
    fill_cost : float
        What one market fill loses beyond the run's own costs, as a share of the median close.
    trades : int
        Closed trades.
    total_return : float
        From starting cash to the last close.
    sharpe : Interval
        Annual Sharpe ratio with its 95 % interval by the block bootstrap.
    p : float
        P-value of `superior_ability` on the returns of this row alone.
    profit : bool
        Whether the return is above 0.
    edge : bool
        Whether the test passes at 5 %, with at least 30 trades.
    """

    name: str
    assumption: Assumption
    fill_cost: float
    trades: int
    total_return: float
    sharpe: Interval
    p: float
    profit: bool
    edge: bool


@dataclass(frozen=True)
class LeftOut:
    """An assumption that these bars cannot tell anything about, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class FillMatrix:
    """The same decisions under each assumption.

    Parameters
    ----------
    rows : tuple of FillRow
        As assumed by the run first, then from mild to severe: slippage and spread in order of what they cost,
        delay, order inside the bar, volume; at last several together.
    left_out : tuple of LeftOut
        Assumptions without a row.
    block : float
        Mean block length of the bootstrap in bars, the same for all rows.
    draws : int
        Bootstrap draws, the same ones for all rows.
    """

    rows: tuple[FillRow, ...]
    left_out: tuple[LeftOut, ...]
    block: float
    draws: int

    @property
    def base(self) -> FillRow:
        """The row with the run's own assumptions."""
        return self.rows[0]


def pessimistic_fills(
    bars: Bars,
    decisions: Decisions,
    rules: RiskRules,
    *,
    seed: int = 7,
    draws: int = 1000,
    block: float | None = None,
) -> FillMatrix:
    """Execute the same decisions under worse and worse fills and test each result.

    Decisions are not made again: sides, stops, targets and shares of equity stay. Quantities follow the
    equity of each row, and a trade that lasts longer or waits covers later candidates, as in a real account.

    Parameters
    ----------
    bars, decisions, rules
        As in `mlstrat.execution.kernel.simulate`; give the bars that are judged, from the first decision on.
    seed, draws : int
        Of the bootstrap.
    block : float, optional
        Mean block length in bars, longer than positions last; by default `common_block` of the first row's
        returns, as in `superior_ability`.

    Returns
    -------
    FillMatrix
        P-values and intervals are NaN below 10 bars, where nothing was traded, and where an account was lost.

    Raises
    ------
    DataError
        The decisions are not aligned with the bars, or the block is shorter than a bar.
    """
    usual = float(np.median(bars.close))
    tried, left_out = _sorted_out(bars, rules, usual)
    results = [simulate_under(bars, decisions, rules, assumption) for assumption in tried]
    length = common_block(results[0].returns[:, None]) if block is None else float(block)
    found = _judged(results, length, draws, seed, bars.bars_per_year)
    rows = (
        _row(assumption, result, judged, _fill_cost(assumption, rules, usual))
        for assumption, result, judged in zip(tried, results, found, strict=True)
    )
    return FillMatrix(tuple(rows), left_out, length, draws)


def first_killer(matrix: FillMatrix) -> FillRow | None:
    """Return the first row, from mild to severe, under which there is no edge any more.

    None where there is none as assumed, which nothing can take away, and where every row keeps it.
    """
    if not matrix.base.edge:
        return None
    return next((row for row in matrix.rows if not row.edge), None)


def first_loss(matrix: FillMatrix) -> FillRow | None:
    """Return the first row, from mild to severe, that turns the profit into a loss or nothing; None alike."""
    if not matrix.base.profit:
        return None
    return next((row for row in matrix.rows if not row.profit), None)


def _judged(
    results: Sequence[Result], block: float, draws: int, seed: int, bars_per_year: float
) -> list[Judged]:
    n = len(results[0].equity)
    if n < LEAST_BARS:
        return [NOTHING] * len(results)
    # Returns of an account that was lost mean nothing from there on.
    table = [each.returns if np.all(each.equity > 0.0) else np.full(n, math.nan) for each in results]
    return SharedDraws(n, block, draws, seed).judge(np.column_stack(table), bars_per_year)


def _row(assumption: Assumption, result: Result, judged: Judged, cost: float) -> FillRow:
    trades, made = int(result.trades.closed.sum()), total_return(result.equity, result.rules.cash)
    return FillRow(
        name=assumption.name,
        assumption=assumption,
        fill_cost=cost,
        trades=trades,
        total_return=made,
        sharpe=judged.sharpe,
        p=judged.p,
        profit=made > 0.0,
        edge=judged.p <= LEVEL and trades >= FEW_TRADES,
    )


def _fill_cost(assumption: Assumption, rules: RiskRules, usual: float) -> float:
    return assumption.slippage_ticks * rules.tick / usual + assumption.half_spread


def _assumptions(rules: RiskRules, usual: float, volume: bool) -> Iterator[Assumption]:
    yield Assumption()
    costs = [
        *(Assumption(slippage_ticks=ticks) for ticks in TICKS),
        *(Assumption(half_spread=share) for share in HALF_SPREADS),
    ]
    yield from sorted(costs, key=lambda each: _fill_cost(each, rules, usual))
    yield Assumption(delay_bars=1)
    yield Assumption(worst_order=True)
    yield from (Assumption(volume_share=share) for share in VOLUME_SHARES)
    share = VOLUME_SHARES[0] if volume else math.inf
    yield Assumption(TICKS[0], HALF_SPREADS[1], 1, worst_order=True, volume_share=share)


def _sorted_out(bars: Bars, rules: RiskRules, usual: float) -> tuple[list[Assumption], tuple[LeftOut, ...]]:
    """Return the assumptions that can be tried on these bars, and the others."""
    tried, left_out, lowest = [], [], float(bars.low.min())
    for assumption in _assumptions(rules, usual, bars.has_volume):
        slipped = assumption.slippage_ticks * rules.tick / lowest
        if assumption.volume_share < math.inf and not bars.has_volume:
            left_out.append(LeftOut(assumption.name, "the bars have no volume"))
        elif slipped > _MOST_SLIPPAGE:
            reason = f"that is {100.0 * slipped:.3g}\u00a0% of the lowest price"
            left_out.append(LeftOut(assumption.name, reason))
        else:
            tried.append(assumption)
    return tried, tuple(left_out)
