"""A run whose headlines come from a store."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from mlstrat.config import load_config, parse_config
from mlstrat.config_places import is_store
from mlstrat.config_sentiment import SentimentConfig
from mlstrat.data.bars import Bars
from mlstrat.data.instrument import Instrument
from mlstrat.data.timeframe import Timeframe
from mlstrat.errors import DataError
from mlstrat.sentiment.items import Item

pytest.importorskip("sqlalchemy")
pytest.importorskip("vaderSentiment")

from mlstrat.sentiment.choice import scorer
from mlstrat.sentiment.scorers import VaderScorer
from mlstrat.sentiment.series import mood_for, newest_seen
from mlstrat.sentiment.store import SentimentStore, version_of

START = datetime(2022, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
TEXTS = ("Bitcoin soars to a record high", "Lender files for bankruptcy", "Solana crashes")


def make_bars(n: int) -> Bars:
    time = np.datetime64("2022-01-01", "ns") + np.arange(n) * np.timedelta64(1, "h")
    flat = np.full(n, 100.0)
    return Bars(time, flat, flat, flat, flat, flat, "BTCUSDT", Timeframe("1h"), Instrument("BTCUSDT"))


@pytest.fixture
def address(tmp_path):
    place = f"sqlite:///{tmp_path / 'texts.db'}"
    with SentimentStore(place) as store:
        for k, text in enumerate(TEXTS):
            store.add([Item("rss", str(k), text, START + (2 + 24 * k) * HOUR)], START + (5 + 24 * k) * HOUR)
    return place


def test_a_store_gives_what_a_file_of_the_same_texts_gives(address, tmp_path):
    rows = [f"{(START + (2 + 24 * k) * HOUR).isoformat()},{text}\n" for k, text in enumerate(TEXTS)]
    file = tmp_path / "texts.csv"
    file.write_text("time,title\n" + "".join(rows))
    one, other = (mood_for(make_bars(60), SentimentConfig(source=source)) for source in (address, str(file)))
    for name in ("score", "confidence", "count"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert one.count.max() == 2
    assert "2 headlines of texts.db" in one.notes[0]


def test_known_by_seen_waits_for_the_first_sight(address):
    published = mood_for(make_bars(60), SentimentConfig(source=address, latency_minutes=0))
    seen = mood_for(make_bars(60), SentimentConfig(source=address, latency_minutes=0, known_by="seen"))
    # A bar that closes at 02:00 is the second, one that closes at 05:00 the fifth.
    assert int(np.argmax(published.count > 0)) == 1
    assert int(np.argmax(seen.count > 0)) == 4


def test_a_later_edit_changes_nothing(address):
    cfg = SentimentConfig(source=address, known_by="seen")
    before = mood_for(make_bars(60), cfg)
    with SentimentStore(address) as store:
        store.add([Item("rss", "0", "Correction: Bitcoin crashes", START + 2 * HOUR)], START + 8 * HOUR)
    after = mood_for(make_bars(60), cfg)
    np.testing.assert_array_equal(before.score, after.score)


def test_kept_scores_are_taken_and_missing_ones_made(address, monkeypatch):
    plain = mood_for(make_bars(60), SentimentConfig(source=address, scorer="vader"))
    read: list[str] = []
    original = VaderScorer.score

    def counting(self, texts):
        read.extend(texts)
        return original(self, texts)

    with SentimentStore(address) as store:
        store.score(scorer("vader"), version_of("vader"), START)
        monkeypatch.setattr(VaderScorer, "score", counting)
        np.testing.assert_array_equal(
            mood_for(make_bars(60), SentimentConfig(source=address, scorer="vader")).score, plain.score
        )
        assert read == []
        store.add([Item("rss", "9", "Markets rally", START)], START)
    mood_for(make_bars(60), SentimentConfig(source=address, scorer="vader"))
    assert read == ["Markets rally"]


def test_a_run_makes_no_store(tmp_path):
    with pytest.raises(
        DataError, match=r"there is no store .*absent\.db: make one with mlstrat sentiment fetch"
    ):
        mood_for(make_bars(5), SentimentConfig(source=f"sqlite:///{tmp_path}/absent.db"))
    assert not (tmp_path / "absent.db").exists()


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("sqlite:///news/texts.db", "sqlite:///{folder}/news/texts.db"),
        ("sqlite:////data/texts.db", "sqlite:////data/texts.db"),
        ("postgresql://me@host/texts", "postgresql://me@host/texts"),
        ("postgresql+psycopg://me@host/texts", "postgresql+psycopg://me@host/texts"),
        ("news.csv", "{folder}/news.csv"),
    ],
)
def test_the_address_in_a_run_file_starts_at_its_folder(tmp_path, given, taken):
    path = tmp_path / "run.toml"
    path.write_text(f"[sentiment]\nsource = {json.dumps(given)}\n")
    assert load_config(path).sentiment.source == taken.format(folder=tmp_path)


def test_an_address_is_told_from_a_file():
    assert is_store("sqlite:///a.db")
    assert is_store("postgresql://host/a")
    assert not any(
        map(is_store, ("none", "sample:headlines", "news.csv", "sqlite.csv", "a/postgresql.parquet"))
    )
    assert parse_config({"sentiment": {"source": "sqlite:///a.db"}}).sentiment.source == "sqlite:///a.db"


def test_the_index_of_the_crypto_market_counts_for_coins_only(tmp_path):
    at = datetime(2024, 5, 2, tzinfo=UTC)
    index = Item(
        "fear_greed", "2024-05-01", "Fear & Greed index 74: Greed", at - timedelta(days=1), polarity=0.48
    )
    with SentimentStore(str(tmp_path / "news.db")) as store:
        store.add([index], at)
        told = {symbol: len(store.headlines(symbol)) for symbol in ("BTCUSDT", "ETHUSDT", "", "SPY")}
    assert told == {"BTCUSDT": 1, "ETHUSDT": 1, "": 1, "SPY": 0}


def test_a_run_can_be_repeated_after_a_later_fetch(address):
    """Older texts, corrections, and texts of other symbols come later; the run knows up to where it read."""
    cfg, bars = SentimentConfig(source=address), make_bars(60)
    until = newest_seen(cfg)
    assert until == np.datetime64("2022-01-03T05", "ns")
    before, plain = mood_for(bars, cfg, until), mood_for(bars, cfg)
    assert before.notes == plain.notes
    with SentimentStore(address) as store:
        later = [
            Item("rss", "0", "Correction: Bitcoin crashes", START + HOUR),
            Item("rss", "old", "Bitcoin surges on record demand", START + 3 * HOUR),
            Item("rss", "other", "Ether falls", START + 4 * HOUR),
        ]
        store.add(later, START + 90 * HOUR, symbol="ETH")
    after = mood_for(bars, cfg, until)
    np.testing.assert_array_equal(before.score, after.score)
    np.testing.assert_array_equal(before.count, after.count)
    assert before.notes == after.notes
    assert (mood_for(bars, cfg).count != before.count).any()
    assert newest_seen(cfg) == np.datetime64("2022-01-04T18", "ns")


@pytest.mark.parametrize("source", ["none", "sample:headlines"])
def test_what_is_no_store_has_no_first_sights(source):
    assert newest_seen(SentimentConfig(source=source)) is None


def test_a_run_from_an_empty_store_can_be_repeated(tmp_path):
    cfg = SentimentConfig(source=f"sqlite:///{tmp_path / 'texts.db'}")
    SentimentStore(cfg.source).close()
    until = newest_seen(cfg)
    before = mood_for(make_bars(9), cfg, until)
    with SentimentStore(cfg.source) as store:
        store.add([Item("rss", "1", TEXTS[0], START)], START + HOUR)
    assert mood_for(make_bars(9), cfg).count.any()
    assert not mood_for(make_bars(9), cfg, until).count.any()
    assert mood_for(make_bars(9), cfg, until).notes == before.notes
