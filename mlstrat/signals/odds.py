"""From a score to the odds of *this trade*: how often it wins, how much it pays, and how sure that is.

Kelly needs the probability that the trade with this stop, target and time exit ends in profit after
costs, not the probability of an up-tick. Per side, that is a calibrated map of the score:

    logit(win_prob) = base + curve(z),    z = (side x logit(score) - centre) / spread

`base` is the logit of the share of winning trades in the whole training window; `curve` (Platt, beta or
isotonic, `mlstrat.calibration`) is fitted on the purged calibration tail, on scores that neither the models
nor the stack were fitted on. Trades of neighbouring bars overlap, so the number of independent ones is their
number over `overlap_of`.

A base rate that wanders within the training window will wander on: its variance between blocks of the
window, beyond what so few trades show anyway, is the calibration error that is added to the uncertainty.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mlstrat.arrays import FloatArray, IntArray, njit
from mlstrat.calibration import Choice, Curve, curve_row, fit_best, variance_row
from mlstrat.errors import ModelError
from mlstrat.logistic import logit

MIN_TRADES = 30  # fewest ended trades that odds are estimated from
BLOCKS = 8  # consecutive parts of the training window whose shares of winning trades are compared


class Odds(NamedTuple):
    """The map of one side; numbers only, so that it stores, compiles and exports.

    `base_var` is the variance of `base` as an estimate, `drift_var` that of the base rate from one block of
    the window to the next, and `curve_var` belongs to `curve` (`mlstrat.calibration.Fit`); `payoff` is the
    mean net win over the mean net loss of the window's trades; `win` and `loss` are those means, as shares
    of entry value.
    """

    side: float
    base: float
    base_var: float
    drift_var: float
    curve: Curve
    curve_var: FloatArray
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


def fit_odds(side: int, tail: Tail, net: FloatArray, held: FloatArray, calibration: Choice = "auto") -> Odds:
    """Fit one side's map.

    Parameters
    ----------
    side : int
        1 long, -1 short.
    tail : Tail
        The calibration tail.
    net, held : (n_train,) float64
        Net return and bars held of every trade of the training window that must have ended by the cut, in
        order of time.
    calibration : {"auto", "platt", "beta", "isotonic"}
        The map; "auto" = the one whose halves predict each other best.

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
    rate = _rate(net)
    base = float(logit(rate))
    z = standardised(side * logit(tail.score), tail.half)
    won = (tail.net > 0).astype(np.float64)
    curve, curve_var = fit_best(calibration, z, won, base, overlap)
    live = side * logit(tail.live_score)
    win, loss = _means(net)
    return Odds(
        side=float(side),
        base=base,
        base_var=float(overlap / (len(net) * rate * (1.0 - rate))),
        drift_var=drift_of((net > 0).astype(np.float64), overlap),
        curve=curve,
        curve_var=curve_var,
        centre=float(live.mean()),
        spread=float(live.std()) or 1.0,
        payoff=win / loss,
        win=win,
        loss=loss,
    )


def logit_rate(net: FloatArray) -> float:
    """Return the logit of the share of trades that won."""
    return float(logit(_rate(net)))


def _rate(net: FloatArray) -> float:
    return float((np.sum(net > 0) + 1.0) / (len(net) + 2.0))  # Laplace's rule keeps the logit finite


def drift_of(won: FloatArray, overlap: float) -> float:
    """Return the variance of the base rate's logit between blocks of a window, beyond chance.

    The estimator of DerSimonian and Laird (1986, eq. 8) for the spread of a true rate between `BLOCKS`
    consecutive blocks, each of which shows it with the variance of its independent trades; 0 where the
    blocks differ no more than such trades do.

    Parameters
    ----------
    won : (n_trades,) float64
        1 for a trade that won, else 0, in order of time.
    overlap : float
        Trades that count as one.
    """
    rate = (won.sum() + 1.0) / (len(won) + 2.0)
    shares = np.array(
        [(part.sum() / overlap + rate) / (len(part) / overlap + 1.0) for part in np.array_split(won, BLOCKS)]
    )
    weight = len(won) / BLOCKS / overlap * rate * (1.0 - rate)  # of a block: one over its sampling variance
    spread = float(np.sum((logit(shares) - logit(shares).mean()) ** 2))
    return float(max(0.0, spread / (BLOCKS - 1) - 1.0 / weight))


def overlap_of(held: FloatArray) -> float:
    """Return how many neighbouring trades count as one: the length-biased mean of their spans.

    Trades decided on every bar share their bars; where their outcomes correlate by the share of bars in
    common, the variance of a mean grows by E[span^2] / E[span], with span = bars held + 1.
    """
    span = held + 1.0
    return float(np.mean(span**2) / np.mean(span))


def standardised(raw: FloatArray, half: IntArray) -> FloatArray:
    """Return numbers about the mean of their half, in units of its spread."""
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
    eta = odds.base + curve_row(z, odds.curve)
    variance = odds.base_var + odds.drift_var + variance_row(z, odds.curve, odds.curve_var)
    return 1.0 / (1.0 + math.exp(-eta)), math.sqrt(variance)


def break_even_threshold(odds: Odds) -> float:
    """Return the score from which on the trade pays its costs by point estimate.

    That is where win_prob >= 1 / (1 + payoff), found by halving the interval 80 times. It is never on the
    other side of one half: a long needs a score of at least 0.5. NaN = no score pays.
    """
    needed = 1.0 / (1.0 + odds.payoff)
    too_near, pays = 0.5, 1.0 - 1e-6 if odds.side > 0 else 1e-6
    if odds_row(too_near, odds)[0] >= needed:
        return 0.5
    if odds_row(pays, odds)[0] < needed:
        return math.nan
    for _ in range(80):
        middle = 0.5 * (too_near + pays)
        if odds_row(middle, odds)[0] >= needed:
            pays = middle
        else:
            too_near = middle
    return pays
