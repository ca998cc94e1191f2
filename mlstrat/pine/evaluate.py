"""Nodes computed bar by bar in Python: the oracle of `emit`, which needs no Pine runtime."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from mlstrat.errors import ConfigError
from mlstrat.pine.expr import (
    Assign,
    Call,
    Choice,
    Declare,
    Define,
    Do,
    Expr,
    Na,
    Name,
    Not,
    Number,
    Op,
    Past,
    Program,
    Remark,
    Section,
    Statement,
    Text,
    Truth,
    Twin,
    Verbatim,
    When,
    While,
)

# Pine's comparisons of floats forgive so much.
FORGIVEN = 1e-10


class Machine:
    """Runs a program over bars.

    Parameters
    ----------
    program : sequence of statements
        From `assemble`. What a `Verbatim` or a `Twin` gives has to be given from outside.

    Examples
    --------
    >>> Machine((Declare("float", "twice", Name("close") * 2),)).step({"close": 21.0})["twice"]
    42.0
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._functions = {s.name: s for s in program if isinstance(s, Define)}
        self._kept: dict[str, Any] = {}
        self._before: Mapping[str, Any] = {}

    def step(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Take one bar.

        Parameters
        ----------
        given : mapping
            Pine's own series at this bar (`close`, `time`, `bar_index`), inputs, what verbatim text gives,
            and the value of each `Twin` by its name.

        Returns
        -------
        dict
            Every global variable at the end of the bar; na is NaN.

        Raises
        ------
        ConfigError
            The program reads what is neither declared nor given.
        """
        scope = _Scope(dict(given), self)
        scope.values.update(self._kept)
        kept = {s.name for s in self._program if isinstance(s, Declare) and s.keeps}
        for statement in self._program:
            if isinstance(statement, Declare) and statement.keeps and statement.name in self._kept:
                continue
            _run(statement, scope)
        self._kept = {name: scope.values[name] for name in kept}
        self._before = given
        return scope.values

    def past(self, series: str, bars: int) -> Any:
        """Return one of Pine's own series at the bar before."""
        if bars != 1:
            raise ConfigError(f"{series}[{bars}] reaches more than one bar back: keep it in a variable.")
        return self._before.get(series, math.nan)

    def function(self, name: str) -> Define | None:
        """Return a function that the program defines."""
        return self._functions.get(name)


class _Scope:
    """Variables by name. A block changes those around it; a function sees the globals and changes none."""

    def __init__(
        self, values: dict[str, Any], machine: Machine, outer: _Scope | None = None, sealed: bool = False
    ) -> None:
        self.values, self.machine, self.outer, self.sealed = values, machine, outer, sealed

    def assign(self, name: str, value: Any) -> None:
        if name in self.values:
            self.values[name] = value
        elif self.outer is None or self.sealed:
            raise ConfigError(f"the script assigns {name}, which is not declared there: declare it.")
        else:
            self.outer.assign(name, value)

    def read(self, name: str) -> Any:
        if name in self.values:
            return self.values[name]
        if self.outer is None:
            raise ConfigError(f"the script reads {name}, which is neither declared nor given: give it.")
        return self.outer.read(name)


def _run(statement: Statement, scope: _Scope) -> None:
    if isinstance(statement, Declare):
        scope.values[statement.name] = _value(statement.value, scope)
    elif isinstance(statement, Assign):
        scope.assign(statement.name, _value(statement.value, scope))
    elif isinstance(statement, Do):
        _value(statement.call, scope)
    elif isinstance(statement, When):
        chosen = statement.body if _value(statement.test, scope) is True else statement.otherwise
        _run_block(chosen, scope)
    elif isinstance(statement, While):
        while _value(statement.test, scope) is True:
            _run_block(statement.body, scope)
    elif isinstance(statement, Verbatim):
        for name in statement.gives:
            scope.read(name)
    elif not isinstance(statement, Define | Twin | Remark | Section):
        raise AssertionError(f"{type(statement).__name__} has no meaning yet")


def _run_block(body: Program, scope: _Scope) -> None:
    """Run statements in a scope of their own: what they declare is not known after them."""
    inner = _Scope({}, scope.machine, scope)
    for statement in body:
        _run(statement, inner)


def _value(expr: Expr, scope: _Scope) -> Any:
    return _EXPRESSIONS[type(expr)](expr, scope)


def _op(e: Op, scope: _Scope) -> Any:
    left = _value(e.left, scope)
    if e.symbol == "and":
        return left is True and _value(e.right, scope) is True
    if e.symbol == "or":
        return left is True or _value(e.right, scope) is True
    return _BINARY[e.symbol](left, _value(e.right, scope))


def _divided(left: float, right: float) -> float:
    return left / right if right else math.nan


def _less(left: Any, right: Any) -> bool:
    return bool(right - left > FORGIVEN)


def _same(left: Any, right: Any) -> bool:
    return bool(left == right if isinstance(left, str) else abs(left - right) <= FORGIVEN)


def _known(*values: Any) -> bool:
    return not any(isinstance(value, float) and math.isnan(value) for value in values)


_BINARY: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _divided,
    "%": math.fmod,
    "<": _less,
    ">": lambda a, b: _less(b, a),
    "<=": lambda a, b: _known(a, b) and not _less(b, a),
    ">=": lambda a, b: _known(a, b) and not _less(a, b),
    "==": _same,
    "!=": lambda a, b: _known(a, b) and not _same(a, b),
}


