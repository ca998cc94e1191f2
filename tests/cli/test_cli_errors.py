"""A user's mistakes: one sentence, the documented exit code, no traceback, nothing half-written."""

import subprocess
import sys
from pathlib import Path

import pytest


def spoil(rows: list[str], how: str) -> list[str]:
    head, body = rows[0], rows[1:]
    if how == "few":
        return [head, *body[:300]]
    if how == "unsorted":
        body[10], body[11] = body[11], body[10]
    if how == "nan":
        cells = body[7].split(",")
        body[7] = ",".join([cells[0], "nan", *cells[2:]])
    return [head, *body]


@pytest.fixture
def spoilt(walk_csv):
    def write(how: str) -> Path:
        path = walk_csv.with_name(f"{how.upper()}_1h.csv")
        path.write_text("\n".join(spoil(walk_csv.read_text().splitlines(), how)) + "\n")
        return path

    return write


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "mlstrat", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, check=False)


OWN = ("--tz", "UTC", "--set", "data.start=2020-01-01", "--set", "data.end=2020-12-31")


@pytest.mark.parametrize(
    ("how", "said"),
    [("few", "at least"), ("unsorted", "sort by time"), ("nan", "row 7"), ("gone", "cannot be read")],
)
def test_bad_bars_are_refused(tiny, spoilt, how, said):
    path = spoilt(how) if how != "gone" else tiny.with_name("GONE_1h.csv")
    folder = tiny.parent / "out"
    done = command("backtest", tiny, "--bars", path, *OWN, "--out", folder)
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert said in last
    assert not (folder / "report.html").exists()


MISTAKES = [
    (["--set", "data.start=2021-99-99"], 2, "give a date"),
    (["--set", "splits.start=2021-02-30"], 2, "give a date"),
    (["--set", "data.start=2024-01-01"], 3, "move the dates"),
    (["--set", "splits.start=2031-01-01"], 3, "splits.start"),
    (["--set", "kelly.shrnk=strict"], 2, "did you mean kelly.shrink"),
    (["--set", "kelly"], 2, "is not key=value"),
    (["--set", "kelly.multiplier=1.5"], 2, "kelly.multiplier is 1.5"),
    (["--engine", "magic"], 2, "kernel"),
    (["--jobs", "0"], 2, "--jobs"),
    (["--bars", "sample:DOGE_1h"], 3, "sample"),
]


@pytest.mark.parametrize(("arguments", "code", "said"), MISTAKES, ids=lambda value: str(value)[:40])
def test_mistakes_on_the_command_line(mlstrat, tiny, arguments, code, said):
    result = mlstrat("backtest", tiny, "--out", tiny.parent / "out", *arguments)
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit)
    assert said in " ".join(result.stderr.split())


def test_a_folder_that_cannot_be_written(mlstrat, tiny):
    result = mlstrat("backtest", tiny, "--out", tiny / "sub")
    assert result.exit_code == 4
    assert "cannot be written" in result.stderr
    assert result.stderr.rstrip().endswith("permissions.")


def test_a_run_file_that_is_not_there_or_no_toml(mlstrat, tmp_path):
    (tmp_path / "no.toml").write_text("name =")
    assert mlstrat("backtest", tmp_path / "none.toml").exit_code == 2
    result = mlstrat("backtest", tmp_path / "no.toml")
    assert result.exit_code == 2
    assert "mend that line" in result.stderr


def test_the_command_prints_errors_to_stderr_alone(tmp_path):
    done = command("config", "validate", tmp_path / "none.toml")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
