"""How good probabilities were, and how sure one can be of it. Callers drop rows with NaN first."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.bootstrap import Interval, bootstrap_mean
from mlstrat.errors import DataError

# Keeps log(0) out; a forecast of exactly 0 or 1 that fails costs 34.5 nats.
_EDGE = 1e-15


@dataclass(frozen=True, eq=False)
class Reliability:
    """Forecast against outcome in bins of nearly equal count, from the lowest forecasts to the highest.

    Parameters
    ----------
    prob : (n_bins,) float64
        Mean forecast of the bin.
    share : (n_bins,) float64
        Share of the bin's outcomes that were up.
    count : (n_bins,) int64
        Forecasts in the bin, at least 1.
    """

    prob: FloatArray
    share: FloatArray
    count: IntArray


def log_losses(prob: FloatArray, up: FloatArray) -> FloatArray:
    """(n,) negative log likelihood of each outcome, in nats.

    Parameters
    ----------
    prob : (n,) float64
        Probability of up, in [0, 1]; clipped to 1e-15 from either end.
    up : (n,) float64
        1 up, 0 not.
    """
    _check(prob, up)
    safe = np.clip(prob, _EDGE, 1.0 - _EDGE)
    return np.asarray(-np.where(up == 1.0, np.log(safe), np.log1p(-safe)))


def log_loss(prob: FloatArray, up: FloatArray) -> float:
    """Mean negative log likelihood in nats (Good 1952); ln 2 for a constant 0.5; NaN without rows."""
    return _mean(log_losses(prob, up))


def base_rate_log_loss(base_rate: FloatArray, up: FloatArray) -> float:
    """Log loss of the constant forecast of each training window: what a model must beat.

    Parameters
    ----------
    base_rate : (n,) float64
        Share of up labels in the training window of the fold that speaks for the bar; known in advance.
    up : (n,) float64
        1 up, 0 not.
    """
    return log_loss(base_rate, up)


def brier(prob: FloatArray, up: FloatArray) -> float:
    """Mean squared difference between forecast and outcome (Brier 1950); 0.25 for 0.5; NaN without rows."""
    _check(prob, up)
    return _mean((prob - up) ** 2)


def directional_accuracy(prob: FloatArray, up: FloatArray) -> float:
    """Share of bars whose direction was forecast; exactly 0.5 counts as half right; NaN without rows."""
    _check(prob, up)
    right = np.where(prob == 0.5, 0.5, ((prob > 0.5) == (up == 1.0)).astype(np.float64))
    return _mean(right)


def reliability(prob: FloatArray, up: FloatArray, bins: int = 10) -> Reliability:
    """Return the reliability curve over equal-count bins (Murphy and Winkler 1977).

    Bins are cut at the quantiles of the forecasts. Equal forecasts stay in one bin, so that a forecast
    with few levels gives fewer bins.
    """
    _check(prob, up)
    edges = np.quantile(prob, np.arange(1, bins) / bins) if len(prob) else np.empty(0)
    place = np.searchsorted(edges, prob)
    count = np.bincount(place, minlength=bins)
    filled = count > 0
    return Reliability(
        prob=np.bincount(place, prob, bins)[filled] / count[filled],
        share=np.bincount(place, up, bins)[filled] / count[filled],
        count=count[filled].astype(np.int64),
    )


def expected_calibration_error(curve: Reliability) -> float:
    """Mean distance of forecast and outcome over bins, by count (Naeini et al. 2015); NaN without rows."""
    if not len(curve.count):
        return math.nan
    return float(np.average(np.abs(curve.prob - curve.share), weights=curve.count))


def log_loss_skill(
    prob: FloatArray, base_rate: FloatArray, up: FloatArray, block: float, seed: int
) -> Interval:
    """Base-rate log loss less the forecasts' own, paired by bar, with its 95 % interval; above 0 = skill."""
    return bootstrap_mean(log_losses(base_rate, up) - log_losses(prob, up), block, seed)


def _mean(values: FloatArray) -> float:
    return float(np.mean(values)) if len(values) else math.nan


def _check(prob: FloatArray, up: FloatArray) -> None:
    if prob.shape != up.shape:
        raise DataError(
            f"{prob.shape} forecasts do not match {up.shape} outcomes: give one outcome a forecast."
        )
    if np.isnan(prob).any() or not np.isin(up, (0.0, 1.0)).all():
        raise DataError("forecasts hold NaN or outcomes are not 0 or 1: drop the rows that are not known.")
