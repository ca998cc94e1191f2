"""A bar of an exchange is known at its session's close; the dates and hours here are those it published."""

import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlstrat.data import calendars
from mlstrat.data.bars import Bars
from mlstrat.data.calendars import close_times, sessions_of
from mlstrat.data.quality import check
from mlstrat.data.sources import read_bars
from mlstrat.data.timeframe import Timeframe
from mlstrat.errors import DataError

pytest.importorskip("exchange_calendars", reason="the extra data is not installed")

NOW = datetime(2025, 6, 1, tzinfo=UTC)
DAY = Timeframe("1d")


def stock(stamps: pd.DatetimeIndex, symbol: str = "SPY", **facts: object) -> Bars:
    close = 400.0 + np.cumsum(np.sin(np.arange(len(stamps))))
    frame = pd.DataFrame(
        {"open": close - 0.5, "high": close + 1, "low": close - 1, "close": close, "volume": 10.0}, stamps
    ).round(2)
    return read_bars(frame, symbol=symbol, now=NOW, instrument=facts)


def closes_on(code: str, *stamps: str) -> list[str]:
    times = np.array(stamps, "datetime64[ns]")
    return [str(moment)[:16] for moment in close_times(times, DAY, code)]


def test_closes_of_new_york_in_winter_in_summer_on_half_days_and_on_no_day() -> None:
    """NYSE closes at 16:00, at 13:00 before Independence Day and Christmas; 2024-07-04 and Saturdays: not."""
    assert closes_on(
        "XNYS", "2024-01-03", "2024-07-02", "2024-07-03", "2024-07-04", "2024-07-06", "2024-12-24"
    ) == [
        "2024-01-03T21:00",
        "2024-07-02T20:00",
        "2024-07-03T17:00",
        "2024-07-05T00:00",
        "2024-07-07T00:00",
        "2024-12-24T18:00",
    ]


@pytest.mark.parametrize("hour", ["T00:00", "T05:00", "T14:30"])
def test_a_daily_bar_may_be_stamped_at_midnight_here_or_there_or_at_the_open(hour: str) -> None:
    assert closes_on("XNYS", "2024-01-03" + hour, "2024-01-05" + hour) == [
        "2024-01-03T21:00",
        "2024-01-05T21:00",
    ]


def test_closes_elsewhere() -> None:
    """Tokyo's day begins the evening before in UTC; a market around the clock closes with its bar."""
    assert closes_on("XTKS", "2024-01-10T15:00", "2024-01-11") == ["2024-01-11T06:00", "2024-01-11T06:00"]
    assert closes_on("XLON", "2024-01-10", "2024-07-10") == ["2024-01-10T16:30", "2024-07-10T15:30"]
    assert closes_on("24/7", "2024-01-06") == ["2024-01-07T00:00"]
    assert closes_on("", "2024-01-03") == ["2024-01-04T00:00"]


def test_a_weekly_bar_is_known_at_the_week_s_last_close() -> None:
    weeks = np.array(["2024-03-25", "2025-12-29"], "datetime64[ns]")  # Good Friday; over New Year
    closes = close_times(weeks, Timeframe("1w"), "XNYS").astype("datetime64[m]").astype(str)
    assert closes.tolist() == ["2024-03-28T20:00", "2026-01-02T21:00"]


def test_the_last_hour_of_a_session_ends_with_it() -> None:
    stamps = np.array(["2024-01-03T19:30", "2024-01-03T20:30"], "datetime64[ns]")
    closes = close_times(stamps, Timeframe("1h"), "XNYS").astype("datetime64[m]").astype(str)
    assert closes.tolist() == ["2024-01-03T20:30", "2024-01-03T21:00"]


@pytest.mark.parametrize("code", ["XNYS", "XTKS", "XHKG", "XNZE", "CMES", "24/7", "us_futures"])
@pytest.mark.parametrize("length", ["30m", "4h", "1d", "1w"])
def test_no_bar_is_known_before_it_opens_or_after_the_next_does(code: str, length: str) -> None:
    frame = Timeframe(length)
    for offset in (0, 5, 15, 23):
        begin = np.datetime64("2022-01-03", "ns") + np.timedelta64(offset, "h")
        stamps = np.arange(begin, np.datetime64("2024-01-01", "ns"), frame.delta)
        closes = close_times(stamps, frame, code)
        assert (closes > stamps).all()
        assert (closes[:-1] <= stamps[1:]).all()
        part = close_times(stamps[40:60], frame, code)
        np.testing.assert_array_equal(part, closes[40:60])


def test_closes_of_a_long_series_take_milliseconds() -> None:
    stamps = np.datetime64("2017-01-01", "ns") + np.arange(70_000) * Timeframe("1h").delta
    close_times(stamps, Timeframe("1h"), "XNYS")
    start = time.perf_counter()
    close_times(stamps, Timeframe("1h"), "XNYS")
    assert time.perf_counter() - start < 0.1


def test_sessions_of_2023_are_those_that_new_york_held() -> None:
    """365 days less 105 of weekends and 10 holidays; two half days of 3.5 instead of 6.5 hours."""
    year = np.array(["2023-01-01", "2023-12-30"], "datetime64[ns]")
    sessions = sessions_of("XNYS", year, DAY.delta)
    assert sessions is not None
    assert (len(sessions.date), sessions.closes) == (250, True)
    hours = sessions.traded(np.array(["2023-01-01", "2024-01-01"], "datetime64[ns]")) / 3600
    assert hours.tolist() == [0.0, 248 * 6.5 + 2 * 3.5]
    assert sessions.per_year == pytest.approx(250 * 365.25 / 365)


