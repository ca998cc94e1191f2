"""A download killed again and again ends with the same bars as the server has, and asks for none twice."""

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from loopback import HOUR, START, Server, serving, walk

from mlstrat.data.remote.journal import kept
from mlstrat.data.sources import read_bars

pytest.importorskip("ccxt")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills a process")
PAGE = 10


@pytest.fixture
def server():
    with serving() as running:
        running.rows, running.cap, running.delay = walk(200), PAGE, 0.02
        yield running


def start(server: Server, path: Path) -> subprocess.Popen:
    span = "--since 2024-01-01 --until 2024-01-09T08:00"
    command = f"-m mlstrat data download --symbol BTC/USDT {span} --base-url {server.url} -o"
    return subprocess.Popen(
        [sys.executable, *command.split(), str(path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def kill_after(server: Server, process: subprocess.Popen, pages: int) -> int:
    """Kill the process once the server was asked for so many pages; return how many it was asked for."""
    before = len(server.data_requests())
    while process.poll() is None and len(server.data_requests()) - before < pages:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return len(server.data_requests()) - before


def test_sigkill_loses_at_most_one_page(server, tmp_path):
    path = tmp_path / "BTC.parquet"
    part = tmp_path / "BTC.parquet.part"
    served = 0
    for pages in (3, 4, 2):
        asked = kill_after(server, start(server, path), pages)
        assert not path.exists()
        rows = kept(part).rows
        # Every page that was asked for before the last has come whole and is on the disk. Behind the first
        # kill, the first page of each try begins with the last known bar.
        served += (asked - 1) * PAGE - (1 if served else 0)
        assert len(rows) >= served
        assert rows.tolist() == server.rows[: len(rows)]
        served = len(rows)
    process = start(server, path)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output.decode()
    assert f"{served} bars of an unfinished download are taken up" in output.decode()
    bars = read_bars(path)
    assert list(bars.close) == [row[4] for row in server.rows]
    assert not part.exists()
    # No bar but the last known one of each try was asked for again.
    asked = [(int(query["startTime"]) - START) // HOUR for query in server.data_requests()]
    assert sum(later < earlier for earlier, later in itertools.pairwise(asked)) <= 3
