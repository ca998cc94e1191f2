"""What the learned scorer reads of a text: one plain line, its words and its pieces.

The line is lower case. Capitals stand for what was replaced: `T` a cashtag, `N` a number, `P` and `M` a rise
and a fall by a percentage below ten (`PP`, `MM`: ten and more), `Q` a percentage without a sign, and at the
end `U` or `D` where the line says that a number rose or fell, `UL` or `DL` where that number is a burden.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# No headline is longer; more would only cost time.
MAX_CHARACTERS = 1_000
WORD_GRAMS = (1, 3)
CHARACTER_GRAMS = (2, 5)

_STRAIGHT = str.maketrans({"\u2019": "'", "\u2018": "'", "\u2212": "-", "\u2026": " ", "\x00": " "})
_REPLACED = re.compile(
    r"(?P<url>https?://\S*|www\.\S*)|(?P<ticker>\$[a-z][a-z.]*)"
    r"|(?<![\w.])(?P<sign>[+-]?)\$?(?P<digits>\d[\d,.]*)(?P<percent>\s?%)?"
)
_NUMBER = r"(?:eur|usd|\$|€|£)?\s?(-?\d[\d,]*(?:\.\d+)?)"
_CHANGES = (
    # newer number first: "to 13.1 mn from 8.7 mn", "$0.45 vs. $0.41 expected"
    re.compile(rf"{_NUMBER}[^\d]{{0,20}}?(?:from|vs\.?|versus|compared (?:with|to)|against)\s{_NUMBER}"),
    # older number first: "from 8.7 mn to 13.1 mn"
    re.compile(rf"from\s{_NUMBER}[^\d]{{0,16}}?\sto\s{_NUMBER}"),
)
_BURDEN = re.compile(r"\b(?:loss|losses|debt|costs?|expenses|unemployment|jobless|claims|deficit|outflows)\b")
_PUNCTUATION = frozenset(map(ord, "?!"))


def line_of(text: str) -> str:
    """Return the line that is read of a text; empty where there is nothing to read."""
    lower = text[:MAX_CHARACTERS].lower().translate(_STRAIGHT)
    line = _REPLACED.sub(_mark, lower) + _change(lower)
    return " ".join(line.split())


def is_word_character(code: int) -> bool:
    """Tell whether a code point is part of a word: ASCII letters, digits, ' and &, and most beyond ASCII."""
    if code < 128:
        return 48 <= code <= 57 or 65 <= code <= 90 or 97 <= code <= 122 or code in (38, 39)
    return code not in (0xA0, 0xAB, 0xBB) and not 0x2000 <= code <= 0x206F


def words_of(line: str) -> list[str]:
    """Return the words of a line; `?` and `!` are words."""
    words, start = [], -1
    for place, character in enumerate(line + " "):
        code = ord(character)
        if is_word_character(code):
            start = place if start < 0 else start
            continue
        if start >= 0:
            words.append(line[start:place])
            start = -1
        if code in _PUNCTUATION:
            words.append(character)
    return words


def word_grams(line: str) -> Iterator[str]:
    """Yield the runs of one to three words."""
    words = words_of(line)
    for n in range(WORD_GRAMS[0], WORD_GRAMS[1] + 1):
        for start in range(len(words) - n + 1):
            yield " ".join(words[start : start + n])


def character_grams(line: str) -> Iterator[str]:
    """Yield the runs of two to five characters of the line with a space before and after it."""
    padded = f" {line} "
    for n in range(CHARACTER_GRAMS[0], CHARACTER_GRAMS[1] + 1):
        for start in range(len(padded) - n + 1):
            yield padded[start : start + n]


def _mark(found: re.Match[str]) -> str:
    if found["url"]:
        return " "
    if found["ticker"]:
        return " T "
    if not found["percent"]:
        return "N"
    large = len(found["digits"].replace(",", "").split(".")[0]) > 1
    letter = {"+": "P", "-": "M", "": "Q"}[found["sign"]]
    return f" {letter * (1 + large)} "


def _change(lower: str) -> str:
    if "from" not in lower and " vs" not in lower and "against" not in lower and "compared" not in lower:
        return ""
    for pattern, sense in zip(_CHANGES, (1.0, -1.0), strict=True):
        found = pattern.search(lower)
        if found:
            first, second = (float(number.replace(",", "")) for number in found.groups())
            rise = sense * (first - second)
            burden = "L" if _BURDEN.search(lower) else ""
            return f" U{burden}" if rise > 0 else f" D{burden}" if rise < 0 else ""
    return ""
