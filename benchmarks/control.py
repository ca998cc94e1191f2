"""Does the ensemble find what is there, and nothing where nothing is? The whole walk-forward on made bars.

    python benchmarks/control.py [--walks 6] [--bars 26280] [--profile full]

Walks of hourly bars, standard deviation 0.4 % a bar, one bar ahead, every feature, yearly training windows.
Planted: the next bar rises with a known probability of 0.5 plus or minus an edge (`synthetic.planted`); the
share is the log loss won over the base rate, over what the true probability wins. Noise: the same walks
unchanged; the loss is the log loss less that of the base rate of each training window. Ends with one JSON
line: shares by edge, the noise loss of each walk and their mean, in nats.
"""

import argparse
import json

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.config import RunConfig, parse_config
from mlstrat.data.bars import Bars
from mlstrat.data.synthetic import planted, random_walk
from mlstrat.models.scores import log_losses
from mlstrat.pipeline import load_panel
from mlstrat.sentiment.align import neutral
from mlstrat.walkforward import schedule_for, walk_forward

EDGES = (0.05, 0.1, 0.2)
STEP_TICKS = 8000.0


def settings(profile: str, jobs: int) -> RunConfig:
    return parse_config({"jobs": jobs, "labels": {"target_periods": 1}, "models": {"profile": profile}})


def forecast(bars: Bars, config: RunConfig) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Out of sample: which bars, the probability that the next one rises, and the training base rate."""
    panel = load_panel(bars, neutral(bars), config)
    made = walk_forward(panel, schedule_for(bars, panel.features.ready, config), config)
    spoken = np.flatnonzero(made.known & np.isfinite(panel.labels.up))
    rates = {window.fold: window.base_rate for window in made.windows}
    base = np.array([rates[fold] for fold in made.fold[spoken]])
    return spoken, made.prob_up[spoken], base


def rises(bars: Bars) -> FloatArray:
    """1 where the bar after this one closes above its open."""
    return np.r_[(bars.close[1:] > bars.open[1:]).astype(float), np.nan]


def share_found(bars: Bars, edge: float, seed: int, config: RunConfig) -> float:
    turned, truth = planted(bars, seed, edge=edge)
    rows, prob, base = forecast(turned, config)
    up = rises(turned)[rows]
    lost = [float(log_losses(p, up).mean()) for p in (base, prob, truth[rows])]
    return (lost[0] - lost[1]) / (lost[0] - lost[2])


def noise_loss(bars: Bars, config: RunConfig) -> float:
    rows, prob, base = forecast(bars, config)
    up = rises(bars)[rows]
    return float(log_losses(prob, up).mean() - log_losses(base, up).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--walks", type=int, default=6)
    parser.add_argument("--bars", type=int, default=26_280)
    parser.add_argument("--profile", choices=("full", "pine"), default="full")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    config = settings(given.profile, given.jobs)
    walks = [random_walk(given.bars, seed, step_ticks=STEP_TICKS) for seed in range(given.walks)]
    noise = [noise_loss(bars, config) for bars in walks]
    shares = {
        edge: [share_found(bars, edge, 100 + k, config) for k, bars in enumerate(walks)] for edge in EDGES
    }
    print(
        json.dumps(
            {
                **{
                    f"share_found_{edge:g}": round(float(np.mean(found)), 3) for edge, found in shares.items()
                },
                "noise_loss": round(float(np.mean(noise)), 5),
                "noise_losses": [round(loss, 5) for loss in noise],
                "walks": given.walks,
                "bars": given.bars,
                "profile": given.profile,
                "command": f"python benchmarks/control.py --walks {given.walks} --bars {given.bars} "
                f"--profile {given.profile}",
            }
        )
    )


if __name__ == "__main__":
    main()
