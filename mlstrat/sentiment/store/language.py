"""Texts that are clearly not English, by their letters and their commonest words."""

from __future__ import annotations

import re

# Below this share of a to z among its letters a text is not English: Cyrillic, Chinese, Arabic, Greek.
LATIN_SHARE = 0.5
# Frequent words that English headlines do not use: no names, and none that is an English word too.
_OTHER = (
    "der und nicht für auf wird ist eine einen dem wie nach bei über "
    "una por más como sobre según pero también desde hasta "
    "les des une dans sur avec qui aux selon après "
    "não uma pela pelo após mais das "
    "che della dei gli nel sono più dopo anche "
    "het een van niet voor zijn naar "
    "ve bir için ile daha"
)
_ENGLISH = (
    "the a an of to in on for and is are as at by with from after over its it will has have be that this "
    "how why what new says up down not but"
)
_OTHER_WORDS, _ENGLISH_WORDS = frozenset(_OTHER.split()), frozenset(_ENGLISH.split())
_WORD = re.compile(r"[^\W\d_]+")


def clearly_not_english(text: str) -> bool:
    """Whether a text is clearly in another language than English.

    So it is where fewer than half of its letters are a to z, or where it has two or more frequent words of
    German, Spanish, French, Portuguese, Italian, Dutch or Turkish and more of these than of English ones.
    Short texts without such words count as English: leaving out too little does less harm.
    """
    letters = [letter for letter in text if letter.isalpha()]
    if not letters:
        return False
    if sum(letter.isascii() for letter in letters) < LATIN_SHARE * len(letters):
        return True
    words = [word.casefold() for word in _WORD.findall(text)]
    other = sum(word in _OTHER_WORDS for word in words)
    return other >= 2 and other > sum(word in _ENGLISH_WORDS for word in words)
