"""The trial ledger: nothing lost, nothing counted twice."""

import multiprocessing

import pytest

from mlstrat.errors import ConfigError, RunFolderError
from mlstrat.ledger import Ledger, Trial

PROCESSES, EACH, SHARED = 4, 500, 100


def write(path, process):
    ledger = Ledger(path)
    for k in range(EACH):
        key = f"shared {k}" if k < SHARED else f"{process} {k}"
        ledger.append("data", "tune", key, {"process": process, "k": k})


def test_processes_that_write_at_once_lose_and_double_nothing(tmp_path):
    context = multiprocessing.get_context("spawn")
    path = tmp_path / "trials.sqlite"
    writers = [context.Process(target=write, args=(path, number)) for number in range(PROCESSES)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * PROCESSES
    keys = [trial.key for trial in Ledger(path).trials("data")]
    wanted = {f"shared {k}" for k in range(SHARED)}
    wanted |= {f"{number} {k}" for number in range(PROCESSES) for k in range(SHARED, EACH)}
    assert len(keys) == len(wanted) == SHARED + PROCESSES * (EACH - SHARED)
    assert set(keys) == wanted


def test_counts_are_by_data_and_kind_and_the_same_trial_counts_once(tmp_path):
    ledger = Ledger(tmp_path / "trials.sqlite")
    assert (ledger.count("a"), ledger.trials("a")) == (0, ())
    assert not ledger.path.exists()
    ledger.append("a", "run", "1", {"name": "first"})
    ledger.append("a", "run", "1", {"name": "again"})
    ledger.append("a", "tune", "1", {})
    ledger.append("b", "run", "1", {})
    assert (ledger.count("a"), ledger.count("a", "run"), ledger.count("a", "sweep")) == (2, 1, 0)
    assert ledger.trials("a") == (Trial("run", "1", {"name": "first"}), Trial("tune", "1", {}))
    assert ledger.count("b") == 1


def test_what_cannot_be_written_is_said(tmp_path):
    ledger = Ledger(tmp_path / "trials.sqlite")
    with pytest.raises(ConfigError, match="no kind of trial 'guess': use one of run, tune, sweep"):
        ledger.append("a", "guess", "1", {})
    ledger.path.write_bytes(b"this is no data base, though it is long enough to be one" * 100)
    with pytest.raises(RunFolderError, match=r"trials.sqlite cannot be used .*: move it away"):
        ledger.append("a", "run", "1", {})
    with pytest.raises(RunFolderError, match="cannot be used"):
        Ledger(tmp_path / "nowhere" / "trials.sqlite").append("a", "run", "1", {})


def test_several_trials_are_written_whole_or_not_at_all(tmp_path):
    ledger = Ledger(tmp_path / "trials.sqlite")
    with pytest.raises(ConfigError, match="no kind of trial"):
        ledger.extend("a", [Trial("tune", "1", {}), Trial("guess", "2", {})])
    assert ledger.count("a") == 0
