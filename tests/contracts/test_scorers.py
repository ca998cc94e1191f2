"""What every scorer must keep: ranges, silence, independence of the texts beside, bits, hostile texts."""

import json
import os
import subprocess
import sys
import time
from dataclasses import astuple

import numpy as np
import pytest

from mlstrat.sentiment.choice import ENSEMBLE, READERS, ScorerChoice, scorer
from mlstrat.sentiment.scorers import MAX_CHARACTERS
from mlstrat.testing import check_scorer
from mlstrat.testing.sentiment import hostile_texts

NAMES = (*READERS, ENSEMBLE)
# Extras without which a scorer cannot be made.
NEEDS = {"vader": ("nltk", "vaderSentiment"), "finbert": ("torch", "transformers"), "learned": ()}
NEEDS[ENSEMBLE] = NEEDS["vader"]
WEIGHTS = (("learned", 2.0), ("vader", 1.0))
SILENT = ("", " ", "\n\t\r", "?!", "...", "--- ///", "\u2014 \u2026", "\x00", "\u200b\ufeff", "\u3000")
TEXTS = (
    "Bitcoin soars to a record high",
    "Lender files for bankruptcy",
    "Profit rose to 13.1 mn from 8.7 mn",
    "The annual general meeting will be held on 12 April",
    "$BTC -12% !!! to the moon \U0001f680",
    "\u041a\u0443\u0440\u0441 \u6f22\u5b57 e\u0301",
    "crash " * 60,
    *SILENT,
)
SCRIPT = """
import json, sys
from mlstrat.sentiment.choice import ScorerChoice, scorer
choices, texts = json.loads(sys.argv[1])
for name, model, weights, even in choices:
    made = scorer(ScorerChoice(name, model, tuple((n, w) for n, w in weights), even))
    print(name, *(values.tobytes().hex() for values in made.score(texts)))
"""


@pytest.fixture(scope="module")
def choices(tmp_path_factory):
    """A choice of each scorer that can be made here; finbert with a tiny model of random weights."""

    def there(name):
        return all(_importable(package) for package in NEEDS[name])

    made = {name: ScorerChoice(name) for name in READERS if there(name)}
    if there(ENSEMBLE):
        made[ENSEMBLE] = ScorerChoice(ENSEMBLE, weights=WEIGHTS)
    if "finbert" in made:
        from tiny_bert import write_model

        made["finbert"] = ScorerChoice("finbert", str(write_model(tmp_path_factory.mktemp("model"))))
    return made


@pytest.fixture(scope="module", params=NAMES)
def made(request, choices):
    return scorer(_there(choices, request.param))


def _there(choices, name):
    if name not in choices:
        pytest.skip(f"{' and '.join(NEEDS[name])} are not installed")
    return choices[name]


def _importable(package):
    from importlib.util import find_spec

    return find_spec(package) is not None


def same(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def check_ranges(polarity, confidence, count):
    assert polarity.shape == confidence.shape == (count,)
    assert polarity.dtype == confidence.dtype == np.float64
    assert np.all(np.abs(polarity) <= 1)
    assert np.all((confidence >= 0) & (confidence <= 1))
    assert np.all(polarity[confidence == 0] == 0)


def test_ranges_and_types(made):
    check_ranges(*made.score(TEXTS), len(TEXTS))
    check_ranges(*made.score([]), 0)
    assert np.ptp(made.score(TEXTS)[0]) > 0


def test_texts_without_words_have_no_score_and_no_confidence(made):
    polarity, confidence, names = made.classify(SILENT)
    assert not polarity.any()
    assert not confidence.any()
    assert set(names) == {"neutral"}


def test_classes_are_those_of_the_same_scores(made):
    polarity, confidence, names = made.classify(TEXTS)
    same((polarity, confidence), made.score(TEXTS))
    signs = {"negative": -1, "neutral": 0, "positive": 1}
    assert all(signs[name] * value >= 0 for name, value in zip(names, polarity, strict=True))


def test_neither_order_nor_company_changes_a_bit(made):
    rng = np.random.default_rng(5)
    whole = made.score(TEXTS)
    order = rng.permutation(len(TEXTS))
    same(made.score([TEXTS[k] for k in order]), [values[order] for values in whole])
    for cut in (1, 4, len(TEXTS) - 1):
        parts = zip(made.score(TEXTS[:cut]), made.score(TEXTS[cut:]), strict=True)
        same([np.concatenate(part) for part in parts], whole)
    same(made.score(TEXTS * 3), [np.tile(values, 3) for values in whole])


def test_the_published_contract_holds_with_its_hostile_texts(made):
    check_scorer(made)


def test_ten_thousand_hostile_texts_stay_within_the_ranges(made):
    texts = hostile_texts(11, 10_000)
    check_ranges(*made.score(texts), len(texts))


def test_a_million_characters_are_read_as_their_beginning(made):
    long = "Bitcoin soars, lender crash " * 36_000
    began = time.perf_counter()
    found = made.score([long, "\U0001f680 a" * 333_334, "a" * 1_000_000])
    assert time.perf_counter() - began < 2.0
    same(found, made.score([long[:MAX_CHARACTERS], ("\U0001f680 a" * 400)[:MAX_CHARACTERS], "a" * 1_000]))


def test_another_process_with_other_threads_and_hashes_has_the_same_bits(choices):
    given = json.dumps([[astuple(choice) for choice in choices.values()], TEXTS])
    odd = {"OMP_NUM_THREADS": "2", "PYTHONHASHSEED": "99", "HF_HUB_OFFLINE": "1"}
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, given], capture_output=True, text=True, env={**os.environ, **odd}
    )
    assert run.returncode == 0, run.stderr
    found = {name: scorer(choice).score(TEXTS) for name, choice in choices.items()}
    assert run.stdout.splitlines() == [
        " ".join([name, *(values.tobytes().hex() for values in scores)]) for name, scores in found.items()
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["learned", "vader"])
def test_each_of_a_hundred_thousand_hostile_texts_takes_less_than_50_ms(choices, name):
    texts, score = hostile_texts(13, 100_000), scorer(_there(choices, name)).score
    score(texts[:10])
    polarity, confidence, slow = [], [], []
    for text in texts:
        began = time.perf_counter()
        one, sure = score([text])
        if time.perf_counter() - began > 0.05:
            slow.append(text)
        polarity.append(one)
        confidence.append(sure)
    check_ranges(np.concatenate(polarity), np.concatenate(confidence), len(texts))
    assert not [text for text in slow if min(_seconds(score, text) for _ in range(3)) > 0.05]


def _seconds(score, text):
    began = time.perf_counter()
    score([text])
    return time.perf_counter() - began
