"""The break-even commission, by hand and by executing at it."""

import math
from dataclasses import replace

import numpy as np
import pytest
from fill_cases import TICK, one_wish, random_case

from mlstrat.errors import DataError
from mlstrat.execution.kernel import simulate
from mlstrat.execution.types import RiskRules
from mlstrat.stress import break_even

RULES = RiskRules(cash=8192.0, fee_share=2.0**-10, tick=TICK, step=1.0, gap_reserve=0.0)


def at(case, fee):
    bars, decisions, rules = case
    return simulate(bars, decisions, replace(rules, fee_share=fee)).equity[-1] / rules.cash - 1.0


def test_one_trade_by_hand():
    # 10 units from 100 to 110: 100 of profit on 2,100 of value bought and sold.
    bars, decisions = one_wish([(0, 0, 40, 0)], (1, 40, 40, 0, 0.5, 10.0))
    found = break_even(bars, decisions, RULES)
    assert found.fee_share == pytest.approx(100.0 / 2100.0, rel=1e-11)
    assert found.gross_per_traded == pytest.approx(100.0 / 2100.0, rel=1e-12)
    assert (found.charged, found.trades) == (2.0**-10, 1)
    assert found.without_commission == 100.0 / 8192.0
    assert found.total_return == (100.0 - 2100.0 * 2.0**-10) / 8192.0


def test_an_open_trade_has_paid_its_entry_only():
    bars, decisions = one_wish([(0, 10, 0, 0)], (1, 40, 40, 0, 0.5, 10.0))
    found = break_even(bars, decisions, RULES)
    # 10 units from 100 to 102.50, marked and not sold.
    assert found.fee_share == pytest.approx(25.0 / 1000.0, rel=1e-11)
    assert found.gross_per_traded == pytest.approx(25.0 / 1000.0, rel=1e-12)


def test_the_return_changes_its_sign_at_it():
    found = 0
    for seed in range(450):
        bars, decisions, rules = random_case(seed, 80)
        calm = replace(rules, max_drawdown=0.0, max_daily_loss=0.0, max_losing_streak=0, step=0.125)
        case = bars, replace(decisions, fraction=decisions.fraction * 0.1), calm
        result = break_even(*case)
        if math.isnan(result.fee_share):
            assert not at(case, 0.0) > 0.0 or at(case, 0.5) > 0.0
            continue
        found += 1
        assert at(case, result.fee_share) <= 0.0 < at(case, result.fee_share * (1.0 - 1e-9))
        assert result.without_commission == at(case, 0.0)
        assert result.total_return == at(case, result.charged)
    assert found > 50


def test_small_positions_break_even_where_the_closed_form_says():
    # Positions so small that equity hardly moves: sizes do not depend on the commission.
    near = 0
    for seed in range(150):
        bars, decisions, rules = random_case(seed, 80)
        plain = replace(rules, cash=2.0**30, max_drawdown=0.0, max_daily_loss=0.0, max_losing_streak=0)
        fixed = replace(decisions, units=np.full(80, 8.0))
        result = break_even(bars, fixed, plain)
        if not math.isnan(result.fee_share):
            near += 1
            assert result.fee_share == pytest.approx(result.gross_per_traded, rel=1e-6)
    assert near > 10


def test_a_loss_without_commission_has_none():
    bars, decisions = one_wish([(0, 0, 0, 40)], (1, 40, 40, 0, 0.5, 10.0))
    found = break_even(bars, decisions, RULES)
    assert math.isnan(found.fee_share)
    assert found.without_commission < 0.0
    assert found.gross_per_traded < 0.0


def test_no_trade_has_none():
    bars, decisions = one_wish([(0, 0, 0, 0)], (0, 0, 1, 0, 0.0, math.nan))
    found = break_even(bars, decisions, RULES)
    assert math.isnan(found.fee_share)
    assert math.isnan(found.gross_per_traded)
    assert (found.trades, found.total_return, found.without_commission) == (0, 0.0, 0.0)


def test_a_profit_no_commission_can_take():
    bars, decisions = one_wish([(0, 0, 4000, 0)], (1, 40, 4000, 0, 0.5, 2.0))
    found = break_even(bars, decisions, RULES)
    # From 100 to 1,100: 1,000 of profit a unit on 1,200 of value.
    assert found.gross_per_traded == pytest.approx(1000.0 / 1200.0)
    assert math.isnan(found.fee_share)
    assert found.without_commission > 0.0


def test_the_same_call_gives_the_same_number():
    case = random_case(3)
    assert repr(break_even(*case)) == repr(break_even(*case))


def test_decisions_on_other_bars_are_refused():
    bars, decisions = one_wish([(0, 0, 0, 0)], (1, 4, 4, 0, 0.5, math.nan))
    with pytest.raises(DataError, match="decide on the same bars that you execute on"):
        break_even(bars[:1], decisions, RULES)
