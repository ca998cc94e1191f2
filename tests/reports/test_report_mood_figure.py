"""The figure of sentiment over price: what a day shows, what is shaded, and what it weighs on the page."""

import re
from dataclasses import replace

import numpy as np
import pytest

from mlstrat.data.bars import Bars
from mlstrat.data.instrument import Instrument
from mlstrat.data.timeframe import Timeframe
from mlstrat.reports import page
from mlstrat.reports.mood_figure import reduced, sentiment
from mlstrat.reports.story import Story
from mlstrat.sentiment.align import SentimentSeries

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")


def walk(n: int) -> Bars:
    close = 100.0 * np.exp(np.cumsum(np.random.default_rng(1).normal(0.0, 0.01, n)))
    time = np.datetime64("2023-01-01T00", "h") + np.arange(n)
    same = (close,) * 4
    return Bars(time, *same, np.ones(n), "TESTUSD", Timeframe("1h"), Instrument("TESTUSD"))


def mood_of(bars: Bars, known: np.ndarray) -> SentimentSeries:
    n = len(bars)
    score = np.where(known, np.sin(np.arange(n) / 30), 0.0)
    trust = np.where(known, 0.4 + 0.3 * np.cos(np.arange(n) / 50), 0.0)
    return SentimentSeries(bars.time, score, trust, known * 7, shock=known & (np.arange(n) % 500 == 100))


def test_a_day_shows_its_last_close() -> None:
    bars = walk(24 * 9 + 5)
    mood = mood_of(bars, np.arange(len(bars)) > 60)
    drawn = reduced(bars, mood, 1000)
    last = [*range(23, 24 * 9, 24), 24 * 9 + 4]
    np.testing.assert_array_equal(drawn.price, bars.close[last])
    np.testing.assert_array_equal(drawn.confidence, mood.confidence[last])
    np.testing.assert_allclose(drawn.score, mood.score[last], rtol=1e-14)
    np.testing.assert_array_equal(drawn.count, mood.count[last])
    assert drawn.shock.tolist() == [False] * 4 + [True] + [False] * 5
    assert str(drawn.edge[0]) == "2023-01-01T00:00:00"
    assert str(drawn.edge[-1]) == "2023-01-10T05:00:00"


def test_more_days_than_pixels_are_joined() -> None:
    bars = walk(24 * 10)
    mood = mood_of(bars, np.ones(240, bool))
    drawn = reduced(bars, mood, 5)
    last = np.arange(23, 240, 24)
    trust, score = mood.confidence[last].reshape(5, 2), mood.score[last].reshape(5, 2)
    np.testing.assert_array_equal(drawn.price, bars.close[last[1::2]])
    np.testing.assert_allclose(drawn.confidence, trust.mean(axis=1), rtol=1e-14)
    np.testing.assert_allclose(drawn.score, np.average(score, axis=1, weights=trust), rtol=1e-14)


def test_unknown_months_are_shaded_and_named() -> None:
    bars = walk(24 * 365)
    months = bars.time.astype("datetime64[M]").astype(int) % 12
    some = sentiment(bars, mood_of(bars, (months > 2) & (months != 6)), 960)
    whole = sentiment(bars, mood_of(bars, np.ones(len(bars), bool)), 960)
    assert (some.count("unknown"), whole.count("unknown")) == (2, 0)  # what comes before April, and July
    nothing = sentiment(bars, mood_of(bars, np.zeros(len(bars), bool)), 340)
    assert nothing.count("unknown") == 1


def test_many_years_stay_light() -> None:
    bars = walk(24 * 365 * 6)
    mood = mood_of(bars, np.ones(len(bars), bool))
    drawn = [sentiment(bars, mood, width) for width in (960, 340)]
    assert sum(len(text) for text in drawn) < 300_000
    assert not re.search(r"\b(nan|inf)\b", " ".join(drawn))
    assert drawn[0] == sentiment(bars, mood, 960)


def test_the_report_has_the_figure_where_the_run_has_headlines(story: Story) -> None:
    told = replace(story, mood=mood_of(story.bars, np.arange(len(story.bars)) < 700), sentiment_share=0.5)
    numbers = page.measure(told)
    html = page.render(told, numbers, links=[])
    titles = re.findall(r"<h2>(.*?)</h2>", html)
    assert titles[titles.index("Sentiment") - 1] == "Were the forecasts any good?"
    assert "known on 50.0\u00a0% of the predicted bars" in html
    assert "<h2>Sentiment</h2>" not in page.render(story, page.measure(story), links=[])


def test_the_mood_is_cut_with_the_bars(story: Story) -> None:
    mood = mood_of(story.bars, np.ones(len(story.bars), bool))
    judged = replace(story, mood=mood).judged
    assert judged.mood is not None
    np.testing.assert_array_equal(judged.mood.time, judged.bars.time)
    np.testing.assert_array_equal(judged.mood.score, mood.score[story.first :])
    assert story.judged.mood is None