def _called(e: Call, scope: _Scope) -> Any:
    arguments = [_value(argument, scope) for argument in e.arguments]
    defined = scope.machine.function(e.function)
    if defined is not None:
        names = [name for _, name in defined.parameters]
        inner = _Scope(dict(zip(names, arguments, strict=True)), scope.machine, _global(scope), True)
        for statement in defined.body:
            _run(statement, inner)
        return _value(defined.result, inner)
    if e.function in _FUNCTIONS:
        return _FUNCTIONS[e.function](*arguments)
    return scope.read(e.function)  # a twin, whose value is given


def _global(scope: _Scope) -> _Scope:
    return scope if scope.outer is None else _global(scope.outer)


def _sign(value: float) -> float:
    return value if math.isnan(value) else float(value > 0) - float(value < 0)


def _guarded(function: Callable[[float], float]) -> Callable[[float], float]:
    def of(value: float) -> float:
        try:
            return function(value)
        except (ValueError, OverflowError):
            return math.nan

    return of


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "math.exp": _guarded(math.exp),
    "math.log": _guarded(math.log),
    "math.sqrt": _guarded(math.sqrt),
    "math.abs": abs,
    "math.sign": _sign,
    "math.min": lambda a, b: min(a, b) if _known(a, b) else math.nan,
    "math.max": lambda a, b: max(a, b) if _known(a, b) else math.nan,
    "math.floor": lambda a: math.floor(a) if _known(a) else a,
    "math.round": lambda a: math.floor(a + 0.5) if _known(a) else a,
    "int": lambda a: int(a) if _known(a) else a,
    "na": lambda a: not _known(a),
    "str.length": len,
    "str.substring": lambda text, begin, end: text[begin:end],
    "str.pos": lambda text, part: text.find(part),
    "array.from": lambda *elements: list(elements),
    "array.new<float>": lambda size=0, value=math.nan: [value] * size,
    "array.new<int>": lambda size=0, value=math.nan: [value] * size,
    "array.new<string>": lambda: [],
    "array.get": lambda array, index: array[index],
    "array.set": lambda array, index, value: array.__setitem__(index, value),
    "array.push": lambda array, value: array.append(value),
    "array.pop": lambda array: array.pop(),
    "array.size": len,
    "array.clear": lambda array: array.clear(),
    "array.copy": list,
}

_EXPRESSIONS: Mapping[type[Expr], Callable[[Any, _Scope], Any]] = {
    Number: lambda e, _: e.value,
    Text: lambda e, _: e.value,
    Truth: lambda e, _: e.value,
    Na: lambda *_: math.nan,
    Name: lambda e, scope: scope.read(e.text),
    Past: lambda e, scope: scope.machine.past(e.series, e.bars),
    Op: _op,
    Not: lambda e, scope: _value(e.of, scope) is not True,
    Choice: lambda e, scope: _value(e.yes if _value(e.test, scope) is True else e.no, scope),
    Call: _called,
}
