"""How often the verdict calls noise an edge, and how often it finds an edge that is there.

    python benchmarks/truth.py [--series 1000] [--columns 500] [--bars 17520] [--full-runs 40]
                               [--power-series 100] [--beside 4] [--jobs 2] [--seed 7]

Noise comes in three kinds, each series at no fee and at 5 basis points a fill: `predictions`, hourly bars of
BTCUSDT and ETHUSDT (stretches of `bars`) with forecasts drawn without them, through `mlstrat.sweep`; `sides`,
the same bars with trades at random times, sides, distances and holding times; `walks`, walks of 10,000 ticks
a bar that move at all times and have no drift in price, with forecasts again. No column is confined to one
side: on bars that rose, longs alone have an edge against zero, and a test that finds it is right. For each
kind the mean column's Sharpe ratio is printed first, because noise has to have none before costs. Besides the
verdict it is counted how often the best column taken alone (naive) and, on every `beside`-th series of a
kind, a PBO under 5 % and a deflated Sharpe ratio of 95 % with as many trials as columns would have said so.
The others get the verdict's one test without what stands beside it, which decides nothing and takes as long
again.

`full runs` are walks that are learned from: features, models, monthly walk-forward, odds and execution, with
Kelly sizes that are not shrunk. The run alone (`false_edge_full_runs`, the worse of both fees) and a sweep of
its settings (`false_edge_full_sweeps`) are judged.

Power: forecasts know a state of the market that adds a drift to the bars, of a strength that is varied, at
5 basis points. Of each strength the best column is chosen on ten series, its true Sharpe ratio measured on
ten others, and counted on `power-series` more how often a test of that column alone and the verdict on all
columns find it. `power_at_reference` is counted on new series at the strength at which the column alone is
found in 95 % of them. Ends with one JSON line; intervals are Wilson's at 95 %.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed

from mlstrat.config import parse_config
from mlstrat.data import samples
from mlstrat.data.bars import Bars
from mlstrat.data.synthetic import random_walk
from mlstrat.evidence import judge, superior_ability
from mlstrat.evidence.sharpe import deflated_sharpe
from mlstrat.evidence.verdict import FEW_TRADES, LEVEL
from mlstrat.execution.types import RiskRules
from mlstrat.features.matrix import build
from mlstrat.predictions import Predictions
from mlstrat.sweep import Entries, returns_of_entries, sweep, sweep_run
from mlstrat.walkforward import ATR_FEATURE

FEES = (0.0, 0.0005)
KINDS = ("predictions", "sides", "walks")
START, STEP, PARTS = 20_000.0, 0.005, 60  # of walks: first price, deviation of an hour, steps in it
MEMORY, SPREAD = 0.9, 0.4  # of the state that forecasts tell: autocorrelation, and spread of their logit
STRENGTHS = (0.0, 0.02, 0.03, 0.04, 0.05, 0.06)  # standard deviations of an hour, of drift
REFERENCE = 0.95
SIZES = {"series": 1000, "columns": 500, "bars": 17_520, "full-runs": 40, "power-series": 100, "beside": 4}
SWEPT = parse_config({"kelly": {"shrink": "off", "max_position": 0.5}})
WALKED = parse_config(
    {
        "jobs": 1,
        "features": {"names": ["ret_1", "ret_5", "ret_20", "close_position", "rsi_14", "macd_hist",
                               "bb_position", "atr_14", "ema_50", "ema_200", "volume_ratio", "hour_sin"]},
        "splits": {"training_days": 180, "retrain": "month"},
        "models": {"profile": "pine"},
        "kelly": {"shrink": "off"},
    }
)  # fmt: skip


class Said(NamedTuple):
    """What was said of one table of columns."""

    sharpe: float  # annual, mean of the columns that are tested
    trades: float  # median column
    edge: bool
    naive: bool
    tested: bool
    pbo: bool | None  # these two are None where nothing but the test was made
    deflated: bool | None


def said_of(table: np.ndarray, trades: np.ndarray, year: float, seed: int, whole: bool = True) -> Said:
    use = trades >= FEW_TRADES
    spread = table[:, use].std(axis=0)
    ratios = table[:, use].mean(axis=0) / np.where(spread > 0, spread, np.inf)
    found = judge(table, trades, seed=seed) if whole else None
    test = found.spa if found else superior_ability(table, tested=use, seed=seed)
    deflated = deflated_sharpe(found.moments, len(trades), found.moments.standard_error) if found else None
    return Said(
        float(ratios.mean() * np.sqrt(year)) if use.any() else np.nan,
        float(np.median(trades)),
        found.conclusion == "edge" if found else bool(test.p <= LEVEL),
        bool(test.naive_p <= LEVEL),
        bool(use.any()),
        bool(found.overfitting.pbo < LEVEL) if found else None,
        bool(deflated >= 1 - LEVEL) if found else None,
    )


def wilson(count: float, of: int) -> tuple[float, float]:
    z, share = 1.959964, count / of
    middle, half = share + z * z / 2 / of, z * np.sqrt(share * (1 - share) / of + z * z / 4 / of**2)
    return tuple(max(0.0, float((middle + way * half) / (1 + z * z / of))) for way in (-1, 1))


def grid_of(columns: int) -> dict[str, list]:
    """About as many columns: 25 stops and time exits, the rest thresholds and sizes."""
    thresholds = max(1, round(columns / 50))
    return {
        "stops.atr": [1.0, 1.5, 2.0, 3.0, 4.0],
        "stops.max_bars": [4, 8, 16, 32, 64],
        "signals.threshold": [round(float(t), 4) for t in np.linspace(0.52, 0.66, thresholds)],
        "kelly.multiplier": [0.25, 0.5],
    }


def on_grid(price: np.ndarray, bars: Bars) -> np.ndarray:
    inverse = round(1 / bars.instrument.tick)
    return np.floor(price * inverse + 0.5) / inverse


def with_fee(bars: Bars, fee: float) -> Bars:
    return replace(bars, instrument=bars.instrument.with_facts(fee_share=fee))


def stretch(n: int, random: np.random.Generator) -> Bars:
    """A stretch of a coin's hours; coin and place are drawn."""
    names = samples.names()
    bars = samples.load_bars(names[random.integers(len(names))])
    first = int(random.integers(max(len(bars) - n, 0) + 1))
    return bars[first : first + n]


