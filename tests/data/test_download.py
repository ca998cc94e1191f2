"""A file of bars is begun, continued and gone on with against a server that speaks Binance's format."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from loopback import FILTERS, HOUR, START, Server, answers, fine, sends, serving, walk

from mlstrat.data.bars import COLUMNS
from mlstrat.data.remote.download import Downloaded, download, source_of
from mlstrat.data.remote.fetching import Watch
from mlstrat.data.remote.patience import Patience
from mlstrat.data.sources import read_bars
from mlstrat.errors import ConfigError, DataError, DownloadError, RunFolderError

pytest.importorskip("ccxt")


@pytest.fixture
def server():
    with serving() as running:
        running.rows = walk(200)
        yield running


class Job:
    """Downloads of hourly bars into one file, at a moment given in hours after the first bar's open."""

    def __init__(self, server: Server, path: Path) -> None:
        self.server, self.path, self.waits = server, path, []

    def __call__(
        self, hours: float, symbol: str = "BTC/USDT", timeframe: str = "1h", **options
    ) -> Downloaded:
        source = source_of("binance", symbol, timeframe, base_url=self.server.url)
        now = datetime.fromtimestamp(START / 1000, UTC) + timedelta(hours=hours)
        job = self

        class Waits(Watch):
            def waits(self, reason: str, seconds: float) -> None:
                job.waits.append((reason, seconds))

        patience = options.pop("patience", Patience(sleep=lambda seconds: None))
        options.setdefault("since", "2024-01-01")
        return download(source, self.path, now=now, patience=patience, watch=Waits(), **options)

    def stored(self) -> list[list[float]]:
        """What the file holds, as the server's rows."""
        table = pq.read_table(self.path).to_pandas()
        time = table.pop("time").astype("int64") // 1_000_000
        return [[float(t), *row] for t, row in zip(time, table.to_numpy().tolist(), strict=True)]


@pytest.fixture
def job(server: Server, tmp_path: Path) -> Job:
    return Job(server, tmp_path / "BTC.parquet")


def test_read_bars_takes_the_file_and_its_facts(job):
    done = job(100.5)
    assert (done.n_bars, done.n_new, done.notes) == (100, 100, ())
    bars = read_bars(job.path)
    assert (bars.symbol, str(bars.timeframe), bars.notes) == ("BTCUSDT", "1h", ())
    facts = bars.instrument
    assert (facts.tick, facts.step, facts.min_notional) == (0.01, 0.00001, 5.0)
    # Binance's spot taker pays 10 basis points; the shipped facts of BTCUSDT say 4.
    assert (facts.fee_share, facts.currency) == (0.001, "USDT")
    wanted = np.array(job.server.rows[:100])
    np.testing.assert_array_equal(bars.time.astype("datetime64[ms]").astype(np.int64), wanted[:, 0])
    for place, name in enumerate(COLUMNS, start=1):
        np.testing.assert_array_equal(getattr(bars, name), wanted[:, place])


def test_the_schema_says_where_the_bars_come_from(job):
    job(10)
    schema = pq.read_schema(job.path)
    assert schema.names == ["time", *COLUMNS]
    assert str(schema.field("time").type) == "timestamp[ns, tz=UTC]"
    assert json.loads(schema.metadata[b"mlstrat.bars"]) == {
        "symbol": "BTCUSDT",
        "timeframe": "1h",
        "exchange": "binance",
        "market": "spot",
        "listed": "BTC/USDT",
        "since": "2024-01-01T00:00:00",
        "prices": "as traded",
        "downloaded_at": "2024-01-01T10:00:00Z",
        "facts": {"tick": 0.01, "step": 1e-5, "min_notional": 5.0, "fee_share": 0.001, "currency": "USDT"},
    }


def test_given_facts_go_before_the_files_own(job):
    job(10)
    facts = read_bars(job.path, instrument={"tick": 0.5, "step": None}).instrument
    assert (facts.tick, facts.step) == (0.5, 0.00001)
    assert read_bars(job.path, symbol="MINE").symbol == "MINE"


