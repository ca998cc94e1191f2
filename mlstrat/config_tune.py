"""`[tune]` of a run file: how many sizes of the models are tried in each window, and between which bounds."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Bound = int | float


class Range(NamedTuple):
    """What one of [models] may be, and between which values it is tried where nothing else is said.

    Parameters
    ----------
    least, most : int or float
        Bounds of what can be given; whole numbers for a setting that is one.
    low, high : int or float
        Bounds of the default search, both included.
    log : bool
        Whether the search is even in the logarithm.
    searched : bool
        Whether it is tried unless it is named.
    size : bool
        Whether it makes a model larger, so that the profile `pine` keeps its own.
    """

    least: Bound
    most: Bound
    low: Bound
    high: Bound
    log: bool = False
    searched: bool = True
    size: bool = False

    @property
    def whole(self) -> bool:
        """Whether it is a whole number."""
        return isinstance(self.least, int)


TUNABLE: Mapping[str, Range] = {
    "rf_n_estimators": Range(1, 2000, 50, 300, searched=False, size=True),
    "rf_max_depth": Range(1, 20, 4, 10, size=True),
    "rf_min_samples_leaf": Range(1, 10**6, 10, 100, log=True),
    "gb_n_estimators": Range(1, 2000, 50, 200, size=True),
    "gb_max_leaves": Range(2, 255, 4, 31, log=True, size=True),
    "gb_learning_rate": Range(0.0, 1.0, 0.01, 0.2, log=True),
    "lstm_units": Range(1, 256, 8, 64, log=True, searched=False, size=True),
    "lstm_epochs": Range(1, 1000, 5, 20, searched=False),
    "lstm_learning_rate": Range(0.0, 1.0, 0.001, 0.02, log=True),
}


def _space(given: Mapping[str, tuple[Bound, Bound]]) -> Mapping[str, tuple[Bound, Bound]]:
    for name, (low, high) in given.items():
        known = TUNABLE.get(name)
        if known is None:
            close = difflib.get_close_matches(name, TUNABLE, n=1)
            raise ValueError(f"give one of {', '.join(close or TUNABLE)} in place of {name}")
        kinds = (int,) if known.whole else (int, float)
        if any(type(bound) not in kinds for bound in (low, high)):
            raise ValueError(f"give {name} two whole numbers, such as [{known.low}, {known.high}]")
        positive = known.least < low or (known.whole and known.least == low)
        if not (positive and low <= high <= known.most):
            raise ValueError(
                f"give {name} a low and a high bound between {known.least} and {known.most}, such as "
                f"[{known.low}, {known.high}]"
            )
    return given


Space = Annotated[Mapping[str, tuple[Bound, Bound]], AfterValidator(_space)]


class TuneConfig(BaseModel):
    """Search for the sizes of the models inside each training window; 0 trials = none."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    trials: Annotated[int, Field(ge=0, le=10_000)] = 0
    timeout_minutes: Annotated[float, Field(ge=0)] = 0.0
    params: Annotated[
        Space, Field(description="a table such as {rf_max_depth = [4, 10], gb_learning_rate = [0.01, 0.2]}")
    ] = {}
