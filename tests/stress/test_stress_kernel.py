"""Execution under worse fills, against the definitions as a plain loop and by hand."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from fill_cases import TICK, bars_of, by_hand, decisions_of, one_wish, random_assumption, random_case, rows_of

from mlstrat.data.carry import FUNDING, RateSeries, carry_of
from mlstrat.errors import ConfigError, DataError
from mlstrat.execution.kernel import simulate
from mlstrat.execution.types import REASON_NAMES, TARGET, RiskRules
from mlstrat.stress import Assumption, simulate_under

SEEDS = range(400)
RULES = RiskRules(cash=8192.0, tick=TICK, step=1.0, gap_reserve=0.0)
# Decided at a close of 100, stop 4 ticks (1.00) and target 4 ticks away; half of the equity: 40 units.
LONG, SHORT = (1, 4, 4, 0, 0.5, math.nan), (-1, 4, 4, 0, 0.5, math.nan)


def counts_of(result):
    return {
        "sent": result.sent,
        "blocked": result.blocked,
        "zero": result.zero_units,
        "cancelled": result.cancelled,
    }


def same_bits(one, other):
    assert one.equity.tobytes() == other.equity.tobytes()
    for name, column in vars(one.trades).items():
        assert column.tobytes() == getattr(other.trades, name).tobytes(), name
    assert counts_of(one) == counts_of(other)


def irregular_case(seed, n=400):
    """Prices and sizes on no friendly grid, so that a different order of operations would show."""
    rng = np.random.default_rng(seed)
    bars, decisions, rules = random_case(seed, n)
    factor = 1.0 + rng.random() / 3.0
    bars = replace(bars, **{name: getattr(bars, name) * factor for name in ("open", "high", "low", "close")})
    fraction, units = rng.random(n), np.where(rng.random(n) < 0.2, 30.0 * rng.random(n), np.nan)
    decisions = replace(
        decisions,
        fraction=fraction,
        units=units,
        stop=decisions.stop * factor,
        target=decisions.target * factor,
    )
    return bars, decisions, replace(rules, fee_share=0.0007, gap_reserve=0.003, step=0.001)


def charged_case(seed):
    """Funding at random moments: at closes, inside bars and at opens."""
    rng = np.random.default_rng(seed)
    bars, decisions, rules = irregular_case(seed)
    minutes = np.sort(rng.choice(len(bars) * 2, 90, replace=False)) * np.timedelta64(30, "m")
    return with_rates(bars, bars.time[0] + minutes, rng.normal(0.0, 0.002, 90)), decisions, rules


def with_rates(bars, stamps, rates):
    series = RateSeries(FUNDING, np.asarray(stamps, "datetime64[ns]"), np.asarray(rates))
    return replace(bars, carry=carry_of(bars.time, bars.close_time, [series]))


@pytest.mark.parametrize("make", [random_case, irregular_case, charged_case])
def test_without_an_assumption_the_bits_are_those_of_the_kernel(make):
    trades, paid = 0, 0.0
    for seed in SEEDS[:: 1 if make is random_case else 4]:
        bars, decisions, rules = make(seed)
        expected = simulate(bars, decisions, rules)
        got = simulate_under(bars, decisions, rules, Assumption())
        same_bits(got, expected)
        assert got.charged == expected.charged == (make is charged_case)
        trades += len(expected.trades)
        paid += float(np.abs(expected.trades.funding).sum())
    assert trades > 1000
    assert (paid > 0.0) == (make is charged_case)


def test_every_mixture_of_assumptions_is_what_the_definitions_say():
    met, late, cut = set(), 0, 0
    for seed in SEEDS:
        assumed = random_assumption(seed)
        bars, decisions, rules = random_case(seed)
        expected = by_hand(bars, decisions, rules, assumed)
        got = simulate_under(bars, decisions, rules, assumed)
        assert rows_of(got.trades) == expected.trades, (seed, assumed)
        assert got.equity.tolist() == expected.equity, (seed, assumed)
        assert counts_of(got) == expected.counts, (seed, assumed)
        met |= {row[-1] for row in expected.trades}
        late += assumed.delay_bars > 0 and len(expected.trades)
        cut += math.isfinite(assumed.volume_share) and len(expected.trades)
    assert met == set(REASON_NAMES.values())
    assert min(late, cut) > 200


def traded(moves, wish, volume=None, rules=RULES, **assumed):
    bars, decisions = one_wish(moves, wish, volume)
    return simulate_under(bars, decisions, rules, Assumption(**assumed))


def only(result):
    assert len(result.trades) == 1
    return rows_of(result.trades)[0]


def test_half_spread_is_lost_on_market_and_stop_fills():
    *_, paid, price, _, _, reason = only(traded([(0, 0, 0, 4)], LONG, half_spread=0.01))
    assert (paid, price, reason) == (101.0, 99.0 - 0.99, "stop")
    *_, paid, price, _, _, reason = only(traded([(0, 0, 4, 0)], SHORT, half_spread=0.01))
    assert (paid, price, reason) == (99.0, 101.0 + 1.01, "stop")
    *_, price, _, _, reason = only(traded([(-8, 0, 0, 0)], LONG, half_spread=0.01))
    assert (price, reason) == (98.0 - 0.98, "stop")
    *_, price, _, _, reason = only(traded([(0, 0, 0, 0)] * 2, (1, 4, 4, 1, 0.5, math.nan), half_spread=0.01))
    assert (price, reason) == (99.0, "time")


@pytest.mark.parametrize(
    ("wish", "moves", "price", "reason"),
    [
        # The bid of a high of 101.25 at a half spread of 2^-6 is 99.67; of 102.75 it is 101.14.
        pytest.param(LONG, [(0, 0, 5, 0)], 100.0, "open", id="touched by the bar, not by the bid"),
        pytest.param(LONG, [(0, 0, 11, 0)], 101.0, "target", id="reached by the bid"),
        pytest.param(LONG, [(6, 0, 0, 0)], 101.5, "open", id="open beyond the target, bid not"),
        pytest.param(LONG, [(16, 0, 0, 0)], 104.0 * (1 - 2**-6), "target", id="bid of the open beyond"),
        pytest.param(SHORT, [(0, 0, 0, 5)], 100.0, "open", id="short, touched by the bar, not by the ask"),
        pytest.param(SHORT, [(0, 0, 0, 11)], 99.0, "target", id="short, reached by the ask"),
        pytest.param(SHORT, [(-16, 0, 0, 0)], 96.0 * (1 + 2**-6), "target", id="ask of the open beyond"),
    ],
)
def test_a_target_fills_where_the_quote_reaches_it(wish, moves, price, reason):
    *_, left, _, _, why = only(traded(moves, wish, half_spread=2.0**-6))
    assert (left, why) == (price, reason)


@pytest.mark.parametrize(
    ("wish", "moves", "bar", "price", "reason"),
    [
        pytest.param(LONG, [(0, 0, 4, 5)], 1, 99.0, "stop", id="both, high first by the rule"),
        pytest.param(LONG, [(0, 0, 5, 4)], 1, 99.0, "stop", id="both, low first"),
        pytest.param(SHORT, [(0, 0, 5, 4)], 1, 101.0, "stop", id="short, both, low first by the rule"),
        pytest.param(LONG, [(6, 0, 0, 12)], 1, 101.5, "target", id="an open beyond the target stays one"),
        pytest.param(LONG, [(0, 0, 4, 0)], 1, 101.0, "target", id="target alone"),
        pytest.param(LONG, [(0, 0, 1, 1), (0, 0, 4, 5)], 2, 99.0, "stop", id="on a later bar"),
    ],
)
def test_worst_order_has_the_stop_first(wish, moves, bar, price, reason):
    _, _, left, *_, at, _, _, why = only(traded(moves, wish, worst_order=True))
    assert (left, at, why) == (bar, price, reason)


def test_a_delayed_entry_fills_at_the_later_open_with_what_was_decided():
    signal, entry, left, _, units, paid, price, *_, reason = only(
        traded([(0, 1, 0, 0), (1, 0, 0, 0), (0, 0, 2, 0)], LONG, delay_bars=1)
    )
    # Bar 1 opens at 100 and closes at 100.25, bar 2 opens at 100.5, bar 3 reaches 101.
    assert (signal, entry, left) == (0, 2, 3)
    assert (units, paid, price, reason) == (40.0, 100.5, 101.0, "target")


def test_what_the_wait_passed_is_left_at_once():
    row = only(traded([(0, 6, 0, 0), (0, -9, 0, 0)], LONG, delay_bars=1, slippage_ticks=1.0))
    assert row[1:3] == (2, 2)
    assert row[5:7] == (101.75, 101.5)
    assert row[-1] == "target"
    row = only(traded([(0, -6, 0, 0), (0, 9, 0, 0)], LONG, delay_bars=1))
    assert (row[1:3], row[5:7], row[-1]) == ((2, 2), (98.5, 98.5), "stop")


def test_a_time_exit_is_as_late_as_the_entry():
    wish = (1, 40, 40, 2, 0.5, math.nan)
    assert only(traded([(0, 0, 0, 0)] * 6, wish))[1:3] == (1, 3)
    assert only(traded([(0, 0, 0, 0)] * 6, wish, delay_bars=1))[1:3] == (2, 4)
    assert only(traded([(0, 0, 0, 0)] * 9, wish, delay_bars=4))[1:3] == (5, 7)


def test_candidates_are_passed_over_while_an_order_waits():
    bars = bars_of([(0, 0, 0, 0)] * 6)
    decisions = decisions_of(bars, [(1, 4, 4, 1, 0.5, math.nan)] * 6)
    late = simulate_under(bars, decisions, RULES, Assumption(delay_bars=2))
    # Decided at 0, entered at 3, left at the open of 4; decided again at 4, whose open lies beyond the end.
    assert [row[:3] for row in rows_of(late.trades)] == [(0, 3, 4)]
    assert late.sent == 2
    assert simulate(bars, decisions, RULES).sent == 3


@pytest.mark.parametrize("delay", [1, 5, 10_000])
def test_an_open_beyond_the_end_never_comes(delay):
    late = traded([(0, 0, 0, 0)], LONG, delay_bars=delay)
    assert (len(late.trades), late.sent, late.cancelled, late.equity.tolist()) == (0, 1, 0, [8192.0] * 2)


@pytest.mark.parametrize(
    ("volume", "units", "zero", "cancelled"),
    [
        pytest.param((1000.0, 1000.0), 40.0, 0, 0, id="room for all"),
        pytest.param((125.0, 1000.0), 12.0, 0, 0, id="the deciding bar cuts, down to the step"),
        pytest.param((1000.0, 95.0), 9.0, 0, 0, id="the filling bar cuts"),
        pytest.param((200.0, 80.0), 8.0, 0, 0, id="both cut"),
        pytest.param((9.0, 1000.0), None, 1, 0, id="less than a step when deciding"),
        pytest.param((1000.0, 0.0), None, 0, 1, id="nothing traded at the fill"),
    ],
)
def test_volume_caps_the_entry(volume, units, zero, cancelled):
    result = traded([(0, 0, 0, 0)], LONG, volume, volume_share=0.1)
    assert [row[4] for row in rows_of(result.trades)] == ([] if units is None else [units])
    assert (result.zero_units, result.cancelled) == (zero, cancelled)


def test_a_cut_below_the_minimum_notional_is_no_order():
    rules = replace(RULES, min_notional=500.0)
    assert traded([(0, 0, 0, 0)], LONG, (40.0, 100.0), rules, volume_share=0.1).zero_units == 1
    assert traded([(0, 0, 0, 0)], LONG, (60.0, 100.0), rules, volume_share=0.1).zero_units == 0
    assert traded([(0, 0, 0, 0)], LONG, (60.0, 40.0), rules, volume_share=0.1).cancelled == 1


def test_funding_is_charged_while_a_late_order_is_held_and_not_while_it_waits():
    bars, decisions = one_wish([(0, 0, 0, 0)] * 4, (1, 40, 40, 0, 0.5, 8.0))
    bars = with_rates(bars, bars.close_time, np.full(5, 2.0**-8))
    for delay, closes in ((0, 4), (1, 3), (3, 1)):
        result = simulate_under(bars, decisions, RULES, Assumption(delay_bars=delay))
        paid = closes * 8.0 * 100.0 * 2.0**-8
        assert result.trades.funding.tolist() == [paid]
        assert result.trades.profit.tolist() == [-paid]
        assert result.equity[-1] == 8192.0 - paid


def test_a_target_passed_by_the_open_and_not_by_the_quote_is_an_exit_inside_the_bar():
    moves = [(6, 0, 9, 0)]  # opens at 101.5 beyond a target of 101, reaches 103.75
    bars, decisions = one_wish(moves, (1, 4, 4, 0, 0.5, 8.0))
    bars = with_rates(bars, bars.time[1:] + np.timedelta64(1, "m"), [2.0**-8])
    at_open = simulate_under(bars, decisions, RULES, Assumption())
    assert (at_open.trades.exit_price[0], at_open.trades.funding[0]) == (101.5, 0.0)
    inside = simulate_under(bars, decisions, RULES, Assumption(half_spread=2.0**-6))
    assert (inside.trades.exit_price[0], inside.trades.funding[0]) == (101.0, 8.0 * 101.0 * 2.0**-8)


def separate_trades(seed, trades=40):
    """Wishes of fixed units, so far apart that each trade is by itself; no breaker, cash for everything."""
    rng = np.random.default_rng(seed)
    moves = [tuple(int(x) for x in (0, *rng.integers(-4, 5, 1), *rng.integers(0, 5, 2))) for _ in range(400)]
    wish = [(0, 0, 1, 0, 0.0, math.nan)] * 10
    wishes = []
    for _ in range(trades):
        side = int(rng.choice((1, -1)))
        stop, target = (int(each) for each in rng.integers(2, 9, 2))
        wishes += [(side, stop, target, 4, 0.5, 2.0), *wish[1:]]
    bars = bars_of(moves, np.full(400, 1e6))
    return bars, decisions_of(bars, wishes), RiskRules(cash=1e6, tick=TICK, step=1.0, fee_share=2.0**-10)


@pytest.mark.parametrize("seed", range(5))
def test_more_of_a_cost_never_helps_any_trade(seed):
    case = separate_trades(seed)
    for name, amounts in {
        "slippage_ticks": (0.0, 1.0, 2.0, 5.0),
        "worst_order": (False, True),
    }.items():
        profits = [simulate_under(*case, Assumption(**{name: amount})).trades.profit for amount in amounts]
        assert all(len(each) == 40 for each in profits)
        for milder, worse in pairwise(profits):
            assert np.all(worse <= milder)


@pytest.mark.parametrize("seed", range(5))
def test_a_spread_costs_what_it_says_where_the_same_trade_is_left_the_same_way(seed):
    case = separate_trades(seed)
    base = simulate_under(*case, Assumption()).trades
    share = 2.0**-12
    wide = simulate_under(*case, Assumption(half_spread=share)).trades
    same = (wide.exit_bar == base.exit_bar) & (wide.reason == base.reason)
    assert same.sum() > 20
    for i in np.flatnonzero(same):
        crossed = base.entry_price[i] + (base.exit_price[i] if base.reason[i] != TARGET else 0.0)
        lost = base.units[i] * share * crossed
        got = (base.profit[i] + base.commission[i]) - (wide.profit[i] + wide.commission[i])
        assert got == pytest.approx(lost, abs=1e-9)


def test_a_volume_cap_alone_only_shrinks_entries():
    bars, decisions, rules = separate_trades(1)
    capped = simulate_under(bars, decisions, rules, Assumption(volume_share=1e-6)).trades
    base = simulate_under(bars, decisions, rules, Assumption()).trades
    np.testing.assert_array_equal(capped.units, np.full(len(base), 1.0))
    np.testing.assert_array_equal(capped.exit_price, base.exit_price)


@pytest.mark.parametrize(
    ("assumed", "match"),
    [
        ({"slippage_ticks": -1.0}, "slippage_ticks is -1.0: give a finite number from 0"),
        ({"slippage_ticks": math.nan}, "slippage_ticks is nan: give"),
        ({"half_spread": 1.0}, "half_spread is 1.0: give a share of price"),
        ({"delay_bars": 1.5}, "delay_bars is 1.5: give a whole number of bars from 0"),
        ({"delay_bars": math.inf}, "delay_bars is inf: give a whole number"),
        ({"delay_bars": -1}, "delay_bars is -1: give"),
        ({"volume_share": 0.0}, "volume_share is 0.0: give a share of volume above 0"),
    ],
)
def test_an_impossible_assumption_is_refused(assumed, match):
    with pytest.raises(ConfigError, match=match):
        Assumption(**assumed)


def test_decisions_on_other_bars_are_refused():
    bars, decisions = one_wish([(0, 0, 0, 0)], LONG)
    with pytest.raises(DataError, match="decide on the same bars that you execute on"):
        simulate_under(bars[:1], decisions, RULES, Assumption())


def test_names_and_sentences_say_what_is_assumed():
    assert Assumption().name == "as assumed"
    assert Assumption(slippage_ticks=1.0).name == "1 tick more slippage"
    assert Assumption(slippage_ticks=2.0).name == "2 ticks more slippage"
    assert Assumption(half_spread=0.0005).name == "half spread of 5\u00a0bp"
    assert Assumption(volume_share=0.001).name == "at most 0.1\u00a0% of volume"
    both = Assumption(delay_bars=1, worst_order=True)
    assert both.name == "delay of 1 bar, stop before target"
    assert both.sentence == (
        "entries and time exits fill 1 bar late, with quantity, stop and target as decided; "
        "where a bar touches stop and target, the stop came first"
    )
    assert "execution rule" in Assumption().sentence
