"""A whole walk-forward: how much two workers gain, what a full run costs, and what the cache saves.

    python benchmarks/walkforward.py [--windows 60] [--pair 8] [--features 0] [--retrain month]

Rolling windows of a year of hourly BTCUSDT bars with all features and profile `full`, 60 monthly fits where
the sample has them. `full_run_s` and `full_run_gib` are wall time and memory of the whole run with two
workers, features and decisions included; memory is the peak of this process plus twice that of its largest
worker, so what they share counts thrice.
`two_worker_speedup` is the time of `pair` windows with one worker over that with two, in this process run
and one after the other; nothing is cached. `cached_window_ms` is what a window costs whose models are in
the cache, `odds_ms` what of that odds and thresholds cost, `key_ms` the hash of its inputs.
`freqai_seconds_per_window` is null: FreqAI is not installable beside the pinned libraries, so there is no
figure of the same machine to stand beside ours. Ends with one JSON line.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from mlstrat.config import RunConfig, parse_config
from mlstrat.data import samples
from mlstrat.features.lookup import resolve
from mlstrat.foldcache import FoldCache, fold_key
from mlstrat.pipeline import load_panel, run_panel
from mlstrat.sentiment.align import neutral
from mlstrat.walkforward import schedule_for
from mlstrat.window import Panel, window_of

GIB = 2**30


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


def peak_gib() -> float:
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=True)  # a worker's memory is counted once it has ended
    unit = 1 if sys.platform == "darwin" else 1024
    own, worker = (
        resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return (own + 2 * worker) * unit / GIB


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
    parser.add_argument("--windows", type=int, default=60)
    parser.add_argument("--pair", type=int, default=8)
    parser.add_argument("--features", type=int, default=0, help="0 = all")
    parser.add_argument("--retrain", default="month")
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--models", default="{}", help="JSON of [models], for a small run")
    asked = parser.parse_args()
    bars = samples.load_bars("BTCUSDT_1h")
    begun = time.perf_counter()
    whole = config_of(asked, asked.windows, 2)
    panel = load_panel(bars, neutral(bars), whole)
    features_s = time.perf_counter() - begun
    full_run_s = features_s + seconds(panel, whole)
    peak = peak_gib()
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
    }
    rounded = {name: round(value, 3) for name, value in figures.items()}
    command = "python benchmarks/walkforward.py " + " ".join(sys.argv[1:])
    sys.stdout.write(
        json.dumps({**rounded, "freqai_seconds_per_window": None, "command": command.strip()}) + "\n"
    )


if __name__ == "__main__":
    main()
