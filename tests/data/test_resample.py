"""Higher-timeframe bars against pandas on gap-free data, a plain loop elsewhere, and cuts of the data."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from mlstrat.data.bars import COLUMNS, Bars
from mlstrat.data.resample import resample
from mlstrat.data.sources import read_bars
from mlstrat.data.synthetic import random_walk
from mlstrat.errors import DataError

NOW = datetime(2025, 6, 1, tzinfo=UTC)
RULES = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}


def keep(bars: Bars, rows: np.ndarray) -> Bars:
    return replace(bars, **{name: getattr(bars, name)[rows] for name in ("time", *COLUMNS)})


def assert_rows(bars: Bars, rows: list[tuple[datetime, list[float]]]) -> None:
    assert [stamp.replace(tzinfo=None) for stamp, _ in rows] == bars.time.astype("datetime64[us]").tolist()
    np.testing.assert_allclose(bars.matrix[:, :5], [values for _, values in rows], rtol=1e-12)


@pytest.mark.parametrize("to", ["2h", "3h", "4h", "1d", "1w"])
def test_gap_free_bars_against_pandas(to: str) -> None:
    bars = random_walk(24 * 7 * 5, 1)
    rule = {"1w": "W-MON"}.get(to, to)
    expected = bars.frame().resample(rule, label="left", closed="left").agg(RULES)
    if to == "1w":  # 2020-01-01 was a Wednesday: neither the first nor the last week is whole
        expected = expected.iloc[1:-1]
    rows = [
        (stamp.to_pydatetime(), list(row)) for stamp, row in zip(expected.index, expected.values, strict=True)
    ]
    assert_rows(resample(bars, to), rows)


def by_loop(bars: Bars, hours: int) -> list[tuple[datetime, list[float]]]:
    """Hourly bars joined with nothing but the calendar of the standard library."""
    periods: dict[datetime, list[list[float]]] = {}
    epoch, length = datetime(1970, 1, 1), timedelta(hours=hours)
    for stamp, row in zip(bars.time.astype("datetime64[us]").tolist(), bars.matrix.tolist(), strict=True):
        periods.setdefault(epoch + (stamp - epoch) // length * length, []).append(row)
    first = bars.time[0].astype("datetime64[us]").item()
    end = bars.time[-1].astype("datetime64[us]").item() + timedelta(hours=1)
    return [
        (
            begin,
            [
                rows[0][0],
                max(row[1] for row in rows),
                min(row[2] for row in rows),
                rows[-1][3],
                sum(row[4] for row in rows),
            ],
        )
        for begin, rows in periods.items()
        if begin >= first and begin + length <= end
    ]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("hours", [2, 4, 6, 12, 24, 48])
def test_bars_with_gaps_against_a_loop(seed: int, hours: int) -> None:
    walk = random_walk(500, seed)
    rows = np.sort(np.random.default_rng(seed).choice(500, 300, replace=False))
    bars = keep(walk, rows)
    assert_rows(resample(bars, f"{hours}h"), by_loop(bars, hours))


@pytest.mark.parametrize("to", ["4h", "1d", "1w"])
def test_a_period_depends_on_no_bar_after_it_and_is_known_at_its_close(to: str) -> None:
    bars = random_walk(24 * 30, 3)
    whole = resample(bars, to)
    for cut in (*range(170, 200), 400, 555):
        if to == "1w" and cut < 400:
            continue
        part = resample(bars[:cut], to)
        np.testing.assert_array_equal(part.matrix, whole.matrix[: len(part)])
        assert part.close_time[-1] <= bars.close_time[cut - 1]
        assert whole.close_time[len(part)] > bars.close_time[cut - 1]


def test_what_is_dropped_at_the_edges_is_said() -> None:
    bars = random_walk(24, 1)[2:22]
    joined = resample(bars, "4h")
    assert joined.time.astype("datetime64[h]").astype(str).tolist() == [
        f"2020-01-01T{hour:02d}" for hour in (4, 8, 12, 16)
    ]
    assert [note for note in joined.notes if "period" in note] == [
        "The first period began before the first bar and was dropped (2020-01-01T00:00 UTC).",
        "The last period had not closed with the last bar and was dropped (2020-01-01T20:00 UTC).",
    ]
    assert resample(random_walk(24, 1), "4h").notes == ()


@pytest.mark.parametrize("to", ["1h", "30m", "90m"])
def test_a_timeframe_that_is_no_multiple_is_refused(to: str) -> None:
    with pytest.raises(
        DataError, match=rf"bars of 1h cannot be joined to {to}: give a longer timeframe that is"
    ):
        resample(random_walk(100, 1), to)


def test_too_few_bars_and_bars_in_two_periods_are_refused() -> None:
    with pytest.raises(DataError, match=r"WALK has no whole period of 1d: give more bars of 1h"):
        resample(random_walk(20, 1), "1d")
    walk = random_walk(40, 1)
    late = replace(walk, time=walk.time + np.timedelta64(30, "m"))
    with pytest.raises(DataError, match=r"at 2020-01-01T03:30 UTC lies in two periods of 4h: give bars that"):
        resample(late, "4h")


def stock(stamps: pd.DatetimeIndex) -> Bars:
    walk = random_walk(len(stamps), 6, start=400.0, step_ticks=480)
    return read_bars(walk.frame().set_index(stamps), symbol="SPY", now=NOW)


def session_hours(first: str, last: str) -> pd.DatetimeIndex:
    """Hours from 9:30 in New York, each day until 16:00, on working days."""
    days = pd.bdate_range(first, last, tz="America/New_York")
    opens = [day + pd.Timedelta(hours=9, minutes=30) for day in days]
    return pd.DatetimeIndex(
        [opened + pd.Timedelta(hours=h) for opened in opens for h in range(7)]
    ).tz_convert("UTC")


def test_days_and_weeks_follow_the_sessions() -> None:
    pytest.importorskip("exchange_calendars", reason="the extra data is not installed")
    hours = session_hours("2024-03-04", "2024-03-15")  # summer time began on the 10th
    bars = stock(hours)
    days = resample(bars, "1d")
    assert days.time.astype("datetime64[D]").astype(str).tolist() == [
        f"2024-03-{day:02d}" for day in (4, 5, 6, 7, 8, 11, 12, 13, 14, 15)
    ]
    assert (days.close_time - days.time).astype("timedelta64[h]").astype(int).tolist() == [21] * 5 + [20] * 5
    assert days.open.tolist() == bars.open[::7].tolist()
    assert days.close.tolist() == bars.close[6::7].tolist()
    assert days.volume == pytest.approx(bars.volume.reshape(-1, 7).sum(axis=1))
    assert days.notes == bars.notes
    weeks = resample(bars, "1w")
    assert weeks.time.astype("datetime64[D]").astype(str).tolist() == ["2024-03-04", "2024-03-11"]
    assert weeks.close_time.astype("datetime64[h]").astype(str).tolist() == ["2024-03-08T21", "2024-03-15T20"]
    np.testing.assert_allclose(resample(days, "1w").matrix, weeks.matrix, rtol=1e-12)


def test_a_session_or_week_that_is_not_whole_is_dropped() -> None:
    pytest.importorskip("exchange_calendars", reason="the extra data is not installed")
    bars = stock(session_hours("2024-03-04", "2024-03-15"))
    days = resample(bars[1:-1], "1d")
    assert len(days) == 8
    assert len(resample(bars[:-7], "1w")) == 1
    assert len(resample(bars[7:], "1w")) == 1
    holiday = stock(session_hours("2024-05-28", "2024-05-31"))  # Monday the 27th was Memorial Day
    assert len(resample(holiday, "1w")) == 1
    new_year = stock(session_hours("2024-01-02", "2024-01-05"))
    assert len(resample(new_year, "1w")) == 1
    with pytest.raises(DataError, match=r"no whole period of 1w"):
        resample(stock(session_hours("2025-01-02", "2025-01-03")), "1w")
    with pytest.raises(DataError, match=r"no whole period of 1w"):
        resample(stock(session_hours("2024-12-30", "2024-12-31")), "1w")


def test_hours_are_joined_from_the_open_where_bars_begin_there() -> None:
    pytest.importorskip("exchange_calendars", reason="the extra data is not installed")
    bars = stock(session_hours("2024-03-04", "2024-03-08"))
    joined = resample(bars, "4h")
    assert joined.time[:3].astype("datetime64[m]").astype(str).tolist() == [
        "2024-03-04T14:30",
        "2024-03-04T18:30",
        "2024-03-05T14:30",
    ]
    assert joined.close_time[1] == np.datetime64("2024-03-04T21:00")
    assert joined.close[1] == bars.close[6]
    on_the_hour = stock(session_hours("2024-03-04", "2024-03-08") - pd.Timedelta(minutes=30))
    stamps = resample(on_the_hour, "4h").time.astype("datetime64[h]").astype(str).tolist()
    assert stamps[:3] == ["2024-03-04T12", "2024-03-04T16", "2024-03-04T20"]


def test_bars_outside_the_sessions_are_left_out_of_days_and_said() -> None:
    pytest.importorskip("exchange_calendars", reason="the extra data is not installed")
    inside = session_hours("2024-03-04", "2024-03-08")
    early = pd.DatetimeIndex([stamp - pd.Timedelta(hours=2) for stamp in inside[::7]])
    mixed = stock(inside.append(early).sort_values())
    days = resample(mixed, "1d")
    assert days.open.tolist() == mixed.open[1::8].tolist()
    assert "5 bars outside the sessions of XNYS were left out." in days.notes
    weekend = pd.date_range("2024-03-09", periods=24, freq="1h", tz="UTC")
    with pytest.raises(DataError, match=r"no bar of SPY lies in a session of XNYS: give the right"):
        resample(stock(weekend), "1d")
