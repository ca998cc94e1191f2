"""A user's own models beside the three, as arrays: any number of voters in one compiled loop."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlstrat.arrays import FloatArray, IntArray, njit
from mlstrat.models.trees import LEAF, Trees, predict_trees

# How a voter comes to its vote; GIVEN = it is no set of trees, and its vote stands in the row already.
PLAIN, LOGISTIC, GIVEN = range(3)
_FIRST = 2  # column of the first vote


class Voters(NamedTuple):
    """Own models, one array element a voter.

    Voter k votes `base + scale * sum` over the trees whose roots are `first[k]` to `first[k + 1]` of
    `trees.roots`, through 1 / (1 + exp(-vote)) where its `kind` is `LOGISTIC`, into column `place` of a
    prediction row. The base and the scale of `trees` are not read.
    """

    trees: Trees
    first: IntArray
    base: FloatArray
    scale: FloatArray
    kind: IntArray
    place: IntArray


class Voter(NamedTuple):
    """One of them: its trees and `PLAIN` or `LOGISTIC`, or None and `GIVEN`; its column; a factor."""

    trees: Trees | None
    kind: int
    place: int
    unit: float = 1.0


def silent_trees() -> Trees:
    """Return one leaf that says 0: what stands where a model was replaced."""
    leaf, none = np.array([LEAF], np.int32), np.zeros(1, np.int32)
    return Trees(leaf, none, none.copy(), none.copy(), np.zeros(1), none.copy(), 0.0, 1.0)


def join_voters(voters: Sequence[Voter]) -> Voters:
    """Return voters as arrays, in the order given."""
    parts = [voter.trees for voter in voters if voter.trees is not None] or [silent_trees()]
    begin = np.concatenate([[0], np.cumsum([len(part.feature) for part in parts])[:-1]])
    inner = np.concatenate([part.feature for part in parts]) != LEAF
    moved = np.repeat(begin, [len(part.feature) for part in parts])

    def joined(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(part, name) for part in parts])

    trees = Trees(
        feature=joined("feature"),
        cut=joined("cut"),
        left=np.where(inner, joined("left") + moved, 0).astype(np.int32),
        right=np.where(inner, joined("right") + moved, 0).astype(np.int32),
        value=joined("value"),
        roots=np.concatenate([part.roots + at for part, at in zip(parts, begin, strict=True)]).astype(
            np.int32
        ),
        base=0.0,
        scale=1.0,
    )
    count = [0 if voter.trees is None else len(voter.trees.roots) for voter in voters]
    return Voters(
        trees=trees,
        first=np.concatenate([[0], np.cumsum(count)]).astype(np.int64),
        base=np.array(
            [voter.unit * voter.trees.base if voter.trees else 0.0 for voter in voters], np.float64
        ),
        scale=np.array(
            [voter.unit * voter.trees.scale if voter.trees else 0.0 for voter in voters], np.float64
        ),
        kind=np.array([voter.kind for voter in voters], np.int64),
        place=np.array([voter.place for voter in voters], np.int64),
    )


NO_VOTERS = join_voters(())


@njit
def vote_row(bins: IntArray, voters: Voters, given: tuple[float, float, float], out: FloatArray) -> None:
    """Write the votes of one row of bins; `given` is what stood in the columns of the three before."""
    t = voters.trees
    for k in range(len(voters.kind)):
        place = voters.place[k]
        if voters.kind[k] == GIVEN:
            if place - _FIRST < len(given):
                out[place] = given[place - _FIRST]
            continue
        roots = t.roots[voters.first[k] : voters.first[k + 1]]
        total = predict_trees(bins, t.feature, t.cut, t.left, t.right, t.value, roots)
        vote = voters.base[k] + voters.scale[k] * total
        if voters.kind[k] == LOGISTIC:
            vote = 1.0 / (1.0 + math.exp(-vote))
        out[place] = vote
