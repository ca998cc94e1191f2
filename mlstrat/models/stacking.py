"""How votes become one probability: stacked and calibrated on the tail that no voter was fitted on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlstrat.arrays import BoolArray, FloatArray, IntArray
from mlstrat.calibration import Choice, fit_best, name_of
from mlstrat.logistic import fit_slopes, logit
from mlstrat.models.ensemble import FOREST, PROB_UP, Stack, stack_row
from mlstrat.models.sample import Sample, halves


@dataclass(frozen=True, eq=False)
class Inner:
    """Out-of-sample predictions on the calibration tail of a training window.

    Parameters
    ----------
    rows : (n_tail,) int64
        Bars of the tail whose label was known at the cut.
    block : (n_tail, 2 + n_votes) float64
        Their predictions by the models fitted before the tail; each half of the tail is stacked by the
        stack of the other half, so that nothing here was fitted on the row it speaks about.
    stacked : (n_tail,) float64
        Their probability by the stack of the whole tail: how the scores to come will be spread.
    half : (n_tail,) int64
        Which half a row lies in, 0 or 1; -1 for rows purged between the halves.
    purged : int
        Bars removed between the inner training part and the tail.
    """

    rows: IntArray
    block: FloatArray
    stacked: FloatArray
    half: IntArray
    purged: int


def stack_votes(
    votes: FloatArray, returns: IntArray, sample: Sample, tail: IntArray, choice: Choice, purged: int
) -> tuple[Stack, Inner]:
    """Fit the stack and its calibration map on the tail, and stack each half by what the other half taught.

    Parameters
    ----------
    votes : (n_tail, n_votes) float64
        What the models that were fitted before the tail say of it.
    returns : (n_returns,) int64
        Which votes are returns and not probabilities.
    sample : Sample
        The window.
    tail : (n_tail,) int64
        Its rows.
    choice : {"auto", "platt", "beta", "isotonic"}
        The map; "auto" = `mlstrat.calibration.choose`.
    purged : int
        Bars removed before the tail.
    """
    kept, second = halves(tail, sample.resolved_at, sample.close_time, sample.embargo)
    half = np.where(np.isin(tail, kept), 0, np.where(np.isin(tail, second), 1, -1))

    def fitted_on(rows: BoolArray) -> Stack:
        stack = _fit_stack(votes[rows], returns, sample, tail[rows])
        return _calibrated(stack, votes[rows], sample, tail[rows], choice)

    stack = fitted_on(np.ones(len(tail), bool))
    whole = _apply_stack(votes, stack)
    block = whole.copy()
    for own, other in ((0, 1), (1, 0)):
        if (half == other).any():
            block[half == own] = _apply_stack(votes[half == own], fitted_on(half == other))
    return stack, Inner(tail, block, whole[:, PROB_UP].copy(), half, purged)


def _calibrated(stack: Stack, votes: FloatArray, sample: Sample, rows: IntArray, choice: Choice) -> Stack:
    """Put the calibration map behind a stack that was fitted on the same rows."""
    moved = ((votes - stack.centre) / stack.spread) @ stack.slope
    base = float(logit(sample.up[sample.train].mean()))
    fitted = fit_best(choice, moved, sample.up[rows], base, sample.overlap)
    # The stack's own slopes are Platt's map already.
    return stack if name_of(fitted.curve) == "platt" else stack._replace(curve=fitted.curve)


def _fit_stack(votes: FloatArray, returns: IntArray, sample: Sample, tail: IntArray) -> Stack:
    """Fit the stack on tail votes (n_tail, n_votes); the base rate of the whole window is the offset."""
    from scipy.optimize import nnls

    centre, spread = votes.mean(axis=0), votes.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    offset = float(logit(sample.up[sample.train].mean()))
    slope = fit_slopes((votes - centre) / spread, sample.up[tail], offset, sample.overlap)
    weights = np.zeros(votes.shape[1])
    weights[returns] = np.minimum(nnls(votes[:, returns], sample.ret[tail])[0], 1.0)
    return Stack(offset, slope, centre, spread, weights)


def _apply_stack(votes: FloatArray, stack: Stack) -> FloatArray:
    block = np.empty((len(votes), FOREST + votes.shape[1]))
    block[:, FOREST:] = votes
    for row in block:
        stack_row(row, stack)
    return block
