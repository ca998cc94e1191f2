"""Random decisions, fees, sizes, stops and breakers, on random and on real bars, in every engine."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from execution_cases import KINDS, TICK, Case, make_case, make_decisions, make_rules

from mlstrat.data.bars import PRICES, Bars
from mlstrat.data.quality import repaired
from mlstrat.engines import ENGINES
from mlstrat.execution.types import OPEN, STOP, TARGET, TIME, Result
from mlstrat.parity.compare import compare

OTHERS = [name for name in ENGINES if name != "kernel"]
SEEDS = range(1000, 1200)
# PyneCore runs Pine bar by bar: it is given one case of each kind in four.
SHARE = {"pine": [seed for seed in SEEDS if seed // len(KINDS) % 4 == 0]}
FOLDER = Path(__file__).parents[3] / "shared" / "data" / "bars"
SYMBOLS = {
    "BTC": "sample:BTCUSDT_1h",
    "ETH": "sample:ETHUSDT_1h",
    "SOL": FOLDER / "SOLUSDT_1h.parquet",
    "SPY": FOLDER / "SPY_1d.parquet",
}
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SIDES = {"long": (1,), "short": (-1,), "both": (1, -1)}
SHAPES = {"normal": (0.002, 0.05), "tight": (0.0005, 0.004), "gapping": (0.002, 0.03)}
N_CASE_BARS, N_BARS = 120, 700


def engine_or_skip(name: str):
    engine = ENGINES[name]
    if engine.missing is not None:
        pytest.skip(f"needs {engine.missing.distribution}: pip install 'mlstrat[{engine.extra}]'")
    return engine


@cache
def by_kernel(seed: int) -> tuple[Case, Result]:
    case = make_case(seed, N_CASE_BARS)
    return case, ENGINES["kernel"].run(case.bars, case.decisions, case.rules)


def unlike(engine, case: Case, kernel: Result) -> list[str]:
    found = compare(kernel, engine.run(case.bars, case.decisions, case.rules), case.bars)
    assert found.total == len(kernel.trades)
    return [f"{difference.cause}: {difference.what}" for difference in found.differences]


@pytest.mark.parametrize("name", OTHERS)
def test_200_random_cases(name):
    engine, differences = engine_or_skip(name), {}
    for seed in SHARE.get(name, SEEDS):
        case, kernel = by_kernel(seed)
        found = unlike(engine, case, kernel)
        if found:
            differences[seed] = found[0]
    assert not differences


def test_the_random_cases_reach_every_clause():
    results = [by_kernel(seed)[1] for seed in SEEDS]
    rules = [result.rules for result in results]
    reasons = np.concatenate([result.trades.reason for result in results])
    assert set(reasons.tolist()) == {OPEN, STOP, TARGET, TIME}
    assert sum(len(result.trades) for result in results) > 3_000
    for name in ("blocked", "zero_units", "cancelled"):
        assert sum(getattr(result, name) > 0 for result in results) > 20, name
    for name in ("fee_share", "slippage_ticks", "max_drawdown", "max_losing_streak"):
        assert 50 < sum(getattr(rule, name) > 0 for rule in rules) < 200, name
    given = [np.isfinite(by_kernel(seed)[0].decisions.units).any() for seed in SEEDS]
    assert all(given)


@cache
def real_bars(symbol: str, gapping: bool) -> Bars:
    """The last bars of a symbol; `gapping` moves every open away from the close before it."""
    bars = repaired(SYMBOLS[symbol], now=NOW)[0][-N_BARS:]
    if not gapping:
        return bars
    moved = np.exp(np.cumsum(np.random.default_rng(5).normal(0.0, 0.006, len(bars))))
    grid = {name: np.round(getattr(bars, name) * moved / TICK) / 100.0 for name in PRICES}
    return replace(bars, **grid)


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("symbol", SYMBOLS)
def test_real_bars(symbol, name):
    engine, source = engine_or_skip(name), SYMBOLS[symbol]
    if isinstance(source, Path) and not source.exists():
        pytest.skip(f"the bars {source.name} are not beside this checkout")
    for position, (shape, distance) in enumerate(SHAPES.items()):
        for direction, sides in SIDES.items():
            rng = np.random.default_rng([position, len(direction)])
            bars = real_bars(symbol, shape == "gapping")
            decisions = make_decisions(rng, bars, distance=distance, sides=sides, rate=0.4)
            rules = make_rules(rng, cash=1_000_000.0, step=bars.instrument.step)
            case = Case(bars, decisions, rules)
            kernel = ENGINES["kernel"].run(bars, decisions, rules)
            assert len(kernel.trades) > 10
            assert unlike(engine, case, kernel) == [], (shape, direction)
