"""Tables as exporters write them (TradingView, Binance, ccxt, Yahoo, our own) -> stamps and float columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.data.bars import COLUMNS, PRICES, RowError
from mlstrat.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_TIME_NAMES = ("time", "timestamp", "open_time", "opentime", "date", "datetime")
# What `DataFrame.to_csv` writes above an index without a name.
_UNNAMED = "unnamed:_0"
_PRICE_NAMES = {name: name for name in COLUMNS} | {name[0]: name for name in COLUMNS} | {"vol": "volume"}
# Tables without a header, by their number of columns: ccxt's fetch_ohlcv and Binance's klines.
_HEADERLESS = {
    6: ("timestamp", *COLUMNS),
    12: (
        "open_time",
        *COLUMNS,
        "close_time",
        "quote_volume",
        "trades",
        "taker_base_volume",
        "taker_quote_volume",
        "ignore",
    ),
}

Numbers = Callable[["pd.Series", str, str], FloatArray]


@dataclass(frozen=True, eq=False)
class Table:
    """One source, read but not judged.

    Parameters
    ----------
    origin : str
        Name for messages.
    stamps : (n,) Series
        Open times as written.
    columns : dict of (n,) float64
        open, high, low, close, volume; NaN where a cell is empty.
    ticker : str
        Symbol that the table itself names; empty where it names none.
    has_volume : bool
        Whether there is a volume column with anything but zeros and empty cells in it.
    """

    origin: str
    stamps: pd.Series
    columns: dict[str, FloatArray]
    ticker: str
    has_volume: bool


def from_frame(
    frame: pd.DataFrame, symbol: str, origin: str = "the frame", numbers: Numbers | None = None
) -> Table:
    """Find the open times, prices and volume of a DataFrame; the frame is not changed.

    `numbers` turns a column with a name into floats, for an origin; default: refuse what is no number.

    Raises
    ------
    DataError
        A column is missing, given twice, or holds something that is not a number.
    """
    numbers = numbers or floats
    frame, ticker = _one_ticker(_with_header(frame), symbol, origin)
    names = [_plain(label) for label in frame.columns]
    columns = {}
    for wanted in COLUMNS:
        places = [i for i, name in enumerate(names) if _PRICE_NAMES.get(name) == wanted]
        if len(places) > 1:
            raise DataError(f"{origin} has {len(places)} columns called {wanted}: keep one of them.")
        if places:
            columns[wanted] = numbers(frame.iloc[:, places[0]], wanted, origin)
    missing = [name for name in PRICES if name not in columns]
    if missing:
        listed = ", ".join(str(label) for label in frame.columns[:12])
        raise DataError(
            f"{origin} has no column {missing[0]} (its columns: {listed}): "
            "give time, open, high, low, close and, if there is one, volume."
        )
    volume = columns.get("volume")
    has_volume = volume is not None and bool(np.nan_to_num(volume).any())
    if not has_volume:
        columns["volume"] = np.zeros(len(frame))
    return Table(origin, _stamps(frame, names, origin), columns, ticker, has_volume)


def _plain(label: Any) -> str:
    return str(label).strip().lower().replace(" ", "_")


def _with_header(frame: pd.DataFrame) -> pd.DataFrame:
    labels = list(frame.columns)
    names = _HEADERLESS.get(len(labels))
    if names and labels == list(range(len(labels))):
        return frame.set_axis(list(names), axis=1)
    return frame


def _one_ticker(frame: pd.DataFrame, symbol: str, origin: str) -> tuple[pd.DataFrame, str]:
    """Reduce columns of two levels (field and ticker, as yfinance gives them) to the fields of one ticker."""
    if frame.columns.nlevels == 1:
        return frame, ""
    levels = [list(frame.columns.get_level_values(i)) for i in range(frame.columns.nlevels)]
    fields = next((level for level in levels if {*map(_plain, level)} >= set(PRICES)), None)
    if fields is None or len(levels) != 2:
        raise DataError(f"{origin} has columns of {len(levels)} levels: give one row of column names.")
    tickers = [str(label) for label in levels[1 if fields is levels[0] else 0]]
    chosen = symbol if symbol in tickers else tickers[0]
    if len(set(tickers)) > 1 and symbol not in tickers:
        listed = ", ".join(sorted(set(tickers))[:8])
        raise DataError(f"{origin} holds several symbols ({listed}): pass symbol= with one of them.")
    keep = [i for i, ticker in enumerate(tickers) if ticker == chosen]
    return frame.iloc[:, keep].set_axis([fields[i] for i in keep], axis=1), chosen


def _stamps(frame: pd.DataFrame, names: list[str], origin: str) -> pd.Series:
    import pandas as pd

    places = [i for i, name in enumerate(names) if name in _TIME_NAMES]
    if len(places) > 1:
        labels = " and ".join(str(frame.columns[i]) for i in places[:2])
        raise DataError(f"{origin} has the columns {labels}, each of which may be the open time: keep one.")
    index = frame.index
    if not places and (isinstance(index, pd.DatetimeIndex) or _plain(index.name) in _TIME_NAMES):
        return index.to_series().reset_index(drop=True)
    if not places and _UNNAMED in names:
        places = [names.index(_UNNAMED)]
    if not places:
        raise DataError(f"{origin} has no open times: name a column time, or give the frame a DatetimeIndex.")
    return frame.iloc[:, places[0]].reset_index(drop=True)


def floats(column: pd.Series, name: str, origin: str) -> FloatArray:
    """Return a column as float64, NaN where a cell is empty; raises DataError where one is no number."""
    import pandas as pd

    dtype = column.dtype
    if pd.api.types.is_bool_dtype(dtype) or pd.api.types.is_complex_dtype(dtype):
        raise DataError(f"{name} of {origin} holds {dtype} values: give numbers.")
    if pd.api.types.is_numeric_dtype(dtype):
        return np.array(column.to_numpy(np.float64, na_value=np.nan), np.float64)
    return np.fromiter(_parsed(column, name, origin), np.float64, len(column))


def _parsed(column: pd.Series, name: str, origin: str) -> Iterator[float]:
    """Yield each cell as the float64 nearest to what is written; an empty cell is NaN."""
    import pandas as pd

    for row, cell in enumerate(column):
        if cell is None or cell is pd.NA or (isinstance(cell, str) and not cell.strip()):
            yield np.nan
            continue
        try:
            if isinstance(cell, bool | np.bool_) or (isinstance(cell, str) and "_" in cell):
                raise ValueError
            yield float(cell)
        except (TypeError, ValueError, OverflowError) as error:
            what = f"has the {name} {str(cell)[:40]!r}, which is no number"
            raise RowError(row, origin, what, "write it as digits with a decimal point") from error
