"""Where a run is cut, what was there, and what tells two columns apart."""

import numpy as np
import pytest

from mlstrat.config_sentiment import SentimentConfig
from mlstrat.data.synthetic import random_walk
from mlstrat.errors import DataError
from mlstrat.lookahead.alone import cut_alone
from mlstrat.lookahead.compare import Compared, compare, unlike_bits
from mlstrat.lookahead.cuts import choose_cuts
from mlstrat.lookahead.past import Past, known_at
from mlstrat.lookahead.planted import next_sides, with_headline
from mlstrat.lookahead.texts import Texts, seen_later, texts_known
from mlstrat.pipeline import load_panel
from mlstrat.sentiment.align import neutral
from mlstrat.sentiment.headlines import Headlines
from mlstrat.splits import Schedule

HOUR = np.timedelta64(1, "h")
START = np.datetime64("2023-01-01T00:00", "ns")


def schedule_of(closes, windows):
    return Schedule(closes[windows], closes[-1] + HOUR, np.timedelta64(0, "ns"), True, 0)


def test_cuts_are_spread_drawn_by_seed_and_lie_at_trades():
    closes = START + np.arange(1, 1001) * HOUR
    fold = np.r_[np.full(100, -1), np.repeat(np.arange(9), 100)]
    side = np.zeros(1000, np.int8)
    side[150::100] = 1
    schedule = schedule_of(closes, [100 + 100 * k for k in range(9)])
    asked = {"count": 3, "soon": 5}
    for seed in range(20):
        cuts = choose_cuts(fold, side, schedule, closes, seed=seed, **asked)
        assert cuts == choose_cuts(fold, side, schedule, closes, seed=seed, **asked)
        assert [cut.window // 3 for cut in cuts] == [0, 1, 2]  # one of every three windows
        for cut in cuts:
            assert fold[cut.bar] == cut.window
            assert cut.first == cut.fitted == 100 + 100 * cut.window
        assert cuts[0].first < cuts[0].bar <= cuts[0].first + 5  # no trade so soon
        assert [cut.bar for cut in cuts[1:]] == [150 + 100 * cut.window for cut in cuts[1:]]
    everywhere = {choose_cuts(fold, side, schedule, closes, seed=seed, **asked) for seed in range(20)}
    assert len(everywhere) > 10


def test_there_are_fewer_cuts_where_windows_are_short_and_none_without_a_later_bar():
    closes = START + np.arange(1, 11) * HOUR
    fold, side = np.array([-1] * 6 + [0, 0, 0, 0]), np.zeros(10, np.int8)
    schedule = schedule_of(closes, [6])
    cuts = choose_cuts(fold, side, schedule, closes, count=9, seed=0, soon=5)
    assert {cut.bar for cut in cuts} <= {7, 8}
    assert len(cuts) == len(set(cuts))
    with pytest.raises(DataError, match="so that there is nothing to cut: run on more bars"):
        choose_cuts(np.where(np.arange(10) < 8, -1, fold), side, schedule, closes, count=1, seed=0, soon=5)


def test_bits_decide_and_no_number_equals_no_number():
    told = np.array([1.0, np.nan, 0.0, np.nan])
    made = np.array([np.nextafter(1.0, 2.0), -np.nan, -0.0, 3.0])
    assert unlike_bits(told, told.copy()).tolist() == [False] * 4
    assert unlike_bits(told, made).tolist() == [True, False, True, True]
    times = np.array(["NaT", "2023-01-01"], "datetime64[ns]")
    assert unlike_bits(times, times.copy()).tolist() == [False, False]
    assert unlike_bits(times, times[::-1]).tolist() == [True, True]
    assert unlike_bits(np.zeros(2), np.zeros(2, np.int64)).all()


def test_the_first_difference_is_the_earliest_bar_of_any_column():
    time = START + np.arange(10) * HOUR
    columns = {
        "a": (np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 4.0])),
        "b": (np.array([1, 2, 3]), np.array([1, 5, 6])),
    }
    found = compare("features", columns, time, 4, 6)
    assert (found.values, found.different) == (6, 3)
    assert str(found.first) == (
        "b at bar 5 (2023-01-01T05:00) is 2 with all data, and 5 without what came after bar 6"
    )
    both = Compared("features", 4) + found
    assert (both.values, both.different, both.first) == (10, 3, found.first)


