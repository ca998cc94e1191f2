"""Bar lengths such as `15m`, `1h`, `1d`."""

import re
from dataclasses import dataclass

import numpy as np

from mlstrat.errors import DataError

_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True)
class Timeframe:
    """The length of a bar.

    Parameters
    ----------
    text : str
        A count and a unit: m (minutes), h (hours), d (days), w (weeks); for example `1h`.

    Raises
    ------
    DataError
        The text is not of that form.
    """

    text: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[1-9][0-9]{0,3}[mhdw]", self.text):
            raise DataError(
                f"timeframe {self.text!r} is not a bar length: give a count and one of m, h, d, w, "
                "such as 15m, 1h or 1d."
            )

    @property
    def seconds(self) -> int:
        """Length in seconds."""
        return int(self.text[:-1]) * _UNITS[self.text[-1]]

    @property
    def delta(self) -> np.timedelta64:
        """Length as a numpy time delta in nanoseconds."""
        return np.timedelta64(self.seconds * 1_000_000_000, "ns")

    @property
    def bars_per_year(self) -> float:
        """Bars in 365.25 days of a market that never closes."""
        return 365.25 * 86_400 / self.seconds

    def __str__(self) -> str:
        return self.text
