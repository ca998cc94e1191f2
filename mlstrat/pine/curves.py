"""Nodes of calibration maps and of odds: the twins of `curve_row`, `variance_row` and `odds_row`."""

from __future__ import annotations

from mlstrat.calibration import Kind
from mlstrat.pine.expr import (
    Assign,
    Call,
    Declare,
    Define,
    Expr,
    Name,
    Number,
    Program,
    Statement,
    Term,
    Truth,
    When,
    call,
    compare,
    counting,
    exact,
    get,
    whole,
)
from mlstrat.pine.unpack import NUMBERS

# What a block of odds holds before its map, and a map before its weights (see `mlstrat.pine.packed`).
BASE, VARIANCE, CENTRE, SPREAD, PAYOFF, THRESHOLD, MAP = range(7)
_SCALE, _SHIFT, _WEIGHTS, _KNOTS, _HEAD = range(5)


def functions(maps: frozenset[Kind]) -> Program:
    """Return the functions of the maps that occur."""
    parts: list[Statement] = []
    if maps - {"platt"}:
        parts.append(_softplus())
    if "isotonic" in maps:
        parts.append(_step_of())
    return (*parts, _curve_of(maps), _variance_of(maps))


def odds_functions() -> Program:
    """Return `oddsOf`, the win probability and the standard error of its logit as an array of two."""
    n, at = NUMBERS, Name("at")
    raw = call("math.min", call("math.max", Name("score"), 1e-6), 1.0 - 1e-6)

    def told(place: int) -> Call:
        return get(n, at + place)

    logit = call("math.log", Name("raw") / (1.0 - Name("raw")))
    curve, variance = (call(f, Name(n), at + MAP, Name("z")) for f in ("curveOf", "varianceOf"))
    return (
        Define(
            "oddsOf",
            (("array<float>", n), ("int", "at"), ("int", "side"), ("float", "score")),
            (
                Declare("float", "raw", raw),
                Declare("float", "z", (Name("side") * logit - told(CENTRE)) / told(SPREAD)),
            ),
            call(
                "array.from",
                call("sigmoid", told(BASE) + curve),
                call("math.sqrt", told(VARIANCE) + variance),
            ),
        ),
    )


def _softplus() -> Define:
    z = Name("z")
    grown = call("math.log", 1.0 + call("math.exp", -call("math.abs", z)))
    return Define("softplus", (("float", "z"),), (), call("math.max", z, 0.0) + grown)


def _at(place: Term) -> Call:
    return get(NUMBERS, Name("at") + place)


def _step_of() -> Define:
    """Return which step of an isotonic map a number lies on; before the first knot it is the first."""
    knot = _at(Number(_HEAD) + whole(_at(_WEIGHTS)) + Name("k"))
    beyond = exact(Name("u"), ">=", knot)
    return Define(
        "stepOf",
        (("array<float>", NUMBERS), ("int", "at"), ("float", "u")),
        (
            Declare("int", "step", Number(0)),
            *counting("k", whole(_at(_KNOTS)), When(beyond, (Assign("step", Name("k")),)), start=1),
        ),
        Name("step"),
    )


def _set_by_map(maps: frozenset[Kind], platt: Expr, beta: Expr, isotonic: Expr) -> Program:
    """Return what sets `value` by the map at hand; those that no window has are left out.

    Branches and not `?:`, of which some runtimes compute both sides, where one reads beyond the array.
    """
    chosen: list[tuple[Expr, Expr]] = []
    if "isotonic" in maps:
        chosen.append((compare(_at(_KNOTS), ">", 0), isotonic))
    if "beta" in maps:
        chosen.append((compare(_at(_WEIGHTS), "==", 2), beta))
    if "platt" in maps:
        chosen.append((Truth(True), platt))
    body: Program = (Assign("value", chosen[-1][1]),)
    for test, value in reversed(chosen[:-1]):
        body = (When(test, (Assign("value", value),), body),)
    return (Declare("float", "value", Number(0.0)), *body)


def _curve_of(maps: frozenset[Kind]) -> Define:
    u = Name("u")
    step = call("stepOf", Name(NUMBERS), Name("at"), u)
    beta = _at(_HEAD + 1) * call("softplus", u) - _at(_HEAD) * call("softplus", -u)
    return Define(
        "curveOf",
        (("array<float>", NUMBERS), ("int", "at"), ("float", "z")),
        (
            Declare("float", "u", Name("z") / _at(_SCALE)),
            *_set_by_map(maps, _at(_HEAD) * u, beta, _at(Number(_HEAD) + step)),
        ),
        Name("value") - _at(_SHIFT),
    )


def _variance_of(maps: frozenset[Kind]) -> Define:
    u = Name("u")
    step = call("stepOf", Name(NUMBERS), Name("at"), u)
    first = _HEAD + 2  # behind the two weights of the beta map
    low, high = _at(first + 3) - call("softplus", -u), call("softplus", u) - _at(first + 4)
    beta = low * low * _at(first) + high * high * _at(first + 1) + 2.0 * low * high * _at(first + 2)
    behind = Number(_HEAD) + whole(_at(_WEIGHTS)) + whole(_at(_KNOTS))
    return Define(
        "varianceOf",
        (("array<float>", NUMBERS), ("int", "at"), ("float", "z")),
        (
            Declare("float", "u", Name("z") / _at(_SCALE)),
            *_set_by_map(maps, u * u * _at(_HEAD + 1), beta, _at(behind + step)),
        ),
        Name("value"),
    )
