"""Nodes that read a window's strings back into arrays: the twin of `mlstrat.pine.packed`."""

from __future__ import annotations

from collections.abc import Iterator

from mlstrat.pine.expr import (
    Assign,
    Call,
    Declare,
    Define,
    Do,
    Expr,
    Kind,
    Name,
    Number,
    Program,
    Statement,
    Text,
    Truth,
    When,
    While,
    call,
    compare,
    counting,
    get,
    node,
    push,
    put,
    whole,
)
from mlstrat.pine.packed import WEIGHTS, Group, Layout
from mlstrat.pine.packing import ALPHABET, BASE

# Arrays that hold the active window. `edgeAt` tells where each feature's edges begin, and where the last end.
EDGES, EDGE_AT = "edges", "edgeAt"
NUMBERS, PACKED, CURSOR = "numbers", "packed", "cursor"
STATE = "lstmState"
DIGITS = "alphabet"
LEAF = -1


def arrays_of(group: Group) -> dict[str, str]:
    """Return the names of a group's arrays."""
    return {part: f"{group.name}{part.title()}" for part in ("feature", "cut", "right", "value", "root")}


def weights_of(name: str) -> str:
    """Return the name of the array of a group of weights."""
    return {"w_x": "weightX", "w_h": "weightH", "bias": "bias", "out": "weightOut"}[name]


def number(layout: Layout, name: str) -> Call:
    """Return one of the numbers that every window has."""
    return get(NUMBERS, layout.at[name])


def declared(layout: Layout) -> Program:
    """Return the arrays of the active window, empty."""
    floats, ints = [NUMBERS, EDGES], [CURSOR, EDGE_AT]
    for group in layout.groups:
        names = arrays_of(group)
        floats.append(names["value"])
        ints += [names[part] for part in ("feature", "cut", "right", "root")]
    if layout.units:
        ints.append("lstmInput")
        floats += [STATE, *map(weights_of, WEIGHTS)]
    return (
        Declare("array<string>", PACKED, call("array.new<string>"), keeps=True),
        *(Declare("array<float>", name, call("array.new<float>"), keeps=True) for name in floats),
        *(Declare("array<int>", name, call("array.new<int>"), keeps=True) for name in ints),
    )


def readers(layout: Layout) -> Program:
    """Return the digits, their reader, and what the layout needs of trees and weights."""
    parts: list[Statement] = [Declare("string", DIGITS, Text(ALPHABET)), _take()]
    if layout.groups:
        parts.append(_take_trees(layout))
    if layout.units:
        parts.append(_take_weights())
    return tuple(parts)


def load(layout: Layout) -> Program:
    """Return the statements that fill the arrays from `packed` and `numbers`, read from the beginning."""
    return (
        Assign(CURSOR, call("array.from", 0, 0)),
        *_load_edges(layout),
        *(part for k in range(len(layout.groups)) for part in _load_group(layout, k)),
        *(_load_lstm(layout) if layout.units else ()),
    )


def _take() -> Define:
    """Return the reader: so many digits as a whole number. A piece of a string is never cut by its end."""
    chunk, place, value = Name("chunk"), Name("place"), Name("value")
    digit = call("str.pos", Name(DIGITS), call("str.substring", chunk, place, place + 1))
    return Define(
        "take",
        (("array<string>", PACKED), ("array<int>", CURSOR), ("int", "width")),
        (
            When(
                compare(get(CURSOR, 1), ">=", call("str.length", get(PACKED, get(CURSOR, 0)))),
                (put(CURSOR, 0, get(CURSOR, 0) + 1), put(CURSOR, 1, 0)),
            ),
            Declare("string", "chunk", get(PACKED, get(CURSOR, 0))),
            Declare("int", "place", get(CURSOR, 1)),
            Declare("int", "value", Number(0)),
            *counting("k", Name("width"), Assign("value", value * BASE + digit), Assign("place", place + 1)),
            put(CURSOR, 1, place),
        ),
        value,
    )


def _taken(width: int | Expr) -> Call:
    return call("take", Name(PACKED), Name(CURSOR), width)


def _load_edges(layout: Layout) -> Iterator[Statement]:
    yield _clear(EDGES)
    yield _clear(EDGE_AT)
    yield Declare("string", "edgeWidth", node("".join(map(str, layout.edge_width))))
    digit = call("str.substring", Name("edgeWidth"), Name("f"), Name("f") + 1)
    width = call("str.pos", "0123456789", digit)
    yield from counting(
        "f",
        len(layout.features),
        push(EDGE_AT, call("array.size", Name(EDGES))),
        Declare("int", "exponent", _taken(1)),
        Declare("int", "count", _taken(1)),
        Declare("int", "digits", width),
        Declare("float", "scale", Number(1.0)),
        *counting("power", Name("exponent"), Assign("scale", Name("scale") * 10.0)),
        *counting(
            "k",
            Name("count"),
            push(
                EDGES,
                (get(NUMBERS, Number(layout.at["edge_0"]) + Name("f")) + _taken(Name("digits")))
                / Name("scale"),
            ),
        ),
    )
    yield push(EDGE_AT, call("array.size", Name(EDGES)))


