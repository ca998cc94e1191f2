"""Scores in chunks: the same numbers for any chunk and any number of processes, with bounded reading."""

from collections.abc import Iterator

import numpy as np
import pytest

from mlstrat.errors import ConfigError
from mlstrat.sentiment.choice import ScorerChoice
from mlstrat.sentiment.chunks import classify_chunks, score_chunks
from mlstrat.sentiment.learned.scorer import LearnedScorer
from mlstrat.sentiment.scorers import VaderScorer

pytest.importorskip("vaderSentiment")

WORDS = ("soars", "crashes", "publishes a report", "beats estimates", "down 12%", "to the moon")
TEXTS = [f"Acme {WORDS[k % 6]} {WORDS[k % 5]} {k}" for k in range(1_003)]


@pytest.mark.parametrize(("jobs", "chunk"), [(1, 100), (1, 5_000), (2, 1), (2, 100)])
def test_chunks_have_the_scores_of_all_texts_in_order(jobs, chunk):
    texts = TEXTS[:60] if chunk == 1 else TEXTS
    made = list(score_chunks(iter(texts), "vader", jobs, chunk))
    assert [len(polarity) for polarity, _ in made[:-1]] == [chunk] * (len(made) - 1)
    for k, whole in enumerate(VaderScorer().score(texts)):
        np.testing.assert_array_equal(np.concatenate([part[k] for part in made]), whole)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_choice_is_made_in_each_process_and_its_classes_come_along(jobs):
    choice = ScorerChoice("learned", even=True)
    made = list(classify_chunks(iter(TEXTS), choice, jobs, 400))
    polarity, confidence, names = LearnedScorer(even=True).classify(TEXTS)
    np.testing.assert_array_equal(np.concatenate([part[0] for part in made]), polarity)
    np.testing.assert_array_equal(np.concatenate([part[1] for part in made]), confidence)
    assert tuple(name for part in made for name in part[2]) == names


def test_a_mistake_in_the_texts_ends_the_workers():
    def broken() -> Iterator[str]:
        yield from TEXTS[:30]
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(score_chunks(broken(), "vader", 2, 10))


@pytest.mark.parametrize(("jobs", "most"), [(1, 10), (2, 70)])
def test_no_more_is_read_than_is_needed(jobs, most):
    read = 0

    def endless() -> Iterator[str]:
        nonlocal read
        while True:
            read += 1
            yield "Bitcoin soars"

    made = score_chunks(endless(), "vader", jobs, 10)
    assert len(next(made)[0]) == 10
    assert read <= most
    made_more = [next(made) for _ in range(5)]
    assert len(made_more) == 5
    assert read <= most + 50


@pytest.mark.parametrize("jobs", [1, 2])
def test_no_texts_give_no_chunks(jobs):
    assert list(score_chunks([], "vader", jobs)) == []


@pytest.mark.parametrize(("option", "sentence"), [({"jobs": 0}, "jobs is 0"), ({"chunk": -1}, "chunk is -1")])
def test_a_number_below_one_is_refused(option, sentence):
    with pytest.raises(ConfigError, match=f"{sentence}; give 1 or more"):
        score_chunks([], "vader", **option)


def test_an_unknown_scorer_is_refused_before_a_text_is_read():
    with pytest.raises(ConfigError, match="'oracle'; give one of"):
        score_chunks(iter(["a"]), "oracle")
