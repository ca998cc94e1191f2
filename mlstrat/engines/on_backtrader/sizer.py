"""`KellySizer`: the quantity that the advice of this close asks for, by the one sizing rule."""

from typing import Any

import backtrader as bt

from mlstrat.engines.on_backtrader.advisor import Advice
from mlstrat.errors import ConfigError
from mlstrat.execution.rule import units_for
from mlstrat.execution.types import RiskRules


class KellySizer(bt.Sizer):  # type: ignore[misc]
    """Sizes entries from the fraction (or the units) of the strategy's current advice.

    The Kelly fraction itself is made with the decision; this turns it into a quantity on the
    instrument's grid that the account can pay: `cerebro.addsizer(KellySizer)`. A strategy of one's own
    can use it by setting `self.advice = Advice(...)` and `self.rules = RiskRules(...)` before it buys.

    Raises
    ------
    ConfigError
        The strategy gives no advice or no rules.
    """

    def _getsizing(self, comminfo: Any, cash: float, data: Any, isbuy: bool) -> float:
        advice = getattr(self.strategy, "advice", None)
        rules = getattr(self.strategy, "rules", None)
        if not isinstance(advice, Advice) or not isinstance(rules, RiskRules):
            raise ConfigError(
                f"KellySizer finds no advice and rules on {type(self.strategy).__name__}: "
                "use it with MLStrategy, or set self.advice and self.rules before buying."
            )
        equity = float(self.broker.getvalue())
        return units_for(equity, data.close[0], advice.fraction, advice.units, rules.as_row())
