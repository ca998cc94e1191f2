"""Fitted windows as strings of base-88 digits and lists of numbers, which a script reads back bit for bit.

A string holds what there is much of, each as whole numbers of fixed width: bin edges (decimals times a power
of ten, those that are needed), trees in preorder (an inner node is a feature and a cut, a leaf a level on its
model's grid), the LSTM's inputs and weights (levels on grids). Everything else is a plain number.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.calibration import Curve, Kind, name_of
from mlstrat.capsule import Capsule
from mlstrat.errors import ConfigError
from mlstrat.models.lstm import Lstm
from mlstrat.models.trees import LEAF, Trees
from mlstrat.models.voters import GIVEN, LOGISTIC, Voters
from mlstrat.pine.edges import KeptEdges, kept_edges
from mlstrat.pine.grids import Grid, grid_of
from mlstrat.pine.packing import BASE, chunks, digits, width_of
from mlstrat.pine.passes import forecast_passes
from mlstrat.signals.odds import Odds

# Features up to so many leave most of a digit's values to the leaves; more take two digits.
_ONE_DIGIT = 60
# Thresholds where no score pays: a score never reaches them.
_NEVER = {1.0: 2.0, -1.0: -1.0}
WEIGHTS = ("w_x", "w_h", "bias", "out")
_FOREST, _BOOSTING, _LSTM = "forest", "boosting", "lstm"


@dataclass(frozen=True)
class Group:
    """Trees that vote together: their name, the column of their vote, whether a logistic map follows."""

    name: str
    vote: int
    logistic: bool = False


@dataclass(frozen=True)
class Layout:
    """What the windows of a run have in common, so that one reader reads all of them.

    Parameters
    ----------
    features : tuple of str
        Columns.
    edge_width : tuple of int
        Digits of an edge, by feature.
    groups : tuple of Group
        Sets of trees, in the order of the string.
    leaf_width : tuple of int
        Digits of a leaf, by group.
    units : int
        Cells of the LSTM; 0 = there is none.
    weight_width : tuple of int
        Digits of a weight, by the groups of `WEIGHTS`.
    votes : int
        Votes that are stacked.
    maps : frozenset of str
        Calibration maps that occur.
    at : mapping
        Places of the numbers that every window has, by name.
    """

    features: tuple[str, ...]
    edge_width: tuple[int, ...]
    groups: tuple[Group, ...]
    leaf_width: tuple[int, ...]
    units: int
    weight_width: tuple[int, ...]
    votes: int
    maps: frozenset[Kind]
    at: Mapping[str, int]

    @property
    def head_width(self) -> int:
        """Digits that tell a node's feature, or the beginning of a leaf."""
        return _head_width(len(self.features))


@dataclass(frozen=True)
class PackedWindow:
    """One window's strings and numbers, and how often the loops of its forecast are passed through."""

    strings: tuple[str, ...]
    numbers: tuple[float | int, ...]
    passes: int

    @property
    def characters(self) -> int:
        """Characters of its strings."""
        return sum(map(len, self.strings))


def pack(capsules: Sequence[Capsule]) -> tuple[Layout, list[PackedWindow]]:
    """Pack the windows of one run.

    Raises
    ------
    ConfigError
        An own model is no set of trees, or a bin edge is no short decimal.
    """
    for capsule in capsules:
        if capsule.guests:
            raise ConfigError(
                f"models.{capsule.guests[0].name} has no Pine form, because it is no set of trees: leave it "
                "out, or give a forest or a booster."
            )
    speaking = frozenset(name for capsule in capsules for name in _speaking(capsule))
    windows = [_Window(capsule, speaking) for capsule in capsules]
    first = windows[0]
    n_features, groups = len(first.edges), first.groups
    counts = [[window.leaves[k].count for window in windows] for k in range(len(groups))]
    layout = Layout(
        features=capsules[0].about.features,
        edge_width=tuple(
            max(width_of(max(window.edges[f].span)) for window in windows) for f in range(n_features)
        ),
        groups=groups,
        leaf_width=tuple(_leaf_width(max(count), n_features) for count in counts),
        units=first.units,
        weight_width=tuple(
            max(width_of(window.weights[k].count - 1) for window in windows)
            for k in range(len(first.weights))
        ),
        votes=len(capsules[0].ensemble.stack.slope),
        maps=frozenset(kind for window in windows for kind in window.maps),
        at={name: place for place, name in enumerate(first.named())},
    )
    return layout, [
        PackedWindow(tuple(chunks(list(window.records(layout)))), tuple(window.numbers()), window.passes())
        for window in windows
    ]


