"""Tables of headlines, read and written in chunks: CSV in UTF-8, or Parquet, by the suffix."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlstrat.arrays import IntArray
from mlstrat.errors import DataError
from mlstrat.files import appearing
from mlstrat.sentiment.learned.model import CLASSES

if TYPE_CHECKING:
    import pandas as pd

_SUFFIXES = (".csv", ".parquet")
ROWS = 20_000  # read and scored at a time
# How the classes may be written; one way a file.
_WRITTEN = (CLASSES, ("-1", "0", "1"), ("0", "1", "2"))


def read_labelled(path: Path, text_column: str, label_column: str) -> tuple[list[str], IntArray]:
    """Read labelled texts.

    Labels are negative, neutral and positive in words, as -1, 0 and 1, or as 0, 1 and 2.

    Raises
    ------
    DataError
        The file, a column or a label is not what it should be.
    """
    texts, labels = [], []
    for chunk in chunks_of(path):
        texts += texts_of(chunk, text_column, path)
        labels += [label.strip().lower() for label in texts_of(chunk, label_column, path)]
    written = sorted(set(labels))
    for names in _WRITTEN:
        if len(written) == len(CLASSES) and set(written) == set(names):
            return texts, np.array([names.index(label) for label in labels], np.int64)
    raise DataError(
        f"the labels of {path} are {', '.join(map(repr, written[:6]))}: write negative, neutral and "
        "positive, or -1, 0 and 1, or 0, 1 and 2 (of each some)."
    )


def read_texts(path: Path, column: str) -> list[str]:
    """Read a column of texts; blank ones are left out.

    Raises
    ------
    DataError
        The file or the column is not what it should be.
    """
    return [text for chunk in chunks_of(path) for text in texts_of(chunk, column, path) if text.strip()]


def chunks_of(path: Path) -> Iterator[pd.DataFrame]:
    """Yield the rows of a table, some at a time; the cells of a CSV are text.

    Raises
    ------
    DataError
        It cannot be read.
    """
    check_suffix(path)
    parts = _csv_parts(path) if path.suffix == ".csv" else _parquet_parts(path)
    try:
        yield from parts
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror or error}): give the path of a .csv or .parquet file."
        ) from error
    except ValueError as error:
        raise DataError(
            f"{path} is no readable table ({error}): write it again, a CSV in UTF-8 with a header row."
        ) from error


def texts_of(chunk: pd.DataFrame, column: str, path: Path) -> list[str]:
    """Return a column as texts; a missing one is empty.

    Raises
    ------
    DataError
        There is no such column.
    """
    if column not in chunk.columns:
        raise DataError(
            f"{path} has no column {column} (it has {', '.join(map(str, chunk.columns))}): name the "
            "right one."
        )
    missing = chunk[column].isna()
    return ["" if gone else str(text) for text, gone in zip(chunk[column], missing, strict=True)]


def write_chunks(chunks: Iterable[pd.DataFrame], path: Path) -> int:
    """Write tables one after another into a file that appears whole or not at all; return the rows."""
    check_suffix(path)
    with appearing(path) as temporary:
        return _write_csv(chunks, temporary) if path.suffix == ".csv" else _write_parquet(chunks, temporary)


def check_suffix(path: Path) -> None:
    """Refuse a file that is neither CSV nor Parquet by its name."""
    if path.suffix not in _SUFFIXES:
        raise DataError(f"{path} is neither CSV nor Parquet by its name: end it with .csv or .parquet.")


def _csv_parts(path: Path) -> Iterator[pd.DataFrame]:
    import pandas as pd

    with pd.read_csv(path, dtype=str, keep_default_na=False, chunksize=ROWS) as parts:
        for part in parts:
            if not isinstance(part.index, pd.RangeIndex):
                raise DataError(
                    f"{path} has rows with more cells than the header names: put quotes around texts that "
                    "hold commas."
                )
            yield part


def _parquet_parts(path: Path) -> Iterator[pd.DataFrame]:
    from pyarrow.parquet import ParquetFile

    with ParquetFile(path) as file:
        if not file.metadata.num_rows:
            yield file.read().to_pandas()
        for batch in file.iter_batches(ROWS):
            yield batch.to_pandas()


def _write_csv(chunks: Iterable[pd.DataFrame], path: Path) -> int:
    rows = 0
    for chunk in chunks:
        chunk.to_csv(path, mode="a", header=rows == 0, index=False)
        rows += len(chunk)
    return rows


def _write_parquet(chunks: Iterable[pd.DataFrame], path: Path) -> int:
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    rows, writer = 0, None
    for chunk in chunks:
        if writer is None:
            writer = ParquetWriter(path, _schema_of(chunk))
        writer.write_table(pa.Table.from_pandas(chunk, schema=writer.schema, preserve_index=False))
        rows += len(chunk)
    if writer is not None:
        writer.close()
    return rows


def _schema_of(chunk: pd.DataFrame) -> Any:
    """Return the columns of the first rows; one that is empty in them is taken for text."""
    import pyarrow as pa

    found = pa.Schema.from_pandas(chunk, preserve_index=False)
    return pa.schema([one.with_type(pa.string()) if pa.types.is_null(one.type) else one for one in found])
