"""A run killed again and again ends with the same bytes as one left alone."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills a process group")

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
"""
HASHES = ("predictions_sha256", "decisions_sha256", "trades_sha256", "windows")


def start(toml: Path, folder: Path) -> subprocess.Popen:
    command = [
        sys.executable,
        "-m",
        "mlstrat",
        "backtest",
        str(toml),
        "--out",
        str(folder),
        "--engine",
        "kernel",
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)


def finish(toml: Path, folder: Path) -> dict:
    process = start(toml, folder)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output.decode()
    return json.loads((folder / "manifest.json").read_text())


def windows_done(folder: Path) -> list[str]:
    folds = folder / "folds"
    return sorted(path.name for path in folds.glob("[0-9]*")) if folds.exists() else []


def kill_after(windows: int, toml: Path, folder: Path, workers: bool = True) -> None:
    process = start(toml, folder)
    deadline = time.monotonic() + 120
    while len(windows_done(folder)) < windows and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    (os.killpg if workers else os.kill)(process.pid, signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_run_killed_three_times_ends_with_the_same_hashes(tmp_path, jobs):
    toml = tmp_path / "run.toml"
    toml.write_text(RUN.format(jobs=jobs))
    alone = finish(toml, tmp_path / "alone")
    folder = tmp_path / "killed"
    kept: dict[str, float] = {}
    for windows in (1, 3, 5):
        kill_after(windows, toml, folder)
        assert not (folder / "report.html").exists()
        for name, written in kept.items():  # what was finished before is not done again
            assert (folder / "folds" / name / "window.json").stat().st_mtime == written
        kept = {n: (folder / "folds" / n / "window.json").stat().st_mtime for n in windows_done(folder)}
        assert len(kept) >= windows
    resumed = finish(toml, folder)
    assert {name: resumed[name] for name in HASHES} == {name: alone[name] for name in HASHES}
    for name in ("trades.csv", "predictions.parquet", "decisions.parquet", "report.html"):
        assert (folder / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()
    assert (folder / "trades.csv").read_text().count("\n") > 5


def test_workers_that_outlive_a_killed_run_spoil_nothing(tmp_path):
    toml = tmp_path / "run.toml"
    toml.write_text(RUN.format(jobs=2))
    kill_after(1, toml, tmp_path / "killed", workers=False)
    resumed = finish(toml, tmp_path / "killed")
    alone = finish(toml, tmp_path / "alone")
    assert {name: resumed[name] for name in HASHES} == {name: alone[name] for name in HASHES}
