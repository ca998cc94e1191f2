"""The same story from several publishers: which text had it first."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

# Texts so far apart are two stories, however alike.
APART_NS = 72 * 3_600_000_000_000
# Fewer words say too little: "Bitcoin!" is no copy of "Bitcoin!".
FEWEST_WORDS = 4
_WORD = re.compile(r"[^\W_]+")
_ADDRESS = re.compile(r"https?://\S+")


@dataclass(frozen=True)
class Copy:
    """What of a text tells whether another one repeats it.

    Parameters
    ----------
    id, story : int
        As in the table of texts.
    publisher : str
        Who published it, else the source; case does not matter.
    published_at : int
        Nanoseconds since 1970 UTC.
    shingles : frozenset of str
        Pairs of words that follow each other; empty where there are fewer than four words.
    """

    id: int
    story: int
    publisher: str
    published_at: int
    shingles: frozenset[str]

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Copy:
        """Return what a row of the table of texts has to compare."""
        publisher = (row["publisher"] or row["source"]).casefold()
        return cls(row["id"], row["story"], publisher, row["published_at"], shingles(row["text"]))

    def repeats(self, other: Copy) -> bool:
        """Whether both tell one story: other publishers, at most 72 h apart, Jaccard index 0.8 or more."""
        if self.publisher == other.publisher or self.story == other.story:
            return False
        if abs(self.published_at - other.published_at) > APART_NS:
            return False
        common = len(self.shingles & other.shingles)
        return common > 0 and 5 * common >= 4 * (len(self.shingles) + len(other.shingles) - common)


def shingles(text: str) -> frozenset[str]:
    """Return the pairs of neighbouring words of a text, without case, marks and addresses."""
    plain = unicodedata.normalize("NFKC", _ADDRESS.sub(" ", text)).casefold()
    words = _WORD.findall(plain)
    if len(words) < FEWEST_WORDS:
        return frozenset()
    return frozenset(f"{one} {two}" for one, two in pairwise(words))


class Originals:
    """Texts that repeat none seen before them, in the order seen.

    Two sets with a Jaccard index of 0.8 share one of the first ``n - ceil(0.8 n) + 1`` members of each, in
    any one order of all members: only those are indexed, and none that repeats is missed (Chaudhuri, Ganti
    and Kaushik 2006, A Primitive Operator for Similarity Joins in Data Cleaning). Long pairs come first:
    they are the rarest.
    """

    def __init__(self) -> None:
        self._copies: list[Copy] = []
        self._at: dict[tuple[str, int], list[int]] = defaultdict(list)

    def original_of(self, copy: Copy) -> int | None:
        """Return the id of the first seen text that this one repeats, else keep it as an original."""
        period = copy.published_at // APART_NS
        prefix = _prefix(copy.shingles)
        near = {
            place
            for pair in prefix
            for nearby in (period - 1, period, period + 1)
            for place in self._at.get((pair, nearby), ())
        }
        for place in sorted(near):
            if copy.repeats(self._copies[place]):
                return self._copies[place].id
        for pair in prefix:
            self._at[pair, period].append(len(self._copies))
        self._copies.append(copy)
        return None

    def keep(self, copy: Copy) -> None:
        """Keep a text that is known to be an original."""
        for pair in _prefix(copy.shingles):
            self._at[pair, copy.published_at // APART_NS].append(len(self._copies))
        self._copies.append(copy)


def _prefix(pairs: frozenset[str]) -> list[str]:
    shared = -(-4 * len(pairs) // 5)
    return sorted(pairs, key=lambda pair: (-len(pair), pair))[: len(pairs) - shared + 1]
