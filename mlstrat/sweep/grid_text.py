"""Grids as people write them: ranges and lists, read without writing out more than a sweep may have."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import prod
from typing import Any

from mlstrat.errors import ConfigError

ORIGIN = "--grid"
_LARGEST = 10_000_000  # columns, whose numbers alone take 1.4 GB
_RANGE = re.compile(r"\s*([^:,\s]+):([^:,\s]+):([^:,\s]+)\s*")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?")


@dataclass(frozen=True)
class _Steps:
    """A range that is not written out yet."""

    first: Decimal
    step: Decimal
    count: int
    whole: bool

    def values(self) -> list[Any]:
        return [(int if self.whole else float)(self.first + k * self.step) for k in range(self.count)]


def parse_grid(texts: Iterable[str], most: int | None = None) -> dict[str, list[Any]]:
    """Read `key=from:to:step` (both ends belong to it), `key=v1,v2,v3`, or both kinds for several keys.

    Steps are decimal, so that 0.52:0.60:0.01 has nine values and 0.57 is 0.57. Values are TOML; bare words
    are text.

    Parameters
    ----------
    texts : iterable of str
        One a key.
    most : int, optional
        Columns allowed, as `--max-columns`; by default ten million.

    Raises
    ------
    ConfigError
        A text is neither, a key is there twice, a range does not end on a step, or there are too many
        columns.
    """
    found: dict[str, _Steps | list[Any]] = {}
    for text in texts:
        key, equals, spec = (part.strip() for part in text.partition("="))
        if not equals or not key or not spec:
            raise ConfigError(
                f"{ORIGIN} {text!r} is not key=values: write for example stops.atr=1:4:0.5 or "
                "signals.direction=long,both."
            )
        if key in found:
            raise ConfigError(f"{ORIGIN} names {key} twice: give all its values in one.")
        found[key] = _steps(text, spec) if _RANGE.fullmatch(spec) else _list(key, text, spec)
    _refuse_more(prod(_count(values) for values in found.values()), most)
    return {key: made.values() if isinstance(made, _Steps) else made for key, made in found.items()}


def _count(values: _Steps | Sequence[Any]) -> int:
    return values.count if isinstance(values, _Steps) else len(values)


def _refuse_more(n_columns: int, most: int | None) -> None:
    allowed = _LARGEST if most is None else most
    if n_columns > allowed:
        allow = "" if most is None else f", or allow them with --max-columns {n_columns}"
        raise ConfigError(
            f"this grid has {n_columns:,} columns, more than {allowed:,}: give fewer values{allow}."
        )


def _steps(text: str, spec: str) -> _Steps:
    parts = [part.strip() for part in spec.split(":")]
    if not all(_NUMBER.fullmatch(part) for part in parts):
        raise ConfigError(f"{ORIGIN} {text!r} is no range of numbers: write from:to:step, such as 1:4:0.5.")
    first, last, step = map(Decimal, parts)
    if step <= 0 or last < first:
        raise ConfigError(
            f"{ORIGIN} {text!r} holds no value: write from:to:step with from <= to and a step above 0."
        )
    steps = int((last - first) / step)
    below = first + steps * step
    if below != last:
        raise ConfigError(
            f"{ORIGIN} {text!r} does not end on a step: end it at {below} or at {below + step}."
        )
    whole = all(value == value.to_integral_value() and "." not in str(value) for value in (first, step))
    return _Steps(first, step, steps + 1, whole)


def _list(key: str, text: str, spec: str) -> list[Any]:
    parts = [part.strip() for part in spec.split(":")]
    if len(parts) == 2 and all(_NUMBER.fullmatch(part) for part in parts):
        raise ConfigError(f"{ORIGIN} {text!r} is a range without a step: write {key}={':'.join(parts)}:STEP.")
    try:
        return list(tomllib.loads(f"x = [{spec}]")["x"])
    except tomllib.TOMLDecodeError:
        return [_word(part.strip()) for part in spec.split(",") if part.strip()]


def _word(text: str) -> Any:
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text
