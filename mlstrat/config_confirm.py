"""The grammar of `signals.confirm`: comparisons joined by `and`. What the names mean is not known here."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

OPERATORS = ("<", "<=", ">", ">=")
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_NAME = r"(?:ta\.\w+(?:\([^()<>]*\))?(?:/close)?|[A-Za-z_]\w*)(?:@[^\s<>]+)?"
_OPERAND = rf"{NUMBER.pattern}|{_NAME}"
_COMPARISON = re.compile(rf"({_OPERAND})\s*(<=|>=|<|>)\s*({_OPERAND})")


def comparisons(text: str) -> tuple[tuple[str, str, str], ...]:
    """Return (left, operator, right) of each comparison; empty text has none.

    Raises
    ------
    ValueError
        The first part that is no comparison, as words that follow `give`.
    """
    if not text.strip():
        return ()
    found = []
    for part in re.split(r"\s+and\s+", text.strip()):
        parts = _COMPARISON.fullmatch(part)
        if parts is None:
            raise ValueError(
                "give comparisons joined by and, such as close > sma_200 and rsi_14 < 70, of which "
                f"{part!r} is none"
            )
        found.append((parts[1], parts[2], parts[3]))
    return tuple(found)


def _well_formed(text: str) -> str:
    comparisons(text)
    return text.strip()


ConditionText = Annotated[str, Field(description="comparisons joined by and"), AfterValidator(_well_formed)]
