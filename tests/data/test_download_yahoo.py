"""Yahoo's chart JSON goes through yfinance's own parser into a file; the server speaks its format."""

import itertools
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from loopback import HOUR, START, answers, fine, resets, sends, serving, walk

from mlstrat.data.remote.download import download, source_of
from mlstrat.data.remote.patience import Hiccup, Patience
from mlstrat.data.remote.yahoo import rows_of_frame
from mlstrat.data.sources import read_bars
from mlstrat.errors import DataError, DownloadError, MissingExtraError

yfinance = pytest.importorskip("yfinance")
DAY = 24 * HOUR
# New York's clock goes forward on Sunday 2024-03-10: day 69 after 2024-01-01.
SUMMER = 69


def sessions(days: int) -> list[list[float]]:
    """Bars of Mondays to Fridays, stamped at 9:30 in New York, around 400.00."""
    rows = []
    for day, row in enumerate(walk(days, step=DAY)):
        if day % 7 < 5:
            opens = START + day * DAY + 14 * HOUR + HOUR // 2 - (HOUR if day >= SUMMER else 0)
            rows.append([opens, *(round(price / 100, 2) for price in row[1:5]), row[5]])
    return rows


@pytest.fixture(autouse=True)
def no_cache_at_home(tmp_path: Path):
    yfinance.set_tz_cache_location(str(tmp_path / "cache"))


@pytest.fixture
def server():
    with serving() as running:
        running.rows = sessions(90)
        yield running


def fetch(server, path: Path, now: datetime, timeframe: str = "1d", symbol: str = "SPY", **options):
    source = source_of("yahoo", symbol, timeframe, base_url=server.url)
    patience = Patience(sleep=lambda seconds: None, unreachable=9, clock=itertools.count().__next__)
    return download(source, path, now=now, patience=patience, **options)


def test_daily_bars_are_stamped_by_their_date_across_summer_time(server, tmp_path):
    path = tmp_path / "spy.parquet"
    done = fetch(server, path, datetime(2024, 3, 31, tzinfo=UTC))
    bars = read_bars(path)
    assert (bars.symbol, str(bars.timeframe), done.n_bars) == ("SPY", "1d", len(server.rows))
    dates = [np.datetime64(int(row[0]), "ms").astype("datetime64[D]") for row in server.rows]
    assert list(bars.time.astype("datetime64[D]")) == dates
    assert (bars.time == bars.time.astype("datetime64[D]")).all()


def test_prices_are_the_decimals_that_yahoo_keeps_in_single_precision(server, tmp_path):
    path = tmp_path / "spy.parquet"
    fetch(server, path, datetime(2024, 3, 31, tzinfo=UTC))
    bars = read_bars(path)
    for place, name in enumerate(("open", "high", "low", "close"), start=1):
        assert getattr(bars, name).tolist() == [row[place] for row in server.rows]


def test_prices_are_not_adjusted_for_dividends_and_the_file_says_so(server, tmp_path):
    path = tmp_path / "spy.parquet"
    done = fetch(server, path, datetime(2024, 3, 31, tzinfo=UTC))
    assert done.origin.prices == "adjusted for splits, not for dividends"
    assert b"adjusted for splits, not for dividends" in pq.read_schema(path).metadata[b"mlstrat.bars"]
    assert done.origin.facts == {"currency": "USD"}
    assert done.notes == ("yahoo tells no tick, step, smallest order and fee of SPY.",)


def test_the_running_day_is_no_bar_yet(server, tmp_path):
    friday = datetime(2024, 3, 29, 19, tzinfo=UTC)
    assert fetch(server, tmp_path / "spy.parquet", friday).n_bars == len(server.rows) - 1


def test_a_second_run_keeps_the_prefix_and_lets_volume_settle(server, tmp_path):
    path = tmp_path / "spy.parquet"
    fetch(server, path, datetime(2024, 3, 2, tzinfo=UTC))
    before = pq.read_table(path).to_pandas()
    for row in server.rows:
        row[5] += 1
    done = fetch(server, path, datetime(2024, 3, 31, tzinfo=UTC))
    after = pq.read_table(path).to_pandas()
    pd.testing.assert_frame_equal(after.iloc[: len(before)], before, check_exact=True)
    assert (done.n_bars, done.n_new) == (len(server.rows), len(server.rows) - len(before))


