import socket

import pytest
from loopback import answers, fine, serving, walk

from mlstrat.cli import download_progress

pytest.importorskip("ccxt")


@pytest.fixture
def server():
    with serving() as running:
        running.rows, running.cap = walk(200), 50
        yield running


@pytest.fixture
def download(mlstrat, server, tmp_path):
    def run(*more: object, until: str = "2024-01-09T08:00"):
        given = ("--symbol", "BTC/USDT", "--since", "2024-01-01", "--until", until, "--base-url", server.url)
        return mlstrat("data", "download", *given, "-o", tmp_path / "btc.parquet", *more)

    return run


def test_a_file_is_begun_and_used(download, mlstrat, tmp_path):
    result = download()
    assert result.exit_code == 0, result.stderr
    assert result.stdout == (
        f"{tmp_path}/btc.parquet: 200 bars of BTCUSDT 1h, 200 of them new, 2024-01-01 00:00 to "
        "2024-01-09 07:00 UTC; tick 0.01, step 1e-05, min_notional 5, fee_share 0.001, "
        "currency USDT; prices as traded\n"
    )
    assert "new bars, up to" in result.stderr
    checked = mlstrat("data", "check", tmp_path / "btc.parquet")
    assert checked.exit_code == 0
    assert "inferred" not in checked.stdout
    assert "200 bars of BTCUSDT 1h, 0 of them new" in download().stdout
    later = download(until="2024-01-20")
    assert "note: binance has no bars after 2024-01-09 08:00 UTC." in later.stderr


def test_a_failure_is_one_sentence_and_the_same_command_goes_on(download, server, tmp_path):
    server.faults = [fine, *[answers(500)] * 5]
    result = download("--patience", "0")
    assert result.exit_code == 3
    assert result.stderr.splitlines()[-1] == (
        "error: binance gives no page from 2024-01-03 02:00 UTC on (HTTP 500), 50 new bars are kept: check "
        "the network, then run the same command again to go on."
    )
    server.faults.clear()
    again = download()
    assert again.exit_code == 0
    assert "note: 50 bars of an unfinished download are taken up." in again.stderr
    assert "200 bars" in again.stdout


def test_waits_are_told(download, server):
    server.faults = [answers(429, Retry_After="1")]
    result = download()
    assert "note: HTTP 429: asking again in 1 s" in result.stderr
    assert result.exit_code == 0


def test_no_network_is_one_sentence(mlstrat, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    line = ("--symbol", "BTC/USDT", "--since", "2024-01-01", "--base-url", url, "-o", tmp_path / "b.parquet")
    result = mlstrat("data", "download", *line, "--patience", "0")
    assert result.exit_code == 3
    assert result.stderr == (
        "error: binance cannot be reached (connection refused): check the network, then run the same command "
        "again.\n"
    )
    assert isinstance(result.exception, SystemExit)


@pytest.mark.parametrize(
    ("more", "code", "what"),
    [
        (("--exchange", "binanse"), 2, "no exchange 'binanse'"),
        (("--market", "spit"), 2, "no market 'spit'"),
        (("--timeframe", "1x"), 3, "is not a bar length"),
        (("--timeframe", "7m"), 3, "has no bars of 7m"),
        (("--until", "soon"), 3, "until is 'soon', which is no date"),
        (("--until", "2023-12-31"), 3, "move --since or --until"),
        (("--patience", "-1"), 2, "patience"),
    ],
)
def test_mistakes_are_sentences(download, more, code, what):
    result = download(*more)
    assert result.exit_code == code
    assert what in result.stderr
    assert isinstance(result.exception, SystemExit)


def test_help_names_the_server_option(mlstrat):
    result = mlstrat("data", "download", "--help")
    assert result.exit_code == 0
    assert "for a proxy or a test server" in " ".join(result.output.replace("│", " ").split())


def test_a_terminal_gets_a_bar(monkeypatch, capsys):
    real = download_progress.Console
    monkeypatch.setattr(download_progress, "Console", lambda **options: real(**options, force_terminal=True))
    with download_progress.watching("binance BTC/USDT 1h") as watch:
        watch.page(50, "2024-01-03 02:00 UTC", 0.25)
        watch.waits("HTTP 500", 1.0)
    shown = capsys.readouterr().err
    assert "25%" in shown
    assert "50 new bars, up to 2024-01-03 02:00 UTC" in shown
    assert "note: HTTP 500: asking again in 1 s" in shown
