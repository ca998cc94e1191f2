"""Calibration maps: from a number that orders bars to the log-odds of what came of them.

Three maps, all non-decreasing and all anchored, so that an average number means the base rate:

    Platt     slope x u                                        (Platt 1999, eq. 6, with a fixed offset)
    beta      high x log(1 + e^u) - low x log(1 + e^-u)        (Kull, Silva Filho and Flach 2017, eq. 5)
    isotonic  a step for each block of the pooled outcomes     (Zadrozny and Elkan 2002, section 3)

with u the number in units of its spread; the beta map is theirs at the probability sigmoid(u). Each half
of the sample is predicted by a map that was fitted on the other half, and the log loss of that chooses.
Platt's map, which has one parameter, is left only for one that is better by more than the standard error of
the difference: in a sample of some hundred independent labels the others mostly fit noise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from mlstrat.arrays import FloatArray, IntArray, njit
from mlstrat.logistic import PRIOR_SD, fit_slopes, logit, sigmoid

Kind = Literal["platt", "beta", "isotonic"]
Choice = Literal["auto", "platt", "beta", "isotonic"]
KINDS: tuple[Kind, ...] = ("platt", "beta", "isotonic")  # from the simplest on: ties go to the first

LEAST_BLOCK = 10.0  # independent labels that a step of the isotonic map stands for, at least
PSEUDO_LABELS = 2.0  # at the base rate, in every block: a block without a win is no certainty


class Curve(NamedTuple):
    """A fitted map; numbers only, so that it stores, compiles and exports.

    `weights` has one number for Platt's map (slope), two for the beta map (low, high), and for the isotonic
    map the level of each step. `knots` holds where each step begins and is empty for the other two. `shift`
    is taken off the map, so that it is 0 on average; `scale` is the spread that numbers are divided by.
    """

    weights: FloatArray
    knots: FloatArray
    shift: float
    scale: float


class Fit(NamedTuple):
    """A map and how sure it is.

    `variance` is of the log-odds: Platt's map has that of its slope, the isotonic map that of each step, and
    the beta map the variances of low and high, their covariance, and the means that low and high are
    multiplied around.
    """

    curve: Curve
    variance: FloatArray


class Part(NamedTuple):
    """Two disjoint samples: a map fitted on (z, y) is judged on (later_z, later_y)."""

    z: FloatArray
    y: FloatArray
    later_z: FloatArray
    later_y: FloatArray


IDENTITY = Curve(np.ones(1), np.empty(0), 0.0, 1.0)


@njit
def curve_row(z: float, curve: Curve) -> float:
    """Return what a number adds to the log-odds of the base rate."""
    u = z / curve.scale
    if len(curve.knots) > 0:
        return float(curve.weights[step_of(u, curve.knots)] - curve.shift)
    if len(curve.weights) == 2:
        return float(curve.weights[1] * softplus(u) - curve.weights[0] * softplus(-u) - curve.shift)
    return float(curve.weights[0] * u - curve.shift)


@njit
def variance_row(z: float, curve: Curve, variance: FloatArray) -> float:
    """Return the variance of what `curve_row` returns."""
    u = z / curve.scale
    if len(curve.knots) > 0:
        return float(variance[step_of(u, curve.knots)])
    if len(curve.weights) == 2:
        low, high = variance[3] - softplus(-u), softplus(u) - variance[4]
        return float(low * low * variance[0] + high * high * variance[1] + 2.0 * low * high * variance[2])
    return float(u * u * variance[0])


@njit
def step_of(u: float, knots: FloatArray) -> int:
    """Return the step a number lies on; what lies before the first knot lies on the first step."""
    step = 0
    for k in range(1, len(knots)):
        if u >= knots[k]:
            step = k
    return step


@njit
def softplus(u: float) -> float:
    """Return log(1 + e^u), for any u."""
    return max(u, 0.0) + math.log1p(math.exp(-abs(u)))


def check_curve(curve: Curve) -> str:
    """Return what is wrong with a map that comes from a file; empty = nothing. Its numbers are finite."""
    weights, knots = curve.weights, curve.knots
    if not curve.scale > 0.0:
        return "has a scale that is not positive"
    if len(knots):
        if len(knots) != len(weights) or not (np.diff(knots) > 0).all() or not (np.diff(weights) >= 0).all():
            return "has steps that do not ascend"
    elif len(weights) not in (1, 2) or not (weights >= 0).all():
        return f"has {len(weights)} weights, or one below zero"
    return ""


def check_variance(curve: Curve, variance: FloatArray) -> str:
    """Return what is wrong with the variance of a sound map; empty = nothing. Its numbers are finite."""
    kind = name_of(curve)
    wanted = {"platt": 1, "beta": 5, "isotonic": len(curve.weights)}[kind]
    if len(variance) != wanted:
        return f"has {len(variance)} variances and not {wanted}"
    if kind != "beta":
        return "" if (variance > 0).all() else "has a variance that is not positive"
    low, high, both = variance[:3]
    return "" if low > 0 and high > 0 and both * both < low * high else "has a covariance that cannot be"


def name_of(curve: Curve) -> Kind:
    """Return which of the three maps a curve is."""
    if len(curve.knots):
        return "isotonic"
    return "beta" if len(curve.weights) == 2 else "platt"


def apply_curve(z: FloatArray, curve: Curve) -> FloatArray:
    """Return `curve_row` of every number."""
    out = np.empty(len(z))
    _fill(z, curve, out)
    return out


@njit
def _fill(z: FloatArray, curve: Curve, out: FloatArray) -> None:
    for row in range(len(z)):
        out[row] = curve_row(z[row], curve)


def fit_best(choice: Choice, z: FloatArray, y: FloatArray, base: float, overlap: float) -> Fit:
    """Fit the map that the settings ask for, or the one whose halves predict each other best.

    Parameters are those of `fit_curve`; rows are in order of time, and those that the halves share are left
    out while they are compared.
    """
    middle, shared = len(z) // 2, math.ceil(overlap)
    first, second = slice(0, max(middle - shared, 0)), slice(middle, None)
    parts = [Part(z[a], y[a], z[b], y[b]) for a, b in ((first, second), (second, first))]
    kind = choose(choice, parts if middle > 2 * shared else (), base, overlap)
    return fit_curve(kind, z, y, base, overlap)


def fit_curve(kind: Kind, z: FloatArray, y: FloatArray, base: float, overlap: float) -> Fit:
    """Fit one map.

    Parameters
    ----------
    kind : {"platt", "beta", "isotonic"}
        Which one.
    z : (n_rows,) float64
        The numbers, about zero on average.
    y : (n_rows,) float64
        Outcomes, 0 or 1.
    base : float
        Logit of the base rate.
    overlap : float
        Labels that count as one.
    """
    scale = float(z.std()) or 1.0
    if kind == "isotonic":
        return _isotonic(z / scale, y, scale, overlap)
    return _beta(z / scale, y, base, scale, overlap) if kind == "beta" else _platt(z, y, base, overlap)


def choose(choice: Choice, parts: Sequence[Part], base: float, overlap: float) -> Kind:
    """Return the map to use: the one asked for, or the one that predicts the other part best.

    Parameters
    ----------
    choice : {"auto", "platt", "beta", "isotonic"}
        What the settings say.
    parts : sequence of Part
        None of them = nothing to judge by: Platt's map.
    base : float
        Logit of the base rate.
    overlap : float
        Labels that count as one.
    """
    if choice != "auto":
        return choice
    if not parts:
        return "platt"
    losses = {kind: np.concatenate([_loss(kind, part, base, overlap) for part in parts]) for kind in KINDS}
    simple = losses["platt"]

    def lead(kind: Kind) -> float:
        gain = simple - losses[kind]
        error = math.sqrt(overlap * float(gain.var()) / len(gain))
        return float(gain.mean()) if gain.mean() > error else 0.0

    return max(KINDS, key=lead)


def _loss(kind: Kind, part: Part, base: float, overlap: float) -> FloatArray:
    fitted = fit_curve(kind, part.z, part.y, base, overlap)
    eta = base + apply_curve(part.later_z, fitted.curve)
    return np.asarray(np.logaddexp(0.0, eta) - part.later_y * eta)


def _platt(z: FloatArray, y: FloatArray, base: float, overlap: float) -> Fit:
    slope = float(fit_slopes(z[:, None], y, base, overlap)[0])
    fitted = sigmoid(base + slope * z)
    information = float(np.sum(fitted * (1.0 - fitted) * z**2)) / overlap
    variance = 1.0 / (information + 1.0 / PRIOR_SD**2)
    return Fit(Curve(np.array([slope]), np.empty(0), 0.0, 1.0), np.array([variance]))


def _beta(u: FloatArray, y: FloatArray, base: float, scale: float, overlap: float) -> Fit:
    below, above = np.logaddexp(0.0, -u), np.logaddexp(0.0, u)
    centre = below.mean(), above.mean()
    sides = np.column_stack([centre[0] - below, above - centre[1]])
    low, high = fit_slopes(sides, y, base, overlap)
    fitted = sigmoid(base + sides @ [low, high])
    information = (sides * (fitted * (1.0 - fitted))[:, None]).T @ sides / overlap
    spread = np.linalg.inv(information + np.eye(2) / PRIOR_SD**2)
    curve = Curve(np.array([low, high]), np.empty(0), float(high * centre[1] - low * centre[0]), scale)
    return Fit(curve, np.array([spread[0, 0], spread[1, 1], spread[0, 1], *centre]))


def _isotonic(u: FloatArray, y: FloatArray, scale: float, overlap: float) -> Fit:
    from scipy.optimize import isotonic_regression

    values, which, rows = np.unique(u, return_inverse=True, return_counts=True)
    wins = np.asarray(np.bincount(which, weights=y), np.float64)
    starts = isotonic_regression(wins / rows, weights=rows).blocks[:-1]
    labels = np.asarray(rows / overlap, np.float64)
    starts = _wide_enough(np.asarray(starts), wins, labels)
    counts = np.add.reduceat(labels, starts)
    rate = (wins.sum() / overlap + 1.0) / (len(u) / overlap + 2.0)
    share = (np.add.reduceat(wins, starts) / overlap + PSEUDO_LABELS * rate) / (counts + PSEUDO_LABELS)
    # Blocks of unequal width move towards the base rate by unequal parts, which can turn neighbours round.
    share = np.maximum.accumulate(share)
    levels = np.asarray(logit(share) - logit(rate))
    variance = 1.0 / ((counts + PSEUDO_LABELS) * share * (1.0 - share))
    return Fit(Curve(levels, values[starts].copy(), 0.0, scale), variance)


def _wide_enough(starts: IntArray, wins: FloatArray, labels: FloatArray) -> IntArray:
    """Join the narrowest block to the neighbour whose share is nearest, until all are wide enough."""
    kept = starts.tolist()
    while len(kept) > 1:
        counts = np.add.reduceat(labels, kept)
        narrow = int(np.argmin(counts))
        if counts[narrow] >= LEAST_BLOCK:
            break
        share = np.add.reduceat(wins, kept) / counts
        before = abs(share[narrow] - share[narrow - 1]) if narrow > 0 else math.inf
        after = abs(share[narrow + 1] - share[narrow]) if narrow + 1 < len(kept) else math.inf
        del kept[narrow if before <= after else narrow + 1]
    return np.array(kept)
