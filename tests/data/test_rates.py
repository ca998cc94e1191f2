"""Files of funding and borrow rates: what is read, and every way in which one is refused."""

import numpy as np
import pandas as pd
import pytest

from mlstrat.data.carry import BORROW, FUNDING, RateSeries, carry_of
from mlstrat.data.rates import read_rates, with_rates
from mlstrat.data.samples import load_bars
from mlstrat.errors import DataError


def written(path, text):
    path.write_text(text)
    return path


def test_a_csv_is_read_as_it_stands(tmp_path):
    path = written(
        tmp_path / "f.csv",
        "time,rate\n2023-01-01T00:00:00Z,0.0001\n2023-01-01T08:00:00Z,-0.00025\n2023-01-01T16:00:00Z,0\n",
    )
    series = read_rates(path)
    assert series.time.tolist() == [
        np.datetime64(f"2023-01-01T{hour:02}:00", "ns").astype(int) for hour in (0, 8, 16)
    ]
    assert series.rate.tolist() == [0.0001, -0.00025, 0.0]
    assert series.step == np.timedelta64(8, "h")


@pytest.mark.parametrize(
    "stamps",
    [
        ["2023-01-01 00:00", "2023-01-01 08:00"],
        ["2023-01-01T00:00:00+00:00", "2023-01-01T08:00:00+00:00"],
        [1672531200000, 1672560000000],
    ],
    ids=["no offset", "offset of zero", "epoch ms"],
)
def test_stamps_of_utc_in_every_form(tmp_path, stamps):
    frame = pd.DataFrame({"Time": stamps, "Rate": [0.1, -0.1], "symbol": "BTC"})
    frame.to_csv(tmp_path / "f.csv", index=False)
    first = np.datetime64("2023-01-01T00:00", "ns")
    assert read_rates(tmp_path / "f.csv").time.tolist() == [
        int((first + np.timedelta64(h, "h")).astype(int)) for h in (0, 8)
    ]


def test_a_parquet_with_stamps_as_its_index(tmp_path):
    index = pd.date_range("2023-01-01", periods=3, freq="8h", tz="UTC", name="time")
    pd.DataFrame({"rate": [0.0, 0.1, -0.1]}, index=index).to_parquet(tmp_path / "f.parquet")
    assert read_rates(tmp_path / "f.parquet").rate.tolist() == [0.0, 0.1, -0.1]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("when,rate\n2023-01-01,0\n", r"no column time \(its columns: when, rate\): give time and rate"),
        ("time,funding\n2023-01-01,0\n", r"no column rate .*: give time and rate"),
        ("time,rate\n", "has no rows: give rates, or leave instrument.funding empty"),
        (
            "time,rate\n2023-01-01T08:00Z,0\n2023-01-01T00:00Z,0\n",
            "row 1 of funding in .* is earlier than the row before .*: sort by time",
        ),
        ("time,rate\n2023-01-01T08:00Z,0\n2023-01-01T08:00Z,0\n", "repeats the time of the row before"),
        (
            "time,rate\n2023-01-01T08:00Z,0.01\n2023-01-01T16:00Z,0.11\n",
            r"row 1 .*T16:00\) has a rate beyond 10%",
        ),
        (
            "time,rate\n2023-01-01T08:00Z,-0.2\n",
            "has a rate beyond 10%.*: give a share of the position's value",
        ),
        ("time,rate\n2023-01-01T08:00Z,\n", "has no rate.*: give a share"),
        ("time,rate\n2023-01-01T08:00Z,high\n", "which is no number"),
        ("time,rate\n2023-01-01T08:00+02:00,0\n", "has a time that is not in UTC.*: write it with a Z"),
        ("time,rate\nsoon,0\n", "has a time that cannot be read"),
    ],
)
def test_what_is_no_series_is_refused_with_its_row(tmp_path, text, says):
    with pytest.raises(DataError, match=says):
        read_rates(written(tmp_path / "f.csv", text))


