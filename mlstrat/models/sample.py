"""What one window's models learn from, and how its rows are split, purged by when labels are known."""

from __future__ import annotations

from dataclasses import dataclass

from mlstrat.arrays import FloatArray, IntArray, TimeArray
from mlstrat.errors import NotEnoughBarsError
from mlstrat.models.transfer import Start
from mlstrat.splits import purge

MIN_ROWS = 250  # fewest labels for either part of a training window


@dataclass(frozen=True, eq=False)
class Sample:
    """What one window's models learn from: whole-series arrays, and which rows may be used.

    Parameters
    ----------
    x : (n_bars, n_features) float64
        Features; finite from `first` on.
    ret, up : (n_bars,) float64
        Horizon labels.
    resolved_at, close_time : (n_bars,) datetime64[ns]
        When each label and each bar is known.
    first : int
        First bar of the window: the LSTM's state starts at zero here.
    train : (n_train,) int64
        Bars whose labels may be used.
    overlap : float
        Bars that one label spans.
    embargo : int
        Bars kept between the labels of the inner training part and the tail.
    start : Start, optional
        Another symbol's model to start from, in the columns of `x`.
    """

    x: FloatArray
    ret: FloatArray
    up: FloatArray
    resolved_at: TimeArray
    close_time: TimeArray
    first: int
    train: IntArray
    overlap: float
    embargo: int
    start: Start | None = None


def halves(
    tail: IntArray, resolved_at: TimeArray, close_time: TimeArray, embargo: int
) -> tuple[IntArray, IntArray]:
    """Split the calibration tail into its first half, purged, and its second half."""
    first, second = tail[: len(tail) // 2], tail[len(tail) // 2 :]
    return purge(first, resolved_at, close_time[max(int(second[0]) - embargo, 0)]), second


def fit_rows(
    train: IntArray,
    resolved_at: TimeArray,
    close_time: TimeArray,
    embargo: int,
    calibration_share: float,
) -> tuple[IntArray, IntArray]:
    """Split training rows into those before the calibration tail, purged, and the tail."""
    begin = len(train) - int(len(train) * calibration_share)
    early, tail = train[:begin], train[begin:]
    if len(tail):
        early = purge(early, resolved_at, close_time[max(int(tail[0]) - embargo, 0)])
    return early, tail


def split_rows(sample: Sample, calibration_share: float, min_rows: int) -> tuple[IntArray, IntArray]:
    """Split a window by `fit_rows`; NotEnoughBarsError where either part has fewer than `min_rows` labels."""
    train = sample.train
    early, tail = fit_rows(train, sample.resolved_at, sample.close_time, sample.embargo, calibration_share)
    if min(len(early), len(tail)) < min_rows:
        need = rows_needed(len(train) - len(tail) - len(early), calibration_share, min_rows)
        raise NotEnoughBarsError(len(train), need, "A training window")
    return early, tail


def rows_needed(purged: int, calibration_share: float, min_rows: int = MIN_ROWS) -> int:
    """Return how many training rows give both parts `min_rows`, with so many purged between them."""
    return int(max(min_rows / calibration_share, (min_rows + purged) / (1 - calibration_share))) + 1
