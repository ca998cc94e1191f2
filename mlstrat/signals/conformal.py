"""Adaptive conformal inference on the direction: which of up and down cannot be ruled out at a bar.

A direction stays in the set while it conforms no worse than most realised directions of the bars before. The
level follows the realised coverage, so that it is kept whether or not the series is exchangeable (Gibbs and
Candes 2021). A label has a say from the close of the bar that resolves it, and not before.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass

import numpy as np

from mlstrat.arrays import FloatArray, SideArray

MEMORY = 500  # resolved bars whose scores the set is compared with
STEP = 0.005  # by how much the level follows one miss, as in the paper


class AdaptiveConformal:
    """Takes closed bars one at a time.

    Parameters
    ----------
    coverage : float
        Share of the bars whose realised direction shall lie in the set, in (0, 1).
    target_periods : int
        Horizon of the label in bars, from the next open.
    """

    def __init__(self, coverage: float, target_periods: int) -> None:
        self._target = self._level = 1.0 - coverage
        self._pending: deque[tuple[float, float, float]] = deque()
        self._ahead = target_periods + 1
        self._recent: deque[float] = deque()
        self._sorted: list[float] = []
        self.resolved = 0
        self.covered = 0

    def step(self, open_px: float, prob_up: float) -> int:
        """Take one bar at its close.

        Parameters
        ----------
        open_px : float
            Its open, by which the label of an earlier bar is resolved.
        prob_up : float
            Its calibrated probability of up; NaN where no model speaks.

        Returns
        -------
        {1, -1, 0}
            The direction that is alone in the set; 0 where both are, or none.
        """
        if len(self._pending) == self._ahead:
            bound, prob, _ = self._pending.popleft()
            if not math.isnan(prob):
                entry = self._pending[0][2]
                self._learn(bound, 1.0 - prob if open_px > entry else prob)
        bound = self._bound()
        self._pending.append((bound, prob_up, open_px))
        up, down = 1.0 - prob_up <= bound, prob_up <= bound
        return int(up) - int(down)

    def _bound(self) -> float:
        """Return the score up to which a direction stays in the set."""
        rank = math.ceil((len(self._sorted) + 1) * (1.0 - self._level))
        if rank > len(self._sorted):
            return math.inf
        return self._sorted[rank - 1] if rank > 0 else -math.inf

    def _learn(self, bound: float, score: float) -> None:
        self.resolved += 1
        self.covered += score <= bound
        self._level += STEP * (self._target - (score > bound))
        insort(self._sorted, score)
        self._recent.append(score)
        if len(self._recent) > MEMORY:
            oldest = self._recent.popleft()
            del self._sorted[bisect_left(self._sorted, oldest)]


@dataclass(frozen=True, eq=False)
class Conformal:
    """What adaptive conformal inference says of a series.

    Parameters
    ----------
    direction : (n_bars,) int8
        1 or -1 where that direction is alone in the set, 0 where both are, or none, or no model speaks.
    coverage : float
        Share of the resolved bars whose realised direction lay in the set; NaN without any.
    resolved : int
        Bars with a prediction whose label is resolved.
    """

    direction: SideArray
    coverage: float
    resolved: int


def conformal(open_px: FloatArray, prob_up: FloatArray, coverage: float, target_periods: int) -> Conformal:
    """Run `AdaptiveConformal` over a series.

    Parameters
    ----------
    open_px : (n_bars,) float64
        Opens of the bars.
    prob_up : (n_bars,) float64
        Calibrated probability of up, NaN where no model speaks.
    coverage, target_periods
        As for `AdaptiveConformal`.
    """
    state = AdaptiveConformal(coverage, target_periods)
    pairs = zip(open_px.tolist(), prob_up.tolist(), strict=True)
    direction = np.array([state.step(px, prob) for px, prob in pairs], np.int8)
    realised = state.covered / state.resolved if state.resolved else math.nan
    return Conformal(direction, realised, state.resolved)
