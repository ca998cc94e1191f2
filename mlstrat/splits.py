"""When models are fitted and on what: the walk-forward schedule and the one purge rule."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlstrat.arrays import IntArray, TimeArray
from mlstrat.errors import DataError, NotEnoughBarsError

_CALENDAR = {"week": "W", "month": "M", "quarter": "M", "year": "Y"}
MONDAY = np.timedelta64(4, "D")  # numpy's weeks start on Thursday, as the epoch did


@dataclass(frozen=True)
class Fold:
    """One walk-forward window.

    Parameters
    ----------
    index : int
        Position in the schedule.
    cut : datetime64[ns]
        When the model is fitted, UTC.
    first : int
        First bar of the training window; sequence models start here.
    train : (n_train,) int64
        Bars whose label may train the model, ascending.
    test : (n_test,) int64
        Bars that the model speaks for, ascending; every one closes at or after `cut`.
    purged : int
        Bars known at the cut whose label was not yet resolved.
    limit : datetime64[ns]
        By when a label must be resolved: the close of the last bar known at the cut, less the embargo.
    """

    index: int
    cut: np.datetime64
    limit: np.datetime64
    first: int
    train: IntArray
    test: IntArray
    purged: int


def purge(rows: IntArray, resolved_at: TimeArray, decided_at: np.datetime64) -> IntArray:
    """Keep the rows whose label was known at `decided_at`: the only purge rule there is.

    Parameters
    ----------
    rows : (n_rows,) int64
        Candidate training bars.
    resolved_at : (n_bars,) datetime64[ns]
        When each bar's label is known; NaT = not within the data, so never kept.
    decided_at : datetime64[ns]
        First moment at which the model speaks, less any embargo.
    """
    return rows[resolved_at[rows] <= decided_at]


@dataclass(frozen=True)
class Schedule:
    """A walk-forward schedule: fit at each boundary, speak until the next.

    Parameters
    ----------
    boundaries : (n_folds,) datetime64[ns]
        Moments of fitting, UTC, ascending.
    end : datetime64[ns]
        Where the last window ends; bars that close at or after it have no prediction.
    training : timedelta64[ns]
        Length of the training window (rolling), or its least length (expanding).
    expanding : bool
        Whether the training window starts at the first bar instead of rolling.
    embargo : int
        Labels must be resolved so many bars before the last bar known at the cut.
    """

    boundaries: TimeArray
    end: np.datetime64
    training: np.timedelta64
    expanding: bool
    embargo: int

    def __len__(self) -> int:
        return len(self.boundaries)

    def window_at(self, close_time: np.datetime64) -> int:
        """Return the index of the window that speaks for a bar closing then, -1 for none."""
        if close_time >= self.end:
            return -1
        return int(np.searchsorted(self.boundaries, close_time, side="right")) - 1

    def fold(self, index: int, close_time: TimeArray, resolved_at: TimeArray, ready: int) -> Fold:
        """Return one window's bars.

        Parameters
        ----------
        index : int
            Which window.
        close_time, resolved_at : (n_bars,) datetime64[ns]
            Of every bar known; bars after the cut change nothing but `test`.
        ready : int
            First bar with a complete feature row.
        """
        cut = self.boundaries[index]
        until = self.boundaries[index + 1] if index + 1 < len(self) else self.end
        first = ready
        if not self.expanding:
            first = max(ready, int(np.searchsorted(close_time, cut - self.training, side="right")))
        start = int(np.searchsorted(close_time, cut, side="left"))
        stop = int(np.searchsorted(close_time, until, side="left"))
        known = int(np.searchsorted(close_time, cut, side="right")) - 1
        limit = close_time[max(known - self.embargo, 0)]
        candidates = np.arange(first, max(start, first))
        train = purge(candidates, resolved_at, limit)
        return Fold(index, cut, limit, first, train, np.arange(start, stop), len(candidates) - len(train))


def make_schedule(
    close_time: TimeArray,
    ready: int,
    *,
    scheme: str,
    training_days: int,
    retrain: str,
    embargo: int,
    start: str | None = None,
    max_windows: int | None = None,
) -> Schedule:
    """Lay the windows over the data.

    Parameters
    ----------
    close_time : (n_bars,) datetime64[ns]
        Close times of the bars, UTC.
    ready : int
        First bar with a complete feature row.
    scheme : {"rolling", "expanding"}
        Whether the training window rolls or grows.
    training_days : int
        Its (least) length in days.
    retrain : {"week", "month", "quarter", "year"}
        Models are fitted at the start of each calendar period, UTC.
    embargo : int
        Labels must be resolved so many bars before the last bar known at the cut.
    start : str, optional
        Date of the first fit; by default the first period with a whole training window before it.
    max_windows : int, optional
        At most so many windows: the first ones from `start`, or without it the latest.

    Raises
    ------
    NotEnoughBarsError
        No training window fits before the end of the data, or before `start`.
    DataError
        `start` lies after the data.
    """
    training = np.timedelta64(training_days, "D").astype("timedelta64[ns]")
    end = close_time[-1] + np.timedelta64(1, "ns")
    earliest = close_time[min(ready, len(close_time) - 1)] + training
    boundaries = _period_starts(close_time[0], end, retrain)
    if start is not None:
        given = np.datetime64(start, "ns")
        if given >= close_time[-1]:
            last = np.datetime_as_string(close_time[-1], "m")
            raise DataError(
                f"splits.start is {start}, but the last bar closes at {last}: move it before that."
            )
        boundaries = np.r_[given, boundaries[boundaries > given]]
    boundaries = boundaries[(boundaries >= earliest) & (boundaries < end)]
    if not len(boundaries) or (start is not None and boundaries[0] != np.datetime64(start, "ns")):
        wanted = earliest if start is None else np.datetime64(start, "ns")
        bar = np.median(np.diff(close_time)) if len(close_time) > 1 else training
        lacking = (earliest - wanted if start is not None else earliest - end) / bar
        need = len(close_time) + max(int(lacking) + 1, 1)
        raise NotEnoughBarsError(
            len(close_time),
            need,
            f"A walk-forward with {training_days} training days before its first window",
        )
    if max_windows is not None and len(boundaries) > max_windows:
        if start is not None:
            end = boundaries[max_windows]
        boundaries = boundaries[:max_windows] if start is not None else boundaries[-max_windows:]
    return Schedule(boundaries, end, training, scheme == "expanding", embargo)


def _period_starts(begin: np.datetime64, end: np.datetime64, retrain: str) -> TimeArray:
    unit = _CALENDAR[retrain]
    if retrain == "week":
        first = (begin - MONDAY).astype("datetime64[W]")
        starts = (
            np.arange(first, (end - MONDAY).astype("datetime64[W]") + 1).astype("datetime64[ns]") + MONDAY
        )
    else:
        starts = np.arange(begin.astype(f"datetime64[{unit}]"), end.astype(f"datetime64[{unit}]") + 1)
        if retrain == "quarter":
            starts = starts[starts.astype(np.int64) % 3 == 0]
        starts = starts.astype("datetime64[ns]")
    return np.asarray(starts[starts > begin])