def test_only_the_spot_endpoints_are_called(job):
    job(10)
    assert {path.partition("?")[0] for path in job.server.asked} == {"/api/v3/exchangeInfo", "/api/v3/klines"}


def test_a_perpetual_contract_has_its_own_endpoints_and_facts(job):
    source = source_of("binance", "BTC/USDT", "1h", market="swap", base_url=job.server.url)
    now = datetime.fromtimestamp(START / 1000, UTC) + timedelta(hours=10)
    done = download(source, job.path, since="2024-01-01", now=now)
    assert {path.partition("?")[0] for path in job.server.asked} == {
        "/fapi/v1/exchangeInfo",
        "/fapi/v1/klines",
    }
    # ccxt's taker fee of Binance's USDT-margined contracts is 5 basis points.
    facts = {"tick": 0.1, "step": 0.001, "min_notional": 50.0, "fee_share": 0.0005, "currency": "USDT"}
    assert (done.origin.listed, done.origin.symbol, done.origin.facts) == ("BTC/USDT:USDT", "BTCUSDT", facts)
    with pytest.raises(DataError, match="holds bars whose market is swap, and spot is asked for"):
        job(20)


def test_pages_join_without_a_seam(job):
    job.server.cap = 7
    assert job(150).n_bars == 150
    assert job.stored() == job.server.rows[:150]
    assert len(job.server.data_requests()) == 22


def test_only_closed_bars_are_stored(job):
    assert job(10.999).n_bars == 10
    assert job(11.0).n_bars == 11


def test_until_bounds_the_close(job):
    job(100, until="2024-01-02T12:30")
    assert job.stored() == job.server.rows[:36]


def test_a_second_run_fetches_only_what_is_new(job):
    job(60)
    first = job.stored()
    job.server.asked.clear()
    done = job(80)
    assert (done.n_bars, done.n_new) == (80, 20)
    assert job.stored() == job.server.rows[:80]
    assert job.stored()[:60] == first
    assert [asked["startTime"] for asked in job.server.data_requests()] == [str(START + 59 * HOUR)]


def test_a_file_that_is_up_to_date_is_left_alone(job):
    job(60)
    before, changed = job.path.read_bytes(), job.path.stat().st_mtime_ns
    assert job(60.9, since=None).n_new == 0
    assert (job.path.read_bytes(), job.path.stat().st_mtime_ns) == (before, changed)
    assert [path.name for path in job.path.parent.iterdir() if path.suffix == ".part"] == []


def test_a_continued_file_needs_no_beginning_and_none_earlier(job):
    job(60, since="2024-01-02")
    assert job(80, since=None).n_bars == 80 - 24
    with pytest.raises(DataError, match=r"begins with 2024-01-02T00:00:00.*leave out --since"):
        job(80, since="2024-01-01")


def test_a_new_file_needs_a_beginning(job):
    with pytest.raises(DataError, match="needs a beginning: give --since"):
        job(80, since=None)


@pytest.mark.parametrize("place", [4, 5])
def test_a_revised_history_is_refused(job, place):
    job(60)
    before = job.path.read_bytes()
    job.server.rows[59][place] += 0.01
    with pytest.raises(DataError, match=r"has revised its history.*2024-01-03 11:00.*into another file"):
        job(80)
    assert job.path.read_bytes() == before


def test_a_last_bar_that_is_gone_is_refused(job):
    job(60)
    del job.server.rows[59]
    with pytest.raises(DataError, match="no longer gives the last stored bar, of 2024-01-03 11:00"):
        job(80)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"timeframe": "4h"}, "timeframe is 1h, and 4h"),
        ({"symbol": "ETH/USDT"}, "listed is BTC/USDT, and ETH"),
    ],
)
def test_a_file_of_something_else_is_refused(job, change, what, monkeypatch):
    import loopback

    job(60)
    shown = loopback.exchange_info(FILTERS)
    other = {**shown["symbols"][0], "symbol": "ETHUSDT", "baseAsset": "ETH"}
    shown["symbols"].append(other)
    monkeypatch.setattr(loopback, "exchange_info", lambda filters: shown)
    with pytest.raises(DataError, match=what):
        job(80, **change)


