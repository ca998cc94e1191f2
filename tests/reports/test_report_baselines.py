"""Baselines against a bookkeeper's loop: cash, units and fees, one bar after another."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from mlstrat.data.bars import Bars
from mlstrat.data.carry import RateSeries, carry_of
from mlstrat.execution.metrics import weights
from mlstrat.execution.types import Result, RiskRules
from mlstrat.reports.baselines import constant_weight, fair_baselines, held_equity, sma_cross_weight
from mlstrat.reports.story import Story


def booked(bars: Bars, weight: np.ndarray, rules: RiskRules) -> list[float]:
    """Rebalance to the weight at each open; the fee is found by trying until the books balance."""
    cash, units, out = rules.cash, 0.0, []
    for t in range(len(bars)):
        price = bars.open[t]
        before = cash + units * price
        cost = rules.fee_share + rules.slippage_ticks * rules.tick / price
        after = before
        if t == 0 or weight[t] != weight[t - 1] or 0 < weight[t] < 1:
            for _ in range(60):
                after = before - cost * abs(weight[t] * after - units * price)
            units, cash = weight[t] * after / price, (1 - weight[t]) * after
        out.append(cash + units * bars.close[t])
    return out


@pytest.mark.parametrize("weight", [0.0, 0.05, 0.6, 1.0])
def test_held_equity_equals_the_books(executed: tuple[Result, Bars], weight: float) -> None:
    result, bars = executed
    rules = replace(result.rules, slippage_ticks=3.0)
    plan = constant_weight(len(bars), weight)
    np.testing.assert_allclose(held_equity(bars, plan, rules), booked(bars, plan, rules), rtol=1e-10)


def test_changing_weights_equal_the_books(executed: tuple[Result, Bars]) -> None:
    result, bars = executed
    plan = np.r_[0.0, np.random.default_rng(0).choice([0.0, 0.3, 1.0], len(bars) - 1)]
    np.testing.assert_allclose(
        held_equity(bars, plan, result.rules), booked(bars, plan, result.rules), rtol=1e-10
    )


@pytest.mark.parametrize("weight", [0.0, 0.4, 1.0])
def test_a_held_long_pays_funding_at_its_stamps(executed: tuple[Result, Bars], weight: float) -> None:
    result, whole = executed
    bars, rules, rng = whole[:300], result.rules, np.random.default_rng(2)
    moved = bars.time + np.repeat([0, 3], 150) * np.timedelta64(1, "h")  # a pause of three hours
    bars = replace(bars, time=moved)
    clock = np.arange(bars.time[0], bars.close_time[-1], np.timedelta64(30, "m"))
    rates = rng.normal(0.001, 0.002, len(clock))
    bars = replace(bars, carry=carry_of(bars.time, bars.close_time, [RateSeries("funding", clock, rates)]))
    cash, units, equity = rules.cash, 0.0, []
    for t in range(len(bars)):
        price, wanted = bars.open[t], weight if t else 0.0
        if t:
            between = (clock > bars.close_time[t - 1]) & (clock <= bars.time[t])
            cash -= units * price * rates[between].sum()
        before = after = cash + units * price
        for _ in range(60):
            after = before - rules.fee_share * abs(wanted * after - units * price)
        units, cash = wanted * after / price, (1 - wanted) * after
        inside = (clock > bars.time[t]) & (clock <= bars.close_time[t])
        cash -= units * bars.close[t] * rates[inside].sum()
        equity.append(cash + units * bars.close[t])
    held = held_equity(bars, constant_weight(len(bars), weight), replace(rules, slippage_ticks=0.0))
    np.testing.assert_allclose(held, equity, rtol=1e-9)
    free = held_equity(bars.without_carry(), constant_weight(len(bars), weight), rules)
    assert weight == 0.0 or abs(held[-1] / free[-1] - 1.0) > 0.01


def test_buy_and_hold_pays_one_commission_at_the_second_open(executed: tuple[Result, Bars]) -> None:
    result, bars = executed
    equity = held_equity(bars, constant_weight(len(bars), 1.0), result.rules)
    units = result.rules.cash / (bars.open[1] * (1 + result.rules.fee_share))
    assert equity[0] == result.rules.cash
    np.testing.assert_allclose(equity[1:], units * bars.close[1:], rtol=1e-12)


def test_sma_cross_follows_the_means_of_the_bar_before() -> None:
    close = 100 + np.cumsum(np.random.default_rng(3).normal(size=700))
    expected = np.zeros(400)
    for t in range(1, 400):
        known = close[: 300 + t]
        expected[t] = float(np.mean(known[-50:]) > np.mean(known[-200:]))
    np.testing.assert_array_equal(sma_cross_weight(close[300:], close[:300]), expected)
    assert 0 < expected.sum() < 400


def test_sma_cross_without_history_stays_out() -> None:
    close = np.linspace(1.0, 2.0, 250)
    weight = sma_cross_weight(close, np.empty(0))
    np.testing.assert_array_equal(np.flatnonzero(weight), np.arange(200, 250))
    assert not sma_cross_weight(close[:150], np.empty(0)).any()


def test_sizes_match_what_they_claim(executed: tuple[Result, Bars]) -> None:
    result, bars = executed
    exposure, volatility, _, whole = fair_baselines(result, bars, np.empty(0))
    average = np.abs(weights(result, bars)).mean()
    assert exposure.weight == pytest.approx(average * (len(bars) - 1) / len(bars))
    assert volatility.summary["annual_volatility"] == pytest.approx(
        np.std(result.returns, ddof=1) * np.sqrt(bars.bars_per_year), rel=0.01
    )
    assert whole.summary["annual_volatility"] > volatility.summary["annual_volatility"]
    assert all("hindsight" in base.note for base in (exposure, volatility))


def test_without_trades_the_matched_baselines_hold_nothing(make_story: Callable[..., Story]) -> None:
    judged = make_story(trading=False).judged
    exposure, volatility, *_ = fair_baselines(judged.result, judged.bars, np.empty(0))
    assert set(exposure.equity) == set(volatility.equity) == {judged.result.rules.cash}
