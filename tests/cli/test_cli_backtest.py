import json
from pathlib import Path

import pytest

pytest.importorskip("backtrader")

OUTPUTS = (
    "decisions.parquet",
    "manifest.json",
    "metrics.json",
    "predictions.parquet",
    "quantstats.html",
    "report.html",
    "returns.csv",
    "trades.csv",
)


@pytest.fixture
def finished(mlstrat, tiny):
    folder = tiny.parent / "out"
    return folder, mlstrat("backtest", tiny, "--out", folder)


def test_a_run_its_repetition_and_another_run_in_the_same_folder(mlstrat, tiny, finished):
    folder, first = finished
    assert first.exit_code == 0, first.output
    assert all((folder / name).exists() for name in OUTPUTS)
    metrics = json.loads((folder / "metrics.json").read_text())
    words = " ".join(first.stdout.split())
    assert all(" ".join(s.replace("\u2212", "-").split()) in words for s in metrics["verdict"])
    assert f"Report: {folder / 'report.html'}" in first.stdout
    assert first.stdout.index(metrics["verdict"][0][:40]) < first.stdout.index("Sharpe ratio ")
    low, p = metrics["evidence"]["sharpe"]["low"], (metrics["evidence"]["judged"] or {}).get("p")
    for name, value in (("95 % interval", low), ("SPA p-value", p)):
        (row,) = [line for line in first.stdout.splitlines() if f"  {name} " in line]
        assert ("none" if value is None else f"{value:.2f}") in row
    assert "returns.csv" in json.loads((folder / "manifest.json").read_text())["outputs"]
    assert "walking forward ..." in first.stderr

    before = {path: path.stat().st_mtime_ns for path in folder.iterdir() if path.name[0] != "."}
    again = mlstrat("backtest", tiny, "--out", folder)
    assert again.exit_code == 0
    assert "already complete; nothing to redo" in again.stdout
    assert again.stdout.endswith(first.stdout)
    assert {path: path.stat().st_mtime_ns for path in before} == before

    other = mlstrat("backtest", tiny, "--out", folder, "--set", "seed=8", "--engine", "kernel")
    assert other.exit_code == 4
    assert "seed was 7 and is 8" in other.stderr
    assert "choose another folder with --out" in other.stderr


def test_bars_of_ones_own_in_the_default_folder(mlstrat, tiny, walk_csv, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dates = ("data.start=2020-01-01", "data.end=2020-03-15")
    result = mlstrat(
        "backtest", tiny, "--bars", walk_csv.name, "--tz", "UTC", "--engine", "kernel", "--jobs", 1,
        *(part for date in dates for part in ("--set", date)),
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    config = json.loads(Path("runs/tiny/manifest.json").read_text())["config"]
    assert config["data"]["bars"] == str(walk_csv)
    assert json.loads(Path("runs/tiny/metrics.json").read_text())["symbol"] == "WALK"


def test_resume_refuses_to_begin(mlstrat, tiny, tmp_path):
    result = mlstrat("backtest", tiny, "--out", tmp_path / "none", "--resume")
    assert result.exit_code == 4
    assert "no run to resume" in result.stderr


def test_an_interrupted_run_says_how_to_go_on(mlstrat, tiny, monkeypatch):
    from mlstrat import backtest as backtesting

    def interrupted(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(backtesting, "backtest", interrupted)
    result = mlstrat("backtest", tiny)
    assert result.exit_code == 130
    assert "run the same command again" in result.stderr


def test_controls_are_a_setting_that_set_may_overrule(mlstrat, tiny, monkeypatch):
    from mlstrat import backtest as backtesting

    asked = []

    def told(config: object, *args: object, **kwargs: object) -> None:
        asked.append(config.report.controls)
        raise KeyboardInterrupt

    monkeypatch.setattr(backtesting, "backtest", told)
    mlstrat("backtest", tiny)
    mlstrat("backtest", tiny, "--controls")
    mlstrat("backtest", tiny, "--controls", "--set", "report.controls=false")
    assert asked == [False, True, False]


def test_a_bug_keeps_its_traceback(mlstrat, tiny, monkeypatch):
    from mlstrat import backtest as backtesting

    def broken(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(backtesting, "backtest", broken)
    result = mlstrat("backtest", tiny)
    assert isinstance(result.exception, ZeroDivisionError)
