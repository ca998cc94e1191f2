"""What fails for a while is waited for; what goes on failing ends with a sentence, and nothing is lost."""

import json
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest
from loopback import answers, breaks_off, fine, kline, resets, sends, serving, walk

from mlstrat.data.remote.download import download, source_of
from mlstrat.data.remote.patience import Hiccup, Patience, Retrier
from mlstrat.data.sources import read_bars
from mlstrat.errors import DownloadError

pytest.importorskip("ccxt")
NOW = datetime(2024, 1, 2, tzinfo=UTC)


@pytest.fixture
def server():
    with serving() as running:
        running.rows, running.cap = walk(30), 10
        yield running


class Time:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now, self.waits = 0.0, []

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.waits.append(seconds)

    def patience(self, total: float = 120.0) -> Patience:
        return Patience(total=total, sleep=self.sleep, clock=lambda: self.now)


def fetch(url: str, path: Path, patience: Patience) -> int:
    source = source_of("binance", "BTC/USDT", "1h", base_url=url)
    return download(source, path, since="2024-01-01", now=NOW, patience=patience).n_bars


FAULTS = {
    "429": (answers(429), 1.0),
    "429 with Retry-After": (answers(429, Retry_After="17"), 17.0),
    "418 with Retry-After": (answers(418, Retry_After="60"), 60.0),
    "Retry-After as a date": (answers(503, Retry_After="Wed, 21 Oct 2026 07:28:00 GMT"), 1.0),
    "500": (answers(500), 1.0),
    "502 in HTML": (sends("<html>Bad gateway</html>", "text/html", 502), 1.0),
    "reset": (resets, 1.0),
    "truncated JSON": (sends('[[1704067200000,"42000.0'), 1.0),
    "fewer bytes than announced": (breaks_off, 1.0),
    "HTML": (sends("<html><body>Please log in</body></html>", "text/html"), 1.0),
    "nothing": (sends(""), 1.0),
    "another form": (sends('{"rows": {"0": 1}}'), 1.0),
    "a number": (sends("7"), 1.0),
    "rows of text": (sends('[["a", "b", "c", "d", "e", "f"]]'), 1.0),
    "short rows": (sends("[[1704067200000, 1.0, 2.0]]"), 1.0),
    "no price": (sends(json.dumps([[1704067200000, None, "2", "1", "1", "0"]])), 1.0),
}


@pytest.mark.parametrize(("fault", "wait"), FAULTS.values(), ids=FAULTS)
def test_one_failure_is_waited_for(server, tmp_path, fault, wait):
    server.faults = [fine, fault]
    time, path = Time(), tmp_path / "b.parquet"
    assert fetch(server.url, path, time.patience()) == 24
    assert time.waits == [wait]
    assert list(read_bars(path).close) == [row[4] for row in server.rows[:24]]


@pytest.mark.parametrize(("fault", "wait"), FAULTS.values(), ids=FAULTS)
def test_what_goes_on_failing_ends_in_time(server, tmp_path, fault, wait):
    server.faults = [fine, *[fault] * 99]
    time = Time()
    with pytest.raises(
        DownloadError,
        match=r"^binance gives no page from 2024-01-01 10:00 UTC on \(.*\), 10 new bars are kept: "
        r"check the network, then run the same command again to go on\.$",
    ):
        fetch(server.url, tmp_path / "b.parquet", time.patience())
    assert sum(time.waits) <= 120
    assert len(time.waits) >= 1
    server.faults.clear()
    assert fetch(server.url, tmp_path / "b.parquet", time.patience()) == 24


def test_an_empty_page_in_between_is_no_end(server, tmp_path):
    server.rows = walk(3000)
    server.cap = 1000
    server.faults = [sends("[]")]
    source = source_of("binance", "BTC/USDT", "1h", base_url=server.url)
    now = datetime(2024, 6, 1, tzinfo=UTC)
    done = download(source, tmp_path / "b.parquet", since="2023-12-01", now=now)
    assert done.notes[-1] == "binance has no bars after 2024-05-05 00:00 UTC."
    assert len(read_bars(tmp_path / "b.parquet")) == 3000


def test_a_wrong_answer_that_asking_again_does_not_change(server, tmp_path):
    server.faults = [answers(451)]
    with pytest.raises(DownloadError, match="answers HTTP 451: check the exchange and --base-url"):
        fetch(server.url, tmp_path / "b.parquet", Time().patience())
    assert len(server.data_requests()) == 1


def test_a_symbol_that_the_exchange_refuses(server, tmp_path):
    server.faults = [sends('{"code":-1121,"msg":"Invalid symbol."}', status=400)]
    with pytest.raises(Exception, match=r"binance refuses 'BTC/USDT' .*Invalid symbol.*check it"):
        fetch(server.url, tmp_path / "b.parquet", Time().patience())


def test_no_network_is_told_after_three_tries(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    time = Time()
    with pytest.raises(
        DownloadError,
        match=r"binance cannot be reached \(connection refused\): check the network, then run the same",
    ):
        fetch(url, tmp_path / "b.parquet", time.patience())
    assert time.waits == [1.0, 2.0]


def test_a_server_that_never_answers_is_given_up(server, tmp_path):
    server.delay = 2.0
    source = source_of("binance", "BTC/USDT", "1h", base_url=server.url)
    source._client.timeout = 100
    with pytest.raises(DownloadError, match="no answer in time"):
        download(
            source,
            tmp_path / "b.parquet",
            since="2024-01-01",
            now=NOW,
            patience=Patience(total=0.0),
        )


def test_a_page_whose_values_break_the_laws_is_stored_and_refused_on_reading(server, tmp_path):
    bad = [list(row) for row in server.rows[:10]]
    bad[4][2] = 1.0
    server.faults = [sends(json.dumps([kline(row) for row in bad]))]
    path = tmp_path / "b.parquet"
    assert fetch(server.url, path, Time().patience()) == 24
    with pytest.raises(Exception, match=r"row 4 of BTCUSDT .*high below its open or close"):
        read_bars(path)


def test_waits_double_up_to_the_longest_and_end_by_the_deadline():
    time, said = Time(), []
    retry = Retrier(time.patience(100.0), lambda reason, seconds: said.append((reason, seconds)))

    def request() -> None:
        raise Hiccup("HTTP 500")

    with pytest.raises(Hiccup, match="HTTP 500"):
        retry(request)
    # 1 + 2 + 4 + 8 + 16 + 30 + 30 = 91; the next wait would end at 121 s.
    assert time.waits == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert said == [("HTTP 500", wait) for wait in time.waits]


def test_a_server_that_asks_for_more_than_the_deadline_is_told_so(server, tmp_path):
    server.faults = [fine, answers(429, Retry_After="900")]
    time = Time()
    with pytest.raises(DownloadError, match=r"HTTP 429; it asks to wait 900 s\), 10 new bars are kept"):
        fetch(server.url, tmp_path / "b.parquet", time.patience())
    assert time.waits == []
