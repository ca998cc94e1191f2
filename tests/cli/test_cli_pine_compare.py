"""`mlstrat pine compare`: a finished run against a list of trades, on the command line."""

import json
import shutil

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from mlstrat.cli.group import Commands
from mlstrat.cli.main import app
from mlstrat.cli.pine_compare_command import compare

HEAD = "Trade #,Type,Date and time,Signal,Price USDT,Size (qty),Size (value),Net P&L USDT,Net P&L %"


@pytest.fixture(scope="module")
def finished(tiny_text, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    (folder / "tiny.toml").write_text(tiny_text)
    arguments = ["backtest", folder / "tiny.toml", "--engine", "kernel", "--out", folder / "run"]
    done = CliRunner().invoke(app, [*map(str, arguments), "--set", "signals.threshold=0.5"])
    assert done.exit_code == 0, done.output
    return folder / "run"


@pytest.fixture
def run_dir(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")


@pytest.fixture
def call():
    alone = typer.Typer(cls=Commands)
    alone.command("compare")(compare)
    alone.command("other")(lambda: None)

    def run(*arguments):
        return CliRunner().invoke(alone, ["compare", *map(str, arguments)])

    return run


def listed(run_dir, path, change=lambda frame: frame):
    """The run's trades.csv as TradingView lists it."""
    frame = change(pd.read_csv(run_dir / "trades.csv", parse_dates=["entry_time", "exit_time"]))
    rows = [HEAD]
    for number, trade in enumerate(frame.itertuples(), start=1):
        for kind, time, price in (
            ("Exit", trade.exit_time, trade.exit_price),
            ("Entry", trade.entry_time, trade.entry_price),
        ):
            signal = "Open" if kind == "Exit" and trade.reason == "open" else "x"
            cells = f"{time:%Y-%m-%d %H:%M},{signal},{price},{trade.units},1,{trade.profit:.2f},1"
            rows.append(f"{number},{kind} {trade.side},{cells}")
    path.write_text("\ufeff" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_equal_trades_end_with_code_0(call, run_dir, tmp_path):
    trades = pd.read_csv(run_dir / "trades.csv")
    assert len(trades) > 5
    done = call(run_dir, "--tradingview", listed(run_dir, tmp_path / "list.csv"))
    assert done.exit_code == 0, done.output
    assert f"{len(trades)} of {len(trades)} trades equal in the run and in TradingView." in done.stdout
    content = json.loads((run_dir / "tradingview.json").read_text())
    assert content["all_equal"] is True
    assert content["causes"] == {}
    rows = pd.read_csv(run_dir / "tradingview.csv")
    assert rows.cause.tolist() == ["equal"] * len(trades)
    assert rows.run_entry_price.tolist() == rows.tv_entry_price.tolist() == trades.entry_price.tolist()
    assert rows.tv_number.tolist() == list(range(1, len(trades) + 1))


def test_a_difference_ends_with_code_3_and_its_cause(call, run_dir, tmp_path):
    def dearer(frame):
        frame.loc[2, "entry_price"] *= 1.01
        return frame.drop(index=4)

    path = listed(run_dir, tmp_path / "list.csv", dearer)
    done = call(run_dir, "--tradingview", path, "--out", tmp_path / "out")
    assert done.exit_code == 3, done.output
    assert "price data" in done.stdout
    assert "not explained" in done.stdout
    assert not (run_dir / "tradingview.json").exists()
    content = json.loads((tmp_path / "out" / "tradingview.json").read_text())
    assert {cause: found["trades"] for cause, found in content["causes"].items()} == {
        "price data": 1,
        "not explained": 1,
    }
    rows = pd.read_csv(tmp_path / "out" / "tradingview.csv")
    missing = rows[rows.cause == "not explained"]
    assert missing.tv_number.isna().all()
    assert missing.run_entry_time.notna().all()
    again = call(run_dir, "--tradingview", path, "--out", tmp_path / "again")
    assert again.exit_code == 3
    for name in ("tradingview.json", "tradingview.csv"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


def test_the_charts_time_zone(call, run_dir, tmp_path):
    def in_tokyo(frame):
        for name in ("entry_time", "exit_time"):
            frame[name] = frame[name].dt.tz_convert("Asia/Tokyo")
        return frame

    path = listed(run_dir, tmp_path / "list.csv", in_tokyo)
    done = call(run_dir, "--tradingview", path)
    assert done.exit_code == 3, done.output
    assert "give --tz Asia/Tokyo" in done.stdout
    assert call(run_dir, "--tradingview", path, "--tz", "Asia/Tokyo").exit_code == 0


def test_mistakes_are_one_sentence(call, run_dir, tmp_path):
    bad = tmp_path / "bad.csv"
    bad.write_text("a,b\n1,2\n")
    done = call(run_dir, "--tradingview", bad)
    assert done.exit_code == 3
    assert "error: " in done.stderr
    assert "set TradingView to English" in done.stderr
    assert "Traceback" not in done.output
    path = listed(run_dir, tmp_path / "list.csv")
    assert "is not a time zone" in call(run_dir, "--tradingview", path, "--tz", "Mars").stderr
    assert call(tmp_path / "none", "--tradingview", path).exit_code == 4
    assert call(run_dir).exit_code == 2
    (run_dir / "trades.csv").write_text("symbol\n")
    assert "missing or changed" in call(run_dir, "--tradingview", path).stderr
    assert not (run_dir / "tradingview.json").exists()
