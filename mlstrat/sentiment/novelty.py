"""How much of a headline is news: what no headline known shortly before it has said."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from mlstrat.arrays import FloatArray, IntArray, njit

# What a headline weighs that only repeats another: not 0, for that a thing is said again says a little.
LEAST_NOVELTY = 0.05
# Of the headlines that share a pair of words, as many of the latest are compared; more would let one phrase
# that all of them use cost the square of their number.
MOST_COMPARED = 1_000
_HOUR_NS = 3_600_000_000_000
_ADDRESS = re.compile(r"https?://\S*|www\.\S*|(?<!\w)@\w+")
_WORD = re.compile(r"[^\W_]+")


def novelty_of(texts: Sequence[str], known_at: IntArray, window_hours: float) -> FloatArray:
    """Return how unlike each headline is to all that were known before it.

    Words are compared without capitals, punctuation, addresses and handles. With S_i the set of pairs of
    neighbouring words of headline i (its only word where it has one, its bare text where it has none), known
    at k_i::

        similarity(i, j) = |S_i & S_j| / |S_i | S_j|                              (Jaccard)
        novelty_i        = max(0.05, 1 - largest similarity(i, j) over all j before i, k_i - k_j < window)

    where j is before i if ``k_j < k_i``, or ``k_j == k_i`` and j comes first in `texts`: what is known later
    changes nothing. Of the headlines with one pair of words the latest 1,000 are looked at.

    Parameters
    ----------
    texts : sequence of str, n long
        The headlines.
    known_at : (n,) int64
        When each is known, in nanoseconds; in any order.
    window_hours : float
        Age from which an earlier headline is forgotten.

    Returns
    -------
    (n,) float64
        In [0.05, 1]; never NaN.
    """
    order = np.argsort(known_at, kind="stable")
    shingles, first = _shingles(texts[row] for row in order)
    novelty = np.ones(len(texts))
    likeness = _largest_similarity(shingles, first, known_at[order], window_hours * _HOUR_NS, MOST_COMPARED)
    novelty[order] = np.maximum(LEAST_NOVELTY, 1.0 - likeness)
    return novelty


def shingles_of(text: str) -> frozenset[tuple[str, ...]]:
    """Return a text's pairs of neighbouring words, in small letters."""
    plain = _ADDRESS.sub(" ", unicodedata.normalize("NFKC", text)).casefold()
    words = _WORD.findall(plain)
    return frozenset(pairwise(words)) or frozenset([tuple(words) or (plain.strip(),)])


def _shingles(texts: Iterable[str]) -> tuple[IntArray, IntArray]:
    """Number the pairs of words: those of headline i are ``[first[i]:first[i + 1]]``."""
    numbers: dict[tuple[str, ...], int] = {}
    flat: list[int] = []
    first = [0]
    for text in texts:
        flat += [numbers.setdefault(pair, len(numbers)) for pair in shingles_of(text)]
        first.append(len(flat))
    return np.array(flat, np.int64), np.array(first, np.int64)


@njit
def _largest_similarity(
    shingles: IntArray, first: IntArray, known_at: IntArray, window: float, most: int
) -> FloatArray:
    """Walk, for each pair of words, back through the headlines that have it: an inverted index."""
    n = len(first) - 1
    latest = np.full(len(shingles), -1, np.int64)
    before = np.full(len(shingles), -1, np.int64)
    owner = np.empty(len(shingles), np.int64)
    shared, touched = np.zeros(n, np.int64), np.empty(n, np.int64)
    largest = np.zeros(n)
    for i in range(n):
        met = 0
        for place in range(first[i], first[i + 1]):
            at = latest[shingles[place]]
            compared = 0
            while at >= 0 and compared < most and known_at[i] - known_at[owner[at]] < window:
                j = owner[at]
                if shared[j] == 0:
                    touched[met] = j
                    met += 1
                shared[j] += 1
                at = before[at]
                compared += 1
        for place in range(first[i], first[i + 1]):
            owner[place] = i
            before[place] = latest[shingles[place]]
            latest[shingles[place]] = place
        size = first[i + 1] - first[i]
        for k in range(met):
            j = touched[k]
            union = size + first[j + 1] - first[j] - shared[j]
            largest[i] = max(largest[i], shared[j] / union)
            shared[j] = 0
    return largest
