"""VADER's rules against NLTK's own evaluation of them, with its lexicon and with ours."""

import random

import pytest

from mlstrat.sentiment.lexicon import NEGATIONS
from mlstrat.sentiment.rules import rules_of
from mlstrat.sentiment.scorers import plain_analyser, vocabulary

pytest.importorskip("vaderSentiment")

TURNS = (
    "least", "at least", "very least", "but", "BUT", "But", "never so", "never this", "so", "this", "kind",
    "of", "kind of", "Kind OF", "sort of", "just enough", "isn't", "the shit", "bad ass", "kiss of death",
)  # fmt: skip
ODD = ("(", ")", "...", "''", "$", "%", "\u200b", "\ud800", "\x1c", "\u2028", "\x00", "\u6f22", "\U0001f680")


@pytest.fixture(scope="module", params=["plain", "ours"])
def analyser(request):
    made = plain_analyser()
    if request.param == "ours":
        made.lexicon = vocabulary(made.lexicon)
        made.constants.NEGATE = made.constants.NEGATE | NEGATIONS
    return made


def random_text(rng: random.Random, analyser, words: list[str]) -> str:
    marks = (*analyser.constants.PUNC_LIST, *ODD)
    drawn = []
    for _ in range(rng.randrange(14)):
        word = rng.choice(words) if rng.random() < 0.8 else "".join(rng.choices("abc'!?.-\xe9", k=4))
        word = rng.choice((word, word, word, word.upper(), word.capitalize()))
        mark = rng.choice(marks)
        drawn.append(rng.choice((word, word, word, word, word + mark, mark + word, mark + word + mark)))
    return " ".join(drawn + rng.choices(drawn, k=3) if drawn and rng.random() < 0.3 else drawn)


def test_random_texts_score_as_by_nltk(analyser):
    rng, constants = random.Random(7), analyser.constants
    special = [*constants.NEGATE, *constants.BOOSTER_DICT, *constants.SPECIAL_CASE_IDIOMS, *TURNS]
    words = special * 30 + list(analyser.lexicon)
    rules = rules_of(analyser)
    for _ in range(10_000):
        text = random_text(rng, analyser, words)
        marks = analyser.polarity_scores(text)
        assert rules.scores(text) == (marks["compound"], marks["neu"]), text


@pytest.mark.parametrize(
    "text", ["", " ", "a b c", "!!!", "GREAT", "GREAT news", "great GREAT great", "\ud800 good", "good" * 50]
)
def test_short_texts_score_as_by_nltk(analyser, text):
    marks = analyser.polarity_scores(text)
    assert rules_of(analyser).scores(text) == (marks["compound"], marks["neu"])
