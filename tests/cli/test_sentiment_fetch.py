"""`mlstrat sentiment fetch`: what it prints, keeps and asks again."""

import re
import sqlite3

import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("vaderSentiment")

from mlstrat.sentiment.items import Item, SourceError
from mlstrat.sentiment.sources import registry
from mlstrat.sentiment.store import SentimentStore

TEXTS = (
    "time,title,source\n"
    "2024-01-01T05:00:00Z,Bitcoin soars to a record high in thin trade,Wire\n"
    "2024-01-01T09:00:00Z,Bitcoin soars to a record high in thin trade,Paper\n"
    "2024-01-02T05:00:00Z,Lender files for bankruptcy,Wire\n"
    "2023-12-31T05:00:00Z,Too old,Wire\n"
)


class Fake:
    def __init__(self, name, items=(), error=None):
        self.name, self.items, self.error, self.asked = name, items, error, []

    def fetch(self, symbol, since, until):
        self.asked.append((symbol, since, until))
        if self.error:
            raise self.error
        return self.items


@pytest.fixture
def place(tmp_path):
    return tmp_path / "texts.db"


@pytest.fixture(autouse=True)
def no_keys(monkeypatch, tmp_path):
    from mlstrat.sentiment.sources.keys import FILE_VARIABLE, VARIABLES

    for name in (FILE_VARIABLE, *VARIABLES.values()):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def fetch(mlstrat, place):
    def run(*more: object, since: str = "2024-01-01"):
        return mlstrat("sentiment", "fetch", "--symbol", "BTCUSDT", "--since", since, "--store", place, *more)

    return run


@pytest.fixture
def fakes(monkeypatch):
    def put(*sources, notes=()):
        monkeypatch.setattr(registry, "sources_from", lambda *_, **__: (list(sources), list(notes)))

    return put


def test_a_file_goes_into_a_store_and_a_run_reads_it(fetch, place, tmp_path):
    file = tmp_path / "news.csv"
    file.write_text(TEXTS)
    result = fetch("--file", file)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == (
        f"{place}: 3 new, 0 revised and 0 known texts of BTCUSDT from file; 1 repeat another publisher's; "
        "2 scored by learned\n"
    )
    assert result.stderr == "file: 3 new, 0 known\n"
    again = fetch("--file", file)
    assert "0 new, 0 revised and 3 known texts" in again.stdout
    assert "; 0 scored by learned" in again.stdout
    with SentimentStore(str(place), create=False) as store:
        assert len(store.headlines("BTCUSDT", duplicates=False)) == 2


def test_failures_are_told_and_one_answer_is_enough(fetch, fakes):
    from datetime import UTC, datetime

    item = Item("rss", "1", "Bitcoin rises", datetime(2024, 1, 1, tzinfo=UTC))
    fine = Fake("rss", [item])
    fakes(Fake("x", error=SourceError("x answers 500: ask later.")), fine, notes=["newsapi is left out."])
    result = fetch("--score", "none", "--until", "2024-02-01T12:00+01:00")
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        "note: newsapi is left out.",
        "x: failed",
        "rss: 1 new, 0 known",
        "warning: x answers 500: ask later.",
    ]
    assert result.stdout.endswith(
        "1 new, 0 revised and 0 known texts of BTCUSDT from rss; 0 repeat another publisher's; "
        "1 of 2 sources failed or broke off\n"
    )
    assert fine.asked == [("BTCUSDT", datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, 11, tzinfo=UTC))]


def test_no_answer_at_all_is_a_data_error(fetch, fakes):
    fakes(Fake("x", error=SourceError("x answers 500: ask later.")))
    result = fetch()
    assert result.exit_code == 3
    assert result.stderr.splitlines()[-2:] == [
        "warning: x answers 500: ask later.",
        "error: no source gave texts of BTCUSDT: look at the warnings above, then run the same command "
        "again.",
    ]
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("more", "code", "what"),
    [
        (
            ("--sources", "newsapi"),
            2,
            r"no source can be asked: newsapi is left out, because it has no key: set",
        ),
        (("--sources", "nwsapi"), 2, r"there is no source 'nwsapi': did you mean newsapi\?"),
        (("--until", "soon"), 2, r"--until is 'soon', which is no date: give one such as 2024-01-01"),
        (("--store", "mysql://host/texts", "--sources", "rss"), 3, r"mysql is not supported as a store"),
        (
            ("--store", "postgresql://me:canary@host/x", "--sources", "rss"),
            3,
            r"holds a password: leave it out",
        ),
        (("--file", "absent.csv"), 3, r"headlines absent\.csv cannot be read"),
    ],
)
def test_mistakes_are_one_sentence(fetch, fakes, more, code, what):
    result = fetch(*more)
    assert result.exit_code == code
    assert re.search(what, result.stderr)
    assert "Traceback" not in result.stderr
    assert "canary" not in result.stderr


