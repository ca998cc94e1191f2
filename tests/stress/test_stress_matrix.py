"""The matrix of worse fills: what its rows are, what judges them, and what the sentences make of them."""

import json
import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from fill_cases import TICK, bars_of, decisions_of, one_wish

from mlstrat.bootstrap import Interval, stationary_blocks
from mlstrat.data.bars import Bars
from mlstrat.data.instrument import Instrument
from mlstrat.data.timeframe import Timeframe
from mlstrat.errors import DataError
from mlstrat.evidence import path_intervals, superior_ability
from mlstrat.execution.kernel import simulate
from mlstrat.execution.metrics import sharpe
from mlstrat.execution.types import Decisions, RiskRules
from mlstrat.reports import fill_tables
from mlstrat.stress import (
    Assumption,
    BreakEven,
    FillMatrix,
    FillRow,
    LeftOut,
    break_even,
    first_killer,
    first_loss,
    pessimistic_fills,
    sentences,
    simulate_under,
)
from mlstrat.stress.draws import SharedDraws

RULES = RiskRules(cash=10_000.0, fee_share=0.0002, tick=0.01, step=0.00001)


def market(n=4000, seed=3, level=100.0, volume=50.0) -> Bars:
    rng = np.random.default_rng(seed)
    close = level * np.exp(np.cumsum(rng.normal(0.0, 0.004, n)))
    open_ = np.r_[level, close[:-1]]
    high = np.maximum(open_, close) * (1.0 + rng.uniform(0.0, 0.002, n))
    low = np.minimum(open_, close) * (1.0 - rng.uniform(0.0, 0.002, n))
    time = np.datetime64("2023-01-01T00", "ns") + np.arange(n) * np.timedelta64(3600, "s")
    return Bars(time, open_, high, low, close, np.full(n, volume), "X", Timeframe("1h"), Instrument("X"))


def foresight(bars: Bars, right: float, seed=1, every=8) -> Decisions:
    """Sides that are right about the next four bars so often; time exits only."""
    rng, n, close = np.random.default_rng(seed), len(bars), np.array(bars.close)
    ahead = np.sign(np.r_[close[5:], np.full(5, close[-1])] - close)
    side = np.where(rng.random(n) < right, ahead, -ahead) * (np.arange(n) % every == 0)
    far = np.where(side == 0, np.nan, 0.5 * close * side)
    return Decisions(
        "X",
        np.array(bars.time),
        side.astype(np.int8),
        np.full(n, 0.5),
        np.full(n, np.nan),
        close - far,
        close + far,
        np.full(n, 4),
        np.zeros(n, np.int8),
        np.full(n, np.nan),
    )


@pytest.fixture(scope="module")
def run():
    bars = market()
    return bars, foresight(bars, 0.62), RULES


@pytest.fixture(scope="module")
def matrix(run):
    return pessimistic_fills(*run)


def test_rows_are_the_assumptions_each_alone_and_some_together(matrix):
    assert [row.name for row in matrix.rows] == [
        "as assumed",
        "1 tick more slippage",
        "half spread of 1\u00a0bp",
        "2 ticks more slippage",
        "half spread of 2\u00a0bp",
        "5 ticks more slippage",
        "half spread of 5\u00a0bp",
        "10 ticks more slippage",
        "half spread of 10\u00a0bp",
        "delay of 1 bar",
        "stop before target",
        "at most 1\u00a0% of volume",
        "at most 0.1\u00a0% of volume",
        "1 tick more slippage, half spread of 2\u00a0bp, delay of 1 bar, stop before target, "
        "at most 1\u00a0% of volume",
    ]
    assert matrix.left_out == ()
    assert matrix.base is matrix.rows[0]


