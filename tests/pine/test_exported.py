"""A run's folder, or a model file, as a script: what is read, what is refused; and the text never varies."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from mlstrat.backtest import backtest
from mlstrat.capsule import load, save
from mlstrat.cli.main import app
from mlstrat.config import parse_config, with_overrides
from mlstrat.errors import ConfigError, ModelError, RunFolderError
from mlstrat.features.lookup import registered
from mlstrat.files import sha256_of
from mlstrat.live import train
from mlstrat.pine.exported import NEVER, export_run, with_feature_plots
from mlstrat.pine.text import TOKEN_BUDGET
from mlstrat.pipeline import load_bars, load_panel
from mlstrat.sentiment.series import mood_for

_WORDS = """
    and as by catch class do ellipse else enum export extends for if import in is method not or polygon range
    return struct switch text throw to try type var varip while true false na this
"""
RESERVED = frozenset(_WORDS.split())
_DECLARED = re.compile(r"^\s*(?:var\s+|varip\s+)?(?:[\w<>]+\s+)?(\w+)\s*:?=(?![=>])", re.MULTILINE)
_DEFINED = re.compile(r"^\s*(?:export\s+)?(\w+)\(([^)]*)\)\s*=>", re.MULTILINE)
SETTINGS = (
    "data.start=2021-08-01",
    "data.end=2021-12-01",
    "sentiment.source=sample:headlines",
    "sentiment.scorer=vader",
    "signals.sentiment_gate=false",
    "signals.confirm=close > sma_20",
)


@pytest.fixture(scope="module")
def config(pine_settings):
    return parse_config(with_overrides(pine_settings, SETTINGS))


@pytest.fixture(scope="module")
def finished(config, tmp_path_factory):
    return backtest(config, tmp_path_factory.mktemp("runs") / "one", engine="kernel").folder


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "copy")


@pytest.fixture
def mlstrat():
    return lambda *arguments: CliRunner().invoke(app, list(map(str, arguments)))


def names_of(text):
    """Variables, functions and parameters that a text introduces."""
    found = set(_DECLARED.findall(text))
    for name, parameters in _DEFINED.findall(text):
        found |= {name, *(part.split()[-1] for part in parameters.split(",") if part.strip())}
    return found


def rewrite(folder, name, change):
    """Change a file of a run and its hash in the manifest, as if the run had written it."""
    path, manifest = folder / name, json.loads((folder / "manifest.json").read_text())
    change(path)
    manifest["outputs"][name] = sha256_of(path)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_the_script_names_the_run_its_numbers_and_its_models(finished):
    made, metrics = export_run(finished), json.loads((finished / "metrics.json").read_text())
    manifest = json.loads((finished / "manifest.json").read_text())
    head = made.text.split("strategy(")[0]
    assert f"Newest model {manifest['windows'][-1]}, fitted on" in head
    assert f"{int(metrics['performance']['trades'])} trades, return" in head
    assert metrics["verdict"][0].replace("\u00a0", " ") in head
    assert "{{strategy.order.alert_message}}" in head
    assert all(digest[:12] in made.text for digest in manifest["windows"])
    assert made.windows == len(manifest["windows"]) == 2
    assert made.tokens < TOKEN_BUDGET
    assert made.max_days is None


def test_every_process_writes_the_same_text(finished):
    code = (
        "import sys, hashlib; from pathlib import Path; from mlstrat.pine.exported import export_run;"
        "print(hashlib.sha256(export_run(Path(sys.argv[1])).text.encode()).hexdigest())"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code, finished],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(told) == 1


def test_no_line_is_longer_than_a_string_and_nothing_is_na_that_should_be_a_number(finished):
    text = export_run(finished).text
    assert max(map(len, text.split("\n"))) < 40_960
    assert not re.search(r"\b(nan|inf)\b", text)
    assert text.isascii() or all(line.startswith("//") for line in text.split("\n") if not line.isascii())


def test_latest_holds_the_newest_window_and_ages(finished):
    made = export_run(finished, "latest")
    assert (made.windows, made.max_days) == (1, 62)
    assert "modelMaxDays" in made.text
    assert "slot < " not in made.text


def test_a_model_file_gives_the_same_latest_models(finished, tmp_path):
    """The same window, read from its own file: other words in the header, no sentiment, the same numbers."""
    stored = sorted((finished / "folds").iterdir())[-1] / "model.capsule"
    of_file, of_run = export_run(stored, "latest"), export_run(finished, "latest")
    numbers = re.compile(r"numbers0\(\) =>\n.*\n")
    assert numbers.search(of_file.text)[0] == numbers.search(of_run.text)[0]
    assert "moodCodes" not in of_file.text


def test_a_freshly_trained_model_is_exported(config, tmp_path):
    bars = load_bars(config)
    save(train(load_panel(bars, mood_for(bars, config.sentiment), config), config), tmp_path / "now.capsule")
    made = export_run(tmp_path / "now.capsule", "latest")
    first = int(bars.time[-1].astype("datetime64[s]").astype(np.int64)) // 3600
    assert re.search(r"firstSlots = array\.from\((\d+)\)", made.text)[1] == str(first)


def test_a_model_file_has_no_windows_to_replay(finished):
    stored = sorted((finished / "folds").iterdir())[-1] / "model.capsule"
    with pytest.raises(ConfigError, match="holds one model: export it with --mode latest"):
        export_run(stored, "replay")


def test_feature_plots_stand_behind_the_script(finished):
    made = export_run(finished)
    added = with_feature_plots(made).removeprefix(made.text)
    assert re.findall(r'plot\(array\.get\(x, \d+\), "(\w+)"', added) == list(made.features)


@pytest.mark.parametrize("name", ["predictions.parquet", "sentiment.parquet", "metrics.json"])
def test_files_that_are_gone_or_changed_are_refused(copy, name):
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content + b" ")
    with pytest.raises(RunFolderError, match=f"{name} was changed since the run wrote it: run again"):
        export_run(copy)
    (copy / name).unlink()
    with pytest.raises(RunFolderError, match=f"{name} is not there: run again"):
        export_run(copy)


def test_a_damaged_capsule_is_refused(copy):
    path = copy / "folds" / "001" / "model.capsule"
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(ModelError, match="is damaged, its hash does not match"):
        export_run(copy)


def test_another_windows_capsule_is_refused(copy):
    shutil.copy(copy / "folds" / "000" / "model.capsule", copy / "folds" / "001" / "model.capsule")
    with pytest.raises(RunFolderError, match=r"window 1 of .* holds another model than the run's"):
        export_run(copy)


def test_a_capsule_of_the_same_models_and_other_odds_is_refused(copy):
    """The hash of the models says nothing of the odds and the thresholds that stand beside them."""
    path = copy / "folds" / "001" / "model.capsule"
    stored = load(path)
    save(replace(stored, threshold=(0.5, 0.5)), path)
    with pytest.raises(RunFolderError, match=r"window 1 of .* holds another model than the run's"):
        export_run(copy)


def test_a_capsule_that_is_gone_is_refused(copy):
    (copy / "folds" / "001" / "model.capsule").unlink()
    with pytest.raises(RunFolderError, match=r"model\.capsule is not there: run again"):
        export_run(copy)


def test_libraries_of_other_content_have_other_names(finished, copy):
    """A published library never changes: one that differs in a threshold alone is another."""
    path = copy / "folds" / "001" / "model.capsule"
    save(replace(load(path), threshold=(0.5, 0.5)), path)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["capsules"][1] = sha256_of(path)
    (copy / "manifest.json").write_text(json.dumps(manifest))
    one, two = (list(export_run(folder, libraries=True).libraries) for folder in (finished, copy))
    assert one[0] == two[0]
    assert one[1] != two[1]


def test_no_name_is_a_word_that_pine_keeps_for_itself(finished):
    """PyneCore takes them, and TradingView's compiler does not (CE10150)."""
    text = export_run(finished, "latest").text
    assert not names_of(text) & RESERVED
    assert not {name for f in registered().values() if f.pine for name in names_of(f.pine)} & RESERVED


