"""The strings a learned scorer knows, and the numbers it makes of texts with them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.sentiment.learned import kernels
from mlstrat.sentiment.learned.kernels import LONGEST_PHRASE
from mlstrat.sentiment.learned.text import (
    CHARACTER_GRAMS,
    WORD_GRAMS,
    character_grams,
    line_of,
    word_grams,
    words_of,
)

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

OURS, GENERAL, NEGATION = 0, 1, 2
_NEGATIONS = """
    no not never without cannot can't won't don't doesn't didn't isn't aren't wasn't weren't hasn't haven't
    wouldn't couldn't shouldn't neither nor fails fail failed avoid avoids avoided averts averted denies
    denied unlikely
"""
NEGATIONS = frozenset(_NEGATIONS.split())
# Marks of `text.line_of`: a signed percentage, and a number that rose or fell.
_MARKS = {"P": 1.8, "PP": 2.2, "M": -1.8, "MM": -2.4, "U": 1.5, "D": -1.5, "DL": 1.5, "UL": -1.5}


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Known strings with what each weighs.

    Parameters
    ----------
    words, characters : tuple of str
        Word runs and character runs.
    word_idf, character_idf : float64
        Inverse document frequency of each.
    entries : tuple of str
        Entries of the lexicon: one to five words with single spaces.
    valence : (n_entries,) float64
        On VADER's scale from -4 to 4; 0 for negations.
    group : (n_entries,) int64
        0 ours, 1 general, 2 negations.
    scale : float
        Of the lexicon's columns.
    unknown : float
        Share of its weight with which an unknown string counts towards the length of a text.
    """

    words: tuple[str, ...]
    word_idf: FloatArray
    characters: tuple[str, ...]
    character_idf: FloatArray
    entries: tuple[str, ...]
    valence: FloatArray
    group: IntArray
    scale: float
    unknown: float

    @property
    def columns(self) -> int:
        """How many numbers a line becomes."""
        return len(self.words) + len(self.characters) + kernels.DENSE

    @cached_property
    def _tables(self) -> tuple[kernels.Table, kernels.Table, kernels.Table]:
        strings = self.words, self.characters, self.entries
        words, characters, entries = (kernels.table_of(known) for known in strings)
        return words, characters, entries

    def blocks(self, lines: Sequence[str]) -> tuple[csr_matrix, csr_matrix, FloatArray]:
        """Return the numbers of lines: words, characters and lexicon; each line on its own."""
        codes, starts = kernels.codes_of(lines)
        words, characters, entries = self._tables
        found = kernels.word_rows(
            codes, starts, *words, self.word_idf, self._missing(self.word_idf), WORD_GRAMS[1]
        )
        runs = kernels.character_rows(
            codes,
            starts,
            *characters,
            self.character_idf,
            self._missing(self.character_idf),
            *CHARACTER_GRAMS,
        )
        dense = self.scale * kernels.lexicon_columns(codes, starts, *entries, self.valence, self.group)
        shapes = (len(lines), len(self.words)), (len(lines), len(self.characters))
        return _csr(found, shapes[0]), _csr(runs, shapes[1]), dense

    def matrix(self, lines: Sequence[str]) -> csr_matrix:
        """Return the three blocks side by side (n_lines, columns)."""
        from scipy.sparse import hstack

        return hstack(self.blocks(lines), format="csr")

    def logits(self, lines: Sequence[str], weights: FloatArray) -> FloatArray:
        """Return `matrix(lines) @ weights` (n_lines, n_classes), without the matrix."""
        ends = len(self.words), len(self.words) + len(self.characters)
        words, runs, dense = self.blocks(lines)
        # One column after another: a product of matrices sums in an order that depends on their shape.
        found = np.zeros((len(lines), weights.shape[1]))
        for column, weight in zip(dense.T, weights[ends[1] :], strict=True):
            found += column[:, None] * weight
        return np.asarray(words @ weights[: ends[0]] + runs @ weights[ends[0] : ends[1]] + found)

    def _missing(self, idf: FloatArray) -> float:
        return float(self.unknown * idf.max() ** 2) if len(idf) else 0.0


def vocabulary_of(
    lines: Sequence[str],
    lexicon: Mapping[str, tuple[float, int]],
    *,
    word_min: int = 2,
    character_min: int = 3,
    scale: float = 0.3,
    unknown: float = 0.0,
) -> Vocabulary:
    """Return the strings that at least `word_min` and `character_min` lines hold, in alphabetical order."""
    words, word_idf = _known(lines, word_grams, word_min)
    characters, character_idf = _known(lines, character_grams, character_min)
    entries = tuple(sorted(lexicon))
    return Vocabulary(
        words,
        word_idf,
        characters,
        character_idf,
        entries,
        np.array([lexicon[entry][0] for entry in entries], np.float64),
        np.array([lexicon[entry][1] for entry in entries], np.int64),
        scale,
        unknown,
    )


def lexicon_entries(ours: Mapping[str, float], general: Mapping[str, float]) -> dict[str, tuple[float, int]]:
    """Return the entries as the kernel finds them; ours go before the general ones, negations before all."""
    found = _normalised(general, GENERAL) | _normalised(ours, OURS)
    marks = {mark: (valence, OURS) for mark, valence in _MARKS.items()}
    return found | marks | dict.fromkeys(NEGATIONS, (0.0, NEGATION))


def _normalised(valences: Mapping[str, float], group: int) -> dict[str, tuple[float, int]]:
    entries = {" ".join(words_of(line_of(text))): (valence, group) for text, valence in valences.items()}
    # What is left of an emoticon or of a number alone says nothing.
    dull = {"", "N", "Q", "QQ", "?", "!"}
    return {
        entry: told
        for entry, told in entries.items()
        if entry not in dull and len(entry.split()) <= LONGEST_PHRASE
    }


def _known(
    lines: Sequence[str], grams: Callable[[str], Iterable[str]], least: int
) -> tuple[tuple[str, ...], FloatArray]:
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(set(grams(line)))
    known = tuple(sorted(gram for gram, count in counts.items() if count >= least))
    idf = [1.0 + math.log((1 + len(lines)) / (1 + counts[gram])) for gram in known]
    return known, np.array(idf, np.float64)


def _csr(parts: tuple[IntArray, NDArray[np.int32], FloatArray], shape: tuple[int, int]) -> csr_matrix:
    from scipy.sparse import csr_matrix

    bounds, found, values = parts
    return csr_matrix((values, found, bounds), shape=shape)
