"""Where a run is cut: bars spread over what it predicted, drawn by a seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlstrat.arrays import IntArray, SideArray, TimeArray
from mlstrat.errors import DataError
from mlstrat.splits import Schedule


@dataclass(frozen=True)
class Cut:
    """A moment after which nothing is known.

    Parameters
    ----------
    bar : int
        The last bar that is there, counted from 0.
    window : int
        The window that speaks for it.
    first : int
        The first bar that this window speaks for.
    fitted : int
        The last bar that was known when it was fitted.
    """

    bar: int
    window: int
    first: int
    fitted: int


def choose_cuts(
    fold: IntArray,
    side: SideArray,
    schedule: Schedule,
    close_time: TimeArray,
    *,
    count: int,
    seed: int,
    soon: int,
) -> tuple[Cut, ...]:
    """Draw cuts from windows that are spread over a run, at bars that decided on a trade where there are any.

    Parameters
    ----------
    fold : (n_bars,) int64
        Window that speaks for each bar, -1 for none.
    side : (n_bars,) int8
        What each bar decided.
    schedule : Schedule
        The run's windows.
    close_time : (n_bars,) datetime64[ns]
        Close times of the bars.
    count : int
        Cuts wanted; there are fewer where windows hold too few bars.
    seed : int
        Of the draws.
    soon : int
        The first cut lies at most so many bars behind the first one of its window, when labels that must not
        have trained its models are not yet resolved.

    Raises
    ------
    DataError
        No window speaks for two bars with another one behind them.
    """
    # Not the first bar of a window: bars that end with the first fit hold no walk-forward. Not the last one.
    rows = {int(k): np.flatnonzero(fold == k)[1:] for k in np.unique(fold[fold >= 0])}
    rows = {k: bars[bars < len(fold) - 1] for k, bars in rows.items()}
    windows = np.array([k for k, bars in rows.items() if len(bars)], np.int64)
    if not len(windows):
        raise DataError(
            "no window of the run speaks for two bars with a later one behind them, so that there is "
            "nothing to cut: run on more bars."
        )
    random, cuts = np.random.default_rng(seed), []
    for number, window in enumerate(_spread(windows, count, random)):
        bars = rows[window] if number else rows[window][:soon]
        trading = bars[side[bars] != 0]
        bar = int(random.choice(trading if len(trading) else bars))
        fitted = int(np.searchsorted(close_time, schedule.boundaries[window], side="right")) - 1
        cuts.append(Cut(bar, window, int(rows[window][0]) - 1, fitted))
    return tuple(dict.fromkeys(cuts))


def _spread(windows: IntArray, count: int, random: np.random.Generator) -> list[int]:
    """Return so many windows in order: one drawn from each of as many stretches, or all in turn."""
    if count < len(windows):
        return [int(random.choice(part)) for part in np.array_split(windows, count)]
    return [int(windows[k % len(windows)]) for k in range(count)]