def test_slippage_and_spread_stand_in_order_of_what_they_cost(run, matrix):
    bars = run[0]
    usual = float(np.median(bars.close))
    for row in matrix.rows:
        expected = row.assumption.slippage_ticks * 0.01 / usual + row.assumption.half_spread
        assert row.fill_cost == pytest.approx(expected, rel=1e-12)
    costs = [row.fill_cost for row in matrix.rows[1:9]]
    assert costs == sorted(costs)
    # Here a tick is nothing: all of ticks come before the first spread.
    dear = pessimistic_fills(market(300, level=40_000.0), foresight(market(300, level=40_000.0), 0.6), RULES)
    assert [row.assumption.slippage_ticks for row in dear.rows[1:5]] == [1.0, 2.0, 5.0, 10.0]


def test_each_row_is_the_execution_under_its_assumption_tested_alone(run, matrix):
    bars, decisions, rules = run
    assert matrix.block == superior_ability(simulate(bars, decisions, rules).returns).block
    for row in matrix.rows:
        made = simulate_under(bars, decisions, rules, row.assumption)
        alone = superior_ability(made.returns, block=matrix.block)
        assert row.p == alone.p
        assert row.trades == made.trades.closed.sum()
        assert row.total_return == made.equity[-1] / rules.cash - 1.0
        assert row.profit == (made.equity[-1] > rules.cash)
        assert row.edge == (alone.p <= 0.05 and row.trades >= 30)
        assert row.sharpe.estimate == sharpe(made.returns, bars.bars_per_year)


def test_intervals_are_near_those_of_whole_paths(run, matrix):
    bars, decisions, rules = run
    year = math.sqrt(bars.bars_per_year)
    for row in (matrix.rows[0], matrix.rows[9]):
        made = simulate_under(bars, decisions, rules, row.assumption)
        paths = path_intervals(made.returns, block=matrix.block, draws=4000).sharpe
        width = year * (paths.high - paths.low)
        assert abs(row.sharpe.low - year * paths.low) < 0.08 * width
        assert abs(row.sharpe.high - year * paths.high) < 0.08 * width


def test_an_interval_is_that_of_the_bars_drawn_one_by_one():
    """With a block of 5 bars a run is one bar, so that draws can be spelled out."""
    returns = np.random.default_rng(5).normal(0.001, 0.01, 90)
    random, ratios = np.random.default_rng(11), []
    for draws in (256, 144):
        starts, lengths = stationary_blocks(90, 5.0, draws, random)
        for first, length in zip(starts, lengths, strict=True):
            places = np.concatenate([(a + np.arange(m)) % 90 for a, m in zip(first, length, strict=True)])
            ratios.append(np.mean(returns[places]) / np.std(returns[places], ddof=1))
    judged = SharedDraws(90, 5.0, 400, 11).judge(np.column_stack([returns, np.zeros(90)]), 365.0)
    expected = np.quantile(np.array(ratios) * math.sqrt(365.0), [0.025, 0.975])
    np.testing.assert_allclose([judged[0].sharpe.low, judged[0].sharpe.high], expected, rtol=1e-9)
    assert math.isnan(judged[1].p)
    assert math.isnan(judged[1].sharpe.low)


def test_the_same_call_gives_the_same_matrix(run, matrix):
    assert pessimistic_fills(*run) == matrix
    assert pessimistic_fills(*run, seed=8).rows[0].p != matrix.rows[0].p or matrix.rows[0].p < 0.002


def test_the_first_killer_is_the_first_row_that_fails(run, matrix):
    assert matrix.base.edge
    killer = first_killer(matrix)
    place = matrix.rows.index(killer)
    assert all(row.edge for row in matrix.rows[:place])
    assert not killer.edge
    said = sentences(matrix, break_even(*run))
    assert f". The first assumption that kills it: {killer.name} (p = " in said[0]


def test_without_an_edge_nothing_can_kill_it(run):
    bars, _, rules = run
    made = pessimistic_fills(bars, foresight(bars, 0.5), rules)
    assert not made.base.edge
    assert first_killer(made) is None
    said = sentences(made, break_even(bars, foresight(bars, 0.5), rules))
    assert said[0].startswith("There is no edge that worse fills could kill: as assumed, luck alone does as")


