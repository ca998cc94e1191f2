"""Confirming conditions, such as `close > sma_200`: what must hold at the deciding close for an entry.

A condition is comparisons joined by `and`, of numbers, the bar's open, high, low, close and volume, and any
registered feature, and is read with its names and units. What is not known does not hold. Batch and stream
ask by the same compiled rows.

Most features are free of the price's scale: `sma_200` is the share by which the close lies above its mean.
Beside a price that is not what is meant, so there the moving averages are read as themselves, in price:
`close > sma_200` is `close > sma_px_200`. Beside anything else `sma_200` is the feature.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from mlstrat.arrays import BoolArray, FloatArray, IntArray, njit
from mlstrat.config_confirm import NUMBER, OPERATORS, comparisons
from mlstrat.errors import ConfigError
from mlstrat.features.lookup import find, registered

COLUMNS = ("open", "high", "low", "close", "volume")
_MEAN, _ITSELF = re.compile(r"(sma|ema|wma)_(\d+)"), r"\1_px_\2"
# What a value is in; a number compares with all of them, a feature whose unit is not known too.
_NUMBER, _PRICE, _VOLUME, _OTHER, _UNKNOWN = "number", "price", "volume", "other", "unknown"
_LESS, _AT_MOST, _MORE, _AT_LEAST = range(4)


class Operand(NamedTuple):
    """One side of a comparison: a number, a column of the bar, or a feature by its registered name.

    `unit` is its kind, and `symbol` whose price it is, empty for the bars' own.
    """

    text: str
    unit: str
    symbol: str = ""

    @property
    def is_feature(self) -> bool:
        """Whether it has to be computed."""
        return self.unit != _NUMBER and self.text not in COLUMNS


class Comparison(NamedTuple):
    """Two operands and one of `OPERATORS` between them."""

    left: Operand
    operator: str
    right: Operand


@dataclass(frozen=True)
class Condition:
    """Comparisons that must all hold; none = it always holds.

    Parameters
    ----------
    comparisons : tuple of Comparison
        With every name resolved.
    """

    comparisons: tuple[Comparison, ...]

    @property
    def operands(self) -> tuple[Operand, ...]:
        """Both sides of each comparison, in order."""
        return tuple(itertools.chain.from_iterable((c.left, c.right) for c in self.comparisons))

    @cached_property
    def features(self) -> tuple[str, ...]:
        """Names of the features that it reads, in order, without repeats."""
        return tuple(dict.fromkeys(side.text for side in self.operands if side.is_feature))

    @cached_property
    def numbers(self) -> FloatArray:
        """Its numbers, in order."""
        return np.array([float(side.text) for side in self.operands if side.unit == _NUMBER])

    @cached_property
    def table(self) -> IntArray:
        """(n_comparisons, 3): place of the left side, operator, place of the right side.

        Places count the columns of the bar, then `features`, then `numbers`.
        """
        names = (*COLUMNS, *self.features)
        place = {name: k for k, name in enumerate(names)}
        following = itertools.count(len(names))

        def at(side: Operand) -> int:
            return next(following) if side.unit == _NUMBER else place[side.text]

        rows = [(at(c.left), OPERATORS.index(c.operator), at(c.right)) for c in self.comparisons]
        return np.array(rows, np.int64).reshape(-1, 3)


def parse(text: str, name: str = "the condition") -> Condition:
    """Read a condition; `name` is what messages call it, such as `signals.confirm`.

    Raises
    ------
    ConfigError
        It is no condition; a name is unknown, with the nearest spelling; or two sides are in unlike units.
    """
    try:
        found = comparisons(text)
    except ValueError as error:
        raise ConfigError(f"{name} is {text!r}; {error}.") from None
    return Condition(tuple(_comparison(*parts, name) for parts in found))


def _comparison(left: str, operator: str, right: str, name: str) -> Comparison:
    a, b = _operand(left, name), _operand(right, name)
    if _in_price(a, b):
        a = _itself(a)
    if _in_price(b, a):
        b = _itself(b)
    if a.unit == b.unit == _NUMBER:
        raise ConfigError(f"{name} compares {left} with {right}: compare a feature with one of them.")
    if not {a.unit, b.unit} & {_NUMBER, _UNKNOWN} and (a.unit, a.symbol) != (b.unit, b.symbol):
        raise ConfigError(
            f"{name} compares {left} ({_unit_of(a)}) with {right} ({_unit_of(b)}): compare like with like, "
            "such as close > sma_200, or either with a number."
        )
    return Comparison(a, operator, b)


def _operand(text: str, name: str) -> Operand:
    if NUMBER.fullmatch(text):
        return Operand(text, _NUMBER)
    if text in COLUMNS:
        return Operand(text, _VOLUME if text == "volume" else _PRICE)
    base = text.partition("@")[0]
    if not base.startswith("ta.") and base not in registered():
        near = difflib.get_close_matches(base, (*COLUMNS, *registered()), n=1, cutoff=0.5)
        hint = f"the nearest is {near[0]!r}" if near else "mlstrat features list shows what there is"
        raise ConfigError(f"{name} asks for {base!r}, which is not registered: {hint}; correct the name.")
    f = find(text)
    if f.unit in (_PRICE, _VOLUME):
        return Operand(text, f.unit, f.symbol)
    return Operand(text, _OTHER if f.model_input else _UNKNOWN)


def _in_price(side: Operand, other: Operand) -> bool:
    """Whether a side is a moving average beside a price, or beside another average."""
    if not _is_mean(side.text):
        return False
    symbol = side.text.partition("@")[2]
    if _is_mean(other.text):
        return symbol == other.text.partition("@")[2]
    return (other.unit, other.symbol) == (_PRICE, symbol)


def _is_mean(text: str) -> bool:
    """Whether it names a moving average that is registered in price too."""
    base = text.partition("@")[0]
    return bool(_MEAN.fullmatch(base)) and _MEAN.sub(_ITSELF, base) in registered()


def _itself(mean: Operand) -> Operand:
    symbol = mean.text.partition("@")[2]
    return Operand(_MEAN.sub(_ITSELF, mean.text, count=1), _PRICE, symbol)


def _unit_of(side: Operand) -> str:
    unit = find(side.text).unit if side.is_feature else side.unit
    return f"{unit} of {side.symbol}" if side.symbol else unit


def holds(condition: Condition, rows: FloatArray, columns: FloatArray) -> BoolArray:
    """Return whether a condition holds at each bar.

    Parameters
    ----------
    condition : Condition
        From `parse`.
    rows : (n_bars, 5 or more) float64
        Open, high, low, close and volume, as in `Bars.matrix`.
    columns : (n_bars, n_features) float64
        `condition.features` at the same bars.

    Returns
    -------
    (n_bars,) bool
        False where a value is NaN.
    """
    numbers = np.tile(condition.numbers, (len(rows), 1))
    values = np.concatenate([rows[:, : len(COLUMNS)], columns, numbers], axis=1)
    return _holds_block(values, condition.table)


@njit
def _holds_block(values: FloatArray, table: IntArray) -> BoolArray:
    out = np.empty(len(values), np.bool_)
    for t in range(len(values)):
        out[t] = holds_row(values[t], table)
    return out


@njit
def holds_row(values: FloatArray, table: IntArray) -> bool:
    """Whether every comparison of one bar holds; one with NaN does not."""
    for k in range(len(table)):
        left, operator, right = values[table[k, 0]], table[k, 1], values[table[k, 2]]
        if operator == _LESS:
            held = left < right
        elif operator == _AT_MOST:
            held = left <= right
        elif operator == _MORE:
            held = left > right
        else:
            held = left >= right
        if not held:
            return False
    return True


def pine(condition: Condition, name: str = "confirmed") -> str:
    """Return Pine v6 that assigns the condition to the bool `name` on every bar.

    Raises
    ------
    ConfigError
        A feature has no Pine form; the message gives the reason.
    """
    lines: list[str] = []
    values = {}
    for k, feature in enumerate(condition.features):
        values[feature] = f"{name}{k}"
        lines += [f"{name}{k}Of() =>", *_indented(_twin(feature)), f"float {name}{k} = {name}{k}Of()"]
    # Pine's comparisons forgive 1e-10, whatever the price; math.sign does not.
    parts = [
        f"math.sign({_term(c.left, values)} - {_term(c.right, values)}) {c.operator} 0"
        for c in condition.comparisons
    ]
    return "\n".join([*lines, f"bool {name} = {' and '.join(parts) or 'true'}"])


def _twin(name: str) -> str:
    f = find(name)
    if f.pine is None or f.symbol:
        why = f.no_pine or "bars of another symbol are not at hand in an exported script"
        raise ConfigError(f"{name} has no Pine form, because {why}: leave it out of the condition.")
    return f.pine


def _indented(body: str) -> Iterable[str]:
    return (f"    {line}" for line in body.split("\n"))


def _term(side: Operand, values: dict[str, str]) -> str:
    if side.unit == _NUMBER:
        return f"({float(side.text)!r})"
    return values.get(side.text, side.text)
