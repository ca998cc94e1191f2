"""From a score to the odds of *this trade*: how often it wins, how much it pays, and how sure that is.

Kelly needs the probability that the trade with this stop, target and time exit ends in profit after
costs, not the probability of an up-tick. Per side, that is a logistic map of the score:

    logit(win_prob) = base + slope x z,    z = (side x logit(score) - centre) / spread

`base` is the logit of the share of winning trades in the whole training window; `slope` >= 0 is fitted
on the purged calibration tail, on scores that neither the models nor the stack were fitted on. Trades of
neighbouring bars overlap, so the number of independent ones is their number over `overlap_of`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mlstrat.arrays import FloatArray, IntArray, njit
from mlstrat.errors import ModelError
from mlstrat.logistic import PRIOR_SD, fit_slopes, logit, sigmoid

MIN_TRADES = 30  # fewest ended trades that odds are estimated from


class Odds(NamedTuple):
    """The map of one side; numbers only, so that it stores, compiles and exports.

    `base_var` and `slope_var` are variances of `base` and `slope`; `payoff` is the mean net win over the
    mean net loss of the window's trades; `win` and `loss` are those means, as shares of entry value.
    """

    side: float
    base: float
    base_var: float
    slope: float
    slope_var: float
    centre: float
    spread: float
    payoff: float
    win: float
    loss: float


@dataclass(frozen=True, eq=False)
class Tail:
    """One side's calibration tail.

    Parameters
    ----------
    score : (n_tail,) float64
        Scores whose stack was not fitted on their own row.
    half : (n_tail,) int64
        Rows with the same number were scored by the same stack.
    live_score : (n_tail,) float64
        Scores by the stack that will speak: they tell how the scores to come are spread.
    net : (n_tail,) float64
        Net return of the trade decided at each row.
    """

    score: FloatArray
    half: IntArray
    live_score: FloatArray
    net: FloatArray


def fit_odds(side: int, tail: Tail, net: FloatArray, held: FloatArray) -> Odds:
    """Fit one side's map.

    Parameters
    ----------
    side : int
        1 long, -1 short.
    tail : Tail
        The calibration tail.
    net, held : (n_train,) float64
        Net return and bars held of every trade of the training window that must have ended by the cut.

    Returns
    -------
    Odds
        Where no trade lost (or none won), the missing mean is the other one.

    Raises
    ------
    ModelError
        Fewer than `MIN_TRADES` trades had ended in the window or in its tail.
    """
    fewest = min(len(net), len(tail.net))
    if fewest < MIN_TRADES:
        raise ModelError(
            f"only {fewest} trades had ended in a training window or its calibration tail, too few to tell "
            "their odds: lower stops.max_bars, or raise splits.training_days."
        )
    overlap = overlap_of(held)
    rate = (np.sum(net > 0) + 1.0) / (len(net) + 2.0)  # Laplace's rule keeps the logit finite
    base = float(logit(rate))
    z = _standardised(side * logit(tail.score), tail.half)
    slope = float(fit_slopes(z[:, None], (tail.net > 0).astype(np.float64), base, overlap)[0])
    fitted = sigmoid(base + slope * z)
    information = float(np.sum(fitted * (1.0 - fitted) * z**2)) / overlap
    live = side * logit(tail.live_score)
    win, loss = _means(net)
    return Odds(
        side=float(side),
        base=base,
        base_var=overlap / (len(net) * rate * (1.0 - rate)),
        slope=slope,
        slope_var=1.0 / (information + 1.0 / PRIOR_SD**2),
        centre=float(live.mean()),
        spread=float(live.std()) or 1.0,
        payoff=win / loss,
        win=win,
        loss=loss,
    )


def overlap_of(held: FloatArray) -> float:
    """Return how many neighbouring trades count as one: the length-biased mean of their spans.

    Trades decided on every bar share their bars; where their outcomes correlate by the share of bars in
    common, the variance of a mean grows by E[span^2] / E[span], with span = bars held + 1.
    """
    span = held + 1.0
    return float(np.mean(span**2) / np.mean(span))


def _standardised(raw: FloatArray, half: IntArray) -> FloatArray:
    z = np.zeros_like(raw)
    for part in np.unique(half):
        own = raw[half == part]
        z[half == part] = (own - own.mean()) / (own.std() or 1.0)
    return z


def _means(net: FloatArray) -> tuple[float, float]:
    wins, losses = net[net > 0], -net[net < 0]
    win = float(wins.mean()) if len(wins) else float(losses.mean()) if len(losses) else 1.0
    return win, float(losses.mean()) if len(losses) else win


@njit
def odds_row(score: float, odds: Odds) -> tuple[float, float]:
    """Return the win probability at a score, and the standard error of its logit."""
    raw = min(max(score, 1e-6), 1.0 - 1e-6)
    z = (odds.side * math.log(raw / (1.0 - raw)) - odds.centre) / odds.spread
    eta = odds.base + odds.slope * z
    return 1.0 / (1.0 + math.exp(-eta)), math.sqrt(odds.base_var + z * z * odds.slope_var)


def break_even_threshold(odds: Odds) -> float:
    """Return the score beyond which the trade pays its costs by point estimate.

    That is where win_prob = 1 / (1 + payoff). It is never on the other side of one half: a long needs a
    score of at least 0.5. NaN = no score pays.
    """
    needed = -math.log(odds.payoff) - odds.base
    if odds.slope > 0.0:
        z = needed / odds.slope
        with np.errstate(over="ignore"):
            score = float(sigmoid(odds.side * (z * odds.spread + odds.centre)))
    else:
        score = math.nan if needed > 0.0 else 0.5
    bounded = max(score, 0.5) if odds.side > 0 else min(score, 0.5)
    return bounded if 1e-6 < bounded < 1.0 - 1e-6 else math.nan
