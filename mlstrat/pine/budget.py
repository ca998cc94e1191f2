"""What a script weighs beside TradingView's limits, and what to do where it is too much."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from mlstrat.errors import ConfigError
from mlstrat.pine.loops import LOOP_SECONDS, MOST_ELEMENTS, Load
from mlstrat.pine.text import (
    TOKEN_BUDGET,
    estimated_tokens,
    source_tokens,
    string_characters,
    string_constants,
    without_strings,
)

# TradingView allows 1,000,000 compiled tokens for all libraries together; 50,000 of them are the margin.
LIBRARIES_BUDGET = 950_000
LONGEST_STRING = 40_960
MOST_PLOTS = 64
MOST_VARIABLES = 1_000

# Place of the colour among the arguments of what counts as a plot, where it is not named.
_COLOUR_AT = {"plot": 2, "plotshape": 4, "plotchar": 5, "fill": 2, "bgcolor": 0, "barcolor": 0}
_PLOT = re.compile(rf"\b({'|'.join(_COLOUR_AT)})\(")
_NAMED = re.compile(r"\w+=(?!=)")
_CONSTANT = re.compile(r"color\.\w+|#[0-9a-fA-F]{6,8}")
_DECLARED = re.compile(r"\s*(?:var |varip )?[\w<>]+ \w+ = ")
# What a run does to fit; each of these makes a script smaller.
_SMALLER = (
    'fewer windows (splits.retrain, splits.max_windows), models.profile = "pine", models.characters = 2 '
    "or fewer features"
)


@dataclass(frozen=True)
class Weight:
    """Sizes of one text.

    Parameters
    ----------
    tokens : int
        Estimate of its compiled tokens.
    source_tokens : int
        Tokens of its source outside strings.
    string_characters, longest_string : int
        Characters of all its string constants, and of the longest one.
    plots : int
        What counts as a plot; one whose colour changes counts twice.
    variables : int
        Variables of its largest scope, where a function is one scope with all its blocks.
    """

    tokens: int
    source_tokens: int
    string_characters: int
    longest_string: int
    plots: int
    variables: int


@dataclass(frozen=True)
class Budget:
    """Sizes of a script, of its libraries, and of its loops."""

    strategy: Weight
    libraries: Mapping[str, Weight]
    load: Load

    @property
    def tokens(self) -> int:
        """Estimate of the strategy's compiled tokens."""
        return self.strategy.tokens

    @property
    def string_characters(self) -> int:
        """Characters of all string constants."""
        return sum(part.string_characters for part in (self.strategy, *self.libraries.values()))

    @property
    def library_tokens(self) -> tuple[int, ...]:
        """Estimates of the libraries' compiled tokens."""
        return tuple(part.tokens for part in self.libraries.values())

    def check(self, windows: int, other: Callable[[], Budget] | None = None) -> None:
        """Refuse what is more than TradingView takes.

        Parameters
        ----------
        windows : int
            Models in the script.
        other : callable, optional
            Weighs the other form of the script, with libraries or without. It is asked only where this one is
            over, and is advised only where it fits.

        Raises
        ------
        ConfigError
            Something is over its limit; the message has the numbers and what to do.
        """
        found = list(self._over())
        if not found:
            return
        fits = other is not None and not any(other()._over())
        form = "without --libraries" if self.libraries else "with --libraries, a library for each window"
        how = f"export {form}, or run" if fits else "run"
        models = "1 window" if windows == 1 else f"{windows:,} windows"
        raise ConfigError(
            f"TradingView would refuse this script of {models}: {'; '.join(found)}: {how} with {_SMALLER}."
        )

    def _over(self) -> Iterator[str]:
        if self.tokens > TOKEN_BUDGET:
            yield f"the strategy takes about {self.tokens:,} compiled tokens of {TOKEN_BUDGET:,}"
        most = library_budget(len(self.libraries))
        heaviest = max(self.library_tokens, default=0)
        if heaviest > most:
            yield f"a library takes about {heaviest:,} compiled tokens of {most:,}"
        limits = (
            ("the longest string has {:,} characters of {:,}", "longest_string", LONGEST_STRING),
            ("{:,} plots of {:,}", "plots", MOST_PLOTS),
            ("a scope has {:,} variables of {:,}", "variables", MOST_VARIABLES),
        )
        for told, name, limit in limits:
            value = max(getattr(part, name) for part in (self.strategy, *self.libraries.values()))
            if value > limit:
                yield told.format(value, limit)
        if self.load.elements > MOST_ELEMENTS:
            yield f"an array may have {self.load.elements:,} elements of {MOST_ELEMENTS:,}"
        if self.load.loop_seconds > LOOP_SECONDS:
            yield f"the loops of a bar may take {self.load.loop_seconds:.1f} s of {LOOP_SECONDS:g}"


def library_budget(libraries: int) -> int:
    """Return how many compiled tokens each of so many libraries may have."""
    return min(TOKEN_BUDGET, LIBRARIES_BUDGET // max(libraries, 1))


def budget_of(text: str, libraries: Mapping[str, str], load: Load) -> Budget:
    """Measure a script and its libraries; their loops were counted where they are made."""
    return Budget(weight_of(text), {name: weight_of(part) for name, part in libraries.items()}, load)


def weight_of(text: str) -> Weight:
    """Measure one text."""
    source = without_strings(text)
    return Weight(
        tokens=estimated_tokens(text),
        source_tokens=source_tokens(text),
        string_characters=string_characters(text),
        longest_string=max(map(len, string_constants(text)), default=0),
        plots=sum(map(_plots, _PLOT.finditer(source))),
        variables=max(_variables(source), default=0),
    )


def _plots(found: re.Match[str]) -> int:
    """Return how many plots a call is: 2 where its colour is no constant."""
    arguments = list(_arguments(found.string, found.end()))
    named = {part.partition("=")[0]: part.partition("=")[2] for part in arguments if _NAMED.match(part)}
    plain = [part for part in arguments if not _NAMED.match(part)]
    at = _COLOUR_AT[found[1]]
    colour = named.get("color", plain[at] if at < len(plain) else "")
    return 1 + (bool(colour) and not _CONSTANT.fullmatch(colour))


def _arguments(text: str, start: int) -> Iterator[str]:
    """Yield the arguments of a call whose bracket opens before `start`."""
    depth, begin = 0, start
    for at in range(start, len(text)):
        if text[at] in ",)" and depth == 0:
            yield text[begin:at].strip()
            begin = at + 1
        depth += (text[at] in "([") - (text[at] in ")]")
        if depth < 0:
            return


def _variables(source: str) -> Iterator[int]:
    """Yield the variables that are declared at global scope, and in each function."""
    outside, inside, in_function = 0, 0, False
    for line in source.split("\n"):
        if line and not line.startswith(" "):
            yield inside
            inside, in_function = 0, line.endswith("=>")
        if _DECLARED.match(line):
            outside, inside = (outside, inside + 1) if in_function else (outside + 1, inside)
    yield inside
    yield outside
