"""`repair`: a source with defects -> `Bars`, and every change that it took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlstrat.data import stamps, tables
from mlstrat.data.bars import COLUMNS, Bars, RowError
from mlstrat.data.mending.cells import NumberCells, usable_stamps
from mlstrat.data.mending.rules import Change, Rows, repair_rows
from mlstrat.data.sources import Raw, open_source, understood
from mlstrat.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

# With fewer rows left than this share, the file is another than it was taken for.
_LEAST_KEPT = 0.5


def repair(
    source: str | Path | pd.DataFrame,
    *,
    symbol: str = "",
    timeframe: str = "",
    tz: str = "",
    instrument: Mapping[str, Any] | None = None,
    now: datetime | None = None,
    unnamed: str = "",
) -> tuple[Bars, tuple[Change, ...]]:
    """Read a source as `read_bars` does, but mend the rows that it would refuse.

    Rows without a usable time or price are dropped, as are repeated rows (the last is kept), future rows,
    rows between the bars' times and spikes that come back; rows are sorted; a high or low is widened to
    contain open and close; volume that is missing or negative becomes 0. No price is invented and no gap is
    filled. What only the owner can know stays refused: the time zone, the columns, a decimal comma, prices
    that never move.

    Parameters
    ----------
    source, symbol, timeframe, tz, instrument, now
        As for `read_bars`.
    unnamed : str
        Symbol where none is known; empty = that is refused.

    Returns
    -------
    (Bars, tuple of Change)
        The bars, and what was changed, with the rows of the source.

    Raises
    ------
    DataError
        What no repair can mend, or fewer than half of the rows would be left.
    """
    raw = open_source(source, symbol)
    cells = NumberCells()
    table = tables.from_frame(raw.frame, symbol, raw.origin, cells)
    kept, written, stamp_changes = usable_stamps(table.stamps)
    rows = _timed(table, np.flatnonzero(kept), written, tz)
    rows, changes = repair_rows(rows, stamps.now_utc(now))
    changes = [*cells.changes, *stamp_changes, *changes]
    _refuse_remnant(len(rows), len(table.stamps), changes, raw)
    mended = replace(raw, frame=_frame(rows, table.has_volume))
    symbol = symbol or raw.symbol or table.ticker
    return understood(mended, symbol, timeframe, "UTC", instrument, now, unnamed).bars(), tuple(changes)


def _timed(table: tables.Table, kept: np.ndarray, written: pd.Series, tz: str) -> Rows:
    """Return the kept rows with their times in UTC; a refusal names the row of the source."""
    values = np.column_stack([table.columns[name] for name in COLUMNS])[kept]
    if not len(kept):
        return Rows(kept, np.empty(0, "datetime64[ns]"), values)
    try:
        return Rows(kept, stamps.to_utc(written, tz, table.origin), values)
    except RowError as error:
        raise RowError(int(kept[error.row]), error.where, error.what, error.remedy) from error


def _refuse_remnant(left: int, of: int, changes: list[Change], raw: Raw) -> None:
    if left > 0 and left >= _LEAST_KEPT * of:
        return
    worst = max(
        (change for change in changes if change.done != "sorted by time"),
        key=lambda change: len(change.rows),
        default=None,
    )
    why = f", most often because a row {worst.what}" if worst else ""
    raise DataError(
        f"{raw.origin} has {of:,} rows of which a repair would leave {left:,}{why}: export it again."
    )


def _frame(rows: Rows, has_volume: bool) -> pd.DataFrame:
    import pandas as pd

    columns = dict(zip(COLUMNS, rows.values.T, strict=True))
    if not has_volume:
        del columns["volume"]
    return pd.DataFrame({"time": pd.DatetimeIndex(rows.time, tz="UTC"), **columns})
