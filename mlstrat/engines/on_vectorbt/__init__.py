"""vectorbt as an engine: the same decisions trade for trade, and its portfolios of results of any engine.

Importing this package needs vectorbt and takes seconds; nothing outside it does.
"""

from mlstrat.errors import MissingExtraError

try:
    import vectorbt as _vectorbt  # noqa: F401
except ImportError as error:
    raise MissingExtraError("vectorbt", "vectorbt", "The vectorbt engine") from error

from mlstrat.engines.on_vectorbt.rule_portfolio import RulePortfolio, orders_of, portfolio
from mlstrat.engines.on_vectorbt.signal import MLSignal
from mlstrat.engines.on_vectorbt.simulation import simulate

__all__ = ["MLSignal", "RulePortfolio", "orders_of", "portfolio", "simulate"]