def test_bars_of_other_symbols_end_with_the_cut_too(tiny_config):
    bars, other = random_walk(400, 1), random_walk(120, 2, timeframe="4h", symbol="OTHER")
    features = tiny_config.features.model_copy(update={"names": ("ret_1", "rsi_14@OTHER")})
    config = tiny_config.model_copy(update={"features": features})
    panel = load_panel(bars, neutral(bars), config, (other,))
    past = Past(config, panel, (other,), None, None, schedule_of(bars.close_time, [300]), {}, {}, ())
    known = known_at(past, 333)
    assert len(known.panel.bars) == 334
    (closed,) = known.others
    assert closed.close_time[-1] <= bars.close_time[333] < other.close_time[len(closed)]
    np.testing.assert_array_equal(known.panel.features.values, panel.features.values[:334])


def test_an_array_function_of_another_symbol_is_cut_on_its_own_bars(tiny_config):
    pytest.importorskip("ta")
    bars, other = random_walk(400, 1), random_walk(120, 2, timeframe="4h", symbol="OTHER")
    name = "ta.roc(window=5)@OTHER"
    features = tiny_config.features.model_copy(update={"names": ("ret_1", name)})
    config = tiny_config.model_copy(update={"features": features})
    panel = load_panel(bars, neutral(bars), config, (other,))
    past = Past(config, panel, (other,), None, None, schedule_of(bars.close_time, [300]), {}, {}, ())
    told = cut_alone(past, 0, unlike_bits)
    # A rate of change over 5 bars has its first value at bar 5, and the last bar has no later one.
    assert (told.functions, told.steps, told.bars) == ((name,), 1, 120 - 5 - 1)
    assert (told.found.different, told.found.rounded) == (0, 0)
    # One block holds all these bars: a cut at bar t compares bars 5 to t.
    assert told.found.values == sum(t - 4 for t in range(5, 119))


def texts_at(published, seen):
    n = len(published)
    headlines = Headlines(
        np.array(published, "datetime64[ns]"),
        np.ones(n, bool),
        tuple(f"text {k}" for k in range(n)),
        ("",) * n,
        seen_at=np.array(seen, "datetime64[ns]"),
    )
    return Texts(headlines, np.linspace(-1, 1, n), np.ones(n))


def test_texts_count_by_the_rule_of_the_run():
    published = ["2023-01-01T01:00", "2023-01-01T02:00", "2023-01-01T03:00"]
    texts = texts_at(published, ["2023-01-01T05:00", "2023-01-01T02:01", "2023-01-01T03:30"])
    for rule, kept in (("published", (0, 1)), ("seen", (1,))):
        cfg = SentimentConfig(source="news.csv", known_by=rule, latency_minutes=10.0)
        known = texts_known(texts, cfg, "BTCUSDT", np.datetime64("2023-01-01T03:05", "ns"), None)
        assert known.headlines.texts == tuple(f"text {k}" for k in kept)
        assert known.polarity.tolist() == [texts.polarity[k] for k in kept]
        assert seen_later(texts, cfg) == (2 if rule == "published" else 0)


def test_a_planted_headline_stands_in_order():
    texts = texts_at(["2023-01-01T01:00", "2023-01-01T03:00"], ["2023-01-01T01:00", "2023-01-01T03:00"])
    more = with_headline(texts, np.datetime64("2023-01-01T02:00", "ns"))
    assert (more.headlines.texts[0], more.headlines.texts[2]) == ("text 0", "text 1")
    assert more.polarity.tolist() == [-1.0, 1.0, 1.0]
    assert len(with_headline(None, np.datetime64("2023-01-01T02:00", "ns")).headlines) == 1


def test_the_side_of_the_next_close_is_not_known_at_the_last_bar():
    bars = random_walk(50, 3)
    sides = next_sides(bars)
    assert sides[-1] == 0
    assert all(sides[t] == (1 if bars.close[t + 1] > bars.close[t] else -1) for t in range(49))
