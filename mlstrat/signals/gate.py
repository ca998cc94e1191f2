"""Whether a window listens to sentiment: only where that helped on bars that its models were not fitted on.

On the calibration tail of the window's training bars, the win probability of a long and of a short taken at
each bar is predicted twice: from the models alone, and from the models blended with sentiment at its whole
weight. Each half of the tail is predicted by Platt's map of the other half. Sentiment counts in the window if
the mean log loss that it saves where it is known is above zero with a confidence of 95 % (one-sided), by the
paired differences and their own dependence (`mlstrat.har`). Where too little of the tail has sentiment to
tell, it does not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mlstrat.arrays import BoolArray, FloatArray, IntArray
from mlstrat.calibration import apply_curve, fit_curve
from mlstrat.har import mean_interval
from mlstrat.logistic import logit
from mlstrat.predictions import SentimentGate
from mlstrat.signals.odds import standardised

LEAST_TRADES = 15.0  # independent trades with known sentiment, in each half of the tail
_LEVEL = 0.90  # two-sided, so that its lower end is passed by chance in one case of twenty
_HALVES = (0, 1)


class Side(NamedTuple):
    """One side of the calibration tail.

    `side` is 1 or -1; `alone` and `blended` (n_tail,) are the scores without and with sentiment; `net`
    (n_tail,) is the net return of the trade decided at each row, NaN where it is not to be used; `base` is
    the logit of the share of winning trades, and `overlap` the trades that count as one.
    """

    side: int
    alone: FloatArray
    blended: FloatArray
    net: FloatArray
    base: float
    overlap: float


def gate_of(sides: Sequence[Side], half: IntArray, known: BoolArray, memory: float) -> SentimentGate:
    """Judge on one calibration tail whether sentiment counts.

    Parameters
    ----------
    sides : sequence of Side
        Long and short.
    half : (n_tail,) int64
        Which half a row lies in, 0 or 1; other rows are not used.
    known : (n_tail,) bool
        Where sentiment is known.
    memory : float
        Bars that sentiment remembers.
    """
    gains = np.column_stack([_loss(one, one.alone, half) - _loss(one, one.blended, half) for one in sides])
    used = known & np.isfinite(gains).any(axis=1)
    overlap = max(one.overlap for one in sides)
    heard = [int(np.sum(used & (half == part))) for part in _HALVES]
    if min(heard) < LEAST_TRADES * overlap:
        return SentimentGate(0.0, sum(heard), 0.0, 0.0)
    mean = mean_interval(np.nanmean(gains[used], axis=1), memory_of(memory, overlap), _LEVEL)
    return SentimentGate(float(mean.low > 0.0), sum(heard), mean.estimate, mean.low)


def memory_of(sentiment: float, overlap: float) -> float:
    """Return after how many bars differences of losses are taken to be forgotten.

    Parameters
    ----------
    sentiment : float
        Bars that sentiment remembers.
    overlap : float
        Bars that neighbouring trades share.
    """
    return max(sentiment, 5.0 * overlap, 1.0)


def _loss(one: Side, score: FloatArray, half: IntArray) -> FloatArray:
    """Return the log loss of each row, in nats, by the map of the other half; NaN where there is none."""
    loss = np.full(len(score), np.nan)
    rows = [np.flatnonzero((half == part) & np.isfinite(one.net)) for part in _HALVES]
    if not all(map(len, rows)):
        return loss
    z, won = np.zeros(len(score)), (one.net > 0).astype(np.float64)
    for own in rows:
        z[own] = standardised(one.side * logit(score[own]), half[own])
    for own, other in (rows, rows[::-1]):
        curve = fit_curve("platt", z[other], won[other], one.base, one.overlap).curve
        eta = one.base + apply_curve(z[own], curve)
        loss[own] = np.logaddexp(0.0, eta) - won[own] * eta
    return loss
