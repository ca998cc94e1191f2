"""Nodes of the forecast: features to bins, bins to votes, votes to a probability and a score.

Each function is the twin of a compiled one, in the same order of operations: `bin_row`, `predict_trees`,
`lstm_step`, `stack_row` and `blend`.
"""

from __future__ import annotations

from collections.abc import Iterator

from mlstrat.pine import curves
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
    When,
    While,
    call,
    choose,
    compare,
    counting,
    exact,
    get,
    put,
    whole,
)
from mlstrat.pine.packed import Group, Layout
from mlstrat.pine.unpack import EDGE_AT, EDGES, NUMBERS, STATE, arrays_of, number, weights_of

X, BINS = "x", "bins"


def functions(layout: Layout) -> Program:
    """Return the functions that the forecast calls."""
    parts: list[Statement] = [_bin_of(), _sigmoid()]
    if layout.groups:
        parts.append(_trees_of())
    if layout.units:
        parts += [_tanh(), _lstm_of(layout)]
    return (*parts, *curves.functions(layout.maps))


def forecast(layout: Layout) -> Program:
    """Return the statements of a bar whose features `x` are known: `probUp`."""
    votes = [*_tree_votes(layout), *_lstm_vote(layout)]
    names = vote_names(layout)
    moved: Expr = Number(0)
    for vote in range(layout.votes):
        if vote in names:
            slope, centre, spread = (
                number(layout, f"{part}_{vote}") for part in ("slope", "centre", "spread")
            )
            moved = moved + slope * ((Name(names[vote]) - centre) / spread)
    curve = call("curveOf", Name(NUMBERS), whole(number(layout, "curve_at")), moved)
    return (
        *counting(
            "f",
            len(layout.features),
            put(
                BINS,
                Name("f"),
                call(
                    "binOf",
                    Name(EDGES),
                    get(EDGE_AT, Name("f")),
                    get(EDGE_AT, Name("f") + 1),
                    get(X, Name("f")),
                ),
            ),
        ),
        *(Assign(name, vote) for _, name, vote in votes),
        Assign("probUp", call("sigmoid", number(layout, "offset") + curve)),
    )


def vote_names(layout: Layout) -> dict[int, str]:
    """Return the variables that hold the votes by their place; a model that is silent has none."""
    return {vote: name for vote, name, _ in (*_tree_votes(layout), *_lstm_vote(layout))}


def _tree_votes(layout: Layout) -> Iterator[tuple[int, str, Expr]]:
    for group in layout.groups:
        base, scale = (number(layout, f"{group.name}_{part}") for part in ("base", "scale"))
        vote: Expr = base + scale * _sum_of(group)
        yield group.vote, f"{group.name}Vote", call("sigmoid", vote) if group.logistic else vote


def _sum_of(group: Group) -> Call:
    return call("treesOf", Name(BINS), *map(Name, arrays_of(group).values()))


def _lstm_vote(layout: Layout) -> Iterator[tuple[int, str, Expr]]:
    if layout.units:
        arrays = [weights_of(name) for name in ("w_x", "w_h", "bias", "out")]
        stepped = call("lstmOf", Name(BINS), Name(EDGE_AT), Name("lstmInput"), *map(Name, (*arrays, STATE)))
        yield 2, "lstmVote", stepped * number(layout, "unit")


def score(layout: Layout, ml_weight: float) -> Program:
    """Return the statements that blend the probability with the mood: `score`, and the confidence `heard`."""
    w = Name("moodWeight")
    mood = w * (Name("moodScore") + 1.0) / 2.0
    use = choose(Name("useSentiment"), Name("sentimentWeight"), 0.0)
    return (
        Declare("float", "heard", number(layout, "sentiment") * Name("moodConfidence")),
        Declare("float", "moodWeight", use * Name("heard")),
        Assign("score", (ml_weight * Name("probUp") + mood) / (ml_weight + w)),
    )


def _sigmoid() -> Define:
    return Define("sigmoid", (("float", "z"),), (), 1.0 / (1.0 + call("math.exp", -Name("z"))))