def test_an_unfinished_run_is_refused(copy):
    manifest = json.loads((copy / "manifest.json").read_text()) | {"state": "running"}
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(RunFolderError, match="not that of a finished run"):
        export_run(copy)


def test_sentiment_by_the_bar_is_refused(copy):
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["config"]["sentiment"]["resolution"] = "bar"
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ConfigError, match="sentiment by the bar has no Pine form"):
        export_run(copy)


def test_a_run_without_a_prediction_is_refused(copy):
    import pandas as pd

    def silent(path):
        frame = pd.read_parquet(path)
        frame["fold"] = -1
        frame.to_parquet(path)

    rewrite(copy, "predictions.parquet", silent)
    with pytest.raises(RunFolderError, match="holds no prediction"):
        export_run(copy)


def test_the_command_writes_the_script_and_tells_what_comes_next(finished, mlstrat, tmp_path):
    done = mlstrat("pine", "export", finished, "-o", tmp_path / "s.pine")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "s.pine").read_text() == export_run(finished).text
    assert "2 windows, 7 features" in done.stdout
    made = export_run(finished)
    *_, trades, after, digest = done.stdout.splitlines()
    assert trades.startswith(f"It trades from bar {made.warmup:,} of a chart on")
    assert trades.endswith(", or at once where the chart begins with the run's bars.")
    assert after == f"Next: mlstrat pine verify {finished} --script {tmp_path / 's.pine'}"
    assert digest == f"SHA-256 of the script: {sha256_of(tmp_path / 's.pine')[:12]}."


