"""The fitted ensemble as arrays, and the compiled row function that predicts.

Batch is the loop over it, so that a bar gives the same bits whether it comes alone or among thousands.
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any, NamedTuple

import numpy as np

from mlstrat.arrays import FloatArray, njit
from mlstrat.calibration import IDENTITY, Curve, curve_row
from mlstrat.models.binning import bin_row
from mlstrat.models.lstm import Lstm, lstm_step
from mlstrat.models.trees import Trees, predict_trees
from mlstrat.models.voters import NO_VOTERS, Voters, vote_row

# Columns of a prediction row; the votes of the user's own models follow.
PROB_UP, MAGNITUDE, FOREST, BOOSTING, LSTM = range(5)
COLUMNS = 5


class Models(NamedTuple):
    """The fitted models and what they share. `unit` is one standardised return.

    Where one of the user's own `voters` replaces one of the three, that one says 0 and is overruled.
    """

    edges: FloatArray
    forest: Trees
    boosting: Trees
    lstm: Lstm
    unit: float
    voters: Voters = NO_VOTERS


class Stack(NamedTuple):
    """How votes become a probability and a magnitude.

    prob_up = sigmoid(offset + curve(sum of slope x (vote - centre) / spread)); magnitude = weights . votes.
    Shapes (n_votes,), in the order forest, boosting, LSTM, then the user's own models that join them.
    """

    offset: float
    slope: FloatArray
    centre: FloatArray
    spread: FloatArray
    weights: FloatArray
    curve: Curve = IDENTITY


class EnsembleArrays(NamedTuple):
    """Everything that predicts."""

    models: Models
    stack: Stack


def start_state(models: Models) -> FloatArray:
    """Return the LSTM's state before its first bar: (2, units) zeros."""
    return np.zeros((2, len(models.lstm.w_out)))


@njit
def predict_block(x: FloatArray, state: FloatArray, ensemble: EnsembleArrays) -> FloatArray:
    """Predict consecutive bars: the loop over `predict_row`.

    Parameters
    ----------
    x : (n_rows, n_features) float64
        Features of consecutive bars.
    state : (2, units) float64
        The LSTM's state before the first of them; changed in place.
    ensemble : EnsembleArrays
        The fitted ensemble.

    Returns
    -------
    (n_rows, 2 + n_votes) float64
        prob_up, magnitude, and the votes; NaN where a feature is not finite (the state then stays), and
        where a model has a vote that is given from outside (`mlstrat.models.guests`).
    """
    out = np.full((len(x), FOREST + len(ensemble.stack.slope)), np.nan)
    predict_into(x, state, ensemble, out)
    return out


@njit
def predict_into(x: FloatArray, state: FloatArray, ensemble: EnsembleArrays, out: FloatArray) -> None:
    """Predict consecutive bars into `out`; votes that are given stand there already."""
    for row in range(len(x)):
        predict_row(x[row], state, ensemble, out[row])


@njit
def predict_row(x: FloatArray, state: FloatArray, ensemble: EnsembleArrays, out: FloatArray) -> None:
    """Predict one bar into `out`, carrying the LSTM's state on; votes that are given stand there already."""
    for value in x:
        if not math.isfinite(value):
            out[:] = np.nan
            return
    models = ensemble.models
    bins = np.empty(len(x), np.int64)
    bin_row(x, models.edges, bins)
    f, b, m = models.forest, models.boosting, models.lstm
    given = out[FOREST], out[BOOSTING], out[LSTM]
    out[FOREST] = predict_trees(bins, f.feature, f.cut, f.left, f.right, f.value, f.roots) * f.scale
    boosted = b.base + b.scale * predict_trees(bins, b.feature, b.cut, b.left, b.right, b.value, b.roots)
    out[BOOSTING] = boosted * models.unit
    gates = np.empty(4 * len(m.w_out))
    stepped = lstm_step(bins, state, gates, m.inputs, m.half, m.w_x, m.w_h, m.bias, m.w_out, m.b_out)
    out[LSTM] = stepped * models.unit
    vote_row(bins, models.voters, given, out)
    stack_row(out, ensemble.stack)


@njit
def advance_block(x: FloatArray, state: FloatArray, ensemble: EnsembleArrays) -> None:
    """Carry the LSTM's state through consecutive bars as `predict_block` does, and predict nothing."""
    m, edges = ensemble.models.lstm, ensemble.models.edges
    bins = np.empty(x.shape[1], np.int64)
    gates = np.empty(4 * len(m.w_out))
    for row in x:
        if np.isfinite(row).all():
            bin_row(row, edges, bins)
            lstm_step(bins, state, gates, m.inputs, m.half, m.w_x, m.w_h, m.bias, m.w_out, m.b_out)


@njit
def stack_row(row: FloatArray, stack: Stack) -> None:
    """Turn a row's votes into its prob_up and magnitude."""
    moved = 0.0
    magnitude = 0.0
    for k in range(len(stack.slope)):
        vote = row[FOREST + k]
        moved += stack.slope[k] * ((vote - stack.centre[k]) / stack.spread[k])
        magnitude += stack.weights[k] * vote
    row[PROB_UP] = 1.0 / (1.0 + math.exp(-stack.offset - curve_row(moved, stack.curve)))
    row[MAGNITUDE] = magnitude


def to_tensors(ensemble: EnsembleArrays) -> dict[str, np.ndarray[Any, Any]]:
    """Flatten the ensemble into named arrays, numbers as arrays of one element; no voters have no arrays."""
    flat: dict[str, np.ndarray[Any, Any]] = {}

    def visit(prefix: str, value: Any) -> None:
        if isinstance(value, Voters) and not len(value.kind):
            return
        if hasattr(value, "_fields"):
            for name in value._fields:
                visit(f"{prefix}{name}.", getattr(value, name))
        else:
            flat[prefix[:-1]] = np.atleast_1d(np.asarray(value))

    visit("", ensemble)
    return flat


def ensemble_sha256(ensemble: EnsembleArrays) -> str:
    """Return the hash of every array of the ensemble: the identity of the model."""
    digest = hashlib.sha256()
    for name, tensor in sorted(to_tensors(ensemble).items()):
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(np.ascontiguousarray(tensor).tobytes())
    return digest.hexdigest()
