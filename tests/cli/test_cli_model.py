"""`mlstrat train`, `predict` and `model`: files in, JSON and tables out, one sentence for a mistake."""

import json
import subprocess
import sys

import pytest

from mlstrat.capsule import load

BARS = "sample:BTCUSDT_1h"
HEAVY = "pandas numba torch sklearn mlstrat.pipeline mlstrat.config mlstrat.capsule"


@pytest.fixture(scope="module")
def capsule(tmp_path_factory, tiny_text):
    from typer.testing import CliRunner

    from mlstrat.cli.main import app

    folder = tmp_path_factory.mktemp("model")
    (folder / "tiny.toml").write_text(tiny_text)
    path = folder / "made" / "model.capsule"
    result = CliRunner().invoke(app, ["train", str(folder / "tiny.toml"), "-o", str(path)])
    assert result.exit_code == 0, result.stderr
    assert "written: BTCUSDT 1h, fitted on" in result.stdout
    return path


def test_train_fits_on_all_that_is_known(capsule):
    made = load(capsule)
    assert str(made.window.cut)[:16] == "2023-04-10T00:00"
    assert str(made.window.valid_to)[:10] == "2023-05-01"
    assert made.about.features == ("ret_1", "rsi_14", "hour")


def test_train_is_told_otherwise_by_set(mlstrat, tiny, tmp_path):
    path = tmp_path / "model.capsule"
    changed = ("--set", "models.rf_n_estimators=3", "--set", "data.end=2023-04-01")
    assert mlstrat("train", tiny, "-o", path, *changed).exit_code == 0
    assert len(load(path).ensemble.models.forest.roots) == 3
    assert str(load(path).window.cut)[:10] == "2023-04-01"


def test_train_says_what_is_lacking(mlstrat, tiny, tmp_path):
    few = mlstrat("train", tiny, "-o", tmp_path / "m", "--set", "data.end=2023-01-20")
    assert few.exit_code == 3
    assert "A model of 40 training days needs" in few.stderr
    assert mlstrat("train", tmp_path / "no.toml", "-o", tmp_path / "m").exit_code == 2
    (tmp_path / "file").write_text("")
    assert mlstrat("train", tiny, "-o", tmp_path / "file" / "m").exit_code == 4
    assert not (tmp_path / "m").exists()


def test_predict_prints_json(mlstrat, capsule):
    result = mlstrat("predict", capsule, BARS)
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["symbol"] == "BTCUSDT"
    assert 0.0 < found["direction_probability"] < 1.0
    assert found["recommendation"]["action"] in ("buy", "sell", "hold")
    assert "note: The model was due to be fitted again at 2023-05-01T00:00" in result.stderr
    assert result.stdout == mlstrat("predict", capsule, BARS).stdout


def test_predict_takes_headlines(mlstrat, capsule):
    pytest.importorskip("vaderSentiment")
    result = mlstrat("predict", capsule, BARS, "--headlines", "sample:headlines")
    assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize(
    ("spoil", "code", "what"),
    [
        (lambda c: c[:-1], 6, "is damaged, its hash does not match"),
        (lambda c: b"\x80\x04.", 6, "is not a model file of this program"),
        (None, 6, "cannot be read (No such file or directory)"),
    ],
)
@pytest.mark.parametrize("command", [("predict",), ("model", "info")])
def test_a_file_that_is_no_model(mlstrat, capsule, tmp_path, spoil, code, what, command):
    path = tmp_path / "bad.capsule"
    if spoil:
        path.write_bytes(spoil(capsule.read_bytes()))
    result = mlstrat(*command, path, *([BARS] if command == ("predict",) else []))
    assert result.exit_code == code
    assert what in result.stderr
    assert "Traceback" not in result.stderr


def test_bars_of_another_symbol(mlstrat, capsule):
    result = mlstrat("predict", capsule, "sample:ETHUSDT_1h")
    assert result.exit_code == 3
    assert "fitted on BTCUSDT and these are bars of ETHUSDT" in result.stderr


def test_a_feature_of_a_plugin_needs_its_plugin(mlstrat, tiny, tmp_path):
    plugin = tmp_path / "plug.py"
    plugin.write_text(
        "from mlstrat import feature\nfrom mlstrat.arrays import njit\n\n"
        '@feature("own_model_move", inputs=("open", "close"))\n@njit\n'
        "def own_model_move(state, bar, params):\n    return bar[3] / bar[0] - 1.0\n"
    )
    text = (
        tiny.read_text()
        .replace('"ret_1"', '"own_model_move"')
        .replace("jobs = 1", f'jobs = 1\nplugins = ["{plugin}"]')
    )
    tiny.write_text(text)
    path = tmp_path / "model.capsule"
    trained = mlstrat("train", tiny, "-o", path)
    assert trained.exit_code == 0, trained.stderr
    code = "from mlstrat.cli.main import main\nmain()"
    line = [sys.executable, "-c", code, "predict", str(path), BARS]
    alone = subprocess.run(line, capture_output=True, text=True, check=False)
    assert alone.returncode == 6
    assert "the model wants feature 'own_model_move', which is not there" in alone.stderr
    assert "load the plugin" in alone.stderr
    given = subprocess.run([*line, "--plugin", str(plugin)], capture_output=True, text=True, check=False)
    assert given.returncode == 0, given.stderr


def test_info(mlstrat, capsule):
    found = json.loads(mlstrat("model", "info", capsule, "--json").stdout)
    made = load(capsule)
    assert found["bytes"] == capsule.stat().st_size
    assert found["features"] == ["ret_1", "rsi_14", "hour"]
    assert found["nodes"] == sum(
        len(t.feature) for t in (made.ensemble.models.forest, made.ensemble.models.boosting)
    )
    assert found["row_us"] > 0
    assert found["model_sha256"] == made.window.model_sha256
    plain = mlstrat("model", "info", capsule).stdout
    assert "fitted until    2023-04-10T00:00Z" in plain
    assert "made from       none" in plain


@pytest.mark.parametrize(("how", "done"), [("prune", "pruned"), ("distil", "distilled")])
def test_smaller_models(mlstrat, capsule, tmp_path, how, done):
    small = tmp_path / "small.capsule"
    result = mlstrat("model", how, capsule, "--bars", BARS, "-o", small, "--keep-trees", "2")
    assert result.exit_code == 0, result.stderr
    for text in ("bytes", "one row, p50", "log loss", "bars with the equal signal", "%"):
        assert text in result.stdout
    assert len(load(small).ensemble.models.forest.roots) == 2
    assert load(small).about.made_from.startswith(f"{done} to 2 and 2 trees")
    assert mlstrat("predict", small, BARS).exit_code == 0
    assert small.stat().st_size < capsule.stat().st_size


def test_a_share_that_is_none(mlstrat, capsule, tmp_path):
    result = mlstrat("model", "prune", capsule, "--bars", BARS, "-o", tmp_path / "s", "--share", "2")
    assert result.exit_code == 2
    assert "give one in (0, 1]" in result.stderr
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    "command", ["train", "predict", "model", "model info", "model prune", "model distil"]
)
def test_every_command_has_help(mlstrat, command):
    result = mlstrat(*command.split(), "--help")
    assert result.exit_code == 0
    assert "Usage" in result.output


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom mlstrat.cli.main import app\n"
        "assert CliRunner().invoke(app, ['model', 'prune', '--help']).exit_code == 0\n"
        f"loaded = [name for name in {HEAVY.split()!r} if name in sys.modules]\n"
        "assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
