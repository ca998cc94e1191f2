"""A tuned run: its windows are tuned on their own rows, its trials are counted once, and it is resumed."""

import json
import shutil

import numpy as np
import pytest

from mlstrat.backtest import backtest
from mlstrat.config import parse_config
from mlstrat.pipeline import load_bars, run
from mlstrat.sentiment.align import neutral
from mlstrat.trials.ledger import Ledger

pytest.importorskip("optuna")

TRIALS = 2
BOUNDS = {
    "rf_max_depth": (1, 4),
    "rf_min_samples_leaf": (10, 60),
    "gb_n_estimators": (3, 6),
    "gb_max_leaves": (3, 5),
}


@pytest.fixture(scope="module")
def config(tiny_config, tmp_path_factory):
    sections = tiny_config.model_dump()
    sections["data"] |= {"start": "2023-01-01", "end": "2023-05-01"}
    sections["tune"] |= {"trials": TRIALS, "params": BOUNDS}
    path = tmp_path_factory.mktemp("data") / "BTCUSDT_1h.parquet"
    load_bars(parse_config(sections)).frame().to_parquet(path)
    sections["data"]["bars"] = str(path)
    return parse_config(sections)


@pytest.fixture(scope="module")
def finished(config, tmp_path_factory):
    return backtest(config, tmp_path_factory.mktemp("runs") / "one", engine="kernel").folder


def windows(folder):
    return [json.loads(path.read_text()) for path in sorted(folder.glob("folds/*/tuning.json"))]


def digests(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    return manifest["inputs"]["data_sha256"], manifest["predictions_sha256"], manifest["windows"]


def test_each_window_says_what_was_tried_and_the_ledger_counts_it(finished):
    tuned = windows(finished)
    assert len(tuned) == len(list(finished.glob("folds/[0-9]*"))) == 2
    data_sha256, *_ = digests(finished)
    ledger = Ledger(finished.parent / "trials.sqlite")
    assert ledger.count(data_sha256, "run") == 1
    trials = [trial for trial in ledger.trials(data_sha256) if trial.kind == "tune"]
    told = {trial.key: trial.content["params"] for trial in trials}
    assert told == {trial["key"]: trial["params"] for window in tuned for trial in window["trials"]}
    assert len(told) == TRIALS * len(tuned)
    assert all(trial.content["log_loss"] > 0 for trial in trials if trial.content["state"] == "complete")
    runs = [trial for trial in ledger.trials(data_sha256) if trial.kind == "run"]
    assert runs[0].content["name"] == "run"


def test_resumed_cached_and_repeated_runs_are_the_same_and_count_nothing_twice(config, finished, tmp_path):
    before = digests(finished)
    ledger = Ledger(finished.parent / "trials.sqlite")
    seen = ledger.trials(before[0])
    shutil.rmtree(finished / "folds" / "001")
    (finished / "report.html").unlink()
    backtest(config, finished, engine="kernel")
    cached = backtest(config, finished.parent / "two", engine="kernel").folder
    assert digests(finished) == digests(cached) == before
    assert windows(cached) == windows(finished)
    assert ledger.trials(before[0]) == seen
    anew = backtest(config, tmp_path / "anew", engine="kernel", use_cache=False).folder
    assert digests(anew) == before


def test_later_bars_change_neither_choice_nor_forecast(config, walk):
    one = config.model_copy(update={"splits": config.splits.model_copy(update={"start": "2020-03-05"})})
    whole = run(one, bars=walk, mood=neutral(walk))
    first = whole.predictions.windows[0]
    n = int(np.searchsorted(walk.close_time, first.cut)) + 100
    assert n < np.searchsorted(walk.close_time, first.valid_to)
    part = run(one, bars=walk[:n], mood=neutral(walk[:n]))
    assert part.predictions.windows[0].model_sha256 == first.model_sha256
    np.testing.assert_array_equal(part.predictions.prob_up, whole.predictions.prob_up[:n])


def test_a_ledger_that_cannot_be_used_is_said_and_the_run_goes_on(config, tmp_path):
    from mlstrat.pipeline import Watcher

    class Notes(Watcher):
        said = ()

        def note(self, text):
            self.said += (text,)

    (tmp_path / "trials.sqlite").write_bytes(b"no data base " * 200)
    log = Notes()
    plain = config.model_copy(update={"tune": config.tune.model_copy(update={"trials": 0})})
    backtest(plain, tmp_path / "run", engine="kernel", watcher=log)
    assert any("the trials of this run are not counted" in text for text in log.said)
