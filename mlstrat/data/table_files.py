"""CSV and Parquet files as tables, whole or in pieces."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlstrat.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

# Lines of column names that yfinance writes: fields and tickers.
_YAHOO = [0, 1]


def read_frame(path: Path) -> pd.DataFrame:
    """Read the rows of a CSV (`.csv`, `.csv.gz`, `.zip`) or Parquet (`.parquet`, `.pq`) file.

    Raises
    ------
    DataError
        The file cannot be read.
    """
    import pandas as pd

    with _readable(path) as is_parquet:
        return pd.read_parquet(path) if is_parquet else next(_csv(path, None))


def read_pieces(path: Path, rows: int) -> Iterator[pd.DataFrame]:
    """Yield the rows of a file as `read_frame` reads them, so many at a time.

    Raises
    ------
    DataError
        The file cannot be read.
    """
    with _readable(path) as is_parquet:
        yield from _parquet(path, rows) if is_parquet else _csv(path, rows)


@contextmanager
def _readable(path: Path) -> Iterator[bool]:
    """Say whether a file is Parquet by its name, and turn what goes wrong with it into `DataError`."""
    import pandas as pd
    import pyarrow as pa

    kind = path.name.lower()
    is_parquet = kind.endswith((".parquet", ".pq"))
    if not is_parquet and not kind.endswith((".csv", ".csv.gz", ".zip")):
        raise DataError(f"{path} is neither CSV nor Parquet by its name: give a .csv or .parquet file.")
    try:
        yield is_parquet
    except OSError as error:
        reason = error.strerror or "it is damaged"
        raise DataError(
            f"{path} cannot be read ({reason}): give the path of a CSV or Parquet file."
        ) from error
    except (ValueError, pa.ArrowException, pd.errors.ParserWarning) as error:
        reason = str(error).strip().splitlines()[0][:200]
        raise DataError(
            f"{path} is not a readable {'Parquet' if is_parquet else 'CSV'} file ({reason}): export it again."
        ) from error


def _parquet(path: Path, rows: int) -> Iterator[pd.DataFrame]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        # A batch ends with its row group: gather them, so that pieces have the length asked for.
        held: list[pa.RecordBatch] = []
        for batch in file.iter_batches(batch_size=rows):
            held.append(batch)
            table = pa.Table.from_batches(held)
            while table.num_rows >= rows:
                yield table.slice(0, rows).to_pandas()
                table = table.slice(rows)
            held = table.to_batches()
        if held:
            yield pa.Table.from_batches(held).to_pandas()


def _csv(path: Path, rows: int | None) -> Iterator[pd.DataFrame]:
    """Yield the rows of a CSV file, so many at a time; None = all at once."""
    import pandas as pd

    layout = _layout(path)
    with pd.read_csv(path, float_precision="round_trip", chunksize=rows, iterator=True, **layout) as reader:
        while True:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error", pd.errors.ParserWarning)
                    frame = reader.get_chunk() if rows else reader.read()
            except StopIteration:
                return
            yield frame.rename_axis(index="Date") if layout["header"] == _YAHOO else frame
            if not rows:
                return


def _layout(path: Path) -> dict[str, Any]:
    """Return how a CSV file is to be read: with a line of names, without one, or as yfinance writes it.

    `yfinance.download(...).to_csv` writes fields, tickers and the name of the index in three lines.
    """
    first = _line(path, 0)
    if len(first) == 1 and ";" in first[0]:
        raise DataError(f"the columns of {path} are separated by semicolons: save it with commas and points.")
    layout: dict[str, Any] = {"index_col": False, "encoding": "utf-8-sig", "low_memory": False}
    if all(_is_number(cell) for cell in first):
        return {"header": None, **layout}
    if first[0] == "Price" and _line(path, 1)[:1] == ["Ticker"]:
        return {"header": _YAHOO, "index_col": 0}
    return {"header": 0, **layout}


def _line(path: Path, number: int) -> list[str]:
    import pandas as pd

    text = pd.read_csv(
        path, header=None, skiprows=number, nrows=1, dtype=str, keep_default_na=False, encoding="utf-8-sig"
    )
    return [str(cell) for cell in text.iloc[0]]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
