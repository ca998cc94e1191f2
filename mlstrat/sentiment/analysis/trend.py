"""Whether a mood rises or falls, by a slope that is tested."""

from __future__ import annotations

from typing import Literal

import numpy as np

from mlstrat.arrays import FloatArray

Trend = Literal["improving", "stable", "declining"]

# The span that is looked at, and how it is cut: blocks long enough to hold posts, and enough of them.
TREND_HOURS, BLOCK_HOURS = 72, 3
N_BLOCKS = TREND_HOURS // BLOCK_HOURS
# Fewer known blocks than half say too little about a slope.
MIN_BLOCKS = N_BLOCKS // 2
# Slow waves that the noise is measured by, and the two-sided 5 % point of Student's t with as many degrees of
# freedom.
WAVES = 4
CRITICAL_T = 2.7764451051977987


def trend(score: FloatArray, confidence: FloatArray) -> Trend:
    """Say whether the scores of successive blocks rise or fall.

    A line is fitted by least squares, each block weighing its confidence. Whether its slope differs from 0
    is tested at 5 % with a variance from the slow waves that the line leaves (equal-weighted cosines), since
    moods persist and neighbouring blocks are not independent: with the columns 1, x, cos 2 pi x, ...,
    cos 5 pi x (x from 0 at the first known block to 1 at the last) made orthonormal in this order under the
    weights, and b_j the coefficients of the scores on them::

        t = b_1 / sqrt(mean(b_2 ** 2, ..., b_5 ** 2)),  Student's t with 4 degrees of freedom

    Parameters
    ----------
    score : (n_blocks,) float64
        Mood of each block in [-1, 1], oldest first; blocks of equal length that do not overlap.
    confidence : (n_blocks,) float64
        In [0, 1]; a block with 0 is unknown and left out.

    Returns
    -------
    str
        "improving" or "declining" where the slope is significant, else "stable"; also "stable" with fewer
        than 12 known blocks.

    References
    ----------
    Lazarus, Lewis, Stock and Watson (2018), HAR Inference: Recommendations for Practice, Journal of Business
    & Economic Statistics 36(4).
    """
    known = np.flatnonzero(confidence > 0)
    if len(known) < MIN_BLOCKS:
        return "stable"
    x = (known - known[0]) / (known[-1] - known[0])
    waves = [np.cos(np.pi * j * x) for j in range(2, 2 + WAVES)]
    root = np.sqrt(confidence[known])
    basis, upper = np.linalg.qr(np.column_stack([np.ones_like(x), x, *waves]) * root[:, None])
    onto = basis.T @ (score[known] * root)
    slope = onto[1] * np.sign(upper[1, 1])
    noise = np.sqrt(np.mean(onto[2:] ** 2))
    rounding = 1e-9 * np.linalg.norm(root)
    if abs(slope) <= CRITICAL_T * noise + rounding:
        return "stable"
    return "improving" if slope > 0 else "declining"
