"""Key topics: planted ones are found, whatever the order, and odd texts do no harm."""

import math
import time
from itertools import chain

import numpy as np
import pytest

from mlstrat.sentiment.analysis.topics import MOST_TOPICS, key_topics
from mlstrat.testing.sentiment import hostile_texts

_WORDS = """
custody miner wallet senate lawsuit stablecoin node bridge audit pension treasury bank inflation court tax
donation museum stadium airline football election harvest copper festival satellite orchestra
"""
WORDS = _WORDS.split()


def filler(rng, n, length=6):
    return [" ".join(rng.choice(WORDS, length, replace=False)) for _ in range(n)]


@pytest.mark.parametrize("seed", range(8))
def test_a_planted_phrase_comes_first(seed):
    rng = np.random.default_rng(seed)
    texts = filler(rng, 40)
    for row in rng.choice(40, 10, replace=False):
        texts[row] = f"{texts[row]} Quantum Bridge Upgrade for {WORDS[row % 20]}"
    topics = key_topics(texts, filler(rng, 200), "BTCUSDT")
    assert topics[0] == "quantum bridge upgrade"
    assert len(topics) <= MOST_TOPICS


@pytest.mark.parametrize("seed", range(8))
def test_what_was_always_talked_about_comes_after_what_is_new(seed):
    rng = np.random.default_rng(seed)
    texts = [f"{text} and pension" for text in filler(rng, 12, 3)]
    texts += [f"{text} and volcano" for text in filler(rng, 12, 3)]
    background = [f"{text} and pension" for text in filler(rng, 300, 3)]
    topics = key_topics(texts, background)
    assert topics[0] == "volcano"
    assert key_topics(texts)[0] in ("pension", "volcano")


def test_the_order_of_headlines_does_not_matter():
    rng = np.random.default_rng(5)
    texts, background = filler(rng, 60, 4), filler(rng, 100, 4)
    expected = key_topics(texts, background)
    assert len(expected) == MOST_TOPICS
    for _ in range(10):
        assert key_topics(list(rng.permutation(texts)), list(rng.permutation(background))) == expected


def test_the_rank_is_the_documented_one():
    # "spot etf" in 4 texts, of which 2 go on with "approval"; "hack" in 3; the background of 9 has 4 hacks.
    texts = [
        "spot ETF approval",
        "senate: spot ETF approval",
        "spot ETF; 1 filing",
        "spot ETF, 2 delays",
        "hack of 3 wallets",
        "hack!",
        "hack; senate",
    ]
    background = ["hack: 1", "hack, 2 nodes", "hack; audit", "hack / court"] + [
        f"museum, {word}" for word in WORDS[:5]
    ]
    ranks = {
        "spot etf": math.log2(3) * (4 - 2) * (1 + math.log(10)),
        "spot etf approval": math.log2(4) * 2 * (1 + math.log(10)),
        "hack": 3 * (1 + math.log(10 / 5)),
        "senate": 2 * (1 + math.log(10)),
    }
    best = sorted(ranks, key=ranks.__getitem__, reverse=True)
    apart = [name for name in best if name != "spot etf"]  # contained in the longer one, which ranks higher
    assert key_topics(texts, background) == apart


def test_contained_phrases_and_overlaps_are_told_once():
    texts = [f"{word}: institutional investment demand" for word in WORDS[:6]]
    assert key_topics(texts) == ["institutional investment demand"]
    texts += ["institutional investment in 1 fund", "institutional investment, at last"]
    assert key_topics(texts) == ["institutional investment demand"]


def test_plurals_and_possessives_are_one_topic_in_the_commonest_spelling():
    texts = ["New policies on 1", "The policy of 2", "Policies?", "On policies: 3", "The policies' 4th"]
    assert key_topics(texts) == ["policies"]
    assert key_topics(["Ripple’s lawsuit: 1", "Lawsuits, 2"], symbol="XRPUSDT") == ["lawsuit"]


@pytest.mark.parametrize(
    ("symbol", "text"),
    [
        ("BTCUSDT", "Bitcoin BTC $BTC #bitcoin BTC/USD BTCUSDT bitcoin's bitcoin-backed"),
        ("ETH-USD", "Ethereum ether ETH ETHUSDT"),
        ("SHIBUSDT", "Shiba Inu SHIB"),
        ("SPY", "SPY $SPY spy"),
        ("bitcoin", "BTC"),
    ],
)
def test_the_symbols_own_names_are_no_topic(symbol, text):
    texts = [f"{text}: volcano", f"Volcano, so {text}", f"{text}, {text}"]
    assert key_topics(texts, symbol=symbol) == ["volcano"]


def test_other_coins_are_topics():
    assert key_topics(["Ethereum merge", "The Ethereum merge"], symbol="BTCUSDT") == ["ethereum merge"]


def test_stop_words_numbers_and_bare_market_words_are_no_topic():
    texts = ["the price of crypto is up 5% to 40,000 today", "the price of crypto is up 7% to 50k today, so"]
    assert key_topics(texts) == []
    assert key_topics(["token price", "token prices: 2 tokens", "the token price"]) == []
    assert key_topics(["token audit", "the token audit"]) == ["token audit"]


def test_a_phrase_of_one_headline_is_no_topic_however_often_it_is_repeated():
    assert key_topics(["Volcano erupts near copper mine"] * 50) == []
    assert key_topics(["volcano, volcano, volcano"]) == []


def test_at_most_as_many_as_asked():
    texts = list(chain.from_iterable((f"{word}: 1", f"{word}, now") for word in WORDS))
    assert key_topics(texts, most=3) == sorted(WORDS)[:3]
    assert len(key_topics(texts)) == MOST_TOPICS


def test_no_headlines_no_topics():
    assert key_topics([]) == []
    assert key_topics(["", " ", "\n"], [""]) == []
    assert key_topics(["😀😀", "😀 😀😀"]) == []


@pytest.mark.parametrize(
    "text",
    [
        "a" * 10**6,
        "ab " * 333_333,
        "a-" * 500_000,
        "a'" * 500_000,
        "1.," * 333_333,
        "http://" * 150_000,
        "😀" * 10**6,
        "ﷺ" * 10**6,
        "(" * 10**6,
        "\u0301" * 10**6,
        "\ud800" * 10**6,
    ],
)
def test_endless_texts_take_little_time(text):
    started = time.perf_counter()
    topics = key_topics([text, f"{text} volcano"], [text])
    assert time.perf_counter() - started < 3 * 0.05
    assert all(len(topic) < 130 for topic in topics)


def test_hostile_texts_do_no_harm():
    texts = [f"{text} volcano" for text in hostile_texts(1, 1000)]
    topics = key_topics(texts, hostile_texts(2, 1000), "BTCUSDT")
    assert "volcano" in topics
    assert topics == key_topics(texts[::-1], hostile_texts(2, 1000), "BTCUSDT")