class _Window:
    """A capsule taken apart."""

    def __init__(self, capsule: Capsule, speaking: frozenset[str]) -> None:
        self._capsule = capsule
        models = capsule.ensemble.models
        members = list(_members(capsule, speaking))
        inputs = models.lstm.inputs if _LSTM in speaking else np.empty(0, np.int64)
        self._kept = kept_edges(models.edges, [trees for _, trees, _, _ in members], inputs)
        self.edges = self._kept.of
        self.groups = tuple(group for group, _, _, _ in members)
        self._members = members
        self.leaves = [grid_of(trees.value[trees.feature == LEAF]) for _, trees, _, _ in members]
        lstm = models.lstm
        self.units = len(lstm.w_out) if _LSTM in speaking else 0
        self.weights = [grid_of(part) for part in _weights(lstm)] if self.units else []
        self.maps = [name_of(curve) for curve in self._curves()]

    def _curves(self) -> Iterator[Curve]:
        yield self._capsule.ensemble.stack.curve
        yield from (odds.curve for odds in self._capsule.odds)

    def passes(self) -> int:
        """Return the passes of a forecast, at most."""
        inputs = len(self._capsule.ensemble.models.lstm.inputs) if self.units else 0
        edges = [len(part.wholes) for part in self.edges]
        knots = [len(curve.knots) for curve in self._curves()]
        trees = [trees for _, trees, _, _ in self._members]
        return forecast_passes(edges, trees, inputs, self.units, knots)

    def records(self, layout: Layout) -> Iterator[str]:
        """Return what the string holds, piece by piece."""
        for edges, width in zip(self.edges, layout.edge_width, strict=True):
            yield digits(edges.exponent, 1) + digits(len(edges.wholes), 1)
            yield from (digits(step, width) for step in edges.span if edges.wholes)
        n = len(self.edges)
        for (_, trees, _, _), grid, width in zip(self._members, self.leaves, layout.leaf_width, strict=True):
            yield from _preorder(trees, grid, self._kept, width)
        if self.units:
            yield from (
                digits(int(column), _head_width(n)) for column in self._capsule.ensemble.models.lstm.inputs
            )
            for grid, width in zip(self.weights, layout.weight_width, strict=True):
                yield from (digits(level, width) for level in grid.levels)

    def named(self) -> dict[str, float | int]:
        """Return the numbers that every window has, by name, in their order."""
        models, stack = self._capsule.ensemble.models, self._capsule.ensemble.stack
        found: dict[str, float | int] = {"curve_at": 0, "long_at": 0, "short_at": 0}
        found |= {f"edge_{f}": edges.least for f, edges in enumerate(self.edges)}
        for (group, trees, base, scale), grid in zip(self._members, self.leaves, strict=True):
            name = group.name
            found |= {f"{name}_trees": len(trees.roots), f"{name}_low": grid.low, f"{name}_step": grid.step}
            found |= {f"{name}_base": base, f"{name}_scale": scale}
        if self.units:
            found |= {"unit": models.unit, "inputs": len(models.lstm.inputs)}
            for name, grid in zip(WEIGHTS, self.weights, strict=True):
                found |= {f"{name}_low": grid.low, f"{name}_step": grid.step}
            found |= {f"state_{k}": float(value) for k, value in enumerate(self._capsule.state.ravel())}
        found["offset"] = stack.offset
        found["sentiment"] = self._capsule.window.sentiment.share
        for name in ("slope", "centre", "spread"):
            found |= {f"{name}_{k}": float(value) for k, value in enumerate(getattr(stack, name))}
        return found

    def numbers(self) -> list[float | int]:
        """Return its numbers: the named ones, then the three maps, whose places the first ones tell."""
        found = self.named()
        maps = [_curve(self._capsule.ensemble.stack.curve, ())]
        for odds, threshold in zip(self._capsule.odds, self._capsule.threshold, strict=True):
            maps.append(_odds(odds, threshold))
        place = len(found)
        for name, block in zip(("curve_at", "long_at", "short_at"), maps, strict=True):
            found[name] = place
            place += len(block)
        return [*found.values(), *(number for block in maps for number in block)]


