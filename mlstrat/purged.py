"""The ledger of the purge: for every split of every window, how many rows were kept, and by which moment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from mlstrat.arrays import IntArray
from mlstrat.config import RunConfig
from mlstrat.models.sample import fit_rows, halves
from mlstrat.panel import Panel
from mlstrat.splits import Fold, Schedule, purge


class Split(NamedTuple):
    """One split of one window.

    Parameters
    ----------
    window : int
        Index of the window.
    split : str
        `training`: all rows known at the cut; `inner training`: those before the calibration tail; `first
        half`: of that tail, when the second half is scored; `odds` and `odds tail`: trades that tell the
        odds, in the window and in its tail.
    known_by : datetime64[ns]
        When the rows' labels had to be resolved, UTC: the embargo is taken off.
    rows, purged : int
        Rows that there were, and those left out because their label was not resolved by then.
    """

    window: int
    split: str
    known_by: np.datetime64
    rows: int
    purged: int


def ledger(panel: Panel, schedule: Schedule, config: RunConfig) -> Iterator[Split]:
    """Yield every split of a run, window by window, as the fits make them."""
    close_time, labels, ready = panel.bars.close_time, panel.labels, panel.features.ready
    for index in range(len(schedule)):
        fold = schedule.fold(index, close_time, labels.resolved_at, ready)
        if len(fold.test):
            yield from _of_fold(panel, fold, config)


def as_csv(rows: Iterable[Split]) -> bytes:
    """Return a ledger as the content of purged.csv."""
    return "".join(",".join(map(str, row)) + "\n" for row in (Split._fields, *rows)).encode()


def _of_fold(panel: Panel, fold: Fold, config: RunConfig) -> Iterator[Split]:
    close_time, resolved_at = panel.bars.close_time, panel.labels.resolved_at
    embargo, share = config.splits.embargo_bars, config.splits.calibration_share

    def before(row: int) -> np.datetime64:
        return np.datetime64(close_time[max(row - embargo, 0)])

    def split(name: str, known_by: np.datetime64, rows: int, kept: IntArray) -> Split:
        return Split(fold.index, name, known_by, rows, rows - len(kept))

    early, tail = fit_rows(fold.train, resolved_at, close_time, embargo, share)
    first, second = halves(tail, resolved_at, close_time, embargo)
    latest_at = panel.outcomes.latest_at
    yield split("training", fold.limit, len(fold.train) + fold.purged, fold.train)
    yield split("inner training", before(int(tail[0])), len(fold.train) - len(tail), early)
    yield split("first half", before(int(second[0])), len(tail) - len(second), first)
    yield split("odds", fold.limit, len(fold.train), purge(fold.train, latest_at, fold.limit))
    yield split("odds tail", fold.limit, len(tail), purge(tail, latest_at, fold.limit))
