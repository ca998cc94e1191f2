"""`mlstrat evidence`: of a run, of a sweep, and of returns from any tool."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from mlstrat.cli.main import app
from mlstrat.trials.ledger import Ledger

ROOT = Path(__file__).parents[2]
DAYS = 800


def flat(text):
    return " ".join(text.split())


@pytest.fixture
def table(tmp_path):
    """Three strategies that hold for 5 of 10 days; the last one has an edge."""
    made = 0.01 * np.random.default_rng(2).normal(size=(DAYS, 3))
    made[:, 2] += 0.003
    made[np.arange(DAYS) // 5 % 2 == 1] = 0.0
    frame = pd.DataFrame(made, columns=["slow", "fast", "lucky"])
    frame.insert(0, "date", pd.date_range("2020-01-01", periods=DAYS).strftime("%Y-%m-%d"))
    path = tmp_path / "my.csv"
    frame.to_csv(path, index=False)
    return path


def test_returns_from_any_tool_get_the_verdict_first(mlstrat, table):
    result = mlstrat("evidence", "--returns", table)
    assert result.exit_code == 0, result.stderr
    printed = flat(result.stdout)
    assert printed.startswith(
        "There is evidence of an edge: the best of 3 columns earned money beyond what luck explains (SPA p"
    )
    for name in ("SPA p-value", "naive", "deflated Sharpe", "probabilistic Sharpe", "PBO", "trials counted"):
        assert f"│ {name}" in printed
    for name in ("best column │ lucky", "Sharpe ratio", "record needed", "return", "deepest drawdown"):
        assert f"│ {name}" in printed
    assert "The times, 2020-01-01 to 2022-03-10, have 365.2 rows a year." in printed
    assert "Trades were not given and are counted as how often returns leave 0: 80." in printed


def test_what_was_tried_elsewhere_is_paid_for(mlstrat, table):
    result = mlstrat("evidence", "--returns", table, "--trials", 900, "--trades", "80,80,80", "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    alone = json.loads(mlstrat("evidence", "--returns", table, "--json").stdout)
    assert told["evidence"]["trials"] == 900
    assert told["evidence"]["p"] == min(1.0, 898 * told["evidence"]["spa"]["p"])
    assert alone["evidence"]["basis"] == "spa"
    assert "897 more things were tried" in " ".join(told["sentences"])


def test_a_benchmark_and_equity_are_taken(mlstrat, table, tmp_path):
    frame = pd.read_csv(table)
    for name in ("slow", "fast", "lucky"):
        frame[name] = 100.0 * np.cumprod(1.0 + frame[name])
    frame.to_csv(tmp_path / "equity.csv", index=False)
    refused = mlstrat("evidence", "--returns", tmp_path / "equity.csv")
    assert refused.exit_code == 3
    assert "looks like an equity curve" in refused.stderr
    result = mlstrat("evidence", "--returns", tmp_path / "equity.csv", "--equity", "--benchmark", "slow")
    assert result.exit_code == 0, result.stderr
    assert "beat the benchmark beyond what luck explains" in flat(result.stdout)
    assert "above the benchmark" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "give the folder of a run or a sweep, or --returns FILE"),
        (("{run}", "--returns", "{table}"), 2, "what is to be judged is not clear"),
        (("{run}", "--trades", "40"), 2, "--trades is for a file of returns: leave it out for a folder"),
        (("{run}",), 4, "holds no finished run: give the folder that mlstrat backtest wrote"),
        (("--returns", "{table}", "--trades", "many"), 2, "--trades 'many' is no list of whole numbers"),
        (("--returns", "{table}", "--trials", "0"), 2, "0 trials were counted: give at least 1"),
        (("--returns", "{table}", "--trades", "-5,40,40"), 3, "a number of trades is below 0: give each"),
        (("--returns", "nothing.csv"), 3, "nothing.csv cannot be read"),
    ],
)
def test_what_cannot_be_judged_is_one_sentence(mlstrat, table, tmp_path, arguments, code, said):
    given = [part.format(run=tmp_path, table=table) for part in arguments]
    result = mlstrat("evidence", *given)
    assert result.exit_code == code
    assert said in result.stderr
    assert result.stderr.count("error: ") == 1


@pytest.fixture(scope="module")
def folders(tiny_text, tmp_path_factory):
    """A run, and a sweep one column of which is that run."""
    pytest.importorskip("quantstats")
    pytest.importorskip("plotly")
    place = tmp_path_factory.mktemp("folders")
    (place / "tiny.toml").write_text(tiny_text)
    config, made = place / "tiny.toml", place / "run"
    lines = [("backtest", config, "--out", made, "--engine", "kernel")]
    lines.append(("sweep", config, "--grid", "stops.atr=1,2.5", "--out", place / "sweep"))
    for line in lines:
        done = CliRunner().invoke(app, [str(word) for word in line])
        assert done.exit_code == 0, done.stderr
    return place


def test_a_run_and_its_column_in_a_sweep_are_one_trial(mlstrat, folders):
    data = json.loads((folders / "run" / "manifest.json").read_text())["inputs"]["data_sha256"]
    tried = Ledger(folders / "trials.sqlite").tried(data)
    assert (tried.distinct, tried.runs, tried.columns) == (2, 1, 2)
    said = "counts 2 things tried on these data: 1 run and 2 columns of sweeps, of which 1 is both."
    for name in ("run", "sweep"):
        result = mlstrat("evidence", folders / name)
        assert result.exit_code == 0, result.stderr
        assert said in flat(result.stdout)


def test_the_verdict_is_that_of_the_report_and_of_the_sweep(mlstrat, folders):
    metrics = json.loads((folders / "run" / "metrics.json").read_text())
    told = json.loads(mlstrat("evidence", folders / "run", "--json").stdout)
    assert told["evidence"]["conclusion"] == "too few trades"
    assert told["evidence"]["trades"] == metrics["performance"]["trades"]
    stored = json.loads((folders / "sweep" / "evidence.json").read_text())
    told = json.loads(mlstrat("evidence", folders / "sweep", "--json").stdout)
    assert told["evidence"] == stored["evidence"]
    assert told["sentences"] == stored["sentences"]


def test_a_run_that_is_there_already_says_that_more_was_tried_since(mlstrat, folders):
    again = mlstrat("backtest", folders / "tiny.toml", "--out", folders / "run", "--engine", "kernel")
    assert again.exit_code == 0, again.stderr
    printed = flat(again.stdout)
    assert "already complete; nothing to redo" in printed
    since = (
        f"Trials: 1 was counted then, 2 are counted now: mlstrat evidence {folders / 'run'} says what that"
    )
    assert since in printed
    (folders / "trials.sqlite").rename(folders / "aside")
    (folders / "trials.sqlite").write_bytes(b"this is no data base, though it is long enough" * 100)
    broken = mlstrat("backtest", folders / "tiny.toml", "--out", folders / "run", "--engine", "kernel")
    (folders / "aside").replace(folders / "trials.sqlite")
    assert broken.exit_code == 0, broken.stderr
    assert "are counted now" not in flat(broken.stdout)


def test_columns_of_a_sweep_are_found_in_the_ledger_and_tested_with_a_run_made_later(
    mlstrat, tiny_text, tmp_path
):
    pytest.importorskip("quantstats")
    pytest.importorskip("plotly")
    config = tmp_path / "tiny.toml"
    config.write_text(tiny_text)
    often = ("--set", "kelly.multiplier=1.0")
    made = mlstrat("sweep", config, "--grid", "stops.atr=2.5,3", "--out", tmp_path / "sweep", *often)
    assert made.exit_code == 0, made.stderr
    ran = mlstrat(
        "backtest", config, "--out", tmp_path / "run", "--engine", "kernel", *often, "--set", "stops.atr=2"
    )
    assert ran.exit_code == 0, ran.stderr
    told = json.loads(mlstrat("evidence", tmp_path / "sweep", "--json").stdout)
    found = told["evidence"]
    assert (found["basis"], found["beside"], found["trials"]) == ("spa", 1, 3)
    assert "all columns were tested again, on days" in told["notes"][1]


def test_the_example_on_the_page_runs(mlstrat, tmp_path, monkeypatch):
    page = (ROOT / "docs" / "evidence.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(# my_returns.csv.*?)```", page, flags=re.DOTALL).group(1)
    command, printed = re.search(
        r"    (mlstrat evidence --returns my_returns.csv.*)\n\n    (.*)", page
    ).groups()
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "example", "exec"), {})
    result = mlstrat(*shlex.split(command)[1:])
    assert result.exit_code == 0, result.stderr
    assert printed.rstrip() in flat(result.stdout)
