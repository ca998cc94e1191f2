"""A run's windows, features and rule become one program of nodes, from a bar's prices to its decision."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mlstrat.capsule import Capsule
from mlstrat.config import RunConfig
from mlstrat.data.timeframe import Timeframe
from mlstrat.errors import ConfigError
from mlstrat.features.lookup import find
from mlstrat.features.registry import Feature
from mlstrat.inputs import of_bars
from mlstrat.pine import curves, guards, judge, predict, unpack
from mlstrat.pine.expr import (
    Assign,
    Declare,
    Define,
    Expr,
    Na,
    Name,
    Not,
    Number,
    Op,
    Program,
    Section,
    Statement,
    Text,
    Truth,
    Twin,
    Verbatim,
    When,
    both,
    call,
    choose,
    compare,
    counting,
    either,
    get,
)
from mlstrat.pine.moods import NODES, DailyMood, statements
from mlstrat.pine.packed import Layout, PackedWindow, pack
from mlstrat.pine.timing import Timing, loading, windows_of
from mlstrat.signals.confirm import pine as condition_text
from mlstrat.signals.confirmation import confirmation_of
from mlstrat.walkforward import ATR_FEATURE

HASH_CHARACTERS = 12
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*", re.ASCII)


@dataclass(frozen=True)
class Assembled:
    """The program, its data apart, and the names of the libraries in which they stand, if they do."""

    layout: Layout
    windows: tuple[PackedWindow, ...]
    data: tuple[Program, ...]
    program: Program
    libraries: tuple[str, ...]


def assemble(
    capsules: Sequence[Capsule],
    timing: Timing,
    mood: DailyMood | None,
    *,
    live: bool = False,
    libraries: str = "",
) -> Assembled:
    """Build the program of a run.

    Parameters
    ----------
    capsules : sequence of Capsule
        Its windows, in order.
    timing : Timing
        When they speak.
    mood : DailyMood or None
        The sentiment by day; None where none was known.
    live : bool
        Whether it goes on beyond what was tested: the inputs `modelMaxDays`, and with sentiment `liveScore`,
        `liveConfidence` and `liveSince`, have a say.
    libraries : str
        What the names of the windows' libraries begin with; empty = their data stand in the script.

    Raises
    ------
    ConfigError
        A feature, a condition, a setting or an own model has no Pine form; it is named, with what to do.
    """
    about = capsules[0].about
    config, instrument, timeframe = about.run_config(), about.facts(), Timeframe(about.timeframe)
    if config.signals.conformal:
        raise ConfigError(
            "signals.conformal has no Pine form, because it needs the forecasts of the bars before: set it "
            "to 0 and run again."
        )
    guards.refuse_calendar(config, timeframe, instrument)
    twins = [_twin(find(name)) for name in of_bars(about.features)]
    layout, windows = pack(capsules)
    data = tuple(_data(k, window, bool(libraries)) for k, window in enumerate(windows))
    names = tuple(f"{libraries}_{_digest(part)}" for part in data) if libraries else ()
    hashes = [capsule.window.model_sha256[:HASH_CHARACTERS] for capsule in capsules]
    program = (
        *(
            ()
            if libraries
            else (_title("Fitted models, one window after the other"), *(s for part in data for s in part))
        ),
        _title("Reading a window's strings"),
        *unpack.readers(layout),
        _title("Forecast of a window"),
        *predict.functions(layout),
        *curves.odds_functions(),
        _title("Rules of the decision"),
        *judge.functions(config, instrument.tick),
        *([guards.novelty_of(len(layout.features))] if config.risk.novelty > 0 else ()),
        _title("Sentiment, as it was tested, by day"),
        *statements(mood, live),
        _title("Features, at this close"),
        *twins,
        _twin(find(ATR_FEATURE)),
        Declare("array<float>", predict.X, call("array.from", *map(_input, about.features))),
        Declare("float", "atrPx", call(_name(ATR_FEATURE))),
        *_conditions(config),
        _title("Breakers on data"),
        *guards.bar_guards(config, timeframe, instrument),
        _title("The window that speaks"),
        *windows_of(timing, timeframe, hashes),
        *unpack.declared(layout),
        Declare("array<int>", predict.BINS, call("array.new<int>", len(layout.features), 0), keeps=True),
        *loading(layout, timing, names),
        _title("Forecast and decision"),
        *judge.declared(),
        Declare("float", "probUp", Na()),
        Declare("float", "score", Na()),
        *_forecast(layout, config, timing, live),
    )
    return Assembled(layout, tuple(windows), data, program, names)


def _title(text: str) -> Section:
    return Section(text)


def _name(feature: str) -> str:
    # A suffix that no other function of a script has.
    return f"{feature}_value"


def _digest(data: Program) -> str:
    """Return a name for data that no other data have: a published library never changes."""
    return hashlib.sha256(repr(data).encode()).hexdigest()[:HASH_CHARACTERS]


def _twin(feature: Feature) -> Twin:
    if feature.pine is None or feature.symbol:
        why = feature.no_pine or "bars of another symbol are not at hand in a script"
        raise ConfigError(
            f"feature {feature.name} has no Pine form, because {why}: take it out of features.names and run "
            "again; mlstrat features list --pine shows those that have one."
        )
    if not _IDENTIFIER.fullmatch(feature.name):
        raise ConfigError(
            f"feature {feature.name} has no Pine form, because its name is no Pine name: register it under "
            "one of letters, digits and underscores."
        )
    return Twin(_name(feature.name), feature.pine)


def _input(name: str) -> Expr:
    return NODES[name] if name in NODES else call(_name(name))


def _data(k: int, window: PackedWindow, exported: bool) -> Program:
    """Return the functions that give a window's strings and numbers."""
    suffix = "" if exported else str(k)
    numbers = (Number(float(value)) for value in window.numbers)
    return (
        Define(f"packed{suffix}", (), (), call("array.from", *map(Text, window.strings)), exported),
        Define(f"numbers{suffix}", (), (), call("array.from", *numbers), exported),
    )


