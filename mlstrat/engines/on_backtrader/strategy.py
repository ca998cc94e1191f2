"""`MLStrategy`: predictions, or decisions made from them, as a Backtrader strategy."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mlstrat.config import RunConfig
from mlstrat.data.bars import Bars
from mlstrat.engines.on_backtrader.advisor import Advisor, PrecomputedAdvisor
from mlstrat.engines.on_backtrader.decision_strategy import DecisionStrategy
from mlstrat.engines.on_backtrader.feed import BarsFeed
from mlstrat.errors import ConfigError, DataError
from mlstrat.execution.kernel import check_aligned
from mlstrat.execution.types import Decisions
from mlstrat.sentiment.align import SentimentSeries, neutral


class MLStrategy(DecisionStrategy):
    """Executes predictions, or decisions already made from them.

    Parameters
    ----------
    predictions : Predictions, optional
        Out-of-sample predictions for the feed's bars.
    mood : SentimentSeries, optional
        Sentiment as it was known at each bar; default: none was.
    config : RunConfig, optional
        How predictions become decisions; default `RunConfig()`. In `cerebro.optstrategy` write
        `config=[config]`, since Backtrader takes every iterable as values to try.
    threshold : float, optional
        Entry threshold in [0.5, 1) in place of the configured one, so that
        `cerebro.optstrategy(MLStrategy, threshold=[0.55, 0.6], ...)` works.
    decisions : Decisions, optional
        Decisions already made for the feed's bars; they win over predictions.
    retrain : bool
        Instead of all these: fit the models of `config` inside the run, as bars arrive. The predictions
        are those of the batch walk-forward, bit for bit, and stand in `strategy.advisor.predictions`.
    rules : RiskRules, optional
        As in `DecisionStrategy`.
    """

    params: Any = (
        ("predictions", None),
        ("mood", None),
        ("config", None),
        ("threshold", None),
        ("decisions", None),
        ("retrain", False),
        ("others", ()),
    )

    def make_advisor(self) -> Advisor:
        """Return the given decisions, or those made of the predictions.

        Raises
        ------
        ConfigError
            Neither decisions nor predictions, a bad threshold or config, or predictions without `BarsFeed`.
        DataError
            Decisions, predictions or mood that are not those of the feed's bars.
        """
        if self.p.retrain:
            return retraining(self.data, self.p)
        decisions: Decisions | None = self.p.decisions
        if decisions is not None and self.p.threshold is not None:
            raise ConfigError(
                "MLStrategy was given a threshold with decisions already made: give the predictions instead."
            )
        if decisions is None:
            decisions = decided(self.data, self.p)
        if isinstance(self.data, BarsFeed):
            check_aligned(self.data.bars, decisions)
        return PrecomputedAdvisor(decisions)


def retraining(data: Any, params: Any, choose_side: Callable[[], int] | None = None) -> Advisor:
    """Return the advisor that fits the models inside the run, for the parameters of a strategy."""
    from mlstrat.engines.on_backtrader.retraining import retraining_advisor

    if params.predictions is not None or params.decisions is not None:
        raise ConfigError("MLStrategy was told to retrain and given what to trade on: leave out one of them.")
    bars = _bars_of(data)
    return retraining_advisor(bars, _mood(params, bars), _config(params), params.others, choose_side)


def decided(data: Any, params: Any, side: int | None = None) -> Decisions:
    """Return the decisions made of the predictions, for the parameters of a strategy.

    With `side` 1 or -1 that side is judged at every bar, in place of the one that the score chooses.
    """
    from mlstrat.features.matrix import build
    from mlstrat.signals.confirmation import confirmed_at
    from mlstrat.signals.decide import decide

    if params.predictions is None:
        raise ConfigError(
            "MLStrategy has nothing to trade on: give it predictions, decisions or retrain=True."
        )
    bars, config = _bars_of(data), _config(params)
    mood = _mood(params, bars)
    _refuse_other_bars("predictions", params.predictions, bars)
    atr_px = build(bars, ("atr_px",)).column("atr_px")
    confirmed = confirmed_at(bars, config, params.others)
    sides = None if side is None else np.full(len(bars), side, np.int8)
    return decide(bars, params.predictions, mood, atr_px, config, confirmed=confirmed, sides=sides)


def _mood(params: Any, bars: Bars) -> SentimentSeries:
    if params.mood is None:
        return neutral(bars)
    _refuse_other_bars("mood", params.mood, bars)
    mood: SentimentSeries = params.mood
    return mood


def _refuse_other_bars(name: str, table: Any, bars: Bars) -> None:
    if not np.array_equal(table.time, bars.time):
        raise DataError(
            f"{name} of {len(table):,} rows do not match the feed's {len(bars):,} bars: "
            "make them of the bars that you feed."
        )


def _bars_of(data: Any) -> Bars:
    if not isinstance(data, BarsFeed):
        raise ConfigError(
            f"MLStrategy decides on bars, and {type(data).__name__} holds none: "
            "feed BarsFeed(dataname=bars), or give the decisions."
        )
    return data.bars


def _config(params: Any) -> RunConfig:
    config = RunConfig() if params.config is None else params.config
    if not isinstance(config, RunConfig):
        raise ConfigError(
            f"MLStrategy was given {type(config).__name__} as config: give a RunConfig; "
            "in cerebro.optstrategy write config=[config]."
        )
    if params.threshold is None:
        return config
    threshold = float(params.threshold)
    if not 0.5 <= threshold < 1.0:
        raise ConfigError(
            f"MLStrategy's threshold is {threshold:g}; give a number in [0.5, 1), such as 0.55."
        )
    signals = config.signals.model_copy(update={"threshold": threshold})
    return config.model_copy(update={"signals": signals})
