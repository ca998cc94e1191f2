"""The trial ledger: nothing lost, nothing counted twice."""

import contextlib
import multiprocessing
import sqlite3

import pytest

from mlstrat.errors import ConfigError, RunFolderError
from mlstrat.trials.ledger import Ledger, Span, Trial, Tried

PROCESSES, EACH, SHARED = 4, 500, 100


def write(path, process):
    ledger = Ledger(path)
    for k in range(EACH):
        key = f"shared {k}" if k < SHARED else f"{process} {k}"
        ledger.append("data", "tune", key, {"process": process, "k": k})


def test_processes_that_write_at_once_lose_and_double_nothing(tmp_path):
    context = multiprocessing.get_context("spawn")
    path = tmp_path / "trials.sqlite"
    writers = [context.Process(target=write, args=(path, number)) for number in range(PROCESSES)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * PROCESSES
    keys = [trial.key for trial in Ledger(path).trials("data")]
    wanted = {f"shared {k}" for k in range(SHARED)}
    wanted |= {f"{number} {k}" for number in range(PROCESSES) for k in range(SHARED, EACH)}
    assert len(keys) == len(wanted) == SHARED + PROCESSES * (EACH - SHARED)
    assert set(keys) == wanted


def test_counts_are_by_data_and_kind_and_the_same_trial_counts_once(tmp_path):
    ledger = Ledger(tmp_path / "trials.sqlite")
    assert (ledger.count("a"), ledger.trials("a")) == (0, ())
    assert not ledger.path.exists()
    ledger.append("a", "run", "1", {"name": "first"})
    ledger.append("a", "run", "1", {"name": "again"})
    ledger.append("a", "tune", "1", {})
    ledger.append("b", "run", "1", {})
    assert (ledger.count("a"), ledger.count("a", "run"), ledger.count("a", "sweep")) == (2, 1, 0)
    assert ledger.trials("a") == (Trial("run", "1", {"name": "first"}), Trial("tune", "1", {}))
    assert ledger.count("b") == 1


def test_what_cannot_be_written_is_said(tmp_path):
    ledger = Ledger(tmp_path / "trials.sqlite")
    with pytest.raises(ConfigError, match="no kind of trial 'guess': use one of run, tune, sweep"):
        ledger.append("a", "guess", "1", {})
    ledger.path.write_bytes(b"this is no data base, though it is long enough to be one" * 100)
    with pytest.raises(RunFolderError, match=r"trials.sqlite cannot be used .*: move it away"):
        ledger.append("a", "run", "1", {})
    with pytest.raises(RunFolderError, match="cannot be used"):
        Ledger(tmp_path / "nowhere" / "trials.sqlite").append("a", "run", "1", {})


def test_several_trials_are_written_whole_or_not_at_all(tmp_path):
    ledger = Ledger(tmp_path / "trials.sqlite")
    with pytest.raises(ConfigError, match="no kind of trial"):
        ledger.extend("a", [Trial("tune", "1", {}), Trial("guess", "2", {})])
    assert ledger.count("a") == 0


JANUARY = Span("BTCUSDT", "1h", "2023-01-01T00", "2023-01-31T23")
LONGER = JANUARY._replace(last="2023-02-01T23")
SPRING = JANUARY._replace(first="2023-03-01T00", last="2023-05-31T23")
OTHERS = (JANUARY._replace(symbol="ETHUSDT"), JANUARY._replace(timeframe="4h"))


def test_a_run_and_a_column_that_are_the_same_are_one_trial(tmp_path):
    ledger = Ledger(tmp_path / "trials.sqlite")
    assert ledger.tried("a") == Tried(0, 0, 0, 0)
    ledger.extend("a", [Trial("sweep", f"column {k}", {}, f"same {k}", JANUARY) for k in range(10)])
    ledger.extend("a", [Trial("run", "kernel", {}, "same 3"), Trial("run", "backtrader", {}, "same 3")])
    ledger.extend("a", [Trial("run", "other", {}, "same 77"), Trial("tune", "1", {}), Trial("tune", "2", {})])
    assert ledger.tried("a") == Tried(distinct=11, runs=2, columns=10, tuned=2)
    assert ledger.count("a") == 15
    assert ledger.trials("a")[0] == Trial("sweep", "column 0", {}, "same 0", JANUARY)


def test_what_was_tried_on_overlapping_bars_of_the_market_counts(tmp_path):
    ledger = Ledger(tmp_path / "trials.sqlite")
    ledger.extend("january", [Trial("run", "1", {}, "same 1", JANUARY), Trial("tune", "1", {})])
    ledger.extend(
        "longer", [Trial("run", "2", {}, "same 1", LONGER), Trial("run", "3", {}, "same 2", LONGER)]
    )
    ledger.extend("longer", [Trial("tune", "1", {}), Trial("tune", "2", {})])
    ledger.extend("spring", [Trial("run", "4", {}, "same 4", SPRING)])
    for place, span in enumerate(OTHERS):
        ledger.extend(f"other {place}", [Trial("run", f"other {place}", {}, f"other {place}", span)])
    ledger.append("nameless", "run", "5", {})
    assert ledger.tried("january") == ledger.tried("longer") == Tried(2, 2, 0, 2, looks=2)
    assert ledger.tried("spring") == ledger.tried("other 0") == ledger.tried("nameless") == Tried(1, 1, 0, 0)


def test_bars_without_a_symbol_are_of_no_market(tmp_path):
    ledger, nameless = Ledger(tmp_path / "trials.sqlite"), JANUARY._replace(symbol="")
    ledger.extend("a", [Trial("run", "1", {}, "same 1", nameless)])
    ledger.extend("b", [Trial("run", "2", {}, "same 2", nameless)])
    assert ledger.tried("a").distinct == 1


def earlier(path):
    """Make a ledger as the version before wrote it: without `same` and without spans."""
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "CREATE TABLE trials (number INTEGER PRIMARY KEY, data_sha256 TEXT NOT NULL, kind TEXT NOT NULL, "
            "key TEXT NOT NULL, content TEXT NOT NULL, UNIQUE (data_sha256, kind, key))"
        )
        rows = [
            ("a", "run", "1"),
            ("a", "run", "2"),
            ("a", "sweep", "1"),
            ("a", "tune", "1"),
            ("b", "run", "9"),
        ]
        connection.executemany(
            "INSERT INTO trials (data_sha256, kind, key, content) VALUES (?, ?, ?, '{}')", rows
        )


