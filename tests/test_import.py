import subprocess
import sys

import pytest

HEAVY = "pandas torch backtrader vectorbt quantstats sklearn numba matplotlib nltk scipy pydantic rich typer"


def modules_after(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_imports_nothing_heavy():
    assert not modules_after("import mlstrat") & set(HEAVY.split())


def test_listing_the_public_names_imports_nothing_heavy():
    assert not modules_after("import mlstrat; dir(mlstrat)") & set(HEAVY.split())


def test_no_core_module_imports_an_engine():
    core = "import mlstrat.walkforward, mlstrat.signals.decide, mlstrat.execution.kernel, mlstrat.config"
    assert not modules_after(core) & {"backtrader", "vectorbt", "quantstats", "plotly"}


def test_every_public_name_resolves():
    import mlstrat

    for name in mlstrat.__all__:
        assert getattr(mlstrat, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    import mlstrat

    with pytest.raises(AttributeError, match="no attribute 'Barz'"):
        mlstrat.Barz  # noqa: B018
