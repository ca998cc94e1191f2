"""Novelty and shock, against their definitions written as plain loops."""

import math
import re
from itertools import pairwise

import numpy as np
import pytest

from mlstrat.config_sentiment import SentimentConfig
from mlstrat.sentiment import novelty, shock
from mlstrat.sentiment.headlines import Headlines
from mlstrat.sentiment.novelty import novelty_of
from mlstrat.sentiment.weights import unnamed, weights_of

HOUR = 3_600_000_000_000


def pairs(text):
    words = re.findall("[a-z0-9]+", text.lower())
    return set(pairwise(words)) or set(words)


def by_loop(texts, known_at, window_hours):
    """Every headline against every one that comes before it, from the definition."""
    order = sorted(range(len(texts)), key=lambda i: (known_at[i], i))
    out = np.ones(len(texts))
    for place, i in enumerate(order):
        likeness = [
            len(pairs(texts[i]) & pairs(texts[j])) / len(pairs(texts[i]) | pairs(texts[j]))
            for j in order[:place]
            if known_at[i] - known_at[j] < window_hours * HOUR
        ]
        out[i] = max(0.05, 1 - max(likeness, default=0.0))
    return out


def random_texts(rng, n):
    words = ["btc", "eth", "up", "down", "ban", "etf", "high"]
    return [" ".join(rng.choice(words, rng.integers(1, 6))) for _ in range(n)]


@pytest.mark.parametrize("window_hours", [0.5, 24.0, 72.0])
def test_equals_the_plain_loop(window_hours):
    rng = np.random.default_rng(2)
    texts = random_texts(rng, 400)
    known_at = rng.integers(0, 300, 400) * HOUR  # many ties, and in no order
    found = novelty_of(texts, known_at, window_hours)
    np.testing.assert_allclose(found, by_loop(texts, known_at, window_hours), rtol=0, atol=1e-15)
    assert len(set(found.tolist())) > 5


def test_one_word_more_in_a_known_headline_is_a_little_news():
    texts = [
        "Bitcoin falls below 20,000",
        "BITCOIN falls, below $20,000!",
        "Bitcoin falls below 20,000 today",
    ]
    found = novelty_of(texts, np.arange(3) * HOUR, 72.0)
    assert found.tolist() == [1.0, 0.05, pytest.approx(1 - 4 / 5)]


def test_addresses_and_handles_make_no_repetition_new():
    texts = [
        "Hack at the exchange https://t.co/a1",
        "@news Hack at the exchange www.b.c/2",
        "@news https://x.y",
    ]
    found = novelty_of([*texts, texts[2]], np.arange(4), 72.0)
    assert found.tolist() == [1.0, 0.05, 1.0, 0.05]


@pytest.mark.parametrize("texts", [[], [""], ["\ud800", "🚀🚀", "ﷺ", "\x00"], ["", "", " "]])
def test_texts_without_words_do_no_harm(texts):
    found = novelty_of(texts, np.arange(len(texts)), 72.0)
    assert found.shape == (len(texts),)
    assert np.all((found >= 0.05) & (found <= 1.0))


def test_what_is_known_later_changes_nothing():
    rng = np.random.default_rng(4)
    texts, known_at = random_texts(rng, 300), rng.integers(0, 200, 300) * HOUR
    whole = novelty_of(texts, known_at, 72.0)
    for moment in range(0, 200, 7):
        there = np.flatnonzero(known_at <= moment * HOUR)
        part = novelty_of([texts[i] for i in there], known_at[there], 72.0)
        np.testing.assert_array_equal(part, whole[there])


def test_only_the_latest_that_share_a_phrase_are_compared(monkeypatch):
    monkeypatch.setattr(novelty, "MOST_COMPARED", 2)
    texts = ["gold up", "gold up a", "gold up b", "gold up"]
    assert novelty_of(texts, np.arange(4), 72.0)[3] == pytest.approx(0.5)
    monkeypatch.undo()
    assert novelty_of(texts, np.arange(4), 72.0)[3] == 0.05


def make_headlines(n, **columns):
    at = np.datetime64("2022-01-01", "ns") + np.arange(n) * np.timedelta64(1, "h")
    return Headlines(
        at, np.ones(n, bool), ("same words here",) * n, columns.pop("source", ("",) * n), **columns
    )


