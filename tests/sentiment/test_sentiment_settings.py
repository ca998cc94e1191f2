"""The settings of sentiment: how far they go, and what a place means."""

import numpy as np
import pytest
from pydantic import ValidationError

from mlstrat.config_places import is_store, names_file, resolved
from mlstrat.config_sentiment import SentimentConfig
from mlstrat.data.bars import Bars
from mlstrat.data.instrument import Instrument
from mlstrat.data.timeframe import Timeframe
from mlstrat.errors import DataError
from mlstrat.sentiment.align import to_bars
from mlstrat.sentiment.headlines import Headlines
from mlstrat.sentiment.series import mood_for

# A year of minutes, ten years of 8,760 hours, and one.
MOST = {"latency_minutes": 525_600.0, "half_life_hours": 87_600.0, "window_hours": 8_760.0}


def make_bars(n):
    time = np.datetime64("2022-01-01", "ns") + np.arange(n) * np.timedelta64(1, "h")
    flat = np.full(n, 100.0)
    return Bars(time, flat, flat, flat, flat, flat, "BTCUSDT", Timeframe("1h"), Instrument("BTCUSDT"))


def test_the_longest_times_are_taken():
    assert SentimentConfig(**MOST).window_hours == 8_760.0
    at = np.array(["2022-01-01"], "datetime64[ns]")
    one = Headlines(at, np.ones(1, bool), ("Bitcoin rises",), ("",))
    series = to_bars(one, np.ones(1), np.ones(1), make_bars(5), **MOST)
    assert (series.confidence >= 0).all()


@pytest.mark.parametrize("name", MOST)
def test_longer_times_are_refused_by_settings_and_by_the_join(name):
    beyond = MOST | {name: MOST[name] + 1}
    with pytest.raises(ValidationError, match=rf"{name}\n.*less than or equal to {MOST[name]:.0f}"):
        SentimentConfig(**beyond)
    none = Headlines(np.empty(0, "datetime64[ns]"), np.empty(0, bool), (), ())
    with pytest.raises(DataError, match=rf"sentiment\.{name} is .* at most {MOST[name]:,.0f}"):
        to_bars(none, np.empty(0), np.empty(0), make_bars(5), **beyond)


@pytest.mark.parametrize(
    "text",
    ["SQLITE:///a.db", "sqlite+pysqlite:///a.db", "postgres://u@h/d", "mysql://h/d", "https://h/a.csv"],
)
def test_every_address_is_one_of_a_store(text):
    assert is_store(text)
    assert not names_file(text)


def test_a_file_of_a_store_is_taken_from_the_folder_however_its_scheme_is_written(tmp_path):
    assert resolved("SQLITE:///a.db", tmp_path) == f"sqlite:///{tmp_path}/a.db"
    assert resolved("postgres://u@h/d", tmp_path) == "postgres://u@h/d"


@pytest.mark.parametrize("source", ["postgres://u:canary@h/d", "https://u:canary@h/a.csv", "x://u:canary@h"])
def test_an_address_that_no_store_has_is_refused_without_its_password(source):
    pytest.importorskip("sqlalchemy", reason="the store needs SQLAlchemy")
    with pytest.raises(DataError, match=r"is not supported as a store: give a file such as") as caught:
        mood_for(make_bars(5), SentimentConfig(source=source))
    assert "canary" not in str(caught.value)


def test_a_store_that_is_given_as_a_file_is_told_how_to_write_it():
    with pytest.raises(DataError, match=r"a\.db are no table: give sqlite:///a\.db to read a store"):
        mood_for(make_bars(5), SentimentConfig(source="a.db"))
