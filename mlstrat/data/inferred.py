"""Facts of an instrument that nobody gave: tick and step, from the decimals of the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.data.bars import PRICES
from mlstrat.data.instrument import KNOWN, Instrument, facts_of
from mlstrat.data.tables import Table
from mlstrat.errors import DataError

_MOST_DECIMALS = 8
_DEFAULTS = Instrument("")


def instrument_of(symbol: str, table: Table, facts: Mapping[str, Any] | None) -> tuple[Instrument, list[str]]:
    """Return the facts of a symbol and notes on those that had to be inferred.

    Parameters
    ----------
    symbol : str
        Name of the instrument; tick and step of one that is not shipped come from the decimals.
    table : Table
        Prices and volume.
    facts : mapping, optional
        Facts that come first; None values are ignored.

    Raises
    ------
    DataError
        A fact cannot be used.
    """
    given = {name: value for name, value in (facts or {}).items() if value is not None}
    notes = [] if table.has_volume else [f"{symbol} has no volume: volume is 0 in every bar."]
    inferred: dict[str, Any] = {}
    if symbol.upper() not in KNOWN:
        prices = np.concatenate([table.columns[name] for name in PRICES])
        for fact, values in (("tick", prices), ("step", table.columns["volume"])):
            if fact not in given:
                inferred[fact], note = _grid(fact, values)
                notes.append(f"{fact} of {symbol} is not known: {note}; override it in the instrument facts.")
    try:
        return facts_of(symbol, **{**inferred, **given}), notes
    except TypeError as error:
        raise DataError(
            f"the facts of {symbol} are {dict(given)}: give numbers, such as tick=0.01."
        ) from error


def _grid(fact: str, values: FloatArray) -> tuple[float, str]:
    """Return the power of ten of which all values are whole multiples, and how it was found."""
    finite = values[np.isfinite(values) & (np.abs(values) < 1e15)]
    usual = float(getattr(_DEFAULTS, fact))
    if not finite.any():
        return usual, f"{usual:g} is assumed"
    for decimals in range(_MOST_DECIMALS + 1):
        if np.array_equal(np.round(finite, decimals), finite):
            return float(
                f"1e-{decimals}"
            ), f"{float(f'1e-{decimals}'):g} was inferred from the data's decimals"
    fine = float(f"1e-{_MOST_DECIMALS}")
    size = usual if finite[finite > 0].min(initial=np.inf) >= 1 else fine
    return size, f"the data has no fixed number of decimals, {size:g} is assumed"
