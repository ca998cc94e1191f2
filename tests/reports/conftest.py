"""A small run: synthetic bars, forecasts of chosen skill, decisions from them, executed by the kernel."""

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from mlstrat.config import parse_config
from mlstrat.data.bars import Bars
from mlstrat.data.instrument import Instrument
from mlstrat.data.timeframe import Timeframe
from mlstrat.execution.kernel import simulate
from mlstrat.execution.types import Decisions, Result, RiskRules
from mlstrat.predictions import Predictions, Window
from mlstrat.reports.story import Story, Strict
from mlstrat.signals.funnel import BAR, PREDICTED, QUALITY, funnel_of

RULES = RiskRules(cash=10_000.0, fee_share=0.001)


def walk(n: int, seed: int = 1, start: str = "2023-01-01T00") -> Bars:
    random = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(random.normal(0.0, 0.01, n)))
    open_ = np.r_[100.0, close[:-1]] * (1.0 + random.normal(0.0, 0.001, n))
    high = np.maximum(open_, close) * (1.0 + random.uniform(0.0, 0.005, n))
    low = np.minimum(open_, close) * (1.0 - random.uniform(0.0, 0.005, n))
    time = np.datetime64(start, "h") + np.arange(n)
    return Bars(
        time,
        open_,
        high,
        low,
        close,
        np.ones(n),
        "TESTUSD",
        Timeframe("1h"),
        Instrument("TESTUSD", step=0.001),
    )


def decide(bars: Bars, side: np.ndarray, known: np.ndarray) -> Decisions:
    n = len(bars)
    trading = side != 0
    return Decisions(
        symbol=bars.symbol,
        time=bars.time,
        side=side.astype(np.int8),
        fraction=np.where(trading, 0.2, 0.0),
        units=np.full(n, np.nan),
        stop=np.where(trading, np.round(bars.close * (1.0 - 0.03 * side), 2), np.nan),
        target=np.where(trading, np.round(bars.close * (1.0 + 0.04 * side), 2), np.nan),
        max_bars=np.full(n, 12),
        stage=np.where(trading, QUALITY, np.where(known, PREDICTED, BAR)).astype(np.int8),
        quality=np.where(trading, 60.0, np.nan),
    )


def predict(bars: Bars, prob: np.ndarray, first: int, folds: int) -> Predictions:
    n = len(bars)
    fold = np.full(n, -1)
    edges = np.linspace(first, n, folds + 1).astype(int)
    windows = []
    for k, (begin, end) in enumerate(itertools.pairwise(edges)):
        fold[begin:end] = k
        spans = (bars.time[begin - first], bars.close_time[begin - 1], bars.time[begin], bars.time[end - 1])
        windows.append(Window(k, *spans, first - 5, first // 3, 5, 3, 0.45 + 0.05 * k, "0" * 64))
    unknown = [np.full((n, 2), np.nan) for _ in range(4)]
    prob = np.where(fold >= 0, prob, np.nan)
    return Predictions(
        bars.symbol,
        bars.time,
        prob,
        prob * 0.0,
        np.full((n, 3), np.nan),
        prob,
        *unknown,
        fold,
        tuple(windows),
    )


def tell(
    *, n: int = 900, first: int = 300, skill: float = 0.0, trading: bool = True, **changes: object
) -> Story:
    bars, horizon = walk(n), 5
    up = np.full(n, np.nan)
    ahead = bars.open[1 + horizon :] - bars.open[1 : n - horizon]
    up[: n - horizon - 1] = ahead > 0.0
    random = np.random.default_rng(5)
    prob = np.clip(0.5 + random.normal(0.0, 0.03, n) + skill * np.nan_to_num(up - 0.5), 0.05, 0.95)
    predictions = predict(bars, prob, first, folds=3)
    known = predictions.known
    side = np.where(known & (prob > 0.52), 1, np.where(known & (prob < 0.48), -1, 0)) * int(trading)
    decisions = decide(bars, side, known)
    result = simulate(bars, decisions, RULES)
    none = decide(bars, side * 0, known)
    story = Story(
        config=parse_config({"name": "tiny"}),
        bars=bars,
        predictions=predictions,
        up=up,
        decisions=decisions,
        result=result,
        funnel=funnel_of(decisions, result),
        strict=Strict(0, 0.0, funnel_of(none, simulate(bars, none, RULES))),
        manifest={
            "seed": 7,
            "versions": {"numpy": np.__version__},
            "extras": ["report"],
            "resumed": None,
            "config": {"seed": 7},
        },
        notes=("3 bars have <no> volume & are kept.",),
        stopper="" if trading else "The entry threshold stopped every bar: 0.52 would have passed.",
    )
    return replace(story, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def make_story() -> Callable[..., Story]:
    return tell


@pytest.fixture(scope="session")
def story() -> Story:
    return tell()


@pytest.fixture(scope="session")
def executed() -> tuple[Result, Bars]:
    told = tell()
    return told.judged.result, told.judged.bars
