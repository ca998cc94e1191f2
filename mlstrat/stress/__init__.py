"""Stress: what is left of a result when fills and costs are worse than assumed."""

from mlstrat.stress.assumption import Assumption
from mlstrat.stress.breakeven import BreakEven, break_even
from mlstrat.stress.kernel import simulate_under
from mlstrat.stress.matrix import (
    FillMatrix,
    FillRow,
    LeftOut,
    first_killer,
    first_loss,
    pessimistic_fills,
)
from mlstrat.stress.sentences import sentences

__all__ = [
    "Assumption",
    "BreakEven",
    "FillMatrix",
    "FillRow",
    "LeftOut",
    "break_even",
    "first_killer",
    "first_loss",
    "pessimistic_fills",
    "sentences",
    "simulate_under",
]
