"""The exports in `backtests/pine` made again from their run files and verified as `pine verify` does."""

import re
from pathlib import Path

import pytest

from mlstrat.backtest import backtest
from mlstrat.config import load_config
from mlstrat.parity.script.verifying import verify_script
from mlstrat.pine.exported import export_run

pytest.importorskip("pine2pyne", reason="needs opencode-pine2pyne: pip install 'mlstrat[pine]'")
pytest.importorskip("pynecore", reason="needs pynesys-pynecore: pip install 'mlstrat[pine]'")

FOLDER = Path(__file__).parents[2] / "backtests" / "pine"
LEAST_TRADES = {"trees": 20, "ensemble": 50, "sentiment": 50}
_STRINGS = re.compile(r'"[^"]*"')
_NUMBERS = re.compile(r"-?\d[\d,]*(\.\d+)?")
_HASHES = re.compile(r"\b[0-9a-f]{12,}\b")


def skeleton(script: str) -> str:
    """Return a script without what the models learned: other processors round training sums otherwise."""
    code = "\n".join(line for line in script.split("\n") if not line.startswith("//"))
    return _NUMBERS.sub("0", _HASHES.sub("h", _STRINGS.sub('""', code)))


@pytest.fixture(scope="module", params=sorted(LEAST_TRADES))
def example(request, tmp_path_factory):
    """A run file's name, its run, and the script that it gives today."""
    folder = tmp_path_factory.mktemp(request.param) / "run"
    backtest(load_config(FOLDER / f"{request.param}.toml"), folder, engine="kernel", use_cache=False)
    return request.param, folder, export_run(folder)


def test_the_committed_script_is_what_the_run_file_gives(example):
    name, _, made = example
    committed = (FOLDER / f"{name}.pine").read_text()
    assert skeleton(made.text) == skeleton(committed)


def test_it_says_and_trades_what_python_does(example):
    name, folder, made = example
    verified = verify_script(folder, made, starts=name == "sentiment")
    assert verified.identical
    assert all(case.measured.prob_up < 1e-9 for case in verified.cases)
    assert verified.cases[0].measured.comparison.total >= LEAST_TRADES[name]


def test_the_three_differ_in_what_they_carry():
    texts = {name: (FOLDER / f"{name}.pine").read_text() for name in LEAST_TRADES}
    assert {name: "lstmOf(" in text for name, text in texts.items()} == {
        "trees": False,
        "ensemble": True,
        "sentiment": True,
    }
    assert {name: "moodCodes" in text for name, text in texts.items()} == {
        "trees": False,
        "ensemble": False,
        "sentiment": True,
    }
    assert "confirmedLong" in texts["ensemble"]


@pytest.mark.parametrize("name", sorted(LEAST_TRADES))
def test_none_of_the_usual_mistakes_is_in_it(name):
    """The faults of a well-known script: simulated values, Kelly of the expected return, bands mixed up."""
    text = (FOLDER / f"{name}.pine").read_text()
    for wrong in ("math.sin", "math.random", "expected_return", "ta.bb(", "alert(", "every_tick=true"):
        assert wrong not in text
    # A quantity is a count of contracts, not a percentage of equity.
    assert re.findall(r"qty=(\w+)", text) == ["quantity"]
