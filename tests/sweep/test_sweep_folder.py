"""A sweep in a folder: interrupted, gone on with, refused, counted."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from mlstrat.backtest import backtest
from mlstrat.capsule import save
from mlstrat.config import load_config
from mlstrat.errors import DataError, ModelError, RunFolderError
from mlstrat.evidence import judge, plain_words
from mlstrat.live import train
from mlstrat.pipeline import load_bars, load_panel, run
from mlstrat.sentiment.align import neutral
from mlstrat.sweep import run as sweep_in_memory
from mlstrat.sweep.folder import sweep_into
from mlstrat.sweep.grid import config_of, make_grid
from mlstrat.sweep.judged import bars_per_period
from mlstrat.sweep.page import best_table, neighbours, verdict
from mlstrat.sweep.run import Columns, Watching, sweep_run
from mlstrat.trials.ledger import Ledger

pytest.importorskip("jinja2")
pytest.importorskip("plotly")

RUN = """
name = "tiny"
jobs = 1
[data]
bars = "sample:BTCUSDT_1h"
start = "2023-01-01"
end = "2023-04-10"
[features]
names = ["ret_1", "rsi_14", "hour"]
[splits]
training_days = 40
retrain = "month"
max_windows = 2
[models]
bins = 8
rf_n_estimators = 5
rf_max_depth = 3
gb_n_estimators = 5
lstm_units = 2
lstm_epochs = 1
[kelly]
shrink = "off"
"""
GRID = {
    "stops.atr": [1.0, 2.0, 3.0],
    "signals.threshold": ["auto", 0.5, 0.52],
    "kelly.multiplier": [0.2, 1.0],
}


def tried(folder):
    """Return how many things the ledger beside a folder counts on the data of that folder."""
    manifest = json.loads((folder / "manifest.json").read_text())
    return Ledger(folder.parent / "trials.sqlite").tried(manifest["inputs"]["data_sha256"]).distinct


class Told(Watching):
    def __init__(self):
        self.notes, self.done = [], []

    def note(self, text):
        self.notes.append(text)

    def columns(self, done, total):
        self.done.append((done, total))


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(RUN)
    return load_config(path)


def test_a_sweep_is_written_counted_and_found_again(config, tmp_path):
    grid, told = make_grid(config, GRID), Told()
    made = sweep_into(config, grid, tmp_path / "out", watcher=told)
    assert told.done == [(6, 18), (12, 18), (18, 18)]
    assert told.notes == [
        "18 columns (3 stops.atr x 3 signals.threshold x 2 kelly.multiplier): models of 2 windows, where the "
        "cache does not hold them; odds are estimated for 3 kinds of trade."
    ]
    frame = pd.read_parquet(tmp_path / "out" / "columns.parquet")
    assert frame["stops.atr"].tolist() == [1.0] * 6 + [2.0] * 6 + [3.0] * 6
    assert set(frame["signals.threshold"]) == {"auto", "0.5", "0.52"}
    np.testing.assert_array_equal(frame["trades"], made.sweep.measure("trades"))
    assert (frame["trades"] > 0).any()
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert (manifest["state"], manifest["columns"]) == ("complete", 18)
    assert set(manifest["outputs"]) == {"columns.parquet", "evidence.json", "sweep.html"}
    trials = Ledger(tmp_path / "trials.sqlite").trials(manifest["inputs"]["data_sha256"])
    assert [trial.kind for trial in trials] == ["sweep"] * 18
    assert trials[7].content["settings"] == grid.settings(7)
    assert trials[7].content["trades"] == made.sweep.measure("trades")[7]
    again = sweep_into(config, grid, tmp_path / "out")
    assert (made.reused, again.reused, tried(tmp_path / "out")) == (False, True, 18)
    assert not (tmp_path / "out" / "parts").exists()
    np.testing.assert_array_equal(again.sweep.table, made.sweep.table)
    page = (tmp_path / "out" / "sweep.html").read_text(encoding="utf-8")
    assert "best of 18 tries" in page
    assert "The trial ledger counts 18 columns of sweeps on these data." in page
    assert made.sentences == again.sentences
    assert made.sentences[0] in page
    assert again.sweep.notes == made.sweep.notes
    assert made.sweep.notes[0].startswith("For each value of stops.atr the odds that Kelly bets on were")
    assert "<script src" not in page


def test_columns_of_a_part_that_is_damaged_are_run_again(config, tmp_path, monkeypatch):
    grid, really = make_grid(config, GRID), Columns.run
    sweep_into(config, grid, tmp_path / "alone" / "out")
    done = []

    def run(self, batch):
        done.append(batch.columns.start)
        if len(done) == 3:
            raise DataError("no more")
        return really(self, batch)

    monkeypatch.setattr(Columns, "run", run)
    with pytest.raises(DataError, match="no more"):
        sweep_into(config, grid, tmp_path / "out")
    part = tmp_path / "out" / "parts" / "000000006"
    part.write_bytes(part.read_bytes()[:-8] + b"\0" * 8)
    assert not sweep_into(config, grid, tmp_path / "out").reused
    assert done == [0, 6, 12, 6, 12]
    for name in ("columns.parquet", "evidence.json", "sweep.html"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "alone" / "out" / name).read_bytes()
    assert tried(tmp_path / "out") == 18


def test_a_sweep_is_judged_by_the_returns_that_its_columns_have_alone(config, tmp_path):
    made = sweep_into(config, make_grid(config, GRID), tmp_path / "out").sweep
    alone = [made.result(column) for column in range(18)]
    first = int(np.argmax(made.forecaster(config).predictions.known))
    own = np.column_stack([result.returns for result in alone])[first:]
    np.testing.assert_array_equal(made.returns.table, own)
    found = judge(own, np.array([result.trades.closed.sum() for result in alone]), 18, seed=config.seed)
    told = json.loads((tmp_path / "out" / "evidence.json").read_text())
    assert told["sentences"] == plain_words(found)
    assert (told["bars_per_period"], told["tried"]["distinct"]) == (1, 18)
    assert told["evidence"]["p"] == found.p


def test_the_returns_of_many_columns_are_added_up_or_not_kept():
    assert bars_per_period(17_520, 500) == 1
    assert bars_per_period(17_520, 10_000) == 6
    assert bars_per_period(17_520, 130_000) == 68
    assert bars_per_period(17_520, 1_000_000) == 0


def test_a_sweep_that_was_tried_in_another_grid_is_not_counted_twice(config, tmp_path):
    first = sweep_into(config, make_grid(config, {"kelly.multiplier": [0.2, 0.5]}), tmp_path / "a")
    second = sweep_into(config, make_grid(config, {"kelly.multiplier": [0.5, 1.0]}), tmp_path / "b")
    assert (first.sweep.judged().evidence.trials, tried(second.folder)) == (2, 3)
    # Of the two columns of the second, one more was tried.
    assert json.loads((second.folder / "evidence.json").read_text())["evidence"]["trials"] == 3


def test_a_ledger_that_cannot_be_used_is_said_and_stops_nothing(config, tmp_path):
    (tmp_path / "trials.sqlite").write_bytes(b"this is no data base, though it is long enough" * 100)
    told = Told()
    made = sweep_into(
        config, make_grid(config, {"kelly.multiplier": [0.2, 0.5]}), tmp_path / "out", watcher=told
    )
    assert json.loads((made.folder / "evidence.json").read_text())["tried"] is None
    assert any(note.startswith("the columns of this sweep are not counted: the trial") for note in told.notes)
    assert "The trial ledger counts" not in (tmp_path / "out" / "sweep.html").read_text(encoding="utf-8")


def test_a_folder_of_something_else_is_refused_by_name(config, tmp_path):
    folder = tmp_path / "out"
    with pytest.raises(RunFolderError, match="holds no sweep to resume: leave out --resume"):
        sweep_into(config, make_grid(config, GRID), folder, resume=True)
    sweep_into(config, make_grid(config, {"kelly.multiplier": [0.2, 0.5]}), folder)
    with pytest.raises(RunFolderError, match="holds a sweep: choose another folder with --out"):
        backtest(config, folder, engine="kernel")
    with pytest.raises(RunFolderError, match=r"grid.kelly.multiplier was \[0.2, 0.5\] and is \[0.2, 0.6\]"):
        sweep_into(config, make_grid(config, {"kelly.multiplier": [0.2, 0.6]}), folder)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").touch()
    with pytest.raises(RunFolderError, match="holds files that are not a sweep's: choose an empty folder"):
        sweep_into(config, make_grid(config, GRID), tmp_path / "full")


def test_a_sweep_that_ends_before_its_first_batch_binds_no_folder(config, tmp_path, monkeypatch):
    folder, first = tmp_path / "out", make_grid(config, GRID)
    long = load_config(tmp_path / "run.toml", ["splits.training_days=4000"])
    with pytest.raises(DataError, match=r"training"):
        sweep_into(long, make_grid(long, GRID), folder)
    assert not (folder / "manifest.json").exists()

    def fails(self, batch):
        raise DataError("no more")

    with monkeypatch.context() as patch:
        patch.setattr(Columns, "run", fails)
        with pytest.raises(DataError, match="no more"):
            sweep_into(config, first, folder)
    assert json.loads((folder / "manifest.json").read_text())["state"] == "running"
    other = make_grid(config, {"kelly.multiplier": [0.2, 0.6]})
    with pytest.raises(RunFolderError, match="holds something else"):
        sweep_into(config, other, folder, resume=True)
    assert len(sweep_into(config, other, folder).sweep) == 2


@pytest.fixture
def started(config, tmp_path):
    """The run, its models started from those of bars before its own."""
    bars = load_bars(load_config(tmp_path / "run.toml", ["data.start=2022-11-01", "data.end=2022-12-31"]))
    save(train(load_panel(bars, neutral(bars), config), config), tmp_path / "other.capsule")
    return load_config(tmp_path / "run.toml", [f"models.transfer={tmp_path / 'other.capsule'}"])


@pytest.mark.parametrize(("key", "values"), [("models.bins", [8, 4]), ("models.lstm_units", [2, 4])])
def test_a_start_that_does_not_fit_is_refused_as_a_run_refuses_it(started, tmp_path, key, values):
    grid = make_grid(started, {key: values})
    alone = config_of(started, grid.settings(1))
    with pytest.raises(ModelError, match=key) as error:
        run(alone)
    for attempt in (lambda: sweep_run(started, grid), lambda: sweep_into(started, grid, tmp_path / "out")):
        with pytest.raises(ModelError, match=key) as again:
            attempt()
        assert str(again.value) == str(error.value)
    assert not (tmp_path / "out").exists()


def test_a_column_that_starts_from_a_model_is_the_run_that_does(started):
    made = sweep_run(started, {"models.rf_max_depth": [2, 3], "stops.atr": [1.0, 2.0]})
    for column in range(4):
        alone = run(made.run_config(column))
        found = made.forecaster(made.run_config(column)).predictions
        np.testing.assert_array_equal(made.result(column).equity, alone.result.equity)
        np.testing.assert_array_equal(found.prob_up, alone.predictions.prob_up)


def test_a_file_that_a_run_starts_from_counts_by_what_it_holds(started, config, tmp_path):
    grid = make_grid(started, {"kelly.multiplier": [0.5]})
    first = sweep_into(started, grid, tmp_path / "a")
    bars = load_bars(load_config(tmp_path / "run.toml", ["data.start=2022-10-01", "data.end=2022-12-01"]))
    save(train(load_panel(bars, neutral(bars), config), config), tmp_path / "other.capsule")
    second = sweep_into(started, grid, tmp_path / "b")
    assert (tried(first.folder), tried(second.folder)) == (2, 2)
    with pytest.raises(RunFolderError, match=r"models\.transfer was"):
        sweep_into(started, grid, tmp_path / "a")


def test_large_groups_are_cut_into_batches(config, tmp_path, monkeypatch):
    grid = make_grid(config, GRID)
    whole = sweep_into(config, grid, tmp_path / "whole").sweep.table
    monkeypatch.setattr(sweep_in_memory, "BATCH", 4)
    told = Told()
    cut = sweep_into(config, grid, tmp_path / "cut", watcher=told).sweep.table
    assert [done for done, _ in told.done] == [4, 6, 10, 12, 16, 18]
    np.testing.assert_array_equal(whole, cut)


@pytest.mark.skipif(os.name != "posix", reason="kills a process")
def test_a_killed_sweep_goes_on_to_the_same_bytes(config, tmp_path):
    texts = ("stops.atr=1:4:0.25", "kelly.multiplier=0.1:1:0.1")
    options = [part for text in texts for part in ("--grid", text)]
    command = [sys.executable, "-m", "mlstrat", "sweep", str(tmp_path / "run.toml"), *options]

    def start(place):
        (tmp_path / place).mkdir(exist_ok=True)
        return subprocess.Popen(
            [*command, "--out", str(tmp_path / place / "out")],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    parts = tmp_path / "killed" / "out" / "parts"
    for least in (2, 6):
        process, deadline = start("killed"), time.monotonic() + 120
        while len(list(parts.glob("0*"))) < least and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        output, _ = process.communicate()
        assert process.returncode == -signal.SIGKILL, output.decode()
        assert not (parts.parent / "sweep.html").exists()
    for place in ("killed", "alone"):
        output, _ = (process := start(place)).communicate(timeout=300)
        assert process.returncode == 0, output.decode()
    for name in ("columns.parquet", "sweep.html"):
        assert (parts.parent / name).read_bytes() == (tmp_path / "alone" / "out" / name).read_bytes()
    for place in ("killed", "alone"):
        assert tried(tmp_path / place / "out") == 130


def test_neighbours_are_one_step_away_along_one_key():
    value = np.array([[1.0, 2, 3], [4, 5, 6], [7, np.nan, 9]]).ravel()
    found = neighbours(value, (3, 3), [4, 1, 3, 0, 8])
    fewer = [np.nan, np.nan]  # in a corner there are two, of which one may have no value
    np.testing.assert_array_equal(
        found, [np.median([2, 4, 6]), np.median([1, 3, 5]), np.median([1, 5, 7]), *fewer]
    )
    assert np.isnan(neighbours(np.array([1.0]), (1,), [0]))[0]


def test_the_verdict_says_that_the_best_was_chosen(config, tmp_path):
    made = sweep_into(config, make_grid(config, GRID), tmp_path / "out").sweep
    said = verdict(made, ("What the test says.",))
    sharpe = made.measure("sharpe")
    assert said[0] == "What the test says."
    enough = made.measure("trades") >= 30
    assert 0 < enough.sum() < 18
    assert said[1].startswith(
        f"The best of {enough.sum()} columns with 30 trades or more has a Sharpe ratio of "
        f"{sharpe[enough].max():.2f};"
    )
    assert "is the best of 18 tries: it was chosen after its result was seen" in said[2]
    rows = best_table(made).rows
    assert 0 < len(rows) <= len(np.unique(sharpe[enough]))
    none = sweep_into(config, make_grid(config, {"signals.threshold": [0.99]}), tmp_path / "none").sweep
    assert verdict(none, ()) == (
        "The 1 column made no trade.",
        'Lower signals.threshold, set kelly.shrink = "off" to look, or see what stopped the signals with '
        "mlstrat backtest.",
    )
    assert best_table(none).rows == []
