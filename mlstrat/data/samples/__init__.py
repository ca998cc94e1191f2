"""The bundled samples: hourly bars of two coins and the headlines of nine months (see SOURCES.md)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.data.bars import COLUMNS, Bars
from mlstrat.data.instrument import facts_of
from mlstrat.data.timeframe import Timeframe
from mlstrat.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

PREFIX = "sample:"
HEADLINES = "headlines"
_BARS = ("BTCUSDT_1h", "ETHUSDT_1h")


def names() -> tuple[str, ...]:
    """Return the names of the bundled bars, such as `BTCUSDT_1h`."""
    return _BARS


def path(name: str) -> Path:
    """Return the file of a sample: one of `names()`, or `headlines`; `sample:` in front is allowed.

    Raises
    ------
    DataError
        Unknown name; the message lists the known ones.
    """
    plain = name.removeprefix(PREFIX)
    if plain not in (*_BARS, HEADLINES):
        raise DataError(f"there is no sample {plain!r}: use one of {', '.join((*_BARS, HEADLINES))}.")
    return Path(__file__).with_name(f"{plain}.parquet")


def headlines_path() -> Path:
    """Return the Parquet file of headlines: time (UTC), time_known, source, subject, title, url."""
    return path(HEADLINES)


def load_frame(name: str) -> pd.DataFrame:
    """Return the bars of a sample as a DataFrame with the columns time (UTC), open, ..., volume.

    The file holds whole numbers: `open_e2` is open x 10**2. Dividing a whole number by a power of ten
    gives the float64 nearest to the decimal number, so the exchange's values come back exactly.
    """
    import pyarrow.parquet as pq

    if name.removeprefix(PREFIX) == HEADLINES:
        raise DataError(f"the sample {HEADLINES!r} holds no bars: use one of {', '.join(_BARS)}.")
    scaled = pq.read_table(path(name)).to_pandas()
    columns = {_plain(label): _unscaled(label, scaled[label].to_numpy()) for label in scaled.columns[1:]}
    return scaled[["time"]].assign(**columns)


def load_bars(name: str) -> Bars:
    """Return the bars of a sample, validated, with the shipped facts of its symbol."""
    frame = load_frame(name)
    symbol, timeframe = name.removeprefix(PREFIX).split("_")
    time = frame["time"].dt.tz_localize(None).to_numpy()
    columns = {column: frame[column].to_numpy() for column in COLUMNS}
    return Bars(
        time=time, symbol=symbol, timeframe=Timeframe(timeframe), instrument=facts_of(symbol), **columns
    )


def _plain(label: str) -> str:
    return re.sub(r"_e\d$", "", label)


def _unscaled(label: str, values: np.ndarray) -> FloatArray:
    return np.asarray(values / 10.0 ** int(label[-1]), np.float64)
