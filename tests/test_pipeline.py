"""A run folder: what it holds, when it is taken as it is, and when it is refused."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from mlstrat import pipeline
from mlstrat.backtest import backtest
from mlstrat.config import RunConfig, load_config, parse_config
from mlstrat.errors import ConfigError, ModelError, RunFolderError
from mlstrat.execution.types import TRADE_COLUMNS
from mlstrat.pipeline import Watcher


class Log(Watcher):
    """Remembers what it was told."""

    def __init__(self):
        self.stages, self.notes, self.fitted, self.cached = [], [], [], []

    def stage(self, text):
        self.stages.append(text)

    def note(self, text):
        self.notes.append(text)

    def windows(self, done, total, cached=0):
        self.fitted.append((done, total))
        self.cached.append(cached)


@pytest.fixture(scope="module")
def config(tiny_config) -> RunConfig:
    """The tiny configuration on five months of the bundled bars."""
    sections = tiny_config.model_dump()
    sections["data"] |= {"start": "2023-01-01", "end": "2023-06-01"}
    sections["signals"] |= {"threshold": 0.5}
    return parse_config(sections)


@pytest.fixture(scope="module")
def finished(config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "one"
    log = Log()
    return backtest(config, folder, watcher=log), log


def changed(config, **sections):
    content = config.model_dump()
    for name, values in sections.items():
        content[name] = {**content[name], **values} if isinstance(values, dict) else values
    return parse_config(content)


def test_a_run_leaves_its_files(finished):
    run, log = finished
    names = {path.name for path in run.folder.iterdir() if not path.name.startswith(".")}
    assert names >= {
        "report.html", "quantstats.html", "metrics.json", "predictions.parquet", "decisions.parquet",
        "trades.csv", "returns.csv", "purged.csv", "manifest.json", "folds",
    }  # fmt: skip
    assert not run.reused
    assert run.verdict
    assert log.fitted[0] == (0, 3)
    assert log.fitted[-1] == (3, 3)


def test_trades_csv_has_the_columns_and_times_in_utc(finished):
    trades = pd.read_csv(finished[0].folder / "trades.csv", parse_dates=["entry_time", "exit_time"])
    assert tuple(trades.columns) == TRADE_COLUMNS
    assert len(trades) > 10
    assert str(trades.entry_time.dt.tz) == "UTC"
    assert (trades.exit_time >= trades.entry_time).all()
    assert set(trades.reason) <= {"stop", "target", "time", "open"}
    moved = np.where(trades.side == "long", 1, -1) * trades.units * (trades.exit_price - trades.entry_price)
    np.testing.assert_allclose(trades.profit, moved - trades.commission, atol=1e-8)


def test_predictions_and_decisions_are_one_row_a_bar(finished):
    predictions = pd.read_parquet(finished[0].folder / "predictions.parquet")
    decisions = pd.read_parquet(finished[0].folder / "decisions.parquet")
    assert (predictions.index == decisions.index).all()
    assert (predictions.symbol == "BTCUSDT").all()
    assert (decisions.symbol == "BTCUSDT").all()
    known = predictions.fold >= 0
    assert predictions.prob_up[known].between(0, 1).all()
    assert predictions.prob_up[~known].isna().all()
    assert (decisions.side[~known] == 0).all()


def test_the_manifest_says_what_made_it(finished, config):
    manifest = json.loads((finished[0].folder / "manifest.json").read_text())
    assert manifest["state"] == "complete"
    assert manifest["config"]["seed"] == config.seed
    assert {"numpy", "scikit-learn", "torch", "python"} <= set(manifest["versions"])
    assert len(manifest["inputs"]["data_sha256"]) == 64
    assert len(manifest["windows"]) == 3


def test_the_report_compares_the_engines(finished):
    page = (finished[0].folder / "report.html").read_text()
    trades = pd.read_csv(finished[0].folder / "trades.csv")
    assert f"Trades identical in backtrader and the kernel: {len(trades)} of {len(trades)}." in page


def test_a_short_training_window_is_said(finished):
    assert any("less than a year" in note for note in finished[1].notes)


def test_the_same_run_again_is_taken_as_it_is(finished, config):
    folder = finished[0].folder
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.name[0] != "."}
    again = backtest(config, folder)
    assert again.reused
    assert again.verdict == finished[0].verdict
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.name[0] != "."}


def test_name_and_jobs_do_not_make_another_run(finished, config):
    assert backtest(changed(config, name="other", jobs=2), finished[0].folder).reused


def test_a_lost_report_is_written_again_from_the_finished_windows(config, tmp_path, monkeypatch):
    backtest(config, tmp_path / "run", engine="kernel")
    page = (tmp_path / "run" / "report.html").read_bytes()
    (tmp_path / "run" / "report.html").unlink()
    monkeypatch.setattr("mlstrat.walkforward.fit_models", None)  # calling it would fail
    assert not backtest(config, tmp_path / "run", engine="kernel").reused
    assert (tmp_path / "run" / "report.html").read_bytes() == page


@pytest.mark.parametrize(
    ("sections", "named"),
    [
        ({"kelly": {"shrink": "strict"}}, r"kelly\.shrink was 'off' and is 'strict'"),
        ({"seed": 8}, "seed was 7 and is 8"),
        ({"data": {"end": "2023-05-30"}}, r"data\.end was '2023-06-01' and is '2023-05-30'; the bars"),
        ({"instrument": {"fee_share": 0.001}}, r"instrument\.fee_share was None and is 0\.001; the bars or"),
    ],
)
def test_a_folder_of_another_run_is_refused_by_name(finished, config, sections, named):
    with pytest.raises(
        RunFolderError, match=rf"holds another run \({named}.*choose another folder with --out"
    ):
        backtest(changed(config, **sections), finished[0].folder)


def test_another_engine_is_another_run(finished, config):
    with pytest.raises(RunFolderError, match="the engine was backtrader and is kernel"):
        backtest(config, finished[0].folder, engine="kernel")


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("code_sha256", "0123456789", r"the code was [0-9a-f]{8} and is 01234567"),
        ("versions", {"numpy": "9.9"}, r"numpy was [0-9.]+ and is 9\.9"),
    ],
)
def test_a_run_of_other_code_or_libraries_is_kept_and_made_anew(
    config, tmp_path, monkeypatch, name, value, named
):
    folder, log = tmp_path / "run", Log()
    backtest(config, folder, engine="kernel")
    before = (folder / "manifest.json").read_bytes()
    monkeypatch.setattr(f"mlstrat.runfolder.{name}", lambda: value)
    with pytest.raises(RunFolderError, match=rf"holds another run \({named}.* or delete this one"):
        backtest(config, folder, engine="kernel", resume=True)
    assert not backtest(config, folder, engine="kernel", watcher=log).reused
    assert any(
        re.search(rf"run was made otherwise \({named}\): it is kept as .*run\.1\.", note)
        for note in log.notes
    )
    assert (tmp_path / "run.1" / "manifest.json").read_bytes() == before
    assert (tmp_path / "run" / "report.html").exists()


def test_a_run_that_never_finished_a_window_does_not_bind_the_folder(config, tmp_path):
    (tmp_path / "run").mkdir()
    old = {"state": "running", "inputs": {"config": {"seed": 1}}}
    (tmp_path / "run" / "manifest.json").write_text(json.dumps(old))
    (tmp_path / "run" / ".manifest.json.abc").write_text("")  # a kill left this
    assert not backtest(config, tmp_path / "run", engine="kernel").reused


def test_too_few_labels_are_refused_before_anything_is_written(config, tmp_path):
    short = changed(config, splits={"training_days": 20})
    with pytest.raises(
        ConfigError, match=r"needed to fit and calibrate it: set splits\.training_days to [0-9]+ or more"
    ):
        backtest(short, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_folder_with_other_files_is_left_alone(config, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(RunFolderError, match=r"holds files that are not a run's: choose an empty folder"):
        backtest(config, tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.name[0] != "."] == ["thesis.txt"]


def test_nothing_to_resume_is_said(config, tmp_path):
    with pytest.raises(RunFolderError, match=r"holds no run to resume: leave out --resume"):
        backtest(config, tmp_path / "new", resume=True)


def test_a_broken_manifest_is_said(config, tmp_path):
    (tmp_path / "folds" / "000").mkdir(parents=True)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(RunFolderError, match=r"is not a run's manifest: choose another folder with --out"):
        backtest(config, tmp_path)


def test_an_unknown_engine_is_said(config, tmp_path):
    with pytest.raises(ConfigError, match="there is no engine 'zipline': use one of kernel, backtrader"):
        backtest(config, tmp_path / "new", engine="zipline")
    assert not (tmp_path / "new").exists()


def test_a_changed_output_is_not_taken_for_the_run(config, tmp_path):
    trades = tmp_path / "run" / "trades.csv"
    backtest(config, tmp_path / "run", engine="kernel")
    whole = trades.read_bytes()
    trades.write_bytes(whole.replace(b"long", b"shrt", 1))
    assert not backtest(config, tmp_path / "run", engine="kernel").reused
    assert trades.read_bytes() == whole


def test_a_frame_or_a_file_runs_like_its_bars(config, tmp_path):
    bars = pipeline.load_bars(config)
    frame = bars.frame()
    frame.to_csv(tmp_path / "BTCUSDT_1h.csv")
    named = changed(config, data={"symbol": "BTCUSDT"})
    made = [pipeline.run(named, bars=given) for given in (bars, frame, tmp_path / "BTCUSDT_1h.csv")]
    for other in made[1:]:
        np.testing.assert_array_equal(other.predictions.prob_up, made[0].predictions.prob_up)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_window_that_cannot_be_fitted_ends_in_a_sentence(config, jobs):
    long = changed(config, stops={"atr": 400.0, "target_atr": 400.0, "max_bars": 3000}, jobs=jobs)
    with pytest.raises(ModelError, match=r"trades had ended in a training window .* lower stops\.max_bars"):
        pipeline.run(long)


def test_the_same_inputs_give_the_same_hashes_elsewhere(finished, config, tmp_path):
    backtest(config, tmp_path / "two")
    first, second = (
        json.loads((folder / "manifest.json").read_text())
        for folder in (finished[0].folder, tmp_path / "two")
    )
    for name in ("key", "predictions_sha256", "decisions_sha256", "trades_sha256", "windows"):
        assert first[name] == second[name]


def test_runs_beside_each_other_share_their_models(config, tmp_path, monkeypatch):
    first, log = Log(), Log()
    backtest(config, tmp_path / "one", engine="kernel", watcher=first)
    assert first.cached == [0, 0, 0, 0]
    assert len(list((tmp_path / ".folds").glob("*.fold"))) == 3
    other = changed(config, signals={"threshold": 0.52}, stops={"atr": 2.0})
    backtest(other, tmp_path / "alone" / "two", engine="kernel")
    monkeypatch.setattr("mlstrat.walkforward.fit_models", None)  # calling it would fail
    backtest(other, tmp_path / "two", engine="kernel", watcher=log)
    assert log.cached == [0, 1, 2, 3]
    for name in ("predictions.parquet", "decisions.parquet", "trades.csv", "returns.csv"):
        assert (tmp_path / "two" / name).read_bytes() == (tmp_path / "alone" / "two" / name).read_bytes()
    # What was tried before is a part of the evidence, so that the reports differ in it.
    folders = (tmp_path / "two", tmp_path / "alone" / "two")
    told = [json.loads((folder / "metrics.json").read_text()) for folder in folders]
    assert [one["evidence"]["tried"]["distinct"] for one in told] == [2, 1]
    assert told[0]["performance"] == told[1]["performance"]
    with pytest.raises(TypeError, match="'NoneType' object is not callable"):
        backtest(other, tmp_path / "three", engine="kernel", use_cache=False)


def test_a_cache_that_cannot_be_written_is_said_and_done_without(config, tmp_path):
    (tmp_path / ".folds").write_text("a file where the folder should be")
    log = Log()
    assert not backtest(config, tmp_path / "run", engine="kernel", watcher=log).reused
    assert any(
        re.search(r"not kept for other runs: the folder .*\.folds cannot be", note) for note in log.notes
    )


def test_a_run_in_memory_writes_nothing(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = pipeline.run(config)
    assert made.funnel.trades > 10
    assert not list(tmp_path.iterdir())


def test_other_symbols_are_part_of_what_a_run_is_made_from(config, tmp_path):
    other = tmp_path / "OTHER_1h.parquet"
    frame = pipeline.load_bars(config).frame()
    frame.to_parquet(other)
    names = ("ret_1", "rsi_14", "corr_20@OTHER", "rsi_14_4h@OTHER")
    beside = changed(config, features={"names": names, "context": (str(other),)})
    run = backtest(beside, tmp_path / "run", engine="kernel")
    assert backtest(beside, tmp_path / "run", engine="kernel").reused
    assert run.metrics
    frame["close"] = frame["open"]
    frame.to_parquet(other)
    with pytest.raises(RunFolderError, match="the bars or the instrument's facts or rates changed"):
        backtest(beside, tmp_path / "run", engine="kernel")


def test_relative_paths_of_plugins_and_context_lie_beside_the_run_file(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text('plugins = ["mine.py"]\n[features]\ncontext = ["OTHER_1h.csv", "sample:ETHUSDT_1h"]\n')
    config = load_config(file)
    assert config.plugins == (str(tmp_path / "mine.py"),)
    assert config.features.context == (str(tmp_path / "OTHER_1h.csv"), "sample:ETHUSDT_1h")


def test_the_report_says_which_features_the_windows_chose(config, tmp_path):
    folder = tmp_path / "chosen"
    backtest(changed(config, features={"select": 3}), folder, engine="kernel")
    page = (folder / "report.html").read_text()
    said = re.search(
        r"Each window chose 3 of 7 features on its own training rows; most often, of (\d+) win", page
    )
    assert int(said[1]) >= 2
    backtest(changed(config, features={"select": 7}), tmp_path / "all", engine="kernel")
    assert (
        "features.select is 7 and there are 7: all are used."
        in (tmp_path / "all" / "report.html").read_text()
    )
