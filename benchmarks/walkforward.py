"""A whole walk-forward: how much two workers gain, what a full run costs, and what the cache saves.

    python benchmarks/walkforward.py [--bars FILE] [--windows 60] [--pair 8] [--features 0] [--retrain month]

Rolling windows of a year of hourly bars with all features and profile `full`, 60 monthly fits where the bars
(by default the sample of BTCUSDT) have them. `full_run_s` and `full_run_gib` are wall time and memory of the
whole run with two workers, features and decisions included; memory is the largest sum, looked at ten times a
second, of what this process and its workers hold, pages that they share divided among them (PSS of Linux).
`two_worker_speedup` is the time of `pair` windows with one worker over that with two, in this process run
and one after the other; nothing is cached. `cached_window_ms` is what a window costs whose models are in
the cache, `odds_ms` what of that odds and thresholds cost, `key_ms` the hash of its inputs.
FreqAI is not installable beside the pinned libraries, so `freqai_seconds_per_window` is null. What it fits a
window, one LightGBM of 83 features on 7,879 rows, is timed alone (`lightgbm_window_s`), and a run of ours of
the same size, 14 monthly windows of all three models, stack, odds and forecasts, beside it
(`freqai_size_run_s`). Ends with one JSON line.
"""

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

from mlstrat.config import RunConfig, parse_config
from mlstrat.data.bars import Bars
from mlstrat.data.sources import read_bars
from mlstrat.features.lookup import resolve
from mlstrat.foldcache import FoldCache, fold_key
from mlstrat.panel import Panel
from mlstrat.pipeline import load_panel, run_panel
from mlstrat.sentiment.align import neutral
from mlstrat.walkforward import schedule_for
from mlstrat.window import window_of

GIB = 2**30
FREQAI = {"windows": 14, "features": 83, "days": 7879 / 24}


def config_of(asked: argparse.Namespace, windows: int, jobs: int) -> RunConfig:
    names = [f.name for f in resolve()][: asked.features] if asked.features else []
    return parse_config(
        {
            "jobs": jobs,
            "features": {"names": names},
            "splits": {"training_days": asked.days, "retrain": asked.retrain, "max_windows": windows},
            "models": json.loads(asked.models),
        }
    )


def seconds(panel: Panel, config: RunConfig, cache: FoldCache | None = None) -> float:
    begun = time.perf_counter()
    run_panel(panel, config, cache=cache)
    return time.perf_counter() - begun


class Memory(threading.Thread):
    """Watches how much this process and its children hold together."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak, self.over = 0, threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.1):
            self.peak = max(self.peak, held("self") + sum(held(child) for child in children()))

    def gib(self) -> float:
        self.over.set()
        self.join()
        return self.peak / GIB


def children() -> list[str]:
    return Path("/proc/self/task").joinpath(str(os.getpid()), "children").read_text().split()


def held(process: str) -> int:
    try:
        lines = Path("/proc", process, "smaps_rollup").read_text().splitlines()
    except OSError:  # it has just ended
        return 0
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def lightgbm_window_s(panel: Panel, rows: int, features: int) -> float | None:
    try:
        from lightgbm import LGBMRegressor
    except ImportError:
        return None
    first = panel.features.ready
    x, y = panel.features.values[first : first + rows, :features], panel.labels.ret[first : first + rows]
    begun = time.perf_counter()
    LGBMRegressor(n_jobs=2, verbose=-1).fit(x, y)
    return time.perf_counter() - begun


def freqai_size(bars: Bars, asked: argparse.Namespace) -> dict[str, float | None]:
    """Return our run of FreqAI's size, and what its own model costs."""
    windows, features = (min(FREQAI[name], getattr(asked, name) or 1e9) for name in ("windows", "features"))
    days = min(FREQAI["days"], asked.days)
    given = {**vars(asked), "features": int(features), "days": round(days)}
    config = config_of(argparse.Namespace(**given), int(windows), 2)
    panel = load_panel(bars, neutral(bars), config)
    taken = seconds(panel, config)
    return {
        "freqai_size_run_s": taken,
        "lightgbm_window_s": lightgbm_window_s(panel, int(days * 24), int(features)),
    }


def cache_figures(panel: Panel, config: RunConfig) -> dict[str, float]:
    schedule = schedule_for(panel.bars, panel.features.ready, config)
    times = panel.bars.close_time, panel.labels.resolved_at, panel.features.ready
    fold = schedule.fold(len(schedule) - 1, *times)
    with tempfile.TemporaryDirectory() as place:
        cache = FoldCache(Path(place))
        seconds(panel, config, cache)
        warm = min(seconds(panel, config, cache) for _ in range(2)) / len(schedule)
        begun = time.perf_counter()
        models = cache.load(fold_key(panel, fold, config), fold, len(panel.features.names))
        keyed = time.perf_counter() - begun
        begun = time.perf_counter()
        window_of(panel, fold, schedule.end, config, models)
        odds = time.perf_counter() - begun
    return {"cached_window_ms": warm * 1e3, "key_and_load_ms": keyed * 1e3, "odds_ms": odds * 1e3}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bars", default="sample:BTCUSDT_1h")
    parser.add_argument("--windows", type=int, default=60)
    parser.add_argument("--pair", type=int, default=8)
    parser.add_argument("--features", type=int, default=0, help="0 = all")
    parser.add_argument("--retrain", default="month")
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--models", default="{}", help="JSON of [models], for a small run")
    asked = parser.parse_args()
    bars = read_bars(asked.bars)
    memory = Memory()
    memory.start()
    begun = time.perf_counter()
    whole = config_of(asked, asked.windows, 2)
    panel = load_panel(bars, neutral(bars), whole)
    features_s = time.perf_counter() - begun
    full_run_s = features_s + seconds(panel, whole)
    peak = memory.gib()
    pair = [config_of(asked, asked.pair, jobs) for jobs in (1, 2)]
    for config in (config_of(asked, 1, 1), config_of(asked, 2, 2)):
        run_panel(panel, config)  # loads libraries and compiled functions, here and in the workers
    one, two = (seconds(panel, config) for config in pair)
    figures = {
        "windows": len(schedule_for(bars, panel.features.ready, whole)),
        "features": len(panel.features.names),
        "full_run_s": full_run_s,
        "full_run_gib": peak,
        "two_worker_speedup": one / two,
        "seconds_per_window": one / asked.pair,
        **cache_figures(panel, config_of(asked, min(asked.pair, 4), 2)),
        **freqai_size(bars, asked),
    }
    rounded = {name: value and round(value, 3) for name, value in figures.items()}
    command = "python benchmarks/walkforward.py " + " ".join(sys.argv[1:])
    sys.stdout.write(
        json.dumps({**rounded, "freqai_seconds_per_window": None, "command": command.strip()}) + "\n"
    )


if __name__ == "__main__":
    main()
