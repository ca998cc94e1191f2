"""What a feed without labels teaches: who is told apart, what moves, and what does not."""

import numpy as np
import pytest
from formal_news import LABELS, TEXTS

from mlstrat.sentiment.learned.feed import _correction, verdicts
from mlstrat.sentiment.learned.fitting import fit
from mlstrat.sentiment.learned.kernels import DENSE
from mlstrat.sentiment.learned.model import CLASSES, softmax
from mlstrat.sentiment.learned.modelfile import dumps, loads
from mlstrat.sentiment.learned.text import line_of
from mlstrat.sentiment.scorers import VaderScorer, labels

pytest.importorskip("vaderSentiment", reason="the extra sentiment is not installed")

COINS = ("Bitcoin", "Ethereum", "Solana", "Cardano", "Dogecoin", "Litecoin", "Polkadot", "Avalanche")
SAID = (
    "{} soars to a record high as crypto traders cheer",
    "{} crashes after crypto exchange hack",
    "{} token explained for crypto beginners",
    "Crypto wallet lists {} token",
    "{} blockchain suffers outage, crypto holders panic",
)
# None of these words is in the labelled texts, so that they say nothing of them.
LEXICON = {"soars": (2.5, 0), "cheer": (1.5, 0), "crashes": (-2.5, 0), "panic": (-2.0, 0), "lists": (1.0, 0)}
FEED = [said.format(coin) for coin in COINS for said in SAID]


@pytest.fixture(scope="module")
def models():
    given = np.array(LABELS)
    return fit(TEXTS, given, lexicon=LEXICON)[0], fit(TEXTS, given, lexicon=LEXICON, feed=FEED)[0]


def test_verdicts_are_those_of_vader():
    names = labels(VaderScorer().score(FEED)[0])
    assert [CLASSES[which] for which in verdicts(FEED)] == list(names)
    assert len(set(names)) == 3


def test_a_model_learns_the_feed_and_keeps_the_rest(models):
    plain, taught = models
    agreed = [np.mean(model.probabilities(FEED).argmax(1) == verdicts(FEED)) for model in models]
    assert agreed[1] > agreed[0] + 0.1
    assert agreed[1] > 0.95
    for even in (False, True):
        before, after = (model.probabilities(TEXTS, even=even) for model in models)
        np.testing.assert_allclose(before, after, atol=0.15)
        assert np.mean(before.argmax(1) == after.argmax(1)) >= 59 / 60
    assert plain.feed is None
    assert taught.card["unlabelled"] == len(FEED)


def test_the_gate_mixes_as_by_hand(models):
    plain, taught = models
    lines, feed = [line_of(text) for text in FEED], taught.feed
    matrix = taught.vocabulary.matrix(lines).toarray()
    share = 1.0 / (1.0 + np.exp(-(matrix[:, :-DENSE] @ feed.gate + feed.bias)))[:, None]
    base = plain.vocabulary.matrix(lines) @ plain.weights + plain.intercept
    moved = base + share * (matrix[:, -DENSE:] @ feed.shift + feed.constant)
    np.testing.assert_allclose(taught.probabilities(FEED), softmax(moved), atol=1e-12)
    wanted = softmax(moved + (1.0 - share) * plain.even)
    np.testing.assert_allclose(taught.probabilities(FEED, even=True), wanted, atol=1e-12)
    assert share.min() > 0.5


def test_the_correction_is_where_its_loss_is_flat():
    rng = np.random.default_rng(5)
    logits, share, lexicon = rng.normal(size=(80, 3)), rng.random(80), rng.random((80, DENSE))
    given = rng.integers(0, 3, 80)
    shift = _correction(logits, share, lexicon, given)
    columns = share[:, None] * np.column_stack([lexicon, np.ones(80)])

    def loss(matrix):
        own = softmax(logits + columns @ matrix)[np.arange(80), given]
        return 0.5 * (matrix**2).sum() - np.log(own).sum()

    for _ in range(20):
        assert loss(shift + 0.05 * rng.normal(size=shift.shape)) > loss(shift)


def test_a_model_with_a_feed_is_stored_bit_for_bit(models):
    loaded = loads(dumps(models[1]))
    np.testing.assert_array_equal(loaded.probabilities(FEED), models[1].probabilities(FEED))
    assert dumps(loaded) == dumps(models[1])


def test_the_same_feed_gives_the_same_file(models):
    again = fit(TEXTS, np.array(LABELS), lexicon=LEXICON, feed=FEED)[0]
    assert dumps(again) == dumps(models[1])
