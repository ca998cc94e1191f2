import json
import shutil

import pandas as pd
import pytest

from mlstrat.cli.main import app
from mlstrat.cli.options import AnyEngine
from mlstrat.data.sources import read_bars


@pytest.fixture(scope="module")
def finished(tiny_text, tmp_path_factory):
    from typer.testing import CliRunner

    folder = tmp_path_factory.mktemp("run")
    (folder / "tiny.toml").write_text(tiny_text)
    arguments = ["backtest", folder / "tiny.toml", "--engine", "kernel", "--out", folder / "run"]
    fixed = ["--set", "signals.threshold=0.5", "--set", "instrument.fee_share=0.0"]
    done = CliRunner().invoke(app, [str(argument) for argument in arguments] + fixed)
    assert done.exit_code == 0, done.output
    return folder / "run"


@pytest.fixture
def run_dir(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")


@pytest.fixture
def one_trade_less(monkeypatch):
    from dataclasses import replace

    from mlstrat.engines import ENGINES
    from mlstrat.execution.kernel import simulate

    def run(bars, decisions, rules):
        result = simulate(bars, decisions, rules)
        columns = {name: column[1:] for name, column in vars(result.trades).items()}
        return replace(result, trades=replace(result.trades, **columns))

    monkeypatch.setitem(ENGINES, "backtrader", replace(ENGINES["backtrader"], load=lambda: run, packages=()))


def test_the_engines_offered_are_those_registered():
    from mlstrat.engines import ENGINES

    assert [engine.value for engine in AnyEngine] == list(ENGINES)


def test_verify_prints_and_saves_a_certificate(mlstrat, run_dir):
    pytest.importorskip("backtrader")
    done = mlstrat("verify", run_dir, "--engine", "backtrader")
    assert done.exit_code == 0, done.output
    trades = len(pd.read_csv(run_dir / "trades.csv"))
    assert trades > 5
    assert f"{trades} of {trades} trades identical in the kernel and Backtrader." in done.stdout
    assert "kernel, which executed the run, writes the same bytes as the run's trades.csv." in done.stdout
    assert str(run_dir / "certificate-backtrader.html") in done.stdout
    assert json.loads((run_dir / "certificate-backtrader.json").read_text())["identical"] is True
    assert (run_dir / "certificate-backtrader.html").read_text().startswith("<!doctype html>")


def test_a_difference_ends_with_code_3(mlstrat, run_dir, one_trade_less):
    done = mlstrat("verify", run_dir, "--engine", "backtrader")
    assert done.exit_code == 3, done.output
    trades = len(pd.read_csv(run_dir / "trades.csv"))
    assert f"Backtrader makes {trades - 1} of {trades} trades as the kernel does." in done.stdout
    assert "Backtrader differs in missing (1)." in done.stdout
    assert json.loads((run_dir / "certificate-backtrader.json").read_text())["identical"] is False


@pytest.mark.parametrize("engine", ["backtrader", "vectorbt", "pine"])
def test_a_cut_trades_file_ends_with_code_3(mlstrat, run_dir, engine):
    from hashlib import sha256

    from mlstrat.engines import ENGINES

    if ENGINES[engine].missing is not None:
        pytest.skip(f"the packages of {engine} are not installed")
    cut = b"".join((run_dir / "trades.csv").read_bytes().splitlines(keepends=True)[:-1])
    (run_dir / "trades.csv").write_bytes(cut)
    manifest = json.loads((run_dir / "manifest.json").read_text())
    manifest["inputs"]["engine"] = "vectorbt"
    manifest["outputs"]["trades.csv"] = sha256(cut).hexdigest()
    (run_dir / "manifest.json").write_text(json.dumps(manifest))
    done = mlstrat("verify", run_dir, "--engine", engine)
    assert done.exit_code == 3, done.output
    assert "Not identical: the trades are not those that the run wrote." in done.stdout
    assert "trades of the kernel; the first difference is the entry of" in done.stdout
    assert ("vectorbt, which executed the run, did not run here" in done.stdout) == (engine != "vectorbt")


def test_a_bad_folder_is_one_sentence(mlstrat, tmp_path, run_dir):
    done = mlstrat("verify", tmp_path / "none")
    assert done.exit_code == 4
    assert "error: " in done.stderr
    assert "holds no finished run: give the folder" in done.stderr
    assert "Traceback" not in done.output
    (run_dir / "decisions.parquet").write_bytes(b"PAR1")
    done = mlstrat("verify", run_dir)
    assert done.exit_code == 4
    assert "decisions.parquet is missing or changed since the run wrote it" in done.stderr
    assert mlstrat("verify", run_dir, "--engine", "zipline").exit_code == 2


def test_a_runs_decisions_give_its_trades(mlstrat, run_dir, tmp_path):
    manifest = json.loads((run_dir / "manifest.json").read_text())
    cash = manifest["config"]["execution"]["cash"]
    data = manifest["config"]["data"]
    bars = read_bars(data["bars"], start=data["start"], end=data["end"])
    bars.frame().to_parquet(tmp_path / "BTCUSDT_1h.parquet")
    options = ["--cash", cash, "-o", tmp_path / "trades.csv"]
    done = mlstrat("simulate", tmp_path / "BTCUSDT_1h.parquet", run_dir / "decisions.parquet", *options)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "trades.csv").read_bytes() == (run_dir / "trades.csv").read_bytes()
    decided = int((pd.read_parquet(run_dir / "decisions.parquet").side != 0).sum())
    assert f"of {decided:,} decisions ignored" in done.stdout
    assert "executed in kernel" in done.stdout
    assert f"Trades: {tmp_path / 'trades.csv'}" in done.stdout


