import os
import subprocess
import sys

import pytest

from mlstrat import __version__
from mlstrat.cli.group import EXIT_CODES
from mlstrat.cli.options import Engine
from mlstrat.errors import ConfigError, DataError, MissingExtraError, MlstratError, ModelError, RunFolderError

COMMANDS = (
    "",
    "backtest",
    "demo",
    "evidence",
    "sweep",
    "verify",
    "simulate",
    "reproduce",
    "train",
    "predict",
    "model info",
    "model onnx",
    "data check",
    "data download",
    "data resample",
    "features importance",
    "audit features",
    "features list",
    "config init",
    "config validate",
    "config reference",
    "new",
)
HEAVY = "pandas numba backtrader torch sklearn joblib matplotlib mlstrat.pipeline mlstrat.config"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(mlstrat, command):
    result = mlstrat(*command.split(), "--help")
    assert result.exit_code == 0
    assert "Usage" in result.output


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom mlstrat.cli.main import app\n"
        "assert CliRunner().invoke(app, ['backtest', '--help']).exit_code == 0\n"
        f"loaded = [name for name in {HEAVY.split()!r} if name in sys.modules]\n"
        "assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_help_documents_the_exit_code_of_every_error(mlstrat):
    output = " ".join(mlstrat("--help").output.split())
    for error in (MlstratError, ConfigError, DataError, RunFolderError, MissingExtraError, ModelError):
        assert error.exit_code in EXIT_CODES
    for code, meaning in EXIT_CODES.items():
        assert f"{code} {meaning}" in output


def test_version(mlstrat):
    assert mlstrat("--version").output == f"mlstrat {__version__}\n"


def test_python_dash_m_is_the_same_command():
    done = subprocess.run([sys.executable, "-m", "mlstrat", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"mlstrat {__version__}\n")


def test_a_terminal_without_unicode_is_no_obstacle(tmp_path):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    line = [sys.executable, "-m", "mlstrat", "data", "check", tmp_path / "r\u00fcn.csv"]
    done = subprocess.run(line, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 3
    assert "r?n.csv" in done.stdout
    assert done.stderr.startswith("error: ")


def test_the_engines_offered_are_those_of_the_pipeline():
    from mlstrat.pipeline import ENGINES

    assert tuple(engine.value for engine in Engine) == ENGINES
