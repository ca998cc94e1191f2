"""A run's folder, or a model file, as a script: what is read, what is refused; and the text never varies."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from mlstrat.backtest import backtest
from mlstrat.capsule import save
from mlstrat.cli.main import app
from mlstrat.config import parse_config, with_overrides
from mlstrat.errors import ConfigError, ModelError, RunFolderError
from mlstrat.files import sha256_of
from mlstrat.live import train
from mlstrat.pine.exported import export_run, with_feature_plots
from mlstrat.pine.text import TOKEN_BUDGET
from mlstrat.pipeline import load_bars, load_panel
from mlstrat.sentiment.series import mood_for

SETTINGS = (
    "data.start=2021-08-01",
    "data.end=2021-12-01",
    "sentiment.source=sample:headlines",
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
    assert "Next: mlstrat pine verify" in done.stdout


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
        (("none",), 4, "is not a run's manifest"),
        (("RUN", "--mode", "newest"), 2, "Invalid value for '--mode'"),
    ],
)
def test_a_refused_export_leaves_no_file(finished, mlstrat, tmp_path, arguments, code, told):
    source = finished if arguments[0] == "RUN" else tmp_path / arguments[0]
    done = mlstrat("pine", "export", source, *arguments[1:], "-o", tmp_path / "out" / "s.pine")
    assert done.exit_code == code
    assert told in done.output + str(done.stderr)
    assert not (tmp_path / "out").exists()
