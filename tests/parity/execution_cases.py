"""Seeded bars and decisions that provoke every clause of the execution rule."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlstrat.data.bars import Bars
from mlstrat.data.instrument import Instrument
from mlstrat.data.timeframe import Timeframe
from mlstrat.execution.types import Decisions, RiskRules

TICK = 0.01


@dataclass(frozen=True)
class Case:
    """One run: what is decided on which bars under which rules."""

    bars: Bars
    decisions: Decisions
    rules: RiskRules


def make_bars(rng: np.random.Generator, n: int, *, noise: float = 0.004, gap: float = 0.0) -> Bars:
    """Random bars around 100 on a 0.01 grid; `gap` is the spread of the opens around the last close."""
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, noise, n)))
    before = np.r_[100.0, close[:-1]]
    open_ = before * np.exp(rng.normal(0.0, gap, n)) if gap else before
    top, bottom = np.maximum(open_, close), np.minimum(open_, close)
    high = top * (1.0 + np.abs(rng.normal(0.0, noise, n)))
    low = bottom * (1.0 - np.abs(rng.normal(0.0, noise, n)))
    grid = [np.round(np.maximum(column, 0.02), 2) for column in (open_, high, low, close)]
    open_, high, low, close = grid
    high, low = np.maximum.reduce([open_, high, close]), np.minimum.reduce([open_, low, close])
    start = np.datetime64("2024-01-01T00:00", "ns")
    time = start + np.arange(n) * np.timedelta64(3_600_000_000_000, "ns")
    volume = rng.uniform(1.0, 9.0, n)
    return Bars(time, open_, high, low, close, volume, "TEST", Timeframe("1h"), Instrument("TEST"))


def make_decisions(
    rng: np.random.Generator,
    bars: Bars,
    *,
    distance: tuple[float, float] = (0.0005, 0.05),
    sides: tuple[int, ...] = (1, -1),
    rate: float = 0.5,
    full: bool = False,
    given_units: float = 0.1,
) -> Decisions:
    """Random candidates: `distance` bounds stop and target as shares of the close."""
    n, close = len(bars), np.asarray(bars.close)
    side = np.where(rng.random(n) < rate, rng.choice(sides, n), 0).astype(np.int8)
    fraction = np.ones(n) if full else rng.choice([0.0, 1e-7, 0.02, 0.1, 0.5, 1.0], n)
    units = np.where(rng.random(n) < given_units, rng.uniform(0.0, 150.0, n), np.nan)
    stop, target = (
        np.round((close * (1.0 + sign * side * np.exp(rng.uniform(*np.log(distance), n)))) / TICK) / 100.0
        for sign in (-1, 1)
    )
    # A distance under one tick would put both prices on the close.
    stop, target = np.where(side * (target - stop) <= 0, close - side * TICK, stop), target
    target = np.where(side * (target - stop) <= 0, close + side * TICK, target)
    none = side == 0
    stop[none], target[none] = np.nan, np.nan
    max_bars = rng.integers(0, 51, n)
    max_bars = np.where(rng.random(n) < 0.3, rng.integers(0, 4, n), max_bars).astype(np.int64)
    return Decisions(
        "TEST",
        np.array(bars.time),
        side,
        fraction,
        units,
        stop,
        target,
        max_bars,
        np.zeros(n, np.int8),
        np.full(n, np.nan),
    )


def make_rules(rng: np.random.Generator, **given: float) -> RiskRules:
    """Random costs and breakers; `given` fixes some."""
    breakers = rng.random() < 0.5
    facts: dict[str, float] = {
        "cash": float(rng.choice([500.0, 10_000.0, 98_765.43])),
        "fee_share": float(rng.choice([0.0, 0.0004, rng.uniform(0.0, 0.002)])),
        "tick": TICK,
        "step": float(rng.choice([0.00001, 0.01, 1.0])),
        "min_notional": float(rng.choice([0.0, 5.0])),
        "slippage_ticks": float(rng.choice([0.0, 1.0, rng.integers(0, 6)])),
        "gap_reserve": float(rng.choice([0.0, 0.01])),
        "max_drawdown": float(rng.uniform(0.005, 0.1)) if breakers else 0.0,
        "max_daily_loss": float(rng.uniform(0.002, 0.03)) if breakers else 0.0,
        "max_losing_streak": int(rng.integers(2, 6)) if breakers else 0,
        "cooldown_bars": int(rng.integers(1, 30)),
    }
    return RiskRules(**{**facts, **given})  # type: ignore[arg-type]


KINDS = ("normal", "tight", "gapping", "both_touched", "too_dear", "long", "short")


def make_case(seed: int, n: int = 300) -> Case:
    """The case of a seed; its kind goes round `KINDS`."""
    rng = np.random.default_rng(seed)
    kind = KINDS[seed % len(KINDS)]
    gap = {"gapping": 0.01, "too_dear": 0.005}.get(kind, 0.0005)
    bars = make_bars(rng, n, noise=0.012 if kind == "both_touched" else 0.004, gap=gap)
    distance = {"tight": (0.0005, 0.004), "both_touched": (0.0005, 0.01)}.get(kind, (0.0005, 0.05))
    sides = {"long": (1,), "short": (-1,)}.get(kind, (1, -1))
    full = kind == "too_dear"
    decisions = make_decisions(rng, bars, distance=distance, sides=sides, full=full)
    rules = make_rules(rng, **({"gap_reserve": 0.0} if full else {}))
    return Case(bars, decisions, rules)
