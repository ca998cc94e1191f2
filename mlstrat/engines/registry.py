"""The engines by name. Each is imported when it is loaded, and not before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import TYPE_CHECKING, TypeAlias

from mlstrat.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from mlstrat.data.bars import Bars
    from mlstrat.execution.types import Decisions, Result, RiskRules

    Simulate: TypeAlias = Callable[[Bars, Decisions, RiskRules], Result]


@dataclass(frozen=True)
class Package:
    """A package that an engine needs: the name it is imported by, and the one it is installed by."""

    module: str
    distribution: str


@dataclass(frozen=True)
class Engine:
    """Something that executes decisions by the one rule.

    Parameters
    ----------
    name : str
        Short name, as on the command line.
    title : str
        Name in tables and sentences.
    load : callable
        Returns `simulate(bars, decisions, rules) -> Result`; raises MissingExtraError where a package is
        not installed.
    packages : tuple of Package
        What it needs beyond mlstrat's own dependencies, besides numba and numpy.
    extra : str
        The extra of mlstrat that installs them; empty = none is needed.
    charges : bool
        Whether it charges funding and borrow; one that does not refuses bars with a carry.
    """

    name: str
    title: str
    load: Callable[[], Simulate]
    packages: tuple[Package, ...]
    extra: str = ""
    charges: bool = True

    @property
    def missing(self) -> Package | None:
        """The first of its packages that is not installed; None where it can run."""
        return next((package for package in self.packages if find_spec(package.module) is None), None)

    def require(self) -> None:
        """Check that its packages are installed, without importing them.

        Raises
        ------
        MissingExtraError
            One is not; the message names the extra.
        """
        if self.missing is not None:
            raise MissingExtraError(self.extra, self.missing.distribution, f"The {self.title} engine")

    def run(self, bars: Bars, decisions: Decisions, rules: RiskRules) -> Result:
        """Execute decisions on bars; parameters and errors as for `mlstrat.execution.kernel.simulate`."""
        return self.load()(bars, decisions, rules)

    def versions(self) -> dict[str, str]:
        """Return the versions of its packages, by the names that they are installed by."""
        return {package.distribution: _version(package.distribution) for package in self.packages}


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"


def _kernel() -> Simulate:
    from mlstrat.execution.kernel import simulate

    return simulate


def _backtrader() -> Simulate:
    from mlstrat.engines.on_backtrader import run

    return run


def _vectorbt() -> Simulate:
    from mlstrat.engines.on_vectorbt import simulate

    return simulate


def _pine() -> Simulate:
    from mlstrat.engines.on_pynecore import simulate

    return simulate


_KERNEL_PACKAGES = (Package("numba", "numba"), Package("numpy", "numpy"))
_PINE_PACKAGES = (Package("pynecore", "pynesys-pynecore"), Package("pine2pyne", "opencode-pine2pyne"))
ENGINES = {
    engine.name: engine
    for engine in (
        Engine("kernel", "kernel", _kernel, _KERNEL_PACKAGES),
        Engine("backtrader", "Backtrader", _backtrader, (Package("backtrader", "backtrader"),), "backtrader"),
        Engine("vectorbt", "vectorbt", _vectorbt, (Package("vectorbt", "vectorbt"),), "vectorbt"),
        Engine("pine", "Pine", _pine, _PINE_PACKAGES, "pine", charges=False),
    )
}


def engine_of(name: str) -> Engine:
    """Return an engine by its name.

    Raises
    ------
    ConfigError
        There is none of that name.
    """
    if name not in ENGINES:
        raise ConfigError(f"there is no engine {name!r}: use one of {', '.join(ENGINES)}.")
    return ENGINES[name]