def test_a_file_from_elsewhere_is_refused(job):
    pd.DataFrame({"time": [START], **{name: [1.0] for name in COLUMNS}}).to_parquet(job.path)
    with pytest.raises(DataError, match="was not made by mlstrat data download, so it cannot be continued"):
        job(80)


def test_a_damaged_file_is_refused(job):
    job.path.write_bytes(b"PAR1 nothing")
    with pytest.raises(DataError, match="cannot be read"):
        job(80)


def test_a_listing_later_than_since_is_said(job):
    done = job(100, since="2023-12-01")
    assert done.n_bars == 100
    assert done.notes == ("binance has no bars before 2024-01-01 00:00 UTC.",)


def test_empty_pages_of_an_outage_are_passed(job):
    """An exchange that answers with a window from `since` on, as many do, gives empty pages in an outage."""
    whole = list(job.server.rows)
    job.server.rows = [row for row in whole if not START + 20 * HOUR <= row[0] < START + 90 * HOUR]
    job.server.cap = 10
    source = source_of("binance", "BTC/USDT", "1h", base_url=job.server.url)
    source._client.feature_value = lambda *told: 10

    def window(symbol, timeframe, since, limit):
        return [row for row in job.server.rows if since <= row[0] < since + limit * HOUR]

    source._client.fetch_ohlcv = window
    now = datetime.fromtimestamp(START / 1000, UTC) + timedelta(hours=120)
    download(source, job.path, since="2024-01-01", now=now)
    assert job.stored() == whole[:20] + whole[90:120]


def test_duplicates_and_disorder_within_a_page_are_mended(job):
    from loopback import kline

    page = [kline(job.server.rows[i]) for i in (3, 0, 1, 1, 2, 3)]
    job.server.faults = [sends(json.dumps(page))]
    job(60)
    assert job.stored() == job.server.rows[:60]


def test_two_bars_of_one_time_are_asked_for_again(job):
    from loopback import kline

    first = job.server.rows[0]
    page = [kline(first), kline([*first[:5], first[5] + 1])]
    job.server.faults = [sends(json.dumps(page))]
    job(60)
    assert job.waits == [("two different bars that open at 2024-01-01 00:00 UTC", 1.0)]
    assert job.stored() == job.server.rows[:60]


def test_a_download_that_stops_goes_on_behind_its_last_page(job):
    job.server.cap = 10
    job.server.faults = [fine, fine, fine, *[answers(500)] * 20]
    with pytest.raises(
        DownloadError, match=r"no page from 2024-01-02 06:00 UTC.*HTTP 500.*30 new bars are kept"
    ):
        job(60, patience=Patience(total=0.0))
    assert not job.path.exists()
    job.server.faults.clear()
    job.server.asked.clear()
    done = job(60)
    assert done.notes == ("30 bars of an unfinished download are taken up.",)
    assert job.server.data_requests()[0]["startTime"] == str(START + 29 * HOUR)
    assert job.stored() == job.server.rows[:60]


def test_a_torn_last_page_is_fetched_again(job):
    job.server.cap = 10
    job.server.faults = [fine, fine, answers(500)]
    with pytest.raises(DownloadError, match="20 new bars are kept"):
        job(60, patience=Patience(total=0.0))
    part = job.path.with_name("BTC.parquet.part")
    part.write_bytes(part.read_bytes()[:-20])
    job.server.asked.clear()
    job(60)
    assert job.server.data_requests()[0]["startTime"] == str(START + 9 * HOUR)
    assert job.stored() == job.server.rows[:60]


def test_pages_that_are_in_the_file_already_are_dropped(job):
    """A kill between the file's appearance and the end of the journal leaves both."""
    job(60)
    job.server.cap = 10
    job.server.faults = [fine, answers(500)]
    with pytest.raises(DownloadError, match="9 new bars are kept"):
        job(90, patience=Patience(total=0.0))
    part = job.path.with_name("BTC.parquet.part")
    left = part.read_bytes()
    job(90)
    part.write_bytes(left)
    assert job(100).n_bars == 100
    assert job.stored() == job.server.rows[:100]


