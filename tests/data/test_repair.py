"""A repair says every change, invents nothing, and what it writes is read back without a defect."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlstrat.data.bars import COLUMNS, RowError
from mlstrat.data.mending.repair import repair
from mlstrat.data.mending.rules import Change
from mlstrat.data.quality import check, repaired
from mlstrat.data.sources import read_bars
from mlstrat.data.synthetic import random_walk
from mlstrat.data.writing import check_output, write_bars
from mlstrat.errors import DataError

NOW = datetime(2025, 1, 1, tzinfo=UTC)
SPY = Path(__file__).parents[3] / "shared" / "data" / "bars" / "SPY_1d.parquet"


def good(n: int = 30) -> pd.DataFrame:
    return random_walk(n, 4).frame().reset_index()


def as_text(frame: pd.DataFrame, column: str, cells: dict[int, object]) -> pd.DataFrame:
    texts = [cells.get(row, str(value)) for row, value in enumerate(frame[column])]
    return frame.assign(**{column: pd.Series(texts, dtype=object)})


def changes_of(frame: pd.DataFrame, **told: str) -> list[tuple[str, str, tuple[int, ...]]]:
    bars, changes = repair(frame, symbol="ABC", now=NOW, **told)
    again, more = repair(bars.frame(), symbol="ABC", timeframe=str(bars.timeframe), now=NOW)
    assert more == ()
    assert again.sha256 == bars.sha256
    return [(change.what, change.done, change.rows) for change in changes]


def test_good_bars_stay_as_they_are() -> None:
    bars, changes = repair(good(), symbol="ABC", now=NOW)
    assert changes == ()
    assert bars.sha256 == read_bars(good(), symbol="ABC", now=NOW).sha256
    first, *_ = repaired(good(), symbol="ABC", now=NOW)[1]
    assert (first.level, first.what) == ("ok", "nothing had to be repaired")


def test_every_kind_of_defect_at_once_leaves_all_other_cells() -> None:
    frame = good().astype({"volume": float})
    frame.loc[3, "close"] = np.nan
    frame.loc[5, "volume"] = -4.0
    frame.loc[6, "volume"] = np.inf
    frame.loc[8, "high"] = frame.loc[8, ["open", "close"]].max() - 1
    frame.loc[9, "low"] = frame.loc[9, ["open", "close"]].min() + 1
    frame = pd.concat([frame.iloc[:20], frame.iloc[19:]], ignore_index=True)
    frame.loc[20, "volume"] += 1
    frame = frame.iloc[[*range(25), 26, 25, *range(27, 31)]].reset_index(drop=True)
    bars, changes = repair(frame, symbol="ABC", now=NOW)
    assert set(changes) == {
        Change("has a price that is not a finite number", "dropped", (3,)),
        Change("is earlier than the row before", "sorted by time", (26,)),
        Change("has the time of a later row, other values", "the last row of that time kept", (19,)),
        Change("has a volume that is not a finite number", "volume set to 0", (6,)),
        Change("has a negative volume", "volume set to 0", (5,)),
        Change("has a high below its open or close", "high raised to it", (8,)),
        Change("has a low above its open or close", "low lowered to it", (9,)),
    }
    expected = good().drop(index=3).set_index("time")
    expected.iloc[[4, 5], 4] = 0.0
    for row in (7, 8):
        open_px, close = expected.iloc[row, 0], expected.iloc[row, 3]
        expected.iloc[row, 1 if row == 7 else 2] = max(open_px, close) if row == 7 else min(open_px, close)
    expected.iloc[18, 4] += 1
    pd.testing.assert_frame_equal(bars.frame(), expected, check_freq=False, check_exact=True)


def test_numbers_as_people_write_them() -> None:
    frame = as_text(good(), "close", {2: "19,993.34", 4: "20,000", 5: "n/a", 6: "", 7: True, 8: "1_000"})
    frame["volume"] = pd.Series([*["1,234,567"] * 3, "-", None, *["5"] * 25], dtype=object)
    frame.loc[[2, 4], ["open", "high", "low"]] = [19_993.0, 20_001.0, 19_990.0]
    bars, changes = repair(frame, symbol="ABC", now=NOW)
    assert [(change.what, change.rows) for change in changes] == [
        ("has the close written with thousands separators", (2, 4)),
        ("has a close that is no number", (5, 7, 8)),
        ("has the volume written with thousands separators", (0, 1, 2)),
        ("has a volume that is no number", (3,)),
        ("has a price that is not a finite number", (5, 6, 7, 8)),
        ("has a volume that is not a finite number", (3, 4)),
    ]
    assert bars.close[[2, 4]].tolist() == [19_993.34, 20_000.0]
    assert bars.volume[:6].tolist() == [1_234_567.0, 1_234_567.0, 1_234_567.0, 0.0, 0.0, 5.0]


@pytest.mark.parametrize("cell", ["19.993,34", "19993,3", "1,2345"])
def test_a_decimal_comma_is_never_taken_for_thousands(cell: str) -> None:
    frame = as_text(good(), "open", {3: cell, 4: "20,001"})
    with pytest.raises(
        DataError, match=rf"decimal comma \('{cell}' in row 3\): export it with decimal points"
    ):
        repair(frame, symbol="ABC", now=NOW)


def test_columns_that_hold_no_number_at_all_are_refused() -> None:
    for frame in (good().assign(low="low"), good().assign(low=pd.Timestamp("2020-01-01"))):
        with pytest.raises(DataError, match=r"row 0 of the frame has the low .* which is no number"):
            repair(frame, symbol="ABC", now=NOW)
    with pytest.raises(
        DataError, match=r"low of the frame has the low 'False'|holds bool values: give numbers"
    ):
        repair(good().assign(low=False), symbol="ABC", now=NOW)


def test_stamps_that_cannot_be_read_are_dropped() -> None:
    frame = as_text(good(), "time", {1: "n/a", 2: None, 3: "9000-01-01T00:00Z", 4: "03/01/2024"})
    assert changes_of(frame) == [
        ("has no time", "dropped", (2,)),
        ("has a time that cannot be read", "dropped", (1, 4)),
        ("lies outside the years 1900 to 2200", "dropped", (3,)),
    ]
    missing = good().assign(time=lambda f: f["time"].where(f.index != 4))
    assert changes_of(missing) == [("has no time", "dropped", (4,))]


@pytest.mark.parametrize("kind", [float, object, str])
def test_epoch_numbers_come_to_one_unit(kind: type) -> None:
    seconds = [stamp.value // 10**9 for stamp in good()["time"]]
    seconds[4] *= 10**3
    seconds[5] *= 10**9 if kind is not float else 10**6
    seconds[7] = 17
    frame = good().assign(time=pd.Series(seconds, dtype=object).astype(kind))
    assert changes_of(frame) == [
        ("has a time that is no epoch number", "dropped", (7,)),
        ("has a time in another unit than s", "converted", (4, 5)),
    ]
    assert repair(frame, symbol="ABC", now=NOW)[0].time[4] == np.datetime64("2020-01-01T04:00")


def test_epoch_numbers_between_words_and_with_fractions() -> None:
    seconds = [str(stamp.value // 10**9) for stamp in good()["time"]]
    assert changes_of(good().assign(time=["when", *seconds[1:]])) == [
        ("has a time that is no epoch number", "dropped", (0,))
    ]
    broken = good().assign(
        time=[float(text) + (0.5 if row == 9 else 0.0) for row, text in enumerate(seconds)]
    )
    assert changes_of(broken) == [("has a time with a fraction", "dropped", (9,))]


def test_rows_between_the_bars_are_dropped() -> None:
    frame = good()
    frame.loc[[5, 11], "time"] += pd.Timedelta(minutes=20)
    assert changes_of(frame) == [("lies between the times of the bars", "dropped", (5, 11))]


@pytest.mark.parametrize(
    ("zone", "first", "hour"), [("Europe/London", "2024-01-10", 0), ("Europe/Berlin", "2024-02-20", 23)]
)
def test_local_days_are_known_late_rather_than_early(zone: str, first: str, hour: int) -> None:
    stamps = pd.date_range(first, periods=300, freq="1D", tz=zone)
    frame = random_walk(300, 1).frame().set_index(stamps)
    bars, changes = repair(frame, symbol="ABC", now=NOW)
    utc = stamps.tz_convert("UTC").tz_localize(None).to_numpy()
    late = bars.time - utc
    assert set(np.unique(late // np.timedelta64(1, "h")).tolist()) == {0, 1}
    assert np.unique(np.diff(bars.time)).tolist() == [86_400 * 10**9]
    assert changes[0].done == f"moved an hour later, to {hour:02d}:00 UTC"
    assert changes[0].rows == tuple(np.flatnonzero(late > np.timedelta64(0)).tolist())


def test_what_only_the_owner_knows_stays_refused() -> None:
    naive = good().assign(time=lambda f: f["time"].dt.tz_localize(None))
    with pytest.raises(DataError, match=r"carry no time zone .*: pass tz"):
        repair(naive, symbol="ABC", now=NOW)
    assert repair(naive, symbol="ABC", tz="UTC", now=NOW)[1] == ()
    mixed = as_text(good(), "time", {1: "", 2: "2020-01-01 02:00:00"})
    with pytest.raises(RowError, match=r"row 2 .*without offset where others have one"):
        repair(mixed, symbol="ABC", now=NOW)
    with pytest.raises(DataError, match="symbol of the frame is not known: pass symbol"):
        repair(good(), now=NOW)


def test_a_file_of_mostly_unusable_rows_is_refused() -> None:
    frame = good()
    frame.loc[:15, "low"] = np.nan
    with pytest.raises(
        DataError, match=r"has 30 rows of which a repair would leave 14, most often because a row has a price"
    ):
        repair(frame, symbol="ABC", now=NOW)


@pytest.mark.parametrize("name", ["OUT_1h.csv", "out.parquet"])
def test_written_bars_come_back_with_the_same_bits(name: str, tmp_path: Path) -> None:
    frame = good()
    frame.loc[3, "close"] = -1.0
    bars, _ = repair(frame, symbol="OUT", now=NOW)
    write_bars(bars, tmp_path / name)
    back = read_bars(tmp_path / name, now=NOW)
    assert (back.sha256, back.symbol, back.instrument.tick) == (bars.sha256, "OUT", bars.instrument.tick)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_bars_without_volume_are_written_without(tmp_path: Path) -> None:
    bars = read_bars(good().drop(columns="volume"), symbol="FX", now=NOW)
    for name in ("FX_1h.csv", "FX_1h.parquet"):
        write_bars(bars, tmp_path / name)
        back = read_bars(tmp_path / name, now=NOW)
        assert any("FX has no volume" in note for note in back.notes)


def test_outputs_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"neither CSV nor Parquet by its name: end it with \.csv or \.parquet"
    ):
        check_output(tmp_path / "out.txt", "in.csv")
    with pytest.raises(DataError, match=r"the folder of .* does not exist: create it"):
        check_output(tmp_path / "none" / "out.csv", "in.csv")
    with pytest.raises(DataError, match="is the file that is read: name another file"):
        check_output(tmp_path / "in.csv", tmp_path / "in.csv")


def test_a_daily_low_above_the_open_as_yahoo_adjusts_it() -> None:
    """SPY's rows of 2015-03-05 and its neighbours, where the low (197.4457093) lies above the open."""
    frame = pd.DataFrame(
        {
            "Date": ["2015-03-04", "2015-03-05", "2015-03-06"],
            "Open": [197.40, 197.0411192, 197.00],
            "High": [197.90, 198.3395517, 197.60],
            "Low": [196.50, 197.4457093, 194.50],
            "Close": [197.30, 198.019653, 195.20],
        }
    )
    bars, changes = repair(frame, symbol="SPY", tz="UTC", now=NOW)
    assert changes == (Change("has a low above its open or close", "low lowered to it", (1,)),)
    assert bars.low.tolist() == [196.50, 197.0411192, 194.50]


@pytest.mark.skipif(not SPY.exists(), reason="the daily bars of SPY are not beside this checkout")
def test_two_rows_of_spy(tmp_path: Path) -> None:
    bars, changes = repair(SPY, now=NOW)
    raw = pd.read_parquet(SPY)
    days = [str(raw["timestamp"][row].date()) for change in changes for row in change.rows]
    assert days == ["2015-03-05", "2015-03-30"]
    write_bars(bars, tmp_path / "SPY_1d.parquet")
    back = read_bars(tmp_path / "SPY_1d.parquet", now=NOW)
    report = check(back)
    assert (len(back), report.gaps, report.split_rows, report.idle_rows) == (len(raw), (), (), ())
    for name in COLUMNS:
        same = getattr(back, name) == raw[name].to_numpy()
        assert int(np.sum(~same)) == (2 if name == "low" else 0)
