"""How often each sizing mode bets on nothing: the whole walk-forward on driftless random walks, with costs.

    python benchmarks/noise.py [--walks 100] [--jobs 2] [--errors 1,2,3]

A walk has 17,520 hourly bars with a standard deviation of 0.5 % (10,000 ticks) a bar and pays 4 basis
points a fill; four quarterly windows are predicted by the demo's models. Prints a row for each number of
standard errors taken off the estimate, and ends with one JSON line. `--errors` adds numbers besides those
of the three modes, which is how the figure for `strict` was found.
"""

import argparse
import json
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed

from mlstrat.config import RunConfig, parse_config
from mlstrat.data.synthetic import random_walk
from mlstrat.execution.kernel import simulate
from mlstrat.pipeline import load_panel
from mlstrat.sentiment.align import neutral
from mlstrat.signals.decide import decide
from mlstrat.signals.kelly import STANDARD_ERRORS, kelly_fraction
from mlstrat.signals.rule import signal_rules
from mlstrat.signals.terms import risk_rules
from mlstrat.walkforward import schedule_for, walk_forward

BARS, STEP_TICKS, FEE_SHARE = 17_520, 10_000.0, 0.0004
DEMO = Path(__file__).parents[1] / "backtests" / "demo.toml"


def demo_on_noise() -> RunConfig:
    """The demo's configuration without what belongs to its data."""
    content = tomllib.loads(DEMO.read_text())
    content["splits"].pop("start")
    del content["data"], content["sentiment"]
    return parse_config({**content, "jobs": 1, "instrument": {"fee_share": FEE_SHARE}})


def one_walk(seed: int, errors: list[float], config: RunConfig) -> list[tuple[float, float, int, float]]:
    """For each number: shares of bars with a position and with both sides positive, trades, mean trade."""
    bars = random_walk(BARS, seed, step_ticks=STEP_TICKS)
    bars = replace(bars, instrument=bars.instrument.with_facts(fee_share=FEE_SHARE))
    panel = load_panel(bars, neutral(bars), config)
    predictions = walk_forward(panel, schedule_for(bars, panel.features.ready, config), config)
    rows = []
    for count in errors:
        rules = signal_rules(config, bars.instrument.tick)._replace(standard_errors=count)
        decisions = decide(bars, predictions, panel.mood, panel.atr_px, config, rules)
        result = simulate(bars, decisions, risk_rules(config, bars))
        known = predictions.known
        held = float(np.mean(decisions.fraction[known] > 0))
        estimates = zip(predictions.win_prob, predictions.win_se, predictions.payoff, strict=True)
        both = [
            kelly_fraction(p[0], se[0], b[0], count) > 0 and kelly_fraction(p[1], se[1], b[1], count) > 0
            for (p, se, b), k in zip(estimates, known, strict=True)
            if k
        ]
        trades = result.trades
        mean = float(np.mean(trades.profit / (trades.units * trades.entry_price))) if len(trades) else 0.0
        rows.append((held, float(np.mean(both)), len(trades), mean))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--walks", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--errors", default="")
    given = parser.parse_args()
    extra = [float(text) for text in given.errors.split(",") if text]
    errors = sorted({*STANDARD_ERRORS.values(), *extra})
    config = demo_on_noise()
    walks = Parallel(n_jobs=given.jobs)(
        delayed(one_walk)(seed, errors, config) for seed in range(given.walks)
    )
    table = np.array(walks)  # (walks, errors, 4)
    print("standard errors  bars with a position  both sides positive  walks that trade  trades  mean (bp)")
    for k, count in enumerate(errors):
        held, both, trades = table[:, k, 0].mean(), table[:, k, 1].mean(), table[:, k, 2]
        mean = np.sum(table[:, k, 3] * trades) / max(trades.sum(), 1) * 1e4
        print(
            f"{count:15g}  {held:20.4%}  {both:19.4%}  {np.mean(trades > 0):16.1%}"
            f"  {trades.sum():6.0f}  {mean:.1f}"
        )
    shares = {mode: table[:, errors.index(count), 0].mean() for mode, count in STANDARD_ERRORS.items()}
    command = f"python benchmarks/noise.py --walks {given.walks}"
    print(json.dumps({"walks": given.walks, "bars_with_position": shares, "command": command}))


if __name__ == "__main__":
    main()
