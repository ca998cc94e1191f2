"""How many bars a feature remembers: what a stream must be given to say what all bars give."""

from __future__ import annotations

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.features.causality import SHARE, usual_size, values_of
from mlstrat.features.registry import Feature
from mlstrat.features.step_values import rows_for, step_values

# Longest memory that is looked for.
LONGEST = 4096
# Bars between two places where the stream is tried: coprime to the hours of a day and of a week.
_STRIDE = 37


def stream_difference(f: Feature, rows: FloatArray, warmup: int, places: int) -> float:
    """Return the largest difference between all bars and a beginning with the last `warmup` of them.

    Parameters
    ----------
    f : Feature
        What is tried.
    rows : (n_bars, 6) float64
        More than `warmup` of them.
    warmup : int
        Bars that a stream is given.
    places : int
        Bars at which both are compared, from the last backwards.

    Returns
    -------
    float
        As a share of the value, or of the column's usual size where that is larger; infinite where only one
        of the two is a number.
    """
    values = step_values if f.function is None else values_of
    rows = rows_for(f, rows)
    whole = values(f, rows)
    usual, worst = usual_size(whole), 0.0
    for end in range(len(rows), warmup, -_STRIDE)[:places]:
        live, batch = values(f, rows[end - warmup : end])[-1], whole[end - 1]
        if np.isnan(live) and np.isnan(batch):
            continue
        change = abs(live - batch)
        if not np.isfinite(change):
            return float("inf")
        if change > 0:
            worst = max(worst, change / max(abs(batch), usual))
    return float(worst)


def bars_for(warmup: int, places: int) -> int:
    """Return how many bars such a comparison takes: several times the warm-up."""
    return 4 * warmup + 200 + _STRIDE * places


def least_warmup(f: Feature, rows: FloatArray, places: int) -> int | None:
    """Return the shortest of the doubled lookbacks that is warm-up enough; None: the memory has no bound.

    Parameters
    ----------
    f : Feature
        `f.warmup` is where doubling begins.
    rows : (n_bars, 6) float64
        As many as ten times the longest warm-up that can be found; fewer are used for shorter ones.
    places : int
        Bars at which the stream and the batch are compared.
    """
    warmup = f.warmup
    while warmup <= LONGEST:
        part = rows[: max(10 * warmup, bars_for(warmup, places))]
        if len(part) > warmup and stream_difference(f, part, warmup, places) <= SHARE:
            return warmup
        warmup *= 2
    return None
