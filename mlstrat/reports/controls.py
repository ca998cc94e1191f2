"""What the honesty checks of a run came to; `mlstrat.controls` computes them."""

from __future__ import annotations

from dataclasses import dataclass

from mlstrat.bootstrap import Interval


@dataclass(frozen=True)
class SeedRow:
    """The run under one seed: log loss and its gain over the base rate in nats, and what trading made."""

    seed: int
    log_loss: float
    skill: float
    sharpe: float
    total_return: float
    trades: int


@dataclass(frozen=True)
class Controls:
    """Checks beside a run.

    Parameters
    ----------
    permuted : Interval, optional
        Log loss gained over the base rate, in nats, by models that learned permuted labels: near 0 where no
        later bar leaks into the forecasts. None = not asked for.
    seeds : tuple of SeedRow
        The run itself first, then the same run under other seeds; empty = not asked for.
    """

    permuted: Interval | None
    seeds: tuple[SeedRow, ...]
