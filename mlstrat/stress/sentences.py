"""Fills and costs in plain words: is there an edge, what kills it first, what costs do trades bear."""

from __future__ import annotations

import math

from mlstrat.evidence.verdict import FEW_TRADES, LEVEL
from mlstrat.stress.breakeven import BreakEven
from mlstrat.stress.matrix import FillMatrix, FillRow, first_killer, first_loss


def sentences(matrix: FillMatrix, found: BreakEven) -> tuple[str, ...]:
    """Return 2 to 5 sentences on a matrix and the break-even commission of the same decisions."""
    return (*_edge(matrix), *_profit(matrix), _commission(found), *_left_out(matrix))


def _edge(matrix: FillMatrix) -> list[str]:
    base = matrix.base
    if not base.edge:
        return [f"There is no edge that worse fills could kill: {_why_none(base)}."]
    killer = first_killer(matrix)
    there = f"Tested alone, without what else was tried, there is an edge as assumed ({_shown(base)})"
    if killer is None:
        return [
            f"{there} and under each of the {len(matrix.rows) - 1} worse assumptions about fills; what is "
            "worse than these was not tried, and one stretch of history does not say that an edge lasts."
        ]
    return [
        f"{there}. The first assumption that kills it: {killer.name} ({_lost(killer)}).",
        *_also(matrix, killer),
    ]


def _why_none(base: FillRow) -> str:
    if base.trades == 0:
        return "no trade was completed"
    if base.trades < FEW_TRADES:
        return f"{base.trades} {'trade is' if base.trades == 1 else 'trades are'} too few to show one"
    if math.isnan(base.p):
        return "the returns as assumed cannot be tested"
    return f"as assumed, luck alone does as well ({_shown(base)}; an edge is said up to {LEVEL:.2f})"


def _lost(row: FillRow) -> str:
    if row.trades < FEW_TRADES:
        return f"{row.trades} {'trade' if row.trades == 1 else 'trades'}, too few to show one"
    return _shown(row)


def _shown(row: FillRow) -> str:
    known = "no p-value" if math.isnan(row.p) else f"p = {row.p:.3f}"
    return f"{known}, return {_percent(row.total_return, 2)}"


def _also(matrix: FillMatrix, killer: FillRow) -> list[str]:
    """Spread, delay, order and volume have no common scale, so all that kill are named."""
    others = [row.name for row in matrix.rows if not row.edge and row is not killer]
    return [f"So {'does' if len(others) == 1 else 'do'}: {'; '.join(others)}."] if others else []


def _profit(matrix: FillMatrix) -> list[str]:
    base = matrix.base
    if not base.profit:
        return []
    worse = first_loss(matrix)
    made = f"The profit of {_percent(base.total_return, 2)}"
    if worse is None:
        return [f"{made} stays a profit under each assumption."]
    if worse.total_return == 0.0:
        return [f"{made} is gone first with: {worse.name}."]
    return [f"{made} turns into a loss first with: {worse.name} ({_percent(worse.total_return, 2)})."]


def _commission(found: BreakEven) -> str:
    charged = _percent(found.charged, 4)
    if not found.trades:
        return "No trade was made, so there is no commission at which they break even."
    if not found.without_commission > 0.0:
        return (
            "There is no commission at which the trades break even: without any they return "
            f"{_percent(found.without_commission, 2)}."
        )
    if math.isnan(found.fee_share):
        return "The trades make a profit even if half of the value of each fill goes to commission."
    says = f"The trades break even at a commission of {_percent(found.fee_share, 4)} a fill"
    spare = found.fee_share - found.charged
    if spare > 0.0:
        bear = f"they bear {_percent(spare, 4)} of value a fill in other costs"
        return f"{says}; {charged} was charged, so {bear}."
    return f"{says}, and {charged} was charged: costs take more than the trades make before them."


def _left_out(matrix: FillMatrix) -> list[str]:
    if not matrix.left_out:
        return []
    what = "; ".join(f"{each.name} ({each.reason})" for each in matrix.left_out)
    return [f"Not tried: {what}."]


def _percent(share: float, digits: int) -> str:
    rounded = round(100.0 * share, digits) + 0.0
    return f"{rounded:.{digits}f}\u00a0%".replace("-", "\u2212")