def walk(n: int, random: np.random.Generator) -> Bars:
    """A walk without drift in price, with the extremes of a path that moves at all times.

    Its logarithm falls on average, else longs alone would gain. Between two steps inside a bar high and low
    are drawn as those of a Brownian bridge: the highest of a few steps is lower than the path was, so that a
    stop filled at its price would gain what the path had already lost beyond it.
    """
    whole = random_walk(n, int(random.integers(2**31)), step_ticks=START * STEP / 0.01, start=START)
    inside = STEP / np.sqrt(PARTS)
    steps = inside * random.standard_normal((n, PARTS)) - STEP**2 / 2 / PARTS
    after = np.cumsum(steps, axis=1)
    twice = 2 * after - steps  # ends of a part added up; its extremes lie this far from half of that:
    high, low = (np.sqrt(steps**2 + 2 * inside**2 * random.exponential(size=steps.shape)) for _ in "hl")
    close = np.cumsum(after[:, -1])
    open_ = np.r_[0.0, close[:-1]]
    top, bottom = open_ + (twice + high).max(axis=1) / 2, open_ + (twice - low).min(axis=1) / 2
    price = {"open": open_, "high": np.maximum(top, close), "low": np.minimum(bottom, close), "close": close}
    return replace(whole, **{name: on_grid(START * np.exp(log), whole) for name, log in price.items()})


def state_of(n: int, random: np.random.Generator) -> np.ndarray:
    from scipy.signal import lfilter

    shocks = random.standard_normal(n) * np.sqrt(1 - MEMORY**2)
    shocks[0] = random.standard_normal()
    return lfilter([1.0], [1.0, -MEMORY], shocks)


def forecasts(bars: Bars, state: np.ndarray) -> Predictions:
    """Predictions that tell the state, with odds on which Kelly bets."""
    score, n = 1 / (1 + np.exp(-SPREAD * state)), len(bars)
    return Predictions(
        bars.symbol,
        bars.time,
        prob_up=score,
        magnitude=np.zeros(n),
        votes=np.column_stack([score, score - 0.5, score - 0.5]),
        score=score,
        win_prob=np.column_stack([score, 1 - score]),
        win_se=np.full((n, 2), 0.1),
        payoff=np.ones((n, 2)),
        threshold=np.tile([0.53, 0.47], (n, 1)),
        fold=np.zeros(n, np.int64),
        windows=(),
    )


