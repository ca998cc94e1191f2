"""Small logistic maps: non-negative slopes, a fixed offset, a ridge towards no effect.

With noisy labels the question is how much of a vote to believe. A slope starts at 0 (believe nothing),
can only grow in the direction in which the vote was built, and is shrunk by a normal prior. Labels
overlap, so the likelihood is weighted by 1 / overlap: it counts independent observations.
"""

import numpy as np

from mlstrat.arrays import FloatArray

PRIOR_SD = 0.2  # of a slope: logits a standard deviation of the vote


def logit(probability: FloatArray | float) -> FloatArray:
    """Return log(p / (1 - p)), with p kept within 1e-6 of the ends."""
    p = np.clip(probability, 1e-6, 1.0 - 1e-6)
    return np.asarray(np.log(p / (1.0 - p)))


def sigmoid(x: FloatArray | float) -> FloatArray:
    """Return 1 / (1 + exp(-x))."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.asarray(x, np.float64))))


def fit_slopes(z: FloatArray, y: FloatArray, offset: float, overlap: float) -> FloatArray:
    """Return the slopes of P(y = 1) = sigmoid(offset + z @ slopes).

    Parameters
    ----------
    z : (n_rows, n_votes) float64
        Votes, standardised.
    y : (n_rows,) float64
        Outcomes, 0 or 1.
    offset : float
        Logit of the base rate.
    overlap : float
        Bars that one label spans: the likelihood is divided by it.

    Returns
    -------
    (n_votes,) float64
        Maximum a posteriori slopes, each >= 0, under independent normal priors of `PRIOR_SD`.
    """
    from scipy.optimize import minimize

    def loss(slopes: FloatArray) -> tuple[float, FloatArray]:
        eta = offset + z @ slopes
        value = np.sum(np.logaddexp(0.0, eta) - y * eta) / overlap
        gradient = z.T @ (sigmoid(eta) - y) / overlap
        ridge = slopes / PRIOR_SD**2
        return float(value + 0.5 * slopes @ ridge), np.asarray(gradient + ridge)

    start = np.zeros(z.shape[1])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * len(start))
    return np.asarray(found.x, np.float64)
