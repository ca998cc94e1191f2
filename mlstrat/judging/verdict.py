"""What is said of returns, and what it rests on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from mlstrat.evidence import Evidence
from mlstrat.evidence.stored import as_plain
from mlstrat.trials.ledger import Tried


@dataclass(frozen=True)
class Verdict:
    """What is said, and what it rests on.

    Parameters
    ----------
    evidence : Evidence or None
        None where a sweep has too many columns, or too few bars, for a test.
    best : str
        The column that the test found best, where there are several; else empty.
    rows_per_year : float or None
        Rows of the returns in a year, to annualise; None where that is not known.
    row : str
        What has a return: a bar, or a row.
    tried : Tried or None
        What the trial ledger counts; None where there is none for these returns.
    sentences : tuple of str
        The verdict, its conclusion first.
    notes : tuple of str
        Where trials, trades and rows a year come from, and what else reading had to infer.
    """

    evidence: Evidence | None
    best: str
    rows_per_year: float | None
    row: str
    tried: Tried | None
    sentences: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def as_plain(self) -> dict[str, Any]:
        """Return plain values for JSON; a number without a value is None."""
        return {
            **self.__dict__,
            "evidence": self.evidence and as_plain(self.evidence),
            "tried": self.tried and asdict(self.tried),
        }
