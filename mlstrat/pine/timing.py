"""Which window speaks at a bar, as nodes, and when it is loaded and may be trusted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from mlstrat.data.timeframe import Timeframe
from mlstrat.pine import unpack
from mlstrat.pine.expr import (
    Assign,
    Declare,
    Expr,
    Na,
    Name,
    Number,
    Remark,
    Statement,
    Text,
    Truth,
    When,
    While,
    both,
    call,
    choose,
    compare,
    either,
    get,
)
from mlstrat.pine.packed import Layout


@dataclass(frozen=True)
class Timing:
    """Which bars the windows speak for. A bar's slot is its open time in bar lengths since 1970.

    Parameters
    ----------
    first_slots : tuple of int
        First bar of each window.
    end_slot : int or None
        The bar after the last one that was tested; None = the last window goes on.
    data_slot : int
        The run's own first bar; -1 = not known.
    warmup : int
        Bars that the features need after the chart's first bar.
    settled : int or None
        Bars after which the LSTM's state is right too, where the chart begins within a window; None = not
        known: such a window then stays silent.
    trained_at : tuple of int
        When each window was cut, in milliseconds since 1970.
    """

    first_slots: tuple[int, ...]
    end_slot: int | None
    data_slot: int
    warmup: int
    settled: int | None
    trained_at: tuple[int, ...]


def windows_of(timing: Timing, timeframe: Timeframe, hashes: Sequence[str]) -> Iterator[Statement]:
    """Return what assigns `window`, when it was trained, and its model's hash."""
    slot, reached = Name("slot"), Name("reached")
    length = float(timeframe.seconds * 1000)
    following = both(
        compare(reached + 1, "<", len(timing.first_slots)),
        compare(slot, ">=", get("firstSlots", reached + 1)),
    )
    window: Expr = reached
    if timing.end_slot is not None:
        window = choose(compare(slot, "<", timing.end_slot), reached, -1)
    spoken = compare(Name("window"), ">=", 0)
    yield Declare("array<int>", "firstSlots", call("array.from", *timing.first_slots), keeps=True)
    yield Declare("array<int>", "cuts", call("array.from", *timing.trained_at), keeps=True)
    yield Declare("array<string>", "hashes", call("array.from", *hashes), keeps=True)
    yield Declare("int", "slot", call("int", call("math.floor", Name("time") / length)))
    yield Declare("int", "chartSlot", slot, keeps=True)
    yield Declare("int", "reached", Number(-1), keeps=True)
    yield While(following, (Assign("reached", reached + 1),))
    yield Declare("int", "window", window)
    yield Declare("int", "trainedAt", Na())
    yield Declare("string", "modelHash", Text(""))
    yield When(
        spoken,
        (
            Assign("trainedAt", get("cuts", Name("window"))),
            Assign("modelHash", get("hashes", Name("window"))),
        ),
    )


def loading(layout: Layout, timing: Timing, libraries: Sequence[str]) -> Iterator[Statement]:
    """Return what loads a window at its first bar, and `trusted`: whether its state is right from there."""
    window, loaded = Name("window"), Name("loaded")
    from_start = compare(Name("chartSlot"), "==", timing.data_slot)
    chosen = []
    for k, (name, _) in enumerate(zip_longest(libraries, timing.first_slots)):
        prefix, suffix = (f"{name}.", "") if name else ("", str(k))
        chosen.append(
            When(
                compare(window, "==", k),
                (
                    Assign(unpack.PACKED, call(f"{prefix}packed{suffix}")),
                    Assign(unpack.NUMBERS, call(f"{prefix}numbers{suffix}")),
                ),
            )
        )
    yield Declare("int", "loaded", Number(-1), keeps=True)
    yield Declare("bool", "trusted", Truth(False), keeps=True)
    yield When(
        both(compare(window, ">=", 0), compare(window, "!=", loaded)),
        (
            *chosen,
            *unpack.load(layout),
            Remark("The LSTM's state is that of the first bar of the window; features must be warm by then"),
            Assign("trusted", either(from_start, compare(Name("bar_index"), ">=", timing.warmup))),
            Assign("loaded", window),
        ),
    )
