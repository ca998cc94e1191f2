"""How much to hold: Kelly's fraction (Kelly 1956) of an estimate that knows how little it knows."""

import math
from typing import Literal

from mlstrat.arrays import njit

Shrink = Literal["off", "standard", "strict"]

# Standard errors taken off the estimate before it is bet on. `strict` was found by simulation: on
# driftless random walks with costs it leaves at most 1 % of bars with a position (benchmarks/noise.py).
STANDARD_ERRORS: dict[str, float] = {"off": 0.0, "standard": 0.5, "strict": 2.0}


@njit
def kelly_fraction(win_prob: float, win_se: float, payoff: float, standard_errors: float) -> float:
    """Return the Kelly fraction of a trade, 0 without an estimated edge.

    f = p - (1 - p) / b with p the win probability shrunk by so many standard errors of its logit and
    b the payoff (Thorp 2006, eq. 3.2, for a bet that wins b or loses 1).

    Parameters
    ----------
    win_prob : float
        Calibrated probability that the trade ends in profit, in (0, 1).
    win_se : float
        Standard error of its logit, >= 0.
    payoff : float
        Mean win over mean loss, > 0.
    standard_errors : float
        How many to take off, >= 0.
    """
    if not (0.0 < win_prob < 1.0 and payoff > 0.0 and win_se >= 0.0):
        return 0.0
    eta = math.log(win_prob / (1.0 - win_prob)) - standard_errors * win_se
    p = 1.0 / (1.0 + math.exp(-eta))
    return max(p - (1.0 - p) / payoff, 0.0)


@njit
def position_fraction(
    kelly: float, multiplier: float, max_position: float, min_fraction: float, risk_share: float
) -> float:
    """Return the share of equity to hold.

    Parameters
    ----------
    kelly : float
        Full Kelly fraction.
    multiplier : float
        0.5 = half Kelly.
    max_position, min_fraction : float
        Cap, and the least fraction worth a trade (less becomes 0), as shares of equity.
    risk_share : float
        1 where the fraction is the share of equity held (the guide's reading); with `basis = "risk"`
        the share of the position lost at the stop, so that the fraction is what is risked.
    """
    if not (kelly > 0.0 and risk_share > 0.0):
        return 0.0
    fraction = min(multiplier * kelly / risk_share, max_position)
    return fraction if fraction >= min_fraction else 0.0
