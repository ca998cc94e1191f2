"""The kernel and vectorbt execute the same trades: same bars, prices, sizes, reasons and counters."""

from dataclasses import replace

import numpy as np
import pytest
from execution_cases import Case, make_bars, make_case, make_decisions, make_rules

from mlstrat.data.samples import load_bars
from mlstrat.errors import DataError
from mlstrat.execution.kernel import simulate
from mlstrat.execution.types import OPEN, STOP, TARGET, TIME, Decisions, RiskRules

pytest.importorskip("vectorbt", reason="the vectorbt engine needs the extra mlstrat[vectorbt]")
from mlstrat.engines import on_vectorbt

EXACT = (
    "signal_bar",
    "entry_bar",
    "exit_bar",
    "side",
    "units",
    "entry_price",
    "exit_price",
    "reason",
)
COUNTS = ("sent", "blocked", "zero_units", "cancelled")


def assert_same(case: Case, equity_rtol: float = 1e-9) -> int:
    """Execute in both engines, compare, and return the number of trades."""
    one = simulate(case.bars, case.decisions, case.rules)
    other = on_vectorbt.simulate(case.bars, case.decisions, case.rules)
    assert [getattr(other, name) for name in COUNTS] == [getattr(one, name) for name in COUNTS]
    for name in EXACT:
        expected, got = getattr(one.trades, name), getattr(other.trades, name)
        np.testing.assert_array_equal(got, expected, err_msg=name)
        assert got.dtype == expected.dtype
    np.testing.assert_allclose(other.trades.commission, one.trades.commission, rtol=1e-9)
    np.testing.assert_allclose(
        other.trades.profit, one.trades.profit, rtol=1e-9, atol=case.rules.cash * 1e-12
    )
    np.testing.assert_allclose(other.equity, one.equity, rtol=equity_rtol)
    assert (other.engine, other.symbol, other.rules) == ("vectorbt", one.symbol, one.rules)
    np.testing.assert_array_equal(other.time, case.bars.time)
    return len(one.trades)


@pytest.mark.parametrize("seed", range(42))
def test_same_trades(seed):
    assert_same(make_case(seed))


def test_the_cases_reach_every_clause_of_the_rule():
    results = [on_vectorbt.simulate(c.bars, c.decisions, c.rules) for c in map(make_case, range(42))]
    reasons = np.concatenate([result.trades.reason for result in results])
    assert set(reasons.tolist()) == {OPEN, STOP, TARGET, TIME}
    for name in ("blocked", "zero_units", "cancelled"):
        assert sum(getattr(result, name) for result in results) > 100


@pytest.mark.parametrize("name", ["BTCUSDT_1h", "ETHUSDT_1h"])
@pytest.mark.parametrize("distance", [(0.005, 0.05), (0.0005, 0.004)], ids=["normal", "tight"])
@pytest.mark.parametrize("sides", [(1,), (-1,), (1, -1)], ids=["long", "short", "both"])
def test_same_trades_on_real_bars(name, distance, sides):
    bars = load_bars(name)[20_000:32_000]
    rng = np.random.default_rng(5)
    decisions = make_decisions(rng, bars, distance=distance, sides=sides)
    rules = make_rules(rng, cash=1e6, fee_share=0.0004, step=0.0001)
    assert assert_same(Case(bars, replace(decisions, symbol=bars.symbol), rules)) > 300


@pytest.mark.parametrize("tick", [0.5, 2.0])
@pytest.mark.parametrize("seed", range(4))
def test_trades_that_make_nothing_open_no_breaker(seed, tick):
    hostile = pytest.importorskip("test_hostile", reason="its cases need Backtrader")
    assert assert_same(hostile.coarse(seed, tick)) > 20


def test_all_of_equity_without_a_reserve():
    rng = np.random.default_rng(8)
    bars = make_bars(rng, 2_000, gap=0.002)
    decisions = make_decisions(rng, bars, full=True, sides=(1,), given_units=0.0)
    rules = RiskRules(cash=1e7, fee_share=0.0, gap_reserve=0.0, step=0.00001)
    assert assert_same(Case(bars, decisions, rules)) > 100


