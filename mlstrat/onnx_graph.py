"""The ensemble as the nodes of an ONNX graph: what `mlstrat.models.ensemble` computes, in doubles.

Standard operators and `TreeEnsemble` of ai.onnx.ml 5, the first tree operator that returns doubles.
Trees compare bins, which are small integers, so that nothing hangs on how a runtime compares.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlstrat.calibration import Curve
from mlstrat.errors import ModelError
from mlstrat.models.ensemble import BOOSTING, FOREST, Models, Stack
from mlstrat.models.lstm import Lstm
from mlstrat.models.trees import LEAF, Trees
from mlstrat.models.voters import LOGISTIC, Voters, silent_trees

ML = "ai.onnx.ml"
_SUM = 1  # aggregate_function of TreeEnsemble
_AT_MOST = 0  # nodes_modes of TreeEnsemble: a row goes to the true branch where its value is <= the split
_DEEPEST = 1000  # onnxruntime 1.32 ends the process at 100,000 levels


class Graph:
    """Nodes and constants in the making; a value goes by its name, which begins with `prefix`."""

    def __init__(self, prefix: str = "") -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._prefix = prefix

    def constant(self, value: Any) -> str:
        """Add a constant array and return its name."""
        from onnx.numpy_helper import from_array

        name = f"{self._prefix}constant_{len(self.constants)}"
        self.constants.append(from_array(np.asarray(value), name))
        return name

    def add(self, operator: str, *inputs: str, name: str = "", domain: str = "", **attributes: Any) -> str:
        """Add a node of one output and return the output's name."""
        return self.add_many(operator, inputs, (name,), domain, **attributes)[0]

    def add_many(
        self,
        operator: str,
        inputs: tuple[str, ...],
        names: tuple[str, ...],
        domain: str = "",
        **attributes: Any,
    ) -> tuple[str, ...]:
        """Add a node of several outputs and return their names; an empty name is replaced by a new one."""
        from onnx.helper import make_node

        stem = f"{self._prefix}{operator.lower()}_{len(self.nodes)}"
        outputs = tuple(name or f"{stem}_{k}" for k, name in enumerate(names))
        self.nodes.append(make_node(operator, inputs, outputs, stem, domain=domain, **attributes))
        return outputs

    def times(self, value: str, factor: Any) -> str:
        """Return the product with a constant."""
        return self.add("Mul", value, self.constant(np.asarray(factor, np.float64)))

    def plus(self, value: str, term: Any) -> str:
        """Return the sum with a constant."""
        return self.add("Add", value, self.constant(np.asarray(term, np.float64)))

    def total(self, value: str, axis: int) -> str:
        """Return the sum along an axis, which goes."""
        return self.add("ReduceSum", value, self.constant(np.array([axis])), keepdims=0)

    def cast(self, value: str, dtype: Any) -> str:
        """Return the value in another type."""
        from onnx.helper import np_dtype_to_tensor_dtype

        return self.add("Cast", value, to=np_dtype_to_tensor_dtype(np.dtype(dtype)))


def finite_rows(graph: Graph, x: str) -> str:
    """Return (n_rows, 1) bool: whether every feature of the row is finite."""
    bounded = graph.add("Less", graph.add("Abs", x), graph.constant(np.float64(np.inf)))
    least = graph.add("ReduceMin", graph.cast(bounded, np.int32), graph.constant(np.array([1])), keepdims=1)
    return graph.cast(least, np.bool_)


def bins_of(graph: Graph, x: str, edges: NDArray[np.float64]) -> str:
    """Return (n_rows, n_features) bins as doubles: how many edges lie below each value."""
    values = graph.add("Unsqueeze", x, graph.constant(np.array([2])))
    below = graph.add("Greater", values, graph.constant(edges[None]))
    return graph.cast(graph.total(graph.cast(below, np.float32), axis=2), np.float64)


def votes_of(graph: Graph, bins: str, lstm_vote: str, models: Models, n_votes: int) -> str:
    """Return (n_rows, n_votes) votes in the order of the stack; own models overrule those they replace."""
    own = {int(place): k for k, place in enumerate(models.voters.place)}

    def vote(place: int) -> str:
        if place in own:
            return _own_vote(graph, bins, models.voters, own[place])
        if place == FOREST:
            return graph.times(_sum_of(graph, bins, models.forest), models.forest.scale)
        return _boosted(graph, bins, models) if place == BOOSTING else lstm_vote

    return graph.add("Concat", *(vote(place) for place in range(FOREST, FOREST + n_votes)), axis=1)


