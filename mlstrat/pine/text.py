"""How numbers and words are written in Pine, and what a script weighs."""

import re
from decimal import Decimal

from mlstrat.errors import ConfigError

# TradingView allows 100,256 compiled tokens a script. A character of a string constant costs about 2, a token
# of the source about 3; the rest is a margin, since nothing offline counts compiled tokens.
TOKEN_BUDGET = 95_000

_STRINGS_AND_COMMENTS = re.compile(r'"((?:[^"\\\n]|\\.)*)"|//[^\n]*')
# A number, a name, an operator or a sign; a name behind a dot counts by itself.
_TOKENS = re.compile(r"\d+(?:\.\d+)?|\w+|:=|=>|[<>=!+\-*/%]=|[^\w\s]")


def decimal(number: float) -> str:
    """Return the shortest decimal that reads back as this number, without an exponent.

    Raises
    ------
    ConfigError
        The number is not finite: Pine has no literal for it.
    """
    exact = Decimal(repr(float(number)))
    if not exact.is_finite():
        raise ConfigError(f"{number} cannot be written in Pine: give a finite number.")
    text = format(exact, "f")
    return text if "." in text else f"{text}.0"


def quoted(text: str) -> str:
    """Return the text as a Pine string constant.

    Raises
    ------
    ConfigError
        It holds a line break or another control character.
    """
    if not text.isprintable():
        raise ConfigError(f"{text!r} cannot be written in Pine: give text without control characters.")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def string_constants(script: str) -> list[str]:
    """Return what the string constants of a script hold; a comment counts as an empty one."""
    return _STRINGS_AND_COMMENTS.findall(script)


def string_characters(script: str) -> int:
    """Return how many characters the string constants of a script hold."""
    return sum(map(len, string_constants(script)))


def without_strings(script: str) -> str:
    """Return a script without its comments, with one letter for each string constant."""
    return _STRINGS_AND_COMMENTS.sub(lambda found: "" if found[1] is None else "s", script)


def source_tokens(script: str) -> int:
    """Return the tokens of a script's source; a string constant is one."""
    return len(_TOKENS.findall(without_strings(script)))


def estimated_tokens(script: str) -> int:
    """Return about how many compiled tokens TradingView counts: 2 a string character, 3 a source token."""
    return 2 * string_characters(script) + 3 * source_tokens(script)