def test_a_weight_is_the_product_of_publisher_reach_and_novelty():
    given = make_headlines(3, source=("wire", "blog", ""), reach=np.array([0.0, 999.0, 9.0]))
    weights = {"source_weights": {"blog": 0.5, "cnn": 3.0}}
    plain = SentimentConfig(novelty=False, **weights)
    np.testing.assert_array_equal(weights_of(given, plain), [1.0, 0.5, 1.0])
    reach = SentimentConfig(novelty=False, reach=True, **weights)
    np.testing.assert_allclose(weights_of(given, reach), [1.0, 0.5 * 4, 2.0], rtol=1e-15)
    all_of_them = SentimentConfig(reach=True, **weights)
    np.testing.assert_allclose(weights_of(given, all_of_them), [1.0, 0.1, 0.1], rtol=1e-15)
    assert unnamed(given, plain) == ("cnn",)


def shock_by_loop(known_at, weight, lean, moment):
    """The rule of `shocks` for one moment, on lists."""
    ages = [(moment - k) / HOUR for k in known_at]
    recent = [i for i, age in enumerate(ages) if 0 <= age < 6]
    before = [i for i, age in enumerate(ages) if 6 <= age < 78]
    days = [sum(24 * day <= age < 24 * day + 6 for age in ages) for day in (1, 2, 3)]
    usual = sum(days) / 3
    oldest_day = sum(54 <= age < 78 for age in ages)
    burst = len(recent) >= 5 and oldest_day and len(recent) - usual > 4 * math.sqrt(max(usual, 1) * 4 / 3)
    return bool(burst) or _moved(weight, lean, recent, before)


def _moved(weight, lean, recent, before):
    if len(recent) < 5 or len(before) < 20:
        return False
    told = []
    for rows in (recent, before):
        w, x = [weight[i] for i in rows], [lean[i] for i in rows]
        if not sum(w):
            return False
        mean = math.fsum(a * b for a, b in zip(w, x, strict=True)) / sum(w)
        spread = math.fsum(a * (b - mean) ** 2 for a, b in zip(w, x, strict=True)) / sum(w)
        told.append((mean, spread, sum(w) ** 2 / math.fsum(a * a for a in w)))
    (mean_1, spread_1, n_1), (mean_2, spread_2, n_2) = told
    if n_1 + n_2 <= 2 or abs(mean_1 - mean_2) <= 0.1:
        return False
    pooled = (n_1 * spread_1 + n_2 * spread_2) / (n_1 + n_2 - 2)
    return abs(mean_1 - mean_2) > 4 * math.sqrt(pooled * (1 / n_1 + 1 / n_2))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_shocks_equal_the_rule_on_lists(seed):
    rng = np.random.default_rng(seed)
    known_at = rng.integers(0, 20 * 24, 700) * HOUR
    known_at = np.sort(np.r_[known_at, 250 * HOUR + rng.integers(0, 4, 45) * HOUR])  # a burst, at full hours
    lean = rng.uniform(-0.4, 0.5, len(known_at))
    lean[(known_at > 380 * HOUR) & (known_at < 390 * HOUR)] = -0.8  # another mood
    weight = rng.choice([0.0, 0.05, 1.0, 2.0], len(known_at))
    moments = np.arange(-5, 24 * 21) * HOUR
    found = shock.shocks(known_at, weight, lean, moments)
    wanted = [shock_by_loop(known_at.tolist(), weight, lean, int(moment)) for moment in moments]
    np.testing.assert_array_equal(found, wanted)
    assert found[np.isin(moments, np.arange(251, 256) * HOUR)].all()
    assert found[np.isin(moments, np.arange(382, 390) * HOUR)].any()
    assert found.mean() < 0.2


def test_news_as_usual_is_no_shock_and_few_headlines_are_none():
    hours = np.arange(0, 40 * 24, 0.5)
    rhythm = hours[(hours % 24 > 8) & (hours % 24 < 20)]  # none at night
    known_at = (rhythm * HOUR).astype(np.int64)
    lean = np.tile([0.5, -0.3, 0.0], len(known_at))[: len(known_at)]
    moments = np.arange(40 * 24) * HOUR
    assert not shock.shocks(known_at, np.ones(len(lean)), lean, moments).any()
    few = np.array([1, 2, 3, 4]) * HOUR
    assert not shock.shocks(few, np.ones(4), np.array([1.0, 1.0, 1.0, 1.0]), moments).any()
    none = np.empty(0, np.int64)
    assert not shock.shocks(none, np.empty(0), np.empty(0), moments).any()


def test_random_news_is_rarely_a_shock():
    rng = np.random.default_rng(8)
    n = 2 * 24 * 365 * 3
    known_at = np.sort(rng.integers(0, 3 * 365 * 24 * HOUR, n))
    found = shock.shocks(known_at, np.ones(n), rng.uniform(-1, 1, n), np.arange(100, 3 * 365 * 24) * HOUR)
    assert found.mean() < 0.005
