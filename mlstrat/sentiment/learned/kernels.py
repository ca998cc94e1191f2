"""Counting a text's known words, characters and lexicon entries, compiled.

What is known lies in hash tables of 64-bit FNV-1a hashes over code points (Fowler, Noll and Vo, 1991); that
no two known strings share one is checked when a table is made.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlstrat.arrays import FloatArray, IntArray, njit
from mlstrat.errors import ModelError

HashArray = NDArray[np.uint64]
CodeArray = NDArray[np.uint32]

LONGEST_PHRASE = 5  # words of an entry of the lexicon
DENSE = 14  # columns of `lexicon_columns`
_BASIS = np.uint64(14695981039346656037)
_PRIME = np.uint64(1099511628211)
_REACH = 3  # words over which a negation reaches
_TURNED = -0.7  # what a negated entry counts, near VADER's -0.74


class Table(NamedTuple):
    """A set of strings by their hashes: `slots[i]` is the row of the string with hash `keys[i]`, or -1."""

    keys: HashArray
    slots: NDArray[np.int32]


class Lexicon(NamedTuple):
    """Entries with a valence (n,) and a group (n,): 0 ours, 1 general, 2 negations."""

    table: Table
    valence: FloatArray
    group: IntArray


class Block(NamedTuple):
    """A vocabulary with the inverse document frequency of each string, and what an unknown string weighs."""

    table: Table
    idf: FloatArray
    unknown: float


def codes_of(lines: Sequence[str]) -> tuple[CodeArray, IntArray]:
    """Return the code points of all lines, and where each begins; (n + 1,) with the end of the last."""
    joined = "".join(lines).encode("utf-32-le", "surrogatepass")
    starts = np.zeros(len(lines) + 1, np.int64)
    np.cumsum([len(line) for line in lines], out=starts[1:])
    return np.frombuffer(joined, np.uint32), starts


def table_of(strings: Sequence[str]) -> Table:
    """Return the hash table of distinct strings.

    Raises
    ------
    ModelError
        Two of them are equal or share a hash.
    """
    hashes = _hashes(*codes_of(strings))
    if len(np.unique(hashes)) != len(hashes):
        raise ModelError("two entries of a vocabulary are one: train the model again.")
    size = 1 << max(4, (4 * len(strings)).bit_length())
    keys, slots = np.zeros(size, np.uint64), np.full(size, -1, np.int32)
    _fill(hashes, keys, slots)
    return Table(keys, slots)


@njit
def _step(h: np.uint64, code: np.uint32) -> np.uint64:
    return (h ^ np.uint64(code)) * _PRIME


@njit
def _hashes(codes: CodeArray, starts: IntArray) -> HashArray:
    out = np.empty(len(starts) - 1, np.uint64)
    for i in range(len(out)):
        h = _BASIS
        for at in range(starts[i], starts[i + 1]):
            h = _step(h, codes[at])
        out[i] = h
    return out


@njit
def _place(h: np.uint64, size: int) -> np.int64:
    return np.int64((h ^ (h >> np.uint64(32))) & np.uint64(size - 1))


@njit
def _fill(hashes: HashArray, keys: HashArray, slots: NDArray[np.int32]) -> None:
    for i in range(len(hashes)):
        at = _place(hashes[i], len(keys))
        while slots[at] >= 0:
            at = (at + 1) & (len(keys) - 1)
        keys[at] = hashes[i]
        slots[at] = i


@njit
def _find(h: np.uint64, keys: HashArray, slots: NDArray[np.int32]) -> int:
    at = _place(h, len(keys))
    while slots[at] >= 0:
        if keys[at] == h:
            return np.int64(slots[at])  # type: ignore[return-value]
        at = (at + 1) & (len(keys) - 1)
    return -1


@njit
def _is_word(code: np.uint32) -> bool:
    c = int(code)
    if c < 128:
        return 48 <= c <= 57 or 65 <= c <= 90 or 97 <= c <= 122 or c == 38 or c == 39
    return c not in (0xA0, 0xAB, 0xBB) and not 0x2000 <= c <= 0x206F


@njit
def _word_bounds(codes: CodeArray) -> IntArray:
    """Return begin and end of each word (n, 2); `?` and `!` are words."""
    bounds = np.empty((len(codes), 2), np.int64)
    count, begin = 0, -1
    for at in range(len(codes) + 1):
        code = codes[at] if at < len(codes) else np.uint32(32)
        if _is_word(code):
            if begin < 0:
                begin = at
            continue
        if begin >= 0:
            bounds[count, 0], bounds[count, 1] = begin, at
            count += 1
            begin = -1
        if code == 33 or code == 63:
            bounds[count, 0], bounds[count, 1] = at, at + 1
            count += 1
    return bounds[:count]


@njit
def _add(row: int, counts: IntArray, seen: IntArray, n_seen: int) -> int:
    if counts[row] == 0:
        seen[n_seen] = row
        n_seen += 1
    counts[row] += 1
    return n_seen


@njit
def _weigh(
    idf: FloatArray,
    unknown_square: float,
    counts: IntArray,
    seen: IntArray,
    n_seen: int,
    columns: NDArray[np.int32],
    values: FloatArray,
    at: int,
) -> None:
    """Write (1 + log count) * idf, divided by its Euclidean norm, and empty the counts."""
    square = unknown_square
    for i in range(n_seen):
        row = seen[i]
        value = (1.0 + math.log(counts[row])) * idf[row]
        columns[at + i] = row
        values[at + i] = value
        square += value * value
        counts[row] = 0
    norm = math.sqrt(square)
    for i in range(n_seen):
        values[at + i] /= norm


@njit
def word_rows(
    codes: CodeArray,
    starts: IntArray,
    keys: HashArray,
    slots: NDArray[np.int32],
    idf: FloatArray,
    unknown: float,
    longest: int,
) -> tuple[IntArray, NDArray[np.int32], FloatArray]:
    """Return the weighted word runs of each line as the parts of a CSR matrix: bounds, columns, values."""
    n = len(starts) - 1
    bounds = np.zeros(n + 1, np.int64)
    room = longest * (len(codes) + 1)
    columns, values = np.empty(room, np.int32), np.empty(room, np.float64)
    counts, seen = np.zeros(len(idf), np.int64), np.empty(room, np.int64)
    for i in range(n):
        line = codes[starts[i] : starts[i + 1]]
        words = _word_bounds(line)
        n_seen, missed = 0, 0
        for first in range(len(words)):
            h = _BASIS
            for last in range(first, min(first + longest, len(words))):
                if last > first:
                    h = _step(h, np.uint32(32))
                for at in range(words[last, 0], words[last, 1]):
                    h = _step(h, line[at])
                row = _find(h, keys, slots)
                if row >= 0:
                    n_seen = _add(row, counts, seen, n_seen)
                elif last == first:
                    missed += 1
        _weigh(idf, missed * unknown, counts, seen, n_seen, columns, values, bounds[i])
        bounds[i + 1] = bounds[i] + n_seen
    return bounds, columns[: bounds[n]].copy(), values[: bounds[n]].copy()


@njit
def character_rows(
    codes: CodeArray,
    starts: IntArray,
    keys: HashArray,
    slots: NDArray[np.int32],
    idf: FloatArray,
    unknown: float,
    shortest: int,
    longest: int,
) -> tuple[IntArray, NDArray[np.int32], FloatArray]:
    """Return the weighted character runs of each padded line as the parts of a CSR matrix."""
    n = len(starts) - 1
    bounds = np.zeros(n + 1, np.int64)
    room = (longest - shortest + 1) * (len(codes) + 2 * n)
    columns, values = np.empty(room, np.int32), np.empty(room, np.float64)
    counts, seen = np.zeros(len(idf), np.int64), np.empty(room, np.int64)
    for i in range(n):
        length = starts[i + 1] - starts[i]
        padded = np.full(length + 2, np.uint32(32))
        padded[1 : length + 1] = codes[starts[i] : starts[i + 1]]
        n_seen, missed = 0, 0
        for first in range(len(padded)):
            h = _BASIS
            for last in range(first, min(first + longest, len(padded))):
                h = _step(h, padded[last])
                if last - first + 1 >= shortest:
                    row = _find(h, keys, slots)
                    if row >= 0:
                        n_seen = _add(row, counts, seen, n_seen)
                    else:
                        missed += 1
        _weigh(idf, missed * unknown, counts, seen, n_seen, columns, values, bounds[i])
        bounds[i + 1] = bounds[i] + n_seen
    return bounds, columns[: bounds[n]].copy(), values[: bounds[n]].copy()


@njit
def lexicon_columns(
    codes: CodeArray,
    starts: IntArray,
    keys: HashArray,
    slots: NDArray[np.int32],
    valence: FloatArray,
    group: IntArray,
) -> FloatArray:
    """Return what the lexicon finds in each line (n, 14).

    Sums of positive and of negative valences of our entries and of the general ones (0 to 3), counts of
    positive and of negative entries (4, 5), whether the total is positive or negative (6, 7), the total where
    positive and where negative, at most 4 (8, 9), the sign of the first and of the last entry (10, 11), and
    whether the line asks (12) or shouts (13). The longest entry at a place counts; after a negation within
    three words it counts -0.7 times.
    """
    out = np.zeros((len(starts) - 1, DENSE))
    for i in range(len(out)):
        line = codes[starts[i] : starts[i + 1]]
        words = _word_bounds(line)
        first, reach = 0, 0
        while first < len(words):
            h, found, width = _BASIS, -1, 1
            for last in range(first, min(first + LONGEST_PHRASE, len(words))):
                if last > first:
                    h = _step(h, np.uint32(32))
                for at in range(words[last, 0], words[last, 1]):
                    h = _step(h, line[at])
                row = _find(h, keys, slots)
                if row >= 0:
                    found, width = row, last - first + 1
            code = line[words[first, 0]]
            out[i, 12] = 1.0 if code == 63 else out[i, 12]
            out[i, 13] = 1.0 if code == 33 else out[i, 13]
            if found >= 0 and group[found] == 2:
                reach = _REACH + 1
            elif found >= 0:
                value = valence[found] * (_TURNED if reach > 0 else 1.0)
                side = 0 if value > 0 else 1
                out[i, 2 * group[found] + side] += abs(value)
                out[i, 4 + side] += 1.0
                sign = 1.0 if value > 0 else -1.0
                out[i, 11] = sign
                out[i, 10] = sign if out[i, 10] == 0.0 else out[i, 10]
            reach -= 1
            first += width
        total = out[i, 0] - out[i, 1] + 0.5 * (out[i, 2] - out[i, 3])
        out[i, 6], out[i, 7] = (1.0 if total > 0 else 0.0), (1.0 if total < 0 else 0.0)
        out[i, 8], out[i, 9] = min(max(total, 0.0), 4.0), min(max(-total, 0.0), 4.0)
    return out
