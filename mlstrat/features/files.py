"""Features of a file of bars, written as Parquet piece by piece: state carried over, memory bounded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlstrat.data.bars import Bars
from mlstrat.data.stored import SUFFIXES
from mlstrat.errors import ConfigError
from mlstrat.features.choose import Market, choose, left_out, markets_of
from mlstrat.features.matrix import check_length
from mlstrat.features.pieces import BarFile
from mlstrat.features.runner import Runner, seconds_of
from mlstrat.files import appearing

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Written:
    """What `write` has made.

    Parameters
    ----------
    names : tuple of str
        Columns of the file after `time`.
    n_bars : int
        Rows.
    symbol, timeframe : str
        Of the bars.
    ready : int
        Index of the first row in which every feature is finite.
    notes : tuple of str
        What was left out: a bar that has not closed, features that these bars have no data for.
    """

    names: tuple[str, ...]
    n_bars: int
    symbol: str
    timeframe: str
    ready: int
    notes: tuple[str, ...]


def check_place(path: Path) -> None:
    """Refuse a name that does not say what `write` writes, before the bars are read."""
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"{path} is not Parquet by its name: give a file that ends in .parquet.")


def write(
    file: BarFile,
    path: Path,
    names: Sequence[str] = (),
    families: Sequence[str] = (),
    threads: int = 2,
    progress: Progress = lambda stage, done, total: None,
    others: Sequence[Bars] = (),
) -> Written:
    """Write the features of every bar of a file, the same bits as `build` on all of its bars.

    Array functions, which have no state to carry, agree with `build` within 1e-9 of their size.
    The file is read twice: first every law of a bar is checked and it is found whether there is volume.

    Parameters
    ----------
    file : BarFile
        The bars; memory grows with `file.rows` and not with the file.
    path : Path
        The Parquet file to write: `time` (UTC, open time) and one float64 column a feature, NaN before its
        lookback; a row group a piece. It appears whole or not at all.
    names, families : sequence of str
        What to compute, as for `choose`; both empty = every model input.
    threads : int
        Threads that share the features; the bits are the same for any number.
    progress : callable
        Told the stage, the bars done and the bars in all (0 while that is not known).
    others : sequence of Bars
        Bars of other symbols, held in memory.

    Raises
    ------
    DataError
        The bars cannot be used, or a volume feature was asked for and they have no volume.
    NotEnoughBarsError
        There are fewer bars than the largest lookback.
    RunFolderError
        The file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    n_bars, has_volume, symbol, timeframe, seconds = 0, False, "", "", 0
    closes = [np.empty(0)]
    notes: list[str] = []
    for bars in file.pieces(notes.append):
        n_bars += len(bars)
        has_volume = has_volume or bars.has_volume
        symbol, timeframe, seconds = bars.symbol, str(bars.timeframe), bars.timeframe.seconds
        if others:
            closes.append(seconds_of(bars.close_time))
        progress("checking", n_bars, 0)
    market = Market(symbol, seconds, has_volume, markets_of(symbol, others))
    features = choose(market, names, families)
    runner = Runner(features, seconds, others)
    lookback = runner.lookbacks(features, np.concatenate(closes))
    check_length(features, lookback, n_bars)
    columns = runner.names
    schema = pa.schema(
        [("time", pa.timestamp("ns", "UTC")), *((name, pa.float64()) for name in columns)],
        {"symbol": symbol, "timeframe": timeframe},
    )
    done = 0
    with appearing(path) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        for bars in file.pieces():
            values = runner.take(bars.matrix, seconds_of(bars.close_time), threads)
            arrays = [pa.array(bars.time), *(pa.array(column) for column in values.T)]
            arrays[0] = arrays[0].cast(schema.field("time").type)
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            done += len(bars)
            progress("computing", done, n_bars)
    notes += left_out(market, names, families)
    return Written(columns, n_bars, symbol, timeframe, int(lookback.max()) - 1, tuple(notes))
