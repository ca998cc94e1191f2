"""Intervals of an equity curve: paths against explicit ones, and how often intervals hold the truth."""

import math

import numpy as np
import pytest
from scipy.signal import lfilter

from mlstrat.bootstrap import stationary_blocks
from mlstrat.errors import NotEnoughBarsError
from mlstrat.evidence.intervals import path_intervals
from mlstrat.evidence.paths import path_numbers
from mlstrat.execution import metrics


def test_the_numbers_of_a_path_are_those_of_its_equity():
    returns = np.random.default_rng(1).normal(0.001, 0.02, 300)
    starts, lengths = stationary_blocks(300, 12.0, 20, np.random.default_rng(2))
    found = path_numbers(returns, starts, lengths)
    for row in range(20):
        parts = [
            returns[(start + np.arange(length)) % 300]
            for start, length in zip(starts[row], lengths[row], strict=True)
        ]
        path = np.concatenate(parts)
        equity = np.cumprod(1.0 + path)
        wanted = (
            metrics.sharpe(path, 1.0),
            metrics.total_return(equity, 1.0),
            metrics.max_drawdown(equity, 1.0)[0],
        )
        np.testing.assert_allclose(found[row], wanted, rtol=1e-9)


def test_the_estimates_are_those_of_the_history_and_lie_between_the_bounds():
    returns = np.random.default_rng(3).normal(0.001, 0.02, 500)
    found = path_intervals(returns)
    equity = np.cumprod(1.0 + returns)
    assert found.sharpe.estimate == pytest.approx(metrics.sharpe(returns, 1.0), rel=1e-9)
    assert found.total_return.estimate == pytest.approx(equity[-1] - 1.0, rel=1e-9)
    assert found.max_drawdown.estimate == pytest.approx(metrics.max_drawdown(equity, 1.0)[0], rel=1e-9)
    for one in (found.sharpe, found.total_return):
        assert one.low < one.estimate < one.high
    assert 0.0 <= found.max_drawdown.low < found.max_drawdown.high <= 1.0
    assert found.block == 8.0
    assert path_intervals(returns, seed=8) == path_intervals(returns, seed=8) != path_intervals(returns)


@pytest.mark.parametrize("phi", [0.0, 0.3])
def test_an_interval_holds_the_true_ratio_as_often_as_it_says(phi):
    series = lfilter([1.0], [1.0, -phi], np.random.default_rng(4).normal(size=(300, 1100)), axis=1)[:, 100:]
    true = 0.05 * (1.0 - phi)
    held = 0
    for row in series:
        one = path_intervals(0.01 * (row + true / math.sqrt(1.0 - phi * phi)), draws=400).sharpe
        held += one.low <= true <= one.high
    assert held / len(series) == pytest.approx(0.95, abs=4.0 * math.sqrt(0.95 * 0.05 / 300))


def test_an_account_that_lost_everything_stays_there():
    returns = np.full(40, 0.01)
    returns[::3] = -1.5
    found = path_intervals(returns)
    assert found.total_return.estimate == -1.0
    assert found.max_drawdown.high == 1.0


def test_returns_that_rest_have_no_ratio():
    found = path_intervals(np.zeros(50))
    assert math.isnan(found.sharpe.estimate)
    assert math.isnan(found.sharpe.low)
    assert (found.total_return.low, found.max_drawdown.high) == (0.0, 0.0)
    with pytest.raises(
        NotEnoughBarsError, match="an interval by the block bootstrap needs 10 bars but got 9"
    ):
        path_intervals(np.zeros(9))
