"""Facts of an instrument: tick, quantity step, minimum notional, fee, currency. They are data, not code."""

import math
from dataclasses import dataclass, fields, replace
from typing import Any

from mlstrat.errors import DataError


@dataclass(frozen=True)
class Instrument:
    """What an exchange says about a symbol.

    Parameters
    ----------
    symbol : str
        Name of the instrument, such as BTCUSDT.
    tick : float
        Smallest price difference, in quote currency.
    step : float
        Smallest quantity difference, in units. Its inverse must be a whole number.
    min_notional : float
        Smallest order value, in quote currency.
    fee_share : float
        Commission of one fill as a share of its value (0.0004 = 4 basis points).
    currency : str
        Quote currency.
    sessions_per_year : float
        Trading days in a year; 0 = the market never closes.
    session_hours : float
        Length of a trading day in hours.
    calendar : str
        Calendar of its exchange in exchange_calendars, such as XNYS; empty = none. Closes, half days and
        sessions a year then come from there.
    """

    symbol: str
    tick: float = 0.01
    step: float = 0.001
    min_notional: float = 0.0
    fee_share: float = 0.0005
    currency: str = "USD"
    sessions_per_year: float = 0.0
    session_hours: float = 24.0
    calendar: str = ""

    def __post_init__(self) -> None:
        for name in ("tick", "step"):
            value = getattr(self, name)
            if not _has_whole_inverse(value):
                raise DataError(
                    f"instrument.{name} of {self.symbol} is {value}; "
                    "give a positive, finite number whose inverse is whole, such as 0.01."
                )
        if not 0 <= self.fee_share < 0.1:
            raise DataError(
                f"instrument.fee_share of {self.symbol} is {self.fee_share}; "
                "give a share of traded value in [0, 0.1), such as 0.0004 for 4 basis points."
            )
        if not 0 <= self.min_notional < math.inf:
            raise DataError(
                f"instrument.min_notional of {self.symbol} is {self.min_notional}; give a finite 0 or more."
            )

    def with_facts(self, **facts: Any) -> "Instrument":
        """Return a copy with these facts replaced, ignoring those that are None."""
        return replace(self, **{name: value for name, value in facts.items() if value is not None})


def _has_whole_inverse(size: float) -> bool:
    """Whether a grid below 1 has a whole inverse; from 1 on any finite one has its multiples."""
    if not 0 < size < math.inf:
        return False
    inverse = 1.0 / size
    if size >= 1:
        return True
    return math.isfinite(inverse) and abs(inverse - round(inverse)) <= 1e-6 * inverse


# Price and quantity grids of Binance spot, with the taker fee of its USDT-margined futures (4 basis points;
# spot takers pay up to 10), and of NYSE Arca. A run's TOML overrides them: [instrument].
KNOWN = {
    known.symbol: known
    for known in (
        Instrument("BTCUSDT", 0.01, 0.00001, 5.0, 0.0004, "USDT"),
        Instrument("ETHUSDT", 0.01, 0.0001, 5.0, 0.0004, "USDT"),
        Instrument("SOLUSDT", 0.01, 0.001, 5.0, 0.0004, "USDT"),
        Instrument("SPY", 0.01, 1.0, 0.0, 0.0001, "USD", 252.0, 6.5, "XNYS"),
    )
}


def facts_of(symbol: str, **overrides: Any) -> Instrument:
    """Return the shipped facts of a symbol, or the defaults, with the given facts replaced."""
    known = KNOWN.get(symbol.upper(), Instrument(symbol))
    allowed = {field.name for field in fields(Instrument)}
    unknown = sorted(set(overrides) - allowed)
    if unknown:
        raise DataError(f"instrument has no fact {unknown[0]!r}: use one of {', '.join(sorted(allowed))}.")
    return known.with_facts(**overrides)
