"""The guide's class: its keys, its means by a plain loop, what was known when, and sources that fail."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sqlalchemy", reason="the store needs SQLAlchemy")

import mlstrat
from mlstrat.config_sentiment import SentimentConfig
from mlstrat.errors import ConfigError, DataError
from mlstrat.sentiment import fetching
from mlstrat.sentiment.analysis.analyser import SentimentAnalysis
from mlstrat.sentiment.analysis.combined import Voice, combined, recommended, weight_of, word_of
from mlstrat.sentiment.items import Item, SourceError
from mlstrat.sentiment.sources.keys import VARIABLES
from mlstrat.sentiment.store import SentimentStore
from mlstrat.testing.sentiment import hostile_texts

NOW = datetime(2022, 6, 15, 12, 34, 56, tzinfo=UTC)
HOUR = timedelta(hours=1)
PLAIN = SentimentConfig(novelty=False)
KEYS = {
    "": {
        "combined_sentiment",
        "sentiment_classification",
        "confidence",
        "news_component",
        "social_component",
        "recommendation",
    },
    "news_component": {"overall_sentiment", "sentiment_score", "news_count", "key_topics"},
    "social_component": {
        "twitter_sentiment",
        "reddit_sentiment",
        "overall_social_sentiment",
        "mention_count",
        "sentiment_trend",
    },
    "recommendation": {"action", "reason", "weight"},
}
NEUTRAL = {
    "combined_sentiment": 0.0,
    "sentiment_classification": "neutral",
    "confidence": 0.0,
    "news_component": {
        "overall_sentiment": 0.0,
        "sentiment_score": "neutral",
        "news_count": 0,
        "key_topics": [],
    },
    "social_component": {
        "twitter_sentiment": 0.0,
        "reddit_sentiment": 0.0,
        "overall_social_sentiment": 0.0,
        "mention_count": 0,
        "sentiment_trend": "stable",
    },
    "recommendation": {
        "action": "neutral",
        "reason": "Nothing is known of the mood about BTCUSDT (no texts): it has no vote.",
        "weight": 0.0,
    },
}


class Clock:
    def __init__(self, now=NOW):
        self.now = now

    def __call__(self):
        return self.now


class Feed:
    """A source that holds items, and gives those of the span."""

    def __init__(self, name, items=(), error=None):
        self.name, self.items, self.error, self.asked = name, list(items), error, []

    def fetch(self, symbol, since, until):
        self.asked.append((since, until))
        if self.error:
            raise self.error
        return [item for item in self.items if since <= item.published_at < until]


def item(source, hours_ago, polarity=None, text="", known=True):
    stamp = NOW - hours_ago * HOUR
    return Item(
        source,
        f"{source}-{hours_ago}-{text}",
        text or f"bitcoin story {source} {hours_ago}",
        stamp,
        time_known=known,
        polarity=polarity,
    )


def some_items(seed, n=200):
    rng = np.random.default_rng(seed)
    sources = rng.choice(["newsapi", "cryptopanic", "rss", "file", "x", "reddit"], n)
    ages = np.round(rng.uniform(0.1, 200, n), 3)
    return [
        item(str(s), float(age), float(p), f"bitcoin {k}", bool(known))
        for k, (s, age, p, known) in enumerate(
            zip(sources, ages, rng.uniform(-1, 1, n), rng.random(n) < 0.9, strict=True)
        )
    ]


def mean_by_loop(items, sources, moment=NOW, half_life=12.0, window=72.0):
    """Score, confidence and count from the definition; every given mood has confidence 1."""
    total = leaning = 0.0
    count = 0
    for one in items:
        known = one.published_at
        if not one.time_known:
            known = datetime(known.year, known.month, known.day, tzinfo=UTC) + timedelta(days=1)
        age = (moment - known).total_seconds() / 3600
        if one.source in sources and 0 <= age < window:
            weight = math.exp(-math.log(2) * age / half_life)
            total, leaning, count = total + weight, leaning + weight * one.polarity, count + 1
    return (leaning / total if total else 0.0), total / (total + 3), count


@pytest.fixture
def store(tmp_path):
    with SentimentStore(str(tmp_path / "sentiment.db")) as opened:
        yield opened


def test_the_package_exports_it():
    assert mlstrat.SentimentAnalysis is SentimentAnalysis


def test_the_keys_are_the_guides_and_the_answer_is_json(store):
    feeds = [Feed("rss", [item("rss", 1, None, "Bitcoin soars to a record high")]), Feed("x"), Feed("reddit")]
    said = SentimentAnalysis(store, clock=Clock(), sources=feeds).get_combined_sentiment("BTCUSDT")
    assert set(said) == KEYS[""]
    for part in ("news_component", "social_component", "recommendation"):
        assert set(said[part]) == KEYS[part]
    assert json.loads(json.dumps(said)) == said
    assert said["combined_sentiment"] > 0.05
    assert said["sentiment_classification"] == said["news_component"]["sentiment_score"] == "positive"
    assert said["recommendation"]["action"] == "positive_bias"


def test_nothing_known_is_neutral_and_has_no_vote(store):
    analysis = SentimentAnalysis(store, clock=Clock(), sources=[])
    assert analysis.get_combined_sentiment("BTCUSDT") == NEUTRAL
    assert analysis.get_combined_sentiment("BTCUSDT", as_of=NOW) == NEUTRAL


@pytest.mark.parametrize("seed", range(4))
def test_each_mood_is_the_decayed_mean_by_a_plain_loop(store, seed):
    items = some_items(seed)
    store.add(items, NOW)
    said = SentimentAnalysis(store, clock=Clock(), settings=PLAIN).get_combined_sentiment("BTC", as_of=NOW)
    news = mean_by_loop(items, ("newsapi", "cryptopanic", "rss", "file"))
    social = mean_by_loop(items, ("x", "reddit"))
    about, posts = said["news_component"], said["social_component"]
    assert about["overall_sentiment"] == pytest.approx(news[0], abs=1e-12)
    assert about["news_count"] == news[2] > 0
    assert posts["overall_social_sentiment"] == pytest.approx(social[0], abs=1e-12)
    assert posts["mention_count"] == social[2] > 0
    assert posts["twitter_sentiment"] == pytest.approx(mean_by_loop(items, ("x",))[0], abs=1e-12)
    assert posts["reddit_sentiment"] == pytest.approx(mean_by_loop(items, ("reddit",))[0], abs=1e-12)
    votes = [(news[0], news[1]), (social[0], social[1])]
    total = sum(c for _, c in votes)
    assert said["combined_sentiment"] == pytest.approx(sum(s * c for s, c in votes) / total, abs=1e-12)
    assert said["confidence"] == pytest.approx(sum(c * c for _, c in votes) / total, abs=1e-12)


def test_a_component_without_texts_has_no_vote(store):
    store.add([item("x", 1, 0.6), item("x", 2, 0.6)], NOW)
    said = SentimentAnalysis(store, settings=PLAIN).get_combined_sentiment("BTCUSDT", as_of=NOW)
    assert said["combined_sentiment"] == pytest.approx(0.6)
    assert said["news_component"] == NEUTRAL["news_component"]
    assert said["social_component"]["reddit_sentiment"] == 0.0
    assert "news unknown (0 headlines), social +0.60 from 2 posts" in said["recommendation"]["reason"]


def test_texts_without_a_mood_are_counted_and_have_no_vote(store):
    store.add([item("rss", 1, None, "bitcoin weekly table"), item("x", 1, None, "bitcoin 12:30")], NOW)
    said = SentimentAnalysis(store, "vader").get_combined_sentiment("BTCUSDT", as_of=NOW)
    assert (said["confidence"], said["recommendation"]["weight"]) == (0.0, 0.0)
    assert said["news_component"]["news_count"] == said["social_component"]["mention_count"] == 1
    assert "none of 2 texts has a mood" in said["recommendation"]["reason"]


def test_the_fear_and_greed_index_is_neither_news_nor_a_post(store):
    store.add([item("fear_greed", 1, -0.9), item("somewhere", 1, -0.9)], NOW)
    assert SentimentAnalysis(store).get_combined_sentiment("BTCUSDT", as_of=NOW) == NEUTRAL


@pytest.mark.parametrize("seed", range(3))
def test_what_is_seen_later_changes_nothing_before(tmp_path, seed):
    rng = np.random.default_rng(seed)
    items = some_items(seed, 120)
    fetches = {NOW - hours * HOUR: [] for hours in range(220, -20, -20)}
    for one in items:
        soon = one.published_at + float(rng.exponential(20)) * HOUR
        fetches[min((fetch for fetch in fetches if fetch >= soon), default=NOW)].append(one)
    whole = SentimentStore(str(tmp_path / "whole.db"))
    for fetch, found in fetches.items():
        whole.add(found, fetch)
    for hours in (20.0, *rng.uniform(0, 150, 3)):
        moment = NOW - float(hours) * HOUR
        cut = SentimentStore(str(tmp_path / f"{hours}.db"))
        for fetch, found in fetches.items():
            if fetch <= moment:
                cut.add(found, fetch)
        expected = SentimentAnalysis(cut).get_combined_sentiment("BTCUSDT", as_of=moment)
        assert SentimentAnalysis(whole).get_combined_sentiment("BTCUSDT", as_of=moment) == expected
        assert expected["confidence"] > 0


def test_a_moment_in_the_past_fetches_nothing_and_may_be_a_datetime64(store):
    feed = Feed("rss", [item("rss", 1, 0.5)])
    analysis = SentimentAnalysis(store, clock=Clock(), sources=[feed])
    stamp = np.datetime64(NOW.replace(tzinfo=None), "ns")
    assert analysis.get_combined_sentiment("BTCUSDT", stamp) == NEUTRAL
    assert feed.asked == []
    now = analysis.get_combined_sentiment("BTCUSDT")
    assert now["news_component"]["news_count"] == 1
    assert analysis.get_combined_sentiment("BTCUSDT", stamp) == now


def test_a_moment_without_a_time_zone_is_refused(store):
    with pytest.raises(DataError, match="no time zone: give it in UTC"):
        SentimentAnalysis(store).get_combined_sentiment("BTCUSDT", datetime(2022, 1, 1))


def test_a_moment_that_is_yet_to_come_is_refused(store):
    analysis, soon = SentimentAnalysis(store, clock=Clock()), NOW + timedelta(microseconds=1)
    for moment in (soon, np.datetime64(soon.replace(tzinfo=None), "ns")):
        with pytest.raises(DataError, match="is yet to come: give a moment that is not after now"):
            analysis.get_combined_sentiment("BTCUSDT", as_of=moment)
    assert analysis.get_combined_sentiment("BTCUSDT", as_of=NOW) == NEUTRAL


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"scorer": None}, "scorer is a NoneType: give vader, learned or finbert, or a ScorerChoice"),
        ({"settings": {"reach": True}}, "settings is a dict: give a SentimentConfig"),
        ({"store": 3}, "store is a int: give an SQLite file, or a SentimentStore"),
        ({"sources": Feed("rss")}, "sources is a Feed: give a list of sources"),
    ],
)
def test_an_argument_of_another_type_is_refused(tmp_path, arguments, sentence):
    with pytest.raises(ConfigError, match=sentence):
        SentimentAnalysis(**{"store": tmp_path / "a.db"} | arguments)


def test_a_question_of_another_type_is_refused(store):
    feed = Feed("rss")
    analysis = SentimentAnalysis(store, clock=Clock(), sources=[feed])
    with pytest.raises(ConfigError, match="symbol is a NoneType: give a text such as BTCUSDT"):
        analysis.get_combined_sentiment(None)
    for moment in ("2022-05-12", NOW.date(), 1_650_000_000):
        with pytest.raises(ConfigError, match=r"as_of is a (str|date|int): give a datetime with a time zone"):
            analysis.get_combined_sentiment("BTCUSDT", as_of=moment)
    assert feed.asked == []


def test_sources_that_are_none_are_warnings(store):
    class Numbers:
        name = "x"

        def fetch(self, symbol, since, until):
            return [1, 2]

    analysis = SentimentAnalysis(store, clock=Clock(), sources=[object(), Numbers()])
    assert analysis.get_combined_sentiment("BTCUSDT") == NEUTRAL
    assert len(analysis.warnings()) == 2
    assert "x gives a int for a text: return Items." in analysis.warnings()[1]


def test_it_closes_what_it_opened_and_nothing_else(store, tmp_path, monkeypatch):
    closed, close = [], SentimentStore.close
    monkeypatch.setattr(SentimentStore, "close", lambda self: (closed.append(str(self)), close(self)))
    with SentimentAnalysis(store, clock=Clock(), sources=[]) as analysis:
        assert analysis.get_combined_sentiment("BTCUSDT") == NEUTRAL
    assert closed == []
    with SentimentAnalysis(tmp_path / "own.db") as analysis:
        pass
    assert closed == [str(tmp_path / "own.db")]
    with SentimentAnalysis() as analysis:
        folder = Path(str(analysis._store)).parent
        assert folder.exists()
    assert not folder.exists()
    analysis.close()


def test_fetching_goes_on_where_it_ended(store):
    clock, feed = Clock(), Feed("x", [item("x", 5, 0.5), item("x", -3, 0.7)])
    analysis = SentimentAnalysis(store, clock=clock, sources=[feed])
    assert analysis.get_combined_sentiment("BTCUSDT")["social_component"]["mention_count"] == 1
    clock.now = NOW + 4 * HOUR
    assert analysis.get_combined_sentiment("BTCUSDT")["social_component"]["mention_count"] == 2
    assert feed.asked[0] == (NOW - timedelta(days=30), NOW)
    assert feed.asked[1][0] > NOW - timedelta(days=2)


def test_a_failing_source_is_a_warning_and_leaves_what_is_kept(store):
    good, bad = Feed("rss", [item("rss", 1, 0.5)]), Feed("x", [item("x", 1, -0.5)])
    clock = Clock()
    analysis = SentimentAnalysis(store, clock=clock, sources=[good, bad])
    analysis.get_combined_sentiment("BTCUSDT")
    assert analysis.warnings() == ()
    clock.now += timedelta(minutes=5)
    kept = analysis.get_combined_sentiment("BTCUSDT", as_of=clock.now)
    assert kept["confidence"] > 0
    good.error, bad.error = SourceError("rss cannot be reached: try later."), RuntimeError("secret-key-123")
    assert analysis.get_combined_sentiment("BTCUSDT") == kept
    assert len(analysis.warnings()) == 2
    assert analysis.warnings()[0].endswith("rss cannot be reached: try later.")
    assert "secret-key-123" not in " ".join(analysis.warnings())
    analysis.get_combined_sentiment("BTCUSDT", as_of=NOW)
    assert analysis.warnings() == ()


def test_all_sources_failing_on_an_empty_store_is_neutral(store):
    feeds = [Feed(name, error=SourceError(f"{name} is down: try later.")) for name in ("rss", "x", "reddit")]
    analysis = SentimentAnalysis(store, clock=Clock(), sources=feeds)
    assert analysis.get_combined_sentiment("BTCUSDT") == NEUTRAL
    assert len(analysis.warnings()) == 3


def test_topics_are_of_the_news_only_and_against_the_weeks_before(store):
    texts = [f"Bitcoin {word} after volcano bond deal" for word in "abcd"]
    news = [item("rss", 2 * k + 1, None, text) for k, text in enumerate(texts)]
    old = [item("rss", 100 + k, None, f"Bitcoin {word}: pension rules") for k, word in enumerate("abcdef")]
    posts = [item("x", k + 1, None, f"bitcoin {word} laser eyes") for k, word in enumerate("abcdef")]
    store.add([*news, *old, *posts], NOW)
    said = SentimentAnalysis(store).get_combined_sentiment("BTCUSDT", as_of=NOW)
    assert said["news_component"]["key_topics"] == ["volcano bond deal"]


@pytest.mark.parametrize(("sign", "expected"), [(1, "improving"), (-1, "declining"), (0, "stable")])
def test_the_trend_is_that_of_the_posts(store, sign, expected):
    rng = np.random.default_rng(7)
    posts = [
        item(name, age, float(np.clip(sign * (36 - age) / 72 + rng.normal(0, 0.15), -1, 1)), f"bitcoin {k}")
        for k, (age, name) in enumerate(zip(rng.uniform(0.2, 71, 300), ["x", "reddit"] * 150, strict=True))
    ]
    news = [item("rss", age, (age - 36) / 72, f"bitcoin {age}") for age in range(1, 72)]
    store.add([*posts, *news], NOW)
    said = SentimentAnalysis(store, settings=PLAIN).get_combined_sentiment("BTCUSDT", as_of=NOW)
    assert said["social_component"]["sentiment_trend"] == expected


def test_hostile_texts_do_no_harm(store):
    odd = [text for text in hostile_texts(3, 300) if text.strip()]
    items = [item("rss" if k % 2 else "x", k / 10 + 0.1, None, text) for k, text in enumerate(odd)]
    store.add([replace(one, language="en") for one in items], NOW)
    said = SentimentAnalysis(store).get_combined_sentiment("", as_of=NOW)
    assert -1 <= said["combined_sentiment"] <= 1
    assert said["news_component"]["news_count"] > 50


def test_the_temporary_store_is_its_own_and_remembers():
    feed = Feed("rss", [item("rss", 1, 0.5)])
    one = SentimentAnalysis(clock=Clock(), sources=[feed])
    assert one.get_combined_sentiment("BTCUSDT")["news_component"]["news_count"] == 1
    feed.items.clear()
    assert one.get_combined_sentiment("BTCUSDT")["news_component"]["news_count"] == 1
    other = SentimentAnalysis(clock=Clock(), sources=[feed])
    assert other.get_combined_sentiment("BTCUSDT") == NEUTRAL


def test_an_unknown_scorer_is_refused(store):
    with pytest.raises(ConfigError, match="'oracle'; give one of"):
        SentimentAnalysis(store, scorer="oracle")


class TestKeys:
    @pytest.fixture(autouse=True)
    def no_keys(self, monkeypatch, tmp_path):
        for name in (*VARIABLES.values(), "MLSTRAT_KEYS"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HOME", str(tmp_path))

    @pytest.fixture
    def asked(self, monkeypatch):
        """Names of the sources that would be asked, instead of asking them."""
        names = []

        def nobody(store, sources, symbol, since, now, *more):
            names.append([source.name for source in sources])
            return fetching.FetchReport(symbol, ())

        monkeypatch.setattr(fetching, "fetch_into", nobody)
        return names

    def test_they_open_sources_and_are_shown_nowhere(self, store, asked):
        analysis = SentimentAnalysis(store, clock=Clock())
        analysis.get_combined_sentiment("BTCUSDT")
        assert asked[-1] == ["rss"]
        assert len(analysis.warnings()) == 4
        assert "newsapi is left out" in analysis.warnings()[0]
        analysis.configure_apis(news_api_key="canary-news-1", twitter_api_key="canary-x-12")
        analysis.get_combined_sentiment("BTCUSDT")
        assert asked[-1] == ["newsapi", "rss", "x"]
        analysis.configure_apis(
            cryptopanic_key="canary-panic",
            reddit_client_id="canary-id-1",
            reddit_client_secret="canary-secret",
        )
        analysis.get_combined_sentiment("BTCUSDT")
        assert asked[-1] == ["newsapi", "cryptopanic", "rss", "x", "reddit"]
        assert analysis.warnings() == ()
        shown = repr(analysis) + repr(vars(analysis)) + repr(vars(analysis._feeds))
        assert "canary" not in shown
        assert "keys given: news_api_key, twitter_api_key" in repr(analysis)

    def test_the_environment_counts_where_nothing_is_given(self, store, asked, monkeypatch):
        monkeypatch.setenv("MLSTRAT_NEWSAPI_KEY", "canary-environment")
        SentimentAnalysis(store, clock=Clock()).get_combined_sentiment("BTCUSDT")
        assert asked[-1] == ["newsapi", "rss"]

    def test_what_cannot_be_a_key_is_refused_without_repeating_it(self, store):
        analysis = SentimentAnalysis(store)
        with pytest.raises(ConfigError, match="news_api_key is no key: copy it whole") as caught:
            analysis.configure_apis(news_api_key="my canary key")
        assert "canary" not in str(caught.value)
        assert caught.value.__cause__ is None
        with pytest.raises(ConfigError, match="news_api_key is a int: give it as a text, in quotes"):
            analysis.configure_apis(news_api_key=12345678901)
        with pytest.raises(ConfigError, match="Reddit needs two keys"):
            analysis.configure_apis(reddit_client_id="canary-id-1")
        assert analysis._feeds.configured == ()


VOICES = [
    (Voice(0.4, 0.5, 9), Voice(-0.2, 0.25, 4)),
    (Voice(0.8, 0.9, 50), Voice(0.9, 0.9, 900)),
    (Voice(-0.6, 0.3, 5), Voice()),
    (Voice(), Voice(0.5, 0.1, 1)),
]


@pytest.mark.parametrize(("news", "social"), VOICES)
def test_the_combination_by_hand(news, social):
    score = np.average([news.score, social.score], weights=[news.confidence, social.confidence])
    trust = np.average([news.confidence, social.confidence], weights=[news.confidence, social.confidence])
    both = combined(news, social)
    assert both == Voice(pytest.approx(score), pytest.approx(trust), news.count + social.count)
    shares = np.array([news.confidence, social.confidence]) / (news.confidence + social.confidence)
    voices = 1 / np.sum(shares**2)
    assert weight_of(news, social) == pytest.approx(min(0.5, abs(score) * trust * voices / (voices + 1)))
    assert combined(social, news) == both
    assert weight_of(social, news) == weight_of(news, social)


def test_voices_that_contradict_each_other_cancel():
    both = recommended("BTC", Voice(0.7, 0.6, 9), Voice(-0.7, 0.6, 9), "stable")
    assert (both["action"], both["weight"]) == ("neutral", 0.0)


def test_the_weight_is_capped_and_two_voices_weigh_more_than_one():
    assert weight_of(Voice(1.0, 1.0, 9), Voice(1.0, 1.0, 9)) == 0.5
    one, two = weight_of(Voice(0.5, 0.5, 9), Voice()), weight_of(Voice(0.5, 0.5, 9), Voice(0.5, 0.5, 9))
    assert (one, two) == (pytest.approx(0.25 / 2), pytest.approx(0.25 * 2 / 3))


@pytest.mark.parametrize(
    ("score", "word"),
    [(0.05, "positive"), (0.0499, "neutral"), (-0.0499, "neutral"), (-0.05, "negative"), (1.0, "positive")],
)
def test_the_words_and_the_actions(score, word):
    assert word_of(Voice(score, 0.1, 1)) == word
    assert word_of(Voice(score, 0.0, 1)) == "neutral"
    action = recommended("BTC", Voice(score, 0.1, 1), Voice(), "stable")["action"]
    assert action == {"positive": "positive_bias", "negative": "negative_bias"}.get(word, "neutral")


def test_the_reason_tells_the_numbers():
    said = recommended("BTCUSDT", Voice(0.15, 0.4, 25), Voice(0.1, 0.6, 1250), "improving")
    assert said["reason"] == (
        "Positive sentiment about BTCUSDT (+0.12) with confidence 0.52: news +0.15 from 25 headlines, social "
        "+0.10 from 1,250 posts; the posts' trend is improving."
    )
    said = recommended("BTCUSDT", Voice(-0.15, 0.4, 1), Voice(), "stable")
    assert said["reason"] == (
        "Negative sentiment about BTCUSDT (-0.15) with confidence 0.40: news -0.15 from 1 headline, social "
        "unknown (0 posts)."
    )