def test_a_split_revises_the_history(server, tmp_path):
    path = tmp_path / "spy.parquet"
    fetch(server, path, datetime(2024, 3, 2, tzinfo=UTC))
    server.rows = [[row[0], *(price / 2 for price in row[1:5]), row[5]] for row in server.rows]
    with pytest.raises(DataError, match="yahoo has revised its history: the last stored bar, of 2024-03-01"):
        fetch(server, path, datetime(2024, 3, 31, tzinfo=UTC))


def test_hours_are_stamped_in_utc(server, tmp_path):
    first = START + 14 * HOUR + HOUR // 2
    server.rows = walk(7, first=first)
    fetch(server, tmp_path / "h.parquet", datetime(2024, 1, 2, tzinfo=UTC), "1h", since="2024-01-01")
    bars = read_bars(tmp_path / "h.parquet")
    assert str(bars.time[0]) == "2024-01-01T14:30:00.000000000"
    assert len(bars) == 7


def test_failures_are_waited_for_and_not_kept_by_yfinance(server, tmp_path):
    html = sends("<html>Will be right back</html>", "text/html")
    bad = [answers(429, Retry_After="3"), answers(500), sends('{"chart"'), html, resets]
    server.faults = [*bad, fine, *bad, fine, *bad]
    assert fetch(server, tmp_path / "s.parquet", datetime(2024, 3, 31, tzinfo=UTC)).n_bars == 65


def test_a_symbol_that_yahoo_does_not_know(server, tmp_path):
    with pytest.raises(DownloadError, match="yahoo has no symbol SPYX: check it"):
        fetch(server, tmp_path / "s.parquet", datetime(2024, 3, 31, tzinfo=UTC), symbol="SPYX")


def test_a_reason_that_yahoo_gives_is_told(server, tmp_path):
    told = (
        '{"chart":{"result":null,"error":{"code":"x","description":"1m data not available for startTime"}}}'
    )
    refusal = sends(told, status=422)
    server.faults = [lambda handler: "interval=1m" in handler.path and refusal(handler)] * 20
    with pytest.raises(DownloadError, match=r"no bars of SPY \(.*1m data not available.*minutes for 60 days"):
        fetch(
            server,
            tmp_path / "s.parquet",
            datetime(2024, 3, 31, tzinfo=UTC),
            timeframe="1m",
            since="2024-01-01",
        )


def test_bars_of_hours_need_a_beginning(server, tmp_path):
    with pytest.raises(DataError, match="a new file of yahoo bars needs a beginning"):
        fetch(server, tmp_path / "s.parquet", datetime(2024, 3, 31, tzinfo=UTC), "1h")
    with pytest.raises(DataError, match=r"yahoo has no bars of 4h: choose one of 1m, "):
        fetch(server, tmp_path / "s.parquet", datetime(2024, 3, 31, tzinfo=UTC), "4h")


def frame(**columns: list[float]) -> pd.DataFrame:
    index = pd.DatetimeIndex(["2024-03-08", "2024-03-11"], tz="America/New_York", name="Date")
    fine = {name: [1.5, 2.5] for name in ("Open", "High", "Low", "Close", "Adj Close")} | {"Volume": [3, 4]}
    return pd.DataFrame({**fine, **columns}, index=index)


def test_a_day_without_trade_is_no_bar_and_half_a_bar_is_refused():
    nan = float("nan")
    untraded = {name: [1.5, nan] for name in ("Open", "High", "Low", "Close")}
    assert rows_of_frame(frame(**untraded), daily=True)[:, 1].tolist() == [1.5]
    with pytest.raises(Hiccup, match="a bar with a missing value"):
        rows_of_frame(frame(Open=[nan, 1.0]), daily=True)


def test_a_price_in_double_precision_is_left_as_it_is():
    prices = [0.1, float(np.float32(0.1))]
    assert rows_of_frame(frame(Open=prices), daily=True)[:, 1].tolist() == [0.1, 0.1]
    assert rows_of_frame(frame(Open=[0.1 + 1e-12, 2.5]), daily=True)[0, 1] == 0.1 + 1e-12


@pytest.mark.parametrize(("exchange", "package"), [("yahoo", "yfinance"), ("binance", "ccxt")])
def test_without_the_extra(monkeypatch, exchange, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"{package}: run `pip install \"mlstrat\[data\]\"`"):
        source_of(exchange, "X", "1d")
