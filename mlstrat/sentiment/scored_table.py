"""Tables of headlines with the columns of a scorer, whatever chunks they are read and scored in."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlstrat.errors import DataError
from mlstrat.sentiment.learned.table import texts_of

if TYPE_CHECKING:
    import pandas as pd

    from mlstrat.sentiment.scorers import Classified

    Reading = Callable[[Iterable[str]], Iterator[Classified]]

_COLUMNS = ("score", "label", "confidence")


def with_scores(
    tables: Iterable[pd.DataFrame],
    text_column: str,
    path: Path,
    reading: Reading,
    told: Callable[[int], None] = lambda _rows: None,
) -> Iterator[pd.DataFrame]:
    """Yield each table with the columns score, label and confidence.

    Parameters
    ----------
    tables : iterable of DataFrame
        Parts of one table; as many are held as the reading is ahead.
    text_column : str
        Where the texts are.
    path : Path
        Of the table, for messages.
    reading : callable
        From texts to polarity, confidence and classes in chunks of its own, as `classify_chunks`.
    told : callable
        Told the number of texts scored so far.

    Raises
    ------
    DataError
        There is no such column, or one of the three is there already.
    """
    waiting: deque[pd.DataFrame] = deque()
    rows: deque[tuple[float, float, str]] = deque()
    done = 0
    for polarity, confidence, names in reading(_texts(tables, text_column, path, waiting)):
        rows.extend(zip(polarity, confidence, names, strict=True))
        done += len(names)
        told(done)
        while waiting and len(waiting[0]) <= len(rows):
            yield _joined(waiting.popleft(), rows)
    for table in waiting:  # they have no rows
        yield _joined(table, rows)


def _texts(
    tables: Iterable[pd.DataFrame], column: str, path: Path, waiting: deque[pd.DataFrame]
) -> Iterator[str]:
    for table in tables:
        taken = {*_COLUMNS} & {*table.columns}
        if taken:
            raise DataError(f"{path} already has a column {min(taken)}: rename or drop it first.")
        texts = texts_of(table, column, path)
        waiting.append(table)
        yield from texts


def _joined(table: pd.DataFrame, rows: deque[tuple[float, float, str]]) -> pd.DataFrame:
    taken = [rows.popleft() for _ in range(len(table))]
    score, confidence = (np.array([row[which] for row in taken], np.float64) for which in (0, 1))
    return table.assign(score=score, label=[name for *_, name in taken], confidence=confidence)
