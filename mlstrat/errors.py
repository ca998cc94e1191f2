"""Every error mlstrat raises on purpose. Each message is a sentence that ends with what to do.

The command line prints the message alone and exits with the class's `exit_code`.
"""

from typing import Any


class MlstratError(Exception):
    """Base of all errors that a user can act on. Each survives the way back from a worker process."""

    exit_code = 1

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (type(self), str(self), self.__dict__)


def _rebuilt(kind: type[MlstratError], message: str, attributes: dict[str, Any]) -> MlstratError:
    error = kind.__new__(kind)
    Exception.__init__(error, message)
    error.__dict__.update(attributes)
    return error


class ConfigError(MlstratError):
    """A run configuration that cannot be used (exit code 2)."""

    exit_code = 2


class DataError(MlstratError):
    """Bars, headlines or decisions that cannot be used (exit code 3)."""

    exit_code = 3


class DownloadError(DataError):
    """A source of bars that cannot be reached, refuses or goes on failing; what was fetched is kept."""


class FeatureLeakError(DataError):
    """A feature whose value at a bar depends on later bars."""


class NotEnoughBarsError(DataError):
    """Fewer bars than a step needs.

    Parameters
    ----------
    have, need : int
        Bars given and bars needed.
    by : str
        What needs them, as the subject of the sentence.
    """

    def __init__(self, have: int, need: int, by: str) -> None:
        self.have, self.need, self.by = have, need, by
        super().__init__(
            f"{by} needs {need:,} bars but got {have:,}: "
            f"load at least {need - have:,} earlier bars, or shorten what asks for them."
        )


class RunFolderError(MlstratError):
    """An output folder that cannot be written, is locked, or holds another run (exit code 4)."""

    exit_code = 4


class ReproductionError(MlstratError):
    """A past run that cannot be made again, or that came out differently (exit code 7)."""

    exit_code = 7


class AuditError(MlstratError):
    """An audit that did not catch a leak that it planted itself, so that it says nothing (exit code 8)."""

    exit_code = 8


class PineError(MlstratError):
    """A script that a Pine compiler does not take: a fault of this program."""


class ClusterError(MlstratError):
    """A cluster that cannot be reached or used, or whose workers differ from this process."""


class MissingExtraError(MlstratError):
    """An optional dependency that this step needs is not installed (exit code 5).

    Parameters
    ----------
    extra : str
        Name of the extra in `pip install "mlstrat[extra]"`.
    package : str
        The package whose import failed.
    step : str
        What needs it, as the subject of the sentence.
    """

    exit_code = 5

    def __init__(self, extra: str, package: str, step: str) -> None:
        self.extra, self.package, self.step = extra, package, step
        super().__init__(f'{step} needs the package {package}: run `pip install "mlstrat[{extra}]"`.')


class ModelError(MlstratError):
    """A model that cannot be fitted, stored or loaded (exit code 6)."""

    exit_code = 6
