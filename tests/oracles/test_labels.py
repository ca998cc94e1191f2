"""Labels against definitions written another way: a plain loop, and the kernel itself on one trade."""

import numpy as np
import pytest

from mlstrat.execution.kernel import simulate
from mlstrat.execution.types import OPEN, Decisions, RiskRules
from mlstrat.features.matrix import build
from mlstrat.labels import horizon_labels, trade_outcomes

RULES = RiskRules(cash=1e9, fee_share=0.0007, tick=0.01, step=0.00001, slippage_ticks=3, gap_reserve=0.0)


def test_horizon_is_the_move_from_the_next_open_to_the_open_h_bars_later(walk):
    bars = walk[:60]
    labels = horizon_labels(bars, 5)
    for t in range(60):
        if t + 6 >= 60:
            assert np.isnan(labels.ret[t])
            assert np.isnan(labels.up[t])
            assert np.isnat(labels.resolved_at[t])
            continue
        bought, sold = bars.open[t + 1], bars.open[t + 6]
        assert labels.ret[t] == pytest.approx((sold - bought) / bought, abs=1e-15)
        assert labels.up[t] == (sold > bought)
        assert labels.resolved_at[t] == bars.time[t + 6] + np.timedelta64(1, "h")


def one_trade(bars, t, side, stop, target, max_bars):
    """The single trade decided at bar t, executed by the kernel."""
    n = len(bars)
    sides = np.zeros(n, np.int8)
    sides[t] = side
    blank = np.full(n, np.nan)
    stops, targets = blank.copy(), blank.copy()
    stops[t], targets[t] = stop, target
    decisions = Decisions(
        bars.symbol, bars.time, sides, np.zeros(n), np.where(sides != 0, 1.0, np.nan), stops, targets,
        np.full(n, max_bars), np.zeros(n, np.int8), blank.copy(),
    )  # fmt: skip
    return simulate(bars, decisions, RULES).trades


@pytest.mark.parametrize(
    ("stop_atr", "target_atr", "max_bars"), [(2.5, 3.5, 24), (0.3, 0.4, 3), (1.0, 9.0, 0)]
)
def test_outcome_is_the_trade_that_the_kernel_makes(walk, stop_atr, target_atr, max_bars):
    bars = walk[:220]
    atr_px = build(bars, ["atr_px"]).column("atr_px").copy()
    outcomes = trade_outcomes(
        bars, atr_px, RULES, stop_atr=stop_atr, target_atr=target_atr, max_bars=max_bars
    )
    compared = 0
    for t in range(14, 219):
        for column, side in enumerate((1, -1)):
            close, atr = bars.close[t], atr_px[t]
            stop = np.floor((close - side * stop_atr * atr) * 100 + 0.5) / 100
            target = np.floor((close + side * target_atr * atr) * 100 + 0.5) / 100
            trades = one_trade(bars, t, side, stop, target, max_bars)
            if trades.reason[0] == OPEN:
                assert np.isnan(outcomes.net[t, column])
                continue
            compared += 1
            worth = trades.units[0] * trades.entry_price[0]
            assert outcomes.net[t, column] == pytest.approx(trades.profit[0] / worth, abs=1e-12)
            assert outcomes.held[t, column] == trades.exit_bar[0] - trades.entry_bar[0]
            assert outcomes.resolved_at[t, column] == bars.close_time[trades.exit_bar[0]]
    assert compared > 300


def test_no_label_depends_on_a_bar_after_it_is_resolved(walk):
    bars = walk[:400]
    atr_px = build(bars, ["atr_px"]).column("atr_px").copy()
    settings = {"stop_atr": 1.0, "target_atr": 1.5, "max_bars": 12}
    whole, outcomes = horizon_labels(bars, 5), trade_outcomes(bars, atr_px, RULES, **settings)
    for cut in range(20, 400, 7):
        now = bars.close_time[cut - 1]
        part = horizon_labels(bars[:cut], 5)
        traded = trade_outcomes(bars[:cut], atr_px[:cut].copy(), RULES, **settings)
        known = whole.resolved_at[:cut] <= now
        np.testing.assert_array_equal(part.ret[known], whole.ret[:cut][known])
        np.testing.assert_array_equal(~np.isnat(part.resolved_at), known)
        ended = outcomes.resolved_at[:cut] <= now
        np.testing.assert_array_equal(traded.net[ended], outcomes.net[:cut][ended])
        np.testing.assert_array_equal(~np.isnan(traded.net), ended)
