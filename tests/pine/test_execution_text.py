"""The text of the execution rule: every setting, readable numbers, nothing that breaks a compiler."""

import re
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from mlstrat.errors import ConfigError
from mlstrat.execution.types import RiskRules
from mlstrat.pine.execution import DECISION_NAMES, DecisionSource, execution_script
from mlstrat.pine.text import decimal, estimated_tokens, quoted, string_characters

NOTHING = DecisionSource("\n".join(f"float {name} = 0.0" for name in DECISION_NAMES))
REPLAY = DecisionSource(NOTHING.text + "\nfloat decidedNextOpen = na", knows_next_open=True)
RULES = RiskRules(cash=98_765.43, fee_share=0.00075, tick=0.5, step=0.001, slippage_ticks=3.0)


def settings(script: str) -> dict[str, str]:
    (call,) = re.findall(r"^strategy\((.*)\)$", script, re.MULTILINE)
    return dict(part.split("=", 1) for part in call.split(", ")[1:])


def test_the_header_sets_everything_that_bears_on_a_fill():
    assert settings(execution_script(RULES, "x", NOTHING)) == {
        "overlay": "true",
        "initial_capital": "98765.43",
        "currency": "currency.NONE",
        "default_qty_type": "strategy.fixed",
        "default_qty_value": "1",
        "pyramiding": "0",
        "commission_type": "strategy.commission.percent",
        "commission_value": "0.075",
        "slippage": "3",
        "process_orders_on_close": "false",
        "calc_on_every_tick": "false",
        "calc_on_order_fills": "false",
        "close_entries_rule": '"FIFO"',
        "margin_long": "100",
        "margin_short": "0",
        "use_bar_magnifier": "false",
        "fill_orders_on_standard_ohlc": "true",
        "backtest_fill_limits_assumption": "0",
    }


def test_a_replay_cancels_entries_itself_and_asks_for_no_margin():
    script = execution_script(RULES, "x", REPLAY)
    assert settings(script)["margin_long"] == settings(script)["margin_short"] == "0"
    assert "(decidedNextOpen + decidedSide * 1.5)" in script
    assert "decidedNextOpen" not in execution_script(RULES, "x", NOTHING)


def test_the_currency_is_the_runs():
    assert settings(execution_script(RULES, "x", NOTHING, currency="USDT"))["currency"] == "currency.USDT"


@pytest.mark.parametrize("fee", [0.0, 0.0001, 0.0004, 0.00075, 0.001, 0.0123456789])
def test_commission_is_the_share_in_percent_exactly(fee):
    value = settings(execution_script(replace(RULES, fee_share=fee), "x", NOTHING))["commission_value"]
    assert Fraction(value) == Fraction(repr(fee)) * 100


def test_no_breaker_no_text():
    assert "bool allowed = true\n\n// Orders" in execution_script(RULES, "x", NOTHING)


@pytest.mark.parametrize(
    ("facts", "condition"),
    [
        ({"max_drawdown": 0.2}, "(math.sign(cash - peak * (1.0 - 0.2)) < 0)"),
        ({"max_daily_loss": 0.03}, "(math.sign(cash - dayStart * (1.0 - 0.03)) < 0)"),
        ({"max_losing_streak": 4}, "(losses >= 4)"),
        (
            {"max_drawdown": 0.2, "max_losing_streak": 4},
            "(math.sign(cash - peak * (1.0 - 0.2)) < 0 or losses >= 4)",
        ),
    ],
)
def test_only_the_breakers_that_are_set(facts, condition):
    script = execution_script(replace(RULES, **facts, cooldown_bars=7), "x", NOTHING)
    assert f"bool tripped = not paused and {condition}\n" in script
    assert "pausedUntil := bar_index + 7" in script


def test_nothing_is_said_or_drawn_unless_it_is_asked_for():
    script = execution_script(RULES, "x", REPLAY)
    assert script == execution_script(RULES, "x", REPLAY, comment=(), alerts=False, display="")
    assert script.startswith("//@version=6\nstrategy(")
    assert "alert" not in script
    assert "Display" not in script


def test_a_comment_stands_after_the_version():
    script = execution_script(RULES, "x", NOTHING, comment=["One: 1 é", "", "Two"], display="plot(close)")
    assert script.startswith("//@version=6\n// One: 1 é\n//\n// Two\nstrategy(")
    assert script.endswith("\n\n// Display\nplot(close)\n")


