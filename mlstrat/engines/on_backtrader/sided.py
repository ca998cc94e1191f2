"""`SidedStrategy`: a rule of one's own says which side, the models say whether to take it and how much."""

from typing import Any

from mlstrat.arrays import FloatArray
from mlstrat.engines.on_backtrader.advisor import NO_TRADE, Advice, Advisor, PrecomputedAdvisor
from mlstrat.engines.on_backtrader.strategy import MLStrategy, decided, retraining
from mlstrat.errors import ConfigError

_SIDES = (1, -1)


class SidedStrategy(MLStrategy):
    """An `MLStrategy` whose side is chosen by `choose_side`, which subclasses give; the score has no say.

    The trade is judged by the odds of that side: Kelly's fraction above 0, quality, breakers on data,
    conformal set and conditions, as `decide(..., sides=...)` does in batch. Parameters are those of
    `MLStrategy`, with predictions or `retrain=True`.
    """

    def choose_side(self) -> int:
        """Return 1, -1 or 0 at the close of the current bar; asked once at every bar, flat or not."""
        raise NotImplementedError("a SidedStrategy needs a side: return 1, -1 or 0 from choose_side.")

    def make_advisor(self) -> Advisor:
        """Return who judges the sides that `choose_side` gives.

        Raises
        ------
        ConfigError
            Decisions already made, which have their sides, or as for `MLStrategy`.
        DataError
            Predictions or mood that are not those of the feed's bars.
        """
        if self.p.decisions is not None or self.p.threshold is not None:
            raise ConfigError(
                f"{type(self).__name__} chooses the side itself and was given decisions or a threshold: give "
                "predictions or retrain=True."
            )
        if self.p.retrain:
            return retraining(self.data, self.p, self._side)
        return _Judged(self)

    def _side(self) -> int:
        side = self.choose_side()
        if side not in (0, *_SIDES):
            raise ConfigError(f"choose_side of {type(self).__name__} gave {side!r}: return 1, -1 or 0.")
        return int(side)


class _Judged:
    """Judges a side by decisions made beforehand for both: at a bar neither depends on any other choice."""

    def __init__(self, strategy: Any) -> None:
        self._side = strategy._side
        self._by_side = {
            side: PrecomputedAdvisor(decided(strategy.data, strategy.p, side)) for side in _SIDES
        }

    def advise(self, bar_index: int, row: FloatArray) -> Advice:
        """Return the candidate of the side chosen at this close."""
        side = self._side()
        return self._by_side[side].advise(bar_index, row) if side else NO_TRADE
