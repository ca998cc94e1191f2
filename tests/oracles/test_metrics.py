"""Performance numbers against plain loops and QuantStats."""

import math

import numpy as np
import pytest

from mlstrat.data.bars import Bars
from mlstrat.data.instrument import Instrument
from mlstrat.data.timeframe import Timeframe
from mlstrat.execution import metrics
from mlstrat.execution.kernel import simulate
from mlstrat.execution.types import OPEN, Decisions, Result, RiskRules

PER_YEAR = 365.0


def random_walk(n: int, seed: int = 11) -> Bars:
    random = np.random.default_rng(seed)
    close = 50.0 * np.exp(np.cumsum(random.normal(0.0, 0.02, n)))
    open_ = np.r_[50.0, close[:-1]]
    top, bottom = np.maximum(open_, close), np.minimum(open_, close)
    time = np.datetime64("2022-01-01", "D") + np.arange(n)
    return Bars(
        time, open_, top * 1.01, bottom * 0.99, close, np.ones(n), "X", Timeframe("1d"), Instrument("X")
    )


def executed(n: int = 400, every: int = 4) -> tuple[Result, Bars]:
    bars = random_walk(n)
    side = np.where(np.arange(n) % every == 0, np.where(np.arange(n) % (2 * every) == 0, 1, -1), 0)
    decisions = Decisions(
        symbol="X",
        time=bars.time,
        side=side.astype(np.int8),
        fraction=np.full(n, 0.4),
        units=np.full(n, np.nan),
        stop=np.round(bars.close * (1.0 - 0.04 * side), 2),
        target=np.round(bars.close * (1.0 + 0.05 * side), 2),
        max_bars=np.full(n, 5),
        stage=np.zeros(n, np.int8),
        quality=np.full(n, np.nan),
    )
    return simulate(bars, decisions, RiskRules(fee_share=0.001)), bars


@pytest.fixture(scope="module")
def run() -> tuple[Result, Bars]:
    return executed()


def test_drawdown_equals_a_plain_loop(run: tuple[Result, Bars]) -> None:
    result, _ = run
    peak, expected = result.rules.cash, []
    for value in result.equity:
        peak = max(peak, value)
        expected.append((peak - value) / peak)
    np.testing.assert_allclose(metrics.drawdown(result.equity, result.rules.cash), expected, atol=1e-15)
    assert metrics.max_drawdown(result.equity, result.rules.cash)[0] == pytest.approx(max(expected))


@pytest.mark.parametrize(
    ("equity", "depth", "length"),
    [
        ([110.0, 99.0, 88.0, 100.0, 110.0, 120.0], 0.2, 4),
        ([110.0, 99.0, 105.0], 0.1, 2),
        ([90.0, 80.0, 100.0], 0.2, 3),
        ([100.0, 101.0, 102.0], 0.0, 0),
        ([50.0], 0.5, 1),
    ],
)
def test_drawdown_length_runs_from_the_peak_to_recovery_or_the_end(
    equity: list[float], depth: float, length: int
) -> None:
    found, bars = metrics.max_drawdown(np.array(equity), 100.0)
    assert found == pytest.approx(depth)
    assert bars == length


def test_held_units_equal_a_walk_through_the_trades(run: tuple[Result, Bars]) -> None:
    result, bars = run
    t = result.trades
    expected = np.zeros(len(bars))
    for bar in range(len(bars)):
        for i in range(len(t)):
            entered = t.entry_bar[i] <= bar
            left = t.reason[i] != OPEN and t.exit_bar[i] <= bar
            if entered and not left:
                expected[bar] = t.side[i] * t.units[i]
    np.testing.assert_array_equal(metrics.held_units(t, len(bars)), expected)


def test_equity_is_cash_plus_what_the_held_units_are_worth(run: tuple[Result, Bars]) -> None:
    result, bars = run
    units = metrics.held_units(result.trades, len(bars))
    flat = units == 0.0
    booked = np.array(
        [
            result.trades.profit[result.trades.closed & (result.trades.exit_bar <= t)].sum()
            for t in range(len(bars))
        ]
    )
    np.testing.assert_allclose(result.equity[flat], result.rules.cash + booked[flat], rtol=1e-12)


