"""From a configuration to the mood of a run's bars."""

import subprocess
import sys

import numpy as np
import pytest

from mlstrat.config import SentimentConfig
from mlstrat.data.bars import Bars
from mlstrat.data.instrument import Instrument
from mlstrat.data.timeframe import Timeframe
from mlstrat.errors import DataError
from mlstrat.sentiment.series import mood_for

HOUR = Timeframe("1h")


def make_bars(start, n, symbol="BTCUSDT"):
    time = np.datetime64(start, "ns") + np.arange(n) * HOUR.delta
    flat = np.full(n, 100.0)
    return Bars(time, flat, flat, flat, flat, flat, symbol, HOUR, Instrument(symbol))


@pytest.fixture
def news(tmp_path):
    path = tmp_path / "news.csv"
    path.write_text(
        "time,title\n"
        "2022-01-01T02:30:00Z,Bitcoin soars to a record high\n"
        "2022-01-02T02:58:00Z,Lender files for bankruptcy\n"
        "2022-01-02T03:30:00Z,Solana crashes\n",
        encoding="utf-8",
    )
    return str(path)


def test_no_source_is_neutral():
    series = mood_for(make_bars("2022-01-01", 5), SentimentConfig())
    assert [series.score.any(), series.confidence.any(), series.count.any()] == [False] * 3
    assert series.notes == ("No headlines were asked for: sentiment has no vote.",)


def test_headlines_are_read_scored_and_joined_when_known(news):
    series = mood_for(make_bars("2022-01-01", 60), SentimentConfig(source=news, half_life_hours=2.0))
    assert series.known.tolist() == [False] * 2 + [True] * 58
    assert np.all(series.score[2:27] > 0.5)
    assert series.score[27] < 0
    assert series.count.tolist() == [0] * 2 + [1] * 25 + [2] * 33
    assert "2 headlines of" in series.notes[0]
    assert "58 of 60 bars, from 2022-01-01 to 2022-01-03" in series.notes[1]


def test_the_symbol_of_the_bars_chooses_the_headlines(news):
    series = mood_for(make_bars("2022-01-01", 60, "SOLUSDT"), SentimentConfig(source=news))
    assert series.count[[2, 26, 27]].tolist() == [0, 0, 2]


def test_outside_the_months_of_the_headlines_nothing_is_known(news):
    series = mood_for(make_bars("2023-01-01", 5), SentimentConfig(source=news))
    assert not series.known.any()
    assert "known on none of the 5 bars" in series.notes[1]


def test_the_bundled_headlines_speak_only_for_their_months():
    bars = make_bars("2021-10-01", 24 * 300)
    series = mood_for(bars, SentimentConfig(source="sample:headlines", resolution="1d"))
    spoken = bars.time[series.known]
    assert spoken[0] > np.datetime64("2021-10-12T20:05")
    assert spoken[-1] < np.datetime64("2022-07-09")
    assert 0.5 < series.known.mean() < 0.95


@pytest.mark.parametrize(
    ("start", "days", "wanted"),
    [
        ("2022-01-01", 2, ""),
        ("2021-12-31", 3, "Sentiment is unknown in 2021-12, where it has no vote."),
        (
            "2021-10-31",
            340,
            "Sentiment is unknown from 2021-10 to 2021-12 and from 2022-02 to 2022-10, where it has no vote; "
            "it is known on less than half of the bars of 2022-01 (13\u00a0%).",
        ),
    ],
)
def test_the_months_in_which_nothing_is_known_are_named(news, start, days, wanted):
    series = mood_for(make_bars(start, 24 * days), SentimentConfig(source=news))
    assert [note for note in series.notes if note.startswith("Sentiment is ")] == [wanted] * bool(wanted)


def test_the_demo_says_where_it_has_no_headlines():
    bars = make_bars("2021-09-01", 24 * 1126)
    series = mood_for(bars, SentimentConfig(source="sample:headlines"))
    assert series.notes[-1].startswith(
        "Sentiment is unknown in 2021-09 and from 2022-08 to 2024-09, where it has no vote; it is known on "
        "less than half of the bars of 2021-10 (45\u00a0%) and 2022-07 (26\u00a0%)"
    )


def test_a_file_does_not_tell_when_its_headlines_were_seen(news):
    sentence = r'2 of 2 headlines of news.csv do not tell .*: set sentiment.known_by = "published", or read'
    with pytest.raises(DataError, match=sentence):
        mood_for(make_bars("2022-01-01", 5, "SOLUSDT"), SentimentConfig(source=news, known_by="seen"))


def test_a_repeated_headline_counts_less_and_can_count_in_full(tmp_path):
    path = tmp_path / "news.csv"
    rows = ["Bitcoin crashes", "Bitcoin soars to a record high", *["BITCOIN soars to a record high!"] * 9]
    path.write_text("time,title\n" + "".join(f"2022-01-01T00:00:01Z,{row}\n" for row in rows))
    bars = make_bars("2022-01-01", 3)
    novel, plain = (
        mood_for(bars, SentimentConfig(source=str(path), novelty=wanted)) for wanted in (True, False)
    )
    assert novel.score[0] < plain.score[0]
    assert novel.confidence[0] < plain.confidence[0]
    assert novel.count.tolist() == plain.count.tolist() == [11, 11, 11]


def test_a_publisher_weighs_what_the_settings_say_and_one_without_headlines_is_told(tmp_path):
    path = tmp_path / "news.csv"
    path.write_text(
        "time,title,source\n"
        "2022-01-01T00:00:01Z,Bitcoin soars to a record high,Wire\n"
        "2022-01-01T00:00:02Z,Bitcoin crashes as investors panic,Blog\n"
    )
    bars = make_bars("2022-01-01", 3)
    cfg = SentimentConfig(source=str(path), source_weights={"Blog": 0.0, "cnn": 2.0})
    series = mood_for(bars, cfg)
    assert np.all(series.score > 0)
    assert series.count.tolist() == [1, 1, 1]  # what weighs nothing does not count
    assert series.notes[-1] == "sentiment.source_weights names cnn, of whom there is no headline."


def test_an_absent_file_is_refused():
    with pytest.raises(DataError, match=r"headlines absent\.csv cannot be read"):
        mood_for(make_bars("2022-01-01", 5), SentimentConfig(source="absent.csv"))


def test_importing_the_module_loads_no_optional_package():
    optional = "{'nltk', 'vaderSentiment', 'pandas'}"
    code = f"import sys, mlstrat.sentiment.series; print(sorted({optional} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_index_made_of_prices_is_no_news_unless_it_is_asked_for(tmp_path):
    path = tmp_path / "news.csv"
    path.write_text(
        "time,title,source\n2022-01-01T00:00:01Z,Fear & Greed index 90: Extreme greed,alternative.me\n"
    )
    bars = make_bars("2022-01-01", 3)
    silent = mood_for(bars, SentimentConfig(source=str(path)))
    assert not silent.known.any()
    assert silent.count.sum() == 0
    asked = mood_for(bars, SentimentConfig(source=str(path), source_weights={"alternative.me": 1.0}))
    assert asked.known.all()
