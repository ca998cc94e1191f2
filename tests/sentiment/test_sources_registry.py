"""Sources by name, files among them, and all of them together."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from news_server import NOW, START, TestClock, at, clock_of, gather, serving, sources_at

from mlstrat.errors import ConfigError, MissingExtraError
from mlstrat.sentiment.headlines import read_headlines
from mlstrat.sentiment.items import SourceError
from mlstrat.sentiment.sources import socketry
from mlstrat.sentiment.sources.files import FileSource
from mlstrat.sentiment.sources.keys import Keys
from mlstrat.sentiment.sources.pace import Limits
from mlstrat.sentiment.sources.registry import SOURCES, sources_from
from mlstrat.sentiment.sources.web import Access, complaint

ROWS = [
    {"time": "2024-03-05T10:00:00Z", "title": "Bitcoin rises", "source": "a.com"},
    {"time": "2024-03-06T00:00:00Z", "title": "Ethereum\nfalls"},
    {"time": "2024-03-04T09:30:15.250+01:00", "title": "Markets wait", "source": "b.com"},
    {"time": "2024-03-05T10:00:00Z", "title": "Bitcoin rises", "source": "a.com"},
    {"time": "2024-03-07T10:00:00Z", "title": " "},
]


def written(folder, kind):
    file = folder / f"news{kind}"
    if kind == ".jsonl":
        file.write_text("\n".join(map(json.dumps, ROWS)) + "\n")
    elif kind == ".csv":
        pd.DataFrame(ROWS).to_csv(file, index=False)
    else:
        pd.DataFrame(ROWS).assign(
            time=[pd.Timestamp(row["time"]).tz_convert("UTC") for row in ROWS]
        ).to_parquet(file)
    return file


def test_sources_without_a_key_are_left_out_and_told():
    sources, left_out = sources_from(Keys(newsapi_key="abcdefgh", reddit_client_id="abcdefgh"))
    assert [source.name for source in sources] == ["rss", "fear_greed", "newsapi"]
    sentence = "{} is left out, because it has no key: set {}, or {} in a file."
    assert left_out == [
        sentence.format("cryptopanic", "MLSTRAT_CRYPTOPANIC_KEY", "cryptopanic_key"),
        sentence.format("x", "MLSTRAT_X_BEARER", "x_bearer"),
        sentence.format("reddit", "MLSTRAT_REDDIT_CLIENT_SECRET", "reddit_client_secret"),
    ]


def test_sources_come_in_the_order_asked_for_and_files_behind_them(tmp_path):
    file = written(tmp_path, ".csv")
    sources, left_out = sources_from(Keys(), ["fear_greed", "rss", "fear_greed"], files=[file])
    assert ([source.name for source in sources], left_out) == (["fear_greed", "rss", "file"], [])
    assert [source.name for source in sources_from(Keys(), [], files=[file, file])[0]] == ["file", "file"]


def test_a_source_that_there_is_not_is_refused():
    with pytest.raises(ConfigError, match="there is no source 'newsap': did you mean newsapi\\?"):
        sources_from(Keys(), ["newsap"])
    with pytest.raises(ConfigError, match="there is no source 'zzz': use some of rss, fear_greed, newsapi"):
        sources_from(Keys(), ["zzz"])


@pytest.mark.parametrize("kind", [".csv", ".parquet", ".jsonl"])
def test_a_file_is_a_source(tmp_path, kind):
    found = FileSource(written(tmp_path, kind)).fetch("", datetime(2024, 3, 1, tzinfo=UTC), NOW)
    assert [
        (item.published_at.isoformat(), item.text, item.time_known, item.publisher) for item in found
    ] == [
        ("2024-03-04T08:30:15.250000+00:00", "Markets wait", True, "b.com"),
        ("2024-03-05T10:00:00+00:00", "Bitcoin rises", True, "a.com"),
        ("2024-03-06T00:00:00+00:00", "Ethereum falls", False, ""),
    ]
    assert {item.source for item in found} == {"file"}


def test_a_file_gives_what_counts_for_a_symbol_in_a_span(tmp_path):
    source = FileSource(written(tmp_path, ".jsonl"))
    assert [item.text for item in source.fetch("BTCUSDT", at(0), NOW)] == ["Markets wait", "Bitcoin rises"]
    bound = datetime(2024, 3, 5, 10, tzinfo=UTC)
    assert [item.text for item in source.fetch("BTCUSDT", at(0), bound)] == ["Markets wait"]
    assert [item.text for item in source.fetch("BTCUSDT", bound, NOW)] == ["Bitcoin rises"]


def test_a_file_has_the_same_keys_under_another_name(tmp_path):
    one, other = (FileSource(written(tmp_path, kind)).fetch("", at(0), NOW) for kind in (".csv", ".jsonl"))
    assert [item.key for item in one] == [item.key for item in other]
    assert len({item.key for item in one}) == len(one)


def test_the_same_words_of_two_publishers_are_two_texts_and_subjects_go_along(tmp_path):
    file = tmp_path / "news.csv"
    row = "2024-03-05T10:00:00Z,Solana and friends rally"
    file.write_text(f"time,title,subject,source\n{row},bitcoin,a.com\n{row},ETH,b.com\n")
    found = FileSource(file).fetch("", at(0), NOW)
    assert {(item.publisher, item.subjects) for item in found} == {("a.com", ("BTC",)), ("b.com", ("ETH",))}
    assert len({item.key for item in found}) == 2


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT", "SOLUSDT"])
def test_the_bundled_headlines_are_the_same_from_a_store(tmp_path, symbol):
    pytest.importorskip("sqlalchemy", reason="the store needs SQLAlchemy")
    from mlstrat.sentiment.fetching import fetch_into
    from mlstrat.sentiment.store import SentimentStore

    now = datetime(2023, 1, 1, tzinfo=UTC)
    read = read_headlines("sample:headlines", symbol)
    with SentimentStore(str(tmp_path / "news.db")) as opened:
        for one in ("BTCUSDT", "ETHUSDT"):
            source = FileSource(Path("sample:headlines"))
            fetch_into(opened, [source], one, datetime(2021, 1, 1, tzinfo=UTC), lambda: now)
        if symbol == "SOLUSDT":
            fetch_into(opened, [source], symbol, datetime(2021, 1, 1, tzinfo=UTC), lambda: now)
        stored = opened.headlines(symbol, language="")
    assert rows_of(stored) == rows_of(read)
    assert len(read) - len(stored) == len(read) - len(rows_of(read)) < 10


def rows_of(headlines):
    """Moment, words and publisher of each, without blanks of other kinds."""
    words = (" ".join(text.split()) for text in headlines.texts)
    return set(zip(headlines.known_from.astype(np.int64).tolist(), words, headlines.source, strict=True))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"time": "2024-03-05T10:00:00Z", "title": "a"}\n{"time"', "are not a readable .jsonl table"),
        ('{"time": 1709632800, "title": "a"}', "does not say its offset from UTC"),
        ("[1, 2]", "have no column time or timestamp"),
        ("", "have no column time or timestamp"),
        ("3\n4", "have no column time or timestamp"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_failure_among_others(tmp_path, text, sentence):
    file = tmp_path / "news.jsonl"
    file.write_text(text)
    found = gather([FileSource(file)], "BTC", START, NOW)
    assert sentence in found.failures["file"]
    assert (found.items, found.counts) == ((), {"file": 0})
    with pytest.raises(SourceError, match=r"none\.csv cannot be read"):
        FileSource(tmp_path / "none.csv").fetch("BTC", START, NOW)


def test_all_sources_give_theirs_in_order():
    with serving(TestClock()) as server:
        found = gather(sources_at(server, Limits()), "BTCUSDT", START, NOW)
    assert found.failures == {}
    assert found.counts == dict.fromkeys(SOURCES, 150) | {"fear_greed": 6}
    for name in SOURCES:
        items = [item for item in found.items if item.source == name]
        assert items == sorted(items, key=lambda item: (item.published_at, item.key))


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"status": "error", "code": "rateLimited", "message": "Too many."}', "Too many."),
        (b'{"title": "Unauthorized", "type": "about:blank", "status": 401, "detail": "No."}', "No."),
        (
            b'{"errors": [{"parameters": {}, "message": "Invalid start_time"}], "title": "Bad"}',
            "Invalid start_time",
        ),
        (b'{"status": "api_error", "info": "Token not found"}', "Token not found"),
        (b'{"message": "Forbidden", "error": 403}', "Forbidden"),
        (b'{"error": {"message": "deep"}}', "deep"),
        (b'{"error": "short"}', "short"),
        (b'{"message": ["no text"], "errors": "x"}', ""),
        (b"<html>", ""),
        (b"\xff", ""),
        (b"[]", ""),
    ],
)
def test_what_each_source_complains_of_is_found(body, told):
    assert complaint(body) == told


def test_a_library_that_is_not_installed_is_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "hishel", None)
    with pytest.raises(
        MissingExtraError, match=r'needs the package hishel: run `pip install "mlstrat\[sentiment\]"`'
    ):
        socketry.library("hishel")
    monkeypatch.setitem(sys.modules, "praw", None)
    with serving(TestClock()) as server:
        found = gather(sources_at(server, Limits(), ("reddit",)), "BTC", START, NOW)
    assert found.failures["reddit"].endswith(
        'needs the package praw: run `pip install "mlstrat[sentiment]"`.'
    )


def test_importing_the_sources_imports_no_client():
    code = "import sys, mlstrat.sentiment.sources.registry; print(sorted({optional} & set(sys.modules)))"
    optional = {"httpx2", "hishel", "stamina", "feedparser", "praw", "pandas", "requests"}
    run = [sys.executable, "-c", code.format(optional=optional)]
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_fetch_of_nothing_is_nothing():
    with serving(TestClock()) as server:
        found = gather(sources_at(server, Limits()), "BTC", NOW, NOW)
        assert found.items == ()
    access = Access(None, clock_of(TestClock()))
    assert access.cache is None
    with pytest.raises(SourceError, match="cannot be asked about ''"):
        sources_from(Keys(), ["rss"])[0][0].fetch("", START, NOW)
