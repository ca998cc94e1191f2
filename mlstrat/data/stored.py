"""Parquet files of bars that carry their own facts: where they come from, tick, step, fee and currency."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.data.bars import COLUMNS
from mlstrat.errors import DataError
from mlstrat.files import appearing

# The key of the schema's metadata under which the facts stand, as JSON.
KEY = b"mlstrat.bars"
SUFFIXES = (".parquet", ".pq")


@dataclass(frozen=True)
class Origin:
    """What a file of bars says about itself.

    Parameters
    ----------
    symbol, timeframe : str
        Of the bars, such as BTCUSDT and 1h.
    exchange, market, listed : str
        Where they come from, and under which name, such as binance, spot and BTC/USDT.
    since : str
        From when on they were asked for, in ISO 8601; empty = from the first there is.
    prices : str
        What the prices are, such as `as traded`.
    downloaded_at : str
        When they were last asked for, in ISO 8601 and UTC.
    facts : mapping
        Facts of `Instrument`, such as tick and step.
    """

    symbol: str = ""
    timeframe: str = ""
    exchange: str = ""
    market: str = ""
    listed: str = ""
    since: str = ""
    prices: str = ""
    downloaded_at: str = ""
    facts: Mapping[str, float | str] = field(default_factory=dict)


def origin_of(source: object) -> Origin:
    """Return what a source says about itself; an empty origin for all but files that `write` has made.

    Raises
    ------
    DataError
        The file's facts are damaged.
    """
    if not isinstance(source, str | Path) or not str(source).lower().endswith(SUFFIXES):
        return Origin()
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_schema(source).metadata or {}
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{source} cannot be read as Parquet: give a whole .parquet file.") from error
    return _origin(metadata[KEY], source) if KEY in metadata else Origin()


def _origin(text: bytes, source: object) -> Origin:
    try:
        content = json.loads(text)
        origin = Origin(**content)
    except (TypeError, ValueError) as error:
        raise DataError(f"the facts inside {source} are damaged: download it again.") from error
    texts = (value for name, value in content.items() if name != "facts")
    whole = isinstance(origin.facts, dict) and all(isinstance(value, str) for value in texts)
    if not whole or not all(_usable(value) for value in origin.facts.values()):
        raise DataError(f"the facts inside {source} are damaged: download it again.")
    return origin


def _usable(fact: object) -> bool:
    return isinstance(fact, str) or (isinstance(fact, int | float) and math.isfinite(fact))


def facts_with(origin: Origin, given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a file's own facts with the given ones in their place; given ones that are None do not count."""
    return {
        **origin.facts,
        **{name: value for name, value in (given or {}).items() if value is not None},
    }


def write(path: Path, rows: FloatArray, origin: Origin) -> None:
    """Write bars and what they say about themselves, whole or not at all.

    Parameters
    ----------
    path : Path
        The Parquet file: `time` (UTC, open time), open, high, low, close, volume.
    rows : (n, 6) float64
        As in `Page`.
    origin : Origin
        Goes into the schema's metadata.

    Raises
    ------
    RunFolderError
        The system refused.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    facts = json.dumps(asdict(origin), allow_nan=False).encode()
    schema = pa.schema(
        [("time", pa.timestamp("ns", "UTC")), *((name, pa.float64()) for name in COLUMNS)], {KEY: facts}
    )
    time = rows[:, 0].astype(np.int64).astype("datetime64[ms]").astype("datetime64[ns]")
    columns = [pa.array(time).cast(schema.field("time").type), *(pa.array(c) for c in rows[:, 1:].T)]
    with appearing(path) as temporary:
        pq.write_table(pa.Table.from_arrays(columns, schema=schema), temporary)


def read(path: Path) -> tuple[Origin, FloatArray]:
    """Return what `write` has written: the origin and the (n, 6) float64 rows, the same bits.

    Raises
    ------
    DataError
        The file was not made by `write`, or is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    origin = origin_of(path)
    try:
        table = pq.read_table(path, columns=["time", *COLUMNS])
        time = table["time"].to_numpy().astype("datetime64[ms]").astype(np.int64)
        rows = np.column_stack([time.astype(np.float64), *(table[name].to_numpy() for name in COLUMNS)])
    except (OSError, ValueError, TypeError, KeyError, pa.ArrowException) as error:
        raise DataError(
            f"{path} cannot be read as bars: give the path of a file that does not exist yet."
        ) from error
    if not origin.exchange:
        raise DataError(
            f"{path} was not made by mlstrat data download, so it cannot be continued: choose another file."
        )
    return origin, np.asarray(rows, np.float64)