def flat(bars):
    """Decisions without a trade."""
    n, none = len(bars), np.zeros(len(bars), np.int8)
    nan = np.full(n, np.nan)
    columns = (none, np.zeros(n), nan, nan, nan, np.zeros(n, np.int64), none, nan)
    return Decisions(bars.symbol, np.array(bars.time), *(np.array(column) for column in columns))


@pytest.mark.parametrize("n", [1, 2, 50])
def test_no_trades_at_all(n):
    bars = make_bars(np.random.default_rng(1), n)
    assert assert_same(Case(bars, flat(bars), RiskRules()), equity_rtol=0.0) == 0


def one_trade(bars, side, stop, target, **given):
    """Decisions with one candidate, at bar 0."""
    columns = {"side": side, "fraction": 1.0, "stop": stop, "target": target, **given}
    decisions = flat(bars)
    changed = {}
    for name, value in columns.items():
        changed[name] = np.array(getattr(decisions, name))
        changed[name][0] = value
    return replace(decisions, **changed)


@pytest.mark.parametrize("side", [1, -1])
def test_a_trade_open_at_the_end_is_marked_to_the_last_close(side):
    bars = make_bars(np.random.default_rng(2), 20)
    decisions = one_trade(bars, side, *((1.0, 999.0) if side > 0 else (999.0, 1.0)))
    case = Case(bars, decisions, RiskRules(fee_share=0.001))
    assert assert_same(case) == 1
    trades = on_vectorbt.simulate(case.bars, case.decisions, case.rules).trades
    assert (trades.entry_bar[0], trades.exit_bar[0], trades.reason[0]) == (1, 19, OPEN)
    assert trades.exit_price[0] == bars.close[-1]
    paid = trades.units[0] * bars.open[1]
    np.testing.assert_allclose(trades.commission[0], paid * 0.001)
    moved = side * trades.units[0] * (bars.close[-1] - bars.open[1])
    np.testing.assert_allclose(trades.profit[0], moved - paid * 0.001)


def test_an_entry_of_the_last_close_is_sent_and_never_filled():
    bars = make_bars(np.random.default_rng(2), 1)
    result = on_vectorbt.simulate(bars, one_trade(bars, 1, 50.0, 200.0), RiskRules())
    assert (result.sent, len(result.trades)) == (1, 0)


def leap(bars, factor):
    """The same bars, at so many times their price from bar 3 on."""
    columns = {name: np.array(getattr(bars, name)) for name in ("open", "high", "low", "close")}
    for column in columns.values():
        column[3:] *= factor
    return replace(bars, **columns)


def test_a_short_that_loses_all_leaves_the_debt_of_the_kernel():
    bars = leap(make_bars(np.random.default_rng(3), 10), 2.5)
    case = Case(bars, one_trade(bars, -1, 120.0, 50.0), RiskRules())
    assert assert_same(case) == 1
    assert simulate(case.bars, case.decisions, case.rules).equity[-1] < -4_000.0


def test_a_short_that_loses_more_than_vectorbt_can_book_is_refused_with_its_bar():
    bars = leap(make_bars(np.random.default_rng(3), 10), 5.0)
    with pytest.raises(
        DataError,
        match=r"the fill in bar 3 of TEST \(2024-01-01T03.*leave debt.*or execute in the kernel\.",
    ):
        on_vectorbt.simulate(bars, one_trade(bars, -1, 120.0, 50.0), RiskRules())


def test_slippage_to_a_price_of_zero_is_refused():
    bars = make_bars(np.random.default_rng(3), 10)
    decisions = one_trade(bars, 1, 1.0, 999.0, max_bars=3, fraction=0.1)
    with pytest.raises(DataError, match="cannot book the fill in bar 4 of TEST"):
        on_vectorbt.simulate(bars, decisions, RiskRules(cash=1e5, slippage_ticks=20_000.0))


def test_decisions_of_other_bars_are_refused():
    case = make_case(0)
    with pytest.raises(DataError, match="decide on the same bars that you execute on"):
        on_vectorbt.simulate(case.bars[:-1], case.decisions, case.rules)


def test_the_same_run_twice_gives_the_same_bits():
    case = make_case(4)
    first, second = (on_vectorbt.simulate(case.bars, case.decisions, case.rules) for _ in range(2))
    np.testing.assert_array_equal(first.equity, second.equity)
    np.testing.assert_array_equal(first.trades.profit, second.trades.profit)
