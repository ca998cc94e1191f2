"""A short history with and without another symbol's model to start from, out of sample.

    python benchmarks/transfer.py [--bars FILE] [--other FILE] [--days 60,120] [--windows N] [--seed S]

`--other` is the symbol with the long history (default: the bundled BTCUSDT), `--bars` the one with the short
(default: the bundled ETHUSDT). One model is fitted on a year of the other's bars, so early that it has seen
no bar on which the first window is calibrated, and every window of the run with `models.transfer` starts
from it. Windows are fitted every month on so many `--days`, all from the same date on.

Log losses are in nats a bar. `ensemble` is the whole, `lstm` its LSTM alone: one logistic map of its vote,
fitted on the calibration tail. Differences to the base rate, and of the run with the start to the run
without (`gained` below 0 = better), have 95 % intervals by the paired stationary block bootstrap. Ends with
one JSON line.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.bootstrap import bootstrap_block, bootstrap_mean
from mlstrat.capsule import save
from mlstrat.config import RunConfig, parse_config
from mlstrat.data.bars import Bars
from mlstrat.data.sources import read_bars
from mlstrat.features.lookup import resolve
from mlstrat.live import train
from mlstrat.logistic import fit_slopes, logit, sigmoid
from mlstrat.models.ensemble import LSTM, PROB_UP, advance_block, predict_block
from mlstrat.models.scores import log_losses
from mlstrat.panel import Panel
from mlstrat.pipeline import load_panel
from mlstrat.sentiment.align import neutral
from mlstrat.splits import Fold
from mlstrat.walkforward import schedule_for
from mlstrat.window import FittedModels, fit_models

WARM_DAYS = 45  # bars before the slowest feature has a value, and what lies between labels and cuts
MONTH = np.timedelta64(1, "M")


class Losses(NamedTuple):
    """Log losses (n_bars,) of a run: of the whole, of the LSTM alone, of the base rate."""

    ensemble: FloatArray
    lstm: FloatArray
    base: FloatArray


def day(moment: np.datetime64) -> np.datetime64:
    return moment.astype("datetime64[D]")


def first_start(bars: Bars, other: Bars, days: Iterable[int], other_days: int) -> np.datetime64:
    """The first month that has a window of every length, and before its tail a model of the other."""
    longest = max(days)
    ready = day(bars.time[0]) + longest + WARM_DAYS
    known = day(other.time[0]) + other_days + WARM_DAYS + longest // 2
    return (max(ready, known).astype("datetime64[M]") + MONTH).astype("datetime64[D]")


def config_of(asked: argparse.Namespace, days: int, start: np.datetime64, transfer: str = "") -> RunConfig:
    names = [f.name for f in resolve()][: asked.features] if asked.features else []
    splits = {"training_days": days, "retrain": "month", "start": str(start)}
    if asked.windows:
        splits["max_windows"] = asked.windows
    models = {**json.loads(asked.models), "transfer": transfer}
    return parse_config(
        {"seed": asked.seed, "features": {"names": names}, "splits": splits, "models": models}
    )


def fit_other(asked: argparse.Namespace, start: np.datetime64, longest: int, place: Path) -> str:
    """Fit the model to start from, and return the moment until which it knows anything."""
    until = start - int(np.ceil(0.3 * longest)) - 3
    bars = read_bars(asked.other, end=str(until))
    config = config_of(asked, asked.other_days, start)
    capsule = train(load_panel(bars, neutral(bars), config), config)
    save(capsule, place)
    return str(capsule.window.cut.astype("datetime64[m]"))


def lstm_alone(panel: Panel, fold: Fold, models: FittedModels, votes: FloatArray, horizon: int) -> FloatArray:
    """The probability of a rise by the LSTM's vote, mapped as it stood on the calibration tail."""
    tail, offset = models.inner.block[:, LSTM], float(logit(panel.labels.up[fold.train].mean()))
    centre, spread = tail.mean(), tail.std() or 1.0
    known = panel.labels.up[models.inner.rows]
    (slope,) = fit_slopes(((tail - centre) / spread)[:, None], known, offset, float(horizon))
    return sigmoid(offset + slope * (votes - centre) / spread)