def test_an_unfinished_download_of_something_else_is_refused(job):
    job.server.cap = 10
    job.server.faults = [fine, answers(500)]
    with pytest.raises(DownloadError, match="10 new bars are kept"):
        job(60, patience=Patience(total=0.0))
    with pytest.raises(DataError, match=r"BTC.parquet.part holds bars whose timeframe is 1h.*or delete it"):
        job(60, timeframe="4h")


def test_no_bars_in_the_span(job):
    with pytest.raises(DownloadError, match="has no 1h bars of BTC/USDT that open at or after 2024-06-01"):
        job(60, since="2024-06-01")
    assert [path.suffix for path in job.path.parent.iterdir()] == [".lock"]


@pytest.mark.parametrize(
    ("filters", "left_out", "kept"),
    [
        ([], "step of BTC/USDT is left out: the exchange gives none", {"fee_share", "currency"}),
        (
            [{**FILTERS[0], "tickSize": "0.00000000"}, *FILTERS[1:]],
            "tick of BTC/USDT is left out: the exchange gives 0.0",
            {"step", "min_notional", "fee_share", "currency"},
        ),
        (
            [{**FILTERS[0], "tickSize": "NaN"}, *FILTERS[1:]],
            "tick of BTC/USDT is left out: the exchange gives nan",
            {"step", "min_notional", "fee_share", "currency"},
        ),
        (
            [*FILTERS[:2], {"filterType": "NOTIONAL", "minNotional": "-1"}],
            "min_notional of BTC/USDT is left out: the exchange gives -1.0",
            {"tick", "step", "fee_share", "currency"},
        ),
    ],
)
def test_facts_that_cannot_be_are_left_out_and_said(job, filters, left_out, kept):
    job.server.filters = filters
    done = job(10)
    assert any(note.startswith(left_out) for note in done.notes)
    assert set(done.origin.facts) == kept
    read_bars(job.path)


def test_a_changed_fact_is_said_and_stored(job):
    job(60)
    job.server.filters = [{**FILTERS[0], "tickSize": "0.10"}, *FILTERS[1:]]
    assert "tick of BTCUSDT was 0.01 and is now 0.1." in job(60).notes
    assert read_bars(job.path).instrument.tick == 0.1
    assert job.stored() == job.server.rows[:60]


def test_damaged_facts_are_refused(job):
    job(10)
    table = pq.read_table(job.path)
    for text in (
        b"{",
        b"[]",
        b'{"symbol": 1}',
        b'{"colour": "red"}',
        b'{"facts": 3}',
        b'{"facts": {"tick": NaN}}',
    ):
        pq.write_table(table.replace_schema_metadata({b"mlstrat.bars": text}), job.path)
        with pytest.raises(DataError, match=r"facts inside .* are damaged: download it again"):
            read_bars(job.path)


def test_symbols_and_exchanges_that_do_not_exist(job):
    with pytest.raises(DataError, match=r"no spot symbol 'BTC/USTD': did you mean BTC/USDT\?"):
        job(10, symbol="BTC/USTD")
    assert job(10, symbol="BTCUSDT").n_bars == 10
    with pytest.raises(ConfigError, match=r"no exchange 'binanse': did you mean .*binance"):
        source_of("binanse", "BTC/USDT", "1h")
    with pytest.raises(ConfigError, match="no market 'spit': use one of spot, swap"):
        source_of("binance", "BTC/USDT", "1h", market="spit")
    with pytest.raises(DataError, match=r"binance has no bars of 7m .*choose one"):
        job(10, timeframe="7m")


def test_two_downloads_into_one_file_do_not_mix(job):
    from filelock import FileLock

    held = FileLock(job.path.with_name(".BTC.parquet.lock"), timeout=0)
    with held, pytest.raises(RunFolderError, match="another process downloads into"):
        job(10)


def test_the_name_must_be_parquets(job):
    job.path = job.path.with_suffix(".csv")
    with pytest.raises(DataError, match=r"give a file that ends in \.parquet"):
        job(10)
