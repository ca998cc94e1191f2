"""The README's examples run as they stand, and the pages name what exists."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mlstrat.cli.group import EXIT_CODES

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def run_example(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def statements(code: str) -> int:
    return sum(bool(line.strip()) for line in code.splitlines())


@pytest.mark.slow
def test_the_python_example_runs():
    assert statements(EXAMPLES[0]) <= 12
    output = run_example(EXAMPLES[0])
    assert "predicted out of sample" in output
    assert "final equity" in output


@pytest.mark.slow
def test_the_cerebro_example_runs():
    pytest.importorskip("backtrader")
    assert statements(EXAMPLES[1]) <= 15
    assert "bt.Cerebro()" in EXAMPLES[1]
    assert "reason" in run_example(EXAMPLES[1])


def test_the_readme_is_short_and_its_links_lead_somewhere():
    assert len(README.splitlines()) < 180
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_commands_page_documents_every_exit_code():
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    for code, meaning in EXIT_CODES.items():
        assert f"| {code} | {meaning}" in page
