"""Intervals of means of dependent series: coverage where a plain one is too sure."""

import math

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import t

from mlstrat.errors import DataError
from mlstrat.har import mean_interval


def autoregressive(draw, n, phi):
    return lfilter([math.sqrt(1 - phi * phi)], [1, -phi], draw.normal(size=n + 500))[500:]


@pytest.mark.parametrize(("n", "memory", "phi"), [(1_500, 72, 0.95), (3_000, 72, 0.95), (600, 20, 0.8)])
def test_it_holds_the_true_mean_as_often_as_it_says(n, memory, phi):
    draw = np.random.default_rng(1)
    made = [mean_interval(autoregressive(draw, n, phi), memory) for _ in range(800)]
    held = np.mean([one.low <= 0.0 <= one.high for one in made])
    assert 0.92 <= held <= 0.98


def test_it_is_its_formula():
    x = np.random.default_rng(2).normal(size=200)
    n, swings = 200, 10
    c = [
        math.sqrt(2 / n) * sum(math.cos(math.pi * j * (k + 0.5) / n) * x[k] for k in range(n))
        for j in range(1, swings + 1)
    ]
    reach = t.ppf(0.975, swings) * math.sqrt(np.mean(np.square(c)) / n)
    made = mean_interval(x, 10.0)
    assert (made.low, made.high) == pytest.approx((x.mean() - reach, x.mean() + reach), rel=1e-12)


def test_short_series_and_bad_memory():
    assert math.isnan(mean_interval(np.empty(0), 5.0).estimate)
    few = mean_interval(np.ones(4), 5.0)
    assert few.estimate == 1.0
    assert math.isnan(few.low)
    assert mean_interval(np.ones(50), 500.0) == mean_interval(np.ones(50), 5.0)
    with pytest.raises(DataError, match="give 1 value or more"):
        mean_interval(np.ones(50), 0.5)
