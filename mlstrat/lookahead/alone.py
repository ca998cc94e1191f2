"""Features that are functions of whole arrays, cut alone at many bars: cheap, so that rare peeks show too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from mlstrat.arrays import IntArray
from mlstrat.config_sentiment import MOOD_FEATURES
from mlstrat.data.bars import Bars
from mlstrat.features.causality import Rounding, values_of
from mlstrat.features.lookup import find
from mlstrat.features.registry import Feature
from mlstrat.lookahead.compare import Compared, Unlike, compare
from mlstrat.lookahead.past import Past

ALONE = "array functions alone"
# A peek at one bar in 216 escapes so many cuts of four years of hours about once in ten thousand audits.
CUTS = 2000
# Bars that share what comes after them: each is cut off from as many later ones, or twice as many.
_BLOCK = 200


@dataclass(frozen=True)
class Alone:
    """What cutting features alone gave.

    Parameters
    ----------
    functions : tuple of str
        Those that are functions of whole arrays: they were cut.
    steps : int
        Features that are steps: given one bar after another, they have no later one to look at.
    bars : int
        Bars at which each function was cut, or fewer where it has fewer.
    found : Compared
        Values at and before these bars, with later ones and without.
    """

    functions: tuple[str, ...]
    steps: int
    bars: int
    found: Compared


def cut_alone(past: Past, seed: int, unlike: Unlike, count: int = CUTS) -> Alone:
    """Cut a run's array functions at bars drawn by a seed, and compare all that they said by then.

    The rows before a cut begin a lookback before its block, so that the cost does not grow with the run.

    Raises
    ------
    DataError
        A function fails on so few bars.
    """
    names = [name for name in past.panel.features.names if name not in MOOD_FEATURES]
    features = [find(name) for name in names]
    functions = [f for f in features if f.function is not None]
    found, most = Compared(ALONE), 0
    for f in functions:
        bars, rounding = _bars_of(f, past), Rounding.of(past.panel.features.column(f.name))
        cuts = draw(f, len(bars), seed, count)
        most, found = max(most, len(cuts)), found + cut_function(f, bars, cuts, rounding, unlike)
    told = tuple(f.name for f in functions)
    return Alone(told, len(features) - len(functions), most, found)


def _bars_of(f: Feature, past: Past) -> Bars:
    return next((bars for bars in past.others if bars.symbol == f.symbol), past.bars)


def draw(f: Feature, n_bars: int, seed: int, count: int) -> IntArray:
    """Draw distinct bars that have a value and a later bar, in order."""
    there = np.arange(f.lookback - 1, n_bars - 1)
    return np.sort(np.random.default_rng(seed).choice(there, min(count, len(there)), replace=False))


def cut_function(f: Feature, bars: Bars, cuts: IntArray, rounding: Rounding, unlike: Unlike) -> Compared:
    """Cut one function at some bars, in order."""
    return sum(_compared(f, bars, cuts, rounding, unlike), Compared(ALONE))


def _compared(
    f: Feature, bars: Bars, cuts: IntArray, rounding: Rounding, unlike: Unlike
) -> Iterator[Compared]:
    due = f.lookback - 1
    for block in np.unique(cuts // _BLOCK):
        begin = max(int(block) * _BLOCK - due, 0)
        rows = bars.matrix[begin : (int(block) + 2) * _BLOCK]
        whole = values_of(f, rows)
        for cut in cuts[cuts // _BLOCK == block]:
            known = values_of(f, rows[: cut - begin + 1])[due:]
            there = whole[due : due + len(known)]
            # What differs by rounding alone counts as the same.
            without = np.where(rounding.apart(known, there), known, there)
            told = compare(ALONE, {f.name: (there, without)}, bars.time, begin + due, int(cut), unlike)
            yield replace(told, rounded=int(np.sum((without != known) & ~np.isnan(known))))