def _clear(name: str) -> Do:
    return Do(call("array.clear", Name(name)))


_TREE_PARTS = ("feature", "cut", "right", "value", "root")


def _take_trees(layout: Layout) -> Define:
    """Return the reader of trees in preorder: what follows a leaf is the right child of the node above."""
    head, rest, n = Name("head"), Name("rest"), len(layout.features)
    room = Name("room")
    kinds: dict[str, Kind] = dict.fromkeys(_TREE_PARTS, "array<int>")
    kinds["value"] = "array<float>"
    first_right = call("array.set", Name("right"), call("array.pop", Name("above")), Name("at"))
    leaf = (
        Declare("int", "rest", _taken(Name("width") - layout.head_width)),
        push("feature", Number(LEAF)),
        push("cut", 0),
        push("value", Name("least") + ((head - n) * room + rest) * Name("step")),
        When(
            compare(call("array.size", Name("above")), "==", 0),
            (Assign("left", Name("left") - 1), Assign("begins", Truth(True))),
        ),
        Assign("afterLeaf", Truth(True)),
    )
    inner = (
        push("feature", head),
        push("cut", _taken(1)),
        push("value", 0.0),
        push("above", Name("at")),
        Assign("afterLeaf", Truth(False)),
    )
    return Define(
        "takeTrees",
        (
            ("array<string>", PACKED),
            ("array<int>", CURSOR),
            ("int", "trees"),
            ("int", "width"),
            ("float", "least"),
            ("float", "step"),
            *((kinds[part], part) for part in _TREE_PARTS),
        ),
        (
            *(_clear(part) for part in _TREE_PARTS),
            Declare("array<int>", "above", call("array.new<int>")),
            Declare("float", "room", Number(1.0)),
            *counting("power", Name("width") - layout.head_width, Assign("room", room * float(BASE))),
            Declare("int", "left", Name("trees")),
            Declare("bool", "begins", Truth(True)),
            Declare("bool", "afterLeaf", Truth(False)),
            While(
                compare(Name("left"), ">", 0),
                (
                    Declare("int", "at", call("array.size", Name("feature"))),
                    When(
                        Name("begins"),
                        (push("root", Name("at")),),
                        (When(Name("afterLeaf"), (Do(first_right),)),),
                    ),
                    Assign("begins", Truth(False)),
                    push("right", 0),
                    Declare("int", "head", _taken(layout.head_width)),
                    When(compare(head, "<", n), inner, leaf),
                ),
            ),
        ),
        Name("trees"),
    )


def _load_group(layout: Layout, k: int) -> Iterator[Statement]:
    group, width = layout.groups[k], layout.leaf_width[k]
    names = arrays_of(group)
    told = (number(layout, f"{group.name}_{part}") for part in ("low", "step"))
    yield Do(
        call(
            "takeTrees",
            Name(PACKED),
            Name(CURSOR),
            whole(number(layout, f"{group.name}_trees")),
            width,
            *told,
            *(Name(names[part]) for part in _TREE_PARTS),
        )
    )


def _take_weights() -> Define:
    level = Name("least") + _taken(Name("width")) * Name("step")
    return Define(
        "takeWeights",
        (
            ("array<string>", PACKED),
            ("array<int>", CURSOR),
            ("int", "count"),
            ("int", "width"),
            ("float", "least"),
            ("float", "step"),
            ("array<float>", "weights"),
        ),
        (_clear("weights"), *counting("w", Name("count"), push("weights", level))),
        Name("count"),
    )


def _load_lstm(layout: Layout) -> Iterator[Statement]:
    units, inputs = layout.units, Name("inputs")
    counts = {"w_x": inputs * (4 * units), "w_h": Number(4 * units * units), "bias": Number(4 * units)}
    yield Declare("int", "inputs", whole(number(layout, "inputs")))
    yield _clear("lstmInput")
    yield from counting("column", inputs, push("lstmInput", _taken(layout.head_width)))
    for name, width in zip(WEIGHTS, layout.weight_width, strict=True):
        told = (number(layout, f"{name}_{part}") for part in ("low", "step"))
        count = counts.get(name, Number(units + 1))
        array = Name(weights_of(name))
        yield Do(call("takeWeights", Name(PACKED), Name(CURSOR), count, width, *told, array))
    yield _clear(STATE)
    first = layout.at["state_0"]
    yield from counting("part", 2 * units, push(STATE, get(NUMBERS, Number(first) + Name("part"))))
