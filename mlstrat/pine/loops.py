"""How often the loops of a script are passed through, and what that takes of TradingView's time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mlstrat.pine.expr import Program, Twin
from mlstrat.pine.packed import Layout, PackedWindow

# TradingView tells no time of a pass. PyneCore, which is interpreted Python, takes 2.4 microseconds a pass of
# the demo's script, everything else of a bar included; compiled code is taken to need less than half of that.
SECONDS_A_PASS = 1e-6
# TradingView's limits: of a loop on one bar, and of the script on all bars by plan, basic and others.
LOOP_SECONDS = 0.5
RUN_SECONDS = (20.0, 40.0)
MOST_ELEMENTS = 100_000

# An edge has up to so many decimals, each a pass that makes its scale.
_DECIMALS = 22
_FOR = re.compile(r"for \w+ = ([\d -]+) to ([\d -]+)")


@dataclass(frozen=True)
class Load:
    """Passes through loops, at most, and the longest array.

    Parameters
    ----------
    window : int
        Passes that read a window's strings, on the bar that it begins with.
    bar : int
        Passes of a bar.
    elements : int
        Elements of the longest array.
    """

    window: int
    bar: int
    elements: int

    @property
    def loop_seconds(self) -> float:
        """Time of the bar that reads a window, in seconds."""
        return (self.window + self.bar) * SECONDS_A_PASS

    def seconds(self, bars: int) -> float:
        """Return the time of so many bars, in seconds."""
        return bars * self.bar * SECONDS_A_PASS

    def bars_within(self, seconds: float) -> int:
        """Return how many bars take so many seconds."""
        return int(seconds / (max(self.bar, 1) * SECONDS_A_PASS))


def load_of(layout: Layout, windows: Sequence[PackedWindow], program: Program) -> Load:
    """Count the passes of a program over its heaviest window.

    A digit is a pass, and so is what it is a part of; no array holds more elements than its strings digits.
    """
    characters = max(window.characters for window in windows)
    features = len(layout.features)
    forecast = max(window.passes for window in windows)
    # Every feature is looked at once for na, and once for whether it is novel.
    bar = sum(map(_feature_passes, _twins(program))) + 2 * features + forecast
    elements = max(characters, *(len(window.numbers) for window in windows))
    return Load(2 * characters + _DECIMALS * features, bar, elements)


def _twins(program: Program) -> Iterator[str]:
    return (statement.body for statement in program if isinstance(statement, Twin))


def _feature_passes(body: str) -> int:
    return sum(abs(_whole(last) - _whole(first)) + 1 for first, last in _FOR.findall(body))


def _whole(text: str) -> int:
    """Return a number that is written as one or as a difference, such as `20 - 1`."""
    first, *others = text.split(" - ")
    return int(first) - sum(map(int, others))
