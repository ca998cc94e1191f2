"""One training window: the ensemble against the recipe that a reader of a tutorial would write.

    python benchmarks/models.py [--bars 8760] [--features 100] [--walk "OPTIONS"]

Ours is `fit_ensemble` with profile `full`: bins, forest, booster and LSTM fitted before the purged tail,
stacked and calibrated there, then fitted again on the whole window. The recipe is, on the same bars and
features, RandomForestClassifier (200 trees, depth 8), GradientBoostingRegressor (100 trees) and a PyTorch
LSTM (32 units, 10 epochs, batches of 32) on stacked 24-bar windows; its probability is the forest's. One
thread each, in one process, after a small fit of either that loads libraries and compiled functions.

Both forecast the quarter of the window's length that follows it, by hourly BTCUSDT bars, 5 bars ahead. Log
losses are in nats; `base` is the window's share of rises. The intervals are of the paired difference, 95 %,
by block bootstrap (24 bars). `row_p50_us` is one call of `predict_row` from a finished feature row, in
microseconds. The figures of a whole walk-forward, from benchmarks/walkforward.py with the options given by
--walk, stand beside these. Ends with one JSON line.
"""

import argparse
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from mlstrat.arrays import FloatArray
from mlstrat.bootstrap import bootstrap_mean
from mlstrat.config import ModelsConfig
from mlstrat.data import samples
from mlstrat.features.matrix import build
from mlstrat.labels import horizon_labels
from mlstrat.models.ensemble import PROB_UP, EnsembleArrays, predict_block, predict_row, start_state
from mlstrat.models.fitting import fit_ensemble
from mlstrat.models.sample import Sample
from mlstrat.models.scores import base_rate_log_loss, log_loss, log_losses
from mlstrat.splits import purge

HORIZON, EMBARGO, CALIBRATION_SHARE, SEED = 5, 5, 0.3, 7
STACKED, UNITS, EPOCHS, BATCH = 24, 32, 10, 32
BLOCK = 24.0
T = TypeVar("T")


def window_of(bars_wanted: int, features_wanted: int) -> tuple[Sample, np.ndarray]:
    """The sample of one window, and the bars after it."""
    bars = samples.load_bars("BTCUSDT_1h")
    matrix = build(bars)
    if features_wanted > len(matrix.names):
        raise SystemExit(f"there are {len(matrix.names)} features: give --features at most that.")
    labels = horizon_labels(bars, HORIZON)
    known = int(np.isfinite(labels.ret).sum())
    begin = known - bars_wanted // 4
    first = begin - bars_wanted
    if first < matrix.ready:
        raise SystemExit(f"the sample has {known - matrix.ready} usable bars: give fewer --bars.")
    cut = bars.close_time[begin - EMBARGO]
    sample = Sample(
        x=np.array(matrix.values[:, :features_wanted]),
        ret=labels.ret,
        up=labels.up,
        resolved_at=labels.resolved_at,
        close_time=bars.close_time,
        first=first,
        train=purge(np.arange(first, begin), labels.resolved_at, cut),
        overlap=float(HORIZON),
        embargo=EMBARGO,
    )
    return sample, np.arange(begin, known)


def ours(sample: Sample) -> EnsembleArrays:
    return fit_ensemble(sample, ModelsConfig(), CALIBRATION_SHARE, (SEED, SEED + 1, SEED + 2))[0]


def recipe(sample: Sample, test: np.ndarray) -> tuple[FloatArray, dict[str, float]]:
    """Probability of a rise on the test bars, and the seconds of each fit."""
    from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier

    x, ret, up = sample.x[sample.train], sample.ret[sample.train], sample.up[sample.train]
    forest = RandomForestClassifier(200, max_depth=8, n_jobs=1, random_state=SEED)
    booster = GradientBoostingRegressor(n_estimators=100, random_state=SEED)
    seconds = {
        "forest": timed(lambda: forest.fit(x, up > 0.5))[1],
        "boosting": timed(lambda: booster.fit(x, ret))[1],
        "lstm": timed(lambda: fit_stacked_lstm(x, ret))[1],
    }
    return forest.predict_proba(sample.x[test])[:, 1], seconds


