"""Everything that the windows of a walk-forward read, aligned with the bars."""

from __future__ import annotations

from dataclasses import dataclass

from mlstrat.arrays import FloatArray
from mlstrat.config import RunConfig
from mlstrat.data.bars import Bars
from mlstrat.features.matrix import FeatureMatrix
from mlstrat.labels import HorizonLabels, TradeOutcomes, horizon_labels, trade_outcomes
from mlstrat.models.transfer import Start
from mlstrat.sentiment.align import SentimentSeries, check_mood
from mlstrat.signals.terms import risk_rules


@dataclass(frozen=True, eq=False)
class Panel:
    """Everything the walk-forward reads, aligned with the bars.

    Parameters
    ----------
    bars : Bars
        The bars.
    features : FeatureMatrix
        Model inputs.
    atr_px : (n_bars,) float64
        ATR(14) in price, for stops.
    mood : SentimentSeries
        What sentiment was known at each close.
    labels : HorizonLabels
        The move over the horizon.
    outcomes : TradeOutcomes
        The outcome of each bar's trade, per side.
    start : Start, optional
        Another symbol's model that each window starts from, in the columns of the features.
    """

    bars: Bars
    features: FeatureMatrix
    atr_px: FloatArray
    mood: SentimentSeries
    labels: HorizonLabels
    outcomes: TradeOutcomes
    start: Start | None = None

    def __post_init__(self) -> None:
        check_mood(self.mood, self.bars)


def make_panel(
    bars: Bars,
    features: FeatureMatrix,
    atr_px: FloatArray,
    mood: SentimentSeries,
    config: RunConfig,
    start: Start | None = None,
) -> Panel:
    """Label the bars and gather what the walk-forward reads."""
    stops = config.stops
    outcomes = trade_outcomes(
        bars,
        atr_px,
        risk_rules(config, bars),
        stop_atr=stops.atr,
        target_atr=stops.target_atr,
        max_bars=stops.max_bars,
    )
    labels = horizon_labels(bars, config.labels.target_periods)
    return Panel(bars, features, atr_px, mood, labels, outcomes, start)
