"""Checks of an ensemble's arrays that come from a file: nothing is read past an end, nothing loops.

Compiled prediction trusts its arrays. What an outside file holds is therefore checked here once: shapes,
types and finiteness, that children stand behind their parent within their tree (so that every path ends and
a row costs no more steps than there are nodes), and that features and bins exist.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mlstrat.calibration import Curve, check_curve
from mlstrat.errors import ModelError
from mlstrat.models.ensemble import FOREST, EnsembleArrays, Models, Stack
from mlstrat.models.lstm import Lstm
from mlstrat.models.trees import LEAF, Trees
from mlstrat.models.voters import GIVEN, NO_VOTERS, PLAIN, Voters

# Name of each tensor -> type and number of dimensions.
_TREES = {
    "feature": ("int32", 1),
    "cut": ("int32", 1),
    "left": ("int32", 1),
    "right": ("int32", 1),
    "value": ("float64", 1),
    "roots": ("int32", 1),
    "base": ("float64", 1),
    "scale": ("float64", 1),
}
TENSORS = {
    "models.edges": ("float64", 2),
    "models.unit": ("float64", 1),
    **{f"models.{model}.{name}": kind for model in ("forest", "boosting") for name, kind in _TREES.items()},
    "models.lstm.inputs": ("int64", 1),
    "models.lstm.half": ("float64", 1),
    "models.lstm.w_x": ("float64", 2),
    "models.lstm.w_h": ("float64", 2),
    "models.lstm.bias": ("float64", 1),
    "models.lstm.w_out": ("float64", 1),
    "models.lstm.b_out": ("float64", 1),
    "stack.offset": ("float64", 1),
    "stack.slope": ("float64", 1),
    "stack.centre": ("float64", 1),
    "stack.spread": ("float64", 1),
    "stack.weights": ("float64", 1),
    "stack.curve.weights": ("float64", 1),
    "stack.curve.knots": ("float64", 1),
    "stack.curve.shift": ("float64", 1),
    "stack.curve.scale": ("float64", 1),
    "state": ("float64", 2),
}
# Only there where the user's own models vote.
VOTERS = {
    **{f"models.voters.trees.{name}": kind for name, kind in _TREES.items()},
    "models.voters.first": ("int64", 1),
    "models.voters.base": ("float64", 1),
    "models.voters.scale": ("float64", 1),
    "models.voters.kind": ("int64", 1),
    "models.voters.place": ("int64", 1),
}
_SCALARS = (
    "models.unit",
    "models.lstm.b_out",
    "stack.offset",
    "stack.curve.shift",
    "stack.curve.scale",
    *(
        f"models.{model}.{part}"
        for model in ("forest", "boosting", "voters.trees")
        for part in ("base", "scale")
    ),
)
_MOST_UNITS, _MOST_EDGES = 4096, 255


def sound_ensemble(tensors: dict[str, Any], n_features: int) -> tuple[EnsembleArrays, Any]:
    """Return the ensemble and the LSTM's state that named arrays describe.

    Parameters
    ----------
    tensors : dict of arrays
        As `to_tensors` names them, and `state`.
    n_features : int
        Columns of the rows to predict.

    Raises
    ------
    ModelError
        The arrays cannot be an ensemble; the message names the first one that is wrong.
    """
    wanted = TENSORS | (VOTERS if tensors.keys() & VOTERS.keys() else {})
    for name, (dtype, ndim) in wanted.items():
        if name not in tensors:
            raise _unsound(name, "is missing")
        array = tensors[name]
        if str(array.dtype) != dtype or array.ndim != ndim:
            raise _unsound(name, f"has type {array.dtype} and {array.ndim} dimensions")
    unknown = sorted(tensors.keys() - wanted.keys())
    if unknown:
        raise _unsound(ascii(unknown[0])[:80], "is unknown")
    for name in wanted.keys() & set(_SCALARS):
        if tensors[name].shape != (1,):
            raise _unsound(name, f"has {tensors[name].size} numbers")
    _check_finite(tensors)
    state = np.array(tensors["state"])
    ensemble = _ensemble(tensors)
    if not ensemble.models.unit > 0:
        raise _unsound("models.unit", "is not positive")
    _check_edges(ensemble.models.edges, n_features)
    n_bins = ensemble.models.edges.shape[1] + 1
    for name in ("forest", "boosting"):
        _check_trees(f"models.{name}", getattr(ensemble.models, name), n_features, n_bins)
    _check_lstm(ensemble, state, n_features)
    _check_voters(ensemble, n_features, n_bins)
    return ensemble, state


def _ensemble(tensors: dict[str, Any]) -> EnsembleArrays:
    """Build the ensemble by name; `typing.get_type_hints`, which evaluates text, has no place here."""

    def part(kind: Any, prefix: str, **more: Any) -> Any:
        names = (name for name in kind._fields if name not in more)
        return kind(**{name: _value(tensors, f"{prefix}.{name}") for name in names}, **more)

    parts = {name: part(Trees, f"models.{name}") for name in ("forest", "boosting")}
    if "models.voters.kind" in tensors:
        trees = part(Trees, "models.voters.trees")
        parts["voters"] = part(Voters, "models.voters", trees=trees)
    else:
        parts["voters"] = NO_VOTERS
    models = part(Models, "models", lstm=part(Lstm, "models.lstm"), **parts)
    return EnsembleArrays(models, part(Stack, "stack", curve=part(Curve, "stack.curve")))


def _value(tensors: dict[str, Any], name: str) -> Any:
    return float(tensors[name][0]) if name in _SCALARS else np.array(tensors[name])


def _check_finite(tensors: dict[str, Any]) -> None:
    for name, array in tensors.items():
        allowed = np.isfinite(array) | ((array == np.inf) & (name == "models.edges"))
        if not allowed.all():
            raise _unsound(name, "has a number that is not finite")


def _check_edges(edges: Any, n_features: int) -> None:
    if edges.shape[0] != n_features or not 1 <= edges.shape[1] <= _MOST_EDGES:
        raise _unsound("models.edges", f"has shape {edges.shape} for {n_features} features")
    both_inf = np.isinf(edges[:, 1:]) & np.isinf(edges[:, :-1])
    if not ((edges[:, 1:] > edges[:, :-1]) | both_inf).all():
        raise _unsound("models.edges", "does not ascend")


def _check_trees(name: str, trees: Trees, n_features: int, n_bins: int) -> None:
    n = len(trees.feature)
    if n == 0 or any(len(getattr(trees, part)) != n for part in ("cut", "left", "right", "value")):
        raise _unsound(name, "has node arrays of unequal length, or none")
    inner = trees.feature != LEAF
    if not ((trees.feature >= LEAF) & (trees.feature < n_features)).all():
        raise _unsound(f"{name}.feature", f"names a feature outside 0 to {n_features - 1}")
    if not ((trees.cut >= 0) & (trees.cut < n_bins)).all():
        raise _unsound(f"{name}.cut", f"names a bin outside 0 to {n_bins - 1}")
    roots = trees.roots.astype(np.int64)
    if not len(roots) or roots[0] != 0 or roots[-1] >= n or not (np.diff(roots) > 0).all():
        raise _unsound(f"{name}.roots", "does not ascend from 0, or names a node that is not there")
    end = np.repeat(np.append(roots[1:], n), np.diff(np.append(roots, n)))
    place = np.arange(n)
    for side in ("left", "right"):
        child = getattr(trees, side)
        if not ((child > place) & (child < end))[inner].all():
            raise _unsound(f"{name}.{side}", "has a child that does not stand behind its parent in its tree")


def _check_lstm(ensemble: EnsembleArrays, state: Any, n_features: int) -> None:
    lstm = ensemble.models.lstm
    units, inputs = len(lstm.w_out), len(lstm.inputs)
    wanted = {
        "w_x": (inputs, 4 * units),
        "w_h": (units, 4 * units),
        "bias": (4 * units,),
        "half": (inputs,),
    }
    if not 1 <= units <= _MOST_UNITS:
        raise _unsound("models.lstm.w_out", f"has {units} units")
    for name, shape in wanted.items():
        if getattr(lstm, name).shape != shape:
            raise _unsound(f"models.lstm.{name}", f"has shape {getattr(lstm, name).shape} and not {shape}")
    given = lstm.inputs
    if not inputs or not ((given >= 0) & (given < n_features)).all() or not (np.diff(given) > 0).all():
        raise _unsound("models.lstm.inputs", f"does not ascend within 0 to {n_features - 1}")
    count = np.isfinite(ensemble.models.edges).sum(axis=1)[lstm.inputs]
    if not ((count > 0) & (lstm.half == count / 2.0)).all():
        raise _unsound("models.lstm.half", "is not half the number of its feature's edges")
    if state.shape != (2, units):
        raise _unsound("state", f"has shape {state.shape} and not {(2, units)}")


def _check_voters(ensemble: EnsembleArrays, n_features: int, n_bins: int) -> None:
    """Check the user's own models, and that the stack knows as many votes as there are."""
    voters, stack = ensemble.models.voters, ensemble.stack
    n, votes = len(voters.kind), len(stack.slope)
    for name in ("slope", "centre", "spread", "weights"):
        if getattr(stack, name).shape != (votes,) or not 3 <= votes <= 3 + n:
            raise _unsound(f"stack.{name}", f"has shape {getattr(stack, name).shape} for {n} own models")
    if not (stack.spread > 0).all():
        raise _unsound("stack.spread", "has a number that is not positive")
    wrong = check_curve(stack.curve)
    if wrong:
        raise _unsound("stack.curve", wrong)
    if any(len(getattr(voters, name)) != n for name in ("base", "scale", "place")):
        raise _unsound("models.voters", "has arrays of unequal length")
    if not ((voters.kind >= PLAIN) & (voters.kind <= GIVEN)).all():
        raise _unsound("models.voters.kind", "names a kind that is not there")
    if not ((voters.place >= FOREST) & (voters.place < FOREST + votes)).all():
        raise _unsound("models.voters.place", f"names a column outside {FOREST} to {FOREST + votes - 1}")
    _check_trees("models.voters.trees", voters.trees, n_features, n_bins)
    first, roots = voters.first, len(voters.trees.roots)
    if len(first) != n + 1 or first[0] != 0 or first[-1] > roots or not (np.diff(first) >= 0).all():
        raise _unsound("models.voters.first", f"does not ascend from 0 to at most {roots}")


def _unsound(name: str, what: str) -> ModelError:
    return ModelError(f"array {name} {what}: the file is no model of this program; take another copy of it.")
