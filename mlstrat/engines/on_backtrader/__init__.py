"""Backtrader as an engine: the same decisions, executed trade for trade as the kernel executes them.

Importing this package needs Backtrader; nothing outside it does.
"""

from mlstrat.errors import MissingExtraError

try:
    import backtrader as _backtrader  # noqa: F401
except ImportError as error:
    raise MissingExtraError("backtrader", "backtrader", "The Backtrader engine") from error

from mlstrat.engines.on_backtrader.advisor import NO_TRADE, Advice, Advisor, PrecomputedAdvisor
from mlstrat.engines.on_backtrader.broker import RuleBroker
from mlstrat.engines.on_backtrader.decision_strategy import DecisionStrategy, EngineWarning
from mlstrat.engines.on_backtrader.feed import BarsFeed
from mlstrat.engines.on_backtrader.indicators import EnsembleSignal, SentimentScore, feature_indicator
from mlstrat.engines.on_backtrader.plot import plot
from mlstrat.engines.on_backtrader.recorder import Recorder
from mlstrat.engines.on_backtrader.run import cerebro_for, run
from mlstrat.engines.on_backtrader.sided import SidedStrategy
from mlstrat.engines.on_backtrader.sizer import KellySizer
from mlstrat.engines.on_backtrader.strategy import MLStrategy

__all__ = [
    "NO_TRADE",
    "Advice",
    "Advisor",
    "BarsFeed",
    "DecisionStrategy",
    "EngineWarning",
    "EnsembleSignal",
    "KellySizer",
    "MLStrategy",
    "PrecomputedAdvisor",
    "Recorder",
    "RuleBroker",
    "SentimentScore",
    "SidedStrategy",
    "cerebro_for",
    "feature_indicator",
    "plot",
    "run",
]
