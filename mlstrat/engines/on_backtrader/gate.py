"""The equity breakers, as a strategy asks them."""

from mlstrat.execution.rule import breaker_start, breaker_step, breaker_trade
from mlstrat.execution.types import RiskRules


class BreakerGate:
    """The state of the one breaker function over one run.

    Parameters
    ----------
    rules : RiskRules
        Thresholds, and the cash that the first peak is measured from.
    """

    def __init__(self, rules: RiskRules) -> None:
        self._row = rules.as_row()
        self._state = breaker_start(self._row)

    def trade_closed(self, profit: float) -> None:
        """Take note of a trade that ended with this profit, net of commissions."""
        breaker_trade(self._state, float(profit))

    def allows(self, bar: int, close_seconds: float, cash: float) -> bool:
        """Whether an entry may be made; ask exactly once at every close at which the account is flat.

        Parameters
        ----------
        bar : int
            Index of the bar that closes.
        close_seconds : float
            Its close time in epoch seconds, UTC.
        cash : float
            Cash after all commissions.
        """
        return breaker_step(self._state, bar, close_seconds, float(cash), self._row)
