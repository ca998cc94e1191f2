import json

import pytest

from mlstrat.features.lookup import registered
from mlstrat.features.registry import REGISTRY

MINE = """
import mlstrat

@mlstrat.feature("cli_gap", inputs=("close",), lookback=6)
def gap(frame):
    return frame.close / frame.close.shift(5) - 1.0
"""
LEAK = """
@mlstrat.feature("cli_peek", inputs=("close",))
def peek(frame):
    return frame.close / frame.close.shift(-1).ffill()
"""
TOTAL = """
@mlstrat.feature("cli_total", inputs=("volume",))
def total(frame):
    return frame.volume.cumsum()
"""


@pytest.fixture(autouse=True)
def _forget(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    registered()
    before = dict(REGISTRY)
    yield
    REGISTRY.clear()
    REGISTRY.update(before)


@pytest.fixture
def mine(tmp_path):
    def written(code):
        path = tmp_path / "mine.py"
        path.write_text(code)
        return path

    return written


def test_honest_features_pass(mlstrat, mine):
    result = mlstrat("audit", "features", mine(MINE))
    assert result.exit_code == 0, result.output
    assert "yes, at every bar" in " ".join(result.stdout.split())
    assert "1 features in" in result.stdout
    assert "a run takes all of them" in result.stdout


def test_a_leak_ends_with_code_3_and_is_named(mlstrat, mine):
    result = mlstrat("audit", "features", mine(MINE + LEAK), "--json")
    assert result.exit_code == 3
    gap, peek = json.loads(result.stdout)
    assert (gap["name"], gap["passed"], gap["causal"], gap["leak"]) == ("cli_gap", True, True, None)
    assert (gap["lookback"], gap["lookback_found"], gap["warmup"]) == (6, 6, 6)
    assert gap["n_bars"] == 1600
    assert gap["seconds"] > 0
    assert (peek["passed"], peek["causal"]) == (False, False)
    assert (peek["leak"]["bar"], peek["leak"]["saw"]) == (0, 1)
    assert peek["leak"]["before"] is None  # at its own close the bar has no next one
    assert peek["leak"]["after"] == pytest.approx(1.0, abs=0.05)
    table = mlstrat("audit", "features", mine(MINE + LEAK))
    assert table.exit_code == 3
    assert "a run refuses 1 of them" in table.stdout


def test_what_cannot_stream_ends_with_code_3(mlstrat, mine):
    result = mlstrat("audit", "features", mine(MINE + TOTAL))
    assert result.exit_code == 3
    words = " ".join(result.stdout.replace("│", " ").split())
    assert "none is enough" in words


def test_own_bars_are_tried_too(mlstrat, mine, walk_csv):
    result = mlstrat("audit", "features", mine(MINE), "--json", "--bars", walk_csv, "--tz", "UTC")
    assert result.exit_code == 0
    assert json.loads(result.stdout)[0]["n_bars"] == 2000


def test_of_a_run_file_its_plugins_and_indicators_of_ta_are_tried(mlstrat, mine, tmp_path):
    pytest.importorskip("ta", reason="the package ta is not installed")
    mine(MINE)
    run = tmp_path / "run.toml"
    names = '["ret_1", "cli_gap", "ta.roc", "ta.kst"]'
    run.write_text(f'plugins = ["mine.py"]\n[features]\nnames = {names}\n')
    result = mlstrat("audit", "features", run, "--json")
    assert result.exit_code == 3
    rows = {row["name"]: row for row in json.loads(result.stdout)}
    assert list(rows) == ["cli_gap", "ta.roc", "ta.kst"]
    assert rows["ta.roc"]["passed"]
    assert rows["ta.kst"]["causal"] is None
    assert "mean of all bars" in rows["ta.kst"]["problem"]


def test_a_file_without_anything_to_audit_is_refused(mlstrat, tiny, tmp_path):
    result = mlstrat("audit", "features", tiny)
    assert result.exit_code == 2
    assert "names no plugins and no features of ta" in result.stderr
    missing = mlstrat("audit", "features", tmp_path / "no.py")
    assert missing.exit_code == 2
    assert "is not a Python file" in missing.stderr


def test_the_list_says_how_each_feature_streams(mlstrat, mine):
    path = mine(MINE)
    arguments = ("features", "list", "--plugin", path, "--json", "--names")
    names = "cli_gap,rsi_14,ta.bollinger_pband(window=20, window_dev=3)"
    rows = {row["name"]: row["streams"] for row in json.loads(mlstrat(*arguments, names).stdout)}
    assert rows == {
        "cli_gap": "recomputes its last 6 bars",
        "rsi_14": "bit by bit",
        "ta.bollinger_pband(window=20, window_dev=3)": "recomputes its last 20 bars",
    }


def test_an_indicator_in_price_is_refused_as_the_run_would(mlstrat, tmp_path):
    pytest.importorskip("ta", reason="the package ta is not installed")
    run = tmp_path / "run.toml"
    run.write_text('[features]\nnames = ["ret_1", "ta.bollinger_mavg", "ta.bollinger_mavg/close"]\n')
    result = mlstrat("audit", "features", run, "--json")
    assert result.exit_code == 3
    rows = {row["name"]: row for row in json.loads(result.stdout)}
    assert not rows["ta.bollinger_mavg"]["passed"]
    assert "its unit is price: write ta.bollinger_mavg/close" in rows["ta.bollinger_mavg"]["problem"]
    assert rows["ta.bollinger_mavg/close"]["passed"]
