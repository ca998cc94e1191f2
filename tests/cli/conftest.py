"""A run small enough for a test, and the command line in this process."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mlstrat.cli.main import app

TINY = """
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

[report]
seeds = 1
"""


@pytest.fixture(scope="session")
def tiny_text() -> str:
    return TINY


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    return path


@pytest.fixture
def mlstrat():
    def run(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return run


@pytest.fixture
def walk_csv(tmp_path: Path) -> Path:
    """2,000 hourly bars of a random walk, with a symbol in the file's name and stamps without offset."""
    from mlstrat.data.synthetic import random_walk

    frame = random_walk(2000, 3).frame().tz_localize(None).reset_index()
    path = tmp_path / "WALK_1h.csv"
    frame.to_csv(path, index=False)
    return path