@pytest.mark.parametrize("end", ["\n", "\r", "\u2028", "\x0b", "\x00", "\x1b[2J", "\u202e"])
def test_a_comment_cannot_break_out_of_its_line(end):
    with pytest.raises(ConfigError, match="give text without control characters"):
        execution_script(RULES, "x", NOTHING, comment=[f"fine{end}strategy.close_all()"])


def test_a_source_that_leaves_a_name_out():
    with pytest.raises(ConfigError, match="does not assign decidedFraction: assign decidedSide,"):
        execution_script(RULES, "x", DecisionSource("int decidedSide = 0"))
    with pytest.raises(ConfigError, match="does not assign decidedNextOpen"):
        execution_script(RULES, "x", DecisionSource(NOTHING.text, knows_next_open=True))


@pytest.mark.parametrize(
    ("facts", "match"),
    [({"slippage_ticks": 1.5}, "give a whole number"), ({"step": 1e-9}, "give a step that is a multiple")],
)
def test_rules_that_pine_cannot_follow(facts, match):
    with pytest.raises(ConfigError, match=match):
        execution_script(replace(RULES, **facts), "x", NOTHING)


def test_titles_are_escaped():
    assert quoted('a "b" \\ c') == '"a \\"b\\" \\\\ c"'
    assert 'strategy("5\\" {x}", ' in execution_script(RULES, '5" {x}', NOTHING)
    with pytest.raises(ConfigError, match="give text without control characters"):
        execution_script(RULES, "a\nb", NOTHING)


def test_decimals_read_back_and_have_no_exponent():
    rng = np.random.default_rng(1)
    numbers = [*(rng.normal(size=500) * 10.0 ** rng.integers(-30, 15, 500)), 0.0, 1e-8, 1e15, 5e-324]
    for number in numbers:
        text = decimal(number)
        assert re.fullmatch(r"-?\d+\.\d+", text)
        assert float(text) == number
    for number in (np.nan, np.inf):
        with pytest.raises(ConfigError, match="give a finite number"):
            decimal(number)


def test_weights_by_hand():
    # f ( text + x ) = 6 source tokens; the comment weighs nothing, and a number or an operator counts once.
    script = 'f("ab\\"c" + x) // a "remark"'
    assert string_characters('f("ab" + "c")') == 3
    assert estimated_tokens(script) == 2 * len('ab\\"c') + 3 * 6
    assert estimated_tokens("x := -1.25 >= y") == 3 * 6


def random_rules(rng: np.random.Generator) -> RiskRules:
    return RiskRules(
        cash=float(rng.uniform(1.0, 1e9)),
        fee_share=float(rng.choice([0.0, rng.uniform(0, 0.01)])),
        tick=float(rng.choice([1e-8, 0.01, 0.25, 1.0, 5.0])),
        step=float(rng.choice([1e-8, 0.001, 1.0, 100.0])),
        min_notional=float(rng.choice([0.0, rng.uniform(0, 100)])),
        slippage_ticks=float(rng.integers(0, 9)),
        gap_reserve=float(rng.uniform(0, 0.1)),
        max_drawdown=float(rng.choice([0.0, rng.uniform(0, 0.5)])),
        max_daily_loss=float(rng.choice([0.0, rng.uniform(0, 0.5)])),
        max_losing_streak=int(rng.integers(0, 9)),
        cooldown_bars=int(rng.integers(0, 99)),
    )


def test_a_thousand_scripts_hold_nothing_that_a_compiler_refuses():
    rng = np.random.default_rng(2)
    for _ in range(1_000):
        rules, source = random_rules(rng), (NOTHING, REPLAY)[rng.integers(2)]
        script = execution_script(rules, "x", source)
        assert script == execution_script(rules, "x", source)
        assert script.isascii()
        assert not re.search(r"\b(nan|inf)\b|\d[eE][-+]?\d|\b[A-Z]\w*\.|\balert\(|\?\?|None", script)
        assert max(map(len, script.splitlines())) < 1_000
        assert all(len(re.findall(r'(?<!\\)"', line)) % 2 == 0 for line in script.splitlines())
