"""A `vectorbt.Portfolio` of results: its own bookkeeping of our fills agrees with ours."""

import json
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mlstrat.data.instrument import Instrument
from mlstrat.errors import DataError, MissingExtraError
from mlstrat.execution import metrics
from mlstrat.execution.kernel import simulate
from mlstrat.execution.types import LONG, OPEN, RiskRules

pytest.importorskip("vectorbt", reason="the vectorbt engine needs the extra mlstrat[vectorbt]")
import vectorbt

from mlstrat.engines.on_vectorbt import orders_of, portfolio


@pytest.fixture(scope="module")
def results(bars, make_plan):
    """The same decisions under three fees; a trade is still open at the end of each."""
    decisions = make_plan(bars, share=0.05, max_bars=5)
    cash = {0.0: 10_000.0, 0.0004: 5_000.0, 0.002: 10_000.0}
    made = {
        fee: simulate(bars, decisions, RiskRules(cash=cash[fee], fee_share=fee, slippage_ticks=1.0))
        for fee in cash
    }
    assert all(result.trades.reason[-1] == OPEN for result in made.values())
    return made


@pytest.fixture(scope="module")
def result(results):
    return results[0.0004]


@pytest.fixture(scope="module")
def single(bars, result):
    return portfolio(bars, result)


def test_two_orders_a_closed_trade_and_one_an_open_one(result):
    orders = orders_of(result, column=3)
    trades = result.trades
    assert len(orders) == 2 * len(trades) - 1
    assert set(orders["col"].tolist()) == {3}
    np.testing.assert_array_equal(orders["id"], np.arange(len(orders)))
    np.testing.assert_array_equal(orders["idx"][0::2], trades.entry_bar)
    np.testing.assert_array_equal(orders["idx"][1::2], trades.exit_bar[:-1])
    np.testing.assert_array_equal(orders["price"][0::2], trades.entry_price)
    np.testing.assert_array_equal(orders["price"][1::2], trades.exit_price[:-1])
    np.testing.assert_array_equal(orders["side"][0::2] == 0, trades.side == LONG)
    np.testing.assert_array_equal(orders["side"][1::2] == 1, trades.side[:-1] == LONG)
    np.testing.assert_allclose(orders["fees"], orders["size"] * orders["price"] * 0.0004, rtol=1e-9)
    assert np.all(np.diff(orders["idx"]) >= 0)


def test_value_and_return_are_those_of_the_result(single, result, bars):
    assert isinstance(single, vectorbt.Portfolio)
    np.testing.assert_allclose(single.value(), result.equity, rtol=1e-9)
    np.testing.assert_allclose(single.returns(), result.returns, atol=1e-12)
    np.testing.assert_allclose(single.total_return(), result.equity[-1] / 5_000.0 - 1.0, rtol=1e-9)
    assert single.wrapper.name == bars.symbol
    np.testing.assert_array_equal(single.wrapper.index.tz_localize(None).to_numpy("M8[ns]"), bars.time)


def test_vectorbt_books_the_profits_of_our_trades(single, result):
    records = single.trades.records
    np.testing.assert_allclose(records["pnl"], result.trades.profit, rtol=1e-9, atol=1e-8)
    fees = records["entry_fees"] + records["exit_fees"]
    np.testing.assert_allclose(fees, result.trades.commission, rtol=1e-9)
    np.testing.assert_array_equal(records["status"] == 1, result.trades.closed)
    readable = single.trades.records_readable
    assert readable["Direction"].iloc[0] == {1: "Long", -1: "Short"}[int(result.trades.side[0])]
    profit = result.trades.profit[result.trades.closed]
    stats = single.stats()
    assert stats["Total Closed Trades"] == len(profit)
    assert stats["Total Open Trades"] == 1
    np.testing.assert_allclose(stats["Win Rate [%]"], 100.0 * metrics.win_rate(profit))
    np.testing.assert_allclose(stats["Profit Factor"], metrics.profit_factor(profit), rtol=1e-9)
    np.testing.assert_allclose(stats["Total Fees Paid"], result.trades.commission.sum(), rtol=1e-9)


def annualised(result, bars):
    return metrics.equity_summary(result.equity, result.rules.cash, bars.bars_per_year)


def test_every_way_to_the_sharpe_ratio_takes_our_year(single, result, bars):
    ours = annualised(result, bars)
    assert bars.bars_per_year == 365.25 * 24
    picked = portfolio(bars, {"a": result, "b": result})["b"]
    for built in (single, picked, single.copy(), single.replace(call_seq=None)):
        np.testing.assert_allclose(built.sharpe_ratio(), ours["sharpe"], rtol=1e-9)
        np.testing.assert_allclose(built.sortino_ratio(), ours["sortino"], rtol=1e-9)
        np.testing.assert_allclose(built.annualized_return(), ours["annual_return"], rtol=1e-9)
        np.testing.assert_allclose(built.annualized_volatility(), ours["annual_volatility"], rtol=1e-9)
        np.testing.assert_allclose(built.stats()["Sharpe Ratio"], ours["sharpe"], rtol=1e-9)
        np.testing.assert_allclose(built.returns_stats()["Sharpe Ratio"], ours["sharpe"], rtol=1e-9)
    np.testing.assert_allclose(-single.max_drawdown(), ours["max_drawdown"], rtol=1e-9)


