"""From a headline as it was published to the words that VADER's rules read.

Addresses, handles, cashtags and tickers in brackets say nothing and go; brackets, quotation marks, dashes and
slashes become spaces, and a few emoji become words. Figures and phrases each become one word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from types import MappingProxyType

from mlstrat.sentiment.numbers import read_figures

EMOJI = MappingProxyType(
    {
        "rocketemoji": 2.6,
        "risingemoji": 2.0,
        "fallingemoji": -2.0,
        "alarmemoji": -2.0,
    }
)
_EMOJI_SIGNS = {
    "rocketemoji": "\U0001f680\U0001f315\U0001f31d",
    "risingemoji": "\U0001f4c8\U0001f7e2\U0001f402\U0001f48e\U0001f525\U0001f389",
    "fallingemoji": "\U0001f4c9\U0001f534\U0001f43b\U0001fa78",
    "alarmemoji": "\U0001f480\U0001f631\U0001f4a9",
}
_SPACES = '()[]{}"\u201c\u201d\u201e\u00ab\u00bb\u2026\u2013\u2014/|*_;\u200b\u200c\u2060\ufeff'
_SIGNS = str.maketrans(
    {
        **dict.fromkeys(_SPACES, " "),
        "\u2019": "'",
        "#": " ",
        **{sign: f" {word} " for word, signs in _EMOJI_SIGNS.items() for sign in signs},
    }
)
_NOISE = re.compile(
    r"https?://\S*|www\.\S*|(?<!\w)@\w+|\$[A-Za-z][\w.]*|\((?:[A-Za-z]{2,9}:\s?)?[A-Z.]{1,6}\)|&(?:amp|quot|lt|gt);"
)
_MARKED = re.compile(r"[@$(&]|http|www")
_TOKEN = re.compile(r"[\w'&]+")
_GAP = frozenset(" -\t\n\r")


class Phrases:
    """Phrases found word by word, the longest first, across spaces and hyphens and in any capitals."""

    def __init__(self, phrases: Iterable[str]) -> None:
        self._followers: dict[str, list[tuple[str, ...]]] = {}
        self._openings = set()
        for phrase in phrases:
            first, *rest = phrase.split()
            self._followers.setdefault(first, []).append(tuple(rest))
            self._openings.add((first, rest[0]))
        for followers in self._followers.values():
            followers.sort(key=lambda rest: (-len(rest), rest))

    def join(self, text: str) -> str:
        """Return the text with each phrase written as one word; capitals stay."""
        lowered = text.replace("\u0130", "I").lower()  # the one letter that grows when it is made small
        words = _TOKEN.findall(lowered)
        if self._openings.isdisjoint(pairwise(words)):
            return text
        tokens = [(match[0], *match.span()) for match in _TOKEN.finditer(lowered)]
        pieces = []
        done = k = 0
        while k < len(tokens):
            end = self._end(tokens, k, lowered)
            if end > k:
                start, stop = tokens[k][1], tokens[end][2]
                pieces += [text[done:start], joined(text[start:stop])]
                done = stop
            k = end + 1
        return "".join((*pieces, text[done:])) if pieces else text

    def _end(self, tokens: list[tuple[str, int, int]], k: int, text: str) -> int:
        """Return the last token of the longest phrase that begins at token k, or k."""
        for rest in self._followers.get(tokens[k][0], ()):
            end = k + len(rest)
            if (
                end < len(tokens)
                and all(tokens[k + 1 + n][0] == word for n, word in enumerate(rest))
                and all(_GAP.issuperset(text[tokens[n][2] : tokens[n + 1][1]]) for n in range(k, end))
            ):
                return end
        return k


def cleaned(text: str) -> str:
    """Return the text without what has no mood, and with its figures read."""
    if _MARKED.search(text):
        text = _NOISE.sub(" ", text)
    return read_figures(text).translate(_SIGNS)


def joined(phrase: str) -> str:
    """Return a phrase as the one word under which the lexicon knows it; capitals stay."""
    return re.sub(r"[\s-]+", "", phrase)