def one_window(panel: Panel, fold: Fold, config: RunConfig) -> Losses:
    models = fit_models(panel, fold, config)
    x, begin, state = panel.features.values, int(fold.test[0]), models.state.copy()
    advance_block(x[int(fold.train[-1]) + 1 : begin], state, models.ensemble)
    block = predict_block(x[begin : int(fold.test[-1]) + 1], state, models.ensemble)
    alone = lstm_alone(panel, fold, models, block[:, LSTM], config.labels.target_periods)
    up, base = panel.labels.up[fold.test], np.full(len(fold.test), panel.labels.up[fold.train].mean())
    known = np.isfinite(up)
    return Losses(*(log_losses(prob[known], up[known]) for prob in (block[:, PROB_UP], alone, base)))


def losses(panel: Panel, config: RunConfig, jobs: int) -> tuple[Losses, int]:
    """The losses of every window on end, and how many windows there are."""
    from joblib import Parallel, delayed

    schedule = schedule_for(panel.bars, panel.features.ready, config)
    known = panel.bars.close_time, panel.labels.resolved_at, panel.features.ready
    folds = [fold for fold in (schedule.fold(k, *known) for k in range(len(schedule))) if len(fold.test)]
    parts = Parallel(n_jobs=jobs)(delayed(one_window)(panel, fold, config) for fold in folds)
    return Losses(*(np.concatenate(column) for column in zip(*parts, strict=True))), len(folds)


def interval(values: FloatArray, horizon: int) -> list[float]:
    found = bootstrap_mean(values, bootstrap_block(len(values), horizon), seed=7)
    return [round(value, 5) for value in (found.estimate, found.low, found.high)]


def compare(bars: Bars, asked: argparse.Namespace, days: int, start: np.datetime64, place: str) -> dict:
    begun = config_of(asked, days, start, place)
    panel, horizon = load_panel(bars, neutral(bars), begun), begun.labels.target_periods
    with_start, windows = losses(panel, begun, asked.jobs)
    without, _ = losses(replace(panel, start=None), config_of(asked, days, start), asked.jobs)
    rows = {"days": days, "windows": windows, "bars": len(without.base)}
    rows["base"] = round(float(without.base.mean()), 5)
    for name in ("lstm", "ensemble"):
        own, other = getattr(without, name), getattr(with_start, name)
        rows[name] = {
            "without_minus_base": interval(own - without.base, horizon),
            "with_minus_base": interval(other - with_start.base, horizon),
            "gained": interval(other - own, horizon),
        }
    return rows


def show(row: dict) -> None:
    for name in ("lstm", "ensemble"):
        told = "  ".join(f"{key} {low:+.5f} [{a:+.5f}, {b:+.5f}]" for key, (low, a, b) in row[name].items())
        print(f"{row['days']} days, {row['windows']} windows, {name}: {told}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bars", default="sample:ETHUSDT_1h")
    parser.add_argument("--other", default="sample:BTCUSDT_1h")
    parser.add_argument("--days", default="60,120")
    parser.add_argument("--other-days", type=int, default=365)
    parser.add_argument("--start", default="", help="first day out of sample; else the first month possible")
    parser.add_argument("--windows", type=int, default=0, help="0 = to the end of the bars")
    parser.add_argument("--features", type=int, default=0, help="0 = all")
    parser.add_argument("--models", default="{}", help="JSON of [models], for a small run")
    parser.add_argument("--seed", type=int, default=7, help="of the models; the figures move with it")
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args()
    days = [int(text) for text in asked.days.split(",")]
    bars, other = read_bars(asked.bars), read_bars(asked.other)
    start = (
        np.datetime64(asked.start, "D") if asked.start else first_start(bars, other, days, asked.other_days)
    )
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "other.capsule"
        known = fit_other(asked, start, max(days), place)
        rows = []
        for count in days:
            rows.append(compare(bars, asked, count, start, str(place)))
            show(rows[-1])
    told = {"symbol": bars.symbol, "other": other.symbol, "other_known_until": known, "start": str(start)}
    command = "python benchmarks/transfer.py " + " ".join(sys.argv[1:])
    print(json.dumps({**told, "rows": rows, "command": command.strip()}))


if __name__ == "__main__":
    main()
