"""The tables of worse fills and of the break-even commission."""

from __future__ import annotations

from mlstrat.reports.tables import Table
from mlstrat.reports.wording import count, number, percent
from mlstrat.stress import BreakEven, FillMatrix, FillRow


def fills(matrix: FillMatrix) -> Table:
    """Return the same decisions under each assumption, from mild to severe."""
    return Table(
        ("Fills", "Return", "p", "Edge", "Sharpe", "95 % interval", "Trades", "Cost of a market fill"),
        [_fill(row) for row in matrix.rows],
    )


def _fill(row: FillRow) -> tuple[str, ...]:
    sharpe = row.sharpe
    return (
        row.name,
        percent(row.total_return, 2, signed=True),
        number(row.p, 3),
        "yes" if row.edge else "no",
        number(sharpe.estimate),
        f"{number(sharpe.low, signed=True)} to {number(sharpe.high, signed=True)}",
        count(row.trades),
        f"{number(row.fill_cost * 1e4, 4 if 0.0 < row.fill_cost < 1e-5 else 2)}\u00a0bp",
    )


def break_even(found: BreakEven) -> Table:
    """Return what commission the trades can bear."""
    return Table(
        ("Item", "Value"),
        [
            ("Commission of one fill at which the return is zero", percent(found.fee_share, 4)),
            ("Commission of one fill as charged", percent(found.charged, 4)),
            ("Return as charged", percent(found.total_return, 2, signed=True)),
            ("Return without commission", percent(found.without_commission, 2, signed=True)),
            (
                "Profit before commission, of value bought and sold",
                percent(found.gross_per_traded, 4, signed=True),
            ),
        ],
    )
