"""One store for several markets: which text counts for which symbol, and from when."""

import random
import sqlite3
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from mlstrat.sentiment.items import Item

pytest.importorskip("sqlalchemy")

from mlstrat.sentiment.fetching import fetch_into
from mlstrat.sentiment.store import Added, SentimentStore

START = datetime(2024, 3, 1, tzinfo=UTC)


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def item(key: str, text: str, **more) -> Item:
    return Item(more.pop("source", "newsapi"), key, text, START, **more)


@pytest.fixture
def store(tmp_path):
    with SentimentStore(str(tmp_path / "texts.db")) as opened:
        yield opened


def told(store: SentimentStore, symbol: str, **more) -> set[str]:
    return set(store.headlines(symbol, **more).texts)


def test_texts_of_one_market_do_not_count_for_another(store):
    coins = [item("1", "Regulator opens a case"), item("2", "Bitcoin rises"), item("3", "Coins and SPY, QQQ")]
    shares = [item("4", "Fund opens higher"), item("5", "SPY and Bitcoin fall"), item("6", "MSTR buys ether")]
    store.add(coins, at(1), symbol="BTCUSDT")
    store.add(shares, at(2), symbol="SPY")
    assert told(store, "BTCUSDT") == {
        "Regulator opens a case",
        "Bitcoin rises",
        "Coins and SPY, QQQ",
        "SPY and Bitcoin fall",
    }
    assert told(store, "ETH-USD") == {"Regulator opens a case", "Coins and SPY, QQQ", "MSTR buys ether"}
    assert told(store, "SPY") == {text.text for text in shares} | {"Coins and SPY, QQQ"}
    assert told(store, "MSTR") == {"MSTR buys ether"}
    assert told(store, "AAPL") == set()
    assert len(store.headlines("")) == 6


def test_a_ticker_is_a_word(store):
    texts = ("Spyglass sells", "SPYG rises", "spy caught", "(SPY) rises", "$SPY: up", "Buy SPY/QQQ")
    store.add([item(str(k), text) for k, text in enumerate(texts)], at(1), symbol="BTC")
    assert told(store, "SPY") == set(texts[3:])


def test_a_text_fetched_for_several_symbols_counts_for_each_from_its_fetch_on(store):
    text = item("1", "Rates stay where they are")
    assert store.add([text], at(1), symbol="SPY") == Added(new=1)
    assert store.add([text], at(5), symbol="BTC-USD") == Added(known=1)
    assert store.add([text], at(7), symbol="BTCUSDT") == Added(known=1)
    assert store.add([text], at(9), symbol="QQQ") == Added(known=1)
    for symbol, hours in (("SPY", 1), ("BTCUSDT", 5), ("ETHUSDT", 5), ("QQQ", 9)):
        found = store.headlines(symbol)
        np.testing.assert_array_equal(found.seen_at, [np.datetime64(at(hours).replace(tzinfo=None), "ns")])
        assert len(store.headlines(symbol, as_of=at(hours))) == 1
        assert len(store.headlines(symbol, as_of=at(hours - 0.1))) == 0
    assert store.headlines("").seen_at[0] == np.datetime64(at(1).replace(tzinfo=None), "ns")


def test_a_text_added_for_no_symbol_counts_by_its_words_alone(store):
    store.add([item("1", "Markets are calm"), item("2", "Bitcoin rises")], at(1))
    assert told(store, "SPY") == {"Markets are calm"}
    assert told(store, "ETH") == {"Markets are calm"}


def test_a_fetch_says_for_whom(store):
    class Fake:
        name = "newsapi"

        def fetch(self, symbol, since, until):
            return [item(symbol, f"Calm day number {len(symbol)}")]

    for symbol in ("BTCUSDT", "SPY"):
        fetch_into(store, [Fake()], symbol, START, lambda: at(9))
    assert told(store, "BTC-USD") == {"Calm day number 7"}
    assert told(store, "SPY") == {"Calm day number 3"}


def test_random_texts_against_a_plain_loop(store):
    """Whether a text counts is computed from the list of what was added, by the rule as it is documented."""
    draw = random.Random(8)
    names = {"BTC": "Bitcoin", "ETH": "Ethereum", "SPY": "SPY", "QQQ": "QQQ"}
    words, added = {}, []
    for k in range(60):
        words[str(k)] = " and ".join(["Calm", *(name for name in names.values() if draw.random() < 0.2)])
    for hour in range(30):
        symbol = draw.choice(["BTC", "ETH", "SPY", "QQQ", ""])
        keys = draw.sample(sorted(words), 8)
        store.add([item(key, f"{words[key]} {key}") for key in keys], at(hour), symbol=symbol)
        added += [(key, symbol, hour) for key in keys]

    def counts(key: str, symbol: str, fetched: set[str]) -> bool:
        if not fetched:
            return False
        named = {ticker for ticker, name in names.items() if name in words[key]}
        coins = named & {"BTC", "ETH"}
        if symbol in named:
            return True
        if symbol in ("BTC", "ETH"):
            return not coins and bool(fetched & {"BTC", "ETH", ""})
        return symbol in fetched or ("" in fetched and not coins)

    for hour in (0, 3, 11, 29):
        for symbol in names:
            known = {
                f"{words[key]} {key}"
                for key in words
                if counts(key, symbol, {who for one, who, when in added if one == key and when <= hour})
            }
            assert told(store, symbol, as_of=at(hour)) == known
            found = store.headlines(symbol, as_of=at(hour))
            assert (found.seen_at <= np.datetime64(at(hour).replace(tzinfo=None), "ns")).all()


def test_a_store_of_the_first_schema_is_brought_up_to_date(tmp_path):
    place = str(tmp_path / "texts.db")
    with SentimentStore(place) as store:
        store.add([item("1", "Markets are calm"), item("2", "Bitcoin rises")], at(1))
    with sqlite3.connect(place) as connection:
        connection.execute("DROP TABLE fetched_for")
        connection.execute("UPDATE store_facts SET value = '1' WHERE name = 'schema'")
    with SentimentStore(place, create=False) as store:
        assert told(store, "SPY") == {"Markets are calm"}
        assert told(store, "BTC") == {"Markets are calm", "Bitcoin rises"}
    with SentimentStore(place) as store:
        store.add([item("1", "Markets are calm")], at(5), symbol="SPY")
        assert told(store, "BTC", as_of=at(1)) == {"Markets are calm", "Bitcoin rises"}
