"""An account that fell to nothing or below: it lost all, once, and earns nothing on nothing."""

import numpy as np

from mlstrat.execution.metrics import equity_summary
from mlstrat.execution.types import returns_of


def test_what_is_left_after_a_gap_through_zero_is_no_return():
    equity = np.array([100.0, 110.0, -40.0, -60.0, 0.0, 20.0, 30.0])
    np.testing.assert_allclose(returns_of(equity, 100.0), [0.0, 0.1, -1.0, 0.0, 0.0, 0.0, 0.5])
    assert equity_summary(equity, 100.0, 365.0)["annual_volatility"] < 20.0


def test_an_account_in_funds_has_the_ratio_of_its_equity():
    equity = np.array([101.0, 99.0, 120.0])
    np.testing.assert_array_equal(returns_of(equity, 100.0), equity / np.array([100.0, 101.0, 99.0]) - 1.0)
