"""How good the probabilities of a run are out of sample, symbol by symbol.

    python benchmarks/calibration.py [--bars FILE ...] [--days 365] [--retrain quarter] [--windows N]

The run is that of `mlstrat backtest` without headlines: profile `full`, all features, each window on `--days`
of hourly bars; the default bars are the bundled BTCUSDT and ETHUSDT. Log losses in nats; `brier` is the mean
squared error, `calibration_error` the mean distance of forecast and outcome over 10 bins of equal count;
`base` is each window's share of rises. Intervals are 95 %, by the stationary block bootstrap: blocks of 24
bars or more, bins held as they are. A calibration error lies above 0 by chance alone: `by_chance` is its
mean over such blocks where every bin's mean miss is taken off, so that all is calibrated. Ends with one JSON
line.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.bootstrap import bootstrap_block, bootstrap_mean
from mlstrat.config import RunConfig, parse_config
from mlstrat.data.bars import Bars
from mlstrat.data.sources import read_bars
from mlstrat.features.lookup import resolve
from mlstrat.foldcache import FoldCache
from mlstrat.models.scores import log_losses
from mlstrat.pipeline import Run, load_panel, run_panel
from mlstrat.reports.numbers import RELIABILITY_BINS
from mlstrat.sentiment.align import neutral

SEED, SAMPLES = 7, 1000


def config_of(asked: argparse.Namespace) -> RunConfig:
    names = [f.name for f in resolve()][: asked.features] if asked.features else []
    splits = {"training_days": asked.days, "retrain": asked.retrain}
    if asked.windows:
        splits["max_windows"] = asked.windows
    content = {"features": {"names": names}, "splits": splits, "models": json.loads(asked.models)}
    return parse_config({"jobs": asked.jobs, **content})


def scored(made: Run) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Probability, outcome and base rate of the bars that were predicted and are resolved."""
    said, up = made.predictions, made.panel.labels.up
    rows = said.known & np.isfinite(said.prob_up) & np.isfinite(up)
    rates = {window.fold: window.base_rate for window in said.windows}
    return said.prob_up[rows], up[rows], np.array([rates[int(fold)] for fold in said.fold[rows]])


def bins_of(prob: FloatArray) -> IntArray:
    """The bin of equal count in which each forecast lies."""
    edges = np.quantile(prob, np.arange(1, RELIABILITY_BINS) / RELIABILITY_BINS)
    return np.searchsorted(edges, prob)


def calibration_error(miss: FloatArray, place: IntArray) -> float:
    """Mean over forecasts of the distance |mean forecast - share of rises| of their bin."""
    return float(np.abs(np.bincount(place, miss, RELIABILITY_BINS)).sum() / len(miss))


def drawn_rows(n: int, block: float, random: np.random.Generator) -> IntArray:
    """Rows of one stationary bootstrap sample (Politis and Romano 1994)."""
    begins = random.random(n) < 1.0 / block
    begins[0] = True
    start = random.integers(0, n, n)[begins][np.cumsum(begins) - 1]
    since = np.arange(n) - np.flatnonzero(begins)[np.cumsum(begins) - 1]
    return (start + since) % n


def by_chance(prob: FloatArray, up: FloatArray, place: IntArray, block: float) -> float:
    """The error of calibrated forecasts whose misses hang together in time as these do."""
    random, miss = np.random.default_rng(SEED), prob - up
    centred = miss - (np.bincount(place, miss) / np.bincount(place))[place]
    draws = [drawn_rows(len(miss), block, random) for _ in range(SAMPLES)]
    return float(np.mean([calibration_error(centred[rows], place[rows]) for rows in draws]))


def error_interval(prob: FloatArray, up: FloatArray, block: float) -> dict[str, object]:
    random, miss, place = np.random.default_rng(SEED), prob - up, bins_of(prob)
    draws = (drawn_rows(len(miss), block, random) for _ in range(SAMPLES))
    low, high = np.quantile([calibration_error(miss[rows], place[rows]) for rows in draws], [0.025, 0.975])
    told = [calibration_error(miss, place), float(low), float(high)]
    return {"calibration_error": rounded(told), "by_chance": round(by_chance(prob, up, place, block), 5)}


def rounded(values: list[float]) -> list[float]:
    return [round(value, 5) for value in values]


def interval(values: FloatArray, block: float) -> list[float]:
    found = bootstrap_mean(values, block, SEED)
    return rounded([found.estimate, found.low, found.high])


def measure(bars: Bars, config: RunConfig, cache: FoldCache | None) -> dict[str, object]:
    made = run_panel(load_panel(bars, neutral(bars), config), config, cache=cache)
    prob, up, base = scored(made)
    block = max(24.0, bootstrap_block(len(prob), config.labels.target_periods))
    losses, floor = log_losses(prob, up), log_losses(base, up)
    return {
        "symbol": bars.symbol,
        "windows": len(made.predictions.windows),
        "bars": len(prob),
        "from": str(bars.close_time[made.predictions.known][0])[:10],
        "block": block,
        "log_loss": interval(losses, block),
        "log_loss_minus_base": interval(losses - floor, block),
        "brier": interval((prob - up) ** 2, block),
        "brier_minus_base": interval((prob - up) ** 2 - (base - up) ** 2, block),
        **error_interval(prob, up, block),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bars", nargs="+", default=["sample:BTCUSDT_1h", "sample:ETHUSDT_1h"])
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--retrain", default="quarter")
    parser.add_argument("--windows", type=int, default=0, help="0 = as many as the bars allow")
    parser.add_argument("--features", type=int, default=0, help="0 = all")
    parser.add_argument("--models", default="{}", help="JSON of [models], such as a choice of maps")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--cache", type=Path, help="a folder that keeps fitted models for another call")
    asked = parser.parse_args()
    cache = FoldCache(asked.cache) if asked.cache else None
    rows = []
    for source in asked.bars:
        rows.append(measure(read_bars(source), config_of(asked), cache))
        for name, value in rows[-1].items():
            print(f"{name:20} {value}", flush=True)
    command = "python benchmarks/calibration.py " + " ".join(sys.argv[1:])
    print(json.dumps({"rows": rows, "command": command.strip()}))


if __name__ == "__main__":
    main()