def _speaking(capsule: Capsule) -> Iterator[str]:
    """Return which of the three models say anything: one that was left out or replaced is silent."""
    models = capsule.ensemble.models
    for name, trees in ((_FOREST, models.forest), (_BOOSTING, models.boosting)):
        if trees.value.any() or trees.base:
            yield name
    if models.lstm.w_out.any() or models.lstm.b_out:
        yield _LSTM


def _members(capsule: Capsule, speaking: frozenset[str]) -> Iterator[tuple[Group, Trees, float, float]]:
    """Return each set of trees with the base and the scale that its sum is put on."""
    models = capsule.ensemble.models
    own = models.voters
    forest, boosting, unit = models.forest, models.boosting, models.unit
    if _FOREST in speaking:
        yield Group(_FOREST, 0), forest, 0.0, forest.scale
    if _BOOSTING in speaking:
        yield Group(_BOOSTING, 1), boosting, boosting.base * unit, boosting.scale * unit
    for k, kind in enumerate(own.kind):
        if kind == GIVEN:
            raise ConfigError("an own model of this file has no Pine form: give one that is a set of trees.")
        group = Group(f"own{k}", int(own.place[k]) - 2, bool(kind == LOGISTIC))
        yield group, _trees_of(own, k), float(own.base[k]), float(own.scale[k])


def _trees_of(voters: Voters, k: int) -> Trees:
    roots = voters.trees.roots[voters.first[k] : voters.first[k + 1]]
    return voters.trees._replace(roots=roots)


def _preorder(trees: Trees, grid: Grid, kept: KeptEdges, width: int) -> Iterator[str]:
    n_features = len(kept.of)
    head = _head_width(n_features)
    level = iter(grid.levels)
    by_node = {int(node): next(level) for node in np.flatnonzero(trees.feature == LEAF)}
    below = BASE ** (width - head)
    for root in trees.roots:
        waiting = [int(root)]
        while waiting:
            at = waiting.pop()
            if trees.feature[at] == LEAF:
                first, rest = divmod(by_node[at], below)
                yield digits(n_features + first, head) + (digits(rest, width - head) if width > head else "")
                continue
            feature = int(trees.feature[at])
            yield digits(feature, head) + digits(kept.cut(feature, int(trees.cut[at])), 1)
            waiting += [int(trees.right[at]), int(trees.left[at])]


def _head_width(n_features: int) -> int:
    return 1 if n_features <= _ONE_DIGIT else 2


def _leaf_width(count: int, n_features: int) -> int:
    width = head = _head_width(n_features)
    while (BASE**head - n_features) * BASE ** (width - head) < count:
        width += 1
    return width


def _weights(lstm: Lstm) -> tuple[FloatArray, ...]:
    return lstm.w_x.ravel(), lstm.w_h.ravel(), lstm.bias, np.append(lstm.w_out, lstm.b_out)


def _curve(curve: Curve, variance: Sequence[float]) -> list[float | int]:
    """Return scale, shift, number of weights and of knots, then weights, knots and variances."""
    weights, knots = map(float, curve.weights), map(float, curve.knots)
    counts = len(curve.weights), len(curve.knots)
    return [float(curve.scale), float(curve.shift), *counts, *weights, *knots, *map(float, variance)]


def _odds(odds: Odds, threshold: float) -> list[float | int]:
    """Return base, its variance, centre, spread, payoff and threshold, then the map."""
    at = _NEVER[odds.side] if math.isnan(threshold) else float(threshold)
    variance = odds.base_var + odds.drift_var
    head = [float(part) for part in (odds.base, variance, odds.centre, odds.spread, odds.payoff)]
    return [*head, at, *_curve(odds.curve, odds.curve_var.tolist())]
