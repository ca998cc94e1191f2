"""A capsule as one ONNX file: features and the LSTM's state in; forecast, votes and the new state out."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.capsule import Capsule
from mlstrat.capsule_manifest import shown
from mlstrat.errors import MissingExtraError, ModelError
from mlstrat.models.ensemble import FOREST, MAGNITUDE, PROB_UP, predict_block
from mlstrat.onnx_graph import ML, Graph, bins_of, finite_rows, lstm_of, stack_of, votes_of
from mlstrat.predictions import VOTES

# Those of ONNX 1.16, the first whose trees return doubles.
OPSET, ML_OPSET, IR_VERSION = 21, 5, 10
TOLERANCE = 1e-9
_OUTPUTS = ("prob_up", "magnitude", "votes", "new_state")


def to_onnx(capsule: Capsule) -> bytes:
    """Return a capsule as the bytes of an ONNX model; the same capsule gives the same bytes.

    Inputs are `features` (n_rows, n_features) float64, consecutive rows, one or more, and `state` (2, units)
    float64, the LSTM's before the first of them. Outputs are `prob_up` and `magnitude` (n_rows,), `votes`
    (n_rows, n_votes) and `new_state` (2, units), float64. A row with a feature that is not finite gives NaN
    and leaves the state as it is.

    Parameters
    ----------
    capsule : Capsule
        The model. The file's metadata has, as text, `features` and `votes` (JSON lists of names in order),
        `state` (JSON: the state after the bar `seen_until`), `symbol`, `timeframe`, `cut`, `seen_until`,
        `model_sha256` and `graph_sha256`, the hash of the graph.

    Raises
    ------
    ModelError
        A model of the user's own is no set of trees, or its trees cannot be walked by recursion.
    MissingExtraError
        onnx is not installed.
    """
    if not capsule.portable:
        raise ModelError(
            f"models.{capsule.guests[0].name} is no set of trees and has no ONNX form: take it out of the "
            "run file, or give a class of trees, and train again."
        )
    try:
        from onnx.helper import make_model, make_opsetid, set_model_props
    except ImportError as error:
        raise MissingExtraError("models", "onnx", "The ONNX export") from error
    graph = _graph_of(capsule)
    opsets = [make_opsetid("", OPSET), make_opsetid(ML, ML_OPSET)]
    model = make_model(graph, producer_name="mlstrat", opset_imports=opsets, ir_version=IR_VERSION)
    digest = hashlib.sha256(graph.SerializeToString(deterministic=True)).hexdigest()
    set_model_props(model, _metadata(capsule) | {"graph_sha256": digest})
    return bytes(model.SerializeToString(deterministic=True))


def _graph_of(capsule: Capsule) -> Any:
    from onnx.helper import make_graph

    models, stack = capsule.ensemble
    graph, n_votes = Graph(), len(stack.slope)
    known, bins = finite_rows(graph, "features"), bins_of(graph, "features", models.edges)
    lstm_vote = lstm_of(graph, bins, known, "state", models, "new_state")
    votes = votes_of(graph, bins, lstm_vote, models, n_votes)
    prob_up, magnitude = stack_of(graph, votes, stack)
    nan, flat = graph.constant(np.float64(np.nan)), graph.add("Squeeze", known, graph.constant(np.array([1])))
    for rows, value, name in zip((flat, flat, known), (prob_up, magnitude, votes), _OUTPUTS, strict=False):
        graph.add("Where", rows, value, nan, name=name)
    state = 2, len(models.lstm.w_out)
    inputs = [_double("features", "n_rows", len(models.edges)), _double("state", *state)]
    outputs = [_double(name, "n_rows") for name in _OUTPUTS[:2]]
    outputs += [_double("votes", "n_rows", n_votes), _double("new_state", *state)]
    return make_graph(graph.nodes, "mlstrat", inputs, outputs, graph.constants)


def _double(name: str, *shape: int | str) -> Any:
    from onnx import TensorProto
    from onnx.helper import make_tensor_value_info

    return make_tensor_value_info(name, TensorProto.DOUBLE, shape)


def _metadata(capsule: Capsule) -> dict[str, str]:
    about, window = capsule.about, capsule.window
    return {
        "features": json.dumps(about.features),
        "votes": json.dumps([*VOTES, *about.run_config().models.joined]),
        "state": json.dumps(capsule.state.tolist()),
        "symbol": about.symbol,
        "timeframe": about.timeframe,
        "cut": str(window.cut),
        "seen_until": about.seen_until,
        "model_sha256": window.model_sha256,
    }


def check_onnx(content: bytes, capsule: Capsule, rng: np.random.Generator, n_rows: int = 500) -> float:
    """Return the largest difference between an ONNX model, run by onnxruntime, and its capsule.

    Parameters
    ----------
    content : bytes
        What `to_onnx` returned.
    capsule : Capsule
        What it was made of.
    rng : numpy.random.Generator
        Draws the rows: values on the edges of the bins and next to them on either side.
    n_rows : int
        Consecutive rows to compare, and the state after them.

    Raises
    ------
    ModelError
        It is above 1e-9, or onnxruntime cannot run the model.
    MissingExtraError
        onnxruntime is not installed.
    """
    found = largest_difference(content, capsule, _rows_at_edges(capsule.ensemble.models.edges, rng, n_rows))
    if not found <= TOLERANCE:
        raise ModelError(
            f"the ONNX model differs from the capsule by {found:.1e}, and {TOLERANCE:.0e} is allowed: "
            "install another version of onnxruntime."
        )
    return found


def largest_difference(content: bytes, capsule: Capsule, x: FloatArray) -> float:
    """Return the largest difference of any output on consecutive rows (n_rows, n_features).

    It is infinite where one of the two gives NaN and the other does not. Errors are those of `check_onnx`.
    """
    state = capsule.state.copy()
    told = _run(content, x, state)
    block = predict_block(x, state, capsule.ensemble)
    wanted = block[:, PROB_UP], block[:, MAGNITUDE], block[:, FOREST:], state
    return max(_apart(a, b) for a, b in zip(told, wanted, strict=True))


def _run(content: bytes, x: FloatArray, state: FloatArray) -> list[FloatArray]:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("models", "onnxruntime", "Running an ONNX model") from error
    try:
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        return list(session.run(_OUTPUTS, {"features": x, "state": state}))
    except Exception as error:
        raise ModelError(
            f"onnxruntime {onnxruntime.__version__} cannot run the ONNX model ({shown(error)}): install "
            "version 1.21 or a later one."
        ) from error


def _apart(a: FloatArray, b: FloatArray) -> float:
    both = np.isnan(a) & np.isnan(b)
    return float(np.nan_to_num(np.abs(np.where(both, 0.0, a - b)), nan=np.inf).max())


def _rows_at_edges(edges: FloatArray, rng: np.random.Generator, n_rows: int) -> FloatArray:
    """Return rows whose values lie on an edge or at the nearest number on either side; 0 without edges."""
    count = np.isfinite(edges).sum(axis=1)
    picked = rng.integers(np.maximum(count, 1), size=(n_rows, len(edges)))
    values = np.where(count > 0, edges[np.arange(len(edges)), picked], 0.0)
    towards = rng.choice([-np.inf, 0.0, np.inf], size=values.shape)
    return np.where(towards == 0.0, values, np.nextafter(values, towards))
