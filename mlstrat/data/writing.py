"""Bars -> a file that `read_bars` reads back with the same bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mlstrat.data import stored
from mlstrat.data.bars import COLUMNS, Bars
from mlstrat.data.stored import Origin
from mlstrat.errors import DataError
from mlstrat.files import write_bytes

_SUFFIXES = (".parquet", ".csv")
# What reading would otherwise have to infer from the decimals, or to be told.
_FACTS = ("tick", "step", "calendar")


def check_output(path: Path, source: str | Path) -> None:
    """Refuse an output that cannot be written as bars, or that is the source itself.

    Raises
    ------
    DataError
        The suffix is unknown, the folder does not exist, or source and output are one file.
    """
    if path.suffix not in _SUFFIXES:
        raise DataError(f"{path} is neither CSV nor Parquet by its name: end it with .csv or .parquet.")
    if not path.parent.is_dir():
        raise DataError(f"the folder of {path} does not exist: create it, or name another file.")
    if path.resolve() == Path(source).resolve():
        raise DataError(f"{path} is the file that is read: name another file to write.")


def write_bars(bars: Bars, path: Path) -> None:
    """Write bars whole or not at all, as Parquet or CSV by the suffix: time (UTC), open, ..., volume.

    Parquet says its symbol, bar length, tick, step and calendar itself, so nothing has to be inferred when it
    is read. CSV holds the shortest digits that give the same float64, and no volume where no bar has any.
    """
    if path.suffix == ".parquet":
        facts = {name: getattr(bars.instrument, name) for name in _FACTS}
        milliseconds = bars.time.astype("datetime64[ms]").astype(np.int64)
        rows = np.column_stack([milliseconds, *(getattr(bars, name) for name in COLUMNS)])
        stored.write(path, rows, Origin(bars.symbol, str(bars.timeframe), facts=facts))
        return
    seconds = np.datetime_as_string(bars.time.astype("datetime64[s]"))
    frame = bars.frame().reset_index().assign(time=[f"{stamp}Z" for stamp in seconds])
    if not bars.has_volume:
        frame = frame.drop(columns="volume")
    write_bytes(path, frame.to_csv(index=False).encode())
