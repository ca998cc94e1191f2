"""Scores of any number of texts, in chunks and in several processes, with bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice

from mlstrat.arrays import FloatArray
from mlstrat.errors import ConfigError
from mlstrat.sentiment.scorers import Scorer, scorer

Scored = tuple[FloatArray, FloatArray]
# Chunks that wait for each process: enough that none stands idle while another is read.
_AHEAD = 3
# A worker that nobody asks any more ends by itself, also where its parent was killed.
_IDLE_SECONDS = 30


def score_chunks(
    texts: Iterable[str], scorer_name: str, jobs: int = 1, chunk: int = 5_000
) -> Iterator[Scored]:
    """Yield the polarity and the confidence of each chunk of texts, in the order of the texts.

    At most `3 * jobs + 1` chunks are held at a time, however many texts there are and however slowly the
    results are taken. The numbers are the same for any `jobs` and any `chunk`.

    Parameters
    ----------
    texts : iterable of str
        Read once, as the results are asked for.
    scorer_name : str
        As for `scorer`.
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
        There is no scorer of that name, or `jobs` or `chunk` is less than 1.
    MissingExtraError
        A package that the scorer needs is not installed.
    """
    for name, value in (("jobs", jobs), ("chunk", chunk)):
        if value < 1:
            raise ConfigError(f"{name} is {value}; give 1 or more.")
    found = scorer(scorer_name)
    parts = _parts(texts, chunk)
    return map(found.score, parts) if jobs == 1 else _in_processes(parts, scorer_name, jobs)


def _parts(texts: Iterable[str], size: int) -> Iterator[list[str]]:
    remaining = iter(texts)
    while part := list(islice(remaining, size)):
        yield part


def _in_processes(parts: Iterator[list[str]], name: str, jobs: int) -> Iterator[Scored]:
    # Not the reusable executor: joblib shares that one and expects to have made it itself.
    from joblib.externals.loky.process_executor import ProcessPoolExecutor

    workers = ProcessPoolExecutor(max_workers=jobs, timeout=_IDLE_SECONDS)
    waiting = deque(workers.submit(_score, name, part) for part in islice(parts, _AHEAD * jobs))
    try:
        while waiting:
            done = waiting.popleft().result()
            waiting.extend(workers.submit(_score, name, part) for part in islice(parts, 1))
            yield done
    finally:
        for left in waiting:
            left.cancel()
        workers.shutdown(wait=True)


def _score(name: str, part: list[str]) -> Scored:
    return _scorer(name).score(part)


@cache
def _scorer(name: str) -> Scorer:
    return scorer(name)
