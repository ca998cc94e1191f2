import filecmp
from pathlib import Path

import pytest

from mlstrat.cli.new_command import TEMPLATE
from mlstrat.cli.options import demo_file

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("folder", ["strategies", "notebooks"])
def test_the_template_is_a_copy_of_the_repository(folder):
    originals = {p.name: p for p in (ROOT / folder).iterdir() if p.suffix in (".py", ".ipynb")}
    copies = {p.name.removesuffix(".txt"): p for p in (TEMPLATE / folder).iterdir()}
    assert originals.keys() == copies.keys()
    for name, path in originals.items():
        assert filecmp.cmp(path, copies[name], shallow=False), f"copy {folder}/{name} to {copies[name]}"


def test_the_demo_of_the_repository_is_the_packaged_one():
    assert filecmp.cmp(ROOT / "backtests" / "demo.toml", demo_file(), shallow=False)


def test_new_project_is_complete_and_valid(mlstrat, tmp_path):
    folder = tmp_path / "deep" / "project"
    result = mlstrat("new", folder)
    assert result.exit_code == 0, result.output
    files = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert files == {
        "README.md",
        "run.toml",
        "notebooks/quickstart.ipynb",
        "strategies/baselines.py",
        "strategies/meta_label.py",
        "strategies/ml_ensemble.py",
        "strategies/sentiment_only.py",
    }
    assert mlstrat("config", "validate", folder / "run.toml").exit_code == 0


def test_an_empty_folder_will_do_and_a_used_one_is_refused(mlstrat, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert mlstrat("new", ".").exit_code == 0
    assert (tmp_path / "run.toml").exists()
    result = mlstrat("new", tmp_path)
    assert result.exit_code == 4
    assert "not an empty folder" in result.stderr
    (tmp_path / "file").write_text("")
    assert mlstrat("new", tmp_path / "file").exit_code == 4
