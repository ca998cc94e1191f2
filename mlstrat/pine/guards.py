"""Nodes of the breakers on data: shock, stale bars and novel features, the twins of `flag_step`."""

from __future__ import annotations

from mlstrat.config import RunConfig
from mlstrat.data.instrument import Instrument
from mlstrat.data.timeframe import Timeframe
from mlstrat.errors import ConfigError
from mlstrat.pine.expr import (
    Assign,
    Declare,
    Define,
    Expr,
    Na,
    Name,
    Not,
    Number,
    Past,
    Program,
    Statement,
    Truth,
    When,
    both,
    call,
    choose,
    compare,
    counting,
    either,
    exact,
    get,
)
from mlstrat.pine.predict import X
from mlstrat.pine.unpack import EDGE_AT, EDGES
from mlstrat.signals.flags import USUAL_CLOSURE
from mlstrat.signals.novelty import MARGIN

_DAY_MS = 86_400_000


def refuse_calendar(config: RunConfig, timeframe: Timeframe, instrument: Instrument) -> None:
    """Raise ConfigError where the run's breaker on stale data asks an exchange's calendar."""
    asked = config.risk.stale_bars > 0 and timeframe.seconds * 1000 <= _DAY_MS
    if asked and instrument.calendar:
        raise ConfigError(
            f"the breaker on stale data asks the calendar {instrument.calendar} of {instrument.symbol}, "
            'which has no Pine form: run with risk.stale_bars = 0, or with instrument.calendar = "".'
        )


def bar_guards(config: RunConfig, timeframe: Timeframe, instrument: Instrument) -> Program:
    """Return the statements of every bar: `dataHalted` where a shock or a gap keeps entries off."""
    risk = config.risk
    parts: list[Statement] = [Declare("bool", "dataHalted", Truth(False))]
    if risk.shock_atr > 0:
        parts += _shock(risk.shock_atr, risk.shock_bars)
    if risk.stale_bars > 0:
        parts += _stale(risk.stale_bars, timeframe, instrument)
    return tuple(parts)


def _shock(limit: float, bars: int) -> list[Statement]:
    before = Past("close", 1)
    reach = call("math.max", Name("high"), before) - call("math.min", Name("low"), before)
    return [
        Declare("int", "shockLeft", Number(0), keeps=True),
        Declare("float", "atrBefore", Na(), keeps=True),
        When(exact(reach, ">", limit * Name("atrBefore")), (Assign("shockLeft", Number(bars)),)),
        *_counted_down("shockLeft"),
        Assign("atrBefore", Name("atrPx")),
    ]


def _stale(limit: int, timeframe: Timeframe, instrument: Instrument) -> list[Statement]:
    length = timeframe.seconds * 1000
    gap = call("math.round", (Name("time") - Past("time", 1)) / float(length)) - 1
    missing = choose(compare(Name("bar_index"), "==", 0), 0, gap)
    closes = instrument.sessions_per_year > 0
    counted: list[Statement] = [
        Declare("int", "staleLeft", Number(0), keeps=True),
        Declare("int", "missing", missing),
    ]
    # A closure of up to five days lacks nothing, until a bar on a Saturday or Sunday shows an open market.
    usual = compare((Name("missing") + 1) * timeframe.seconds, "<=", int(USUAL_CLOSURE))
    closure: Expr = usual
    if not closes:
        weekday = call("math.floor", Name("time") / float(_DAY_MS)) % 7
        counted += [
            Declare("bool", "weekends", Truth(False), keeps=True),
            Declare("int", "weekday", call("int", weekday)),
            When(
                either(compare(Name("weekday"), "==", 2), compare(Name("weekday"), "==", 3)),
                (Assign("weekends", Truth(True)),),
            ),
        ]
        closure = both(Not(Name("weekends")), usual)
    stale = both(Not(closure), compare(Name("missing"), ">", limit))
    return [*counted, When(stale, (Assign("staleLeft", Number(limit)),)), *_counted_down("staleLeft")]


def _counted_down(left: str) -> list[Statement]:
    return [
        When(
            compare(Name(left), ">", 0),
            (Assign("dataHalted", Truth(True)), Assign(left, Name(left) - 1)),
        )
    ]


def novelty_of(n_features: int) -> Define:
    """Return the share of features beyond what the window was trained on; the twin of `novelty_row`."""
    first, last = get(EDGES, Name("first")), get(EDGES, Name("end") - 1)
    value, reach = get(X, Name("f")), Name("reach")
    beyond = either(exact(value, "<", Name("lowest") - reach), exact(value, ">", Name("highest") + reach))
    return Define(
        "noveltyOf",
        (("array<float>", X), ("array<float>", EDGES), ("array<int>", EDGE_AT)),
        (
            Declare("float", "asked", Number(0.0)),
            Declare("float", "novel", Number(0.0)),
            *counting(
                "f",
                n_features,
                Declare("int", "first", get(EDGE_AT, Name("f"))),
                Declare("int", "end", get(EDGE_AT, Name("f") + 1)),
                When(
                    compare(Name("end") - Name("first"), ">", 1),
                    (
                        Declare("float", "lowest", first),
                        Declare("float", "highest", last),
                        Declare("float", "reach", _reach()),
                        Assign("asked", Name("asked") + 1.0),
                        When(beyond, (Assign("novel", Name("novel") + 1.0),)),
                    ),
                ),
            ),
        ),
        Name("novel") / call("math.max", Name("asked"), 1.0),
    )


def _reach() -> Expr:
    span = Name("highest") - Name("lowest")
    return span if MARGIN == 1.0 else MARGIN * span


def novel(limit: float) -> Expr:
    """Return whether too many features of the bar are novel."""
    return exact(call("noveltyOf", Name(X), Name(EDGES), Name(EDGE_AT)), ">", limit)
