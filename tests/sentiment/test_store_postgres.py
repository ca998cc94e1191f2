"""The store in PostgreSQL: every statement compiles, and gives there what it gives in SQLite."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mlstrat.errors import DataError
from mlstrat.sentiment.items import Item

pytest.importorskip("sqlalchemy")

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import make_url
from sqlalchemy.schema import CreateIndex, CreateTable

from mlstrat.sentiment.store import Added, ScorerVersion, SentimentStore
from mlstrat.sentiment.store.dialects import insert
from mlstrat.sentiment.store.tables import metadata

sys.path.insert(0, str(Path(__file__).parent))
import libpq

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
ONE = ScorerVersion("length", "1")


class Length:
    def score(self, texts):
        lengths = np.array([len(text) for text in texts], float)
        return 1.0 / lengths, np.full(len(lengths), 0.1)


def items_of(k: int) -> list[Item]:
    texts = [
        "Bitcoin rises to a new high",
        "ETH falls again",
        "Markets: 100 % 'calm' \\ \0 \ud800",
        "Биткоин растёт",
    ]
    return [
        Item(
            "rss",
            f"{k} {n}",
            f"{text} {'!' * k}",
            START + (4 * k + n) * HOUR,
            publisher=f"P{n % 2}",
            reach=1.5 * n,
        )
        for n, text in enumerate(texts)
    ]


def everything(store: SentimentStore) -> list[object]:
    """Use every statement of a store; return what it answers."""
    answers: list[object] = [store.add(items_of(k), START + k * HOUR) for k in range(4)]
    copy = Item("x", "copy", "BITCOIN rises to a NEW high...", START + HOUR, publisher="Other", polarity=0.25)
    answers.append(store.add([copy, *items_of(1)], START + 9 * HOUR))
    edited = Item("rss", "0 0", "NEAR and ETH, corrected", START, subjects=("SOL",))
    answers.append(store.add([edited], START + 10 * HOUR))
    calm = Item("newsapi", "calm", "Rates stay", START + HOUR)
    for hours, symbol in ((11, "SPY"), (12, "ETH-USD")):
        answers.append(store.add([calm], START + hours * HOUR, symbol=symbol))
    answers.append(str(store.newest_seen()))
    for symbol in ("BTCUSDT", "NEARUSDT", "SPY", "QQQ", ""):
        for more in (
            {},
            {"as_of": START + 2 * HOUR},
            {"since": START + 3 * HOUR, "until": START + 9 * HOUR, "language": ""},
            {"duplicates": False, "first_wording": True, "language": "ru"},
        ):
            found = store.headlines(symbol, **more)
            columns = (found.published_at, found.seen_at, found.reach, found.time_known)
            answers.append(
                (found.texts, found.source, found.off_topic, *(column.tolist() for column in columns))
            )
            answers.append(np.nan_to_num(found.given_polarity, nan=9).tolist())
    answers += [
        store.score(Length(), ONE, START + 20 * HOUR, chunk=5),
        store.score(Length(), ONE, START, chunk=5),
    ]
    texts = store.headlines().texts
    for as_of in (None, START):
        answers.append(
            [np.nan_to_num(part, nan=9).tolist() for part in store.scores(texts, ONE, as_of=as_of)]
        )
    answers.append(store.fetched("rss", "BTC"))
    for hours in (5, 7):
        store.mark_fetched("rss", "BTC", START, START + hours * HOUR)
        answers.append(store.fetched("rss", "BTC"))
    return [*answers, len(store)]


def test_every_statement_compiles_for_postgresql(tmp_path):
    """Those that a store sends to SQLite are compiled for the other dialect; so are its tables."""
    dialect, sent = postgresql.dialect(), []
    with SentimentStore(str(tmp_path / "texts.db")) as store:

        def compiles(connection, clause, *_):
            if clause.is_insert:
                clause = clause._clone()
                clause._post_values_clause = None  # SQLite's own word, see below
            sent.append(str(clause.compile(dialect=dialect)))

        sa.event.listen(store._engine, "before_execute", compiles)
        everything(store)
    assert len(set(sent)) > 15
    for table in metadata.sorted_tables:
        adding = insert(SimpleNamespace(dialect=dialect), table)
        assert str(adding.on_conflict_do_nothing().compile(dialect=dialect)).endswith(
            "ON CONFLICT DO NOTHING"
        )
        made = str(CreateTable(table).compile(dialect=dialect))
        assert "SERIAL" not in made
        for index in table.indexes:
            assert str(CreateIndex(index).compile(dialect=dialect)).startswith("CREATE INDEX")


@pytest.fixture(scope="module")
def server():
    """A server of its own in a folder of its own, reached through a socket in that folder."""
    if not shutil.which("postgres") or not shutil.which("initdb"):
        pytest.skip("no PostgreSQL server on this machine")
    if not libpq.register():
        pytest.skip("no client library of PostgreSQL on this machine")
    # PostgreSQL refuses to run as root.
    owner = {"user": "postgres"} if os.name == "posix" and os.getuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    running = None
    try:
        if owner:
            shutil.chown(folder, "postgres")
        made = subprocess.run(
            ["initdb", "-D", folder / "data", "-U", "tester", "-A", "trust", "--no-sync", "-E", "UTF8"],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            **owner,
        )
        if made.returncode:
            pytest.skip(f"no database can be made here: {made.stderr.strip()[-200:]}")
        command = ["postgres", "-D", folder / "data", "-k", folder, "-c", "listen_addresses=", "-F"]
        running = subprocess.Popen(
            command, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **owner
        )
        address = f"postgresql+libpq://tester@/postgres?host={folder}"
        _await(address)
        yield address
    finally:
        if running:
            running.send_signal(signal.SIGINT)  # does not wait for connections that are left
            running.wait(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)


def _await(address: str) -> None:
    last: Exception | None = None
    for _ in range(100):
        try:
            sa.create_engine(make_url(address)).connect().close()
        except sa.exc.DBAPIError as error:
            last = error
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"the server does not answer: {last}")


@pytest.fixture
def address(server):
    """The address of an empty database."""
    with sa.create_engine(server).connect() as connection:
        for table in sa.inspect(connection).get_table_names():
            connection.execute(sa.text(f"DROP TABLE {table} CASCADE"))
        connection.commit()
    return server


def test_a_real_server_answers_as_sqlite_does(address, tmp_path):
    with SentimentStore(str(tmp_path / "texts.db")) as file, SentimentStore(address) as server:
        assert everything(server) == everything(file)
    with SentimentStore(address, create=False) as again:
        assert len(again) == 18


def test_a_real_server_with_a_store_of_the_first_schema_is_brought_up_to_date(address):
    with SentimentStore(address) as store:
        store.add([Item("rss", "1", "Markets are calm", START)], START + HOUR)
    with sa.create_engine(address).connect() as connection:
        connection.execute(sa.text("DROP TABLE fetched_for"))
        connection.execute(sa.text("UPDATE store_facts SET value = '1' WHERE name = 'schema'"))
        connection.commit()
    with SentimentStore(address, create=False) as store:
        assert store.headlines("SPY").texts == store.headlines("BTC").texts == ("Markets are calm",)
        assert store.newest_seen() == np.datetime64("2024-01-01T01", "ns")


def test_a_real_server_holds_no_store_of_another_program(address):
    with sa.create_engine(address).connect() as connection:
        connection.execute(sa.text("CREATE TABLE scores (words TEXT)"))
        connection.commit()
    with pytest.raises(DataError, match="holds a table scores of another program"):
        SentimentStore(address)


def test_writers_to_a_real_server_take_turns(address):
    """Several begin the store and add the same texts at once; each text is new for one of them."""
    done: list[Added] = []

    def write() -> None:
        with SentimentStore(address) as store:
            for k in range(10):
                done.append(store.add(items_of(k), START))

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(one.new for one in done) == 40
    assert sum(one.known for one in done) == 120


def test_a_server_that_does_not_answer_is_one_sentence(server):
    with pytest.raises(
        DataError, match=r"the store postgresql\+libpq:.* cannot be used \(.*\): check the server"
    ):
        SentimentStore("postgresql+libpq://tester@/postgres?host=/absent")
