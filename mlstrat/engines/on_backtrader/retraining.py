"""Retraining inside the run: models are fitted as bars arrive, on the walk-forward's own schedule."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.config import RunConfig
from mlstrat.data.bars import Bars
from mlstrat.engines.on_backtrader.advisor import NO_TRADE, Advice
from mlstrat.features.choose import choose, market_of
from mlstrat.features.matrix import check_length
from mlstrat.features.runner import Runner, seconds_of
from mlstrat.inputs import input_names
from mlstrat.models.transfer import Start
from mlstrat.online import OnlineWalkForward
from mlstrat.predictions import Predictions
from mlstrat.sentiment.align import SentimentSeries
from mlstrat.signals.conformal import AdaptiveConformal
from mlstrat.signals.flags import FlagStream, flag_rules
from mlstrat.signals.rule import FRACTION, SIDE, STOP_PX, TARGET_PX, chosen_side, decide_side, signal_rules
from mlstrat.transfer import load_start
from mlstrat.walkforward import schedule_for

if TYPE_CHECKING:
    from mlstrat.splits import Schedule


class RetrainingAdvisor:
    """Forecasts and decides each bar as it arrives; decisions are those of the batch, bit for bit.

    Parameters
    ----------
    names, lookback
        The models' inputs and their lookbacks.
    schedule : Schedule
        When to refit.
    config : RunConfig
        The run.
    bars : Bars
        Only its timeframe and instrument are read; prices arrive through `advise`.
    mood : SentimentSeries
        Aligned with the bars.
    others : sequence of Bars
        Bars of the other symbols that the features name.
    start : Start, optional
        Another symbol's model that each window starts from.
    choose_side : callable, optional
        Asked at each close for the side to judge, 1, -1 or 0, in place of the one that the score chooses.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        lookback: np.ndarray,
        schedule: Schedule,
        config: RunConfig,
        bars: Bars,
        mood: SentimentSeries,
        others: Sequence[Bars] = (),
        start: Start | None = None,
        choose_side: Callable[[], int] | None = None,
    ) -> None:
        self._choose_side = choose_side
        self._online = OnlineWalkForward(
            names, lookback, schedule, config, bars.timeframe, bars.instrument, mood, others, start
        )
        self._rules = signal_rules(config, bars.instrument.tick)
        self._mood, self._max_bars = mood, config.stops.max_bars
        coverage = config.signals.conformal
        self._conformal = AdaptiveConformal(coverage, config.labels.target_periods) if coverage else None
        rules = flag_rules(config, bars.timeframe, bars.instrument)
        self._flags = FlagStream(rules, bars.timeframe, bars.instrument)

    @property
    def predictions(self) -> Predictions:
        """What was forecast so far, as `walk_forward` returns it."""
        return self._online.predictions()

    def advise(self, bar_index: int, row: FloatArray) -> Advice:
        """Take the bar that closes, refit where a new window begins, and return its candidate."""
        forecast, atr_px = self._online.update(row)
        alone = self._direction_alone(float(row[0]), math.nan if forecast is None else forecast.prob_up)
        flags = self._flags.step(row, atr_px, self._online.novelty)
        given = None if self._choose_side is None else self._choose_side()
        if forecast is None or flags:
            return NO_TRADE
        side = chosen_side(forecast.score, forecast.threshold, self._rules) if given is None else given
        out = np.empty(6)
        heard = float(self._mood.confidence[bar_index]) * self._online.sentiment_share
        mood = float(self._mood.score[bar_index]), heard
        decide_side(side, forecast, mood, float(row[3]), atr_px, self._rules, out)
        if out[SIDE] == 0.0 or alone not in (None, side) or not self._online.confirmed[(1 - side) // 2]:
            return NO_TRADE
        stop, target = float(out[STOP_PX]), float(out[TARGET_PX])
        return Advice(int(out[SIDE]), float(out[FRACTION]), math.nan, stop, target, self._max_bars)

    def _direction_alone(self, open_px: float, prob_up: float) -> int | None:
        """Return the direction alone in the conformal set; None where no set is asked for."""
        return None if self._conformal is None else self._conformal.step(open_px, prob_up)


def retraining_advisor(
    bars: Bars,
    mood: SentimentSeries,
    config: RunConfig,
    others: Sequence[Bars] = (),
    choose_side: Callable[[], int] | None = None,
) -> RetrainingAdvisor:
    """Return an advisor for the run of `config` on these bars.

    Of the bars only the times are used beforehand, to lay the schedule, and whether there is any volume, to
    know which features there are.
    """
    market = market_of(bars, others)
    features = choose(market, config.features.names, config.features.families)
    runner = Runner(features, bars.timeframe.seconds, others)
    lookback = runner.lookbacks(features, seconds_of(bars.close_time))
    check_length(features, lookback, len(bars))
    names = input_names(market, config)
    lookback = np.r_[lookback, np.ones(len(names) - len(features), np.int64)]  # sentiment has none
    schedule = schedule_for(bars, int(lookback.max()) - 1, config)
    start = load_start(config, names, bars.timeframe)
    return RetrainingAdvisor(names, lookback, schedule, config, bars, mood, others, start, choose_side)
