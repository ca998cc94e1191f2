"""Scorers on phrases of finance, without a network, and on hostile text."""

import random
import socket
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mlstrat.errors import MissingExtraError
from mlstrat.sentiment import scorers
from mlstrat.sentiment.lexicon import NEGATIONS, NEUTRAL, PHRASES, SILENT, WORDS
from mlstrat.sentiment.reading import Phrases, cleaned
from mlstrat.sentiment.scorers import MAX_CHARACTERS, VaderScorer, labels, plain_analyser, says_something

LABELLED = Path(__file__).parents[3] / "shared" / "data" / "sentiment"
CLASSES = ("negative", "neutral", "positive")

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
# Of our own writing, in the manner of company news.
FORMAL = {
    "positive": (
        "Operating profit rose to EUR 13.1 mn from EUR 8.7 mn in the corresponding period.",
        "Net loss narrowed to 2.1 mn from 4.4 mn a year earlier.",
        "The company swung to a profit of 1.2 mn compared with a loss of 3.0 mn.",
        "EPS $0.45 vs $0.41 est.",
        "Shares +5.4 % after results",
        "The group raised its full-year guidance.",
        "Broker upgraded the shares to buy",
        "Costs fell 8 % thanks to the savings programme.",
        "Airline avoids bankruptcy",
        "Bank shrugs off recession fears",
        "Unemployment falls to 6.1 %",
        "Dividend raised to $0.50 from $0.45",
    ),
    "negative": (
        "Operating profit fell to EUR 35.4 mn from EUR 68.8 mn.",
        "The loss widened to 4.4 mn from 2.1 mn.",
        "Net loss of EUR 5 mn compared to a profit of EUR 1 mn.",
        "EPS $0.35 vs $0.41 est.",
        "Sales dropped 12 % as demand weakened.",
        "Broker downgraded the shares to hold from buy.",
        "The new model is not profitable.",
        "Mill fails to recover",
        "Analysts are no longer bullish on the stock",
        "Revenue missed expectations",
        "Costs rise 12 %",
        "Coverage started at Sell with price target cut to $4",
    ),
    "neutral": (
        "The annual general meeting will be held on 12 April.",
        "The company is headquartered in Helsinki and employs 2,000 people.",
        "The terms of the transaction were not disclosed.",
        "The board appointed a new chief financial officer.",
        "The product is sold in 40 countries.",
        "The total number of shares is 4,500,000.",
        "The company has not changed its guidance.",
        "Coverage started at Hold",
        "$SOAR $BEAR (NASDAQ: CRASH) https://t.co/gains @bullish",
    ),
}
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


@pytest.mark.parametrize(("expected", "text"), [(name, text) for name in CLASSES for text in FORMAL[name]])
def test_company_news_has_its_label(vader, expected, text):
    assert labels(vader.score([text])[0]) == (expected,)


def test_classes_follow_the_polarity(vader):
    texts = [*GOOD, *BAD, *PLAIN]
    polarity, confidence, names = vader.classify(texts)
    for found, expected in zip((polarity, confidence), vader.score(texts), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert names == ("positive",) * len(GOOD) + ("negative",) * len(BAD) + ("neutral",) * len(PLAIN)


def test_only_letters_and_digits_say_something_and_only_where_they_are_read():
    texts = ("a", "7", "\u6f22", "", " \t", "?!...", "\U0001f680", "." * MAX_CHARACTERS + "a")
    assert [says_something(text) for text in texts] == [True] * 3 + [False] * 5


def test_labels_include_their_thresholds():
    polarity = np.array([-1.0, -0.25, -0.2499, 0.0, 0.2499, 0.25, 1.0])
    assert labels(polarity) == ("negative",) * 2 + ("neutral",) * 3 + ("positive",) * 2
    assert labels(polarity, negative_to=-0.5, positive_from=0.1) == (
        ("negative",) + ("neutral",) * 3 + ("positive",) * 3
    )
    assert labels(np.array([])) == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$AAPL up https://t.co/x (NYSE: FUN) @joy", "up"),
        ("\u201csoars\u201d \u2014 beats/raises", "soars beats raises"),
        ("#bitcoin can\u2019t fall", "bitcoin can't fall"),
        ("BTC \U0001f680\U0001f4c9", "BTC rocketemoji fallingemoji"),
        ("AT&amp;T (up)", "AT T up"),
        ("costs $45", "costs $45"),
    ],
)
def test_addresses_tickers_and_signs_are_cleaned(text, expected):
    assert " ".join(cleaned(text).split()) == expected


