"""A small market with a trade every few bars, for tests of the Backtrader engine."""

import numpy as np
import pytest

from mlstrat.data.bars import Bars
from mlstrat.data.instrument import Instrument
from mlstrat.data.timeframe import Timeframe
from mlstrat.execution.types import Decisions, RiskRules


def market(n: int, timeframe: str = "1h", seed: int = 3) -> Bars:
    rng = np.random.default_rng(seed)
    close = np.round(100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.005, n))), 2)
    open_ = np.r_[100.0, close[:-1]]
    high = np.round(np.maximum(open_, close) + rng.uniform(0.0, 0.5, n), 2)
    low = np.round(np.minimum(open_, close) - rng.uniform(0.0, 0.5, n), 2)
    frame = Timeframe(timeframe)
    time = np.datetime64("2024-01-01T00:00", "ns") + np.arange(n) * frame.delta
    return Bars(time, open_, high, low, close, rng.uniform(1, 9, n), "TEST", frame, Instrument("TEST"))


def plan(bars: Bars, share: float = 0.01, every: int = 7, max_bars: int = 12) -> Decisions:
    """A candidate every few bars, sides in turn, stop and target at `share` of the close."""
    n, close = len(bars), np.asarray(bars.close)
    side = np.zeros(n, np.int8)
    side[3::every] = np.where(np.arange(len(side[3::every])) % 2, -1, 1)
    stop, target = (np.round(close * (1.0 + sign * side * share), 2) for sign in (-1, 1))
    return Decisions(
        bars.symbol,
        np.array(bars.time),
        side,
        np.where(side != 0, 0.4, 0.0),
        np.full(n, np.nan),
        np.where(side != 0, stop, np.nan),
        np.where(side != 0, target, np.nan),
        np.full(n, max_bars),
        np.zeros(n, np.int8),
        np.full(n, np.nan),
    )


@pytest.fixture(scope="session")
def bars() -> Bars:
    return market(300)


@pytest.fixture(scope="session")
def decisions(bars: Bars) -> Decisions:
    return plan(bars)


@pytest.fixture
def rules() -> RiskRules:
    return RiskRules(fee_share=0.0004, slippage_ticks=1.0)


@pytest.fixture(scope="session")
def make_market():
    return market


@pytest.fixture(scope="session")
def make_plan():
    return plan
