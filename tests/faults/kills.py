"""Kills a run at many moments, lets it go on, and compares its files with those of a run left alone.

    python tests/faults/kills.py [--kills 40] [--jobs 2]

Each kill is SIGKILL to the run and its workers, at a moment drawn from the time that a whole run takes. The
same command then goes on in the same folder and is killed again; a run that was finished is begun in a new
folder, half of the time beside the cache of the one before. Ends with one JSON line.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUN = """
name = "killed"
jobs = {jobs}
[data]
bars = "sample:BTCUSDT_1h"
start = "2023-01-01"
end = "2024-01-01"
[features]
names = ["ret_1", "ret_5", "rsi_14", "bb_position", "atr_14", "volume_ratio"]
[splits]
training_days = 120
retrain = "month"
[models]
bins = 15
rf_n_estimators = 40
gb_n_estimators = 20
lstm_units = 4
lstm_epochs = 4
[signals]
threshold = 0.5
[kelly]
shrink = "off"
[report]
seeds = 1
"""
HASHES = ("predictions_sha256", "decisions_sha256", "trades_sha256", "windows")
FILES = (
    "predictions.parquet",
    "decisions.parquet",
    "trades.csv",
    "purged.csv",
    "report.html",
    "metrics.json",
)


def start(toml: Path, folder: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "mlstrat", "backtest", str(toml), "--out", str(folder)]
    return subprocess.Popen(
        [*command, "--engine", "kernel"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def finish(toml: Path, folder: Path) -> dict:
    """Run to the end and return the manifest."""
    process = start(toml, folder)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output.decode()
    return json.loads((folder / "manifest.json").read_text())


def kill(process: subprocess.Popen, workers: bool = True) -> bool:
    """Kill a run; False where it had already ended."""
    if process.poll() is None:
        (os.killpg if workers else os.kill)(process.pid, signal.SIGKILL)
    process.wait()  # and not for its pipe, which workers that outlive it hold open
    return process.returncode == -signal.SIGKILL


def same(one: Path, other: Path) -> bool:
    """Whether two finished runs wrote the same bytes."""
    then, now = (json.loads((folder / "manifest.json").read_text()) for folder in (one, other))
    return all(then[name] == now[name] for name in HASHES) and all(
        (one / name).read_bytes() == (other / name).read_bytes() for name in FILES
    )


def killed_again_and_again(place: Path, kills: int, jobs: int, seed: int = 0) -> dict[str, object]:
    """Kill so many times; what came of it, as figures."""
    draw, toml = random.Random(seed), place / "run.toml"
    toml.write_text(RUN.format(jobs=jobs))
    begun = time.monotonic()
    finish(toml, place / "alone" / "run")
    whole = time.monotonic() - begun
    landed = begun_again = identical = ended = 0
    folder = place / "0" / "run"
    while landed < kills:
        process = start(toml, folder)
        time.sleep(draw.uniform(0.0, 1.1 * whole))
        if kill(process):
            landed += 1
            continue
        ended += 1
        identical += same(place / "alone" / "run", folder)
        begun_again += 1
        if draw.random() < 0.5:
            shutil.rmtree(folder)  # its cache stays beside it
        else:
            folder = place / str(begun_again) / "run"
    finish(toml, folder)
    ended += 1
    identical += same(place / "alone" / "run", folder)
    return {
        "kills": landed,
        "runs_finished": ended,
        "byte_identical": identical,
        "seconds_a_run": round(whole, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        figures = killed_again_and_again(Path(place), asked.kills, asked.jobs)
    command = f"python tests/faults/kills.py --kills {asked.kills} --jobs {asked.jobs}"
    sys.stdout.write(json.dumps({**figures, "command": command}) + "\n")
    sys.exit(figures["byte_identical"] != figures["runs_finished"])


if __name__ == "__main__":
    main()
