"""The contract of a sizer: from the odds of a trade to the share of equity held."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

Sizer = Callable[[float, float, float], float]
_PROBS = (0.05, 0.2, 0.35, 0.45, 0.5, 0.52, 0.55, 0.6, 0.7, 0.85, 0.99)
_ERRORS = (0.0, 0.05, 0.2, 0.5, 1.0)
_PAYOFFS = (0.1, 0.5, 0.9, 1.0, 1.1, 1.5, 3.0, 10.0)
_IMPOSSIBLE = (
    (math.nan, 0.1, 1.5),
    (0.6, math.nan, 1.5),
    (0.6, 0.1, math.nan),
    (0.0, 0.1, 1.5),
    (1.0, 0.1, 1.5),
    (0.6, 0.1, 0.0),
    (0.6, 0.1, -1.0),
)


def check_sizer(sizer: Sizer, *, cap: float = 1.0) -> None:
    """Check that a sizer bets nothing without an edge, never more than its cap, and more on better odds.

    Parameters
    ----------
    sizer : callable
        `(win_prob, win_se, payoff) -> share`: probability that the trade ends in profit, standard error of
        its logit, mean win over mean loss; the share of equity to hold.
    cap : float
        Largest share that it may give.

    Raises
    ------
    AssertionError
        The first thing that it does not keep, as a sentence.
    """
    for odds in itertools.product(_PROBS, _ERRORS, _PAYOFFS):
        share = _size(sizer, odds)
        if not (math.isfinite(share) and 0.0 <= share <= cap):
            raise AssertionError(f"the sizer gives {share} for {_told(odds)}: give a share from 0 to {cap}.")
        if _size(sizer, odds) != share:
            raise AssertionError(f"the sizer gives other shares for the same odds: {_told(odds)}.")
        prob, _, payoff = odds
        if prob - (1.0 - prob) / payoff <= 0.0 and not (share == 0.0):
            raise AssertionError(
                f"the sizer gives {share} for {_told(odds)}, where the mean outcome is no win: give 0."
            )
    for odds in _IMPOSSIBLE:
        share = _size(sizer, odds)
        if share != 0.0:
            raise AssertionError(f"the sizer gives {share} for {_told(odds)}, which are no odds: give 0.")
    _check_order(sizer, 0, _PROBS, "a higher win probability", 1.0)
    _check_order(sizer, 1, _ERRORS, "a less certain estimate", -1.0)
    _check_order(sizer, 2, _PAYOFFS, "a higher payoff", 1.0)


def _check_order(sizer: Sizer, place: int, values: tuple[float, ...], what: str, sign: float) -> None:
    grids = [_PROBS, _ERRORS, _PAYOFFS]
    del grids[place]
    for first, second in itertools.product(*grids):
        odds = [(*(first, second)[:place], value, *(first, second)[place:]) for value in values]
        for low, high in itertools.pairwise(odds):
            less, more = _size(sizer, low), _size(sizer, high)  # type: ignore[arg-type]
            if not (sign * (more - less) >= -1e-12):
                raise AssertionError(
                    f"the sizer goes from {less} to {more} for {what}, from {_told(low)} to {_told(high)}: "
                    f"let it {'grow' if sign > 0 else 'shrink'}."
                )


def _size(sizer: Sizer, odds: tuple[float, float, float]) -> float:
    try:
        return float(sizer(*odds))
    except Exception as error:
        raise AssertionError(
            f"the sizer fails for {_told(odds)} ({type(error).__name__}: {error}): give 0 where it "
            "cannot say."
        ) from error


def _told(odds: tuple[float, ...]) -> str:
    return "win_prob={}, win_se={}, payoff={}".format(*odds)
