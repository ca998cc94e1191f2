"""Nodes written down as Pine v6. It knows nothing of models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

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
from mlstrat.pine.text import decimal, quoted

_INDENT = "    "
# How strongly operators bind, from the weakest; what binds more weakly than its surroundings gets brackets.
_CHOICE, _NOT, _UNARY, _ATOM = 0, 6, 6, 7
_BINDS: Mapping[str, int] = {
    "or": 1,
    "and": 2,
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">="), 3),
    "+": 4,
    "-": 4,
    "*": 5,
    "/": 5,
    "%": 5,
}


def emit(program: Program) -> str:
    """Return the program as Pine text, without a line break at its end.

    Raises
    ------
    ConfigError
        A number that is not finite, or text that Pine cannot hold.
    """
    return "\n".join(line for statement in program for line in _lines(statement))


def expression(expr: Expr) -> str:
    """Return a value as Pine text."""
    return _written(expr)[0]


def _lines(statement: Statement) -> Iterator[str]:
    return _STATEMENTS[type(statement)](statement)


def _block(body: Program) -> Iterator[str]:
    return (f"{_INDENT}{line}" for statement in body for line in _lines(statement))


def _declare(s: Declare) -> Iterator[str]:
    yield f"{'var ' if s.keeps else ''}{s.kind} {s.name} = {expression(s.value)}"


def _assign(s: Assign) -> Iterator[str]:
    yield f"{s.name} := {expression(s.value)}"


def _do(s: Do) -> Iterator[str]:
    yield expression(s.call)


def _when(s: When) -> Iterator[str]:
    yield f"if {expression(s.test)}"
    yield from _block(s.body)
    if s.otherwise:
        yield "else"
        yield from _block(s.otherwise)


def _while(s: While) -> Iterator[str]:
    yield f"while {expression(s.test)}"
    yield from _block(s.body)


def _define(s: Define) -> Iterator[str]:
    parameters = ", ".join(f"{kind} {name}" for kind, name in s.parameters)
    yield f"{'export ' if s.exported else ''}{s.name}({parameters}) =>"
    yield from _block(s.body)
    yield f"{_INDENT}{expression(s.result)}"


def _twin(s: Twin) -> Iterator[str]:
    yield f"{s.name}() =>"
    yield from (f"{_INDENT}{line}" for line in s.body.split("\n"))


def _verbatim(s: Verbatim) -> Iterator[str]:
    yield from s.text.split("\n")


def _remark(s: Remark) -> Iterator[str]:
    yield f"// {s.text}"


def _section(s: Section) -> Iterator[str]:
    yield ""
    yield f"// {s.title}"


_STATEMENTS: Mapping[type[Statement], Callable[[Any], Iterator[str]]] = {
    Declare: _declare,
    Assign: _assign,
    Do: _do,
    When: _when,
    While: _while,
    Define: _define,
    Twin: _twin,
    Verbatim: _verbatim,
    Remark: _remark,
    Section: _section,
}


def _written(expr: Expr) -> tuple[str, int]:
    """Return the text of a value, and how strongly it binds."""
    return _EXPRESSIONS[type(expr)](expr)


def _within(expr: Expr, binds: int) -> str:
    text, own = _written(expr)
    return text if own >= binds else f"({text})"


def _number(e: Number) -> tuple[str, int]:
    text = str(e.value) if isinstance(e.value, int) else decimal(e.value)
    return text, _UNARY if text.startswith("-") else _ATOM


def _op(e: Op) -> tuple[str, int]:
    binds = _BINDS[e.symbol]
    if e.symbol == "-" and e.left == Number(0.0):
        return f"-{_within(e.right, _UNARY + 1)}", _UNARY
    # Floats are not associative: the order of the nodes is the order of the sums.
    return f"{_within(e.left, binds)} {e.symbol} {_within(e.right, binds + 1)}", binds


def _not(e: Not) -> tuple[str, int]:
    return f"not {_within(e.of, _NOT)}", _NOT


def _choice(e: Choice) -> tuple[str, int]:
    yes, no = _within(e.yes, _CHOICE + 1), _within(e.no, _CHOICE)
    return f"{_within(e.test, _CHOICE + 1)} ? {yes} : {no}", _CHOICE


def _call(e: Call) -> tuple[str, int]:
    return f"{e.function}({', '.join(map(expression, e.arguments))})", _ATOM


def _as_atom(text: Callable[[Any], str], e: Expr) -> tuple[str, int]:
    return text(e), _ATOM


_EXPRESSIONS: Mapping[type[Expr], Callable[[Any], tuple[str, int]]] = {
    Number: _number,
    Op: _op,
    Not: _not,
    Choice: _choice,
    Call: _call,
    Text: partial(_as_atom, lambda e: quoted(e.value)),
    Truth: partial(_as_atom, lambda e: "true" if e.value else "false"),
    Na: partial(_as_atom, lambda e: "na"),
    Name: partial(_as_atom, lambda e: e.text),
    Past: partial(_as_atom, lambda e: f"{e.series}[{e.bars}]"),
}
