"""Laws of size through the whole rule, and the equity breakers against a plain state machine."""

import math
from datetime import UTC, datetime

import numpy as np
import pytest

from mlstrat.config import parse_config
from mlstrat.execution.rule import breaker_start, breaker_step, breaker_trade
from mlstrat.execution.types import RiskRules
from mlstrat.signals.rule import FRACTION, SIDE, Forecast, decide_row, signal_rules


def full_kelly(win_prob, win_se, payoff, errors):
    """Where the growth of log wealth stops to rise, by bisection on its slope; 0 without an edge."""
    odds = math.log(win_prob / (1 - win_prob)) - errors * win_se
    p = 1 / (1 + math.exp(-odds))

    def slope(stake):
        return p * payoff / (1 + stake * payoff) - (1 - p) / (1 - stake)

    if slope(0.0) <= 0:
        return 0.0
    low, high = 0.0, 1.0 - 1e-15
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) > 0 else (low, middle)
    return low


@pytest.mark.parametrize("shrink", ["off", "standard", "strict"])
def test_never_above_full_kelly_nor_the_cap(shrink):
    draw = np.random.default_rng(5)
    out, traded = np.empty(6), 0
    errors = {"off": 0.0, "standard": 0.5, "strict": 2.0}[shrink]
    for _ in range(4000):
        kelly = {
            "shrink": shrink,
            "multiplier": float(draw.uniform(0.01, 1.0)),
            "max_position": float(draw.uniform(0.01, 1.0)),
            "min_fraction": float(draw.choice([0.0, 0.01])),
        }
        rules = signal_rules_of(kelly)
        win_prob, win_se = draw.uniform(0.05, 0.95, 2), draw.lognormal(-2, 1, 2)
        payoff, score = draw.lognormal(0, 0.7, 2), float(draw.uniform(0.2, 0.8))
        forecast = Forecast(
            score, draw.normal(0, 1, 3), score, win_prob, win_se, payoff, np.array([0.5, 0.5])
        )
        decide_row(forecast, 0.0, 0.0, 100.0, float(draw.uniform(0.1, 5.0)), rules, out)
        column = 0 if score > 0.5 else 1
        full = full_kelly(win_prob[column], win_se[column], payoff[column], errors)
        assert 0.0 <= out[FRACTION] <= min(kelly["max_position"], full + 1e-9)
        wanted = min(kelly["multiplier"] * full, kelly["max_position"])
        if out[SIDE] != 0:
            assert out[SIDE] == (1 if score > 0.5 else -1)
            assert out[FRACTION] == pytest.approx(wanted, abs=1e-9)
            traded += 1
        else:
            assert out[FRACTION] == 0.0
            assert wanted < kelly["min_fraction"] + 1e-9
    assert traded > 500


def signal_rules_of(kelly):
    return signal_rules(parse_config({"kelly": kelly}), tick=1e-6)


class Plain:
    """The three breakers and their pause as docs/risk.md tells them."""

    def __init__(self, rules):
        self.rules = rules
        self.high = self.morning = self.yesterday = rules.cash
        self.today, self.lost, self.pause = None, 0, range(0)

    def trade(self, profit):
        self.lost = self.lost + 1 if profit < 0 else 0

    def asks(self, bar, seconds, cash):
        # A close at midnight belongs to the day that ends.
        today = datetime.fromtimestamp(seconds - 1, UTC).date()
        if today != self.today:
            self.today, self.morning = today, self.yesterday
        self.yesterday = cash
        self.high = max(self.high, cash)
        if bar in self.pause:
            return False
        r, opened = self.rules, []
        if r.max_drawdown:
            opened.append(cash < self.high * (1 - r.max_drawdown))
        if r.max_daily_loss:
            opened.append(cash < self.morning * (1 - r.max_daily_loss))
        if r.max_losing_streak:
            opened.append(self.lost >= r.max_losing_streak)
        if not any(opened):
            return True
        self.pause = range(bar, bar + r.cooldown_bars)
        self.high = self.morning = cash
        self.lost = 0
        return False


def test_ten_thousand_random_sequences_of_the_equity_breakers():
    draw = np.random.default_rng(9)
    stopped = 0
    for _ in range(10_000):
        rules = RiskRules(
            cash=1000.0,
            max_drawdown=float(draw.choice([0.0, 0.03, 0.1])),
            max_daily_loss=float(draw.choice([0.0, 0.01, 0.05])),
            max_losing_streak=int(draw.choice([0, 1, 3])),
            cooldown_bars=int(draw.choice([1, 2, 7])),
        )
        row = rules.as_row()
        state, plain = breaker_start(row), Plain(rules)
        cash, bar, hours = rules.cash, 0, int(draw.integers(1, 13))
        for profit in draw.normal(0, 15, 12).round(2):
            bar += int(draw.integers(1, 5))
            # Wins and losses are booked at closes that may come late: an open trade asks nothing.
            if draw.random() < 0.7:
                cash += profit
                breaker_trade(state, profit)
                plain.trade(profit)
            seconds = 1_700_000_000 // 3600 * 3600 + 3600.0 * hours * bar
            allowed = breaker_step(state, bar, seconds, cash, row)
            assert allowed == plain.asks(bar, seconds, cash)
            stopped += not allowed
    assert stopped > 10_000