def fit_stacked_lstm(x: FloatArray, ret: FloatArray) -> object:
    import torch

    torch.manual_seed(SEED)
    spread = x.std(axis=0)
    scaled = ((x - x.mean(axis=0)) / np.where(spread > 0, spread, 1.0)).astype(np.float32)
    stacked = np.lib.stride_tricks.sliding_window_view(scaled, STACKED, axis=0).swapaxes(1, 2)
    inputs = torch.from_numpy(np.ascontiguousarray(stacked))
    wanted = torch.from_numpy((ret[STACKED - 1 :] / ret.std()).astype(np.float32))
    net, head = torch.nn.LSTM(x.shape[1], UNITS, batch_first=True), torch.nn.Linear(UNITS, 1)
    optimiser = torch.optim.Adam([*net.parameters(), *head.parameters()])
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(inputs)).split(BATCH):
            loss = ((head(net(inputs[rows])[0][:, -1])[:, 0] - wanted[rows]) ** 2).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return net, head


def timed(call: Callable[[], T]) -> tuple[T, float]:
    began = time.perf_counter()
    made = call()
    return made, time.perf_counter() - began


def row_p50_us(sample: Sample, test: np.ndarray, ensemble: EnsembleArrays) -> float:
    state, out, took = start_state(ensemble.models), np.empty(5), []
    for row in sample.x[test]:
        began = time.perf_counter_ns()
        predict_row(row, state, ensemble, out)
        took.append(time.perf_counter_ns() - began)
    return float(np.median(took)) / 1e3


def measure(sample: Sample, test: np.ndarray) -> dict[str, object]:
    ensemble, window_s = timed(lambda: ours(sample))
    theirs, recipe_s = recipe(sample, test)
    rows = slice(sample.first, int(test[-1]) + 1)
    block = predict_block(sample.x[rows], start_state(ensemble.models), ensemble)
    prob, up = block[test - sample.first, PROB_UP], sample.up[test]
    base = np.full(len(test), sample.up[sample.train].mean())
    against = {
        name: bootstrap_mean(log_losses(prob, up) - log_losses(other, up), BLOCK, SEED)
        for name, other in (("recipe", theirs), ("base", base))
    }
    return {
        "window_vs_guide_recipe": round(sum(recipe_s.values()) / window_s, 1),
        "window_s": round(window_s, 2),
        "recipe_s": {name: round(seconds, 1) for name, seconds in recipe_s.items()},
        "logloss": round(log_loss(prob, up), 5),
        "logloss_recipe": round(log_loss(theirs, up), 5),
        "logloss_base": round(base_rate_log_loss(base, up), 5),
        "logloss_minus_recipe": round(against["recipe"].estimate, 5),
        "logloss_minus_recipe_95": [round(against["recipe"].low, 5), round(against["recipe"].high, 5)],
        "logloss_minus_base": round(against["base"].estimate, 5),
        "logloss_minus_base_95": [round(against["base"].low, 5), round(against["base"].high, 5)],
        "row_p50_us": round(row_p50_us(sample, test, ensemble), 1),
    }


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bars", type=int, default=8760)
    parser.add_argument("--features", type=int, default=100)
    parser.add_argument(
        "--walk", default="", help="options of benchmarks/walkforward.py, such as '--bars FILE'"
    )
    given = parser.parse_args()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        measure(*window_of(1200, 5))
        found = measure(*window_of(given.bars, given.features))
    options = ["--bars", str(given.bars), "--features", str(given.features), "--walk", given.walk]
    command = "python benchmarks/models.py " + shlex.join(options)
    whole = walk(shlex.split(given.walk))
    print(json.dumps({**found, "bars": given.bars, "features": given.features, **whole, "command": command}))


def walk(options: list[str]) -> dict[str, object]:
    """Return the figures of a whole walk-forward, from a process of its own."""
    script = [sys.executable, str(Path(__file__).with_name("walkforward.py"))]
    done = subprocess.run([*script, *options], check=True, capture_output=True, text=True)
    told = json.loads(done.stdout.splitlines()[-1])
    names = ("two_worker_speedup", "full_run_s", "full_run_gib", "freqai_seconds_per_window")
    return {name: told[name] for name in ("windows", *names, "freqai_size_run_s", "lightgbm_window_s")}


if __name__ == "__main__":
    main()