def _tanh() -> Define:
    return Define("tanh", (("float", "z"),), (), 2.0 / (1.0 + call("math.exp", -2.0 * Name("z"))) - 1.0)


def _bin_of() -> Define:
    lower, upper, middle = Name("lower"), Name("upper"), Name("middle")
    below = exact(get(EDGES, middle), "<", Name("value"))
    return Define(
        "binOf",
        (("array<float>", EDGES), ("int", "first"), ("int", "end"), ("float", "value")),
        (
            Declare("int", "lower", Name("first")),
            Declare("int", "upper", Name("end")),
            While(
                compare(lower, "<", upper),
                (
                    Declare("int", "middle", whole((lower + upper) / 2.0)),
                    When(below, (Assign("lower", middle + 1),), (Assign("upper", middle),)),
                ),
            ),
        ),
        lower - Name("first"),
    )


def _trees_of() -> Define:
    at, tested = Name("at"), get("feature", Name("at"))
    goes_left = compare(get(BINS, Name("tested")), "<=", get("cut", at))
    return Define(
        "treesOf",
        (
            ("array<int>", BINS),
            ("array<int>", "feature"),
            ("array<int>", "cut"),
            ("array<int>", "right"),
            ("array<float>", "value"),
            ("array<int>", "root"),
        ),
        (
            Declare("float", "total", Number(0.0)),
            Declare("int", "trees", call("array.size", Name("root"))),
            *counting(
                "tree",
                Name("trees"),
                Declare("int", "at", get("root", Name("tree"))),
                Declare("int", "tested", tested),
                While(
                    compare(Name("tested"), ">=", 0),
                    (
                        Assign("at", choose(goes_left, at + 1, get("right", at))),
                        Assign("tested", tested),
                    ),
                ),
                Assign("total", Name("total") + get("value", at)),
            ),
        ),
        Name("total"),
    )


def _lstm_of(layout: Layout) -> Define:
    """Return the step of the LSTM: gates in the order input, forget, cell, output."""
    units, width = layout.units, 4 * layout.units
    i, j, k, gate = Name("i"), Name("j"), Name("k"), Name("gates")

    def add(weights: str, row: Expr, value: Expr) -> tuple[Statement, ...]:
        term = get(gate, k) + get(weights, row * width + k) * value
        return counting("k", width, put("gates", k, term))

    column = Name("column")
    count = get(EDGE_AT, column + 1) - get(EDGE_AT, column)
    cell = Name("cell")
    sigmoid_at = {part: call("sigmoid", get(gate, Number(part * units) + j)) for part in (0, 1, 3)}
    drive = call("tanh", get(gate, Number(2 * units) + j))
    return Define(
        "lstmOf",
        (
            ("array<int>", BINS),
            ("array<int>", EDGE_AT),
            ("array<int>", "inputs"),
            *(("array<float>", name) for name in ("weightX", "weightH", "bias", "weightOut", "state")),
        ),
        (
            Declare("array<float>", "gates", call("array.copy", Name("bias"))),
            *counting(
                "i",
                call("array.size", Name("inputs")),
                Declare("int", "column", get("inputs", i)),
                Declare("float", "scaled", get(BINS, column) / (count / 2.0) - 1.0),
                *add("weightX", i, Name("scaled")),
            ),
            *counting(
                "unit",
                units,
                Declare("float", "hidden", get("state", Name("unit"))),
                *add("weightH", Name("unit"), Name("hidden")),
            ),
            Declare("float", "output", get("weightOut", units)),
            *counting(
                "j",
                units,
                Declare(
                    "float", "cell", sigmoid_at[1] * get("state", Number(units) + j) + sigmoid_at[0] * drive
                ),
                Declare("float", "shown", sigmoid_at[3] * call("tanh", cell)),
                put("state", j, Name("shown")),
                put("state", Number(units) + j, cell),
                Assign("output", Name("output") + get("weightOut", j) * Name("shown")),
            ),
        ),
        Name("output"),
    )