def _boosted(graph: Graph, bins: str, models: Models) -> str:
    trees = models.boosting
    grown = graph.times(_sum_of(graph, bins, trees), trees.scale)
    return graph.times(graph.plus(grown, trees.base), models.unit)


def _own_vote(graph: Graph, bins: str, voters: Voters, k: int) -> str:
    grown = graph.times(_sum_of(graph, bins, _trees_of(voters, k)), voters.scale[k])
    vote = graph.plus(grown, voters.base[k])
    return graph.add("Sigmoid", vote) if voters.kind[k] == LOGISTIC else vote


def _trees_of(voters: Voters, k: int) -> Trees:
    """Return the trees of one voter; one leaf that says 0 where it has none."""
    trees, first, last = voters.trees, voters.first[k], voters.first[k + 1]
    if first == last:
        return silent_trees()
    begin = trees.roots[first]
    end = trees.roots[last] if last < len(trees.roots) else len(trees.feature)
    part = {name: getattr(trees, name)[begin:end] for name in ("feature", "cut", "value")}
    moved = {name: getattr(trees, name)[begin:end] - begin for name in ("left", "right")}
    return Trees(**part, **moved, roots=trees.roots[first:last] - begin, base=0.0, scale=1.0)


def _sum_of(graph: Graph, bins: str, trees: Trees) -> str:
    """Return (n_rows, 1) the sum of the values that a row reaches."""
    return graph.add("TreeEnsemble", bins, domain=ML, **_tree_attributes(trees))


def _tree_attributes(trees: Trees) -> dict[str, Any]:
    """Return trees as TreeEnsemble has them: inner nodes and leaves are counted apart.

    A tree that is one leaf gets a node above it, both of whose branches lead to the leaf.

    Raises
    ------
    ModelError
        Two branches share a node, or a tree is too deep.
    """
    from onnx.helper import make_tensor, np_dtype_to_tensor_dtype

    def tensor(name: str, values: NDArray[Any]) -> Any:
        return make_tensor(name, np_dtype_to_tensor_dtype(values.dtype), values.shape, values)

    inner = trees.feature != LEAF
    _check_shape(trees, inner)
    place = np.where(inner, np.cumsum(inner), np.cumsum(~inner)) - 1
    alone = trees.roots[~inner[trees.roots]]
    roots = place[trees.roots]
    roots[~inner[trees.roots]] = inner.sum() + np.arange(len(alone))
    none = np.zeros(len(alone), np.int64)
    branches = {
        name: np.concatenate([side[inner], alone])
        for name, side in (("true", trees.left), ("false", trees.right))
    }
    splits = np.concatenate([trees.cut[inner], none]).astype(np.float64)
    leaves = trees.value[~inner]
    attributes: dict[str, Any] = {
        "n_targets": 1,
        "aggregate_function": _SUM,
        "tree_roots": roots.tolist(),
        "nodes_featureids": np.concatenate([trees.feature[inner], none]).tolist(),
        "nodes_modes": tensor("modes", np.full(len(splits), _AT_MOST, np.uint8)),
        "nodes_splits": tensor("splits", splits),
        "leaf_targetids": [0] * len(leaves),
        "leaf_weights": tensor("weights", leaves),
    }
    for name, child in branches.items():
        attributes[f"nodes_{name}nodeids"] = place[child].tolist()
        attributes[f"nodes_{name}leafs"] = (~inner[child]).astype(np.int64).tolist()
    return attributes


def _check_shape(trees: Trees, inner: NDArray[np.bool_]) -> None:
    """Refuse what the row function walks and a runtime of ONNX, which walks trees by recursion, does not."""
    children = np.concatenate([trees.left[inner], trees.right[inner]])
    if len(np.unique(children)) != len(children):
        raise ModelError("a node has two parents, and ONNX knows trees only: take another copy of the model.")
    level, depth = trees.roots, 0
    while len(level):
        if depth > _DEEPEST:
            raise ModelError(
                f"a tree is more than {_DEEPEST:,} levels deep, and runtimes of ONNX fail on that: train the "
                "model again with trees that are limited in depth."
            )
        level = level[inner[level]]
        level, depth = np.concatenate([trees.left[level], trees.right[level]]), depth + 1


