"""How a store is opened: what is left as it is, what may only be read, and which addresses are refused."""

import multiprocessing
import os
import shutil
import sqlite3
import sys
import tempfile
import threading
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from mlstrat.errors import DataError
from mlstrat.sentiment.items import Item

pytest.importorskip("sqlalchemy")

from mlstrat.sentiment.store import SentimentStore
from mlstrat.sentiment.store.dialects import writing
from mlstrat.sentiment.store.places import place_of

START = datetime(2024, 3, 1, tzinfo=UTC)
TEXT = Item("rss", "1", "Bitcoin rises", START)


@pytest.mark.parametrize("create", [True, False])
def test_a_database_of_another_program_is_left_as_it_is(tmp_path, create):
    place = tmp_path / "places.db"
    with sqlite3.connect(place) as connection:
        connection.execute("CREATE TABLE bookmarks (address TEXT)")
    before = place.read_bytes()
    with pytest.raises(DataError, match=r"holds a table bookmarks of another program: give a database of"):
        SentimentStore(str(place), create=create)
    assert place.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["places.db"]


def test_reading_does_not_change_the_file(tmp_path):
    place = tmp_path / "texts.db"
    with SentimentStore(str(place)) as store:
        store.add([TEXT], START)
    with sqlite3.connect(place) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    before = place.read_bytes()
    with SentimentStore(str(place), create=False) as store:
        assert store.headlines("BTC").texts == ("Bitcoin rises",)
        with pytest.raises(DataError, match=r"texts\.db may only be read here: .*where you may write"):
            store.add([TEXT], START)
    assert place.read_bytes() == before


def test_a_reader_leaves_no_journal_behind(tmp_path):
    with SentimentStore(str(tmp_path / "texts.db")) as store:
        store.add([TEXT], START)
    before = (tmp_path / "texts.db").read_bytes()
    with SentimentStore(str(tmp_path / "texts.db"), create=False) as store:
        assert len(store.headlines("BTC")) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["texts.db"]
    assert (tmp_path / "texts.db").read_bytes() == before


def _read_as_nobody(place: str, answers) -> None:
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    try:
        with SentimentStore(place, create=False) as store:
            answers.put(store.headlines("BTC").texts)
    except DataError as error:
        answers.put(str(error))


@pytest.fixture
def shut():
    """A store in a folder that may not be written to."""
    folder = Path(tempfile.mkdtemp(prefix="store ro%", dir="/tmp"))
    try:
        with SentimentStore(str(folder / "texts#1.db")) as store:
            store.add([TEXT], START)
        yield folder / "texts#1.db"
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


def _answer(place: Path) -> object:
    place.chmod(0o444)
    place.parent.chmod(0o555)
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    process = context.Process(target=_read_as_nobody, args=(str(place), answers))
    process.start()
    answer = answers.get(timeout=30)
    process.join()
    return answer


@pytest.mark.skipif(sys.platform != "linux", reason="forks and gives up its rights")
def test_a_store_on_media_that_may_only_be_read_can_be_read(shut):
    assert _answer(shut) == ("Bitcoin rises",)


@pytest.mark.skipif(sys.platform != "linux", reason="forks and gives up its rights")
def test_texts_that_only_the_journal_holds_are_not_passed_over(shut):
    """As long as another connection is open, a text that is added stays in the journal alone."""
    keeps = sqlite3.connect(shut)
    keeps.execute("SELECT * FROM store_facts").fetchall()
    with SentimentStore(str(shut)) as store:
        store.add([Item("rss", "2", "Bitcoin falls", START + timedelta(hours=1))], START)
    copy = shut.with_name("copy.db")
    for end in ("", "-wal"):
        shutil.copy(f"{shut}{end}", f"{copy}{end}")
    keeps.close()
    assert "has a journal beside it that cannot be read here: copy both to a folder" in str(_answer(copy))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("sqlite:///a.db?timeout=abc", r"says more than a file behind \?: write sqlite:///a\.db"),
        ("sqlite:///a.db?mode=ro", r"says more than a file behind \?: write sqlite:///a\.db"),
        ("sqlite+aiosqlite:///a.db", r"sqlite\+aiosqlite is no driver of a store: write sqlite:///a\.db"),
        ("sqlite+pysqlcipher:///a.db", r"sqlite\+pysqlcipher is no driver of a store: write sqlite:///a\.db"),
        ("postgres://me:canary@host/x", "postgres is not supported as a store"),
    ],
)
def test_addresses_that_are_refused(text, what):
    with pytest.raises(DataError, match=what) as caught:
        place_of(text)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("driver", ["postgresql+asyncpg", "postgresql+psycopg_async"])
