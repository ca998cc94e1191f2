"""Own models that are no trees: they vote by calling the estimator, one row at a time.

They see bins scaled to [-1, 1], those of the columns that have edges. One row at a time is slower than a
block, and it is what makes batch, stream and a single row give the same bits: a library adds up a block in
another order than a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.errors import ModelError
from mlstrat.models.binning import bin_block
from mlstrat.models.ensemble import FOREST, EnsembleArrays, predict_into


@dataclass(frozen=True, eq=False)
class Guest:
    """A fitted estimator and where it votes.

    Parameters
    ----------
    name : str
        As in the run file.
    place : int
        Column of a prediction row.
    unit : float
        Factor of its output: one standardised return, or 1 for a probability.
    estimator : object
        Fitted; `predict_proba` where it is a classifier, else `predict`.
    """

    name: str
    place: int
    unit: float
    estimator: Any

    def vote(self, row: FloatArray) -> float:
        """Return the vote on one row (1, n_inputs) of scaled bins.

        Raises
        ------
        ModelError
            It fails, or gives no finite number.
        """
        try:
            if hasattr(self.estimator, "predict_proba"):
                told = np.ravel(self.estimator.predict_proba(row))[-1]
            else:
                told = np.ravel(self.estimator.predict(row))[-1]
            vote = self.unit * float(told)
        except Exception as error:
            raise ModelError(
                f"models.{self.name} failed to predict ({type(error).__name__}: {error}): mend its class, or "
                "take it out of the run file."
            ) from error
        if not np.isfinite(vote):
            raise ModelError(f"models.{self.name} predicts {vote}: mend its class, or give other params.")
        return vote


def scaled(bins: IntArray, edges: FloatArray) -> FloatArray:
    """Return what guests see: bins (n_rows, n_features) of the columns with edges, scaled to [-1, 1]."""
    count = np.isfinite(edges).sum(axis=1)
    columns = np.flatnonzero(count)
    # Rows next to each other in memory: a library may add up a strided row in another order.
    return np.ascontiguousarray(2.0 * bins[:, columns] / count[columns] - 1.0)


def given_votes(x: FloatArray, edges: FloatArray, guests: Sequence[Guest]) -> FloatArray:
    """Return the votes (n_rows, n_guests) of guests; NaN where a feature is not finite."""
    votes = np.full((len(x), len(guests)), np.nan)
    if not guests:
        return votes
    known = np.flatnonzero(np.isfinite(x).all(axis=1))
    rows = scaled(bin_block(x[known], edges), edges)
    for t, row in zip(known, rows, strict=True):
        votes[t] = [guest.vote(row[None]) for guest in guests]
    return votes


def predict_with(
    x: FloatArray, state: FloatArray, ensemble: EnsembleArrays, guests: Sequence[Guest]
) -> FloatArray:
    """Predict consecutive bars as `predict_block` does, with the votes of guests."""
    out = np.full((len(x), FOREST + len(ensemble.stack.slope)), np.nan)
    out[:, [guest.place for guest in guests]] = given_votes(x, ensemble.models.edges, guests)
    predict_into(x, state, ensemble, out)
    return out
