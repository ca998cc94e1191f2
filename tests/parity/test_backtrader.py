"""The kernel and Backtrader execute the same trades: same bars, prices, sizes, reasons and counters."""

import numpy as np
import pytest
from execution_cases import make_case

from mlstrat.execution.kernel import simulate
from mlstrat.execution.types import OPEN, STOP, TARGET, TIME, Result

EXACT = ("signal_bar", "entry_bar", "exit_bar", "side", "reason")
CLOSE = ("units", "entry_price", "exit_price", "commission", "profit")


def assert_same(one: Result, other: Result) -> None:
    assert (one.sent, one.blocked, one.zero_units, one.cancelled) == (
        other.sent,
        other.blocked,
        other.zero_units,
        other.cancelled,
    )
    assert len(one.trades) == len(other.trades)
    for name in EXACT:
        np.testing.assert_array_equal(getattr(one.trades, name), getattr(other.trades, name), name)
    scale = one.rules.cash
    for name in CLOSE:
        expected, got = getattr(one.trades, name), getattr(other.trades, name)
        atol = scale * 1e-12 if name == "profit" else 0.0
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=atol, err_msg=name)
    np.testing.assert_allclose(other.equity, one.equity, rtol=1e-9)


@pytest.mark.parametrize("seed", range(42))
def test_same_trades(seed):
    from mlstrat.engines.on_backtrader import run

    case = make_case(seed)
    expected = simulate(case.bars, case.decisions, case.rules)
    got = run(case.bars, case.decisions, case.rules)
    assert_same(expected, got)
    assert got.engine == "backtrader"
    assert got.rules == case.rules
    np.testing.assert_array_equal(got.time, case.bars.time)


def test_the_cases_reach_every_clause_of_the_rule():
    results = [simulate(case.bars, case.decisions, case.rules) for case in map(make_case, range(42))]
    reasons = np.concatenate([result.trades.reason for result in results])
    assert set(reasons.tolist()) == {OPEN, STOP, TARGET, TIME}
    assert sum(len(result.trades) for result in results) > 1_500
    for name in ("blocked", "zero_units", "cancelled"):
        assert sum(getattr(result, name) for result in results) > 100
    within_a_bar = [np.sum(result.trades.entry_bar == result.trades.exit_bar) for result in results]
    assert sum(within_a_bar) > 500
