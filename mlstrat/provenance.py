"""What made a result: the versions of the libraries it depends on, and the hash of this package's code."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from pathlib import Path

_PACKAGES = "numpy pandas scipy numba scikit-learn torch backtrader exchange_calendars ta"


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
