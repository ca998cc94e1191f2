"""Funding and borrow in the kernel, against a plain loop over dated rates written from paragraph 10.

As in `test_kernel`, prices, rates and shares are such that every sum is exact in binary, so that the two
agree to the last bit. The loop reads stamps one by one and knows nothing of tables.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_kernel import MOVES, RULES, TICK, WISHES, Breakers, bars_of, decisions_of, exit_of, quantity_of

from mlstrat.data.carry import BORROW, FUNDING, RateSeries, carry_of
from mlstrat.data.timeframe import Timeframe
from mlstrat.errors import DataError
from mlstrat.execution import metrics
from mlstrat.execution.kernel import simulate
from mlstrat.execution.types import OPEN, REASON_NAMES, RiskRules

HOUR, DAY = np.timedelta64(3_600, "s"), np.timedelta64(86_400, "s")


def at(text):
    return np.datetime64(text, "ns")


class Stamps:
    """Rates by their stamps: what a side pays between two moments, stamp by stamp."""

    def __init__(self, funding, borrow):
        self.funding, self.borrow = dict(funding), dict(borrow)

    def due(self, side, after, until):
        stamps = sorted({*self.funding, *self.borrow})
        for stamp in (stamp for stamp in stamps if after < stamp <= until):
            funding, borrow = self.funding.get(stamp, 0.0), self.borrow.get(stamp, 0.0)
            yield funding if side == "long" else borrow - funding

    def worst(self, side, after, before):
        """What a trade that ended somewhere between two moments paid at most."""
        dues = list(self.due(side, after, before - np.timedelta64(1, "ns")))
        return max(sum(dues[:k]) for k in range(len(dues) + 1))


def by_hand(bars, d, rules, stamps):
    """Every trade as (entry, exit, side, units, reason, funding, profit), and equity at every close."""
    cash, breakers, trades, equity = rules.cash, Breakers(rules), [], []
    slip = rules.slippage_ticks * rules.tick
    pending = position = None
    for t in range(len(bars)):
        open_, high, low, close = (float(getattr(bars, name)[t]) for name in ("open", "high", "low", "close"))
        begins, ends = bars.time[t], bars.close_time[t]
        if position:
            paid = (
                position["units"] * open_ * sum(stamps.due(position["side"], bars.close_time[t - 1], begins))
            )
            cash, position["funding"] = cash - paid, position["funding"] + paid
        if pending:
            way = 1 if pending["side"] == "long" else -1
            price = open_ + way * slip
            value = pending["units"] * price
            if value * (1 + rules.fee_share) <= cash:
                cash -= way * value + value * rules.fee_share
                position = {**pending, "way": way, "entry": t, "paid": price, "funding": 0.0}
                position["fees"] = value * rules.fee_share
            pending = None
        if position:
            side, way, units = position["side"], position["way"], position["units"]
            last = position["max_bars"] and position["signal"] + position["max_bars"]
            due = bool(last) and t > last
            left = exit_of(side, position["stop"], position["target"], (open_, high, low, close), due)
            if left is None:
                paid = units * close * sum(stamps.due(side, begins, ends))
            else:
                why, level = left
                price = level if why == "target" else level - way * slip
                lower, upper = sorted((position["stop"], position["target"]))
                at_open = due or open_ <= lower or open_ >= upper
                paid = 0.0 if at_open else units * price * stamps.worst(side, begins, ends)
            cash, position["funding"] = cash - paid, position["funding"] + paid
            if left is not None:
                cash += way * units * price - units * price * rules.fee_share
                fees = position["fees"] + units * price * rules.fee_share
                profit = way * units * (price - position["paid"]) - fees - position["funding"]
                trades.append(row_of(position, t, why, profit))
                breakers.losses = breakers.losses + 1 if profit < 0 else 0
                position = None
        equity.append(cash + (position["way"] * position["units"] * close if position else 0.0))
        if not position:
            allowed = breakers.may_enter(t, begins.astype("datetime64[s]").item(), cash)
            units = quantity_of(cash, close, float(d.fraction[t]), float(d.units[t]), rules)
            if d.side[t] and allowed and units:
                pending = {"signal": t, "side": "long" if d.side[t] > 0 else "short", "units": units}
                pending |= {name: float(getattr(d, name)[t]) for name in ("stop", "target", "max_bars")}
    if position:
        moved = position["way"] * position["units"] * (close - position["paid"])
        trades.append(row_of(position, t, "open", moved - position["fees"] - position["funding"]))
    return trades, equity


def row_of(position, t, why, profit):
    head = (position["entry"], t, position["side"], position["units"], why)
    return (*head, position["funding"], profit)


def rows_of(t):
    return [
        (
            int(t.entry_bar[i]),
            int(t.exit_bar[i]),
            "long" if t.side[i] > 0 else "short",
            float(t.units[i]),
            REASON_NAMES[int(t.reason[i])],
            float(t.funding[i]),
            float(t.profit[i]),
        )
        for i in range(len(t))
    ]


def spread(bars, gaps, daily):
    """The same bars with pauses after some of them, and as days where asked."""
    delta = DAY if daily else HOUR
    pauses = np.r_[0, np.cumsum(gaps)[:-1]]
    time = bars.time[0] + (np.arange(len(bars)) + pauses) * delta
    return replace(bars, time=time, timeframe=Timeframe("1d" if daily else "1h"))


def series_of(name, stamps):
    time = np.array(sorted(stamps), "datetime64[ns]")
    return RateSeries(name, time, np.array([stamps[one] for one in time]))


def with_stamps(bars, stamps):
    given = {FUNDING: stamps.funding, BORROW: stamps.borrow}
    series = [series_of(name, rates) for name, rates in given.items() if rates]
    return replace(bars, carry=carry_of(bars.time, bars.close_time, series))


# Rates are whole multiples of 1 / 1,024; stamps lie a quarter, a third-of-a-day like half and a whole bar in.
RATE = st.integers(-24, 24).map(lambda k: k / 1024)
STEPS = st.lists(
    st.tuples(MOVES, WISHES, st.sampled_from((0, 0, 0, 1, 3)), st.lists(RATE, min_size=4, max_size=4)),
    min_size=1,
    max_size=50,
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(steps=STEPS, rules=RULES, daily=st.booleans(), kept=st.sets(st.integers(0, 7), min_size=1))
def test_the_kernel_charges_what_the_loop_does(steps, rules, daily, kept):
    moves, wishes, gaps, rates = (list(column) for column in zip(*steps, strict=True))
    bars = spread(bars_of(moves), gaps, daily)
    quarter = bars.timeframe.delta // 4
    # Four stamps a bar on a clock that runs through the pauses too; a quarter of them of borrow as well.
    clock = np.arange(bars.time[0], bars.close_time[-1] + 1, quarter)
    flat = [rate for four in rates for rate in four]
    funding = {stamp: flat[k % len(flat)] for k, stamp in enumerate(clock) if k % 8 in kept}
    borrow = {stamp: abs(flat[-1 - k % len(flat)]) for k, stamp in enumerate(clock) if k % 4 == 3}
    stamps = Stamps(funding, borrow)
    bars = with_stamps(bars, stamps)
    decisions = decisions_of(bars, wishes)
    trades, equity = by_hand(bars, decisions, rules, stamps)
    got = simulate(bars, decisions, rules)
    assert rows_of(got.trades) == trades
    assert got.equity.tolist() == equity
    assert got.charged


QUIET = (0, 0, 1, 0, 0.0, np.nan)
STILL = (0, 0, 0, 0)


def one_trade(moves, wish, funding=(), borrow=(), gaps=(), daily=False, **rules):
    """Trade once, decided at the close of bar 0, opened at 100.00; stamps are hours after the first open."""
    bars = bars_of([STILL, *moves])
    bars = spread(bars, [*gaps, *[0] * (len(bars) - len(gaps))], daily)
    start = bars.time[0]
    stamps = Stamps(
        *({start + hour * HOUR: rate for hour, rate in dict(given).items()} for given in (funding, borrow))
    )
    decisions = decisions_of(bars, [wish] + [QUIET] * len(moves))
    facts = {"cash": 8192.0, "tick": TICK, "step": 1.0, "gap_reserve": 0.0, **rules}
    return simulate(with_stamps(bars, stamps), decisions, RiskRules(**facts))


# 10 units from the open of bar 1, stop and target 4 ticks (1.00) away from 100.
LONG, SHORT = (1, 4, 4, 0, 0.0, 10.0), (-1, 4, 4, 0, 0.0, 10.0)
TIMED = (1, 4, 4, 1, 0.0, 10.0)
RISE, FALL = (0, 0, 4, 0), (0, 0, 0, 4)


@pytest.mark.parametrize(
    ("wish", "moves", "given", "paid"),
    [
        pytest.param(LONG, [STILL, STILL], {"funding": {2: 0.01}}, 10.0, id="held at the stamp: paid"),
        pytest.param(SHORT, [STILL, STILL], {"funding": {2: 0.01}}, -10.0, id="a short receives"),
        pytest.param(SHORT, [STILL, STILL], {"funding": {2: -0.01}}, 10.0, id="a short pays where negative"),
        pytest.param(LONG, [STILL, STILL], {"borrow": {2: 0.01}}, 0.0, id="a long borrows nothing"),
        pytest.param(
            SHORT, [STILL] * 2, {"funding": {2: 0.01}, "borrow": {2: 0.015}}, 5.0, id="a short pays both"
        ),
        pytest.param(LONG, [STILL, STILL], {"funding": {1: 0.01}}, 0.0, id="entered at the stamp: nothing"),
        pytest.param(LONG, [STILL, (0, 2, 0, 0)], {"funding": {3: 0.01}}, 10.05, id="valued at the close"),
        pytest.param(LONG, [STILL, STILL], {"funding": {1.5: 0.01}}, 10.0, id="inside a bar that it holds"),
        pytest.param(TIMED, [STILL, STILL], {"funding": {2: 0.01}}, 10.0, id="the stamp of the time exit"),
        pytest.param(TIMED, [STILL, STILL], {"funding": {2.5: 0.01, 3: 0.01}}, 0.0, id="after the time exit"),
        pytest.param(
            LONG, [STILL, RISE], {"funding": {2.5: 0.01}}, 10.1, id="ended inside: the dear reading"
        ),
        pytest.param(LONG, [STILL, RISE], {"funding": {2.5: -0.01}}, 0.0, id="ended inside: no income"),
        pytest.param(LONG, [STILL, RISE], {"funding": {3: 0.01}}, 0.0, id="ended before the close's stamp"),
        pytest.param(
            LONG,
            [STILL, RISE],
            {"funding": {2.2: 0.01, 2.4: -0.03}},
            10.1,
            id="between two stamps, the worse",
        ),
        pytest.param(SHORT, [FALL], {"funding": {1.5: -0.01}}, 9.9, id="ended in its entry bar"),
        pytest.param(
            LONG, [STILL, (-6, 0, 0, 0)], {"funding": {2.5: 0.01}}, 0.0, id="a gap exit, at the open"
        ),
        pytest.param(LONG, [STILL, STILL], {"funding": {0.5: 0.01, 9: 0.01}}, 0.0, id="before and after"),
    ],
)
def test_each_clause_by_hand(wish, moves, given, paid):
    given = {"funding": {9: 0.0}, **given} if "funding" not in given else given
    given = {name: {**rates, 1.9: 0.0} for name, rates in given.items()}
    trades = one_trade(moves, wish, **given).trades
    assert len(trades) == 1
    assert trades.funding[0] == pytest.approx(paid, abs=1e-12)
    moved = trades.side[0] * 10.0 * (trades.exit_price[0] - trades.entry_price[0])
    assert trades.profit[0] == pytest.approx(moved - paid)


@pytest.mark.parametrize(
    ("stamp", "moves", "paid"),
    [
        pytest.param(4, [STILL, STILL], 10.0, id="in the pause, held on"),
        pytest.param(5, [STILL, STILL], 10.0, id="at the open after it"),
        pytest.param(4, [STILL, (-6, 0, 0, 0)], 9.85, id="in the pause, ended at the open after it"),
        pytest.param(2, [STILL, (-6, 0, 0, 0)], 10.0, id="at the close before it"),
    ],
)
def test_a_position_pays_for_the_pause_that_it_was_held_over(stamp, moves, paid):
    """The bar after the entry bar opens at hour 5 and not 2."""
    result = one_trade(moves, LONG, funding={stamp: 0.01}, gaps=[0, 3])
    assert result.trades.funding[0] == pytest.approx(paid)
    entered = one_trade([STILL], LONG, funding={2: 0.01, 1.5: 0.0}, gaps=[3])
    assert entered.trades.funding[0] == 0.0


def test_three_stamps_a_day_on_daily_bars():
    funding = {24 + hour: 2.0**-7 for hour in (0, 8, 16, 24)}
    held = one_trade([STILL, STILL], LONG, funding=funding, daily=True).trades
    assert held.funding[0] == 10 * 100 * 3 * 2.0**-7  # not the one at its entry
    ended = one_trade([RISE], LONG, funding=funding, daily=True).trades
    assert ended.funding[0] == 10 * 101 * 2 * 2.0**-7  # not the one at the close


def test_funding_opens_a_breaker():
    quiet = RiskRules(
        cash=8192.0, tick=TICK, step=1.0, gap_reserve=0.0, max_drawdown=2.0**-6, cooldown_bars=9
    )
    bars = bars_of([STILL] * 6)
    wishes = [(1, 40, 40, 1, 0.0, 50.0), *[QUIET] * 3, (1, 40, 40, 1, 0.0, 50.0), QUIET]
    decisions = decisions_of(bars, wishes)
    dear = Stamps({bars.close_time[1]: 2.0**-4}, {})
    assert simulate(bars, decisions, quiet).blocked == 0
    charged = simulate(with_stamps(bars, dear), decisions, quiet)
    assert (charged.blocked, len(charged.trades)) == (1, 1)
    assert charged.equity[-1] == 8192.0 - 50 * 100 * 2.0**-4


def test_the_next_size_sees_what_was_paid():
    bars = bars_of([STILL] * 5)
    decisions = decisions_of(
        bars, [(1, 40, 40, 1, 1.0, np.nan), QUIET, (1, 40, 40, 1, 1.0, np.nan), *[QUIET] * 2]
    )
    rules = RiskRules(cash=8192.0, tick=TICK, step=0.125, gap_reserve=0.0)
    paid = simulate(with_stamps(bars, Stamps({bars.close_time[1]: 2.0**-4}, {})), decisions, rules)
    first, second = paid.trades.units
    assert second == np.floor(8 * (8192.0 - first * 100 * 2.0**-4) / 100) / 8


def test_a_charge_uses_no_rate_of_a_later_close():
    rng = np.random.default_rng(3)
    bars = bars_of([(0, int(rng.integers(-5, 6)), 3, 3) for _ in range(80)])
    decisions = decisions_of(bars, [(int(rng.choice((1, -1))), 9, 9, 4, 0.5, np.nan) for _ in range(80)])
    clock = np.arange(bars.time[0], bars.close_time[-1], np.timedelta64(1_700, "s"))
    rates = {stamp: float(rng.normal(0.0, 0.003)) for stamp in clock}
    rules = RiskRules(cash=8192.0, tick=TICK, step=0.125)
    whole = simulate(with_stamps(bars, Stamps(rates, {})), decisions, rules).equity
    for t in (5, 17, 40, 63):
        until = {stamp: rate if stamp <= bars.close_time[t] else 0.09 for stamp, rate in rates.items()}
        other = simulate(with_stamps(bars, Stamps(until, {})), decisions, rules).equity
        np.testing.assert_array_equal(other[: t + 1], whole[: t + 1])
    assert not np.array_equal(other, whole)


def test_without_rates_nothing_changes_but_the_name_of_what_was_charged():
    rng = np.random.default_rng(4)
    bars = bars_of([(0, int(rng.integers(-5, 6)), 3, 3) for _ in range(80)])
    decisions = decisions_of(bars, [(int(rng.choice((1, -1))), 9, 9, 4, 0.5, np.nan) for _ in range(80)])
    rules = RiskRules(cash=8192.0, tick=TICK, step=0.125, fee_share=0.001)
    free = with_stamps(bars, Stamps({bars.close_time[3]: 0.0}, {}))
    one, other = simulate(bars, decisions, rules), simulate(free, decisions, rules)
    np.testing.assert_array_equal(one.equity, other.equity)
    np.testing.assert_array_equal(one.trades.profit, other.trades.profit)
    assert (one.charged, other.charged) == (False, True)
    assert one.trades_frame().equals(other.trades_frame().drop(columns="funding"))


def test_the_summary_takes_funding_apart_from_commission():
    result = one_trade([STILL, (0, 0, 4, 0)], LONG, funding={2: 0.01}, fee_share=2.0**-9)
    said = metrics.trade_summary(result)
    assert result.trades.reason[0] != OPEN
    assert said["funding"] == pytest.approx(10.0)
    assert said["gross_profit"] == pytest.approx(10.0)  # 10 units, a rise of 1
    assert said["commission"] == pytest.approx(10 * 201 * 2.0**-9)
    assert said["average_trade"] == pytest.approx(10.0 - 10.0 - 10 * 201 * 2.0**-9)


def test_a_series_is_asked_of_its_own_time():
    bars = bars_of([STILL] * 3)
    late = series_of(FUNDING, {bars.close_time[-1] + HOUR: 0.01})
    with pytest.raises(
        DataError, match=r"begins with 2024-03-09 17:00, after the last bar's close .* give rates"
    ):
        carry_of(bars.time, bars.close_time, [late])
    with pytest.raises(DataError, match="give funding, borrow, or both"):
        carry_of(bars.time, bars.close_time, [])
    fitting = carry_of(bars.time, bars.close_time, [series_of(FUNDING, {bars.time[1]: 0.01})])
    with pytest.raises(DataError, match="3 bars and a carry of 2"):
        replace(bars, carry=fitting[1:])
    assert bars.without_carry() is bars
    assert len(replace(bars, carry=fitting)[1:].carry) == 2