def test_own_signals_from_a_csv(mlstrat, walk_csv, tmp_path):
    bars = pd.read_csv(walk_csv)
    first, later = bars.iloc[10], bars.iloc[400]
    decisions = tmp_path / "mine.csv"
    rows = [
        f"{first['time']},long,2,{first.close * 0.5},,{bars.time[20]}",
        f"{later['time']},short,1,,,",
    ]
    decisions.write_text("\n".join(["time,side,quantity,stop,target,exit_time", *rows]) + "\n")
    out = tmp_path / "trades.csv"
    done = mlstrat("simulate", walk_csv, decisions, "-o", out, "--fee", "0.001", "--cash", "50000")
    assert done.exit_code == 0, done.output
    trades = pd.read_csv(out)
    assert trades.entry_price[0] == bars.open[11]
    assert (trades.exit_price[0], trades.reason[0]) == (bars.open[21], "time")
    assert trades.commission[0] == pytest.approx(2 * (trades.entry_price[0] + trades.exit_price[0]) * 0.001)
    share = trades.profit.sum() / 50_000
    assert f"return after costs {share:.4%}" in done.stdout
    assert "1 of 2 stops are empty: never reached." in done.stderr


def test_bad_decisions_are_one_sentence(mlstrat, walk_csv, tmp_path):
    decisions, out = tmp_path / "mine.csv", tmp_path / "trades.csv"
    decisions.write_text("time,side,quantity,stop,target\n2024-01-01 00:00,up,1,1,2\n")
    done = mlstrat("simulate", walk_csv, decisions, "-o", out)
    assert done.exit_code == 3
    assert f"error: line 2 of {decisions} has a side that is neither long nor short" in done.stderr
    assert not out.exists()
    assert mlstrat("simulate", walk_csv, decisions, "-o", decisions).exit_code == 2
    assert mlstrat("simulate", walk_csv, decisions, "-o", out, "--cash", "0").exit_code == 2


@pytest.mark.parametrize("command", ["verify", "simulate"])
def test_help(mlstrat, command):
    assert mlstrat(command, "--help").exit_code == 0
