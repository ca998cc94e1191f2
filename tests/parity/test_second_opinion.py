"""PineTS as a second opinion: what it says of scripts whose values are known, and when it cannot be asked."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from execution_cases import make_bars

from mlstrat.data.bars import Bars
from mlstrat.execution.types import STOP, TARGET, TIME, RiskRules
from mlstrat.parity.script.second_opinion import PineTS, SecondOpinion, find_pinets, second_opinion

pytest.importorskip("pynecore", reason="needs pynesys-pynecore: pip install 'mlstrat[pine]'")

N = 120
INDICATOR = '//@version=6\nindicator("x")\n'
posix = pytest.mark.skipif(os.name == "nt", reason="the stand-in for node is a shell script")
there = pytest.mark.skipif(
    find_pinets() is None, reason="node or pinets is absent: npm install pinets, and set MLSTRAT_PINETS"
)


@pytest.fixture(scope="module")
def bars() -> Bars:
    return make_bars(np.random.default_rng(4), N)


def ask(text: str, bars: Bars, titles: list[str], **given) -> SecondOpinion:
    opinion = second_opinion(text, bars, RiskRules(), titles, **given)
    assert opinion is not None
    return opinion


def package(folder: Path, version: str, name: str = "pinets") -> Path:
    folder.mkdir(parents=True)
    (folder / "package.json").write_text(json.dumps({"name": name, "version": version}))
    return folder


def stand_in(folder: Path, text: str = "exit 0") -> Path:
    """A program called node that does what the shell text says."""
    folder.mkdir(parents=True, exist_ok=True)
    node = folder / "node"
    node.write_text(f"#!/bin/sh\n{text}\n")
    node.chmod(0o755)
    return node


@posix
def test_the_named_folder_comes_before_the_shared_ones_and_the_current_one(tmp_path):
    node = stand_in(tmp_path / "bin")
    package(tmp_path / "named" / "node_modules" / "pinets", "1")
    package(tmp_path / "shared" / "pinets", "2")
    package(tmp_path / "here" / "node_modules" / "pinets", "3")
    environ = {
        "PATH": str(node.parent),
        "MLSTRAT_PINETS": str(tmp_path / "named"),
        "NODE_PATH": f"{tmp_path / 'none'}{os.pathsep}{tmp_path / 'shared'}",
    }
    found = []
    for name in ("MLSTRAT_PINETS", "NODE_PATH", "PATH"):
        pinets = find_pinets(environ, tmp_path / "here")
        found.append(pinets and pinets.version)
        del environ[name]
    assert found == ["1", "2", "3"]
    assert find_pinets(environ, tmp_path / "here") is None


@posix
def test_the_package_folder_itself_may_be_named(tmp_path):
    node = stand_in(tmp_path / "bin")
    folder = package(tmp_path / "pinets-0.9", "0.9")
    found = find_pinets({"PATH": str(node.parent), "MLSTRAT_PINETS": str(folder)}, tmp_path)
    assert found == PineTS(node, folder.resolve(), "0.9")


@posix
@pytest.mark.parametrize("text", ['{"name": "other", "version": "1"}', "[]", "{", None])
def test_what_is_no_pinets_is_not_taken(tmp_path, text):
    node = stand_in(tmp_path / "bin")
    folder = tmp_path / "node_modules" / "pinets"
    folder.mkdir(parents=True)
    if text is not None:
        (folder / "package.json").write_text(text)
    assert find_pinets({"PATH": str(node.parent)}, tmp_path) is None


def test_none_without_pinets(tmp_path, monkeypatch, bars):
    monkeypatch.setattr("mlstrat.parity.script.second_opinion.find_pinets", lambda: None)
    assert second_opinion(INDICATOR, bars, RiskRules(), ["a"]) is None


@posix
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("exit 134", "PineTS could not run it: node ended with code 134 and no answer."),
        ('echo "{" > "$4"', "PineTS could not run it: node ended with code 0 and no answer."),
        ("exec sleep 20", "PineTS could not run it: it was stopped after 0.2 seconds."),
        (
            """printf '%s' '{"problem": "a is not a function.\\nat b"}' > "$4\"""",
            "PineTS could not run it: a is not a function.",
        ),
    ],
)
def test_a_child_that_fails_is_a_sentence(tmp_path, bars, text, sentence):
    pinets = PineTS(stand_in(tmp_path, text), tmp_path, "1")
    opinion = second_opinion(INDICATOR, bars, RiskRules(), ["a"], pinets=pinets, limit_s=0.2)
    assert opinion.problem == sentence
    assert (dict(opinion.plots), len(opinion.trades), opinion.version) == ({}, 0, "1")


def test_a_program_that_cannot_start_is_a_sentence(tmp_path, bars):
    opinion = ask(INDICATOR, bars, ["a"], pinets=PineTS(tmp_path / "gone", tmp_path, "1"))
    assert "PineTS could not run it: " in opinion.problem


