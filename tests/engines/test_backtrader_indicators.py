from types import SimpleNamespace

import backtrader as bt
import numpy as np
import pytest

from mlstrat.engines.on_backtrader import BarsFeed, EnsembleSignal, SentimentScore, feature_indicator
from mlstrat.errors import ConfigError
from mlstrat.features.matrix import build
from mlstrat.sentiment.align import SentimentSeries


def shown(bars, make, *lines, runonce):
    """Return what the indicator's lines show at every bar."""

    class Viewer(bt.Strategy):
        def __init__(self):
            self.indicator, self.rows = make(self.data), []

        def next(self):
            self.rows.append([getattr(self.indicator, line)[0] for line in lines])

    cerebro = bt.Cerebro(stdstats=False, runonce=runonce)
    cerebro.adddata(BarsFeed(dataname=bars))
    cerebro.addstrategy(Viewer)
    return np.array(cerebro.run()[0].rows)


@pytest.mark.parametrize("runonce", [True, False])
def test_predictions_are_shown_at_their_own_bars_only(bars, runonce):
    part = slice(100, 200)
    up = np.linspace(0.1, 0.9, 100)
    known = SimpleNamespace(time=bars.time[part], prob_up=up, magnitude=up / 10, confidence=1 - up)
    lines = ("prob_up", "magnitude", "confidence")
    rows = shown(bars, lambda data: EnsembleSignal(data, predictions=known), *lines, runonce=runonce)
    assert len(rows) == len(bars)
    np.testing.assert_array_equal(rows[part], np.column_stack([up, up / 10, 1 - up]))
    assert np.isnan(rows[:100]).all()
    assert np.isnan(rows[200:]).all()


@pytest.mark.parametrize("runonce", [True, False])
def test_sentiment_is_shown_bar_by_bar(bars, runonce):
    n = len(bars)
    score, sure = np.sin(np.arange(n)), np.linspace(0, 1, n)
    count, shock = np.arange(n) % 9, np.arange(n) % 5 == 0
    mood = SentimentSeries(bars.time, score, sure, count, shock=shock)
    make = lambda data: SentimentScore(data, mood=mood)  # noqa: E731
    rows = shown(bars, make, "score", "confidence", "count", "shock", runonce=runonce)
    np.testing.assert_array_equal(rows, np.column_stack([score, sure, count, shock]))


@pytest.mark.parametrize("runonce", [True, False])
@pytest.mark.parametrize("name", ["rsi_14", "atr_14", "hour_sin"])
def test_features_are_those_of_the_matrix(bars, name, runonce):
    rows = shown(bars, feature_indicator(name), name, runonce=runonce)
    np.testing.assert_array_equal(rows[:, 0], build(bars, (name,)).column(name))


def test_feature_indicators_are_one_class_a_name():
    assert feature_indicator("rsi_14") is feature_indicator("rsi_14")
    assert feature_indicator("rsi_14").__name__ == "Rsi14Feature"
    with pytest.raises(ConfigError, match=r"'rsi_41' is not registered.*correct the name"):
        feature_indicator("rsi_41")


def test_an_indicator_with_nothing_to_show_is_refused(bars):
    with pytest.raises(ConfigError, match=r"give it mood=\.\.\., one row a bar"):
        shown(bars, SentimentScore, "score", runonce=True)
