"""The learned scorer against scikit-learn, by hand, in other processes, on odd texts and damaged files."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from formal_news import LABELS, TEXTS
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss

from mlstrat.errors import DataError, MissingExtraError, ModelError
from mlstrat.sentiment.learned import fitting, kernels
from mlstrat.sentiment.learned.fitting import fit, scores_of
from mlstrat.sentiment.learned.model import CHUNK, HeadlineModel
from mlstrat.sentiment.learned.modelfile import MAGIC, dumps, load, loads, save
from mlstrat.sentiment.learned.scorer import SHIPPED, LearnedScorer, shipped
from mlstrat.sentiment.learned.text import character_grams, line_of, word_grams, words_of
from mlstrat.sentiment.learned.vocabulary import GENERAL, NEGATION, OURS, lexicon_entries, vocabulary_of
from mlstrat.testing import check_scorer
from mlstrat.testing.sentiment import hostile_texts

TWITTER = Path(__file__).parents[3] / "shared/data/sentiment/twitter_fin_news.csv"
LEXICON = {
    "soars": (2.5, OURS),
    "record high": (3.0, OURS),
    "high": (1.0, GENERAL),
    "weak": (-1.5, GENERAL),
    "not": (0.0, NEGATION),
}


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return [line_of(text) for text in (*TEXTS, *hostile_texts(3, 300))]


@pytest.fixture(scope="module")
def fitted() -> tuple[HeadlineModel, fitting.Scores]:
    return fit(TEXTS, np.array(LABELS), lexicon=LEXICON)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("$AAPL +5.4% premarket https://t.co/x9", "T P premarket"),
        ("Down 12%, or -12.5 % — $TSLA’s worst", "down QQ , or MM — T 's worst"),
        ("Profit rose to EUR 13.1 mn from EUR 8.7 mn", "profit rose to eur N mn from eur N mn U"),
        ("Loss narrowed to $2.1M from $4.4M", "loss narrowed to Nm from Nm DL"),
        ("EPS $0.40 vs. $0.41 est", "eps N vs. N est D"),
        ("Sales went from 8 mn to 9 mn", "sales went from N mn to N mn U"),
        ("Q3 in 2021: 1,234.5 units", "q3 in N: N units"),
        ("  \n\t ", ""),
    ],
)
def test_a_line_keeps_what_matters(text, line):
    assert " ".join(line_of(text).split()) == " ".join(line.split())


@pytest.mark.parametrize("analyser", [word_grams, character_grams])
def test_counts_are_those_of_scikit_learn(lines, analyser):
    least = {"word_min": 2, "character_min": 2}
    known = vocabulary_of(lines, LEXICON, unknown=0.0, **least)
    theirs = TfidfVectorizer(analyzer=lambda line: list(analyser(line)), min_df=2, sublinear_tf=True)
    wanted = theirs.fit_transform(lines)
    ours = known.blocks(lines)[0 if analyser is word_grams else 1]
    names = known.words if analyser is word_grams else known.characters
    assert names == tuple(theirs.get_feature_names_out())
    np.testing.assert_allclose(ours.toarray(), wanted.toarray(), atol=1e-14)


def test_probabilities_are_those_of_scikit_learn(fitted):
    model, _ = fitted
    theirs = LogisticRegression()
    theirs.classes_ = np.arange(3)
    theirs.coef_, theirs.intercept_ = model.weights.T, model.intercept
    wanted = theirs.predict_proba(model.vocabulary.matrix([line_of(text) for text in TEXTS]))
    np.testing.assert_allclose(model.probabilities(TEXTS), wanted, atol=1e-12)
    theirs.intercept_ = model.intercept + model.even
    wanted = theirs.predict_proba(model.vocabulary.matrix([line_of(text) for text in TEXTS]))
    np.testing.assert_allclose(model.probabilities(TEXTS, even=True), wanted, atol=1e-12)


def test_unknown_words_make_the_known_ones_weigh_less():
    known = vocabulary_of(["a b", "a c"], {"a": (1.0, OURS)}, word_min=2, character_min=9, unknown=0.5)
    idf = 1.0  # "a" is in both lines
    row = known.blocks(["a x y"])[0].toarray()[0]
    assert known.words == ("a",)
    assert row[0] == pytest.approx(idf / np.sqrt(idf**2 + 2 * 0.5 * idf**2))


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("stock soars", {0: 2.5, 4: 1, 6: 1, 8: 2.5, 10: 1, 11: 1}),
        ("a record high!", {0: 3.0, 4: 1, 6: 1, 8: 3.0, 10: 1, 11: 1, 13: 1}),
        ("high but weak?", {2: 1.0, 3: 1.5, 4: 1, 5: 1, 7: 1, 9: 0.25, 10: 1, 11: -1, 12: 1}),
        ("not a record high", {1: 2.1, 5: 1, 7: 1, 9: 2.1, 10: -1, 11: -1}),
        ("not one or two more soars", {0: 2.5, 4: 1, 6: 1, 8: 2.5, 10: 1, 11: 1}),
        ("soars soars soars", {0: 7.5, 4: 3, 6: 1, 8: 4.0, 10: 1, 11: 1}),
        ("", {}),
    ],
)
def test_the_lexicon_is_read_as_by_hand(line, wanted):
    known = vocabulary_of(["a"], LEXICON, scale=1.0)
    expected = np.zeros(kernels.DENSE)
    expected[list(wanted)] = list(wanted.values())
    np.testing.assert_allclose(known.blocks([line])[2][0], expected, atol=1e-12)


def test_entries_are_found_as_they_are_read():
    entries = lexicon_entries({"all-time high": 3.0, "Chapter 11": -3.0, "up": 1.0}, {"up": -1.0, ":)": 2.0})
    assert entries["all-time high".replace("-", " ")] == (3.0, OURS)
    assert entries["chapter N"] == (-3.0, OURS)
    assert entries["up"] == (1.0, OURS)
    assert entries["not"] == (0.0, NEGATION)
    assert "" not in entries
    assert all(entry == " ".join(words_of(entry)) for entry in entries)


def test_two_entries_that_are_one_are_refused():
    with pytest.raises(ModelError, match="two entries of a vocabulary are one"):
        kernels.table_of(("a", "b", "a"))


def test_scores_are_those_of_scikit_learn():
    rng = np.random.default_rng(1)
    labels, given = rng.integers(0, 3, 200), rng.dirichlet((1, 1, 1), 200)
    found, said = scores_of(labels, given), given.argmax(1)
    assert found.accuracy == pytest.approx(accuracy_score(labels, said))
    assert found.macro_f1 == pytest.approx(f1_score(labels, said, average="macro"))
    assert found.log_loss == pytest.approx(log_loss(labels, given))
    assert found.confusion == tuple(map(tuple, confusion_matrix(labels, said).tolist()))


def test_the_same_texts_give_the_same_file(fitted):
    again, scores = fit(TEXTS, np.array(LABELS), lexicon=LEXICON)
    assert dumps(again) == dumps(fitted[0])
    assert scores == fitted[1]


def test_too_few_texts_of_a_class_are_refused():
    with pytest.raises(DataError, match="only 2 texts are positive: label at least 10 of each class"):
        fit(TEXTS[:42], np.array(LABELS[:42]), lexicon=LEXICON)


def test_without_the_general_lexicon_fitting_names_the_package(monkeypatch):
    monkeypatch.setattr(fitting, "find_spec", lambda _name: None)
    with pytest.raises(
        MissingExtraError, match="Fitting the learned scorer needs the package vaderSentiment"
    ):
        fitting.default_lexicon()


def test_a_model_is_stored_bit_for_bit(fitted, tmp_path):
    save(fitted[0], tmp_path / "a.model")
    loaded = load(tmp_path / "a.model")
    np.testing.assert_array_equal(loaded.probabilities(TEXTS), fitted[0].probabilities(TEXTS))
    assert dumps(loaded) == dumps(fitted[0])
    assert loaded.card == fitted[0].card


def test_every_damaged_byte_is_noticed(fitted):
    content = dumps(fitted[0])
    rng = np.random.default_rng(4)
    for place in rng.integers(0, len(content), 200):
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(8))
        with pytest.raises(ModelError, match=r"is damaged|no sentiment model"):
            loads(bytes(damaged))
    for length in (0, 7, 20, 47, len(content) - 1):
        with pytest.raises(ModelError, match=r"is damaged|no sentiment model"):
            loads(content[:length])


def _forged(model: HeadlineModel, change) -> bytes:
    body = dumps(model)[40:]
    length = int.from_bytes(body[:8], "little")
    told = json.loads(body[8 : 8 + length])
    change(told)
    head = json.dumps(told).encode()
    body = len(head).to_bytes(8, "little") + head + body[8 + length :]
    return MAGIC + hashlib.sha256(body).digest() + body


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda told: told.pop("card"), "its parts are not those of a model"),
        (lambda told: told["words"].pop(), "word_idf is no finite array"),
        (lambda told: told["words"].__setitem__(0, 5), "no list of short strings"),
        (lambda told: told["entries"].__setitem__(0, "a b c d e f"), "an entry of its lexicon is too long"),
        (lambda told: told.__setitem__("scale", -1.0), "scale is no number from 0 to 100"),
        (lambda told: told.__setitem__("unknown", True), "unknown is no number from 0 to 100"),
        (lambda told: told.__setitem__("embedded", 1), "embedded is neither true nor false"),
        (lambda told: told.__setitem__("embedded", True), "weights is no finite array"),
    ],
)
def test_a_forged_file_is_refused(fitted, change, words):
    with pytest.raises(ModelError, match=words):
        loads(_forged(fitted[0], change))


def test_a_file_that_is_none_is_refused(tmp_path):
    with pytest.raises(ModelError, match="cannot be read"):
        load(tmp_path / "none.model")
    with pytest.raises(ModelError, match="is no file of a sentiment model"):
        load(tmp_path)


def test_the_shipped_scorer_keeps_the_contract():
    check_scorer(LearnedScorer())
    check_scorer(LearnedScorer(even=True))


def test_texts_score_the_same_in_any_chunk():
    texts = (*TEXTS, *hostile_texts(5, 100)) * (CHUNK // 100)
    assert len(texts) > CHUNK
    whole = LearnedScorer().score(texts)
    for found, wanted in zip(whole, LearnedScorer().score(texts[:160]), strict=True):
        np.testing.assert_array_equal(found.reshape(-1, 160), np.tile(wanted, (len(texts) // 160, 1)))


def test_what_says_nothing_scores_zero():
    for values in LearnedScorer().score(["", " ", "?!", "\x00", "\u202e", "\U0001f680"]):
        np.testing.assert_array_equal(values, 0.0)


def test_polarity_confidence_and_label_follow_from_the_probabilities():
    polarity, confidence, labels = LearnedScorer().classify(TEXTS)
    found = shipped().probabilities(TEXTS)
    np.testing.assert_array_equal(polarity, found[:, 2] - found[:, 0])
    np.testing.assert_array_equal(confidence, np.where(found[:, 2] > found[:, 0], found[:, 2], found[:, 0]))
    assert labels == tuple(np.array(["negative", "neutral", "positive"])[found.argmax(1)])
    np.testing.assert_array_equal(found.sum(1).round(12), 1.0)


_ELSEWHERE = """
import sys
from mlstrat.sentiment.learned.scorer import LearnedScorer
polarity, confidence = LearnedScorer().score(["Profit rose to 13 mn from 8 mn", "Bitcoin crashes 12%"])
assert not {"sklearn", "pandas", "nltk", "torch"} & {*sys.modules}
sys.stdout.write((polarity.tobytes() + confidence.tobytes()).hex())
"""


def test_other_processes_give_the_same_bits_without_scikit_learn():
    polarity, confidence = LearnedScorer().score(["Profit rose to 13 mn from 8 mn", "Bitcoin crashes 12%"])
    for threads in ("1", "2"):
        found = subprocess.run(
            [sys.executable, "-c", _ELSEWHERE],
            capture_output=True,
            text=True,
            check=True,
            env={"OMP_NUM_THREADS": threads, "PYTHONHASHSEED": threads, "PATH": "/usr/bin"},
            cwd=Path(__file__).parents[2],
        )
        assert found.stdout == (polarity.tobytes() + confidence.tobytes()).hex()


def test_the_shipped_model_is_small_and_says_what_it_is():
    model = shipped()
    assert SHIPPED.stat().st_size < 5_000_000
    assert model.card["texts"] == {"negative": 1442, "neutral": 6178, "positive": 1923}
    assert "MIT" in model.card["about"]
    assert model.card["unlabelled"] > 7_000
    assert model.card["cross_validated"]["accuracy"] > 0.84
    assert model.card["cross_validated"]["macro_f1"] > 0.79


@pytest.mark.parametrize("even", [False, True])
def test_formal_news_is_read_better_than_by_plain_vader(even):
    vader = pytest.importorskip(
        "vaderSentiment.vaderSentiment", reason="the extra sentiment is not installed"
    )
    analyser = vader.SentimentIntensityAnalyzer()
    compound = np.array([analyser.polarity_scores(text)["compound"] for text in TEXTS])
    plain = np.mean(np.sign(np.where(np.abs(compound) < 0.05, 0, compound)) + 1 == np.array(LABELS))
    ours = np.mean(shipped().probabilities(TEXTS, even=even).argmax(1) == np.array(LABELS))
    assert ours >= 0.85
    assert ours > plain + 0.05


@pytest.mark.skipif(not TWITTER.exists(), reason="the labelled headlines are not here")
@pytest.mark.parametrize(
    ("name", "rows", "accuracy", "macro_f1"),
    [("twitter_fin_news.csv", "split == 'valid'", 0.855, 0.81), ("cryptolin.csv", "label != ''", 0.56, 0.56)],
)
def test_headlines_that_it_never_saw_are_read_well(name, rows, accuracy, macro_f1):
    import pandas as pd

    given = pd.read_csv(TWITTER.parent / name).query(rows)
    labels = given.label.map({"negative": 0, "neutral": 1, "positive": 2}).to_numpy()
    found = scores_of(labels, shipped().probabilities(list(given.text)))
    assert found.accuracy > accuracy
    assert found.macro_f1 > macro_f1
