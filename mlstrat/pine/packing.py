"""Numbers as base-88 digits, and strings of them that Pine takes."""

import math
from collections.abc import Iterator

# Printable ASCII without space, quotes, backslash, braces and tilde.
ALPHABET = "".join(chr(code) for code in range(33, 126) if chr(code) not in "\"'\\{}")
BASE = len(ALPHABET)
# TradingView takes strings of 40,960 characters; shorter ones were tried on all runtimes.
CHUNK_CHARACTERS = 3_900

EXPONENT_BIAS = 1_100
EXPONENT_DIGITS, MANTISSA_DIGITS = 2, 9


def digits(number: int, width: int) -> str:
    """Return a whole number, not negative, as so many base-88 digits."""
    out = []
    for _ in range(width):
        number, digit = divmod(number, BASE)
        out.append(ALPHABET[digit])
    return "".join(reversed(out))


def amount(number: float) -> str:
    """Return a float64, not negative, as 11 digits that hold every bit of it."""
    mantissa, exponent = math.frexp(number)
    return digits(exponent + EXPONENT_BIAS, EXPONENT_DIGITS) + digits(
        int(mantissa * 2.0**53), MANTISSA_DIGITS
    )


def width_of(largest: int) -> int:
    """Return how many digits the largest number of a column takes."""
    width = 1
    while BASE**width <= largest:
        width += 1
    return width


def chunks(records: list[str]) -> Iterator[str]:
    """Join the records to strings below the limit, none of them cut."""
    held: list[str] = []
    size = 0
    for record in records:
        if size + len(record) > CHUNK_CHARACTERS:
            yield "".join(held)
            held, size = [], 0
        held.append(record)
        size += len(record)
    yield "".join(held)
