"""What each feature adds to one prediction: baseline Shapley values of the ensemble's log-odds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mlstrat.arrays import FloatArray, IntArray, njit
from mlstrat.models.ensemble import FOREST, PROB_UP, EnsembleArrays, predict_row
from mlstrat.models.guests import Guest, given_votes

PAIRS = 16  # of orders: each is walked forwards and backwards, which halves the error of the mean
_SEED = 0


def contributions(
    x: FloatArray, state: FloatArray, ensemble: EnsembleArrays, guests: Sequence[Guest] = ()
) -> FloatArray:
    """Return how much each feature of a row moves the log-odds of a rise.

    Features are set from their typical value to the row's one after another, and each is credited with the
    change; this is averaged over random orders, the same ones every time. The credits add up to the log-odds
    of the row less those of the typical row, in each order and so in the mean; a feature that no model reads
    gets exactly 0. The LSTM's state is part of the situation and is not credited; nor are the votes of
    guests, which stay those of the row.

    Parameters
    ----------
    x : (n_features,) float64
        The row, finite.
    state : (2, units) float64
        The LSTM's state before it; not changed.
    ensemble : EnsembleArrays
        The model.
    guests : sequence of Guest
        The user's own models that are no trees.

    Returns
    -------
    (n_features,) float64
        In log-odds; the sign is the direction.

    References
    ----------
    Sundararajan and Najmi, The many Shapley values for model explanation, ICML 2020 (baseline Shapley).
    Strumbelj and Kononenko, Explaining prediction models and individual predictions with feature
    contributions, 2014 (sampling of orders).
    """
    draw = np.random.default_rng(_SEED)
    forwards = [draw.permutation(len(x)) for _ in range(PAIRS)]
    orders = np.array([order for one in forwards for order in (one, one[::-1])], np.int64)
    x, edges = np.ascontiguousarray(x), ensemble.models.edges
    out = np.full(FOREST + len(ensemble.stack.slope), np.nan)
    out[[guest.place for guest in guests]] = given_votes(x[None], edges, guests)[0]
    return _walk(x, typical_row(edges), state, ensemble, orders, out)


def typical_row(edges: FloatArray) -> FloatArray:
    """Return a row whose every bin is the middle one: edges are quantiles, so it is near the median.

    Parameters
    ----------
    edges : (n_features, n_edges) float64
        Bin edges, padded with +inf; 0 is returned for a feature without any.
    """
    count = np.isfinite(edges).sum(axis=1)
    middle = edges[np.arange(len(edges)), np.minimum(count // 2, edges.shape[1] - 1)]
    return np.where(count > 0, middle, 0.0)


@njit
def _walk(
    x: FloatArray,
    typical: FloatArray,
    state: FloatArray,
    ensemble: EnsembleArrays,
    orders: IntArray,
    out: FloatArray,
) -> FloatArray:
    credit = np.zeros(len(x))
    start = _log_odds(typical, state, ensemble, out)
    for order in orders:
        row = typical.copy()
        before = start
        for feature in order:
            row[feature] = x[feature]
            after = _log_odds(row, state, ensemble, out)
            credit[feature] += (after - before) / len(orders)
            before = after
    return credit


@njit
def _log_odds(row: FloatArray, state: FloatArray, ensemble: EnsembleArrays, out: FloatArray) -> float:
    predict_row(row, state.copy(), ensemble, out)
    prob_up = min(max(out[PROB_UP], 1e-12), 1.0 - 1e-12)
    return math.log(prob_up / (1.0 - prob_up))
