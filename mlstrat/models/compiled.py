"""Fitted trees of other libraries, turned into plain arrays that predict what the library predicts.

The estimator must have been fitted on bins: then each of its thresholds lies between two integers and becomes
a cut. Only the classes named here are turned, not what derives from them, because a subclass may predict in
another way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.errors import ModelError
from mlstrat.models.trees import LEAF, Trees, join_trees, predict_trees

_Nodes = dict[str, Any]
# LightGBM objectives whose prediction is the sum of the leaves itself.
_PLAIN_OBJECTIVES = frozenset({"regression", "regression_l1", "huber", "fair", "quantile", "mape"})
_PLAIN_LOSSES = frozenset({"squared_error", "absolute_error", "quantile"})


class Compiled(NamedTuple):
    """Trees of an estimator; where `logistic`, 1 / (1 + exp(-output)) is its probability of a rise."""

    trees: Trees
    logistic: bool


def compile_trees(estimator: Any, n_features: int) -> Compiled | None:
    """Return a fitted estimator as arrays; None where its class is not one that can be turned.

    Parameters
    ----------
    estimator : object
        Fitted on bins (n_rows, n_features); a classifier on the classes 0 and 1.
    n_features : int
        Columns that it was fitted on.

    Raises
    ------
    ModelError
        Its class can be turned, but not with these settings; the message names the setting.
    """
    kind = type(estimator)
    turn = TURNED.get((kind.__module__.partition(".")[0], kind.__name__))
    if turn is None:
        return None
    made = turn(estimator, n_features)
    cuts = made.trees.cut[made.trees.feature != LEAF]
    if len(cuts) and cuts.min() < 0:
        raise _refused(estimator, "splits below the first bin", "fit it on bins")
    return made


def outputs(bins: IntArray, compiled: Compiled) -> FloatArray:
    """Return (n_rows,) what the estimator predicts: the probability of a rise, or its number."""
    trees = compiled.trees
    sums = np.array([predict_trees(row, *trees[:6]) for row in bins])
    raw = trees.base + trees.scale * sums
    return np.asarray(1.0 / (1.0 + np.exp(-raw)) if compiled.logistic else raw)


def _averaged(estimator: Any, _: int) -> Compiled:
    """Forests and single trees of scikit-learn: the mean over trees of a leaf's share or mean."""
    members = getattr(estimator, "estimators_", [estimator])
    trees = join_trees([_sklearn_nodes(member) for member in members], 0.0, 1.0 / len(members))
    return Compiled(trees, False)


def _sklearn_nodes(member: Any) -> _Nodes:
    tree = member.tree_
    value = tree.value[:, 0, :]
    if hasattr(member, "classes_"):
        value = value[:, 1:2] / value.sum(axis=1, keepdims=True)
    inner = tree.children_left >= 0
    return {
        "feature": np.where(inner, tree.feature, LEAF),
        "cut": np.floor(np.where(inner, tree.threshold, 0.0)),
        "left": tree.children_left,
        "right": tree.children_right,
        "value": value[:, 0],
    }


def _gradient_boosting(estimator: Any, n_features: int) -> Compiled:
    if estimator.init not in (None, "zero"):
        raise _refused(estimator, f"init={estimator.init!r}", 'leave init out, or give "zero"')
    nodes = [_sklearn_nodes(member) for member in estimator.estimators_[:, 0]]
    classifier = hasattr(estimator, "classes_")
    # The exponential loss is half the log odds.
    slope = 2.0 if classifier and estimator.loss == "exponential" else 1.0
    trees = join_trees(nodes, 0.0, slope * estimator.learning_rate)
    return Compiled(_with_base(trees, estimator, n_features, classifier, slope), classifier)


def _histogram_boosting(estimator: Any, n_features: int) -> Compiled:
    classifier = hasattr(estimator, "classes_")
    if not classifier and estimator.loss not in _PLAIN_LOSSES:
        raise _refused(estimator, f"loss={estimator.loss!r}", f"give one of {sorted(_PLAIN_LOSSES)}")
    nodes = [_histogram_nodes(estimator, one[0].nodes) for one in estimator._predictors]
    trees = join_trees(nodes, 0.0, 1.0)
    return Compiled(_with_base(trees, estimator, n_features, classifier, 1.0), classifier)