def test_a_year_that_is_asked_for_wins(single, result, bars):
    expected = metrics.sharpe(result.returns, 24 * 100)
    np.testing.assert_allclose(single.sharpe_ratio(year_freq="100 days"), expected, rtol=1e-9)
    stats = single.stats(settings={"year_freq": "100 days"})
    np.testing.assert_allclose(stats["Sharpe Ratio"], expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("timeframe", "facts"),
    [
        ("1d", {"sessions_per_year": 252.0, "session_hours": 6.5}),
        ("15m", {"sessions_per_year": 252.0, "session_hours": 6.5}),
        ("1h", {"sessions_per_year": 251.3, "session_hours": 6.5}),
        ("5m", {}),
    ],
)
def test_the_year_of_a_market_that_closes(make_market, make_plan, rules, timeframe, facts):
    bars = replace(make_market(250, timeframe), instrument=Instrument("TEST").with_facts(**facts))
    result = simulate(bars, make_plan(bars), rules)
    ours = metrics.sharpe(result.returns, bars.bars_per_year)
    np.testing.assert_allclose(portfolio(bars, result).sharpe_ratio(), ours, rtol=1e-9)


def test_the_chart_is_a_plotly_figure_with_the_equity_in_it(single, result):
    figure = json.loads(single.plot(subplots=["value", "trades", "drawdowns"]).to_json())
    assert {trace["type"] for trace in figure["data"]} == {"scatter"}
    names = {trace.get("name") for trace in figure["data"]}
    assert {"Value", "Close", "Entry", "Exit - Profit", "Exit - Loss", "Active"} <= names
    assert json.loads(single.plot().to_json())["data"]


def test_results_of_a_mapping_become_named_columns(results, bars):
    built = portfolio(bars, results)
    assert built.wrapper.columns.tolist() == [0.0, 0.0004, 0.002]
    for fee, result in results.items():
        np.testing.assert_allclose(built.value()[fee], result.equity, rtol=1e-9)
        np.testing.assert_allclose(built.sharpe_ratio()[fee], annualised(result, bars)["sharpe"], rtol=1e-9)
        np.testing.assert_allclose(built[fee].trades.pnl.sum(), result.trades.profit.sum(), rtol=1e-9)
    assert built.init_cash.tolist() == [10_000.0, 5_000.0, 10_000.0]


def test_tuples_and_indexes_name_a_multi_index(results, bars):
    by_tuple = portfolio(bars, {("fee", fee): result for fee, result in results.items()})
    assert by_tuple.wrapper.columns.nlevels == 2
    assert len(by_tuple["fee"].wrapper.columns) == 3
    levels = pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)], names=["model", "fee"])
    by_index = portfolio(bars, list(results.values()), columns=levels)
    assert by_index.wrapper.columns.equals(levels)
    assert by_index.total_return().index.names == ["model", "fee"]
    np.testing.assert_allclose(by_index[("b", 1)].value(), results[0.002].equity, rtol=1e-9)
    assert portfolio(bars, list(results.values())).wrapper.columns.tolist() == [0, 1, 2]
    assert portfolio(bars, results, columns=levels).wrapper.columns.equals(levels)
    assert portfolio(bars, [results[0.0]]).wrapper.ndim == 2
    assert portfolio(bars, results[0.0], columns=["free"]).wrapper.columns.tolist() == ["free"]


def test_a_copy_by_pickle_keeps_the_year(single):
    restored = type(single).loads(single.dumps())
    assert restored.sharpe_ratio() == single.sharpe_ratio()


def test_without_a_trade_nothing_moves(bars, decisions, rules):
    none = replace(decisions, side=np.zeros_like(decisions.side))
    built = portfolio(bars, simulate(bars, none, rules))
    assert built.total_return() == 0.0
    assert len(built.trades.records) == 0
    assert np.all(built.value() == rules.cash)
    assert built.stats()["Total Trades"] == 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda bars, result: (bars, []), r"of no results: give it at least one\."),
        (lambda bars, result: (bars, {}), r"of no results: give it at least one\."),
        (lambda bars, result: (bars, [result, 3]), "asked of int: give it Result"),
        (
            lambda bars, result: (bars[1:], result),
            r"over 300 bars does not match the 299 bars of TEST: give the bars that it was executed on\.",
        ),
        (
            lambda bars, result: (bars, [result, result], ["a"]),
            r"1 column names \(a\) do not name 2 results",
        ),
        (lambda bars, result: (bars, [result, result], ["a", "a"]), "give each result one name of its own"),
    ],
    ids=["none", "empty", "kind", "bars", "few", "twice"],
)
def test_what_cannot_be_a_portfolio_is_refused(bars, result, wrong, message):
    with pytest.raises(DataError, match=message):
        portfolio(*wrong(bars, result))


def test_without_vectorbt_the_extra_is_named(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("mlstrat.engines.on_vectorbt")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "vectorbt", None)
    with pytest.raises(MissingExtraError, match=r'run `pip install "mlstrat\[vectorbt\]"`'):
        import mlstrat.engines.on_vectorbt  # noqa: F401
