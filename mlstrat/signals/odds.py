"""From a score to the odds of *this trade*: how often it wins, how much it pays, and how sure that is.

Kelly needs the probability that the trade with this stop, target and time exit ends in profit after
costs, not the probability of an up-tick. Per side, that is a logistic map of the score:

    logit(win_prob) = base + slope x z,    z = side x (logit(score) - centre) / spread

`base` is the logit of the share of winning trades in the whole training window; `slope` >= 0 is fitted
on the purged calibration tail, where the score is out of sample. Trades of neighbouring bars overlap, so
the number of independent ones is their number over the bars that a trade spans.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from mlstrat.arrays import FloatArray, njit
from mlstrat.logistic import PRIOR_SD, fit_slopes, logit, sigmoid


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


def fit_odds(
    side: int, score: FloatArray, tail_net: FloatArray, train_net: FloatArray, held: FloatArray
) -> Odds:
    """Fit one side's map.

    Parameters
    ----------
    side : int
        1 long, -1 short.
    score : (n_tail,) float64
        Out-of-sample scores on the calibration tail.
    tail_net : (n_tail,) float64
        Net return of the trade decided at each of those bars.
    train_net, held : (n_train,) float64
        Net return and bars held of every trade of the training window that had ended at the cut.

    Returns
    -------
    Odds
        Where the window has no winning or no losing trade, the missing mean is the other one.
    """
    overlap = float(np.mean(held)) + 1.0
    wins, losses = train_net[train_net > 0], train_net[train_net <= 0]
    n = len(train_net)
    rate = (len(wins) + 1.0) / (n + 2.0)  # Laplace's rule keeps the logit finite
    raw = side * logit(score)
    centre, spread = float(raw.mean()), float(raw.std()) or 1.0
    z = (raw - centre) / spread
    base = float(logit(rate))
    slope = float(fit_slopes(z[:, None], (tail_net > 0).astype(np.float64), base, overlap)[0])
    fitted = sigmoid(base + slope * z)
    information = float(np.sum(fitted * (1.0 - fitted) * z**2)) / overlap
    win = float(wins.mean()) if len(wins) else float(-losses.mean())
    loss = float(-losses.mean()) if len(losses) else win
    return Odds(
        side=float(side),
        base=base,
        base_var=overlap / (n * rate * (1.0 - rate)),
        slope=slope,
        slope_var=1.0 / (information + 1.0 / PRIOR_SD**2),
        centre=centre,
        spread=spread,
        payoff=win / max(loss, 1e-12),
        win=win,
        loss=loss,
    )


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
