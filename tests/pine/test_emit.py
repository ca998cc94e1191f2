"""Nodes written as Pine: brackets only where they are needed, and never another order of operations."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlstrat.errors import ConfigError
from mlstrat.pine.emit import emit, expression
from mlstrat.pine.evaluate import Machine
from mlstrat.pine.expr import (
    Assign,
    Call,
    Choice,
    Declare,
    Define,
    Na,
    Name,
    Not,
    Number,
    Op,
    Past,
    Remark,
    Section,
    Text,
    Truth,
    Twin,
    Verbatim,
    When,
    call,
    choose,
    compare,
    counting,
    exact,
    get,
    push,
)

A, B, C = Name("a"), Name("b"), Name("c")


@pytest.mark.parametrize(
    ("expr", "text"),
    [
        (A + B * C, "a + b * c"),
        ((A + B) * C, "(a + b) * c"),
        (A - (B - C), "a - (b - c)"),
        (A - B - C, "a - b - c"),
        (A / (B * C), "a / (b * c)"),
        (A * (B / C), "a * (b / c)"),
        (-(A + B), "-(a + b)"),
        (A - -B, "a - -b"),
        (A * Number(-2.0), "a * -2.0"),
        (compare(A, "<", B + 1), "a < b + 1"),
        (exact(A, ">", B), "math.sign(a - b) > 0"),
        (exact(A, ">", 0.0), "math.sign(a) > 0"),
        (choose(compare(A, ">", 0), choose(Name("p"), 1, 2), 3.0), "a > 0 ? (p ? 1 : 2) : 3.0"),
        (choose(Name("p"), 1, choose(Name("q"), 2, 3)), "p ? 1 : q ? 2 : 3"),
        (Not(Op("and", Name("p"), Name("q"))), "not (p and q)"),
        (Op("and", Op("or", Name("p"), Name("q")), Not(Name("r"))), "(p or q) and not r"),
        (Past("close", 1) + Na(), "close[1] + na"),
        (call("f", 'a\\b"c', True, 1e-7), 'f("a\\\\b\\"c", true, 0.0000001)'),
    ],
)
def test_an_expression_keeps_its_order_and_has_no_brackets_to_spare(expr, text):
    assert expression(expr) == text


def test_statements_are_indented_by_blocks():
    program = (
        Section("Title"),
        Remark("why"),
        Declare("float", "total", Number(0.0), keeps=True),
        Define("twice", (("float", "z"),), (Declare("float", "y", Name("z") * 2),), Name("y")),
        Twin("ret", "a = close\na / 2"),
        Verbatim("bool held = true", ("held",)),
        When(Name("held"), (Assign("total", A),), (Assign("total", B),)),
        *counting("k", 3, push("list", Name("k"))),
    )
    assert emit(program) == (
        "\n// Title\n// why\nvar float total = 0.0\n"
        "twice(float z) =>\n    float y = z * 2\n    y\n"
        "ret() =>\n    a = close\n    a / 2\n"
        "bool held = true\n"
        "if held\n    total := a\nelse\n    total := b\n"
        "int k = 0\nwhile k < 3\n    array.push(list, k)\n    k := k + 1"
    )


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_number_that_is_not_finite_is_refused(bad):
    with pytest.raises(ConfigError, match="cannot be written in Pine"):
        expression(Number(bad))


def test_text_with_a_line_break_is_refused():
    with pytest.raises(ConfigError, match="control characters"):
        expression(Text("a\nb"))


numbers = st.integers(-9, 9).map(Number)
values = st.recursive(
    numbers,
    lambda inner: (
        st.builds(Op, st.sampled_from(["+", "-", "*"]), inner, inner)
        | st.builds(lambda a: Op("-", Number(0.0), a), inner)
    ),
    max_leaves=12,
)


@given(values)
def test_emitted_arithmetic_reads_back_as_the_same_number(expr):
    """Python reads sums, products and signs as Pine does."""
    told = Machine((Declare("float", "told", expr),)).step({})["told"]
    assert eval(expression(expr)) == told


def test_a_program_that_reads_what_nobody_gives_says_so():
    with pytest.raises(ConfigError, match="reads unheard"):
        Machine((Declare("float", "y", Name("unheard")),)).step({})


def test_kept_variables_keep_and_others_begin_anew():
    program = (
        Declare("int", "count", Number(0), keeps=True),
        Declare("int", "fresh", Number(0)),
        Assign("count", Name("count") + 1),
        Assign("fresh", Name("fresh") + 1),
        Declare("float", "before", Past("close", 1)),
    )
    machine = Machine(program)
    seen = [machine.step({"close": float(k)}) for k in range(3)]
    assert [s["count"] for s in seen] == [1, 2, 3]
    assert [s["fresh"] for s in seen] == [1, 1, 1]
    assert math.isnan(seen[0]["before"])
    assert [s["before"] for s in seen[1:]] == [0.0, 1.0]


def test_comparisons_forgive_as_pine_does_and_exact_ones_do_not():
    near = Number(1.0) + 5e-11
    program = (
        Declare("bool", "plain", compare(near, ">", 1.0)),
        Declare("bool", "sharp", exact(near, ">", 1.0)),
        Declare("bool", "unknown", exact(Na(), ">", 0.0)),
        Declare("float", "picked", choose(Truth(False), get("none", 0), 2.0)),
    )
    seen = Machine(program).step({})
    assert (seen["plain"], seen["sharp"], seen["unknown"], seen["picked"]) == (False, True, False, 2.0)


def test_what_a_block_declares_is_not_known_after_it():
    block = When(Truth(True), (Declare("float", "inner", Number(1.0)), Assign("outer", Name("inner"))))
    program = (Declare("float", "outer", Number(0.0)), block)
    assert Machine(program).step({})["outer"] == 1.0
    with pytest.raises(ConfigError, match="reads inner, which is neither declared nor given"):
        Machine((*program, Declare("float", "after", Name("inner")))).step({})
    with pytest.raises(ConfigError, match="assigns inner, which is not declared there"):
        Machine((*program, Assign("inner", Number(2.0)))).step({})


def test_a_function_changes_no_global():
    bad = Define("f", (), (Assign("scale", Number(9.0)),), Name("scale"))
    program = (Declare("float", "scale", Number(2.0)), bad, Declare("float", "told", Call("f", ())))
    with pytest.raises(ConfigError, match="assigns scale, which is not declared there"):
        Machine(program).step({})


def test_a_function_sees_globals_and_has_names_of_its_own():
    inner = (Declare("float", "scale", Number(9.0)), Declare("float", "y", Name("z") * Name("scale")))
    program = (
        Declare("float", "scale", Number(2.0)),
        Define("f", (("float", "z"),), inner, Name("y")),
        Declare("float", "told", Call("f", (Number(3.0),))),
        Declare("float", "chosen", Choice(Truth(True), Name("scale"), Number(0.0))),
    )
    seen = Machine(program).step({})
    assert (seen["told"], seen["chosen"]) == (27.0, 2.0)
