"""What the quality report says about bars whose oddities are known by construction."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlstrat.data import samples
from mlstrat.data.bars import Bars
from mlstrat.data.quality import check, inspect
from mlstrat.data.sources import read_bars
from mlstrat.data.synthetic import random_walk
from mlstrat.errors import DataError

NOW = datetime(2025, 1, 1, tzinfo=UTC)


def keep(bars: Bars, rows: np.ndarray) -> Bars:
    return read_bars(bars.frame().iloc[rows], symbol=bars.symbol, timeframe=str(bars.timeframe), now=NOW)


def changed(bars: Bars, row: int, **values: float) -> Bars:
    frame = bars.frame()
    for name, value in values.items():
        frame.iloc[row, frame.columns.get_loc(name)] = value
    return read_bars(frame, symbol=bars.symbol, now=NOW)


def test_gaps_are_counted_and_the_longest_is_named() -> None:
    bars = keep(random_walk(100, 1), np.r_[0:10, 12:50, 57:99])
    report = check(bars)
    assert [(gap.row, gap.missing) for gap in report.gaps] == [(10, 2), (48, 7)]
    assert report.missing_bars == 9
    assert report.longest_gap is not None
    assert report.longest_gap.missing == 7
    assert any(
        line.startswith("2 gaps, 9 bars missing (longest: 7 after 2020-01-03 01:00, row 48)")
        for line in report.lines()
    )


def test_clean_bars_have_nothing_to_report() -> None:
    report = check(random_walk(400, 2))
    assert [finding.level for finding in report.findings()] == ["ok", "ok"]
    assert report.longest_gap is None


def test_flat_zero_volume_and_spiking_bars() -> None:
    walk = random_walk(200, 3)
    price = walk.close[49]
    flat = changed(walk, 50, open=price, high=price, low=price, close=price, volume=0.0)
    report = check(changed(flat, 120, high=float(walk.high[120]) * 1.1))
    assert (report.flat_rows, report.zero_volume_rows, report.spike_rows) == ((50,), (50,), (120,))


def test_a_move_that_stays_is_no_spike() -> None:
    walk = random_walk(200, 3)
    frame = walk.frame()
    frame.iloc[100:, :4] *= 1.1
    assert check(read_bars(frame, symbol="WALK", now=NOW)).spike_rows == ()


def test_constant_price_is_a_defect() -> None:
    frame = random_walk(50, 1).frame().assign(open=5.0, high=5.0, low=5.0, close=5.0)
    bars, findings = inspect(frame, symbol="WALK", now=NOW)
    assert bars is None
    assert [(found.level, found.what, found.remedy) for found in findings][:1] == [
        ("defect", "every close of WALK is the same (5)", "check what was exported")
    ]


def test_weekends_are_no_outages_but_the_facts_are_questioned() -> None:
    days = pd.bdate_range("2024-01-01", "2024-06-28", tz="UTC")
    frame = random_walk(len(days), 4, timeframe="1d").frame().set_index(days)
    report = check(read_bars(frame, symbol="XYZ", now=NOW))
    assert report.closes
    assert report.gaps == ()
    assert any("give instrument.calendar (XNYS" in line for line in report.lines())
    known = check(read_bars(frame, symbol="XYZ", instrument={"sessions_per_year": 252.0}, now=NOW))
    assert known.remarks == ()
    outage = check(read_bars(frame.drop(frame.index[30:36]), symbol="XYZ", now=NOW))
    assert len(outage.gaps) == 1


@pytest.mark.parametrize("name", samples.names())
def test_sample_gaps_are_those_counted_by_hand(name: str) -> None:
    bars = samples.load_bars(name)
    report = check(bars)
    hours = set(bars.time.astype("datetime64[h]").astype(int).tolist())
    assert report.missing_bars == max(hours) - min(hours) + 1 - len(hours) == 20
    assert len(report.gaps) == 10


def test_training_warning() -> None:
    report = check(random_walk(10, 1))
    assert report.training_warning(365) is None
    assert "training_days is 90" in str(report.training_warning(90))


def test_notes_of_reading_appear() -> None:
    frame = random_walk(10, 1).frame()
    bars = read_bars(frame, symbol="NEW", now=datetime(2020, 1, 1, 9, 30, tzinfo=UTC))
    lines = check(bars).lines()
    assert any(line.startswith("The last bar (2020-01-01T09:00 UTC) had not closed") for line in lines)
    assert any(line.startswith("Tick of NEW is not known") for line in lines)


def test_inspect_lists_every_broken_law() -> None:
    frame = random_walk(20, 1).frame()
    frame.iloc[3, 3] = -1.0
    frame.iloc[5, 4] = -1.0
    frame.iloc[7, 1] = np.nan
    bars, findings = inspect(frame, symbol="WALK", now=NOW)
    assert bars is None
    told = [
        (found.what.split(" (")[0], found.where.split(" ")[1])
        for found in findings
        if found.level == "defect"
    ]
    assert told == [
        ("has a high that is not a finite number", "7"),
        ("has a close of zero or less", "3"),
        ("has a negative volume", "5"),
        ("has a low above its open or close", "3"),
    ]
    assert all(found.remedy for found in findings if found.level == "defect")


def test_inspect_of_what_is_no_table_at_all() -> None:
    bars, findings = inspect(pd.DataFrame({"a": [1]}), symbol="WALK", now=NOW)
    assert bars is None
    assert [found.level for found in findings] == ["defect"]
    assert findings[0].what.startswith("the frame has no column open")
    assert findings[0].remedy.startswith("give time, open")


def test_bars_a_year_follow_the_sessions_or_the_data_never_a_daily_fact_at_another_length() -> None:
    weekdays = pd.bdate_range("2023-01-02", "2023-12-29", tz="UTC")
    close = 100.0 + np.arange(len(weekdays)) % 2
    daily = pd.DataFrame(
        dict.fromkeys(("open", "high", "low", "close", "volume"), pd.Series(close, weekdays))
    )
    hours = daily.loc[daily.index.repeat(24)].set_index(
        pd.DatetimeIndex([day + pd.Timedelta(hours=h) for day in weekdays for h in range(24)])
    )
    facts = {"sessions_per_year": 252.0, "session_hours": 6.5}
    assert read_bars(daily, symbol="XYZ", now=NOW, instrument=facts).bars_per_year == 252
    assert read_bars(hours, symbol="XYZ", now=NOW, instrument=facts).bars_per_year == 252 * 6.5
    counted = read_bars(hours, symbol="EURUSD", now=NOW).bars_per_year
    assert counted == pytest.approx(24 * 365.25 * 5 / 7, rel=0.01)
    weekly = daily.iloc[::5]
    assert read_bars(weekly, symbol="SPY", now=NOW, timeframe="1w").bars_per_year == pytest.approx(
        52.18, abs=0.01
    )
    assert read_bars("sample:BTCUSDT_1h").bars_per_year == 365.25 * 24


def test_bars_of_no_known_symbol_are_looked_at_under_the_name_of_their_file(tmp_path: Path) -> None:
    path = tmp_path / "my prices.csv"
    random_walk(30, 1).frame().to_csv(path)
    bars, findings = inspect(path, now=NOW)
    assert bars is not None
    assert bars.symbol == "my prices"
    assert "The symbol is not known, so the bars are called my prices: give it with --symbol" in [
        found.what for found in findings
    ]
    with pytest.raises(DataError, match=r"the symbol of my prices\.csv is not known: pass symbol"):
        read_bars(path, now=NOW)


def test_days_of_25_hours_are_a_note() -> None:
    stamps = pd.date_range("2024-11-01", periods=5, freq="1D", tz="America/New_York")
    report = check(read_bars(random_walk(5, 1).frame().set_index(stamps), symbol="WALK", now=NOW))
    assert report.long_day_rows == (3,)
    assert report.gaps == ()
