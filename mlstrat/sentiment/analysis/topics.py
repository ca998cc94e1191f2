"""What headlines are about: phrases that several of them share and that were rare before."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from functools import cache
from itertools import groupby

from mlstrat.sentiment.aliases import COINS, coin_of
from mlstrat.sentiment.analysis.stopwords import GENERIC, STOP_WORDS
from mlstrat.sentiment.scorers import MAX_CHARACTERS

Phrase = tuple[str, ...]

MOST_TOPICS = 5
MAX_WORDS = 3
# A phrase of one headline is its wording, and no topic.
MIN_HEADLINES = 2
_LONGEST_WORD = 40
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+")
# A number with what sticks to it, a word, or any other sign; only words can be part of a phrase.
_PIECE = re.compile(r"(?P<number>\d[\w.,%]*)|(?P<word>[^\W\d_]\w*(?:[-'&.]\w+)*)|\S")
_NOT_PLURAL = ("ss", "us", "is", "'s")


@dataclass(frozen=True)
class _Word:
    """A word as it is counted, and as it is written."""

    stem: str
    written: str


Reader = Callable[[str], _Word | None]


def key_topics(
    texts: Sequence[str], background: Iterable[str] = (), symbol: str = "", most: int = MOST_TOPICS
) -> list[str]:
    """Return what headlines are about, the most characteristic phrase first.

    Candidates are runs of one to three words that no stop word, number, sign or name of the symbol
    interrupts, and that at least two different headlines hold. With f(p) the different headlines that hold
    phrase p, b(p) those of the N of the background, and L(p) the longer candidates that contain p::

        rank(p) = log2(1 + words of p) * (f(p) - mean of f over L(p)) * (1 + ln((1 + N) / (1 + b(p))))

    The first two factors are the C-value of nested terms (with 1 added, so that single words count), the
    last is the smoothed inverse document frequency. Of phrases that share more than half of the shorter
    one's words only the first is kept. Equal ranks are in alphabetical order.

    Parameters
    ----------
    texts : sequence of str
        Headlines in any order; their first 1,000 characters count, and the same words count once.
    background : iterable of str
        Earlier headlines.
    symbol : str
        Whose names are no topic, such as BTCUSDT.
    most : int
        Topics at most.

    Returns
    -------
    list of str
        Lower-case phrases, in their commonest spelling; empty where no phrase comes twice.

    References
    ----------
    Frantzi, Ananiadou and Mima (2000), Automatic recognition of multi-word terms: the C-value/NC-value
    method, International Journal on Digital Libraries 3(2).
    """
    read = _reader(symbol)
    found, spellings = _counted(texts, read)
    counts = {phrase: f for phrase, f in found.items() if f >= MIN_HEADLINES and not _generic(phrase)}
    if not counts:
        return []
    before, n_before = _seen_before(background, counts.keys(), read)
    longer = _longer(counts)
    rank = {
        phrase: math.log2(1 + len(phrase))
        * (f - longer.get(phrase, 0.0))
        * (1.0 + math.log((1 + n_before) / (1 + before[phrase])))
        for phrase, f in counts.items()
    }
    ordered = sorted((p for p in rank if rank[p] > 0), key=lambda p: (-rank[p], p))
    return [_spelling(spellings[phrase]) for phrase in _apart(ordered, most)]


def _counted(texts: Iterable[str], read: Reader) -> tuple[Counter[Phrase], dict[Phrase, Counter[str]]]:
    """Count the different texts that hold each phrase, and how each phrase is written."""
    counts: Counter[Phrase] = Counter()
    spellings: dict[Phrase, Counter[str]] = {}
    for runs in _different(texts, read):
        written: dict[Phrase, str] = {}
        for words in _phrases(runs):
            phrase, spelling = tuple(w.stem for w in words), " ".join(w.written for w in words)
            written[phrase] = min(written.get(phrase, spelling), spelling)
        counts.update(written.keys())
        for phrase, spelling in written.items():
            spellings.setdefault(phrase, Counter())[spelling] += 1
    return counts, spellings


def _seen_before(background: Iterable[str], wanted: Set[Phrase], read: Reader) -> tuple[Counter[Phrase], int]:
    counts: Counter[Phrase] = Counter()
    n = 0
    for runs in _different(background, read):
        n += 1
        counts.update({tuple(w.stem for w in words) for words in _phrases(runs)} & wanted)
    return counts, n


def _different(texts: Iterable[str], read: Reader) -> Iterator[list[list[_Word]]]:
    """Yield the uninterrupted runs of words of each text, of texts with the same words once."""
    seen: set[str] = set()
    for text in texts:
        pieces = _pieces(text)
        said = " ".join(filter(None, pieces))
        if said not in seen:
            seen.add(said)
            words = [read(piece) for piece in pieces]
            yield [[word for word in run if word] for whole, run in groupby(words, key=bool) if whole]


def _pieces(text: str) -> list[str]:
    """Return the words of a text in lower case, and an empty one where a number or a sign stands."""
    plain = unicodedata.normalize("NFKC", text[:MAX_CHARACTERS]).replace("’", "'").lower()
    return [piece["word"] or "" for piece in _PIECE.finditer(_ADDRESS.sub(" | ", plain))]


def _stem(word: str) -> str:
    """Fold the plural: regulations and regulation are one word, and so are policies and policy."""
    if len(word) < 4 or not word.endswith("s") or word.endswith(_NOT_PLURAL):
        return word
    return word[:-3] + "y" if word.endswith("ies") and len(word) > 4 else word[:-1]


def _phrases(runs: Iterable[Sequence[_Word]]) -> Iterator[Sequence[_Word]]:
    for run in runs:
        for n in range(1, MAX_WORDS + 1):
            for start in range(len(run) - n + 1):
                yield run[start : start + n]


def _reader(symbol: str) -> Reader:
    """Return what reads a word, giving None for stop words and names of the symbol, which end a phrase."""
    coin = coin_of(symbol)
    parts = {part for name in COINS.get(coin, ()) if " " in name for part in name.split()}

    @cache
    def read(piece: str) -> _Word | None:
        written = piece.removesuffix("'s")
        if {piece, written} & STOP_WORDS or not 1 < len(written) <= _LONGEST_WORD:
            return None
        if coin and (written in parts or coin in map(coin_of, written.split("-"))):
            return None
        return _Word(_stem(written), written)

    return read


def _generic(phrase: Phrase) -> bool:
    return GENERIC.issuperset(phrase)


def _longer(counts: dict[Phrase, int]) -> dict[Phrase, float]:
    """Return the mean count of the longer candidates that contain each phrase."""
    inside: dict[Phrase, list[int]] = {}
    for phrase, f in counts.items():
        for part in _parts(phrase):
            inside.setdefault(part, []).append(f)
    return {part: sum(counted) / len(counted) for part, counted in inside.items()}


def _parts(phrase: Phrase) -> set[Phrase]:
    n = len(phrase)
    return {phrase[i:j] for i in range(n) for j in range(i + 1, n + 1) if j - i < n}


def _apart(ordered: Iterable[Phrase], most: int) -> list[Phrase]:
    kept: list[Phrase] = []
    for phrase in ordered:
        if len(kept) == most:
            break
        words = set(phrase)
        if all(2 * len(words & set(other)) <= min(len(words), len(set(other))) for other in kept):
            kept.append(phrase)
    return kept


def _spelling(spellings: Counter[str]) -> str:
    return min(spellings, key=lambda written: (-spellings[written], len(written), written))