@there
def test_plots_are_exact_and_na_is_nan(bars):
    lines = {
        "close": "close",
        "last": "close[1]",
        "volume": "volume",
        "open time": "time",
        "close time": "time_close",
        "infinite": "1.0 / (bar_index - bar_index)",
        "true": "close > 0 ? 1 : 0",
        "length": "timeframe.in_seconds()",
        "tick": "syminfo.mintick",
    }
    text = "".join(f'plot({value}, "{title}")\n' for title, value in lines.items())
    opinion = ask(INDICATOR + text.replace("close > 0", "close > 0 ? 1 : 0"), bars, [*lines])
    assert opinion.problem == ""
    opened = bars.time.astype(np.int64) / 1e6
    expected = {
        "close": bars.close,
        "last": np.r_[np.nan, bars.close[:-1]],
        "volume": bars.volume,
        "open time": opened,
        "close time": opened + 3_600_000.0,
        "infinite": np.full(N, np.nan),
        "true": np.ones(N),
        "length": np.full(N, 3600.0),
        "tick": np.full(N, 0.01),
    }
    for title, column in expected.items():
        np.testing.assert_array_equal(opinion.plots[title], column, err_msg=title)


@there
def test_variables_keep_all_their_digits(bars):
    text = """small(float x) =>
    float part = x / 3.0
    part
var array<float> kept = array.new<float>(1, 0.0)
float third = close / 3.0 * 1e-9
array.set(kept, 0, third)
plot(small(third), "function")
plot(array.get(kept, 0), "array")
"""
    opinion = ask(INDICATOR + text, bars, ["function", "array"])
    third = bars.close / 3.0 * 1e-9
    np.testing.assert_array_equal(opinion.plots["array"], third)
    np.testing.assert_array_equal(opinion.plots["function"], third / 3.0)


STRATEGY = """//@version=6
strategy("x", initial_capital=100000, default_qty_type=strategy.fixed, margin_long=0, margin_short=0,
     commission_type=strategy.commission.percent, commission_value=0.1)
if bar_index == 10
    strategy.entry("trade", strategy.long, qty=2.5)
    strategy.exit("bracket", "trade", stop=1.0, limit=110.0, comment_loss="stop", comment_profit="target")
if bar_index == 30
    strategy.entry("trade", strategy.short, qty=1.0)
    strategy.exit("bracket", "trade", stop=120.0, limit=1.0, comment_loss="stop", comment_profit="target")
if bar_index == 50
    strategy.entry("trade", strategy.long, qty=1.0)
if bar_index == 60
    strategy.close("trade", comment="time")
if bar_index == 100
    strategy.entry("trade", strategy.long, qty=1.0)
plot(strategy.position_size, "position")
"""


@there
def test_closed_trades_of_a_strategy(bars):
    level = np.full(N, 100.0)
    high = level.copy()
    high[15], high[40] = 111.0, 125.0
    flat = replace(bars, open=level, high=high, low=level, close=level)
    opinion = ask(STRATEGY, flat, ["position"])
    trades = opinion.trades
    assert trades.reason.tolist() == [TARGET, STOP, TIME]
    assert trades.signal_bar.tolist() == [10, 30, 50]
    assert trades.entry_bar.tolist() == [11, 31, 51]
    assert trades.exit_bar.tolist() == [15, 40, 61]
    assert trades.side.tolist() == [1, -1, 1]
    assert trades.units.tolist() == [2.5, 1.0, 1.0]
    assert trades.entry_price.tolist() == [100.0, 100.0, 100.0]
    assert trades.exit_price.tolist() == [110.0, 120.0, 100.0]
    np.testing.assert_allclose(trades.commission, [0.525, 0.22, 0.2])
    np.testing.assert_allclose(trades.profit, [24.475, -20.22, -0.2])
    held = np.zeros(N)
    held[11:15], held[31:40], held[51:61], held[101:] = 2.5, -1.0, 1.0, 1.0
    np.testing.assert_array_equal(opinion.plots["position"], held)


@there
def test_the_same_chart_has_the_same_answer(bars):
    text = INDICATOR + 'plot(timenow - time, "now")\nplot(ta.rsi(close, 14), "rsi")\n'
    one, two = (ask(text, bars, ["now", "rsi"]) for _ in range(2))
    for title in ("now", "rsi"):
        np.testing.assert_array_equal(one.plots[title], two.plots[title])


@there
@pytest.mark.parametrize("text", ["plot(nothing.of(close))\n", "if (\n"])
def test_a_script_that_it_cannot_run_is_a_sentence(bars, text):
    opinion = second_opinion(INDICATOR + text, bars, RiskRules(), ["a"])
    assert opinion.problem.startswith("PineTS could not run it: ")
    assert opinion.problem.endswith(".")
    assert "\n" not in opinion.problem


@there
def test_a_plot_left_out_is_named(bars):
    opinion = ask(INDICATOR + 'plot(close, "a")\n', bars, ["a", "b", "c"])
    assert opinion.problem == "PineTS ran it, but did not plot b, c on every bar."
    assert list(opinion.plots) == ["a"]


@there
def test_nothing_is_left_in_the_temporary_folder(tmp_path, monkeypatch, bars):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ask(INDICATOR + 'plot(close, "a")\n', bars, ["a"])
    assert list(tmp_path.iterdir()) == []
