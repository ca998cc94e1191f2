"""A run killed again and again ends with the same bytes as one left alone (more kills: kills.py)."""

import importlib.util
import os
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills a process group")


def _kills():
    spec = importlib.util.spec_from_file_location("kills", Path(__file__).with_name("kills.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


kills = _kills()


def windows_done(folder: Path) -> list[str]:
    folds = folder / "folds"
    return sorted(path.name for path in folds.glob("[0-9]*")) if folds.exists() else []


def kill_after(windows: int, toml: Path, folder: Path, workers: bool = True) -> None:
    process = kills.start(toml, folder)
    deadline = time.monotonic() + 120
    while len(windows_done(folder)) < windows and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    assert kills.kill(process, workers)


@pytest.fixture(scope="module", params=[1, 2])
def alone(request, tmp_path_factory):
    """A run left alone, and its file."""
    place = tmp_path_factory.mktemp("alone")
    toml = place / "run.toml"
    toml.write_text(kills.RUN.format(jobs=request.param))
    kills.finish(toml, place / "run")
    return toml, place / "run", request.param


def test_a_run_killed_three_times_ends_with_the_same_bytes(alone, tmp_path):
    toml, whole, _ = alone
    folder = tmp_path / "killed"
    kept: dict[str, float] = {}
    for windows in (1, 3, 5):
        kill_after(windows, toml, folder)
        assert not (folder / "report.html").exists()
        for name, written in kept.items():  # what was finished before is not done again
            assert (folder / "folds" / name / "window.json").stat().st_mtime == written
        kept = {n: (folder / "folds" / n / "window.json").stat().st_mtime for n in windows_done(folder)}
        assert len(kept) >= windows
    kills.finish(toml, folder)
    assert kills.same(whole, folder)
    assert (folder / "trades.csv").read_text().count("\n") > 5


def test_workers_that_outlive_a_killed_run_spoil_nothing(alone, tmp_path):
    toml, whole, jobs = alone
    if jobs == 1:
        pytest.skip("a run of one job has no workers")
    kill_after(1, toml, tmp_path / "killed", workers=False)
    kills.finish(toml, tmp_path / "killed")
    assert kills.same(whole, tmp_path / "killed")


def test_two_processes_do_not_share_a_folder(alone, tmp_path):
    toml, whole, jobs = alone
    if jobs == 2:
        pytest.skip("tested with one job")
    first = kills.start(toml, tmp_path / "run")
    deadline = time.monotonic() + 120
    while not (tmp_path / "run" / ".owner").exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    second = kills.start(toml, tmp_path / "run")
    told, _ = second.communicate(timeout=120)
    if second.returncode == 0:  # the machine was so busy that the first had ended by then
        assert "already complete" in told.decode()
    else:
        assert second.returncode == 4
        assert f"is in use by process {first.pid}" in told.decode()
    output, _ = first.communicate(timeout=300)
    assert first.returncode == 0, output.decode()
    assert kills.same(whole, tmp_path / "run")