def test_the_longest_phrase_is_joined_and_none_across_a_stop():
    phrases = Phrases(("all time", "all time high", "rug pull"))
    assert (
        phrases.join("An ALL-time  High, all time. High rug, pull")
        == "An ALLtimeHigh, alltime. High rug, pull"
    )
    assert phrases.join("\u0130 Rug Pull") == "\u0130 RugPull"


def scores(truth: list[str], said: tuple[str, ...]) -> tuple[float, float]:
    """Return accuracy and macro-F1 by their definitions."""
    pairs = list(zip(truth, said, strict=True))
    f1 = []
    for name in CLASSES:
        both = sum(t == s == name for t, s in pairs)
        f1.append(2 * both / (truth.count(name) + said.count(name)))
    return sum(t == s for t, s in pairs) / len(pairs), sum(f1) / 3


@pytest.mark.skipif(not LABELLED.exists(), reason="the labelled headlines are not here")
@pytest.mark.parametrize("name", ["twitter_fin_news", "cryptolin"])
def test_labelled_headlines_are_read_better_than_by_vader_alone(vader, name):
    pandas = pytest.importorskip("pandas")
    rows = pandas.read_csv(LABELLED / f"{name}.csv")
    if name == "cryptolin":
        rows = rows.sort_values("date", kind="stable")[int(0.8 * len(rows)) :]
    else:
        rows = rows[rows.split == "valid"]
    texts, truth = rows.text.tolist(), rows.label.tolist()
    analyser = plain_analyser()
    compound = np.array([analyser.polarity_scores(text)["compound"] for text in texts])
    plain = scores(truth, labels(compound, negative_to=-0.05, positive_from=0.05))
    ours = scores(truth, labels(vader.score(texts)[0]))
    assert ours[0] > plain[0] + 0.1
    assert ours[1] > plain[1] + 0.1


def test_each_text_is_scored_on_its_own(vader):
    texts = [*GOOD, *BAD, *PLAIN]
    forward = vader.score(texts)
    backward = VaderScorer().score(texts[::-1])
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


@pytest.mark.parametrize(
    "text",
    [
        "crash " * 175_000,
        "\U0001f680" * 100_000,
        "\u202e\u05d0 crash " * 10_000,
        "\u200b\ufeff" * 50_000,
        "\ud800\x00" * 50_000,
        "from a b c d 1 " * 7_000,
        "-1% " * 25_000,
        "1,111" * 20_000,
    ],
)
def test_hostile_text_is_soon_scored(vader, text):
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        polarity, _ = vader.score([text])
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.05
    assert -1 <= polarity[0] <= 1


def test_a_missing_lexicon_package_is_named(monkeypatch):
    monkeypatch.setattr(scorers, "find_spec", lambda _name: None)
    with pytest.raises(
        MissingExtraError, match=r'needs the package vaderSentiment: run `pip install "mlstrat\[sentiment\]"`'
    ):
        VaderScorer()


def test_a_missing_nltk_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "nltk", None)
    monkeypatch.delitem(sys.modules, "nltk.data", raising=False)
    with pytest.raises(MissingExtraError, match="needs the package nltk"):
        VaderScorer()


def test_the_vocabulary_is_well_formed():
    assert all(word == word.lower() and len(word.split()) == 1 for word in WORDS)
    assert all(phrase == " ".join(phrase.lower().split()) and " " in phrase for phrase in PHRASES)
    assert all(0 < abs(valence) <= 4 for valence in (*WORDS.values(), *PHRASES.values()))
    assert not NEUTRAL & set(WORDS)
    assert not NEGATIONS & set(WORDS)
    assert not SILENT & set(PHRASES)
    for phrase, valence in PHRASES.items():
        assert WORDS.get(phrase.replace(" ", ""), valence) * valence > 0
