"""Fitting a user's own models: their class is named in the run file, and that is the leave to import it."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.config_own import OwnModel
from mlstrat.errors import ConfigError, MissingExtraError, ModelError
from mlstrat.models.compiled import TURNED, compile_trees
from mlstrat.models.ensemble import BOOSTING, COLUMNS, FOREST, LSTM
from mlstrat.models.guests import Guest, scaled
from mlstrat.models.selection import widened
from mlstrat.models.voters import GIVEN, LOGISTIC, PLAIN, Voter, Voters, join_voters

PLACES = {"forest": FOREST, "boosting": BOOSTING, "lstm": LSTM}
# Settings that speak of columns by position, which selection changes from window to window.
_BY_POSITION = (
    "monotone_constraints",
    "monotonic_cst",
    "categorical_feature",
    "categorical_features",
    "interaction_constraints",
    "interaction_cst",
)
# What makes LightGBM fit the same bits on any number of cores, and say nothing while it does.
_LIGHTGBM = {"n_jobs": 1, "deterministic": True, "force_row_wise": True, "verbosity": -1}


@dataclass(frozen=True, eq=False)
class Lesson:
    """What a window's own models learn from.

    Parameters
    ----------
    bins : (n_rows, n_columns) int64
        Binned training rows, the chosen columns.
    columns : (n_columns,) int64
        Which columns of the whole row these are.
    edges : (n_features, n_edges) float64
        Edges of all columns; without any where a column was not chosen.
    up : (n_rows,) float64
        1 where the price rose, else 0: what a classifier learns.
    target : (n_rows,) float64
        Standardised returns: what a regressor learns.
    weight : (n_rows,) float64
        How much each row counts.
    unit : float
        One standardised return.
    """

    bins: IntArray
    columns: IntArray
    edges: FloatArray
    up: FloatArray
    target: FloatArray
    weight: FloatArray
    unit: float


@dataclass(frozen=True, eq=False)
class FittedOwn:
    """Own models as fitted: the arrays, those that are no trees, and which columns vote a return."""

    voters: Voters
    guests: tuple[Guest, ...]
    returns: tuple[int, ...]


def fit_own(own: Mapping[str, OwnModel], lesson: Lesson, seed: int) -> FittedOwn:
    """Fit a window's own models, in the order of their names.

    Parameters
    ----------
    own : mapping of str to OwnModel
        Of the run file.
    lesson : Lesson
        What they learn.
    seed : int
        With the name it makes the `random_state` of each that takes one, so that a further model changes no
        other.

    Raises
    ------
    ConfigError, MissingExtraError
        A class cannot be imported or made.
    ModelError
        It cannot be fitted, or turned into arrays though it is trees.
    """
    voters, guests, returns = [], [], []
    joining = COLUMNS
    for name, model in own.items():
        place = PLACES.get(model.replaces, joining)
        joining += not model.replaces
        estimator = make_estimator(name, model, seed)
        classifier = _is_classifier(name, model, estimator)
        unit = 1.0 if classifier else lesson.unit
        target = lesson.up if classifier else lesson.target
        compiled = None
        if is_trees(estimator):
            _fit(name, estimator, lesson.bins.astype(np.float64), target, lesson.weight)
            compiled = compile_trees(estimator, lesson.bins.shape[1])
        if compiled is None:
            whole = np.zeros((len(lesson.bins), len(lesson.edges)), np.int64)
            whole[:, lesson.columns] = lesson.bins
            _fit(name, estimator, scaled(whole, lesson.edges), target, lesson.weight)
            guests.append(Guest(name, place, unit, estimator))
            voters.append(Voter(None, GIVEN, place))
        else:
            trees = widened(compiled.trees, lesson.columns)
            voters.append(Voter(trees, LOGISTIC if compiled.logistic else PLAIN, place, unit))
        if not classifier:
            returns.append(place)
    return FittedOwn(join_voters(voters), tuple(guests), tuple(returns))


def make_estimator(name: str, model: OwnModel, seed: int) -> Any:
    """Return the estimator of a run file, unfitted: one thread and a seed where its class takes them.

    Raises
    ------
    ConfigError, MissingExtraError
        The class cannot be imported, or does not take the settings.
    """
    params = dict(model.params)
    bad = next((key for key in _BY_POSITION if key in params), None)
    if bad:
        raise ConfigError(
            f"models.{name}.params.{bad} speaks of columns by position, and which columns a window has is "
            "chosen in the window: leave it out."
        )
    kind = find_class(name, model.path)
    try:
        estimator = kind(**params)
        taken = estimator.get_params() if hasattr(estimator, "get_params") else {}
        library = model.path.partition(".")[0]
        steady: dict[str, Any] = _LIGHTGBM if library == "lightgbm" else {}
        if library != "sklearn" and "n_jobs" in taken:  # there, not given means one
            steady = {"n_jobs": 1, **steady}
        more = {key: value for key, value in steady.items() if key not in params}
        if "random_state" in taken and "random_state" not in params:
            words = [seed, zlib.crc32(name.encode())]
            more["random_state"] = int(np.random.SeedSequence(words).generate_state(1)[0] >> 1)
        return estimator.set_params(**more) if more else estimator
    except Exception as error:
        raise ConfigError(
            f"models.{name}: {model.path} does not take these params ({error}): mend them."
        ) from error


def find_class(name: str, path: str) -> Any:
    """Import a class by its full name.

    Raises
    ------
    ConfigError, MissingExtraError
        There is none of that name.
    """
    module, _, kind = path.rpartition(".")
    try:
        return getattr(import_module(module), kind)
    except ModuleNotFoundError as error:
        package = path.partition(".")[0]
        if package == "lightgbm" and error.name == package:
            raise MissingExtraError("models", package, f"models.{name}") from error
        raise ConfigError(
            f"models.{name}.class is {path!r}, and there is no module {error.name}: correct the name, or "
            "install the package."
        ) from error
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"models.{name}.class is {path!r} ({error}): correct the name.") from error


def is_trees(estimator: Any) -> bool:
    """Return whether an estimator is of a class that can be turned into arrays."""
    return (type(estimator).__module__.partition(".")[0], type(estimator).__name__) in TURNED


def _is_classifier(name: str, model: OwnModel, estimator: Any) -> bool:
    from sklearn.base import is_classifier

    proba, plain = hasattr(estimator, "predict_proba"), hasattr(estimator, "predict")
    if not hasattr(estimator, "fit") or not (proba or plain):
        raise ConfigError(
            f"models.{name}: {model.path} has no fit, or neither predict_proba nor predict: give a class in "
            "the manner of scikit-learn."
        )
    if not proba and hasattr(estimator, "__sklearn_tags__") and is_classifier(estimator):
        raise ConfigError(
            f"models.{name}: {model.path} gives no probabilities (predict_proba): give another class."
        )
    if model.replaces and proba != (model.replaces == "forest"):
        wanted = "a classifier" if model.replaces == "forest" else "a regressor"
        raise ConfigError(
            f"models.{name} replaces the {model.replaces}: give {wanted}, or leave replaces out."
        )
    return proba


def _fit(name: str, estimator: Any, x: FloatArray, target: FloatArray, weight: FloatArray) -> None:
    from sklearn.utils.validation import has_fit_parameter

    if target.min() == target.max():
        raise ModelError(
            f"all {len(target):,} targets of models.{name} are {target[0]:g}: check the bars or choose a "
            "longer window."
        )
    weights = {"sample_weight": weight} if has_fit_parameter(estimator, "sample_weight") else {}
    try:
        estimator.fit(x, target, **weights)
    except Exception as error:
        raise ModelError(
            f"models.{name} cannot be fitted ({type(error).__name__}: {error}): give it other params."
        ) from error