def _conditions(config: RunConfig) -> Iterator[Statement]:
    asked = confirmation_of(config.signals)
    for name, condition in (("confirmedLong", asked.long), ("confirmedShort", asked.short)):
        if condition.comparisons:
            yield Verbatim(condition_text(condition, name), (name,))


def _forecast(layout: Layout, config: RunConfig, timing: Timing, live: bool) -> Iterator[Statement]:
    halted: list[Expr] = [Name("dataHalted")]
    if config.risk.novelty > 0:
        halted.append(guards.novel(config.risk.novelty))
    allowed: Expr = both(*(Not(part) for part in halted), *_confirmed(config), *_fresh(live))
    warm: Expr = Name("trusted")
    if timing.settled is not None:
        warm = either(warm, compare(Name("bar_index"), ">=", timing.settled))
    known = both(compare(Name("window"), ">=", 0), Not(Name("unknown")))
    yield Declare("bool", "unknown", Truth(False))
    yield from counting(
        "column",
        len(layout.features),
        When(call("na", get(predict.X, Name("column"))), (Assign("unknown", Truth(True)),)),
    )
    yield from (Declare("float", name, Na()) for name in predict.vote_names(layout).values())
    yield When(known, (*predict.forecast(layout), When(Not(warm), (Assign("probUp", Na()),))))
    yield When(
        Not(call("na", Name("probUp"))),
        (
            *predict.score(layout, config.signals.ml_weight),
            When(Not(call("na", Name("atrPx"))), judge.decide(layout, config, allowed)),
        ),
    )


def _confirmed(config: RunConfig) -> Iterator[Expr]:
    asked = confirmation_of(config.signals)
    long = Name("confirmedLong") if asked.long.comparisons else Truth(True)
    short = Name("confirmedShort") if asked.short.comparisons else Truth(True)
    if asked.asked:
        yield choose(compare(Name("side"), ">", 0), long, short)


def _fresh(live: bool) -> Iterator[Expr]:
    if live:
        age = Op("-", Name("time"), Name("trainedAt"))
        yield compare(age, "<=", Name("modelMaxDays") * 86_400_000)
