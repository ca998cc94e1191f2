"""The page on vectorbt runs as it stands."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("vectorbt", reason="the vectorbt engine needs the extra mlstrat[vectorbt]")

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "vectorbt.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_script_of_the_page_runs():
    script = "\n".join(re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL))
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    (both,) = re.findall(r"final equity ([\d,.]+), in the kernel ([\d,.]+)", done.stdout)
    assert both[0] == both[1] != "10,000.00"
    assert "Sharpe Ratio" in done.stdout


def test_its_links_lead_somewhere():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
