"""Scorers on phrases of finance, without a network, and on hostile text."""

import random
import socket
import sys

import numpy as np
import pytest

from mlstrat.errors import ConfigError, MissingExtraError
from mlstrat.sentiment import scorers
from mlstrat.sentiment.lexicon import NEUTRAL, PHRASES, WORDS
from mlstrat.sentiment.scorers import MAX_CHARACTERS, VaderScorer, scorer

GOOD = (
    "Bitcoin soars to a record high",
    "Dogecoin to the moon",
    "ETH sets new all-time high",
    "Acme beats expectations and raises guidance",
    "Regulator hints at ETF approval",
    "Fed announces surprise rate cut",
    "Shares surge as profits climb",
)
BAD = (
    "Lender files for bankruptcy",
    "Token team pulls a rug pull",
    "Fed signals another rate hike",
    "Exchange halts withdrawals",
    "Bitcoin plunges in flash crash",
    "Retailer misses estimates, cuts outlook",
    "Stablecoin loses its peg",
    "DeFi protocol exploited, hackers drain pool",
)
PLAIN = (
    "Shares and securities of interest",
    "Conference opens in Lisbon on Tuesday",
    "What is a hash function?",
)
HOSTILE_PARTS = (
    "\U0001f680", "\U0001f469\u200d\U0001f469\u200d\U0001f466", "\x00", "\x1b[31m", "\ud800",
    "\u202e", "\ufeff",
    "e\u0301", "\r\n", "\u00a0", "\u00df", "\u6f22\u5b57", "\U0001d539\U0001d560", "crash",
    "to the moon", "NOT",
    "!", "?", "%s", "{}", "../", "<script>", "' OR 1=1 --", "999e999", "kind of", "but", "never so",
    "record   high", "-", " ",
)  # fmt: skip


@pytest.fixture(scope="module")
def vader() -> VaderScorer:
    return VaderScorer()


@pytest.mark.parametrize("text", GOOD)
def test_good_news_is_positive(vader, text):
    polarity, confidence = vader.score([text])
    assert polarity[0] > 0.2
    assert confidence[0] > 0.1


@pytest.mark.parametrize("text", BAD)
def test_bad_news_is_negative(vader, text):
    polarity, confidence = vader.score([text])
    assert polarity[0] < -0.2
    assert confidence[0] > 0.1


@pytest.mark.parametrize("text", PLAIN)
def test_plain_statements_have_no_mood_and_no_confidence(vader, text):
    assert [values[0] for values in vader.score([text])] == [0.0, 0.0]


@pytest.mark.parametrize("text", ["", " ", "\n\t", "?", "\x00"])
def test_text_without_words_scores_zero_with_no_confidence(vader, text):
    assert [values[0] for values in vader.score([text])] == [0.0, 0.0]


def test_no_texts_give_empty_arrays(vader):
    polarity, confidence = vader.score([])
    assert polarity.shape == confidence.shape == (0,)
    assert polarity.dtype == confidence.dtype == np.float64


def test_negation_turns_words_and_phrases_round(vader):
    polarity, _ = vader.score(
        ["Analysts are bullish", "Analysts are not bullish", "Not a record high", "A record high"]
    )
    assert polarity[1] < 0 < polarity[0]
    assert polarity[2] < 0 < polarity[3]


def test_phrases_are_found_across_hyphens_spaces_and_capitals_but_not_inside_words(vader):
    polarity, _ = vader.score(["all-time high", "ALL  Time\nHigh", "all time high", "overall time highway"])
    assert polarity[0] == polarity[1] == polarity[2] > 0
    assert polarity[3] == 0


def test_each_text_is_scored_on_its_own(vader):
    texts = [*GOOD, *BAD, *PLAIN]
    forward = vader.score(texts)
    backward = scorer("vader").score(texts[::-1])
    for ahead, back in zip(forward, backward, strict=True):
        np.testing.assert_array_equal(ahead, back[::-1])


def test_only_the_first_characters_count(vader):
    padding = "x" * MAX_CHARACTERS
    assert vader.score([padding + " crash"])[0][0] == 0
    assert vader.score(["crash " + padding])[0][0] < 0


def test_nothing_is_fetched(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("a network connection was attempted")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    polarity, _ = VaderScorer().score(["Bitcoin soars"])
    assert polarity[0] > 0


def test_hostile_text_stays_within_the_ranges(vader):
    rng = random.Random(7)
    texts = ["".join(rng.choices(HOSTILE_PARTS, k=rng.randrange(40))) for _ in range(2_500)]
    texts += [" ".join(rng.choices(HOSTILE_PARTS, k=rng.randrange(40))) for _ in range(500)]
    texts += [part * (50_000 // len(part)) for part in HOSTILE_PARTS]
    texts += ["".join(chr(rng.randrange(sys.maxunicode + 1)) for _ in range(300)) for _ in range(100)]
    polarity, confidence = vader.score(texts)
    assert polarity.shape == confidence.shape == (len(texts),)
    assert np.all(np.abs(polarity) <= 1)
    assert np.all((confidence >= 0) & (confidence <= 1))
    assert np.all(confidence[polarity == 0] == 0)


def test_an_unknown_scorer_is_refused():
    with pytest.raises(ConfigError, match=r"sentiment\.scorer is 'oracle'; give one of vader"):
        scorer("oracle")


def test_a_missing_lexicon_package_is_named(monkeypatch):
    monkeypatch.setattr(scorers, "find_spec", lambda _name: None)
    with pytest.raises(
        MissingExtraError, match=r'needs the package vaderSentiment: run `pip install "mlstrat\[sentiment\]"`'
    ):
        scorer("vader")


def test_a_missing_nltk_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "nltk", None)
    monkeypatch.delitem(sys.modules, "nltk.data", raising=False)
    with pytest.raises(MissingExtraError, match="needs the package nltk"):
        scorer("vader")


def test_the_vocabulary_is_well_formed():
    assert all(word == word.lower() and len(word.split()) == 1 for word in WORDS)
    assert all(phrase == " ".join(phrase.lower().split()) and " " in phrase for phrase in PHRASES)
    assert all(0 < abs(valence) <= 4 for valence in (*WORDS.values(), *PHRASES.values()))
    assert not NEUTRAL & set(WORDS)
    for phrase, valence in PHRASES.items():
        assert WORDS.get(phrase.replace(" ", ""), valence) * valence > 0
