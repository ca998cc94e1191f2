"""What made a result: the versions of the libraries it depends on, and the hash of this package's code."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable
from functools import cache
from pathlib import Path

_PACKAGES = "numpy pandas scipy numba scikit-learn torch backtrader vectorbt exchange_calendars ta optuna"


@cache
def code_sha256() -> str:
    """Return the hash of this package's source files."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.relative_to(Path(__file__).parent).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that a result depends on."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for package in _PACKAGES.split():
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def own_versions(classes: Iterable[str]) -> dict[str, str]:
    """Return by module what a user's own classes, given by their full names, are made of.

    That is the version of the package, or the hash of a module that belongs to none.
    """
    return {name.rpartition(".")[0]: _version_of(name) for name in classes}


def _version_of(path: str) -> str:
    from importlib.metadata import packages_distributions, version
    from importlib.util import find_spec

    distributions = packages_distributions().get(path.partition(".")[0], [])
    if distributions:
        return version(distributions[0])
    try:
        spec = find_spec(path.rpartition(".")[0])
    except ModuleNotFoundError:
        return "not installed"
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        return "not installed"
    return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()
