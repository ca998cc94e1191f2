"""Exported Pine scripts beside Python: several symbols and kinds of trade, and models of the trial's size.

    python benchmarks/pine.py [--bars FILE ...] [--quick]

On BTCUSDT and ETHUSDT, and on each file of bars given, three runs with profile `pine` and 14 features:
`normal` (stop 2.5 ATR, target 3.5 ATR, 24 bars), `tight` (0.6, 0.8, 4) and `gapping` (the bars of `normal`
with a jump of half an ATR to four ATR at every 50th open, and with bars left out). `normal` sizes as runs do
by default; the others with kelly.shrink = off and without fees, so that there are many trades. Every script
runs in PyneCore on the run's own bars and on charts that begin later. `probability_error` and `size_error`
are the largest over all bars of all charts, null where only one of script and Python has a value;
`signals_equal` is a share of these bars. `gap_exits` are the run's own trades that left at an open beyond
their stop or target. What is refused has a row with the reason. `export_seconds` is the median time of the
command `mlstrat pine export` for the demo. `trial` is the newest window of a run with 100 + 100 trees and 16
LSTM units, with headlines; `largest` are the same with one size as large as fits a script, found by halving
intervals, and `limit` is what forbids one step more. `--quick` does it small, and exports the trial
instead of the demo. Tells its progress on stderr and ends with one JSON line.
"""

import argparse
import json
import math
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mlstrat.backtest import backtest
from mlstrat.config import RunConfig, load_config, parse_config, with_overrides
from mlstrat.data.bars import COLUMNS, PRICES, Bars
from mlstrat.data.sources import read_bars
from mlstrat.data.writing import write_bars
from mlstrat.errors import ConfigError, MlstratError
from mlstrat.execution.kernel import simulate
from mlstrat.execution.types import STOP, TARGET
from mlstrat.features.matrix import build
from mlstrat.parity.script.sentences import sentences
from mlstrat.parity.script.verifying import ScriptVerified, Watching, verify_script
from mlstrat.pine.exported import export_run
from mlstrat.pine.source import Mode
from mlstrat.walkforward import ATR_FEATURE

DEMO = Path(__file__).parents[1] / "backtests" / "demo.toml"
SAMPLES = ("sample:BTCUSDT_1h", "sample:ETHUSDT_1h")
FEATURES = [
    *("ret_1", "ret_5", "ret_20", "close_position", "rsi_14", "macd_hist", "bb_position", "atr_14"),
    *("donchian_position_20", "ema_50", "volume_ratio", "hour_sin", "hour_cos", "ret_std_20"),
]
MANY = ["kelly.shrink=off", "instrument.fee_share=0.0"]
KINDS = {
    "normal": [],
    "tight": ["stops.atr=0.6", "stops.target_atr=0.8", "stops.max_bars=4", *MANY],
    "gapping": MANY,
}
JUMP_EVERY, JUMP_ATR = 50, (0.5, 4.0)
TRAINING_SHARE = 0.4
# Fitted on a year, and tested on the last months that have headlines.
TRIAL = [
    *("data.end=2022-07-01", "splits.start=2022-04-01", "splits.max_windows=1", "kelly.shrink=off"),
    *("models.rf_n_estimators=100", "models.rf_max_depth=6", "models.rf_max_leaves=24"),
    *("models.gb_n_estimators=100", "models.gb_max_leaves=8", "models.lstm_units=16"),
    *("models.lstm_inputs=16", "models.characters=2"),
]
# What grows, from the trial's size to the largest that is tried, in steps.
GROWING = {
    ("rf_n_estimators", "gb_n_estimators"): range(100, 421, 10),
    ("rf_max_leaves",): range(24, 65, 2),
    ("lstm_units",): range(16, 65, 2),
}


@dataclass(frozen=True)
class Scale:
    """How much is done.

    Parameters
    ----------
    bars, windows : int
        Of each run, at most.
    samples, kinds : tuple of str
        Bundled bars, and kinds of trade.
    settings, trial : tuple of str
        Settings of all runs, and of the trial besides.
    demo : bool
        Whether the command exports the demo, instead of the trial.
    exports : int
        Commands that are timed.
    growing : dict
        Sizes that grow together, and how far.
    """

    bars: int
    windows: int
    samples: tuple[str, ...]
    kinds: tuple[str, ...]
    settings: tuple[str, ...]
    trial: tuple[str, ...]
    demo: bool
    exports: int
    growing: dict[tuple[str, ...], range]


