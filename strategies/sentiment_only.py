"""Sentiment alone: go with the headlines while they agree; ATR stop and target, by the one execution rule.

python strategies/sentiment_only.py
"""

import math

from mlstrat import Bars, Result, RiskRules, read_bars
from mlstrat.config import SentimentConfig
from mlstrat.engines.on_backtrader import (
    NO_TRADE,
    Advice,
    DecisionStrategy,
    SentimentScore,
    cerebro_for,
    feature_indicator,
)
from mlstrat.execution.rule import bracket
from mlstrat.sentiment.align import SentimentSeries
from mlstrat.sentiment.series import mood_for


class SentimentOnly(DecisionStrategy):
    """Long above `least_score`, short below its negative, flat while nothing is known."""

    params = (("mood", None), ("least_score", 0.2), ("fraction", 0.05), ("max_bars", 24))

    def __init__(self) -> None:
        super().__init__()
        self.sentiment = SentimentScore(self.data, mood=self.p.mood)
        self.atr = feature_indicator("atr_px")(self.data)

    def make_advisor(self) -> "SentimentOnly":
        return self

    def advise(self, bar_index: int, row: object) -> Advice:
        score, close, atr = self.sentiment.score[0], self.data.close[0], self.atr[0]
        side = int(score >= self.p.least_score) - int(score <= -self.p.least_score)
        if side == 0 or math.isnan(atr):
            return NO_TRADE
        stop, target = bracket(side, close, atr, 2.5, 3.5, self.rules.tick)
        return Advice(side, self.p.fraction, math.nan, stop, target, self.p.max_bars)


def run(bars: Bars, mood: SentimentSeries, **params: object) -> Result:
    """Run the strategy with the instrument's tick, step and commission."""
    facts = bars.instrument
    rules = RiskRules(fee_share=facts.fee_share, tick=facts.tick, step=facts.step)
    cerebro = cerebro_for(bars, rules, stdstats=False)
    cerebro.addstrategy(SentimentOnly, mood=mood, **params)
    return cerebro.run()[0].result


if __name__ == "__main__":
    chosen = read_bars("sample:BTCUSDT_1h", start="2021-10-01", end="2022-07-01")
    headlines = SentimentConfig(source="sample:headlines")
    print(run(chosen, mood_for(chosen, headlines)).trades_frame())
