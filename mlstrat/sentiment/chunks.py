"""Scores of any number of texts, in chunks and in several processes, with bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from itertools import islice
from typing import Any, TypeVar

from mlstrat.errors import ConfigError
from mlstrat.sentiment.choice import ScorerChoice, scorer
from mlstrat.sentiment.scorers import Classified, Classifier, Scored

Read = TypeVar("Read")
Reading = Callable[[Classifier, list[str]], Read]
# Chunks that wait for each process: enough that none stands idle while another is read.
_AHEAD = 3
# A worker that nobody asks any more ends by itself, also where its parent was killed.
_IDLE_SECONDS = 30


def score_chunks(
    texts: Iterable[str], choice: ScorerChoice | str, jobs: int = 1, chunk: int = 5_000
) -> Iterator[Scored]:
    """Yield the polarity and the confidence of each chunk of texts, in the order of the texts.

    At most `3 * jobs + 1` chunks are held at a time, however many texts there are and however slowly the
    results are taken. The numbers are the same for any `jobs` and any `chunk`.

    Parameters
    ----------
    texts : iterable of str
        Read once, as the results are asked for.
    choice : ScorerChoice or str
        As for `scorer`; each process makes it once.
    jobs : int
        Processes; 1 scores in this one.
    chunk : int
        Texts a chunk; the last may be shorter.

    Yields
    ------
    polarity, confidence : (n_texts_of_the_chunk,) float64
        As from `Scorer.score`.

    Raises
    ------
    ConfigError
        There is no scorer of that name, its model is not there, or `jobs` or `chunk` is less than 1.
    ModelError
        Its model cannot be read.
    MissingExtraError
        A package that the scorer needs is not installed.
    """
    return _read(_score, texts, choice, jobs, chunk)


def classify_chunks(
    texts: Iterable[str], choice: ScorerChoice | str, jobs: int = 1, chunk: int = 5_000
) -> Iterator[Classified]:
    """Yield polarity, confidence and classes of each chunk of texts; for the rest see `score_chunks`."""
    return _read(_classify, texts, choice, jobs, chunk)


def _score(found: Classifier, part: list[str]) -> Scored:
    return found.score(part)


def _classify(found: Classifier, part: list[str]) -> Classified:
    return found.classify(part)


def _read(
    reading: Reading[Read], texts: Iterable[str], choice: ScorerChoice | str, jobs: int, chunk: int
) -> Iterator[Read]:
    for name, value in (("jobs", jobs), ("chunk", chunk)):
        if value < 1:
            raise ConfigError(f"{name} is {value}; give 1 or more.")
    found = scorer(choice)
    parts = _parts(texts, chunk)
    return map(partial(reading, found), parts) if jobs == 1 else _in_processes(reading, parts, choice, jobs)


def _parts(texts: Iterable[str], size: int) -> Iterator[list[str]]:
    remaining = iter(texts)
    while part := list(islice(remaining, size)):
        yield part


def _in_processes(
    reading: Reading[Read], parts: Iterator[list[str]], choice: ScorerChoice | str, jobs: int
) -> Iterator[Read]:
    # Not the reusable executor: joblib shares that one and expects to have made it itself.
    from joblib.externals.loky.process_executor import ProcessPoolExecutor

    workers = ProcessPoolExecutor(max_workers=jobs, timeout=_IDLE_SECONDS)
    work = partial(workers.submit, _in_worker, reading, choice)
    waiting: deque[Any] = deque()
    try:
        for part in islice(parts, _AHEAD * jobs):
            waiting.append(work(part))
        while waiting:
            done = waiting.popleft().result()
            waiting.extend(work(part) for part in islice(parts, 1))
            yield done
    finally:
        for left in waiting:
            left.cancel()
        workers.shutdown(wait=True)


def _in_worker(reading: Reading[Read], choice: ScorerChoice | str, part: list[str]) -> Read:
    return reading(_scorer(choice), part)


@cache
def _scorer(choice: ScorerChoice | str) -> Classifier:
    return scorer(choice)