def test_bars_without_volume_leave_the_caps_out():
    bars = market(400, volume=0.0)
    made = pessimistic_fills(bars, foresight(bars, 0.6), RULES)
    assert made.left_out == (
        LeftOut("at most 1\u00a0% of volume", "the bars have no volume"),
        LeftOut("at most 0.1\u00a0% of volume", "the bars have no volume"),
    )
    assert all(row.assumption.volume_share == math.inf for row in made.rows)
    assert made.rows[-1].assumption == Assumption(1.0, 0.0002, 1, worst_order=True)
    told = sentences(made, break_even(bars, foresight(bars, 0.6), RULES))[-1]
    assert told == (
        "Not tried: at most 1\u00a0% of volume (the bars have no volume); "
        "at most 0.1\u00a0% of volume (the bars have no volume)."
    )


def test_slippage_that_is_a_large_part_of_the_price_is_left_out():
    bars = market(400, level=0.8)
    made = pessimistic_fills(bars, foresight(bars, 0.6), RULES)
    out = {each.name: each.reason for each in made.left_out}
    assert set(out) == {"10 ticks more slippage"}
    assert out["10 ticks more slippage"] == f"that is {10.0 / bars.low.min():.3g}\u00a0% of the lowest price"
    assert made.rows[1].assumption == Assumption(half_spread=0.0001)


def test_no_trade_leaves_nothing_to_judge():
    bars = market(400)
    quiet = replace(foresight(bars, 0.5), side=np.zeros(400, np.int8))
    made = pessimistic_fills(bars, quiet, RULES)
    assert {(row.trades, row.total_return, row.edge, row.profit) for row in made.rows} == {
        (0, 0.0, False, False)
    }
    assert all(math.isnan(row.p) and math.isnan(row.sharpe.estimate) for row in made.rows)
    assert sentences(made, break_even(bars, quiet, RULES)) == (
        "There is no edge that worse fills could kill: no trade was completed.",
        "No trade was made, so there is no commission at which they break even.",
    )


@pytest.mark.parametrize("n", [1, 2, 9])
def test_a_handful_of_bars_has_numbers_but_no_test(n):
    bars = bars_of([(0, 1, 1, 1)] * n)
    decisions = decisions_of(bars, [(1, 4, 4, 0, 0.5, math.nan)] * n)
    made = pessimistic_fills(bars, decisions, RiskRules(cash=8192.0, tick=TICK, step=1.0))
    assert all(math.isnan(row.p) and not row.edge for row in made.rows)
    assert len(made.rows) + len(made.left_out) == 14


def test_an_account_that_lost_everything_is_not_judged():
    wish = (-1, 4000, 4, 0, 1.0, math.nan)
    bars, decisions = one_wish([(0, 40, 0, 0)] * 30 + [(0, 100, 0, 0)] * 10, wish)
    made = pessimistic_fills(bars, decisions, RiskRules(cash=8192.0, tick=TICK, step=1.0))
    assert made.base.total_return < -1.0
    assert math.isnan(made.base.p)
    assert not made.base.edge


def test_the_block_can_be_given_and_is_refused_below_a_bar(run):
    assert pessimistic_fills(*run, draws=100, block=40.0).block == 40.0
    with pytest.raises(DataError, match="give a mean length of 1 bar or more"):
        pessimistic_fills(*run, block=0.5)


def test_everything_becomes_plain_json(run, matrix):
    content = json.loads(json.dumps(asdict(matrix), default=refuse))
    assert content["rows"][0]["name"] == "as assumed"
    assert content["rows"][6]["assumption"]["half_spread"] == 0.0005
    assert json.loads(json.dumps(asdict(break_even(*run)), default=refuse))["charged"] == 0.0002