def drifting(bars: Bars, state: np.ndarray, strength: float) -> Bars:
    """The bars with a drift over each hour that the state at the close before it tells."""
    spread = float(np.std(np.diff(np.log(bars.close))))
    after = np.cumsum(np.r_[0.0, strength * spread * state[:-1]])
    before = np.r_[0.0, after[:-1]]
    moved = {"open": before, "close": after, "high": (before + after) / 2, "low": (before + after) / 2}
    price = {name: on_grid(getattr(bars, name) * np.exp(by), bars) for name, by in moved.items()}
    price["high"] = np.maximum.reduce(list(price.values()))
    price["low"] = np.minimum.reduce(list(price.values()))
    return replace(bars, **price)


def swept(bars: Bars, state: np.ndarray, columns: int, threads: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Returns and trades of a sweep over forecasts that tell the state."""
    found = sweep(bars, forecasts(bars, state), grid_of(columns), config=SWEPT, threads=threads)
    return found.returns.table, found.measure("trades").astype(np.int64)


def random_trades(
    bars: Bars, columns: int, random: np.random.Generator
) -> Callable[[Bars], tuple[np.ndarray, np.ndarray]]:
    """Trades at random times and of random sides; distances and holding times differ by column."""
    n, atr = len(bars), build(bars, [ATR_FEATURE]).column(ATR_FEATURE)
    side = np.zeros((columns, n), np.int8)
    stop, target = np.zeros((columns, n)), np.zeros((columns, n))
    for column in range(columns):
        at = np.flatnonzero(random.random(n) < np.exp(random.uniform(np.log(0.004), np.log(0.04))))
        at = at[np.isfinite(atr[at])]
        side[column, at] = way = random.choice([-1, 1], len(at))
        for prices, sign in ((stop, -1), (target, 1)):
            away = sign * way * random.uniform(1, 4) * atr[at]
            prices[column, at] = on_grid(bars.close[at] + away, bars)
    share, held = random.uniform(0.1, 0.9, columns), random.integers(6, 97, columns)
    entries = Entries(side.T, share[None], stop.T, target.T, held[None])
    facts = bars.instrument
    return lambda at_fee: returns_of_entries(
        at_fee,
        entries,
        RiskRules(fee_share=at_fee.instrument.fee_share, tick=facts.tick, step=facts.step),
        threads=1,
    )


def null_series(seed: int, index: int, columns: int, n: int, beside: int) -> list[Said]:
    """One series of noise at each fee."""
    whole = index // len(KINDS) % beside == 0
    random, kind = np.random.default_rng([seed, 1, index]), KINDS[index % len(KINDS)]
    bars = (walk if kind == "walks" else stretch)(n, random)
    if kind == "sides":
        run = random_trades(bars, columns, random)
    else:
        state = state_of(n, random)

        def run(at_fee: Bars) -> tuple[np.ndarray, np.ndarray]:
            return swept(at_fee, state, columns)

    rows = []
    for fee in FEES:
        table, trades = run(with_fee(bars, fee))
        rows.append(said_of(table, trades, bars.bars_per_year, index, whole))
    return rows


def full_run(seed: int, index: int, columns: int, n: int) -> list[tuple[Said, Said]]:
    """At each fee: the run alone, and a sweep over its settings. Models are fitted once."""
    bars = walk(n, np.random.default_rng([seed, 2, index]))
    config = WALKED.model_copy(update={"seed": index})
    own = {"stops.atr": 2.5, "stops.max_bars": 24, "signals.threshold": "auto", "kelly.multiplier": 0.5}
    thresholds = [round(0.5 + 0.002 * k, 3) for k in range(1, max(2, round(columns / 20)))]
    grid = {
        "instrument.fee_share": list(FEES),
        "stops.atr": [1.5, 2.5],
        "stops.max_bars": [8, 24],
        "signals.threshold": ["auto", *thresholds],
        "kelly.multiplier": [0.1, 0.2, 0.3, 0.4, 0.5],
    }
    found = sweep_run(config, grid, bars=bars)
    trades, each = found.measure("trades").astype(np.int64), len(found) // len(FEES)

    def said(part: slice) -> Said:
        return said_of(found.returns.table[:, part], trades[part], bars.bars_per_year, index)

    rows = []
    for at, fee in enumerate(FEES):  # the key that varies slowest
        alone = found.column({"instrument.fee_share": fee, **own})
        rows.append((said(slice(alone, alone + 1)), said(slice(at * each, (at + 1) * each))))
    return rows


def planted(seed: int, strength: float, stage: int, index: int, columns: int, n: int) -> tuple:
    random = np.random.default_rng([seed, 3, stage, index])
    bars, state = stretch(n, random), state_of(n, random)
    at_fee = with_fee(drifting(bars, state, strength), FEES[1])
    return (*swept(at_fee, state, columns), at_fee.bars_per_year)


def measured(*args: Any) -> np.ndarray:
    """Means and squares of the columns: what a ratio over several series is made of."""
    table, trades, year = planted(*args)
    return np.array([table.mean(axis=0) * year, (table**2).mean(axis=0) * year, trades])


def ratio(parts: list[np.ndarray]) -> np.ndarray:
    mean, square, trades = np.mean(parts, axis=0)
    return np.where(trades >= FEW_TRADES, mean / np.sqrt(np.maximum(square, 1e-300)), -np.inf)


def powered(column: int, *args: Any) -> tuple[bool, bool]:
    """Whether the column alone, and whether the verdict on all, finds the edge."""
    table, trades, _ = planted(*args)
    alone = superior_ability(table[:, column], seed=args[3]).p <= LEVEL and trades[column] >= FEW_TRADES
    # What the verdict adds to this test decides nothing.
    whole = superior_ability(table, tested=trades >= FEW_TRADES, seed=args[3]).p <= LEVEL
    return bool(alone), bool(whole)


class Work:
    """Calls in parallel, in order, with progress on stderr."""

    def __init__(self, jobs: int) -> None:
        self._pool = Parallel(n_jobs=jobs, return_as="generator")

    def __call__(self, name: str, call: Callable, arguments: Iterable[tuple]) -> list:
        listed, done, begun = list(arguments), [], time.perf_counter()
        for found in self._pool(delayed(call)(*one) for one in listed):
            done.append(found)
            if len(done) % 25 == 0 or len(done) == len(listed):
                spent = time.perf_counter() - begun
                print(f"{name}: {len(done)} of {len(listed)}, {spent:.0f} s", file=sys.stderr, flush=True)
        return done


def told(name: str, fee: float, rows: list[Said]) -> dict[str, Any]:
    n, sharpe = len(rows), np.array([row.sharpe for row in rows if row.tested])
    error = sharpe.std(ddof=1) / np.sqrt(len(sharpe)) if len(sharpe) > 1 else np.nan
    counts = {key: sum(getattr(row, key) for row in rows) for key in ("edge", "naive")}
    judged = [row for row in rows if row.pbo is not None]
    counts |= {key: sum(getattr(row, key) for row in judged) for key in ("pbo", "deflated")}
    mean, low_high = float(np.mean(sharpe)) if len(sharpe) else np.nan, wilson(counts["edge"], n)
    print(
        f"{name:19s} {fee * 1e4:3.0f} {n:7d} {sum(row.tested for row in rows):7d}"
        f" {np.median([row.trades for row in rows]):7.0f} {mean:+7.3f} ± {error:5.3f}"
        f" {counts['edge']:5d} {counts['edge'] / n:6.1%} [{low_high[0]:5.1%}, {low_high[1]:5.1%}]"
        f" {counts['naive'] / n:8.1%}"
        + "".join(f" {counts[key] / max(len(judged), 1):8.1%}" for key in ("pbo", "deflated"))
    )
    whole = {"kind": name, "fee": fee, "series": n, "tested": sum(row.tested for row in rows)}
    ratios = {"column_sharpe": _plain(mean), "standard_error": _plain(error), "judged": len(judged)}
    return {**whole, **ratios, **counts}


def _plain(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None


def noise(work: Work, given: argparse.Namespace) -> tuple[list[dict], list[dict]]:
    size = given.columns, given.bars
    full = work("full runs", full_run, ((given.seed, k, *size) for k in range(given.full_runs)))
    null = work("noise", null_series, ((given.seed, k, *size, given.beside) for k in range(given.series)))
    print(
        f"{'noise':19s} {'bp':>3s} {'series':>7s} {'tested':>7s} {'trades':>7s} {'mean Sharpe':>15s}"
        f" {'edge':>5s} {'share':>6s} {'interval':>16s} {'naive':>8s} {'PBO<5%':>8s} {'deflated':>8s}"
    )
    rows, runs = [], []
    for at, fee in enumerate(FEES):
        for place, kind in enumerate(KINDS):
            rows.append(told(kind, fee, [one[at] for one in null[place :: len(KINDS)]]))
        rows.append(told("all", fee, [one[at] for one in null]))
    for at, fee in enumerate(FEES):
        for place, kind in enumerate(("full runs, alone", "full runs, swept")):
            runs.append(told(kind, fee, [one[at][place] for one in full]))
    return rows, runs


def power(work: Work, given: argparse.Namespace) -> dict[str, Any]:
    size, ten = (given.columns, given.bars), min(10, given.power_series)

    def found_at(strength: float, stage: int) -> tuple[float, np.ndarray]:
        first = (given.seed, strength, stage)
        parts = work(f"true ratio {strength:.4f}", measured, ((*first, k, *size) for k in range(2 * ten)))
        column = int(np.argmax(ratio(parts[:ten])))
        indices = range(2 * ten, 2 * ten + given.power_series)
        found = work(f"strength {strength:.4f}", powered, ((column, *first, k, *size) for k in indices))
        return float(ratio(parts[ten:])[column]), np.mean(found, axis=0)

    print(f"{'power: strength':>28s}  true annual Sharpe  the column alone  verdict on all")
    curve = []
    for strength in STRENGTHS:  # on the same series, so that the curve is smooth
        true, (alone, all_) = found_at(strength, 0)
        curve.append((strength, true, alone, all_))
        print(f"{strength:28.4f}  {true:18.2f}  {alone:16.1%}  {all_:14.1%}", flush=True)
    table = np.array(curve)
    rising = np.maximum.accumulate(table[:, 2])
    out = {"power_curve": [[_plain(v) for v in row[1:]] for row in curve], "power_at_reference": None}
    if rising[-1] >= REFERENCE:
        last = int(np.argmax(rising >= REFERENCE))
        part = slice(max(last - 1, 0), last + 1)
        at = float(np.interp(REFERENCE, rising[part], table[part, 0]))
        true, (alone, all_) = found_at(at, 1)
        low, high = wilson(all_ * given.power_series, given.power_series)
        print(f"{at:28.4f}  {true:18.2f}  {alone:16.1%}  {all_:14.1%} [{low:.1%}, {high:.1%}] reference")
        out |= {"power_at_reference": _plain(all_), "power_interval": [_plain(low), _plain(high)]}
        out |= {"reference_sharpe": _plain(true), "alone_at_reference": _plain(alone)}
    return out


def seconds(given: argparse.Namespace, repeats: int = 5) -> dict[str, Any]:
    """What a sweep takes on two threads, from forecasts to returns, the test, and the whole verdict."""
    random = np.random.default_rng([given.seed, 4])
    bars, state = with_fee(stretch(given.bars, random), FEES[1]), state_of(given.bars, random)
    spent: dict[str, list[float]] = {"simulate": [], "test": [], "sweep_500": []}
    for _ in range(repeats + 1):
        begun = time.perf_counter()
        table, trades = swept(bars, state, given.columns, threads=2)
        done = time.perf_counter()
        judge(table, trades)
        judged = time.perf_counter()
        superior_ability(table, tested=trades >= FEW_TRADES)
        spent["simulate"].append(done - begun)
        spent["test"].append(time.perf_counter() - judged)
        spent["sweep_500"].append(judged - begun)
    return {
        f"seconds_{name}": {"min": round(min(each[1:]), 3), "median": round(float(np.median(each[1:])), 3)}
        for name, each in spent.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name, size in {**SIZES, "jobs": 2, "seed": 7}.items():
        parser.add_argument(f"--{name}", type=int, default=size)
    given = parser.parse_args()
    work = Work(given.jobs)
    figures: dict[str, Any] = seconds(given)
    powers = power(work, given)
    rows, runs = noise(work, given)
    every = [row for row in rows if row["kind"] == "all"]
    alone, whole = ([row["edge"] for row in runs[place::2]] for place in (0, 1))
    figures |= {
        "false_edge_share": max(row["edge"] / row["series"] for row in every),
        "naive_share": [row["naive"] / row["series"] for row in every],
        "false_edge_full_runs": max(alone),
        "false_edge_full_sweeps": max(whole),
        **powers,
        "noise": rows,
        "full_runs": runs,
    }
    options = " ".join(f"--{name} {getattr(given, name.replace('-', '_'))}" for name in SIZES)
    print(json.dumps({**figures, "command": f"python benchmarks/truth.py {options} --seed {given.seed}"}))


if __name__ == "__main__":
    main()