def test_lunch_is_no_trading_time() -> None:
    sessions = sessions_of("XHKG", np.array(["2024-01-10"], "datetime64[ns]"), DAY.delta)
    assert sessions is not None
    at = np.array(["2024-01-10T01:30", "2024-01-10T04:00", "2024-01-10T05:00", "2024-01-10T08:00"])
    hours = sessions.traded(at.astype("datetime64[ns]")) / 3600
    assert (hours - hours[0]).tolist() == [0.0, 2.5, 2.5, 5.5]


def test_bars_a_year() -> None:
    days = pd.bdate_range("2023-01-02", "2023-12-29", tz="UTC")
    assert stock(days).bars_per_year == pytest.approx(250 * 365.25 / 365)
    opens = [
        day + pd.Timedelta(hours=14, minutes=30) for day in pd.bdate_range("2023-01-03", periods=9, tz="UTC")
    ]
    hours = pd.DatetimeIndex([open_at + pd.Timedelta(hours=h) for open_at in opens for h in range(7)])
    assert stock(hours).bars_per_year == pytest.approx(7 * 250 * 365.25 / 365)
    assert stock(days, "AAPL", calendar="XNYS").closes
    assert not stock(days, "AAPL", calendar="24/7").closes


def test_only_missing_sessions_are_gaps() -> None:
    days = pd.bdate_range("2024-03-18", "2024-07-31", tz="UTC")
    days = days[
        ~days.isin(pd.to_datetime(["2024-03-29", "2024-05-27", "2024-06-19", "2024-07-04"], utc=True))
    ]
    whole = check(stock(days))
    assert (whole.gaps, whole.idle_rows) == ((), ())
    lacking = check(stock(days.drop([days[20], days[21]])))
    assert [(gap.row, gap.missing) for gap in lacking.gaps] == [(20, 2)]
    more = check(stock(days.append(pd.to_datetime(["2024-07-04", "2024-07-06"], utc=True)).sort_values()))
    assert len(more.idle_rows) == 2
    assert more.gaps == ()
    assert "2 bars lie outside the sessions of the calendar" in " ".join(more.lines())


def test_missing_hours_are_those_of_the_sessions() -> None:
    opens = pd.date_range("2024-01-08 14:30", periods=5, freq="1D", tz="UTC")
    hours = pd.DatetimeIndex([open_at + pd.Timedelta(hours=h) for open_at in opens for h in range(7)])
    assert check(stock(hours)).gaps == ()
    gaps = check(stock(hours.delete([3, 4, *range(14, 21)]))).gaps
    assert [(gap.row, gap.missing) for gap in gaps] == [(3, 2), (12, 6)]


def test_a_bar_of_today_counts_once_its_session_has_closed() -> None:
    days = pd.bdate_range("2024-01-08", periods=3, tz="UTC")
    frame = stock(days).frame()
    for hour, kept in ((20, 2), (21, 3)):
        bars = read_bars(frame, symbol="SPY", now=datetime(2024, 1, 10, hour, 0, tzinfo=UTC))
        assert len(bars) == kept
        assert any("had not closed" in note for note in bars.notes) == (kept == 2)


def test_without_the_package_the_bar_s_length_decides_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calendars, "find_spec", lambda _: None)
    bars = stock(pd.bdate_range("2024-01-08", periods=30, tz="UTC"))
    assert (bars.close_time - bars.time == np.timedelta64(1, "D")).all()
    assert bars.bars_per_year == 252
    assert any('run `pip install "mlstrat[data]"`' in note for note in bars.notes)
    assert check(bars).gaps == ()


def test_unknown_calendars_and_years() -> None:
    days = pd.bdate_range("2024-01-08", periods=3, tz="UTC")
    with pytest.raises(DataError, match=r"instrument\.calendar 'NOPE' is not a calendar: give a code of"):
        stock(days, calendar="NOPE")
    early = stock(pd.bdate_range("1990-12-20", periods=20, tz="UTC"), "ABC", calendar="XSHG")
    assert any("XSHG does not cover 8 of the bars" in note for note in early.notes)
    closes = (early.close_time - early.time) // np.timedelta64(1, "h")
    assert closes.tolist()[:8] == [24] * 8
    assert set(closes.tolist()[9:]) == {7}


def test_spy_beside_this_checkout() -> None:
    path = Path(__file__).parents[3] / "shared" / "data" / "bars" / "SPY_1d.parquet"
    if not path.exists():
        pytest.skip("the daily bars of SPY are not beside this checkout")
    frame = pd.read_parquet(path).set_index("timestamp")
    frame["low"] = frame.min(axis=1)
    bars = read_bars(frame, symbol="SPY", now=NOW)
    hours, counts = np.unique((bars.close_time - bars.time) // np.timedelta64(1, "h"), return_counts=True)
    assert dict(zip(hours.tolist(), counts.tolist(), strict=True)) == {17: 5, 18: 16, 20: 1653, 21: 845}
    assert bars.bars_per_year == pytest.approx(251.7, abs=0.1)
