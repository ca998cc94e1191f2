"""The comparison finds every planted difference, and names the cause that was planted."""

from dataclasses import replace

import numpy as np
import pytest
from execution_cases import make_case
from planted import of_the_last, with_trade, without_trades

from mlstrat.errors import DataError
from mlstrat.execution.kernel import simulate
from mlstrat.execution.types import STOP, TARGET
from mlstrat.parity.compare import compare
from mlstrat.parity.pairing import pair

CASE = make_case(8)  # tight stops: a trade every few bars, with fees and slippage


@pytest.fixture(scope="module")
def made():
    result = simulate(CASE.bars, CASE.decisions, CASE.rules)
    assert len(result.trades) > 20
    return result


def causes(reference, other):
    found = compare(reference, other, CASE.bars)
    return [(difference.trade, difference.cause) for difference in found.differences]


def test_a_result_is_identical_to_itself(made):
    found = compare(made, made, CASE.bars)
    assert found.same
    assert found.identical == found.total == len(made.trades)
    assert (found.price, found.units, found.profit, found.equity) == (0.0, 0.0, 0.0, 0.0)
    assert found.causes == {}


def test_the_last_bits_do_not_count(made):
    t = made.trades
    other = with_trade(made, 5, entry_price=np.nextafter(t.entry_price[5], 0), profit=t.profit[5] + 1e-12)
    found = compare(made, other, CASE.bars)
    assert found.same
    assert 0 < found.price < 1e-12
    assert 0 < found.profit < 1e-11


@pytest.mark.parametrize(
    ("field", "change", "cause"),
    [
        ("side", lambda t: -t.side[7], "side"),
        ("exit_bar", lambda t: t.exit_bar[7] + 1, "fill bar"),
        ("entry_bar", lambda t: t.entry_bar[7] + 1, "fill bar"),
        ("entry_price", lambda t: t.entry_price[7] + 0.02, "price"),
        ("exit_price", lambda t: t.exit_price[7] - 0.01, "price"),
        ("exit_price", lambda t: t.exit_price[7] + 0.004, "rounding"),
        ("units", lambda t: t.units[7] * 1.001, "size"),
        ("commission", lambda t: t.commission[7] + 0.01, "commission"),
        ("profit", lambda t: t.profit[7] + 0.01, "profit"),
        ("profit", lambda t: np.nan, "profit"),
        ("reason", lambda t: STOP if t.reason[7] != STOP else TARGET, "reason"),
    ],
)
def test_a_changed_field_is_found_with_its_cause(made, field, change, cause):
    other = with_trade(made, 7, **{field: change(made.trades)})
    found = compare(made, other, CASE.bars)
    assert [(difference.trade, difference.cause) for difference in found.differences] == [(7, cause)]
    assert found.identical == found.total - 1
    assert not found.same


def test_the_first_of_several_differences_is_named(made):
    t = made.trades
    other = with_trade(
        made, 3, exit_bar=t.exit_bar[3] + 1, exit_price=t.exit_price[3] + 5, profit=t.profit[3] + 9
    )
    assert causes(made, other) == [(3, "fill bar")]


def test_sizes_say_when_equity_had_parted_before(made):
    bar = made.trades.signal_bar[9]
    other = with_trade(made, 9, units=made.trades.units[9] * 2)
    (plain,) = compare(made, other, CASE.bars).differences
    assert "equity" not in plain.what
    equity = made.equity.copy()
    equity[bar:] += 50.0
    (told,) = compare(made, replace(other, equity=equity), CASE.bars).differences
    assert told.cause == "size"
    assert "from an equity of" in told.what


def test_an_entry_that_only_a_breaker_can_explain(made):
    other = replace(without_trades(made, 4), blocked=made.blocked + 1)
    assert causes(made, other) == [(4, "breaker")]
    assert causes(other, made) == [(4, "breaker")]
    found = compare(made, other, CASE.bars)
    assert (found.identical, found.total) == (len(made.trades) - 1, len(made.trades))


def test_missing_and_extra_trades(made):
    other = without_trades(made, 4, 11)
    assert causes(made, other) == [(4, "missing"), (11, "missing")]
    assert causes(other, made) == [(4, "extra"), (11, "extra")]


def test_a_missing_trade_says_that_another_was_still_held(made):
    t = made.trades
    other = with_trade(without_trades(made, 6), 5, exit_bar=t.exit_bar[6])
    first, second = compare(made, other, CASE.bars).differences
    assert (first.cause, second.cause) == ("fill bar", "missing")
    assert "still held its trade of" in second.what


def test_a_quantity_that_rounded_to_zero_is_a_difference_of_size(made):
    other = replace(without_trades(made, 4), zero_units=made.zero_units + 1)
    assert causes(made, other) == [(4, "size")]


def test_an_engine_that_begins_later_misses_what_came_before_by_warm_up(made):
    first = int(made.trades.signal_bar[6])
    found = compare(made, of_the_last(made, first), CASE.bars)
    assert [(d.trade, d.cause) for d in found.differences] == [(k, "warm-up") for k in range(6)]
    assert found.identical == len(made.trades) - 6
    assert found.equity == 0.0


def test_equity_and_counters_count_where_the_trades_are_the_same(made):
    equity = made.equity.copy()
    equity[40] += 1.0
    found = compare(made, replace(made, equity=equity), CASE.bars)
    assert found.causes == {"equity": 1}
    assert found.equity == pytest.approx(1.0)
    assert found.differences[0].time == "2024-01-02 16:00"  # bar 40 of hourly bars from 2024-01-01
    assert not found.same
    assert compare(made, replace(made, cancelled=made.cancelled + 2), CASE.bars).causes == {"counters": 1}


def test_an_equity_that_is_no_number_is_a_difference(made):
    equity = made.equity.copy()
    equity[3] = np.nan
    found = compare(made, replace(made, equity=equity), CASE.bars)
    assert found.causes == {"equity": 1}
    assert found.equity == 0.0


def test_trades_are_paired_by_bars_and_not_by_position(made):
    other = without_trades(made, 0)
    pairs = pair(made.trades, other.trades)
    np.testing.assert_array_equal(pairs.only_ours, [0])
    np.testing.assert_array_equal(pairs.ours, np.arange(1, len(made.trades)))
    np.testing.assert_array_equal(pairs.theirs, np.arange(len(other.trades)))


def test_results_of_other_bars_are_refused(made):
    with pytest.raises(DataError, match=r"is not of the last of these .* compare results on the same bars\."):
        compare(made, made, CASE.bars[:200])
    with pytest.raises(DataError, match="the reference begins after the first bar"):
        compare(of_the_last(made, 10), made, CASE.bars)
