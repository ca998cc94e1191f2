"""Kernel and Backtrader where a rounding would part them: trades that make nothing, on coarse ticks."""

from dataclasses import replace

import numpy as np
import pytest
from execution_cases import Case, make_bars, make_decisions

from mlstrat.data.bars import COLUMNS
from mlstrat.engines import on_backtrader
from mlstrat.execution.kernel import simulate
from mlstrat.execution.types import RiskRules

TRADE = ("entry_bar", "exit_bar", "side", "units", "entry_price", "exit_price", "reason")


def coarse(seed: int, tick: float) -> Case:
    """Bars and brackets on a coarse grid, so that many trades end where they began; no fee."""
    rng = np.random.default_rng(seed)
    bars = make_bars(rng, 400, noise=0.02)
    columns = {name: np.round(getattr(bars, name) / tick) * tick for name in COLUMNS[:4]}
    bars = replace(bars, **columns)
    decisions = make_decisions(rng, bars, distance=(0.01, 0.05), given_units=0.0)
    trading = decisions.side != 0
    grid = {name: np.round(getattr(decisions, name) / tick) * tick for name in ("stop", "target")}
    apart = trading & ((grid["target"] - grid["stop"]) * decisions.side > 0)
    side = np.where(apart, decisions.side, 0).astype(np.int8)
    decisions = replace(decisions, side=side, **grid)
    rules = RiskRules(tick=tick, step=0.01, max_losing_streak=2, cooldown_bars=7, max_daily_loss=0.03)
    return Case(bars, decisions, rules)


@pytest.mark.parametrize("tick", [0.5, 2.0])
@pytest.mark.parametrize("seed", range(6))
def test_trades_that_make_nothing_open_no_breaker_in_either_engine(seed, tick):
    case = coarse(seed, tick)
    kernel = simulate(case.bars, case.decisions, case.rules)
    other = on_backtrader.run(case.bars, case.decisions, case.rules)
    assert (np.abs(kernel.trades.profit) < 1e-9).any() or tick == 0.5
    assert kernel.blocked == other.blocked
    assert len(kernel.trades) == len(other.trades) > 20
    for name in TRADE:
        np.testing.assert_array_equal(getattr(kernel.trades, name), getattr(other.trades, name), err_msg=name)