def test_a_driver_that_does_not_wait_is_refused(driver):
    with pytest.raises(DataError, match=r"the driver postgresql\+\w+ is asynchronous: write postgresql://"):
        SentimentStore(f"{driver}://me@127.0.0.1:1/x")


def test_capitals_do_not_matter():
    assert place_of("SQLITE:///a.db").database == "a.db"
    assert place_of("PostgreSQL://me@host/x").drivername == "postgresql+psycopg"


@pytest.mark.parametrize(
    ("moment", "what"),
    [
        (np.datetime64("2300-01-01"), "out of range: give one from 1678 to 2261"),
        (np.datetime64("1500-01-01T00:00", "m"), "out of range: give one from 1678 to 2261"),
        (np.datetime64(10**15, "Y"), "out of range: give one from 1678 to 2261"),
        (
            "2024-03-01",
            r"'2024-03-01' is no moment: give a datetime with a time zone, or a datetime64 in UTC",
        ),
        (date(2024, 3, 1), r"is no moment: give a datetime with a time zone, or a datetime64 in UTC"),
        (5, r"5 is no moment: give a datetime with a time zone, or a datetime64 in UTC"),
    ],
)
def test_moments_that_are_refused(tmp_path, moment, what):
    with SentimentStore(str(tmp_path / "texts.db")) as store, pytest.raises(DataError, match=what):
        store.headlines("BTC", as_of=moment)


def test_a_text_counts_as_seen_when_it_can_be_read(tmp_path):
    """A writer that has to wait for another one takes its clock when its turn has come."""
    with SentimentStore(str(tmp_path / "texts.db")) as store:

        def fetch() -> None:
            store.add([TEXT], lambda: datetime.now(UTC))

        thread = threading.Thread(target=fetch)
        with writing(store._engine):
            thread.start()
            time.sleep(0.3)
            asked = datetime.now(UTC)
            assert len(store.headlines(as_of=asked)) == 0
        thread.join()
        assert len(store.headlines()) == 1
        assert len(store.headlines(as_of=asked)) == 0


def test_the_clock_is_taken_behind_the_work(tmp_path):
    """A reader who asks while texts are being written gets the same answer for that moment ever after."""
    import sqlalchemy as sa

    with SentimentStore(str(tmp_path / "texts.db")) as store:
        sent: list[str] = []
        sa.event.listen(store._engine, "before_cursor_execute", lambda *told: sent.append(told[2]))

        def clock() -> datetime:
            sent.append("clock")
            return START

        store.add([TEXT], clock, symbol="BTC")
        behind = sent[sent.index("clock") + 1 :]
        assert any("INSERT INTO texts" in statement for statement in sent[: sent.index("clock")])
        assert all(statement.startswith(("UPDATE", "COMMIT")) for statement in behind)
        np.testing.assert_array_equal(store.headlines().seen_at, [np.datetime64("2024-03-01", "ns")])


def test_spans_that_touch_become_one_and_others_do_not(tmp_path):
    day = timedelta(days=1)
    with SentimentStore(str(tmp_path / "texts.db")) as store:
        for first, last, known in ((5, 9, (5, 9)), (1, 2, (5, 9)), (3, 5, (3, 9)), (4, 8, (3, 9))):
            store.mark_fetched("x", "BTC", START + first * day, START + last * day)
            assert store.fetched("x", "BTC") == tuple(START + one * day for one in known)
        store.mark_fetched("x", "BTC", START + 20 * day, START + 21 * day)
        assert store.fetched("x", "BTC") == (START + 20 * day, START + 21 * day)


def test_the_newest_first_sight(tmp_path):
    with SentimentStore(str(tmp_path / "texts.db")) as store:
        assert store.newest_seen() is None
        store.add([TEXT], START)
        store.add([TEXT], START + timedelta(hours=2), symbol="SPY")
        store.add([], START + timedelta(hours=9))
        assert store.newest_seen() == np.datetime64("2024-03-01T02", "ns")
