"""The sums behind a series of sentiment: each moment's window of headlines, added anew."""

from __future__ import annotations

import numpy as np

from mlstrat.arrays import FloatArray, IntArray, njit

# Neutral headlines assumed besides the known ones, so that a single headline cannot be trusted fully.
PRIOR_HEADLINES = 3.0


@njit
def join(
    known_at: IntArray,
    weight: FloatArray,
    polarity: FloatArray,
    confidence: FloatArray,
    moment: IntArray,
    half_life: float,
    window: float,
) -> tuple[FloatArray, FloatArray, IntArray, FloatArray]:
    """Return score, confidence, count and dispersion (n_bars,) as `mlstrat.sentiment.align.to_bars` defines.

    Headlines in order of `known_at`, moments in order of time, all in nanoseconds. Each window is summed
    anew, oldest first: a running sum would change bits where data is cut.
    """
    n = len(moment)
    score, trust, count, dispersion = np.zeros(n), np.zeros(n), np.zeros(n, np.int64), np.zeros(n)
    vote = np.empty(len(known_at))
    first, last = 0, 0
    for bar in range(n):
        while last < len(known_at) and known_at[last] <= moment[bar]:
            last += 1
        while first < last and moment[bar] - known_at[first] >= window:
            first += 1
        total, trusted, leaning, voters = 0.0, 0.0, 0.0, 0
        for i in range(first, last):
            w = weight[i] * 2.0 ** (-(moment[bar] - known_at[i]) / half_life)
            vote[i] = w * confidence[i]
            total += w
            trusted += vote[i]
            leaning += vote[i] * polarity[i]
            voters += vote[i] > 0.0
            count[bar] += weight[i] > 0.0
        trust[bar] = trusted / (total + PRIOR_HEADLINES)
        if trusted > 0.0:
            score[bar] = min(1.0, max(-1.0, leaning / trusted))
        if voters > 1:
            squares = 0.0
            for i in range(first, last):
                squares += vote[i] * (polarity[i] - score[bar]) ** 2
            dispersion[bar] = min(1.0, np.sqrt(squares / trusted))
    return score, trust, count, dispersion