SMALL_RUN = (
    *("jobs=1", "models.rf_n_estimators=5", "models.gb_n_estimators=5", "models.lstm_epochs=1"),
    *("models.rf_min_samples_leaf=20", 'features.names=["rsi_14", "ret_1"]'),
)
SMALL_WALK = (
    *("data.start=2021-08-01", "data.end=2021-11-01", "splits.training_days=45"),
    *("splits.start=2021-10-01", "splits.max_windows=1"),
)
FULL = Scale(13_000, 4, SAMPLES, tuple(KINDS), (), (), True, 3, GROWING)
QUICK = Scale(2_200, 1, SAMPLES[:1], ("gapping",), SMALL_RUN, SMALL_WALK, False, 1, {})


class Told(Watching):
    """A line on stderr for each stage of a verification."""

    def __init__(self, about: str) -> None:
        self.about = about

    def stage(self, text: str) -> None:
        tell(f"{self.about}: {text}")


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def gapping(bars: Bars, seed: int = 7) -> Bars:
    """Return the bars with jumps at every 50th open, up and down in turns of two, and without some bars."""
    random = np.random.default_rng(seed)
    atr = build(bars, [ATR_FEATURE]).column(ATR_FEATURE)
    at = np.arange(JUMP_EVERY, len(bars), JUMP_EVERY)
    # Of each two jumps one goes up and one down, so that the price does not wander off.
    signs = (random.choice([-1.0, 1.0], (len(at) + 1) // 2)[:, None] * [1.0, -1.0]).ravel()[: len(at)]
    jumps = np.zeros(len(bars))
    jumps[at] = signs * random.uniform(*JUMP_ATR, len(at)) * atr[at - 1]
    shift = np.round(np.cumsum(jumps) / bars.instrument.tick) * bars.instrument.tick
    place = np.arange(len(bars))
    # Single bars, and now and then more in a row than the breaker on stale data allows.
    kept = (place % 97 != 96) & (place % 1_000 < 995)
    moved = {name: np.round(getattr(bars, name) + shift, 8) for name in PRICES}
    columns = {"time": bars.time, "volume": bars.volume, **moved}
    return replace(bars, **{name: columns[name][kept] for name in ("time", *COLUMNS)})


def config_of(bars: Bars, path: Path, kind: str, scale: Scale) -> RunConfig:
    """Return a run whose first share of the bars is for training, and whose windows share the others."""
    days = float((bars.time[-1] - bars.time[0]) / np.timedelta64(1, "D"))
    content = {
        "data": {"bars": str(path)},
        "features": {"names": FEATURES},
        "splits": {
            "training_days": max(round(TRAINING_SHARE * days), 10),
            "retrain": max(round((1 - TRAINING_SHARE) * len(bars) / scale.windows), 1),
            "max_windows": scale.windows,
        },
        "models": {"profile": "pine"},
        "report": {"seeds": 1},
        # A calendar has no Pine form.
        "risk": {"stale_bars": 0} if bars.instrument.calendar else {},
    }
    return parse_config(with_overrides(content, [*KINDS[kind], *scale.settings]))


def verified(config: RunConfig, folder: Path, mode: Mode, about: str) -> ScriptVerified:
    """Run, export and verify."""
    tell(f"{about}: running")
    backtest(config, folder, engine="kernel")
    return verify_script(folder, export_run(folder, mode), watcher=Told(about))


def figures(found: ScriptVerified) -> dict[str, object]:
    measured = [case.measured for case in found.cases]
    bars = sum(one.bars for one in measured)
    told: dict[str, object] = {
        "charts": len(measured),
        "bars": bars,
        "bars_with_probability": sum(one.spoken for one in measured),
        "probability_error": worst(one.prob_up for one in measured),
        "signals_equal": sum(one.signals for one in measured) / bars,
        "trades": counted(
            sum(one.comparison.identical for one in measured), sum(one.comparison.total for one in measured)
        ),
        "size_error": worst(one.fraction for one in measured),
        "tokens": found.script.tokens,
        "bars_per_second": round(statistics.median(one.measured.bars / one.seconds for one in found.cases)),
        "identical": found.identical,
    }
    return told if found.identical else {**told, "told": sentences(found)}


def worst(sizes: Iterable[float]) -> float | None:
    """Return the largest size as JSON takes it."""
    size = max(sizes)
    return size if math.isfinite(size) else None


def counted(alike: int, of: int) -> str:
    return f"{alike} of {of}"


def gap_exits(found: ScriptVerified) -> int:
    """Count the run's trades that left at an open beyond their stop or target."""
    past = found.run.past
    decisions, rules = past.decisions, past.rules
    trades = simulate(past.bars, decisions, rules).trades
    priced = np.isin(trades.reason, (STOP, TARGET))
    stop, target = (levels[trades.signal_bar] for levels in (decisions.stop, decisions.target))
    level = np.where(trades.reason == STOP, stop, target)
    return int(np.sum(priced & (np.abs(trades.exit_price - level) > rules.tick / 2)))


def rows_of(source: str, place: Path, scale: Scale) -> list[dict[str, object]]:
    """Return a row for each kind of trade on a source of bars, or one row where the bars are refused."""
    try:
        bars = read_bars(source)
    except MlstratError as error:
        return [{"symbol": Path(source).stem, "kind": "", "refused": str(error)}]
    return [row_of(bars[-scale.bars :], kind, place, scale) for kind in scale.kinds]


def row_of(bars: Bars, kind: str, place: Path, scale: Scale) -> dict[str, object]:
    name = {"symbol": bars.symbol, "kind": kind}
    about = f"{bars.symbol} {kind}"
    folder = Path(tempfile.mkdtemp(dir=place))
    path = folder / f"{bars.symbol}_{bars.timeframe}.parquet"
    try:
        shown = gapping(bars) if kind == "gapping" else bars
        write_bars(shown, path)
        found = verified(config_of(shown, path, kind, scale), folder / "run", "replay", about)
    except MlstratError as error:
        tell(f"{about}: refused: {error}")
        return {**name, "refused": str(error)}
    return {**name, **figures(found), "gap_exits": gap_exits(found)}


def export_seconds(folder: Path, times: int) -> float:
    """Return the median time of the command, its start included."""
    command = [sys.executable, "-m", "mlstrat", "pine", "export", str(folder), "-o", str(folder) + ".pine"]
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def trial_config(scale: Scale, sizes: Mapping[str, int]) -> RunConfig:
    grown = [f"models.{name}={size}" for name, size in sizes.items()]
    return load_config(DEMO, [*TRIAL, *scale.settings, *scale.trial, *grown])


def largest(names: tuple[str, ...], sizes: range, place: Path) -> dict[str, object]:
    """Return the figures of the trial with the largest of the sizes that fits; the first one is the trial."""
    chosen, limit = dict.fromkeys(names, sizes[0]), ""
    low, high, folder = 0, len(sizes), place / "trial"
    while high - low > 1:
        middle = (low + high) // 2
        tried = dict.fromkeys(names, sizes[middle])
        tell(f"trial with {tried}: running")
        run = place / "_".join([*names, str(sizes[middle])])
        backtest(trial_config(FULL, tried), run, engine="kernel")
        try:
            export_run(run, "latest")
        except ConfigError as error:
            high, limit = middle, str(error)
        else:
            low, folder, chosen = middle, run, tried
    found = verify_script(folder, export_run(folder, "latest"), watcher=Told(f"trial with {chosen}"))
    return {**chosen, **figures(found), "limit": limit}


def totals(rows: Sequence[Mapping[str, Any]]) -> dict[str, object]:
    """Return the figures of all rows together."""
    made = [row for row in rows if "refused" not in row]
    if not made:
        return {}
    counts = [[int(count) for count in row["trades"].split(" of ")] for row in made]
    bars = [row["bars"] for row in made]
    largest = {
        name: worst(math.inf if row[name] is None else row[name] for row in made)
        for name in ("probability_error", "size_error")
    }
    return {
        **largest,
        "signals_equal": float(np.average([row["signals_equal"] for row in made], weights=bars)),
        "trades": counted(*map(sum, zip(*counts, strict=True))),
        "bars": sum(bars),
        "bars_per_second": round(statistics.median(row["bars_per_second"] for row in made)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bars", nargs="+", default=[], metavar="FILE", help="more bars")
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    scale = QUICK if asked.quick else FULL
    with tempfile.TemporaryDirectory(prefix="mlstrat-bench-") as name:
        place = Path(name)
        rows = [row for source in (*scale.samples, *asked.bars) for row in rows_of(source, place, scale)]
        trial = figures(verified(trial_config(scale, {}), place / "trial", "latest", "trial"))
        exported = place / "trial"
        if scale.demo:
            tell("demo: running")
            exported = backtest(load_config(DEMO), place / "demo", engine="kernel").folder
        seconds, demo = export_seconds(exported, scale.exports), export_run(exported)
        found = {
            **totals(rows),
            "export_seconds": round(seconds, 2),
            "demo": {"tokens": demo.tokens, "windows": demo.windows},
            "trial": trial,
            "largest": [largest(names, sizes, place) for names, sizes in scale.growing.items()],
            "rows": rows,
        }
    command = shlex.join(["python", "benchmarks/pine.py", *sys.argv[1:]])
    sys.stdout.write(json.dumps({**found, "command": command}, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
