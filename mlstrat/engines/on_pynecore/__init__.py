"""PyneCore as an engine: the decisions as a Pine strategy, executed by Pine's own broker emulator.

Importing this package needs PyneCore and its compiler; nothing outside it does.
"""

from mlstrat.errors import MissingExtraError

try:
    import pine2pyne as _pine2pyne  # noqa: F401
except ImportError as error:
    raise MissingExtraError("pine", "opencode-pine2pyne", "The Pine engine") from error
try:
    import pynecore as _pynecore  # noqa: F401
except ImportError as error:
    raise MissingExtraError("pine", "pynesys-pynecore", "The Pine engine") from error

from mlstrat.engines.on_pynecore.run import simulate

__all__ = ["simulate"]