def lstm_of(graph: Graph, bins: str, known: str, state: str, models: Models, new_state: str) -> str:
    """Carry the state (2, units) through the rows that are known, and return the votes (n_rows, 1).

    The state after the last row is the output `new_state`.
    """
    lstm, units = models.lstm, len(models.lstm.w_out)
    chosen = graph.add("Gather", bins, graph.constant(lstm.inputs), axis=1)
    scaled = graph.plus(graph.add("Div", chosen, graph.constant(lstm.half)), -1.0)
    driven = graph.plus(graph.add("MatMul", scaled, graph.constant(lstm.w_x)), lstm.bias)
    _, hidden = graph.add_many(
        "Scan", (state, driven, known), (new_state, ""), body=_step(lstm), num_scan_inputs=2
    )
    rows = graph.add("Reshape", hidden, graph.constant(np.array([-1, units])))
    said = graph.add("MatMul", rows, graph.constant(lstm.w_out[:, None]))
    return graph.times(graph.plus(said, lstm.b_out), models.unit)


def _step(lstm: Lstm) -> Any:
    """Return one bar as a graph: state, its part of the gates (4 units,) and whether it is known."""
    from onnx import TensorProto
    from onnx.helper import make_graph, make_tensor_value_info

    step, units = Graph("step_"), len(lstm.w_out)
    h, c = step.add_many("Split", ("step_state",), ("", ""), axis=0, num_outputs=2)
    recurrent = step.add("MatMul", h, step.constant(lstm.w_h))
    gates = step.add("Add", recurrent, "step_driven")
    i, f, g, o = step.add_many("Split", (gates,), ("",) * 4, axis=1, num_outputs=4)
    kept = step.add("Mul", step.add("Sigmoid", f), c)
    added = step.add("Mul", step.add("Sigmoid", i), step.add("Tanh", g))
    cell = step.add("Add", kept, added)
    hidden = step.add("Mul", step.add("Sigmoid", o), step.add("Tanh", cell), name="step_hidden")
    carried = step.add("Concat", hidden, cell, axis=0)
    step.add("Where", "step_known", carried, "step_state", name="step_new_state")

    def double(name: str, *shape: int) -> Any:
        return make_tensor_value_info(name, TensorProto.DOUBLE, shape)

    known = make_tensor_value_info("step_known", TensorProto.BOOL, (1,))
    inputs = [double("step_state", 2, units), double("step_driven", 4 * units), known]
    outputs = [double("step_new_state", 2, units), double("step_hidden", 1, units)]
    return make_graph(step.nodes, "step", inputs, outputs, step.constants)


def stack_of(graph: Graph, votes: str, stack: Stack) -> tuple[str, str]:
    """Return prob_up and magnitude, (n_rows,) each."""
    apart = graph.add("Sub", votes, graph.constant(stack.centre))
    scaled = graph.add("Div", apart, graph.constant(stack.spread))
    moved = graph.total(graph.times(scaled, stack.slope), axis=1)
    odds = graph.plus(_curve(graph, moved, stack.curve), stack.offset)
    return graph.add("Sigmoid", odds), graph.total(graph.times(votes, stack.weights), axis=1)


def _curve(graph: Graph, z: str, curve: Curve) -> str:
    """Return what (n_rows,) numbers add to the log-odds, as `mlstrat.calibration.curve_row` does."""
    u, weights = graph.add("Div", z, graph.constant(np.float64(curve.scale))), curve.weights
    if len(curve.knots):
        moved = graph.add("Gather", graph.constant(weights), _step_of(graph, u, curve))
    elif len(weights) == 1:
        moved = graph.times(u, weights[0])
    else:
        low = graph.times(_softplus(graph, graph.add("Neg", u)), weights[0])
        moved = graph.add("Sub", graph.times(_softplus(graph, u), weights[1]), low)
    return graph.plus(moved, -curve.shift)


def _step_of(graph: Graph, u: str, curve: Curve) -> str:
    """Return the step each number lies on; the first one has no lower end."""
    starts = np.concatenate([[-np.inf], curve.knots[1:]])
    column = graph.add("Unsqueeze", u, graph.constant(np.array([1])))
    reached = graph.add("GreaterOrEqual", column, graph.constant(starts))
    count = graph.total(graph.cast(reached, np.int64), axis=1)
    return graph.add("Sub", count, graph.constant(np.int64(1)))


def _softplus(graph: Graph, u: str) -> str:
    # onnxruntime has Softplus in single precision only
    small = graph.add("Exp", graph.add("Neg", graph.add("Abs", u)))
    rest = graph.add("Log", graph.plus(small, 1.0))
    return graph.add("Add", graph.add("Max", u, graph.constant(np.float64(0.0))), rest)
