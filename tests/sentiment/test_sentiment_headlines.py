"""Headlines from files: what is kept, from when it is known, and what is refused."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta, timezone
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlstrat.errors import DataError
from mlstrat.sentiment.days import day_stamp, day_stamps
from mlstrat.sentiment.headlines import Headlines, read_headlines


def stamps(*texts):
    return np.array(texts, "datetime64[ns]")


def write_csv(folder, text):
    path = folder / "news.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_csv_and_parquet_read_alike(tmp_path):
    frame = pd.DataFrame(
        {
            "timestamp": pd.to_datetime(["2022-01-02T05:00:00Z", "2022-01-01T00:00:00Z"]),
            "time_known": [True, False],
            "title": ["Bitcoin, rising", "Markets calm"],
            "source": ["Wire", None],
        }
    )
    frame.to_parquet(tmp_path / "news.parquet")
    frame.to_csv(tmp_path / "news.csv", index=False)
    for name in ("news.parquet", "news.csv"):
        read = read_headlines(tmp_path / name)
        np.testing.assert_array_equal(read.published_at, stamps("2022-01-01", "2022-01-02T05:00"))
        np.testing.assert_array_equal(read.known_from, stamps("2022-01-02", "2022-01-02T05:00"))
        assert read.time_known.tolist() == [False, True]
        assert read.texts == ("Markets calm", "Bitcoin, rising")
        assert read.source == ("", "Wire")


def test_offsets_are_converted_and_equal_stamps_keep_their_order(tmp_path):
    path = write_csv(
        tmp_path,
        "time,text\n2022-01-01T12:00:00+02:00,b\n2022-01-01 10:00:00Z,a\n2022-01-01T04:59:59.5-0500,c\n",
    )
    read = read_headlines(path)
    assert read.texts == ("c", "b", "a")
    np.testing.assert_array_equal(
        read.published_at, stamps("2022-01-01T09:59:59.5", "2022-01-01T10:00", "2022-01-01T10:00")
    )


def test_without_time_known_a_midnight_stamp_counts_from_the_next_day(tmp_path):
    path = write_csv(tmp_path, "time,title\n2022-01-01T00:00:00Z,a\n2022-01-01T00:00:01Z,b\n")
    read = read_headlines(path)
    assert read.time_known.tolist() == [False, True]
    np.testing.assert_array_equal(read.known_from, stamps("2022-01-02", "2022-01-01T00:00:01"))


@pytest.mark.parametrize(
    ("stamp", "from_then"),
    [
        # The day of the first ends at 05:00 UTC of the 11th, that of the second at 15:00 UTC of the 10th.
        ("2022-01-10T00:00:00-05:00", "2022-01-12"),
        ("2022-01-10T00:00:00+09:00", "2022-01-11"),
        ("2022-01-10T00:00:00.000+0530", "2022-01-11"),
        ("2022-01-10 00:00:00-12", "2022-01-12"),
        ("2022-01-09T19:00:00-05:00", "2022-01-11"),
        ("2022-01-10T00:00:01-05:00", "2022-01-10T05:00:01"),
        ("2022-01-10T00:00:00Z", "2022-01-11"),
    ],
)
def test_a_midnight_of_any_offset_is_a_day_that_is_known_when_it_has_ended(tmp_path, stamp, from_then):
    read = read_headlines(write_csv(tmp_path, f"time,title\n{stamp},a\n"))
    np.testing.assert_array_equal(read.known_from, stamps(from_then))
    frame = pd.DataFrame({"time": [pd.Timestamp(stamp)], "title": ["a"]})
    frame.to_parquet(tmp_path / "zoned.parquet")
    np.testing.assert_array_equal(read_headlines(tmp_path / "zoned.parquet").known_from, stamps(from_then))


def test_a_day_that_is_told_as_such_is_known_when_it_has_ended_where_it_was_written(tmp_path):
    rows = ["2022-01-10T15:00:00-05:00", "2022-01-10T20:00:00+09:00", "2022-01-10T05:00:00-11:00"]
    path = write_csv(tmp_path, "time,title,time_known\n" + "".join(f"{row},a,false\n" for row in rows))
    # In the order of the stamps that count: the days end at 15:00 of the 10th, 05:00 and 11:00 of the 11th.
    np.testing.assert_array_equal(
        read_headlines(path).known_from, stamps("2022-01-11", "2022-01-12", "2022-01-12")
    )


def test_one_day_and_many_agree():
    rng = np.random.default_rng(5)
    offsets = rng.integers(-12 * 4, 14 * 4 + 1, 500) * 15
    moments = [datetime(2022, 1, 1) + timedelta(minutes=int(m)) for m in rng.integers(0, 60 * 24 * 400, 500)]
    local = np.array(moments, "datetime64[ns]")
    utc = local - offsets.astype("timedelta64[m]")
    zoned = [
        moment.replace(tzinfo=timezone(timedelta(minutes=int(offset))))
        for moment, offset in zip(moments, offsets, strict=True)
    ]
    found = np.array([day_stamp(one).replace(tzinfo=None) for one in zoned], "datetime64[ns]")
    np.testing.assert_array_equal(day_stamps(utc, local), found)
    for one, stamp in zip(zoned, found, strict=True):
        known = datetime.combine(stamp.astype("datetime64[D]").item(), time.min, UTC) + timedelta(days=1)
        end = datetime.combine(one.date(), time.min, one.tzinfo) + timedelta(days=1)
        assert timedelta(0) <= known - end < timedelta(days=2)
        # Not a day later than it has to be: the day before would be too early, or is that of the stamp.
        assert known - timedelta(days=1) < end or stamp.item() == one.astimezone(UTC).replace(tzinfo=None)


def test_a_known_midnight_counts_at_once_and_an_unknown_afternoon_from_the_next_day(tmp_path):
    path = write_csv(
        tmp_path, "time,title,time_known\n2022-01-01T00:00:00Z,a,TRUE\n2022-01-01T15:00:00Z,b,0\n"
    )
    np.testing.assert_array_equal(read_headlines(path).known_from, stamps("2022-01-01", "2022-01-02"))


def test_rows_without_a_title_and_about_other_coins_are_left_out_and_counted(tmp_path):
    rows = ["Bitcoin up", "", "   ", "Solana up", "NA", "Markets calm"]
    lines = "".join(f"2022-01-01T0{hour}:30:00Z,{title},\n" for hour, title in enumerate(rows))
    path = write_csv(tmp_path, "time,title,subject\n" + lines + "2022-01-01T09:00:00Z,Big upgrade,ethereum\n")
    read = read_headlines(path, "BTCUSDT")
    assert read.texts == ("Bitcoin up", "NA", "Markets calm")
    assert (read.untitled, read.off_topic) == (2, 2)
    assert "3 headlines of" in str(read)
    assert read_headlines(path, "ETHUSDT").texts == ("NA", "Markets calm", "Big upgrade")
    assert len(read_headlines(path)) == 5


def test_the_subjects_of_a_file_are_kept_as_tickers(tmp_path):
    path = write_csv(
        tmp_path,
        "time,title,subject\n2022-01-01T10:00:00Z,SEC opens case,ETH\n"
        "2022-01-01T11:00:00Z,Solana and friends rally,bitcoin\n2022-01-01T12:00:00Z,Markets calm,LINK\n"
        "2022-01-01T13:00:00Z,Markets rise,defi\n",
    )
    assert read_headlines(path).subjects == ("ETH", "BTC", "LINK", "")
    assert read_headlines(path, "BTCUSDT").texts == ("Solana and friends rally", "Markets rise")
    assert read_headlines(path, "LINKUSDT").texts == ("Markets calm", "Markets rise")
    one = read_headlines(path, "BTCUSDT")
    assert replace(one, subjects=()).subjects == ("", "")
    with pytest.raises(DataError, match=r"unlike length .* give one value a headline"):
        replace(one, subjects=("BTC",))


def test_a_file_whose_headlines_all_concern_others_is_empty(tmp_path):
    path = write_csv(tmp_path, "time,title\n2022-01-01T00:30:00Z,Solana up\n")
    assert len(read_headlines(path, "BTCUSDT")) == 0
    assert len(read_headlines(write_csv(tmp_path, "time,title\n"))) == 0


def test_the_bundled_sample_reads():
    read = read_headlines("sample:headlines")
    assert (len(read), read.untitled) == (7_496, 28)
    assert int(np.sum(~read.time_known)) == 129
    assert read_headlines(Path("sample:headlines")).texts == read.texts
    of_bitcoin = read_headlines("sample:headlines", "BTCUSDT")
    assert len(of_bitcoin) + of_bitcoin.off_topic == 7_496


@pytest.mark.parametrize("stamp", ["2022-01-01 05:00:00", "2022-01-01", "05:00", "1641013200", "", "soon"])
def test_stamps_without_an_offset_are_refused_with_their_row(tmp_path, stamp):
    path = write_csv(tmp_path, f"time,title\n2022-01-01T05:00:00Z,a\n{stamp},b\n")
    with pytest.raises(
        DataError, match=r"row 1 of headlines .* does not say its offset from UTC: write stamps such as"
    ):
        read_headlines(path)


def test_impossible_stamps_are_refused_with_their_row(tmp_path):
    path = write_csv(tmp_path, "time,title\n2022-02-30T05:00:00Z,a\n")
    with pytest.raises(DataError, match=r"row 0 of headlines .* is not a time"):
        read_headlines(path)


def test_naive_parquet_stamps_are_refused(tmp_path):
    path = tmp_path / "news.parquet"
    pd.DataFrame({"time": pd.to_datetime(["2022-01-01T05:00"]), "title": ["a"]}).to_parquet(path)
    with pytest.raises(DataError, match="in Parquet, give the column a time zone"):
        read_headlines(path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("when,title\n", "no column time or timestamp .* rename the column"),
        ("time,headline\n", r"no column title or text \(they have time, headline\)"),
        ("", "not a readable .csv table"),
        ("time,title\n2022-01-01T05:00:00Z,a, b\n", "put quotes around titles that hold commas"),
        ("time,title\n2022-01-01T05:00:00Z,a\n2022-01-01T05:00:00Z,a, b\n", "not a readable .csv table"),
        (
            "time,title,time_known\n2022-01-01T05:00:00Z,a,maybe\n",
            "row 0 .* time_known is 'maybe': write true or false",
        ),
        (
            "time,title,time_known\n2022-01-01T05:00:00Z,a,\n",
            "row 0 .* time_known is 'nan': write true or false",
        ),
    ],
)
def test_unusable_tables_are_refused(tmp_path, text, sentence):
    with pytest.raises(DataError, match=sentence):
        read_headlines(write_csv(tmp_path, text))


def test_unreadable_files_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"cannot be read .* give the path"):
        read_headlines(tmp_path / "absent.csv")
    with pytest.raises(DataError, match=r"cannot be read .* give the path"):
        read_headlines(tmp_path / "absent.parquet")
    with pytest.raises(DataError, match=r"end in '.json': give a .parquet, .csv or .jsonl file"):
        read_headlines(tmp_path / "news.json")
    with pytest.raises(DataError, match=r"headlines a\.db are no table: give sqlite:///a\.db to"):
        read_headlines("a.db")
    with pytest.raises(DataError, match=r"set sentiment.source to sample:headlines"):
        read_headlines("sample:BTCUSDT_1h")
    for name in ("torn.parquet", "latin.csv"):
        (tmp_path / name).write_bytes(b"time,title\n\xff\xfe\xe9")
        with pytest.raises(DataError, match=r"write the file again|give the path"):
            read_headlines(tmp_path / name)


def test_headlines_hold_their_laws():
    times = stamps("2022-01-01", "2022-01-02")
    with pytest.raises(DataError, match=r"unlike length .* give one value a headline"):
        Headlines(times, np.ones(1, bool), ("a", "b"), ("", ""))
    with pytest.raises(DataError, match="not in order of publication: sort them"):
        Headlines(times[::-1], np.ones(2, bool), ("a", "b"), ("", ""))
    with pytest.raises(DataError, match="no publication time: drop it"):
        Headlines(stamps("2022-01-01", "NaT"), np.ones(2, bool), ("a", "b"), ("", ""))
    with pytest.raises(ValueError, match="read-only"):
        Headlines(times, np.ones(2, bool), ("a", "b"), ("", "")).published_at[0] = times[1]


def test_known_by_follows_the_rule():
    at = stamps("2022-01-01T10:00", "2022-01-01T12:00", "2022-01-02T00:00")
    bare = Headlines(at, np.array([True, True, False]), ("a", "b", "c"), ("",) * 3, origin="news.csv")
    seen = replace(bare, seen_at=stamps("2022-01-01T11:30", "2022-01-01T09:00", "2022-01-02T05:00"))
    wanted = stamps("2022-01-01T11:30", "2022-01-01T12:00", "2022-01-03T00:00")
    np.testing.assert_array_equal(seen.known_by("seen"), wanted)
    np.testing.assert_array_equal(seen.known_by("published"), bare.known_from)
    with pytest.raises(DataError, match=r"known_by is 'stamped': give published or seen"):
        seen.known_by("stamped")
    partly = replace(seen, seen_at=stamps("2022-01-01T11:30", "NaT", "NaT"))
    with pytest.raises(
        DataError, match=r'2 of 3 headlines of news\.csv .* set sentiment\.known_by = "published"'
    ):
        partly.known_by("seen")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"reach": np.array([-1.0])}, "reach is not a number of people: give 0 or more"),
        ({"reach": np.array([np.nan])}, "reach is not a number of people: give 0 or more"),
        ({"given_polarity": np.array([1.5])}, r"given polarity is out of range: give a number in \[-1, 1\]"),
    ],
)
def test_impossible_reach_and_polarity_are_refused(change, sentence):
    with pytest.raises(DataError, match=sentence):
        Headlines(stamps("2022-01-01"), np.ones(1, bool), ("a",), ("",), **change)
