"""Headlines from files: what is kept, from when it is known, and what is refused."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mlstrat.errors import DataError
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


def test_a_file_whose_headlines_all_concern_others_is_empty(tmp_path):
    path = write_csv(tmp_path, "time,title\n2022-01-01T00:30:00Z,Solana up\n")
    assert len(read_headlines(path, "BTCUSDT")) == 0
    assert len(read_headlines(write_csv(tmp_path, "time,title\n"))) == 0


def test_the_bundled_sample_reads():
    read = read_headlines("sample:headlines")
    assert (len(read), read.untitled) == (7_496, 28)
    assert int(np.sum(~read.time_known)) == 129
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
