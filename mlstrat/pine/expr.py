"""The nodes a script is built of: what `assemble` makes, `emit` writes down and `evaluate` computes.

They are a small subset of Pine v6: numbers, text, truth values and arrays of them; arithmetic; calls of pure
functions; variables, branches and `while` loops. None of them knows of a model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["float", "int", "bool", "string", "array<float>", "array<int>", "array<string>"]
Symbol: TypeAlias = Literal["+", "-", "*", "/", "%", "<", "<=", ">", ">=", "==", "!=", "and", "or"]


class Expr:
    """A value. Arithmetic with nodes and numbers makes nodes; comparisons are functions, as `==` is not."""

    def __add__(self, other: Term) -> Expr:
        """Return the sum; with the whole number 0 it is the other term."""
        return self if _is_zero(other) else Op("+", self, node(other))

    def __radd__(self, other: Term) -> Expr:
        """Return the sum; with the whole number 0 it is the other term."""
        return self if _is_zero(other) else Op("+", node(other), self)

    def __sub__(self, other: Term) -> Op:
        """Return the difference."""
        return Op("-", self, node(other))

    def __rsub__(self, other: Term) -> Op:
        """Return the difference."""
        return Op("-", node(other), self)

    def __mul__(self, other: Term) -> Op:
        """Return the product."""
        return Op("*", self, node(other))

    def __rmul__(self, other: Term) -> Op:
        """Return the product."""
        return Op("*", node(other), self)

    def __truediv__(self, other: Term) -> Op:
        """Return the quotient."""
        return Op("/", self, node(other))

    def __rtruediv__(self, other: Term) -> Op:
        """Return the quotient."""
        return Op("/", node(other), self)

    def __mod__(self, other: Term) -> Op:
        """Return the remainder."""
        return Op("%", self, node(other))

    def __neg__(self) -> Op:
        """Return the negative."""
        return Op("-", Number(0.0), self)


@dataclass(frozen=True)
class Number(Expr):
    """A constant; an int stays one."""

    value: float | int


@dataclass(frozen=True)
class Text(Expr):
    """A constant of printable characters."""

    value: str


@dataclass(frozen=True)
class Truth(Expr):
    """True or false."""

    value: bool


@dataclass(frozen=True)
class Na(Expr):
    """Not known."""


@dataclass(frozen=True)
class Name(Expr):
    """A variable, one's own or one of Pine's."""

    text: str


@dataclass(frozen=True)
class Past(Expr):
    """The value of one of Pine's own series so many bars ago."""

    series: str
    bars: int


@dataclass(frozen=True)
class Op(Expr):
    """An operator between two values; `and` and `or` look at the second only where they must."""

    symbol: Symbol
    left: Expr
    right: Expr


@dataclass(frozen=True)
class Not(Expr):
    """The contrary."""

    of: Expr


@dataclass(frozen=True)
class Choice(Expr):
    """One of two values."""

    test: Expr
    yes: Expr
    no: Expr


@dataclass(frozen=True)
class Call(Expr):
    """A call of one of Pine's functions, or of one that the script defines."""

    function: str
    arguments: tuple[Expr, ...]


Term: TypeAlias = Expr | float | int | bool | str


class Statement:
    """A step of the script."""


@dataclass(frozen=True)
class Declare(Statement):
    """A new variable; one that `keeps` is set on the first bar and keeps what is assigned to it."""

    kind: Kind
    name: str
    value: Expr
    keeps: bool = False


@dataclass(frozen=True)
class Assign(Statement):
    """Another value for a variable."""

    name: str
    value: Expr


@dataclass(frozen=True)
class Do(Statement):
    """A call for what it does."""

    call: Call


@dataclass(frozen=True)
class When(Statement):
    """A branch."""

    test: Expr
    body: tuple[Statement, ...]
    otherwise: tuple[Statement, ...] = ()


@dataclass(frozen=True)
class While(Statement):
    """A loop."""

    test: Expr
    body: tuple[Statement, ...]


@dataclass(frozen=True)
class Define(Statement):
    """A function; parameters are pairs of kind and name. An exported one stands in a library."""

    name: str
    parameters: tuple[tuple[Kind, str], ...]
    body: tuple[Statement, ...]
    result: Expr
    exported: bool = False


@dataclass(frozen=True)
class Twin(Statement):
    """A function without parameters whose body is Pine proven elsewhere, such as a feature's twin."""

    name: str
    body: str


@dataclass(frozen=True)
class Verbatim(Statement):
    """Pine that was proven elsewhere and assigns the variables `gives`."""

    text: str
    gives: tuple[str, ...]


@dataclass(frozen=True)
class Remark(Statement):
    """A comment."""

    text: str


@dataclass(frozen=True)
class Section(Statement):
    """The title of what follows."""

    title: str


Program: TypeAlias = tuple[Statement, ...]


def _is_zero(term: Term) -> bool:
    value = term.value if isinstance(term, Number) else term
    return isinstance(value, int) and not isinstance(value, bool) and value == 0


def node(term: Term) -> Expr:
    """Return a constant as a node; a node as it is."""
    if isinstance(term, Expr):
        return term
    if isinstance(term, bool):
        return Truth(term)
    return Text(term) if isinstance(term, str) else Number(term)


def call(function: str, *arguments: Term) -> Call:
    """Return a call."""
    return Call(function, tuple(map(node, arguments)))


def compare(left: Term, symbol: Symbol, right: Term) -> Op:
    """Return a comparison as Pine makes it: exact for whole numbers, within 1e-10 for others."""
    return Op(symbol, node(left), node(right))


def exact(left: Term, symbol: Symbol, right: Term) -> Op:
    """Return a comparison to the last bit: the sign of the difference beside 0."""
    difference = node(left) if right == 0.0 else node(left) - right
    return Op(symbol, call("math.sign", difference), Number(0))


def both(*tests: Expr) -> Expr:
    """Return whether all hold, asked from left to right."""
    return _joined("and", tests)


def either(*tests: Expr) -> Expr:
    """Return whether any holds, asked from left to right."""
    return _joined("or", tests)


def _joined(symbol: Symbol, tests: Sequence[Expr]) -> Expr:
    joined = tests[0]
    for test in tests[1:]:
        joined = Op(symbol, joined, test)
    return joined


def choose(test: Expr, yes: Term, no: Term) -> Choice:
    """Return one of two values."""
    return Choice(test, node(yes), node(no))


def get(array: Term, index: Term) -> Call:
    """Return an element of the array; `array` is its name or a node."""
    return call("array.get", Name(array) if isinstance(array, str) else array, index)


def put(array: str, index: Term, value: Term) -> Do:
    """Set an element of an array."""
    return Do(call("array.set", Name(array), index, value))


def push(array: str, value: Term) -> Do:
    """Append to an array."""
    return Do(call("array.push", Name(array), value))


def whole(value: Term) -> Call:
    """Return the number without its fraction."""
    return call("int", value)


def counting(name: str, end: Term, *body: Statement, start: Term = 0) -> tuple[Statement, ...]:
    """Return a loop with `name` from `start` to before `end`; unlike Pine's `for` it may run no time."""
    counter = Name(name)
    return (
        Declare("int", name, node(start)),
        While(compare(counter, "<", end), (*body, Assign(name, counter + 1))),
    )