def test_what_cannot_be_read_or_means_nothing_is_refused(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_rates(tmp_path / "none.csv")
    negative = written(tmp_path / "b.csv", "time,rate\n2023-01-01T08:00Z,-0.001\n")
    with pytest.raises(DataError, match=r"borrow in .* has a rate below zero .*: give what shorts pay"):
        read_rates(negative, BORROW)
    index = pd.date_range("2023-01-01", periods=3, freq="8h", tz="Europe/Berlin", name="time")
    pd.DataFrame({"rate": 0.0}, index=index).to_parquet(tmp_path / "f.parquet")
    with pytest.raises(DataError, match="has times in Europe/Berlin: give them in UTC"):
        read_rates(tmp_path / "f.parquet")


def test_bars_get_both_series(tmp_path):
    bars = load_bars("BTCUSDT_1h")[:10]
    stamp = str(bars.close_time[3]) + "Z"
    funding = written(tmp_path / "f.csv", f"time,rate\n{stamp},0.002\n")
    borrow = written(tmp_path / "b.csv", f"time,rate\n{stamp},0.005\n")
    assert with_rates(bars) is bars
    table = with_rates(bars, funding, borrow).carry.table
    np.testing.assert_allclose(table[3], [0.0, 0.002, 0.0, 0.0, 0.003, 0.0], atol=1e-15)
    assert not np.delete(table, 3, axis=0).any()
    assert with_rates(bars, borrow=borrow).carry.table[3].tolist() == [0.0, 0.0, 0.0, 0.0, 0.005, 0.0]
    assert with_rates(bars, funding).sha256 == bars.sha256


def hours(*stamps):
    return np.datetime64("2023-01-01", "ns") + np.array(stamps) * np.timedelta64(1, "h")


def test_where_a_series_is_silent_is_said():
    opens = hours(*range(100))
    closes = opens + np.timedelta64(1, "h")

    def told(*stamps, first=0, last=-1):
        series = RateSeries(FUNDING, hours(*stamps), np.full(len(stamps), 0.001))
        return carry_of(opens, closes, [series]).told(opens[first], closes[last])

    every = range(0, 101, 8)
    assert told(*every) == ()
    assert told(*every[1:]) == ()  # its first stamp is no later than one step after the first open
    (late,) = told(*every[3:])
    said = "The series of funding begins with 2023-01-02 00:00, after 2023-01-01 00:00"
    assert late == f"{said}: there it charges nothing."
    (short,) = told(*every[:8])
    assert "ends with 2023-01-03 08:00, before 2023-01-05 04:00" in short
    (hole,) = told(*every[:3], *every[9:])
    assert "has no stamp between 2023-01-01 16:00 and 2023-01-04 00:00" in hole
    assert told(*every[:3], *every[9:], first=80) == ()
    assert told(*every[:8], last=60) == ()


def test_the_hash_is_of_what_is_paid_and_of_nothing_that_comes_later(tmp_path):
    opens = hours(*range(10))
    closes = opens + np.timedelta64(1, "h")

    def digest(*stamps, rate=0.001):
        rates = np.full(len(stamps), rate)
        return carry_of(opens, closes, [RateSeries(FUNDING, hours(*stamps), rates)]).sha256

    assert digest(2, 8) == digest(2, 8, 16, 24)
    assert len({digest(2, 8), digest(2, 7), digest(2), digest(2, 8, rate=0.002)}) == 4


def test_stamps_some_milliseconds_after_the_minute_are_of_that_minute(tmp_path):
    path = tmp_path / "funding.csv"
    path.write_text(
        "time,rate\n2024-01-01T08:00:00.003Z,0.0001\n2024-01-01T16:00:01Z,0.0001\n2024-01-02T00:00:01.5Z,0.0001\n"
    )
    assert np.datetime_as_string(read_rates(path).time, unit="ms").tolist() == [
        "2024-01-01T08:00:00.000",
        "2024-01-01T16:00:00.000",
        "2024-01-02T00:00:01.500",
    ]