def test_a_ledger_of_an_earlier_version_is_read_as_it_is_and_written_on(tmp_path):
    ledger = Ledger(tmp_path / "trials.sqlite")
    earlier(ledger.path)
    with contextlib.closing(sqlite3.connect(ledger.path)) as connection:
        before = connection.execute("SELECT sql FROM sqlite_master").fetchall()
        assert ledger.tried("a") == Tried(distinct=3, runs=2, columns=1, tuned=1)
        assert len(ledger.trials("a")) == ledger.count("a") == 4
        assert connection.execute("SELECT sql FROM sqlite_master").fetchall() == before
    ledger.extend("a", [Trial("run", "1", {}), Trial("run", "3", {}, "same 3", JANUARY)])
    ledger.extend("c", [Trial("sweep", "3", {}, "same 3", LONGER)])
    assert ledger.tried("c") == ledger.tried("a") == Tried(distinct=4, runs=3, columns=2, tuned=1, looks=2)
    assert ledger.tried("b").distinct == 1


def migrate(path, process):
    Ledger(path).extend("a", [Trial("run", f"new {process}", {}, f"new {process}", JANUARY)])


def test_processes_that_renew_an_earlier_ledger_at_once_agree(tmp_path):
    path = tmp_path / "trials.sqlite"
    earlier(path)
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=migrate, args=(path, number)) for number in range(PROCESSES)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * PROCESSES
    assert Ledger(path).tried("a").distinct == 3 + PROCESSES


@pytest.mark.parametrize(
    ("tried", "said"),
    [
        (Tried(0, 0, 0, 0), "The trial ledger holds nothing that was tried on these data."),
        (Tried(1, 1, 0, 0), "The trial ledger counts 1 run on these data."),
        (Tried(1200, 0, 1200, 0), "The trial ledger counts 1,200 columns of sweeps on these data."),
        (
            Tried(12, 3, 10, 0),
            "The trial ledger counts 12 things tried on these data: 3 runs and 10 columns of sweeps, of "
            "which 1 is both.",
        ),
        (
            Tried(1, 1, 0, 40),
            "The trial ledger counts 1 run on these data. Inside training windows 40 choices of sizes were "
            "tried; no judged bar was seen there, so that is not counted.",
        ),
    ],
)
def test_it_is_said_in_plain_words(tried, said):
    assert tried.sentence() == said