@pytest.mark.parametrize(
    ("settled", "mode", "told"),
    [
        (40, "replay", "bar 40 of a chart on"),
        (1200, "latest", "bar 40 of a chart on (bar 1,200 where the chart begins within a window)"),
        (NEVER, "latest", "bar 40 of a chart on, if the model's training ended after that bar"),
        (NEVER, "replay", "bar 40 of a chart on, but not with a window that had begun before"),
    ],
)
@pytest.mark.parametrize("from_start", [True, False])
def test_from_where_on_it_trades(finished, mlstrat, tmp_path, monkeypatch, settled, mode, told, from_start):
    made = replace(export_run(finished), mode=mode, warmup=40, settled=settled, from_start=from_start)
    monkeypatch.setattr("mlstrat.pine.exported.export_run", lambda *_, **__: made)
    done = mlstrat("pine", "export", finished, "-o", tmp_path / "s.pine")
    at_once = ", or at once where the chart begins with the run's bars" if from_start else ""
    assert f"It trades from {told}{at_once}.\n" in done.stdout


def test_what_comes_next_is_told_for_every_form(finished, mlstrat, tmp_path):
    script = tmp_path / "my script.pine"
    options = ["--mode", "latest", "--libraries", "--publisher", "me-2"]
    done = mlstrat("pine", "export", finished, *options, "-o", script)
    assert done.exit_code == 0, done.output
    words = " ".join(options)
    assert f"Next: mlstrat pine verify {finished} {words} --script '{script}'\n" in done.stdout
    stored = sorted((finished / "folds").iterdir())[-1] / "model.capsule"
    done = mlstrat("pine", "export", stored, "--mode", "latest", "-o", script)
    assert done.exit_code == 0, done.output
    assert "Next:" not in done.stdout
    assert "A model file cannot be verified, only a run's folder" in done.stdout
    assert "or at once" not in done.stdout


def test_libraries_are_written_beside_it_with_the_steps_to_publish_them(finished, mlstrat, tmp_path):
    done = mlstrat("pine", "export", finished, "--libraries", "--publisher", "me", "-o", tmp_path / "s.pine")
    made = export_run(finished, libraries=True, publisher="me")
    assert {path.stem for path in tmp_path.iterdir()} == {"s", *made.libraries}
    for name, text in made.libraries.items():
        assert (tmp_path / f"{name}.pine").read_text() == text
        assert f"import me/{name}/1 as {name}" in made.text
    assert "publish it" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("none",), 4, "holds no finished run: give the folder that mlstrat backtest wrote."),
        (("RUN", "--mode", "newest"), 2, "Invalid value for '--mode'"),
        (("RUN", "--publisher", "a/b"), 2, "'a/b' cannot be a publisher's name: give letters, digits"),
        (("RUN", "--publisher", ""), 2, "'' cannot be a publisher's name"),
    ],
)
def test_a_refused_export_leaves_no_file(finished, mlstrat, tmp_path, arguments, code, told):
    source = finished if arguments[0] == "RUN" else tmp_path / arguments[0]
    done = mlstrat("pine", "export", source, *arguments[1:], "-o", tmp_path / "s.pine")
    assert done.exit_code == code
    assert told in done.output + str(done.stderr)
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_to_is_refused_at_once(finished, mlstrat, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").mkdir()
    (tmp_path / "file").write_text("mine")
    for output, told in (
        ("", ". is a folder: give a file name."),
        ("taken", "taken is a folder: give a file name."),
        ("nodir/a.pine", "the folder nodir is not there: make it."),
        ("file/a.pine", "file is a file: give a name in a folder."),
    ):
        done = mlstrat("pine", "export", finished, "--libraries", "-o", output)
        assert done.exit_code == 4, output
        assert f"error: {told}" in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"taken", "file"}


def test_a_library_that_cannot_be_written_leaves_no_file(finished, mlstrat, tmp_path):
    last = list(export_run(finished, libraries=True).libraries)[-1]
    (tmp_path / f"{last}.pine").mkdir()
    done = mlstrat("pine", "export", finished, "--libraries", "-o", tmp_path / "s.pine")
    assert done.exit_code == 4
    assert f"{last}.pine is a folder: give a file name." in done.stderr
    assert [path.stem for path in tmp_path.iterdir()] == [last]


def test_a_manifest_without_windows_is_no_finished_run(copy, mlstrat, tmp_path):
    path = copy / "manifest.json"
    whole = json.loads(path.read_text())
    for windows in ({}, {"windows": []}, {"windows": None}):
        path.write_text(json.dumps({name: whole[name] for name in whole if name != "windows"} | windows))
        with pytest.raises(RunFolderError, match=r"copy holds no finished run: give the folder"):
            export_run(copy)
    sections = {**whole["inputs"], "config": {**whole["inputs"]["config"], "grid": {}}}
    path.write_text(json.dumps({"state": "complete", "outputs": {}, "inputs": sections}))
    with pytest.raises(RunFolderError, match=r"copy holds a sweep and no run: give the folder"):
        export_run(copy)
    done = mlstrat("pine", "verify", path)
    assert done.exit_code == 4
    assert "manifest.json is a file: give the folder that mlstrat backtest wrote." in done.stderr
