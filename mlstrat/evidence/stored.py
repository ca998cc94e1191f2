"""Evidence as JSON holds it, and back: a number without a value is null there and NaN here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from typing import Any

from mlstrat.bootstrap import Interval
from mlstrat.errors import DataError
from mlstrat.evidence.intervals import PathIntervals
from mlstrat.evidence.pbo import Overfitting
from mlstrat.evidence.sharpe import SharpeMoments
from mlstrat.evidence.spa import SuperiorAbility
from mlstrat.evidence.verdict import Evidence

_PARTS: Mapping[str, type] = {
    "spa": SuperiorAbility,
    "moments": SharpeMoments,
    "overfitting": Overfitting,
    "intervals": PathIntervals,
    "sharpe": Interval,
    "total_return": Interval,
    "max_drawdown": Interval,
}


def as_plain(evidence: Evidence) -> dict[str, Any]:
    """Return the evidence as nested mappings that JSON can hold."""
    return {name: _plain(value) for name, value in asdict(evidence).items()}


def from_plain(content: Mapping[str, Any]) -> Evidence:
    """Return the evidence that `as_plain` made such mappings of.

    Raises
    ------
    DataError
        Something is missing.
    """
    made: Evidence = _made(Evidence, content)
    return made


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _made(kind: type, content: Any) -> Any:
    # What has a default may be missing: an earlier version did not know it.
    needed = {field.name for field in fields(kind) if field.default is MISSING}
    if not isinstance(content, Mapping) or not needed <= content.keys():
        raise DataError(f"this is no stored evidence, or not a whole one ({kind.__name__}): make it again.")
    names = [field.name for field in fields(kind) if field.name in content]
    return kind(**{name: _value(kind, name, content[name]) for name in names})


def _value(kind: type, name: str, value: Any) -> Any:
    # A ratio of moments is a number, one of intervals an interval.
    if name in _PARTS and kind is not SharpeMoments:
        return _made(_PARTS[name], value)
    return math.nan if value is None else value