def test_turnover_and_costs_equal_sums_over_fills(run: tuple[Result, Bars]) -> None:
    result, bars = run
    t, traded = result.trades, 0.0
    for i in range(len(t)):
        traded += t.units[i] * t.entry_price[i]
        traded += t.units[i] * t.exit_price[i] if t.reason[i] != OPEN else 0.0
    found = metrics.summary(result, bars)
    assert found["commission"] == pytest.approx(traded * 0.001)
    assert found["turnover"] == pytest.approx(
        traded / (sum(result.equity) / len(bars)) / (len(bars) / bars.bars_per_year)
    )
    gained = result.equity[-1] - result.rules.cash
    assert found["gross_profit"] - found["commission"] == pytest.approx(gained)


def test_rates_equal_counts_by_hand(run: tuple[Result, Bars]) -> None:
    result, bars = run
    ended = [p for p, r in zip(result.trades.profit, result.trades.reason, strict=True) if r != OPEN]
    won, lost = [p for p in ended if p > 0], [p for p in ended if p < 0]
    found = metrics.summary(result, bars)
    assert found["trades"] == len(ended) > 30
    assert found["win_rate"] == pytest.approx(len(won) / len(ended))
    assert found["profit_factor"] == pytest.approx(sum(won) / -sum(lost))
    assert found["average_trade"] == pytest.approx(sum(ended) / len(ended))
    in_market = [u != 0 for u in metrics.held_units(result.trades, len(bars))]
    assert found["exposure"] == pytest.approx(sum(in_market) / len(bars))


def test_ratios_equal_those_of_quantstats(run: tuple[Result, Bars]) -> None:
    pandas, stats = pytest.importorskip("pandas"), pytest.importorskip("quantstats").stats
    result, bars = run
    series = pandas.Series(result.returns, pandas.DatetimeIndex(bars.time))
    found = metrics.equity_summary(result.equity, result.rules.cash, PER_YEAR)
    assert found["sharpe"] == pytest.approx(stats.sharpe(series, periods=365), abs=1e-9)
    assert found["sortino"] == pytest.approx(stats.sortino(series, periods=365), abs=1e-9)
    assert found["annual_volatility"] == pytest.approx(stats.volatility(series, periods=365), abs=1e-9)
    assert found["max_drawdown"] == pytest.approx(-stats.max_drawdown(series), abs=1e-9)
    assert found["total_return"] == pytest.approx(stats.comp(series), abs=1e-9)


def test_annual_return_compounds_back_to_the_total() -> None:
    equity = np.array([105.0, 98.0, 121.0])
    yearly = metrics.annual_return(equity, 100.0, bars_per_year=6.0)
    assert (1.0 + yearly) ** 0.5 == pytest.approx(1.21)
    assert metrics.annual_return(np.array([50.0, -5.0]), 100.0, 2.0) == -1.0


def test_a_run_without_trades_has_values_or_nan_but_never_infinity() -> None:
    bars = random_walk(20)
    n = len(bars)
    nothing = Decisions(
        "X",
        bars.time,
        np.zeros(n, np.int8),
        *[np.zeros(n)] * 4,
        np.zeros(n, np.int64),
        np.zeros(n, np.int8),
        np.zeros(n),
    )
    found = metrics.summary(simulate(bars, nothing, RiskRules()), bars)
    unknown = {name for name, value in found.items() if math.isnan(value)}
    assert unknown == {
        "sharpe",
        "sortino",
        "win_rate",
        "profit_factor",
        "average_trade",
        "average_trade_share",
        "commission_share",
    }
    assert not any(math.isinf(value) for value in found.values())
    assert found["exposure"] == found["turnover"] == found["max_drawdown"] == 0.0


def test_ratios_without_variance_are_nan() -> None:
    steady = np.full(10, 0.01)
    assert math.isnan(metrics.sharpe(steady, 365.0))
    assert math.isnan(metrics.sortino(steady, 365.0))
    assert math.isnan(metrics.sharpe(steady[:1], 365.0))
    assert math.isnan(metrics.annual_volatility(steady[:1], 365.0))
    assert math.isnan(metrics.profit_factor(np.array([1.0, 2.0])))
