"""For which months sentiment is known, and the sentence that says for which it is not."""

from __future__ import annotations

import numpy as np

from mlstrat.arrays import FloatArray, TimeArray
from mlstrat.sentiment.align import SentimentSeries

# Share of a month's bars below which the month is named though something is known in it.
THIN = 0.5
_MOST_NAMED = 6


def coverage(series: SentimentSeries) -> tuple[TimeArray, FloatArray]:
    """Return the months of the bars, and on which share of each month's bars sentiment is known.

    Returns
    -------
    months : (n_months,) datetime64[M]
        Those that have bars, in order.
    share : (n_months,) float64
        In [0, 1].
    """
    months, place = np.unique(series.time.astype("datetime64[M]"), return_inverse=True)
    known = np.bincount(place, weights=series.known.astype(np.float64), minlength=len(months))
    return months, known / np.bincount(place, minlength=len(months))


def unknown_months(series: SentimentSeries) -> str:
    """Say in which months sentiment is unknown, and in which it is known on less than half of the bars.

    Parameters
    ----------
    series : SentimentSeries
        With at least one bar.

    Returns
    -------
    str
        A sentence; empty where every month is covered.
    """
    months, share = coverage(series)
    silent = _runs(months[share == 0.0])
    thin = [
        f"{month} ({part:.0%})".replace("%", "\u00a0%")
        for month, part in zip(months, share, strict=True)
        if 0.0 < part < THIN
    ]
    parts = []
    if silent:
        parts.append(f"unknown {_listed(silent)}, where it has no vote")
    if thin:
        parts.append(f"known on less than half of the bars of {_listed(thin)}")
    return f"Sentiment is {'; it is '.join(parts)}." if parts else ""


def _runs(months: TimeArray) -> list[str]:
    """Return neighbouring months as spans in words."""
    numbers = months.astype("datetime64[M]").astype(np.int64)
    cuts = np.flatnonzero(np.diff(numbers) > 1) + 1
    spans = [run for run in np.split(months, cuts) if len(run)]
    return [f"in {run[0]}" if len(run) == 1 else f"from {run[0]} to {run[-1]}" for run in spans]


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    if more > 0:
        names = [*names[:_MOST_NAMED], f"{more} more"]
    return " and ".join(", ".join(names).rsplit(", ", 1))
