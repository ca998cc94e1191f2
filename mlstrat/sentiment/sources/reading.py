"""Answers of strangers, read without trust: a value of another type than documented is not there."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn

from mlstrat.sentiment.days import day_stamp, is_midnight
from mlstrat.sentiment.items import Item, SourceError

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_LONGEST_TEXT = 2_000
_LONGEST_NAME = 500
# No source counts more people than that; beyond it a number is a fault.
_MOST_PEOPLE = 1e11
_EARLIEST, _LATEST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def parsed(body: bytes) -> Any:
    """Return the content of strict JSON.

    Raises
    ------
    ValueError
        It is not JSON, not UTF-8, or nested too deep.
    """
    try:
        return json.loads(body.decode("utf-8-sig"), parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def rows(content: Any, name: str, source: str) -> list[Mapping[str, Any]]:
    """Return the objects of a list that an answer holds under a name.

    Raises
    ------
    SourceError
        The answer has no such list.
    """
    found = content.get(name) if isinstance(content, dict) else None
    if not isinstance(found, list):
        raise SourceError(
            f"{source} answers in another form than documented (no list {name}): look for a newer version of "
            "this program."
        )
    return [row for row in found if isinstance(row, dict)]


def part(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return an object inside an object; empty where there is none."""
    found = row.get(name)
    return found if isinstance(found, dict) else {}


def text(value: object, longest: int = _LONGEST_TEXT) -> str:
    """Return a text on one line, without control characters or halves of characters; "" for anything else."""
    if not isinstance(value, str):
        return ""
    whole = value[: 4 * longest].encode("utf-8", "replace").decode()
    return " ".join(_CONTROL.sub(" ", whole).split())[:longest].rstrip()


def name(value: object) -> str:
    """Return a short text: an identifier, an address, the name of a publisher; numbers become digits."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**30:
        return str(value)
    return text(value, _LONGEST_NAME)


def count(value: object) -> float:
    """Return a number of people or votes; 0 for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    if not 0 <= value <= _MOST_PEOPLE or not math.isfinite(value):
        return 0.0
    return float(value)


def moment(value: object) -> datetime | None:
    """Return the time of an ISO 8601 text with its offset, or of epoch seconds in UTC; None = no time."""
    try:
        if isinstance(value, str) and not value.strip().isdigit():
            found = datetime.fromisoformat(value.strip())
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            found = datetime.fromtimestamp(float(value), UTC)
        else:
            return None
        if found.tzinfo is None:
            return None
        inside = _EARLIEST <= found < _LATEST
    except (ValueError, OverflowError, OSError):
        return None
    return found if inside else None


class Pile:
    """Items of one fetch: inside its span, each once.

    Parameters
    ----------
    source : str
        Name of the source.
    since, until : datetime
        Kept is what was published from `since` until before `until`.
    """

    def __init__(self, source: str, since: datetime, until: datetime) -> None:
        self.source, self.since, self.until = source, since, until
        self._items: dict[str, Item] = {}

    def __len__(self) -> int:
        return len(self._items)

    def add(self, key: str, words: str, published: datetime | None, **facts: Any) -> bool:
        """Add an item; False where it is known, outside the span, or has no key, text or time.

        A stamp at exactly 00:00:00, in UTC or by its own offset, counts as a day without a time, unless
        `facts` say otherwise; see `day_stamp`.
        """
        if not key or not words or published is None or key in self._items:
            return False
        if not facts.setdefault("time_known", not is_midnight(published)):
            published = day_stamp(published)
        if not self.since <= published < self.until:
            return False
        self._items[key] = Item(self.source, key, words, published, **facts)
        return True

    def items(self) -> tuple[Item, ...]:
        """Return the items, oldest first."""
        return in_order(self._items.values())


def in_order(items: Iterable[Item]) -> tuple[Item, ...]:
    """Sort items by publication, then by source and key."""
    return tuple(sorted(items, key=lambda item: (item.published_at, item.source, item.key)))
