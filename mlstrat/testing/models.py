"""The contract of an own model: what `[models.NAME]` of a run file may name."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlstrat.arrays import FloatArray

_BINS = 16
_SHARE = 1e-9  # of a prediction: a library adds up a block in another order than a row
_FEWEST = 250  # rows of the smallest part of a training window that is fitted


@dataclass(frozen=True, eq=False)
class _Task:
    """Rows of scaled bins (n_rows, n_columns) in [-1, 1], and what is learned from them."""

    x: FloatArray
    target: FloatArray


def check_model(model: Any, *, trust: Collection[str] = (), n_columns: int = 6, seed: int = 0) -> None:
    """Check that an estimator can be a model of a run.

    It is fitted on bins scaled to [-1, 1], as a run fits what is no set of trees, and must: fit the same data
    to the same bits, forget what it was fitted on before, leave its inputs and settings alone, predict each
    row from that row alone, give probabilities in [0, 1] that add up to 1 (a classifier) or finite numbers
    (a regressor), take constant columns and few rows, and come back from a skops file (where skops is
    installed). Trees of scikit-learn and LightGBM must also predict as the arrays do that they are turned
    into.

    Parameters
    ----------
    model : class or estimator
        A class is made without arguments; an estimator is copied and never fitted itself.
    trust : collection of str
        As `trust` below `[models.NAME]`: types besides its class that its skops file may hold.
    n_columns : int
        Columns to try it on, at least 3.
    seed : int
        Of the data, and of the estimator where it takes a `random_state` that is not set.

    Raises
    ------
    AssertionError
        The first thing that it does not keep, as a sentence.
    """
    name = model.__name__ if isinstance(model, type) else type(model).__name__
    fresh = _Fresh(name, model, seed)
    _check_interface(name, fresh.make())
    classifier = hasattr(fresh.make(), "predict_proba")
    task = _task(seed, 600, n_columns, classifier)
    rows = _task(seed + 1, 80, n_columns, classifier).x
    _check_inputs_kept(fresh, task, rows)
    fitted = fresh.fitted(task)
    told = _predict(name, fitted, rows)
    _check_range(name, fitted, rows)
    again = _predict(name, fresh.fitted(task), rows)
    if told.tobytes() != again.tobytes():
        raise AssertionError(
            f"{name} fitted twice on the same data predicts differently: take a random_state, and one thread."
        )
    _check_rows_alone(name, fitted, rows, told)
    _check_forgets(fresh, task, rows, told, n_columns, classifier)
    _check_hard_data(fresh, classifier, n_columns, seed)
    _check_compiled(fresh, classifier, n_columns, seed)
    _check_stored(name, fitted, rows, told, trust)


@dataclass(frozen=True, eq=False)
class _Fresh:
    """Makes unfitted copies."""

    name: str
    model: Any
    seed: int

    def make(self) -> Any:
        """Return an unfitted estimator with a seed."""
        if isinstance(self.model, type):
            made = self.model()
        elif hasattr(self.model, "get_params"):
            from sklearn.base import clone

            made = clone(self.model)
        else:
            made = copy.deepcopy(self.model)
        params = made.get_params() if hasattr(made, "get_params") else {}
        if params.get("random_state", 0) is None:
            made.set_params(random_state=self.seed)
        return made

    def fitted(self, task: _Task) -> Any:
        """Return an estimator fitted on a task."""
        return _fit(self.name, self.make(), task)


def _fit(name: str, estimator: Any, task: _Task) -> Any:
    try:
        estimator.fit(task.x.copy(), task.target.copy())
    except Exception as error:
        raise AssertionError(
            f"{name} fails to fit {task.x.shape[0]} rows of {task.x.shape[1]} columns "
            f"({type(error).__name__}: {error}): make it take them."
        ) from error
    return estimator


def _predict(name: str, estimator: Any, x: FloatArray) -> FloatArray:
    """Return (n_rows,) votes: the probability of the second class, or the number."""
    try:
        if hasattr(estimator, "predict_proba"):
            told = np.asarray(estimator.predict_proba(x), np.float64)
            if told.shape != (len(x), 2):
                raise AssertionError(
                    f"predict_proba of {name} returns shape {told.shape} for {len(x)} rows: return one row "
                    "each, with a column for class 0 and one for class 1."
                )
            return np.ascontiguousarray(told[:, 1])
        told = np.asarray(estimator.predict(x), np.float64)
    except AssertionError:
        raise
    except Exception as error:
        raise AssertionError(
            f"{name} fails to predict {len(x)} rows ({type(error).__name__}: {error}): make it take them."
        ) from error
    if told.shape != (len(x),):
        raise AssertionError(
            f"predict of {name} returns shape {told.shape} for {len(x)} rows: return one number each."
        )
    return told


def _task(seed: int, n: int, n_columns: int, classifier: bool) -> _Task:
    random = np.random.default_rng(seed)
    x = 2.0 * random.integers(0, _BINS, (n, n_columns)) / (_BINS - 1) - 1.0
    move = x[:, 0] - 0.5 * x[:, 1] * x[:, 2] + random.normal(size=n)
    return _Task(x, (move > 0).astype(np.float64) if classifier else np.clip(move, -4.0, 4.0))


def _check_interface(name: str, estimator: Any) -> None:
    if not hasattr(estimator, "fit"):
        raise AssertionError(f"{name} has no fit(X, y): give it one, in the manner of scikit-learn.")
    if not (hasattr(estimator, "predict_proba") or hasattr(estimator, "predict")):
        raise AssertionError(
            f"{name} has neither predict_proba(X) nor predict(X): give a classifier the first, a "
            "regressor the second."
        )


def _check_inputs_kept(fresh: _Fresh, task: _Task, rows: FloatArray) -> None:
    estimator = fresh.make()
    settings = _settings(estimator)
    given = task.x.copy(), task.target.copy(), rows.copy()
    try:
        estimator.fit(given[0], given[1])
    except Exception as error:
        raise AssertionError(
            f"{fresh.name} fails to fit ({type(error).__name__}: {error}): make it take finite rows."
        ) from error
    _predict(fresh.name, estimator, given[2])
    for array, before, what in zip(
        given, (task.x, task.target, rows), ("X of fit", "y of fit", "X of predict"), strict=True
    ):
        if array.tobytes() != before.tobytes():
            raise AssertionError(f"{fresh.name} changes {what}: work on a copy.")
    if _settings(estimator) != settings:
        raise AssertionError(f"fit of {fresh.name} changes its settings: keep them as given.")


def _settings(estimator: Any) -> dict[str, str]:
    params = estimator.get_params() if hasattr(estimator, "get_params") else {}
    return {key: repr(value) for key, value in params.items()}


def _check_range(name: str, estimator: Any, x: FloatArray) -> None:
    if not hasattr(estimator, "predict_proba"):
        if not np.isfinite(_predict(name, estimator, x)).all():
            raise AssertionError(
                f"{name} predicts what is not finite: give a finite number for every finite row."
            )
        return
    _predict(name, estimator, x)  # the shape
    both = np.asarray(estimator.predict_proba(x), np.float64)
    inside = (both >= 0.0) & (both <= 1.0)
    if not inside.all():
        raise AssertionError(
            f"{name} gives probabilities outside [0, 1], such as {both[~inside][0]:.3g}: clip them."
        )
    if not (np.abs(both.sum(axis=1) - 1.0).max() <= _SHARE):
        raise AssertionError(f"the probabilities of {name} do not add up to 1: return 1 - p and p.")


def _near(actual: FloatArray, expected: FloatArray) -> bool:
    usual = float(np.abs(expected).mean())
    return bool((np.abs(actual - expected) <= _SHARE * np.maximum(np.abs(expected), usual)).all())


def _check_rows_alone(name: str, estimator: Any, rows: FloatArray, told: FloatArray) -> None:
    single = np.concatenate([_predict(name, estimator, row[None]) for row in rows])
    if not _near(single, told):
        raise AssertionError(
            f"{name} predicts a row otherwise alone than among others, by up to "
            f"{np.abs(single - told).max():.3g}: let no row depend on the rows around it."
        )
    turned = np.concatenate([_predict(name, estimator, row[None]) for row in rows[::-1]])[::-1]
    if turned.tobytes() != single.tobytes():
        raise AssertionError(
            f"{name} predicts a row otherwise after other rows: keep no state between predictions."
        )


def _check_forgets(
    fresh: _Fresh, task: _Task, rows: FloatArray, told: FloatArray, n_columns: int, classifier: bool
) -> None:
    estimator = fresh.fitted(_task(fresh.seed + 2, 500, n_columns, classifier))
    second = _predict(fresh.name, _fit(fresh.name, estimator, task), rows)
    if second.tobytes() != told.tobytes():
        raise AssertionError(
            f"{fresh.name} fitted a second time remembers the first: begin anew in fit (warm_start=False)."
        )


def _check_hard_data(fresh: _Fresh, classifier: bool, n_columns: int, seed: int) -> None:
    plain = _task(seed + 3, _FEWEST, n_columns, classifier)
    still = plain.x.copy()
    still[:, 1:] = 0.0
    one = plain.x[:, :1].copy()
    for x in (plain.x, still, one):
        fitted = fresh.fitted(_Task(np.ascontiguousarray(x), plain.target))
        _check_range(fresh.name, fitted, np.ascontiguousarray(x))


def _check_compiled(fresh: _Fresh, classifier: bool, n_columns: int, seed: int) -> None:
    from mlstrat.models.compiled import compile_trees, outputs

    task = _task(seed, 600, n_columns, classifier)
    bins = np.rint((task.x + 1.0) / 2.0 * (_BINS - 1)).astype(np.int64)
    fitted = fresh.fitted(_Task(bins.astype(np.float64), task.target))
    compiled = compile_trees(fitted, n_columns)
    if compiled is None:
        return
    worst = np.abs(outputs(bins, compiled) - _predict(fresh.name, fitted, bins.astype(np.float64))).max()
    if not (worst <= _SHARE):
        raise AssertionError(
            f"the arrays of {fresh.name} predict otherwise than it does, by up to {worst:.3g}."
        )


def _check_stored(name: str, fitted: Any, rows: FloatArray, told: FloatArray, trust: Collection[str]) -> None:
    from mlstrat.models.own import is_trees

    if is_trees(fitted):
        return
    try:
        pickle.dumps(fitted)
    except Exception as error:
        raise AssertionError(
            f"{name} cannot be sent to another process ({type(error).__name__}: {error}): define it in a "
            "module."
        ) from error
    try:
        import skops.io
    except ImportError:
        return
    kind = type(fitted)
    known = {f"{kind.__module__}.{kind.__qualname__}", *trust}
    content = skops.io.dumps(fitted)
    strange = sorted(set(skops.io.get_untrusted_types(data=content)) - known)
    if strange:
        raise AssertionError(
            f"{name} stores types that are not trusted: pass trust={strange} if you know them."
        )
    again = _predict(name, skops.io.loads(content, trusted=sorted(known)), rows)
    if again.tobytes() != told.tobytes():
        raise AssertionError(f"{name} predicts otherwise after it was stored: keep all it needs.")