def refuse(value):
    raise AssertionError(f"{type(value)} is not plain")


def row(name, p, total=0.02, trades=100) -> FillRow:
    return FillRow(
        name=name,
        assumption=Assumption(),
        fill_cost=0.0005,
        trades=trades,
        total_return=total,
        sharpe=Interval(1.0, -0.5, 2.5),
        p=p,
        profit=total > 0.0,
        edge=p <= 0.05 and trades >= 30,
    )


THERE = (
    "Tested alone, without what else was tried, there is an edge as assumed (p = 0.010, return 2.00\u00a0%)"
)
FOUND = BreakEven(0.0009, 0.0004, 0.00091, 100, 0.02, 0.05)


def told(*rows, found=FOUND):
    return sentences(FillMatrix(tuple(rows), (), 20.0, 1000), found)


def test_sentences_name_the_killer_the_others_and_the_first_loss():
    assert told(
        row("as assumed", 0.01),
        row("mild", 0.03),
        row("harder", 0.2, 0.004),
        row("hard", 0.04),
        row("hardest", 1.0, -0.01),
    ) == (
        f"{THERE}. The first assumption that kills it: harder (p = 0.200, return 0.40\u00a0%).",
        "So does: hardest.",
        "The profit of 2.00\u00a0% turns into a loss first with: hardest (−1.00\u00a0%).",
        "The trades break even at a commission of 0.0900\u00a0% a fill; 0.0400\u00a0% was charged, so they "
        "bear 0.0500\u00a0% of value a fill in other costs.",
    )


def test_sentences_promise_nothing_where_the_edge_stays():
    said = told(row("as assumed", 0.01), row("mild", 0.03), row("hard", 0.04))
    assert said[:2] == (
        f"{THERE} and under each of the 2 worse assumptions about fills; what is worse than these was not "
        "tried, and one stretch of history does not say that an edge lasts.",
        "The profit of 2.00\u00a0% stays a profit under each assumption.",
    )


def test_sentences_on_few_trades_and_none_left():
    few = told(row("as assumed", 0.01, trades=12), row("mild", 0.3))
    assert few[0] == "There is no edge that worse fills could kill: 12 trades are too few to show one."
    left = told(row("as assumed", 0.01), row("cap", 0.01, 0.0, trades=0))
    assert left[0] == (f"{THERE}. The first assumption that kills it: cap (0 trades, too few to show one).")
    assert left[1] == "The profit of 2.00\u00a0% is gone first with: cap."


def test_a_loss_as_assumed_has_no_first_loss():
    made = FillMatrix((row("as assumed", 1.0, -0.02), row("mild", 1.0, -0.03)), (), 20.0, 1000)
    assert first_loss(made) is None
    said = sentences(made, BreakEven(0.0002, 0.0004, 0.0002, 100, -0.02, 0.01))
    assert said == (
        "There is no edge that worse fills could kill: as assumed, luck alone does as well (p = 1.000, "
        "return −2.00\u00a0%; an edge is said up to 0.05).",
        "The trades break even at a commission of 0.0200\u00a0% a fill, and 0.0400\u00a0% was charged: costs "
        "take more than the trades make before them.",
    )


def test_the_tables_say_the_same(run, matrix):
    table = fill_tables.fills(matrix)
    assert len(table.head) == len(table.rows[0]) == 8
    assert [each[0] for each in table.rows] == [each.name for each in matrix.rows]
    assert (table.rows[0][-1], table.rows[4][-1]) == ("0.00\u00a0bp", "2.00\u00a0bp")
    assert [each[3] == "yes" for each in table.rows] == [each.edge for each in matrix.rows]
    facts = dict(fill_tables.break_even(FOUND).rows)
    assert facts["Commission of one fill at which the return is zero"] == "0.0900\u00a0%"
    assert facts["Commission of one fill as charged"] == "0.0400\u00a0%"
    assert facts["Return without commission"] == "+5.00\u00a0%"
