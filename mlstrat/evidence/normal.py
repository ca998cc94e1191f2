"""The normal distribution, and the largest of many draws from it."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

_STANDARD = NormalDist()
# The largest of 1e9 draws lies near 6; beyond 13 its density is below the smallest number.
_REACH, _STEPS = 13.0, 2601


def below(z: float) -> float:
    """Probability that a standard normal draw is below `z`; NaN for NaN."""
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


def quantile(share: float) -> float:
    """Return the point below which this share of draws lies, 0 < share < 1."""
    return _STANDARD.inv_cdf(share)


def largest_of(draws: float) -> float:
    """Expected value of the largest of so many independent standard normal draws, at least 1.

    The integral of z d(Phi(z)^draws), by the trapezoid rule; real numbers of draws are allowed. Bailey and
    Lopez de Prado (2014) put an approximation in its place, which is 2 % higher at 10 draws, 1 % at 100.
    """
    from scipy.special import log_ndtr

    z = np.linspace(-_REACH, _REACH, _STEPS)
    density = np.exp(-0.5 * z * z + (draws - 1.0) * log_ndtr(z)) / math.sqrt(2.0 * math.pi)
    return float(draws * np.sum(z * density) * (z[1] - z[0]))
