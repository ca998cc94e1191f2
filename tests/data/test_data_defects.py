"""Every defect of a source is refused with a sentence that names the row and what to do."""

import contextlib
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlstrat.data.bars import COLUMNS, Bars, RowError
from mlstrat.data.mending.repair import repair
from mlstrat.data.sources import read_bars
from mlstrat.errors import DataError

NOW = datetime(2025, 1, 1, tzinfo=UTC)
HOUR = 3600
FIRST = 1_709_251_200  # 2024-03-01 00:00 UTC


def good(n: int = 8) -> pd.DataFrame:
    close = 100.0 + np.arange(n)
    return pd.DataFrame(
        {
            "time": FIRST + HOUR * np.arange(n),
            "open": close - 0.5,
            "high": close + 1.0,
            "low": close - 1.5,
            "close": close,
            "volume": 10.0,
        }
    )


def put(column: str, row: int, value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        cells = frame[column].astype(object)
        cells.iloc[row] = value
        kept_as_text = isinstance(value, str | bool)
        return frame.assign(**{column: cells if kept_as_text else cells.astype(float)})

    return change


def times(values: list[object]) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda frame: frame.iloc[: len(values)].assign(time=pd.Series(values, dtype=object))


def swapped(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.iloc[[0, 1, 3, 2, 4, 5, 6, 7]].reset_index(drop=True)


def text(*clocks: str) -> list[object]:
    return list(clocks)


DEFECTS = {
    "NaN": (put("close", 3, np.nan), "row 3 .*2024-03-01T03:00.* has a close that is not a finite number"),
    "+inf": (put("high", 3, np.inf), "row 3 .* has a high that is not a finite number"),
    "-inf": (put("low", 3, -np.inf), "row 3 .* has a low that is not a finite number"),
    "negative": (put("low", 2, -1.0), "row 2 .* has a low of zero or less.*repair the price or drop the row"),
    "zero": (put("open", 2, 0.0), "row 2 .* has an open of zero or less"),
    "high < low": (put("high", 4, 90.0), "row 4 .* has a high below its open or close.*repair the high"),
    "low > close": (put("low", 4, 104.0), "row 4 .* has a low above its open or close.*repair the low"),
    "negative volume": (put("volume", 5, -1.0), "row 5 .* has a negative volume.*repair it or drop the row"),
    "partial volume": (put("volume", 5, np.nan), "row 5 .* has a volume that is not a finite number"),
    "duplicate": (put("time", 3, FIRST + 2 * HOUR), "row 3 .* repeats the time of the row before.*keep one"),
    "unsorted": (swapped, "row 3 .* is earlier than the row before.*sort by time"),
    "too close": (put("time", 3, FIRST + 2.5 * HOUR), "row 3 .* follows sooner than one 1h"),
    "text price": (put("close", 3, "1,234.5"), "row 3 .* has the close '1,234.5', which is no number: write"),
    "underscores": (put("close", 3, "1_000"), "row 3 .* has the close '1_000', which is no number"),
    "boolean price": (put("open", 1, True), "row 1 .* has the open 'True', which is no number"),
    "price as date": (
        lambda f: f.assign(open=pd.to_datetime(f["time"], unit="s")),
        "row 0 .* has the open .* which is no number",
    ),
    "all boolean": (lambda f: f.assign(open=f["open"] > 0), "open of the frame holds bool values: give numb"),
    "missing time": (put("time", 2, np.nan), "row 2 .* has no time .*: give its open time"),
    "missing ISO time": (times(["2024-03-01T00:00Z", None]), "row 1 .* has no time"),
    "NaT": (
        lambda f: f.assign(time=pd.to_datetime(f["time"], unit="s", utc=True).where(f.index != 4)),
        "row 4 .* has no time",
    ),
    "mixed units": (
        put("time", 3, (FIRST + 3 * HOUR) * 1e3),
        "row 3 .* epoch ms where row 0 has s.*one unit",
    ),
    "fraction": (put("time", 3, FIRST + 3 * HOUR + 0.5), "row 3 .* has a time with a fraction"),
    "dates as numbers": (
        lambda f: f.assign(time=20240301 + np.arange(8)),
        "row 0 .* is no epoch number.*or ISO dates such as",
    ),
    "row numbers": (lambda f: f.assign(time=np.arange(8)), "row 0 .* is no epoch number"),
    "infinite time": (put("time", 2, np.inf), "row 2 .* is no epoch number"),
    "naive": (
        lambda f: f.assign(time=pd.to_datetime(f["time"], unit="s")),
        'carry no time zone .*: pass tz, such as tz="UTC"',
    ),
    "naive text": (times(text("2024-03-01 00:00", "2024-03-01 01:00")), "carry no time zone .*: pass tz"),
    "mixed zones": (
        times(text("2024-03-01T00:00Z", "2024-03-01T01:00:00")),
        "row 1 .* without offset where others have one.*write every stamp with its offset",
    ),
    "American dates": (
        times(text("03/01/2024 00:00", "03/01/2024 01:00")),
        "row 0 .* time that cannot be read",
    ),
    "nonsense": (times(text("2024-03-01T00:00Z", "n/a:00Z")), "row 1 .* has a time that cannot be read"),
    "year 1800": (
        times(text("1800-01-01T00:00Z", "1800-01-02T00:00Z")),
        "row 0 .* outside the years 1900 to",
    ),
    "year 9000": (
        times(text("2024-03-01T00:00Z", "9000-01-01T00:00Z")),
        "row 1 .* outside the years 1900 to",
    ),
    "23-hour day": (
        times([f"2024-03-{d}T00:00-0{o}:00" for d, o in (("09", 5), ("10", 5), ("11", 4), ("12", 4))]),
        "row 2 .* follows a day of 23 hours.*: stamp daily bars at 00:00 UTC",
    ),
    "future": (
        put("time", 7, FIRST + 9999 * HOUR),
        "row 7 .* lies in the future of the clock .*: check the time zone",
    ),
    "wrong index": (lambda f: f.drop(columns="time"), "has no open times: name a column time, or give"),
    "no close": (
        lambda f: f.drop(columns="close"),
        "has no column close .*: give time, open, high, low, close",
    ),
    "close twice": (lambda f: f.assign(Close=f["close"]), "has 2 columns called close: keep one of them"),
    "two times": (lambda f: f.assign(date="x"), "has the columns time and date, .*: keep one"),
    "empty": (lambda f: f.iloc[:0], "the frame has no bars: check the file"),
    "no columns": (lambda _: pd.DataFrame(), "has no column open"),
    "one row": (lambda f: f.iloc[:1], "has one bar, so its length is not known: pass timeframe"),
    "seconds": (lambda f: f.assign(time=FIRST + np.arange(8)), "bars of the frame are 1 s apart: export"),
    "three levels": (
        lambda f: f.set_axis(pd.MultiIndex.from_tuples([(c, "a", "b") for c in f]), axis=1),
        "has columns of 3 levels: give one row of column names",
    ),
}


@pytest.mark.parametrize(("change", "sentence"), DEFECTS.values(), ids=DEFECTS)
def test_defect_is_refused(change: Callable[[pd.DataFrame], pd.DataFrame], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        read_bars(change(good()), symbol="ABC", now=NOW)


def test_row_errors_carry_row_and_remedy() -> None:
    with pytest.raises(RowError, match="row 4") as caught:
        read_bars(put("low", 4, 104.0)(put("low", 6, 106.0)(good())), symbol="ABC", now=NOW)
    assert (caught.value.row, caught.value.remedy) == (4, "repair the low or drop the row")
    assert "(rows with this defect: 2; the next is row 6)" in str(caught.value)


def test_yahoo_row_whose_low_lies_above_its_open_is_refused() -> None:
    """The shape of SPY's row of 2015-03-05, where the low (197.4457093) lies above the open."""
    frame = pd.DataFrame(
        {
            "Date": ["2015-03-04", "2015-03-05", "2015-03-06"],
            "Open": [197.40, 197.0411192, 197.00],
            "High": [197.90, 198.3395517, 197.60],
            "Low": [196.50, 197.4457093, 194.50],
            "Close": [197.30, 198.019653, 195.20],
        }
    )
    with pytest.raises(
        DataError, match=r"row 1 of SPY \(2015-03-05T00:00: .*low above its open .*repair the low"
    ):
        read_bars(frame, symbol="SPY", tz="UTC", now=NOW)


@pytest.mark.parametrize(
    ("clock", "sentence"),
    [
        ("2024-11-03 01:30", "row 1 .* has a time that the clock of America/New_York shows twice"),
        ("2024-03-10 02:30", "row 1 .* has a time that the clock of America/New_York skips"),
    ],
)
def test_local_hours_that_summer_time_makes_unclear(clock: str, sentence: str) -> None:
    stamps = pd.DatetimeIndex([pd.Timestamp(clock) - pd.Timedelta("1D"), pd.Timestamp(clock)])
    with pytest.raises(DataError, match=sentence + ".*: export the times with their offset, or in UTC"):
        read_bars(good(2).assign(time=stamps), symbol="ABC", tz="America/New_York", now=NOW)


def test_a_day_of_25_hours_is_no_gap() -> None:
    stamps = pd.date_range("2024-11-01", periods=5, freq="1D", tz="America/New_York")
    bars = read_bars(good(5).assign(time=stamps), symbol="ABC", now=NOW)
    assert str(bars.timeframe) == "1d"


def test_unknown_zone() -> None:
    naive = good().assign(time=pd.to_datetime(good()["time"], unit="s"))
    for zone in ("Mars/Base", "../etc", "EST5EDT4"):
        with pytest.raises(DataError, match=f"tz '{re.escape(zone)}' is not a time zone: give an IANA name"):
            read_bars(naive, symbol="ABC", tz=zone, now=NOW)


def test_unknown_symbol_and_timeframe() -> None:
    with pytest.raises(DataError, match="symbol of the frame is not known: pass symbol"):
        read_bars(good(), now=NOW)
    with pytest.raises(DataError, match=r'should hold 15m bars, but .* is 1h: pass timeframe="1h"'):
        read_bars(good(), symbol="ABC", timeframe="15m", now=NOW)
    with pytest.raises(DataError, match="timeframe 'hourly' is not a bar length"):
        read_bars(good(), symbol="ABC", timeframe="hourly", now=NOW)
    with pytest.raises(DataError, match="instrument has no fact 'ticks'"):
        read_bars(good(), symbol="ABC", instrument={"ticks": 1}, now=NOW)
    with pytest.raises(DataError, match=r"facts of ABC are .*: give numbers, such as tick=0\.01"):
        read_bars(good(), symbol="ABC", instrument={"tick": "small"}, now=NOW)


def test_clock_without_zone_and_single_open_bar() -> None:
    with pytest.raises(DataError, match=r"without a time zone: pass datetime\.now"):
        read_bars(good(), symbol="ABC", now=datetime(2025, 1, 1))
    moment = datetime.fromtimestamp(FIRST + 60, UTC)
    with pytest.raises(DataError, match="one bar, and it has not closed yet: read it after its close"):
        read_bars(good(1), symbol="ABC", timeframe="1h", now=moment)


FILES = {
    "text.xlsx": (b"x", "neither CSV nor Parquet by its name: give a .csv or .parquet file"),
    "EMPTY.csv": (b"", "is not a readable CSV file .*: export it again"),
    "LATIN.csv": (b"\xff\xfe\x00\x81,\n", "is not a readable CSV file .*: export it again"),
    "RAGGED.csv": (b"time,open,high,low,close\n1,2,3,4,5\n1,2,3,4,5,6,7\n", "is not a readable CSV file"),
    "SHIFTED.csv": (b"time,open,high,low,close\n1,2,3,4,5,6\n1,2,3,4,5,6\n", "is not a readable CSV file"),
    "SEMICOLON.csv": (
        b"time;open;high;low;close\n1;2;3;4;5\n",
        "are separated by semicolons: save it with commas and points",
    ),
    "COMMA.csv": (
        b"time;open;high;low;close\n1;2,5;3;4;5\n",
        "are separated by semicolons: save it with commas and points",
    ),
    "BROKEN.parquet": (
        b"PAR1 and then nothing PAR1",
        "BROKEN.parquet (is not a readable Parquet|cannot be read)",
    ),
}


@pytest.mark.parametrize(("name", "content", "sentence"), [(k, *v) for k, v in FILES.items()], ids=FILES)
def test_unreadable_files(name: str, content: bytes, sentence: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=sentence):
        read_bars(tmp_path / name, now=NOW)


def test_missing_file_and_wrong_type(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot be read \(No such file or directory\): give the path"):
        read_bars(tmp_path / "none_1h.csv", now=NOW)
    with pytest.raises(DataError, match="bars cannot be read from a list: give a path or a DataFrame"):
        read_bars([1, 2], now=NOW)  # type: ignore[arg-type]


CELLS = st.one_of(
    st.floats(),
    st.floats(0.5, 1e3),
    st.integers(),
    st.integers(FIRST, FIRST + 10**6),
    st.none(),
    st.text(max_size=8),
    st.booleans(),
    st.datetimes(),
    st.datetimes(timezones=st.just(UTC)),
    st.timedeltas(),
    st.complex_numbers(),
    st.binary(max_size=3),
    st.lists(st.integers(), max_size=2),
    st.just("2024-03-01T00:00Z"),
    st.sampled_from([pd.NaT, pd.NA, np.datetime64("NaT")]),
)
LABELS = st.one_of(
    st.sampled_from(["time", "Date", *COLUMNS, "Open", "c", "Volume"]), st.integers(), st.none()
)


@st.composite
def odd_frames(draw: st.DrawFn) -> pd.DataFrame:
    """Good bars with odd cells and columns, sometimes with an odd index or nothing sound at all."""
    n = draw(st.integers(1, 6))
    frame = good(n)
    for column in draw(st.lists(st.sampled_from(list(frame)), max_size=2)):
        cells = frame[column].astype(object).tolist()
        cells[draw(st.integers(0, n - 1))] = draw(CELLS)
        inferred = draw(st.booleans())
        frame[column] = pd.Series(cells, dtype=object)
        frame = frame.infer_objects() if inferred else frame
    labels = draw(st.lists(LABELS, max_size=2))
    extra = pd.DataFrame([[draw(CELLS) for _ in labels] for _ in range(n)], columns=labels, dtype=object)
    frame = pd.concat([frame, extra], axis=1)
    if draw(st.booleans()):
        frame = frame.iloc[:, draw(st.permutations(range(frame.shape[1])))]
    return frame.sample(frac=1, random_state=1) if draw(st.integers(0, 4)) == 0 else frame


# MLSTRAT_FRAMES=10000 runs the full count.
EXAMPLES = int(os.environ.get("MLSTRAT_FRAMES", "300"))
ODD = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
ZONES = st.sampled_from(["", "UTC", "Europe/Berlin"])


def assert_lawful(bars: Bars) -> None:
    assert np.isfinite(bars.matrix).all()
    assert (bars.matrix[:, :4] > 0).all()
    assert (bars.volume >= 0).all()
    assert (bars.low <= np.minimum(bars.open, bars.close)).all()
    assert (bars.high >= np.maximum(bars.open, bars.close)).all()
    assert (np.diff(bars.time) >= bars.timeframe.delta).all()


@ODD
@given(frame=odd_frames(), tz=ZONES)
def test_only_data_errors_come_out(frame: pd.DataFrame, tz: str) -> None:
    with contextlib.suppress(DataError):
        assert_lawful(
            read_bars(frame, symbol="ABC", timeframe="1h" if len(frame) < 3 else "", tz=tz, now=NOW)
        )


@ODD
@given(frame=odd_frames(), tz=ZONES)
def test_only_data_errors_come_out_of_a_repair(frame: pd.DataFrame, tz: str) -> None:
    told = {"symbol": "ABC", "timeframe": "1h" if len(frame) < 3 else "", "tz": tz, "now": NOW}
    with contextlib.suppress(DataError):
        bars, changes = repair(frame, **told)
        assert_lawful(bars)
        if not changes:
            assert read_bars(frame, **told).sha256 == bars.sha256
        assert repair(bars.frame(), symbol="ABC", timeframe=str(bars.timeframe), now=NOW)[1] == ()