def test_a_date_that_is_none_is_refused(fetch):
    result = fetch(since="yesterday")
    assert result.exit_code == 2
    assert "--since is 'yesterday', which is no date" in result.stderr


@pytest.mark.parametrize(
    ("since", "more", "what"),
    [
        ("2200-01-01", (), "--since is 2200-01-01, which is still to come: give an earlier date."),
        (
            "2024-01-02",
            ("--until", "2024-01-01"),
            "--until 2024-01-01 is not behind --since 2024-01-02: give a later one.",
        ),
        ("2024-01-01", ("--until", ""), "--until is '', which is no date"),
        (
            "2024-01-01",
            ("--symbol", ""),
            "--symbol is '', which names nothing: give one such as BTCUSDT or SPY.",
        ),
        ("2024-01-01", ("--symbol", " /"), "--symbol is ' /', which names nothing"),
    ],
)
def test_a_span_or_a_symbol_that_is_none_is_refused(fetch, fakes, place, since, more, what):
    source = Fake("rss")
    fakes(source)
    result = fetch(*more, since=since)
    assert result.exit_code == 2
    assert what in result.stderr
    assert not source.asked
    assert not place.exists()


def test_the_same_command_at_once_is_told_and_no_failure(fetch, fakes):
    fakes(Fake("rss"))
    assert fetch("--score", "none").stderr == "rss: 0 new, 0 known\n"
    again = fetch("--score", "none")
    assert again.exit_code == 0
    assert again.stderr == "rss: asked less than five minutes ago\n"


def test_an_address_with_more_than_a_file_is_refused(mlstrat, fakes):
    fakes(Fake("rss"))
    result = mlstrat(
        "sentiment", "fetch", "--symbol", "BTC", "--since", "2024-01-01", "--store", "sqlite:///a.db?mode=ro"
    )
    assert result.exit_code == 3
    assert result.stderr == (
        "error: the address of the store a.db says more than a file behind ?: write sqlite:///a.db.\n"
    )


def test_a_file_that_is_no_store_is_refused_before_anything_is_asked(fetch, fakes, place):
    source = Fake("rss")
    fakes(source)
    place.write_text("notes" * 200)
    result = fetch()
    assert result.exit_code == 3
    assert "is no database: give the file of a store" in result.stderr
    assert not source.asked


def test_the_store_is_an_sqlite_file_that_others_can_read_meanwhile(fetch, fakes, place):
    fakes(Fake("rss"))
    assert fetch().exit_code == 0
    with sqlite3.connect(place) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_terminal_sees_a_line_a_source():
    import io
    from datetime import UTC, datetime

    from rich.console import Console

    from mlstrat.cli.sentiment_fetch_progress import watching
    from mlstrat.sentiment.fetching import Fetched
    from mlstrat.sentiment.store import Added

    screen, day = io.StringIO(), datetime(2024, 1, 1, tzinfo=UTC)
    with watching(Console(file=screen, force_terminal=True, width=100)) as watcher:
        for name, added, warning in (
            ("rss", Added(3, 1, 2), ""),
            ("x", Added(), "it is shut."),
            ("reddit", Added(new=7), "page 2 is missing."),
        ):
            watcher.begins(name, day, day)
            watcher.ends(Fetched(name, day, day, added, warning))
    shown = screen.getvalue()
    assert "rss: 3 new, 1 revised, 2 known" in shown
    assert "x: failed" in shown
    assert "reddit: 7 new, 0 known, then it broke off" in shown
