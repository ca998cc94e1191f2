"""Every benchmark runs, small, and ends with one line of JSON; nothing here is timed."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
TINY_MODELS = '{"rf_n_estimators": 5, "gb_n_estimators": 5, "lstm_units": 2, "lstm_epochs": 1}'
TINY_WALK = ["--windows", "2", "--pair", "2", "--features", "8", "--days", "90", "--models", TINY_MODELS]
SMALL = {
    "noise": (["--walks", "1", "--jobs", "1"], {"walks", "bars_with_position"}),
    "parity": (["--quick"], {"parity"}),
    "models": (
        ["--bars", "2500", "--features", "10", "--walk", shlex.join(TINY_WALK)],
        {"window_vs_guide_recipe", "logloss_minus_base", "row_p50_us", "two_worker_speedup", "full_run_gib"},
    ),
    "pine": (
        ["--quick"],
        {"probability_error", "signals_equal", "trades", "size_error", "export_seconds", "demo", "trial"},
    ),
    "transfer": (
        ["--days", "60", "--windows", "2", "--features", "8", "--other-days", "60", "--models", TINY_MODELS],
        {"other_known_until", "rows"},
    ),
    "calibration": (
        ["--days", "60", "--windows", "2", "--features", "8", "--models", TINY_MODELS, "--jobs", "1"],
        {"rows"},
    ),
    "control": (
        ["--walks", "1", "--bars", "11000", "--profile", "pine", "--jobs", "1"],
        {"share_found_0.2", "noise_loss"},
    ),
    "walkforward": (
        TINY_WALK,
        {"two_worker_speedup", "full_run_s", "full_run_gib", "windows", "freqai_seconds_per_window"},
    ),
    "sweep": (
        ["--bars", "2500", "--columns", "20", "--many", "200", "--repeats", "1"],
        {
            "vs_vectorbt",
            "trades_identical",
            "backtrader_overhead",
            "growth_10x",
            "two_worker_speedup",
            "peak_gib_100k",
        },
    ),
    "truth": (
        ["--series", "3", "--columns", "50", "--bars", "6000", "--full-runs", "1", "--power-series", "2"],
        {
            "false_edge_share",
            "false_edge_full_runs",
            "power_at_reference",
            "power_curve",
            "seconds_sweep_500",
        },
    ),
    "sentiment": (
        ["--headlines", "300", "--million", "2000", "--chunk", "200", "--random", "200", "--repeats", "1"],
        {"vader"},
    ),
    "features": (
        ["--bars", "3000", "--large", "6000", "--stream", "12000", "--repeats", "1"],
        {"vs_talib", "stream_p50_us"},
    ),
}


def test_every_benchmark_is_covered():
    assert {path.stem for path in BENCHMARKS.glob("*.py")} == set(SMALL)


@pytest.mark.parametrize("name", SMALL)
def test_a_benchmark_ends_with_its_figures(name):
    options, keys = SMALL[name]
    done = subprocess.run(
        [sys.executable, BENCHMARKS / f"{name}.py", *options], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.strip().splitlines()[-1])
    assert keys | {"command"} <= set(figures)
    if name == "parity":
        for row in figures["parity"]:
            assert row["predictions_bit_identical"]
            for counted in (row["precomputed"], row["retrained_inside"]):
                alike, of, trades = counted.split()
                assert (alike, of) == (trades, "of")
