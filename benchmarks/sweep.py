"""Sweeps against vectorbt, trade for trade against Backtrader, and what columns cost.

    python benchmarks/sweep.py [--bars 17520] [--columns 1000] [--many 100000] [--repeats 3]

The last `bars` hours of BTCUSDT; entries where the close leaves its mean of 24, 48, ... hours, long above
and short below; 1 % to 5 % to the stop and to the target; 4 basis points a fill. vectorbt and we get the
same sides, quantities and distances as arrays; their fills differ, because vectorbt tests stops from the
bar after the entry on and the stop before the target, so that trades are compared with the other engines.

`vs_vectorbt`: time of `Portfolio.from_signals` (rust where it applies) and `sharpe_ratio` over ours of
checking the entries, the simulation and all 18 numbers, with two threads; best of `repeats`, of theirs once.
`vs_vectorbt_cpu`: the same in processor time, ours of both threads together, which a busy machine changes
little. `trades_identical`: our trades against those of `mlstrat.simulate` on 20 columns, of Backtrader and
of vectorbt's `from_order_func` under our rule on one. `growth_10x`: processor time of ten times the columns
over that of the columns; `two_worker_speedup`: wall time of the former on one thread over two, best of each;
both on columns of a sweep from predictions. `backtrader_overhead`: precomputed decisions in Backtrader over
a bare strategy that crosses two means and trades about as often on the same feed; preloaded, without
analyzers. `peak_gib_100k`: memory of `mlstrat sweep` on `many` columns, models, ledger and page included.
Ends with one JSON line.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from mlstrat.data import samples
from mlstrat.data.bars import Bars
from mlstrat.execution.kernel import simulate
from mlstrat.execution.types import Decisions, Result, RiskRules
from mlstrat.predictions import Predictions
from mlstrat.sentiment.align import neutral
from mlstrat.sweep import Entries, sweep_entries
from mlstrat.sweep.candidates import candidates_of, choices_of
from mlstrat.sweep.forecasts import Given, config_of_terms
from mlstrat.sweep.grid import make_grid
from mlstrat.sweep.running import NO_GAINS, accounts_of

GIB = 2**30
COMPARED = ("entry_bar", "exit_bar", "side", "units", "entry_price", "exit_price", "reason")
RULES = RiskRules(fee_share=0.0004, tick=0.01, step=0.00001, gap_reserve=0.0, cash=1e9)
MAX_BARS = 0  # vectorbt has no time exit
RUN = """
name = "many"
[data]
bars = "sample:BTCUSDT_1h"
start = "{start}"
[features]
names = ["ret_1", "rsi_14", "hour_sin"]
[splits]
training_days = 60
retrain = "month"
max_windows = 6
[models]
bins = 15
rf_n_estimators = 10
gb_n_estimators = 10
lstm_units = 2
lstm_epochs = 1
[kelly]
shrink = "off"
"""


def timed(work: Callable[[], object], repeats: int, clock: Callable[[], float] = time.perf_counter) -> float:
    seconds = []
    for _ in range(repeats):
        begun = clock()
        work()
        seconds.append(clock() - begun)
    return min(seconds)


def signals(bars: Bars, n_columns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Sides by bar and column, units by bar, and the distances to stop and target by column."""
    close = bars.close
    total = np.r_[0.0, np.cumsum(close)]
    side = np.zeros((len(bars), n_columns), np.int8, order="F")
    stop, target = np.empty(n_columns), np.empty(n_columns)
    for column in range(n_columns):
        span = 24 * (1 + column % 40)
        mean = (total[span:] - total[:-span]) / span
        above = close[span - 1 :] > mean * (1 + 0.0001 * column / n_columns)
        crossed = np.flatnonzero(above[1:] != above[:-1]) + 1
        side[span - 1 + crossed, column] = np.where(above[crossed], 1, -1)
        stop[column], target[column] = 0.01 * (1 + column % 5), 0.01 * (1 + column // 5 % 5)
    return side, np.floor(1e4 / close * 1e5) / 1e5, stop, target


def prices(bars: Bars, side: np.ndarray, share: np.ndarray, sign: int) -> np.ndarray:
    out = np.empty(side.shape, order="F")
    for column in range(side.shape[1]):
        out[:, column] = np.floor(bars.close * (1 + sign * side[:, column] * share[column]) * 100 + 0.5) / 100
    return out


def decisions_of(bars: Bars, side: np.ndarray, units: np.ndarray, *prices_: np.ndarray) -> Decisions:
    none, n = side == 0, len(bars)
    stop, target = (np.where(none, np.nan, column) for column in prices_)
    plain = np.zeros(n, np.int8), np.full(n, np.nan)
    steady = np.full(n, MAX_BARS, np.int64)
    return Decisions(
        bars.symbol, bars.time, side.copy(), np.ones(n), units.copy(), stop, target, steady, *plain
    )


def alike(one: Result, other: Result) -> tuple[int, int]:
    n = min(len(one.trades), len(other.trades))
    same = np.ones(n, bool)
    for name in COMPARED:
        same &= getattr(one.trades, name)[:n] == getattr(other.trades, name)[:n]
    return int(same.sum()), max(len(one.trades), len(other.trades))


def logged(bars: Bars, entries: Entries, column: int) -> np.ndarray:
    from mlstrat.sweep.account import LOGGED, MEASURED
    from mlstrat.sweep.entry_kernel import run_entries

    tables = [getattr(entries, name) for name in ("side", "fraction", "units", "stop", "target", "max_bars")]
    one = [table if len(table) == 1 else table[column : column + 1] for table in tables]
    accounts, log = np.empty((1, len(MEASURED))), np.full((len(bars), len(LOGGED)), np.nan)
    rules, seconds = RULES.as_row()[None], float(bars.timeframe.seconds)
    run_entries(bars.matrix, seconds, *one, rules, accounts, log, NO_GAINS, 0)
    trades = int(accounts[0, MEASURED.index("trades")] + accounts[0, MEASURED.index("opened")])
    return log[:trades, [LOGGED.index(name) for name in COMPARED]]


def against_vectorbt(bars: Bars, n_columns: int, repeats: int) -> dict[str, object]:
    import vectorbt as vbt

    vbt.settings["engine"] = "rust"
    side, units, stop, target = signals(bars, n_columns)
    stop_px, target_px = prices(bars, side, stop, -1), prices(bars, side, target, 1)

    def ours() -> object:
        entries = Entries(side, 1.0, stop_px, target_px, MAX_BARS, units[:, None])
        return sweep_entries(bars, entries, RULES)

    frame = bars.frame()

    def theirs(columns: int) -> object:
        part = slice(None, columns)
        portfolio = vbt.Portfolio.from_signals(
            frame["close"],
            entries=side[:, part] == 1,
            short_entries=side[:, part] == -1,
            size=units[:, None],
            open=frame["open"],
            high=frame["high"],
            low=frame["low"],
            sl_stop=stop[part],
            tp_stop=target[part],
            fees=RULES.fee_share,
            init_cash=RULES.cash,
            upon_opposite_entry="ignore",
            freq="1h",
        )
        return portfolio.sharpe_ratio()

    ours()
    theirs(2)  # loads and compiles
    own, other = timed(ours, repeats), timed(lambda: theirs(n_columns), 1)
    own_cpu = timed(ours, repeats, time.process_time)
    other_cpu = timed(lambda: theirs(n_columns), 1, time.process_time)
    entries = Entries(side, 1.0, stop_px, target_px, MAX_BARS, units[:, None])
    same, trades = identical(bars, entries, side, units, stop_px, target_px)
    cells = len(bars) * n_columns
    return {
        "vs_vectorbt": other / own,
        "vs_vectorbt_cpu": other_cpu / own_cpu,
        "trades_identical": f"{same} of {trades}",
        "ours_bars_per_s": cells / own,
        "vectorbt_bars_per_s": cells / other,
        "ours_bars_per_cpu_s": cells / own_cpu,
        "vectorbt_bars_per_cpu_s": cells / other_cpu,
        "trades_a_column": float(np.mean(ours()["trades"])),
    }


def identical(bars: Bars, entries: Entries, side: np.ndarray, *columns: np.ndarray) -> tuple[int, int]:
    """Trades alike, and all, over 20 columns in the kernel and one in each other engine."""
    from mlstrat.engines import on_backtrader, on_vectorbt

    units, stop_px, target_px = columns
    same = trades = 0
    for column in np.linspace(0, side.shape[1] - 1, min(20, side.shape[1])).astype(int):
        decided = decisions_of(bars, side[:, column], units, stop_px[:, column], target_px[:, column])
        result = simulate(bars, decided, RULES)
        expected = np.column_stack([getattr(result.trades, name) for name in COMPARED])
        found = logged(bars, entries, int(column))
        n = min(len(found), len(expected))
        same += int((found[:n] == expected[:n]).all(axis=1).sum())
        trades += max(len(found), len(expected))
    for engine in (on_backtrader.run, on_vectorbt.simulate):
        matched, of = alike(result, engine(bars, decided, RULES))
        same, trades = same + matched, trades + of
    return same, trades


def given_predictions(bars: Bars, seed: int = 3) -> Predictions:
    """Predictions as a walk-forward makes them, of scores drawn at random."""
    rng, n = np.random.default_rng(seed), len(bars)
    score = np.clip(
        0.5 + 0.03 * np.cumsum(rng.normal(0, 0.3, n)) / np.sqrt(1 + np.arange(n) % 97), 0.05, 0.95
    )
    edge = 2.0 * (score - 0.5)
    pair = np.column_stack([0.5 + edge, 0.5 - edge]).clip(0.05, 0.95)
    return Predictions(
        bars.symbol,
        bars.time,
        prob_up=score,
        magnitude=np.zeros(n),
        votes=np.column_stack([score, score - 0.5, score - 0.5]),
        score=score,
        win_prob=pair,
        win_se=np.full((n, 2), 0.1),
        payoff=np.ones((n, 2)),
        threshold=np.tile([0.52, 0.48], (n, 1)),
        fold=np.zeros(n, np.int64),
        windows=(),
    )


def columns_cost(bars: Bars, n_columns: int, repeats: int) -> dict[str, float]:
    predictions = given_predictions(bars)
    base = config_of_terms(predictions)
    steps = n_columns // 10

    def prepared(columns: int) -> tuple:
        grid = make_grid(
            base,
            {
                "signals.threshold": [round(0.5 + 0.1 * k / columns, 9) for k in range(columns // 10)],
                "kelly.max_position": [0.05 * (k + 1) for k in range(10)],
                "breakers.max_drawdown": [0.0],
            },
        )
        atr = 0.004 * bars.close
        forecasts = Given(bars, predictions, neutral(bars), atr, base, grid.keys)(base)
        rules = choices_of(base, bars, grid.taking).rules(base, bars)
        return (*candidates_of(forecasts, rules), rules)

    small, large = prepared(10 * steps), prepared(100 * steps)
    run = {
        (name, threads): partial(accounts_of, candidates, rules, kelly, threads)
        for name, (candidates, kelly, rules) in (("one", small), ("ten", large))
        for threads in (1, 2)
    }
    run["one", 1]()
    cpu = {name: timed(run[name, 1], repeats, time.process_time) for name in ("one", "ten")}
    pairs = [[timed(run["ten", threads], 1) for threads in (1, 2)] for _ in range(4 * repeats)]
    alone, together = (min(times) for times in zip(*pairs, strict=True))
    return {
        "growth_10x": cpu["ten"] / cpu["one"],
        "two_worker_speedup": alone / together,
        "sweep_bars_per_s": 100 * steps * len(bars) / together,
        "sweep_bars_per_cpu_s": 100 * steps * len(bars) / cpu["ten"],
    }


def backtrader_overhead(bars: Bars, repeats: int) -> dict[str, float]:
    import backtrader as bt

    from mlstrat.engines.on_backtrader import BarsFeed, KellySizer, MLStrategy, RuleBroker

    side, units, stop, target = signals(bars, 1)
    decided = decisions_of(
        bars, side[:, 0], units, prices(bars, side, stop, -1)[:, 0], prices(bars, side, target, 1)[:, 0]
    )
    trades = len(simulate(bars, decided, RULES).trades)

    class Cross(bt.Strategy):
        params = (("fast", 12), ("slow", 48))

        def __init__(self) -> None:
            fast, slow = (bt.ind.SMA(self.data.close, period=n) for n in (self.p.fast, self.p.slow))
            self.cross, self.count = bt.ind.CrossOver(fast, slow), 0

        def next(self) -> None:
            if not self.position:
                if self.cross[0] > 0:
                    self.buy(size=0.1)
            elif self.cross[0] < 0:
                self.close()

        def notify_trade(self, trade: bt.Trade) -> None:
            self.count += trade.isclosed

    def bare(fast: int, slow: int) -> bt.Strategy:
        cerebro = bt.Cerebro(stdstats=False, preload=True)
        cerebro.adddata(BarsFeed(dataname=bars))
        cerebro.broker.setcash(1e9)
        cerebro.broker.setcommission(RULES.fee_share)
        cerebro.addstrategy(Cross, fast=fast, slow=slow)
        return cerebro.run()[0]

    def ours() -> object:
        cerebro = bt.Cerebro(stdstats=False, preload=True)
        cerebro.adddata(BarsFeed(dataname=bars))
        cerebro.setbroker(RuleBroker(rules=RULES))
        cerebro.addsizer(KellySizer)
        cerebro.addstrategy(MLStrategy, decisions=decided)
        return cerebro.run()

    lengths = min(
        ((fast, slow) for fast in range(3, 30) for slow in range(fast + 2, 6 * fast, 2)),
        key=lambda pair: abs(crossings(bars.close, *pair) - trades),
    )
    count = bare(*lengths).count
    ours()
    pairs = [(timed(ours, 1), timed(lambda: bare(*lengths), 1)) for _ in range(repeats)]
    return {
        "backtrader_overhead": min(own for own, _ in pairs) / min(other for _, other in pairs),
        "backtrader_trades": trades,
        "bare_trades": count,
    }


def crossings(close: np.ndarray, fast: int, slow: int) -> int:
    """How often the fast mean rises above the slow one."""
    total = np.r_[0.0, np.cumsum(close)]
    short, long = ((total[slow:] - total[slow - n : len(total) - n]) / n for n in (fast, slow))
    above = short > long
    return int((above[1:] & ~above[:-1]).sum())


def peak_of_many(bars: Bars, columns: int) -> dict[str, float]:
    each = max(columns // 100, 1)
    with tempfile.TemporaryDirectory() as place:
        run = Path(place) / "run.toml"
        run.write_text(RUN.format(start=str(bars.time[0])[:10]))
        grids = (
            f"signals.threshold={','.join(str(round(0.5 + 0.08 * k / each, 9)) for k in range(each))}",
            "kelly.max_position=0.05:0.5:0.05",
            "stops.atr=1:4:0.75",
            "signals.direction=long,both",
        )
        command = [sys.executable, "-m", "mlstrat", "sweep", str(run), "-o", str(Path(place) / "out")]
        options = [part for grid in grids for part in ("--grid", grid)]
        begun = time.perf_counter()
        subprocess.run(
            [*command, *options, "--max-columns", str(10 * columns)], check=True, stdout=subprocess.DEVNULL
        )
        seconds = time.perf_counter() - begun
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit / GIB
    return {"peak_gib_100k": peak, "many_columns": each * 100, "many_s": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bars", type=int, default=17_520)
    parser.add_argument("--columns", type=int, default=1_000)
    parser.add_argument("--many", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    bars = samples.load_bars("BTCUSDT_1h")[-asked.bars :]
    figures: dict[str, object] = {"bars": len(bars), "columns": asked.columns}
    for part in (
        lambda: peak_of_many(bars, asked.many),
        lambda: against_vectorbt(bars, asked.columns, asked.repeats),
        lambda: columns_cost(bars, asked.columns, asked.repeats),
        lambda: backtrader_overhead(bars, asked.repeats),
    ):
        made = part()
        figures |= {
            key: round(value, 3) if isinstance(value, float) else value for key, value in made.items()
        }
        print(made, flush=True)
    command = "python benchmarks/sweep.py " + " ".join(sys.argv[1:])
    print(json.dumps({**figures, "command": command.strip()}))


if __name__ == "__main__":
    main()
