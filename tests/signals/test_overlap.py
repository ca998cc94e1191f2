"""The correlation of models and sentiment, and the warning where one opinion counts twice."""

import math
from dataclasses import replace

import numpy as np
import pytest

from mlstrat.errors import DataError
from mlstrat.sentiment.align import SentimentSeries, neutral
from mlstrat.signals.overlap import WINDOW, overlap_of


def mood_like(run, share, seed=0):
    """Sentiment known on half of the bars, of which a share repeats what the models say."""
    draw = np.random.default_rng(seed)
    n = len(run.predictions)
    known = draw.random(n) < 0.6
    prob = np.nan_to_num(run.predictions.prob_up, nan=0.5)
    centred = (prob - np.nanmean(run.predictions.prob_up)) / np.nanstd(run.predictions.prob_up)
    score = np.clip(0.2 * (share * centred + (1 - share) * draw.normal(size=n)), -1, 1)
    return SentimentSeries(
        run.panel.bars.time, np.where(known, score, 0.0), known * 0.5, known.astype(np.int64)
    )


@pytest.mark.parametrize("share", [0.0, 0.5, 0.95])
def test_it_is_numpys_correlation_over_the_bars_that_have_both(tiny_run, share):
    mood, prob = mood_like(tiny_run, share), tiny_run.predictions.prob_up
    found = overlap_of(tiny_run.predictions, mood)
    both = [t for t in range(len(prob)) if not math.isnan(prob[t]) and mood.confidence[t] > 0]
    assert found.bars == len(both) > WINDOW + 300
    assert found.whole == pytest.approx(np.corrcoef(prob[both], mood.score[both])[0, 1], abs=1e-12)
    for place in range(0, len(both), 37):
        t = both[place]
        if place + 1 < WINDOW:
            assert math.isnan(found.rolling[t])
            continue
        last = both[place + 1 - WINDOW : place + 1]
        assert found.rolling[t] == pytest.approx(np.corrcoef(prob[last], mood.score[last])[0, 1], abs=1e-10)
    without = np.setdiff1d(np.arange(len(prob)), both)
    assert np.isnan(found.rolling[without]).all()
    assert found.highest == np.nanmax(found.rolling)


def test_later_bars_change_no_earlier_correlation(tiny_run):
    mood = mood_like(tiny_run, 0.5)
    whole = overlap_of(tiny_run.predictions, mood).rolling
    later = tiny_run.predictions.prob_up.copy()
    later[3000:] = 0.9
    changed = overlap_of(replace(tiny_run.predictions, prob_up=later), mood).rolling
    np.testing.assert_array_equal(changed[:3000], whole[:3000])


def test_above_point_eight_it_warns_of_one_opinion_counted_twice(tiny_run):
    quiet = overlap_of(tiny_run.predictions, mood_like(tiny_run, 0.3)).sentences()
    assert len(quiet) == 1
    assert "correlate by 0." in quiet[0]
    loud = overlap_of(tiny_run.predictions, mood_like(tiny_run, 0.97)).sentences()
    assert "counts one opinion twice there; lower signals.sentiment_weight." in loud[1]


def test_where_nothing_is_known_or_nothing_varies_there_is_no_number(tiny_run):
    none = overlap_of(tiny_run.predictions, neutral(tiny_run.panel.bars))
    assert (none.bars, none.sentences()) == (0, [])
    assert np.isnan([none.whole, none.highest, none.warned_share]).all()
    time, n = tiny_run.panel.bars.time, len(tiny_run.predictions)
    same = SentimentSeries(time, np.full(n, 0.3), np.full(n, 0.5), np.ones(n, np.int64))
    found = overlap_of(tiny_run.predictions, same)
    assert np.isnan(found.rolling).all()
    assert "where one does not vary" in found.sentences()[0]
    few = np.arange(n) >= n - 100
    short = mood_like(tiny_run, 0.5)
    short = SentimentSeries(time, short.score * few, short.confidence * few, short.count * few)
    assert "too few to watch how that changes" in overlap_of(tiny_run.predictions, short).sentences()[0]


def test_sentiment_of_other_bars_is_refused(tiny_run):
    mood = neutral(tiny_run.panel.bars)
    with pytest.raises(DataError, match="are of other bars: align the sentiment"):
        overlap_of(tiny_run.predictions, mood.head(5))
