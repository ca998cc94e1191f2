"""The tables of the honesty checks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from mlstrat.bootstrap import Interval
from mlstrat.predictions import Window
from mlstrat.reports.ablation import Ablation
from mlstrat.reports.controls import SeedRow
from mlstrat.reports.tables import Table
from mlstrat.reports.wording import count, day, number, percent


def permuted(skill: Interval) -> Table:
    """Return what models gained that learned permuted labels."""
    bounds = f"{number(skill.low, 5, signed=True)} to {number(skill.high, 5, signed=True)}"
    return Table(
        ("Models that learned", "Log loss gained", "95 % interval of the gain"),
        [("permuted labels", number(skill.estimate, 5, signed=True), bounds)],
    )


def seeds(rows: Sequence[SeedRow]) -> Table:
    """Return the run under each seed, and how far the numbers lie apart."""
    body = [(str(r.seed), r.log_loss, r.skill, r.sharpe, r.total_return, r.trades) for r in rows]
    columns = np.array([row[1:] for row in body], np.float64)
    body.append(("Standard deviation", *columns.std(axis=0, ddof=1).tolist()))
    return Table(
        ("Seed", "Log loss", "Gain over the base rate", "Sharpe", "Return", "Trades"),
        [
            (
                name,
                number(loss, 5),
                number(skill, 5, signed=True),
                number(sharpe),
                percent(total, 2, signed=True),
                number(trades, 0 if float(trades).is_integer() else 1),
            )
            for name, loss, skill, sharpe, total, trades in body
        ],
    )


def ablation(made: Ablation) -> Table:
    """Return the run without sentiment, as it is, and with sentiment at its whole weight."""
    return Table(
        ("Sentiment", "Log loss of the odds", "Gain", "95 % interval", "Trades", "Return", "Sharpe"),
        [
            (
                row.name,
                number(row.loss, 5),
                number(row.gain.estimate, 5, signed=True),
                f"{number(row.gain.low, 5, signed=True)} to {number(row.gain.high, 5, signed=True)}",
                number(row.trades, 0),
                percent(row.total_return, 2, signed=True),
                number(row.sharpe),
            )
            for row in (made.without, made.gated, made.always)
        ],
    )


def gates(windows: Iterable[Window]) -> Table:
    """Return what each window that knew any sentiment judged of it."""
    return Table(
        ("Window", "Fitted at", "Bars with sentiment before", "Gain there", "Lower bound", "Sentiment"),
        [
            (
                str(window.fold + 1),
                day(window.cut),
                count(window.sentiment.bars),
                number(window.sentiment.gain, 5, signed=True),
                number(window.sentiment.low, 5, signed=True),
                "counts" if window.sentiment.share else "has no vote",
            )
            for window in windows
            if window.sentiment.bars
        ],
    )
