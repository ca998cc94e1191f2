"""The 25 defects a source of bars may have: refused with what to do, repaired when asked, or harmless."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from mlstrat.data.bars import COLUMNS, Bars
from mlstrat.data.mending.repair import repair
from mlstrat.data.quality import inspect
from mlstrat.data.sources import read_bars
from mlstrat.data.synthetic import random_walk
from mlstrat.errors import DataError
from mlstrat.features.matrix import build

NOW = datetime(2025, 1, 1, tzinfo=UTC)
N = 60


def good() -> pd.DataFrame:
    return random_walk(N, seed=5).frame().reset_index()


def put(column: str, row: int, value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        cells = frame[column].astype(object)
        cells.iloc[row] = value
        return frame.assign(**{column: cells if isinstance(value, str) else cells.astype(float)})

    return change


def times(change: Callable[[pd.Series], object]) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda frame: frame.assign(time=change(frame["time"]))


def scaled(row: int, factor: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        prices = ["open", "high", "low", "close"]
        frame.loc[row, prices] *= factor
        return frame

    return change


def epoch(units: dict[int, int]) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Stamps as epoch seconds, some rows in a unit so many times finer."""
    return lambda frame: frame.assign(
        time=[stamp.value // 10**9 * units.get(row, 1) for row, stamp in enumerate(frame["time"])]
    )


def local_days(first: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return times(lambda _: pd.date_range(first, periods=N, freq="1D", tz="America/New_York"))


def no_zone(stamps: pd.Series) -> list[str]:
    return [str(stamp.tz_localize(None)) for stamp in stamps]


UNDERSTOOD, AS_READ = ("understood", ""), ("as read", "")


@dataclass(frozen=True)
class Case:
    """A defect; `reading` and `repairing` are (outcome, sentence it comes with)."""

    name: str
    change: Callable[[pd.DataFrame], pd.DataFrame]
    reading: tuple[str, str]
    repairing: tuple[str, str] = AS_READ


def refused(sentence: str) -> tuple[str, str]:
    return "refused", sentence


def repaired(sentence: str) -> tuple[str, str]:
    return "repaired", sentence


def noted(sentence: str) -> tuple[str, str]:
    return "noted", sentence


ZONE = "carry no time zone .*: pass tz"
MATRIX = (
    Case(
        "NaN",
        put("close", 7, np.nan),
        refused("row 7 .*has a close that is not a finite number.*: repair or drop it"),
        repaired(r"price that is not a finite number dropped \(7,\)"),
    ),
    Case(
        "infinite",
        lambda f: put("low", 9, -np.inf)(put("high", 7, np.inf)(f)),
        refused("row 7 .*has a high that is not a finite number.*: repair or drop it"),
        repaired(r"price that is not a finite number dropped \(7, 9\)"),
    ),
    Case(
        "negative price",
        put("low", 7, -1.0),
        refused("row 7 .*low of zero or less.*: repair the price or drop the row"),
        repaired(r"price of zero or less dropped \(7,\)"),
    ),
    Case(
        "zero price",
        put("open", 7, 0.0),
        refused("row 7 .*open of zero or less.*: repair the price or drop the row"),
        repaired(r"price of zero or less dropped \(7,\)"),
    ),
    Case(
        "high below low",
        put("high", 7, 15_000.0),
        refused("row 7 .*high below its open or close.*: repair the high or drop the row"),
        repaired(r"high below its open or close high raised to it \(7,\)"),
    ),
    Case(
        "duplicate",
        lambda f: pd.concat([f.iloc[:8], f.iloc[7:]], ignore_index=True),
        refused("row 8 .*repeats the time of the row before.*: keep one row a bar"),
        repaired(r"time of a later row and its values the last row of that time kept \(7,\)"),
    ),
    Case(
        "unsorted",
        lambda f: f.iloc[[*range(7), 8, 7, *range(9, N)]].reset_index(drop=True),
        refused("row 8 .*is earlier than the row before.*: sort by time"),
        repaired(r"earlier than the row before sorted by time \(8,\)"),
    ),
    Case("gap", lambda f: f.drop(index=range(7, 10)), noted(r"1 gaps, 3 bars missing .*row 7.*never filled")),
    Case(
        "mixed time zones",
        times(lambda t: [str(s.tz_convert("Asia/Tokyo") if s.hour % 2 else s) for s in t]),
        UNDERSTOOD,
    ),
    Case("naive time zone", times(no_zone), refused(ZONE), refused(ZONE)),
    Case(
        "23-hour day",
        local_days("2024-02-01"),
        refused("row 39 .*follows a day of 23 hours.*: stamp daily bars at 00:00 UTC"),
        repaired(r"clock in summer time moved an hour later, to 05:00 UTC \(39, .*59\)"),
    ),
    Case("25-hour day", local_days("2024-09-20"), noted("1 bars follow a day of 25 hours .*row 45.*: stamp")),
    Case("zero volume", put("volume", 7, 0.0), noted(r"1 bars have no volume .*row 7")),
    Case(
        "negative volume",
        put("volume", 7, -1.0),
        refused("row 7 .*negative volume.*: repair it or drop the row"),
        repaired(r"negative volume volume set to 0 \(7,\)"),
    ),
    Case(
        "string column",
        lambda f: f.assign(close=[f"{close:,.2f}" for close in f["close"]]),
        refused("row 0 .*has the close '19,993.34', which is no number: write it as digits"),
        repaired(r"close written with thousands separators read as a number \(0, 1, .*59\)"),
    ),
    Case(
        "wrong index",
        lambda f: f.drop(columns="time"),
        refused("has no open times: name a column time"),
        refused("has no open times: name a column time"),
    ),
    Case(
        "empty",
        lambda f: f.iloc[:0],
        refused("has no bars: check the file"),
        refused("has 0 rows .*export it again"),
    ),
    Case(
        "one row",
        lambda f: f.iloc[:1],
        refused("one bar, so its length is not known: pass timeframe"),
        refused("one bar, so its length is not known: pass timeframe"),
    ),
    Case("fewer than the warm-up", lambda f: f, UNDERSTOOD),
    Case(
        "future",
        lambda f: f.assign(time=[*f["time"][:-1], pd.Timestamp("2031-01-01T00:00Z")]),
        refused("row 59 .*lies in the future of the clock .*: check the time zone and the unit"),
        repaired(r"lies in the future of the clock dropped \(59,\)"),
    ),
    Case(
        "constant price",
        lambda f: f.assign(open=5.0, high=5.0, low=5.0, close=5.0),
        refused(r"every close of ABC is the same \(5\): check what was exported"),
        refused(r"every close of ABC is the same \(5\): check what was exported"),
    ),
    Case(
        "tenfold spike",
        scaled(7, 10.0),
        refused("row 7 .*leaves the closes before and after it by a factor of 5.*: compare it with another"),
        repaired(r"leaves both neighbouring closes by a factor of 5 or more dropped \(7,\)"),
    ),
    Case(
        "units of time",
        epoch({7: 1000, 8: 10**6, 9: 10**9}),
        refused("row 7 .*epoch ms where row 0 has s.*: give all stamps in one unit"),
        repaired(r"time in another unit than s converted \(7, 8, 9\)"),
    ),
    Case("capital columns", lambda f: f.rename(columns=str.upper), UNDERSTOOD),
    Case("extra columns", lambda f: f.assign(**{"Adj Close": 1.0, "trades": "many"}), UNDERSTOOD),
)
IDS = [f"{number} {case.name}" for number, case in enumerate(MATRIX, start=1)]


def assert_lawful(bars: Bars) -> None:
    """Written out anew, independent of the laws in the code."""
    rows = zip(*(getattr(bars, name).tolist() for name in COLUMNS), strict=True)
    for open_px, high, low, close, volume in rows:
        assert 0 < low <= min(open_px, close) <= max(open_px, close) <= high < np.inf
        assert 0 <= volume < np.inf
    stamps = bars.time.astype(np.int64).tolist()
    assert all(b - a >= bars.timeframe.seconds * 10**9 for a, b in pairwise(stamps))
    assert max(stamps) < NOW.timestamp() * 1e9


def read_outcome(frame: pd.DataFrame) -> tuple[str, str]:
    """Return how far a source comes, with what is said about it; a refusal lets no bars through."""
    try:
        bars = read_bars(frame, symbol="ABC", now=NOW)
    except DataError as error:
        return refused(str(error))
    assert_lawful(bars)
    found = [f for f in inspect(frame, symbol="ABC", now=NOW)[1] if f.level == "note" and f.where]
    told = " | ".join(f"{f.what} {f.where}: {f.remedy}" for f in found)
    return noted(told) if told else UNDERSTOOD


def repair_outcome(frame: pd.DataFrame) -> tuple[str, str]:
    try:
        bars, changes = repair(frame, symbol="ABC", now=NOW)
    except DataError as error:
        return refused(str(error))
    assert_lawful(bars)
    assert repair(bars.frame(), symbol="ABC", timeframe=str(bars.timeframe), now=NOW)[1] == ()
    if not changes:
        assert read_bars(frame, symbol="ABC", now=NOW).sha256 == bars.sha256
        return AS_READ
    return repaired(" | ".join(f"{change.what} {change.done} {change.rows}" for change in changes))


def holds(case: Case) -> bool:
    frame = case.change(good())
    pairs = ((read_outcome(frame), case.reading), (repair_outcome(frame), case.repairing))
    return all(got[0] == wanted[0] and re.search(wanted[1], got[1]) for got, wanted in pairs)


@pytest.mark.parametrize("case", MATRIX, ids=IDS)
def test_defect(case: Case) -> None:
    assert holds(case), (read_outcome(case.change(good())), repair_outcome(case.change(good())))


def test_bars_shorter_than_the_warm_up_are_refused_by_what_needs_more() -> None:
    with pytest.raises(DataError, match=f"needs .* bars but got {N}: load at least .* earlier bars"):
        build(read_bars(good(), symbol="ABC", now=NOW))


def test_all_of_them_are_covered(capsys: pytest.CaptureFixture[str]) -> None:
    held = sum(holds(case) for case in MATRIX)
    with capsys.disabled():
        print(f"defects of bars: {held}/25", end=" ")  # noqa: T201
    assert held == len(MATRIX) == len({case.name for case in MATRIX}) == 25
