"""What a forest's log loss loses when columns are permuted, and what it would lose by chance.

The log loss of an outcome y in {0, 1} is linear in y. So is the loss gained by permuting: it is
`level + mean(tilt * y)`, where `level` and `tilt` depend on the forecasts alone. That makes the importance
under other outcomes as cheap as a correlation, and so its distribution under outcomes that belong to another
time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlstrat.arrays import FloatArray, IntArray, njit
from mlstrat.models.trees import Trees, predict_trees

_EDGE = 1e-6  # keeps the logarithm of a forecast finite


@dataclass(frozen=True, eq=False)
class Contrast:
    """Forecasts against forecasts with permuted columns, over the rows of one test fold.

    Parameters
    ----------
    prob : (n_rows,) float64
        Forecast of up.
    level : (n_groups,) float64
        Mean over rows of log(1 - prob) - log(1 - permuted), in nats.
    tilt : (n_groups, n_rows) float64
        logit(prob) - logit(permuted). Both are means over the repeats.
    """

    prob: FloatArray
    level: FloatArray
    tilt: FloatArray

    def importance(self, up: FloatArray) -> FloatArray:
        """(n_groups,) log loss gained by permuting, in nats a row; above 0 the columns help."""
        return np.asarray(self.level + (self.tilt * up).mean(axis=1))

    def shifted(self, up: FloatArray, shifts: IntArray) -> FloatArray:
        """Return the importances had the outcomes come some rows later, in a circle.

        Parameters
        ----------
        up : (n_rows,) float64
            1 where the price rose, else 0.
        shifts : (n_shifts,) int64
            Row t gets the outcome of row t + shift.

        Returns
        -------
        (n_shifts, n_groups) float64
        """
        n = len(up)
        spectrum = np.conj(np.fft.rfft(self.tilt, axis=1)) * np.fft.rfft(up)
        return np.asarray(self.level + np.fft.irfft(spectrum, n, axis=1)[:, shifts].T / n)


def contrast(bins: IntArray, forest: Trees, groups: list[IntArray], repeats: int, seed: int) -> Contrast:
    """Permute the columns of each group together and forecast again.

    Rows are permuted one by one and not in blocks. The forest reads a row at a time, so that it never sees
    the order within a permuted column. Blocks pair fewer rows, which adds noise, and blocks of whole days
    leave the hour where it was and call it worthless. That rows depend on their neighbours is met where it
    matters: in the chance distribution, whose shifts keep it.

    Parameters
    ----------
    bins : (n_rows, n_features) int64
        Test rows.
    forest : Trees
        Fitted on earlier rows; its output is a probability.
    groups : list of (n_members,) int64
        Columns; a column may be in several groups.
    repeats : int
        Permutations, averaged; each is the same for every group, so that groups are compared fairly.
    seed : int
        Seed of the permutations.
    """
    generator = np.random.default_rng(seed)
    small = bins.astype(np.uint8)
    forecast = forest.base + forest.scale * _sums(bins, forest)
    prob = _clipped(forecast)
    level, tilt = np.zeros(len(groups)), np.zeros((len(groups), len(bins)))
    layers = _layers(groups, bins.shape[1])
    for _ in range(repeats):
        source = generator.permutation(len(bins))
        for members, group_of in layers:
            changes = permuted_changes(small, source, group_of, len(members), *forest[:6])
            permuted = _clipped(forecast + forest.scale * changes)
            level[members] += (np.log1p(-prob) - np.log1p(-permuted)).mean(axis=1)
            tilt[members] += _logit(prob) - _logit(permuted)
    return Contrast(prob, level / repeats, tilt / repeats)


def _layers(groups: list[IntArray], n_features: int) -> list[tuple[IntArray, IntArray]]:
    """Deal groups into layers without overlap: (groups of a layer, group in it of each column or -1)."""
    layers: list[tuple[list[int], IntArray]] = []
    for index, columns in enumerate(groups):
        free = (layer for layer in layers if (layer[1][columns] < 0).all())
        found = next(free, None)
        if found is None:
            found = ([], np.full(n_features, -1, np.int64))
            layers.append(found)
        found[1][columns] = len(found[0])
        found[0].append(index)
    return [(np.array(members), group_of) for members, group_of in layers]


def _clipped(prob: FloatArray) -> FloatArray:
    return np.clip(prob, _EDGE, 1.0 - _EDGE)


def _logit(prob: FloatArray) -> FloatArray:
    return np.asarray(np.log(prob) - np.log1p(-prob))


def _sums(bins: IntArray, trees: Trees) -> FloatArray:
    return np.array([predict_trees(row, *trees[:6]) for row in bins])


@njit
def permuted_changes(
    bins: NDArray[np.uint8],
    source: IntArray,
    group_of: IntArray,
    n_groups: int,
    feature: NDArray[np.int32],
    cut: NDArray[np.int32],
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    value: FloatArray,
    roots: NDArray[np.int32],
) -> FloatArray:
    """Return by how much the sum of reached values changes when a group's columns come from other rows.

    Only trees whose path of the row tests a column of the group are walked again: no other can change.

    Parameters
    ----------
    bins : (n_rows, n_features) uint8
        Binned rows.
    source : (n_rows,) int64
        From which row each row takes the columns of the permuted group.
    group_of : (n_features,) int64
        Group of each column, -1 for none.
    n_groups : int
        Groups.

    Returns
    -------
    (n_groups, n_rows) float64
    """
    changes = np.zeros((n_groups, len(bins)))
    met = np.full(n_groups, -1)  # the last walk that met the group
    path = np.empty(n_groups, np.int64)
    walk = 0
    for root in roots:
        for row in range(len(bins)):
            node, length = root, 0
            while feature[node] >= 0:
                group = group_of[feature[node]]
                if group >= 0 and met[group] != walk:
                    met[group] = walk
                    path[length] = group
                    length += 1
                node = left[node] if bins[row, feature[node]] <= cut[node] else right[node]
            walk += 1
            reached = value[node]
            for group in path[:length]:
                node = root
                while feature[node] >= 0:
                    column = feature[node]
                    taken = source[row] if group_of[column] == group else row
                    node = left[node] if bins[taken, column] <= cut[node] else right[node]
                changes[group, row] += value[node] - reached
    return changes
