"""What a source of bars gives: pages of rows, and what it says about the symbol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.data.bars import COLUMNS
from mlstrat.data.remote.patience import Hiccup
from mlstrat.data.timeframe import Timeframe

WIDTH = 1 + len(COLUMNS)


@dataclass(frozen=True)
class Listing:
    """What a source says about a symbol.

    Parameters
    ----------
    name : str
        The source's own name of the symbol, such as BTC/USDT.
    symbol : str
        The name that bars carry, such as BTCUSDT.
    facts : mapping
        Facts of `Instrument` that the source tells, checked one by one.
    notes : tuple of str
        Sentences about facts that had to be left out.
    """

    name: str
    symbol: str
    facts: Mapping[str, float | str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Page:
    """One answer.

    Parameters
    ----------
    rows : (n, 6) float64
        Open time in epoch milliseconds, open, high, low, close, volume; in time order, one row a time.
    reached : int
        Epoch milliseconds up to which, but not including, the source has told all it has.
    """

    rows: FloatArray
    reached: int


class Source(Protocol):
    """Where bars come from.

    Parameters
    ----------
    exchange, market : str
        Names that the file keeps, such as binance and spot.
    timeframe : Timeframe
        Length of a bar.
    prices : str
        What the prices are, such as `as traded`.
    compared : int
        Leading columns of a row (its time is the first) that must be the same when it is fetched again.
    earliest : int or None
        Epoch milliseconds to begin with where none are asked for; None = they have to be asked for.
    """

    exchange: str
    market: str
    timeframe: Timeframe
    prices: str
    compared: int
    earliest: int | None

    def listing(self) -> Listing:
        """Return what the source says about the symbol.

        Raises
        ------
        Hiccup
            A failure that may pass.
        DataError
            There is no such symbol, or no bars of this length.
        """

    def page(self, first: int, end: int) -> Page:
        """Return bars that open from `first` on; bars that do not close by `end` may be among them.

        Raises
        ------
        Hiccup
            A failure that may pass.
        DownloadError
            The source refuses.
        """


def rows_of(raw: Any) -> FloatArray:
    """Return rows as (n, 6) float64 in time order; rows given twice are kept once.

    Raises
    ------
    Hiccup
        They are no table of finite numbers, or two rows of one time differ.
    """
    try:
        rows = np.array([row[:WIDTH] for row in raw], np.float64).reshape(-1, WIDTH)
    except (TypeError, ValueError, KeyError) as error:
        raise Hiccup("an answer that is no table of bars") from error
    if not np.isfinite(rows).all():
        raise Hiccup("a bar with a missing value")
    rows = np.unique(rows, axis=0)
    again = rows[1:, 0] == rows[:-1, 0]
    if again.any():
        raise Hiccup(f"two different bars that open at {moment(rows[1:][again][0, 0])}")
    return rows


def empty() -> FloatArray:
    """Return no rows."""
    return np.empty((0, WIDTH))


def moment(milliseconds: float) -> str:
    """Return epoch milliseconds as text, such as 2024-01-31 05:00 UTC."""
    stamp = np.datetime64(int(milliseconds), "ms")
    return np.datetime_as_string(stamp, "m").replace("T", " ") + " UTC"
