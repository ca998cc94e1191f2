"""Trade for trade: the kernel against Backtrader and vectorbt on real bars, and retraining inside Backtrader.

    python benchmarks/parity.py [--quick]

Runs the demo's configuration on BTCUSDT and ETHUSDT with the configured stops and with tight ones (0.3 and
0.4 ATR; without fees, which would leave few trades), counts identical trades as `mlstrat verify` does, and
compares predictions made inside Backtrader with those of the batch, bit for bit. `--quick`
takes the last two windows only. Ends with one JSON line.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from mlstrat.config import RunConfig, load_config
from mlstrat.engines import ENGINES, on_backtrader
from mlstrat.execution.types import Result
from mlstrat.parity import compare as parity
from mlstrat.pipeline import Run, run
from mlstrat.signals.terms import risk_rules

DEMO = Path(__file__).parents[1] / "backtests" / "demo.toml"
STOPS = {"normal": [], "tight": ["stops.atr=0.3", "stops.target_atr=0.4", "instrument.fee_share=0.0"]}
FORECAST = ("prob_up", "magnitude", "votes", "score", "win_prob", "win_se", "payoff", "threshold", "fold")


def counted(found: parity.Comparison) -> str:
    return f"{found.identical} of {found.total}"


def retrained(made: Run) -> tuple[bool, Result]:
    """Run the same configuration inside Backtrader: are the predictions the same bits, and the result."""
    bars, config = made.panel.bars, made.config
    cerebro = on_backtrader.cerebro_for(bars, risk_rules(config, bars), stdstats=False)
    cerebro.addstrategy(on_backtrader.MLStrategy, config=config, mood=made.panel.mood, retrain=True)
    (strategy,) = cerebro.run()
    inside = strategy.advisor.predictions
    same = all(
        np.array_equal(getattr(inside, name), getattr(made.predictions, name), equal_nan=True)
        for name in FORECAST
    )
    return same, strategy.result


def compare(symbol: str, stops: str, overrides: list[str]) -> dict[str, object]:
    config: RunConfig = load_config(
        DEMO, [f"data.bars=sample:{symbol}_1h", "kelly.shrink=off", *STOPS[stops], *overrides]
    )
    made = run(config, engine="kernel")
    began = time.perf_counter()
    precomputed = on_backtrader.run(made.panel.bars, made.decisions, made.result.rules)
    seconds = time.perf_counter() - began
    bars, vectorbt = made.panel.bars, ENGINES["vectorbt"]
    ours = parity.compare(made.result, precomputed, bars)
    other = vectorbt.run(bars, made.decisions, made.result.rules) if vectorbt.missing is None else None
    same, inside = retrained(made)
    row = {
        "symbol": symbol,
        "stops": stops,
        "precomputed": counted(ours),
        "retrained_inside": counted(parity.compare(made.result, inside, bars)),
        "vectorbt": counted(parity.compare(made.result, other, bars)) if other else "not installed",
        "predictions_bit_identical": same,
        "predicted_bars": int(made.predictions.known.sum()),
        "largest_equity_difference": ours.equity,
        "backtrader_s": round(seconds, 2),
    }
    print(row, flush=True)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    overrides = ["splits.max_windows=2", "splits.scheme=rolling"] if quick else []
    rows = [compare(symbol, stops, overrides) for symbol in ("BTCUSDT", "ETHUSDT") for stops in STOPS]
    print(json.dumps({"parity": rows, "command": "python benchmarks/parity.py" + " --quick" * quick}))


if __name__ == "__main__":
    main()
