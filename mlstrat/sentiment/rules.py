"""VADER's rules, evaluated once a token: the scores of NLTK's analyser at several times its speed.

NLTK pairs every word of a text with every mark of punctuation to strip its tokens, and asks its rules again
for each repeated word. Here a token is stripped by itself, and only words of the lexicon meet the rules. The
quirks are kept, such as that a repeated word has the valence of its first place: the scores are equal.
"""

from __future__ import annotations

import math
import string
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_SO_OR_THIS = frozenset({"so", "this"})
_WITHOUT_LEAST = frozenset({"at", "very"})
_DAMPING = (1.0, 0.95, 0.9)
_ALPHA = 15.0


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """A lexicon and the word lists of VADER.

    Attributes
    ----------
    lexicon : mapping of str to float
        Valence by lower-case word.
    negations : set of str
        Lower-case words that turn a valence round up to three words later.
    boosters : mapping of str to float
        What a lower-case word before adds to a valence; also bigrams such as "kind of".
    idioms : mapping of str to float
        Valences of a few sequences of words, case-sensitive.
    marks : set of str
        Punctuation that is stripped from one end of a word.
    capitals, negation : float
        What capitals add, and what a negation multiplies by.
    """

    lexicon: Mapping[str, float]
    negations: Set[str]
    boosters: Mapping[str, float]
    idioms: Mapping[str, float]
    marks: Set[str]
    capitals: float
    negation: float
    _openings: Set[str]

    def scores(self, text: str) -> tuple[float, float]:
        """Return VADER's compound score in [-1, 1] to 4 decimals, and its neutral share in [0, 1] to 3."""
        words = [self._stripped(token) for token in text.split() if len(token) > 1]
        if not words:
            return 0.0, 0.0
        lowered = [word.lower() for word in words]
        return _combined(self._valences(words, lowered), len(words), _emphasis(text))

    def _stripped(self, token: str) -> str:
        if token.isalnum():
            return token
        word = token.translate(_NO_PUNCTUATION)
        if len(word) < 2 or len(word) == len(token):
            return token
        if token.endswith(word) and token[: -len(word)] in self.marks:
            return word
        if token.startswith(word) and token[len(word) :] in self.marks:
            return word
        return token

    def _valences(self, words: Sequence[str], lowered: Sequence[str]) -> list[float]:
        """Return the valences other than 0 in the order of the words."""
        found = [k for k, word in enumerate(lowered) if word in self.lexicon]
        if not found:
            return []
        capitals = sum(map(str.isupper, words))
        mixed = 0 < capitals < len(words)
        turn = lowered.index("but") if "but" in lowered else -1
        first: dict[str, float] = {}
        values = []
        for k in found:
            value = first.get(words[k])
            if value is None:
                value = first[words[k]] = self._valence(words, lowered, words.index(words[k]), mixed)
            if turn >= 0 and k != turn:
                value *= 0.5 if k < turn else 1.5
            if value != 0.0:
                values.append(value)
        return values

    def _valence(self, words: Sequence[str], lowered: Sequence[str], i: int, mixed: bool) -> float:
        here = lowered[i]
        if here in self.boosters or (here == "kind" and i + 1 < len(words) and lowered[i + 1] == "of"):
            return 0.0
        value = self.lexicon[here]
        if mixed and words[i].isupper():
            value += self.capitals if value > 0 else -self.capitals
        for back in (1, 2, 3):
            if i < back or lowered[i - back] in self.lexicon:
                continue
            value += self._boost(words[i - back], lowered[i - back], value, mixed) * _DAMPING[back - 1]
            value = self._negated(words, lowered, i, back, value)
            if back == 3:
                value = self._idiom(words, i, value)
        return value * self.negation if self._least(lowered, i) else value

    def _boost(self, word: str, lowered: str, value: float, mixed: bool) -> float:
        scalar = self.boosters.get(lowered)
        if scalar is None:
            return 0.0
        if value < 0:
            scalar = -scalar
        if mixed and word.isupper():
            scalar += self.capitals if value > 0 else -self.capitals
        return scalar

    def _negated(
        self, words: Sequence[str], lowered: Sequence[str], i: int, back: int, value: float
    ) -> float:
        if back == 2 and words[i - 2] == "never" and words[i - 1] in _SO_OR_THIS:
            return value * 1.5
        if back == 3 and (
            (words[i - 3] == "never" and words[i - 2] in _SO_OR_THIS) or words[i - 1] in _SO_OR_THIS
        ):
            return value * 1.25
        word = lowered[i - back]
        return value * self.negation if word in self.negations or "n't" in word else value

    def _idiom(self, words: Sequence[str], i: int, value: float) -> float:
        if self._openings.isdisjoint(words[i - 3 : i + 1]):
            return value
        three, two, one, here = words[i - 3 : i + 1]
        before = (
            f"{one} {here}",
            f"{two} {one} {here}",
            f"{two} {one}",
            f"{three} {two} {one}",
            f"{three} {two}",
        )
        value = next((self.idioms[said] for said in before if said in self.idioms), value)
        for end in (i + 2, i + 3):
            if end <= len(words):
                value = self.idioms.get(" ".join(words[i:end]), value)
        if before[4] in self.boosters or before[2] in self.boosters:
            value += self.boosters["kind of"]
        return value

    def _least(self, lowered: Sequence[str], i: int) -> bool:
        if i < 1 or lowered[i - 1] != "least" or "least" in self.lexicon:
            return False
        return i < 2 or lowered[i - 2] not in _WITHOUT_LEAST


def rules_of(analyser: Any, *, negations: Set[str] = frozenset()) -> Rules:
    """Return the rules of NLTK's analyser, its lexicon as it is now, with negations of our own added."""
    known = analyser.constants
    return Rules(
        lexicon=dict(analyser.lexicon),
        negations=frozenset(known.NEGATE) | negations,
        boosters=dict(known.BOOSTER_DICT),
        idioms=dict(known.SPECIAL_CASE_IDIOMS),
        marks=frozenset(known.PUNC_LIST),
        capitals=known.C_INCR,
        negation=known.N_SCALAR,
        _openings=frozenset(
            said.split()[0] for said in (*known.SPECIAL_CASE_IDIOMS, *known.BOOSTER_DICT) if " " in said
        ),
    )


def _emphasis(text: str) -> float:
    asked = text.count("?")
    questions = 0.0 if asked < 2 else asked * 0.18 if asked <= 3 else 0.96
    return min(text.count("!"), 4) * 0.292 + questions


def _combined(values: Sequence[float], words: int, emphasis: float) -> tuple[float, float]:
    total = float(sum(values))
    total += emphasis if total > 0 else -emphasis if total < 0 else 0.0
    up = 0.0
    down = 0.0
    for value in values:
        if value > 0:
            up += value + 1
        else:
            down += value - 1
    if up > -down:
        up += emphasis
    elif up < -down:
        down -= emphasis
    neutral = words - len(values)
    compound = total / math.sqrt(total * total + _ALPHA)
    return round(compound, 4), round(neutral / (up - down + neutral), 3)
