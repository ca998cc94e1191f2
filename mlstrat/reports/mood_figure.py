"""The figure of a run's sentiment under its price: what the headlines said, and where they said nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlstrat.arrays import BoolArray, FloatArray, IntArray, TimeArray
from mlstrat.data.bars import Bars
from mlstrat.reports.canvas import (
    ACCENT,
    FONT_SIZE,
    INK,
    LINE,
    MUTED,
    SECOND,
    THIRD,
    date_axis,
    drawing,
    svg,
)
from mlstrat.sentiment.align import SentimentSeries
from mlstrat.sentiment.coverage import coverage

_SMALL_BELOW = 600
_HEIGHT = 440
# Confidence is shown in so many steps of opacity, each one path of the drawing, and never as nothing.
_STEPS, _FAINTEST = 4, 0.35
_LEAST_SCORE = 0.25
# Narrower days than this would only make the page heavier.
_PIXELS_A_DAY = 2
# A stretch of unknown months gets its word where it is at least so wide.
_WORD_WIDTH = 70
# What is shown before and after the months with headlines, as a share of them, and at least.
_MARGIN, _LEAST_MARGIN = 0.2, np.timedelta64(45, "D")


@dataclass(frozen=True, eq=False)
class Drawn:
    """What is drawn: one row a day, or a run of days where there is no room for all.

    `edge` has one more row: where the run begins, and at last where the last one ends.
    """

    edge: TimeArray
    price: FloatArray
    score: FloatArray
    confidence: FloatArray
    count: IntArray
    shock: BoolArray


def reduced(bars: Bars, mood: SentimentSeries, most: int) -> Drawn:
    """Take the last bar of each UTC day, and join days where they are more than `most`.

    A run of days has its last close, the mean score weighted by confidence, the mean confidence, the largest
    count, and a shock if one of its bars has one.
    """
    days = bars.time.astype("datetime64[D]")
    opening = np.r_[0, np.flatnonzero(days[1:] != days[:-1]) + 1]
    starts = np.unique(np.linspace(0, len(opening), min(len(opening), most), endpoint=False).astype(np.int64))
    last = np.r_[opening[1:] - 1, len(bars) - 1]
    trust = np.add.reduceat(mood.confidence[last], starts)
    leaning = np.add.reduceat(mood.score[last] * mood.confidence[last], starts)
    sizes = np.diff(np.r_[starts, len(opening)])
    return Drawn(
        edge=np.r_[bars.time[opening[starts]], bars.close_time[-1:]].astype("datetime64[s]"),
        price=bars.close[last[np.r_[starts[1:] - 1, len(opening) - 1]]],
        score=np.divide(leaning, trust, out=np.zeros(len(trust)), where=trust > 0),
        confidence=trust / sizes,
        count=np.maximum.reduceat(mood.count[last], starts),
        shock=np.logical_or.reduceat(mood.shock, opening[starts]),
    )


def sentiment(bars: Bars, mood: SentimentSeries, width: int) -> str:
    """Draw the price on a log scale, the score by sign and confidence, the counts, and the unknown months.

    Shown are the months with headlines and a part of those before and after.

    Parameters
    ----------
    bars : Bars
        What the report judges.
    mood : SentimentSeries
        Of the same bars.
    width : int
        Width in CSS pixels.
    """
    small = width < _SMALL_BELOW
    part = _shown(mood)
    bars, mood = bars[part], mood[part]
    drawn = reduced(bars, mood, width // _PIXELS_A_DAY)
    with drawing(width, _HEIGHT) as figure:
        top, middle, low = figure.subplots(3, 1, sharex=True, height_ratios=[1.7, 1.5, 0.7])
        figure.subplots_adjust(left=56 / width, right=1 - 8 / width, top=0.94, bottom=0.06, hspace=0.3)
        _price(top, drawn, bars)
        _score(middle, drawn, small)
        _counts(low, drawn, small)
        for axes in (top, middle, low):
            axes.set_xlim(drawn.edge[0], drawn.edge[-1])
        _unknown(figure, (top, middle, low), mood, drawn.edge)
        date_axis(low.xaxis, 5 if small else 9)
        low.tick_params(axis="x", pad=7)
        return svg(figure, f"sentiment{width}")


def _shown(mood: SentimentSeries) -> slice:
    """Return the bars of the months from the first to the last with known sentiment, and some around."""
    days = mood.time.astype("datetime64[D]")
    months, share = coverage(mood)
    known = months[share > 0]
    if not len(known):
        return slice(0, len(mood))
    start, end = known[0].astype("datetime64[D]"), (known[-1] + 1).astype("datetime64[D]")
    margin = np.maximum(_LEAST_MARGIN, (_MARGIN * (end - start)).astype("timedelta64[D]"))
    return slice(*np.searchsorted(days, [start - margin, end + margin]).tolist())


def _price(axes: Any, drawn: Drawn, bars: Bars) -> None:
    from matplotlib.ticker import FuncFormatter, NullLocator

    axes.set_yscale("log")
    axes.plot(drawn.edge[1:], drawn.price, color=INK, linewidth=1.2)
    axes.yaxis.set_major_locator(_price_ticks(float(drawn.price.max() / drawn.price.min())))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    _title(axes, f"{bars.symbol}, log scale")


def _price_ticks(ratio: float) -> Any:
    """Return a locator for this ratio of highest to lowest price: three to six prices, all round ones."""
    from matplotlib.ticker import LogLocator, MaxNLocator

    if ratio < 3.0:
        return MaxNLocator(4)
    return LogLocator(subs=(1.0, 2.0, 3.0, 5.0) if ratio < 30.0 else (1.0,))


def _score(axes: Any, drawn: Drawn, small: bool) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    level = np.ceil(drawn.confidence / max(float(drawn.confidence.max()), 1e-9) * _STEPS)
    reach = max(_LEAST_SCORE, 1.15 * float(np.abs(drawn.score).max()))
    for colour, side in ((ACCENT, drawn.score > 0), (SECOND, drawn.score < 0)):
        for step in range(1, _STEPS + 1):
            opacity = _FAINTEST + (1 - _FAINTEST) * (step - 1) / (_STEPS - 1)
            _bars(axes, drawn, np.flatnonzero(side & (level == step)), drawn.score, colour, opacity)
    shocked = drawn.edge[:-1][drawn.shock]
    axes.plot(
        shocked, np.full(len(shocked), 0.92 * reach), color=THIRD, marker="v", markersize=5, linewidth=0
    )
    axes.axhline(0.0, color=MUTED, linewidth=0.8)
    axes.set_ylim(-reach, reach)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _signed(value)))
    _title(
        axes,
        "Sentiment, paler where less sure" + ("" if small else "; ▼ news unlike that of the days before"),
    )


def _counts(axes: Any, drawn: Drawn, small: bool) -> None:
    from matplotlib.ticker import MaxNLocator

    _bars(axes, drawn, np.flatnonzero(drawn.count), drawn.count, MUTED, 0.6)
    axes.set_ylim(0, 1.05 * max(1, int(drawn.count.max())))
    axes.yaxis.set_major_locator(MaxNLocator(2, integer=True))
    _title(axes, "Headlines" if small else "Headlines that count at the time")


def _bars(axes: Any, drawn: Drawn, rows: IntArray, height: Any, colour: str, opacity: float) -> None:
    """Draw bars from zero as one path: hundreds of elements would make the page heavy."""
    from matplotlib.dates import date2num
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    if not len(rows):
        return
    edge = date2num(drawn.edge)
    left, right, tip, zero = edge[rows], edge[rows + 1], height[rows], np.zeros(len(rows))
    corners = [(left, zero), (left, tip), (right, tip), (right, zero), (left, zero)]
    points = np.stack([np.column_stack(corner) for corner in corners], axis=1).reshape(-1, 2)
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY] * len(rows)
    axes.add_patch(PathPatch(Path(points, codes), facecolor=colour, linewidth=0, alpha=opacity))


def _unknown(figure: Any, panels: tuple[Any, ...], mood: SentimentSeries, edge: TimeArray) -> None:
    """Shade the months of which nothing is known, and write so where there is room."""
    months, share = coverage(mood)
    silent = months[share == 0.0]
    runs = np.split(silent, np.flatnonzero(np.diff(silent.astype(np.int64)) > 1) + 1)
    width = figure.get_figwidth() * figure.dpi
    for run in (run for run in runs if len(run)):
        start = np.maximum(run[0].astype("datetime64[s]"), edge[0])
        end = np.minimum((run[-1] + 1).astype("datetime64[s]"), edge[-1])
        for axes in panels:
            axes.axvspan(start, end, color=LINE, alpha=0.55, linewidth=0, zorder=0)
        if (end - start) / (edge[-1] - edge[0]) * width >= _WORD_WIDTH:
            middle = start + (end - start) // 2
            panels[1].annotate(
                "unknown",
                (middle, 0.0),
                xytext=(0, 6),
                textcoords="offset points",
                ha="center",
                color=MUTED,
                fontsize=FONT_SIZE - 1,
            )


def _signed(value: float) -> str:
    return f"{value:+.4g}".replace("-", "−") if value else "0"


def _title(axes: Any, text: str) -> None:
    axes.set_title(text, loc="left", fontsize=FONT_SIZE - 1, color=MUTED)
