"""Whether the news of the last hours is unlike the news of the days before."""

from __future__ import annotations

import numpy as np

from mlstrat.arrays import BoolArray, FloatArray, IntArray, njit

_HOUR_NS = 3_600_000_000_000
RECENT_HOURS, BEFORE_HOURS = 6, 72
# Fewer headlines than these say nothing of a change.
LEAST_RECENT, LEAST_BEFORE = 5, 20
# Standard errors beyond which the mean lean has changed, and by how much it must at least.
LEAN_ERRORS, LEAST_CHANGE = 4.0, 0.1
# Standard errors beyond which there are more headlines than on the days before.
BURST_ERRORS = 4.0
# Same hours of the days before, so that the daily rhythm of the news is no burst.
_DAYS_BEFORE = 3


def shocks(known_at: IntArray, weight: FloatArray, lean: FloatArray, moment: IntArray) -> BoolArray:
    """Say at which moments the news of the last 6 hours is unlike that of the 72 hours before them.

    *By lean*: with l_i = c_i p_i and the headlines' own weights (no decay), m the weighted mean lean and
    n = sum(w)^2 / sum(w^2) the effective number of the headlines of the last 6 hours (1) and of the 72 hours
    before those (2), and s^2 the variance around the two means, pooled::

        |m_1 - m_2| > 4 s sqrt(1 / n_1 + 1 / n_2)   and   |m_1 - m_2| > 0.1

    with at least 5 headlines in (1) and 20 in (2). *By number*: with c the number of headlines of the last 6
    hours, at least 5, and r the mean number in the same 6 hours of the three days before, of which the
    earliest day has one at least::

        c - r > 4 sqrt(max(r, 1) (1 + 1 / 3))

    which is four standard errors of the difference of Poisson numbers.

    Parameters
    ----------
    known_at : (n,) int64
        When each headline is known, nanoseconds, never decreasing.
    weight : (n,) float64
        What each weighs by itself.
    lean : (n,) float64
        Polarity times confidence.
    moment : (n_bars,) int64
        Nanoseconds. Only headlines known at or before it count.

    Returns
    -------
    (n_bars,) bool
    """

    def since(hours: int) -> IntArray:
        return np.searchsorted(known_at, moment - hours * _HOUR_NS, side="right")

    edges = since(RECENT_HOURS + BEFORE_HOURS), since(RECENT_HOURS), since(0)
    moved = np.abs(_change(weight, lean, *edges)) > LEAN_ERRORS
    recent = edges[2] - edges[1]
    days = [since(24 * day) - since(24 * day + RECENT_HOURS) for day in range(1, _DAYS_BEFORE + 1)]
    usual = np.sum(days, axis=0) / _DAYS_BEFORE
    error = np.sqrt(np.maximum(usual, 1.0) * (1.0 + 1.0 / _DAYS_BEFORE))
    seen_long_ago = since(24 * (_DAYS_BEFORE - 1) + RECENT_HOURS) > edges[0]
    burst = (recent >= LEAST_RECENT) & seen_long_ago & (recent - usual > BURST_ERRORS * error)
    return np.asarray(moved | burst)


@njit
def _change(
    weight: FloatArray, lean: FloatArray, start: IntArray, turn: IntArray, end: IntArray
) -> FloatArray:
    """Return by how many standard errors the mean lean changed; 0 where too little is known."""
    out = np.zeros(len(end))
    for bar in range(len(end)):
        if end[bar] - turn[bar] < LEAST_RECENT or turn[bar] - start[bar] < LEAST_BEFORE:
            continue
        mean_1, square_1, n_1 = _moments(weight, lean, turn[bar], end[bar])
        mean_2, square_2, n_2 = _moments(weight, lean, start[bar], turn[bar])
        if n_1 + n_2 <= 2.0 or min(n_1, n_2) == 0.0 or abs(mean_1 - mean_2) <= LEAST_CHANGE:
            continue
        variance = (n_1 * square_1 + n_2 * square_2) / (n_1 + n_2 - 2.0)
        out[bar] = (mean_1 - mean_2) / np.sqrt(variance * (1.0 / n_1 + 1.0 / n_2))
    return out


@njit
def _moments(weight: FloatArray, lean: FloatArray, start: int, end: int) -> tuple[float, float, float]:
    """Return the weighted mean, the weighted mean square around it, and the effective number."""
    total, squares, mean, square = 0.0, 0.0, 0.0, 0.0
    for i in range(start, end):
        total += weight[i]
        squares += weight[i] * weight[i]
        mean += weight[i] * lean[i]
    if squares == 0.0:
        return 0.0, 0.0, 0.0
    mean /= total
    for i in range(start, end):
        square += weight[i] * (lean[i] - mean) ** 2
    return mean, square / total, total * total / squares
