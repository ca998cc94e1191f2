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
        Where the last window ends, which may lie after the data; bars that close at or after it have no
        prediction.
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
    retrain: str | int,
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
    retrain : {"week", "month", "quarter", "year"} or int
        Models are fitted at the start of each calendar period, UTC; or whenever so many bars have closed
        since the last fit, the first of them at the first bar with a whole training window before it.
    embargo : int
        Labels must be resolved so many bars before the last bar known at the cut.
    start : str, optional
        Date of the first fit; by default the first period with a whole training window before it.
    max_windows : int, optional
        At most so many windows: the first ones from `start`, or without it the latest.

    Returns
    -------
    Schedule
        The last window ends where the next fit is due, so that bars to come change none that is there. By
        bars that is a guess from the usual distance of bars; it lies after the data.

    Raises
    ------
    NotEnoughBarsError
        No training window fits before the end of the data, or before `start`.
    DataError
        `start` lies after the data.
    """
    training = np.timedelta64(training_days, "D").astype("timedelta64[ns]")
    after = close_time[-1] + np.timedelta64(1, "ns")
    bar = np.median(np.diff(close_time)) if len(close_time) > 1 else training
    earliest = close_time[min(ready, len(close_time) - 1)] + training
    given = None if start is None else np.datetime64(start, "ns")
    if given is not None and given >= close_time[-1]:
        last = np.datetime_as_string(close_time[-1], "m")
        raise DataError(f"splits.start is {start}, but the last bar closes at {last}: move it before that.")
    boundaries = _boundaries(close_time, retrain, earliest if given is None else given)
    if given is not None:
        boundaries = np.r_[given, boundaries[boundaries > given]]
    boundaries = boundaries[(boundaries >= earliest) & (boundaries < after)]
    if not len(boundaries) or (given is not None and boundaries[0] != given):
        lacking = (earliest - (after if given is None else given)) / bar
        need = len(close_time) + max(int(lacking) + 1, 1)
        raise NotEnoughBarsError(
            len(close_time),
            need,
            f"A walk-forward with {training_days} training days before its first window",
        )
    end = max(next_fit(boundaries[-1], retrain, bar), after)
    if max_windows is not None and len(boundaries) > max_windows:
        if start is not None:
            end = boundaries[max_windows]
        boundaries = boundaries[:max_windows] if start is not None else boundaries[-max_windows:]
    return Schedule(boundaries, end, training, scheme == "expanding", embargo)


def next_fit(moment: np.datetime64, retrain: str | int, bar: np.timedelta64) -> np.datetime64:
    """Return when models are due to be fitted next.

    Parameters
    ----------
    moment : datetime64[ns]
        UTC; the last fit.
    retrain : {"week", "month", "quarter", "year"} or int
        As for `make_schedule`.
    bar : timedelta64[ns]
        Usual distance of two bars.
    """
    if isinstance(retrain, int):
        return np.datetime64(moment + retrain * bar)
    return np.datetime64(_period_starts(moment, moment + np.timedelta64(367, "D"), retrain)[0])


def block_schedule(close_time: TimeArray, ready: int, blocks: int, embargo: int) -> Schedule:
    """Lay windows of equally many bars: each is spoken for by a model that learned from all before it.

    Parameters
    ----------
    close_time : (n_bars,) datetime64[ns]
        Close times of the bars, UTC.
    ready : int
        First bar with a complete feature row; the bars from there are cut into one block more than `blocks`,
        and the first one is for training only.
    blocks : int
        Windows.
    embargo : int
        Labels must be resolved so many bars before the last bar known at the cut.
    """
    edges = np.linspace(ready, len(close_time), blocks + 2).astype(np.int64)
    end = close_time[-1] + np.timedelta64(1, "ns")
    return Schedule(close_time[edges[1:-1]], end, np.timedelta64(0, "ns"), True, embargo)


def _boundaries(close_time: TimeArray, retrain: str | int, first: np.datetime64) -> TimeArray:
    """Return the moments of fitting, those before the first window among them."""
    if isinstance(retrain, int):
        starts = close_time[int(np.searchsorted(close_time, first)) :: retrain].copy()
        starts[:1] = first
        return starts
    return _period_starts(close_time[0], close_time[-1], retrain)


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
