"""`mlstrat pine budget` on the command line, and an export that is over the budget."""

import re

import pytest
import typer
from typer.testing import CliRunner

from mlstrat.backtest import backtest
from mlstrat.cli.group import Commands
from mlstrat.cli.pine_commands import app as pine
from mlstrat.config import load_config
from mlstrat.errors import ConfigError
from mlstrat.pine import budget as budget_module
from mlstrat.pine.exported import export_run

PINE = """
name = "small"
jobs = 1

[data]
bars = "sample:BTCUSDT_1h"
start = "2023-01-01"
end = "2023-04-10"

[features]
names = ["ret_1", "rsi_14", "hour_sin"]

[splits]
training_days = 40
retrain = "month"
max_windows = 2

[models]
profile = "pine"
lstm_epochs = 1

[kelly]
shrink = "off"

[report]
seeds = 1
"""


@pytest.fixture
def run_file(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(PINE)
    return path


@pytest.fixture
def weigh():
    """The command below a root that prints errors as the real one does."""
    app = typer.Typer(cls=Commands)
    app.add_typer(pine, name="pine")

    def run(*arguments):
        return CliRunner().invoke(app, ["pine", "budget", *map(str, arguments)], env={"COLUMNS": "120"})

    return run


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    (folder / "small.toml").write_text(PINE)
    return backtest(load_config(folder / "small.toml"), folder / "out", engine="kernel").folder


def row(output, name):
    """Return the numbers of a row of the first table."""
    line = next(line for line in output.splitlines() if name in line)
    return [int(number.replace(",", "")) for number in re.findall(r"[\d,]+", line.split(name)[1])]


def test_it_bounds_what_the_export_weighs(weigh, run_file, finished):
    result = weigh(run_file)
    assert result.exit_code == 0, result.output
    assert "This run of 2 windows fits in one script." in result.output
    assert "A window that chooses isotonic maps" in result.output
    fixed, each, windows = (
        row(result.output, name)[0]
        for name in ("rule, interface, features", "each window, beta maps", "windows of the run")
    )
    told = row(result.output, "sum of the strategy")[0]
    assert told == fixed + windows * each
    made = export_run(finished)
    assert made.windows == windows == 2
    assert made.tokens <= told <= 1.15 * made.tokens
    most = row(result.output, "windows that fit")[0]
    assert fixed + most * each <= 95_000 < fixed + (most + 1) * each


def test_what_fits_only_apart_or_not_at_all_is_told(weigh, run_file):
    large = ("--set", "models.rf_n_estimators=1000")
    result = weigh(run_file, *large)
    assert result.exit_code == 0, result.output
    assert "This run of 2 windows fits with --libraries." in result.output
    result = weigh(run_file, "--set", "models.rf_n_estimators=2000")
    assert result.exit_code == 3, result.output
    assert "This run of 2 windows does not fit." in result.output
    assert "Take fewer windows (splits.retrain, splits.max_windows)" in result.output


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ('features.names=["ret_1_4h", "ret_1"]', "without a Pine form: ret_1_4h: take them out"),
        ("signals.conformal=0.1", "signals.conformal has no Pine form"),
        ("sentiment.source=sample:headlines", ""),
        ("execution.slippage_ticks=0.5", "give a whole number"),
    ],
)
def test_what_has_no_pine_form_ends_with_code_2(weigh, run_file, setting, told):
    result = weigh(run_file, "--set", setting)
    assert result.exit_code == (2 if told else 0), result.output
    assert told in " ".join(result.stderr.split())


def test_a_width_that_is_not_known_before_training_is_told(weigh, run_file):
    result = weigh(run_file, "--set", "models.characters=0", "--set", "tune.trials=2")
    assert "the width of bin edges is a guess" in result.output
    assert "A search ([tune]) may choose other sizes" in result.output


def test_a_script_that_is_over_is_refused_and_nothing_is_written(finished, tmp_path, monkeypatch):
    monkeypatch.setattr(budget_module, "TOKEN_BUDGET", 10_000)
    with pytest.raises(ConfigError, match="compiled tokens of 10,000: run with fewer windows"):
        export_run(finished)
    with pytest.raises(ConfigError, match="compiled tokens of 10,000: run with fewer windows"):
        export_run(finished, libraries=True)
    app = typer.Typer(cls=Commands)
    app.add_typer(pine, name="pine")
    out = tmp_path / "out"
    out.mkdir()
    result = CliRunner().invoke(app, ["pine", "export", str(finished), "-o", str(out / "small.pine")])
    assert result.exit_code == 2
    assert "TradingView would refuse this script" in result.stderr
    assert not list(out.iterdir())
