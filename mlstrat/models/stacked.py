"""The whole ensemble as one scikit-learn classifier, thin over `fit_with_guests`."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from threadpoolctl import threadpool_limits

from mlstrat.arrays import FloatArray, TimeArray
from mlstrat.config import ModelsConfig
from mlstrat.errors import ConfigError
from mlstrat.models.contract import (
    BinaryClassifier,
    RandomState,
    checked_returns,
    seed_of,
)
from mlstrat.models.ensemble import MAGNITUDE, PROB_UP, start_state
from mlstrat.models.fitting import fit_with_guests
from mlstrat.models.guests import predict_with
from mlstrat.models.sample import MIN_ROWS, Sample

_USUAL = ModelsConfig()


class EnsembleClassifier(BinaryClassifier):
    """Forest, booster and LSTM, stacked and calibrated (`mlstrat.models.fitting.fit_with_guests`).

    Rows are consecutive in time, in `fit` and in prediction: never shuffle them. Prediction starts the
    LSTM's state at zero at its first row. For rows that follow the training rows, predict both together and
    keep the last ones: then the state has seen the past, as in the walk-forward.

    Parameters
    ----------
    sizes : ModelsConfig, optional
        Sizes of the models, and models of your own; None = profile `full`.
    calibration_share : float
        Share of the rows, the last ones, on which the stack is fitted; in (0, 1).
    min_rows : int
        Fewest rows before and in that tail, at least 1.
    random_state : int, RandomState or None
        Seed; the same int gives the same bits.

    Attributes
    ----------
    classes_ : (2,) array
        Classes; the second one is up.
    ensemble_ : EnsembleArrays
        Everything that predicts, as arrays.
    guests_ : tuple of Guest
        Own models that are no trees.
    inner_ : Inner
        Out-of-sample predictions on the tail, by the models fitted before it.
    """

    def __init__(
        self,
        sizes: ModelsConfig | None = None,
        calibration_share: float = 0.3,
        min_rows: int = MIN_ROWS,
        random_state: RandomState = 0,
    ) -> None:
        self.sizes = sizes
        self.calibration_share = calibration_share
        self.min_rows = min_rows
        self.random_state = random_state

    def fit(
        self, X: ArrayLike, y: ArrayLike, *, returns: ArrayLike | None = None, resolved_after: int = 1
    ) -> Self:
        """Learn from consecutive rows.

        Parameters
        ----------
        X : (n_rows, n_features) array-like
            Finite features.
        y : (n_rows,) array-like
            Labels of two classes; the second in sorted order is up.
        returns : (n_rows,) array-like, optional
            Simple returns that the booster and the LSTM learn; None = +1 for up and -1 for down, and
            `magnitude` is then the expected sign.
        resolved_after : int
            Rows until a row's label is known, at least 1: what keeps the tail out of the models that are
            tested on it, and the overlap of labels (so many count as one observation).

        Raises
        ------
        NotEnoughBarsError
            The rows before the tail, less those whose label the tail overlaps, or the tail are too few.
        ModelError
            The rows before the tail are of one class.
        MissingExtraError
            PyTorch is not installed.
        """
        self._check_settings(resolved_after)
        x, labels = self._training(X, y, numeric=False)
        up = self._learn_classes(labels)
        ret = 2.0 * up - 1.0 if returns is None else checked_returns(returns, x)
        # Purging needs an order of times, not their unit: a row counts as one nanosecond.
        time: TimeArray = np.arange(len(x)).astype("datetime64[ns]")
        resolved_at: TimeArray = time + np.timedelta64(int(resolved_after), "ns")
        rows, embargo = np.arange(len(x)), 0
        sample = Sample(x, ret, up, resolved_at, time, 0, rows, float(resolved_after), embargo)
        drawn = np.random.SeedSequence(seed_of(self.random_state)).generate_state(3) >> 1
        seeds = int(drawn[0]), int(drawn[1]), int(drawn[2])
        with threadpool_limits(1):
            self.ensemble_, self.inner_, self.guests_ = fit_with_guests(
                sample, self.sizes or _USUAL, self.calibration_share, seeds, self.min_rows
            )
        return self

    def magnitude(self, X: ArrayLike) -> FloatArray:
        """Return (n_rows,) expected returns, in the unit of `returns`."""
        return self._block(X)[:, MAGNITUDE]

    def _prob_up(self, X: ArrayLike) -> FloatArray:
        return self._block(X)[:, PROB_UP]

    def _block(self, X: ArrayLike) -> FloatArray:
        x = self._rows(X)
        return predict_with(x, start_state(self.ensemble_.models), self.ensemble_, self.guests_)

    def _check_settings(self, resolved_after: object) -> None:
        sizes: object = self.sizes
        if not isinstance(sizes, ModelsConfig | None):
            raise ConfigError(
                f"sizes is {sizes!r}: give a ModelsConfig, such as ModelsConfig(profile='pine')."
            )
        if not 0 < self.calibration_share < 1:
            raise ConfigError(
                f"calibration_share is {self.calibration_share}: give a share in (0, 1), such as 0.3."
            )
        for name, value in (("min_rows", self.min_rows), ("resolved_after", resolved_after)):
            if not isinstance(value, int | np.integer) or value < 1:
                raise ConfigError(f"{name} is {value!r}: give a whole number of rows, 1 or more.")
