"""The funnel: how many bars came through each step, and what stopped the rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlstrat.execution.types import Decisions, Result

# Stages of `Decisions.stage`: the last step that a bar passed.
BAR, PREDICTED, THRESHOLD, KELLY, QUALITY = range(5)


@dataclass(frozen=True)
class Funnel:
    """Bars that passed each step, in the order in which they are asked."""

    bars: int
    predicted: int
    above_threshold: int
    positive_kelly: int
    quality: int
    unflagged: int
    confirmed: int
    flat: int
    breaker: int
    quantity: int
    trades: int

    def steps(self) -> list[tuple[str, int]]:
        """Return (step, bars that passed it), in order."""
        return [
            ("bars", self.bars),
            ("predicted out of sample", self.predicted),
            ("above the entry threshold", self.above_threshold),
            ("positive Kelly fraction", self.positive_kelly),
            ("signal quality", self.quality),
            ("no data flag", self.unflagged),
            ("confirmed", self.confirmed),
            ("while flat", self.flat),
            ("no breaker open", self.breaker),
            ("quantity above zero", self.quantity),
            ("trades", self.trades),
        ]


def funnel_of(decisions: Decisions, result: Result) -> Funnel:
    """Count how far the bars of a run came."""

    def reached(stage: int) -> int:
        return int(np.sum(decisions.stage >= stage))

    allowed = result.sent - result.blocked
    return Funnel(
        bars=len(decisions),
        predicted=reached(PREDICTED),
        above_threshold=reached(THRESHOLD),
        positive_kelly=reached(KELLY),
        quality=reached(QUALITY),
        unflagged=int(np.sum((decisions.stage >= QUALITY) & (decisions.flags == 0))),
        confirmed=int(np.count_nonzero(decisions.side)),
        flat=result.sent,
        breaker=allowed,
        quantity=allowed - result.zero_units,
        trades=len(result.trades),
    )