def _histogram_nodes(estimator: Any, nodes: Any) -> _Nodes:
    inner = nodes["is_leaf"] == 0
    if nodes["is_categorical"][inner].any():
        raise _refused(estimator, "categorical splits", "leave categorical_features out")
    return {
        "feature": np.where(inner, nodes["feature_idx"], LEAF),
        "cut": np.floor(np.where(inner, nodes["num_threshold"], 0.0)),
        "left": nodes["left"].astype(np.int64),
        "right": nodes["right"].astype(np.int64),
        "value": np.where(inner, 0.0, nodes["value"]),
    }


def _with_base(trees: Trees, estimator: Any, n_features: int, classifier: bool, slope: float) -> Trees:
    """Set the constant with which the estimator starts, as one row through it shows it."""
    row = np.zeros((1, n_features))
    told = estimator.decision_function(row) if classifier else estimator.predict(row)
    grown = trees.scale * predict_trees(np.zeros(n_features, np.int64), *trees[:6])
    return trees._replace(base=slope * float(np.ravel(told)[0]) - float(grown))


def _lightgbm(estimator: Any, _: int) -> Compiled:
    model = estimator.booster_.dump_model()
    objective, *options = str(model.get("objective", "")).split()
    nodes = [_lightgbm_nodes(estimator, one["tree_structure"]) for one in model["tree_info"]]
    scale = 1.0 / len(nodes) if model["average_output"] else 1.0
    if objective == "binary":
        slope = next((float(one.partition(":")[2]) for one in options if one.startswith("sigmoid:")), 1.0)
        return Compiled(join_trees(nodes, 0.0, scale * slope), True)
    if objective not in _PLAIN_OBJECTIVES or options:
        allowed = f"give binary to a classifier and one of {sorted(_PLAIN_OBJECTIVES)} to a regressor"
        raise _refused(estimator, f"objective={model.get('objective')!r}", allowed)
    return Compiled(join_trees(nodes, 0.0, scale), False)


def _lightgbm_nodes(estimator: Any, root: Mapping[str, Any]) -> _Nodes:
    order = list(_preorder(root))
    place = {id(node): k for k, node in enumerate(order)}
    rows = []
    for node in order:
        if "leaf_coeff" in node:
            raise _refused(estimator, "linear_tree=True", "leave linear_tree out")
        if "split_feature" not in node:
            rows.append((LEAF, 0.0, 0, 0, node["leaf_value"]))
            continue
        if node["decision_type"] != "<=":
            raise _refused(estimator, "categorical splits", "leave categorical_feature out")
        if node["missing_type"] == "Zero":
            raise _refused(estimator, "zero_as_missing=True", "leave zero_as_missing out: 0 is a bin")
        left, right = (place[id(node[side])] for side in ("left_child", "right_child"))
        rows.append((node["split_feature"], np.floor(node["threshold"]), left, right, 0.0))
    return dict(zip(("feature", "cut", "left", "right", "value"), np.array(rows).T, strict=True))


def _preorder(root: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        if "split_feature" in node:
            waiting += [node["right_child"], node["left_child"]]


def _refused(estimator: Any, what: str, instead: str) -> ModelError:
    return ModelError(f"{type(estimator).__name__} with {what} cannot be turned into arrays: {instead}.")


TURNED: Mapping[tuple[str, str], Callable[[Any, int], Compiled]] = {
    **{
        ("sklearn", f"{name}{kind}"): _averaged
        for name in ("RandomForest", "ExtraTrees", "DecisionTree", "ExtraTree")
        for kind in ("Classifier", "Regressor")
    },
    **{
        ("sklearn", f"{name}{kind}"): turn
        for name, turn in (
            ("GradientBoosting", _gradient_boosting),
            ("HistGradientBoosting", _histogram_boosting),
        )
        for kind in ("Classifier", "Regressor")
    },
    **{("lightgbm", f"LGBM{kind}"): _lightgbm for kind in ("Classifier", "Regressor")},
}
