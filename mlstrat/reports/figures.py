"""The figures of the report. Each takes the width in CSS pixels at which it is shown, so that its text
keeps its size on a phone, and returns an inline `<svg>`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from mlstrat.arrays import FloatArray, IntArray, TimeArray
from mlstrat.execution.metrics import drawdown
from mlstrat.models.scores import Reliability
from mlstrat.reports.baselines import Baseline
from mlstrat.reports.canvas import (
    ACCENT,
    FONT_SIZE,
    INK,
    MUTED,
    SECOND,
    SOFT,
    THIRD,
    date_axis,
    drawing,
    percent_axis,
    plain_axis,
    svg,
)
from mlstrat.reports.numbers import FoldRow
from mlstrat.reports.wording import count, percent

WIDE, NARROW = 960, 340
_SMALL_BELOW = 600
_HALF_WIDTH = 460

_LABEL_SPACE = 200
_STYLES: tuple[tuple[str, Any, float], ...] = (
    (ACCENT, "-", 2.0),
    (SECOND, (0, (5, 2)), 1.5),
    (THIRD, (0, (1, 1.5)), 1.7),
)


class _Curve(NamedTuple):
    label: str
    growth: FloatArray
    below: FloatArray
    colour: str
    dash: Any
    thickness: float


def equity(
    close_time: TimeArray, own: FloatArray, baselines: Sequence[Baseline], cash: float, width: int
) -> str:
    """Draw growth since the start against up to two baselines, with drawdown below.

    Parameters
    ----------
    close_time : (n_bars,) datetime64
        Close time of each bar, UTC.
    own : (n_bars,) float64
        The strategy's equity.
    baselines : sequence of Baseline
        Curves to compare with, on the same bars.
    cash : float
        Equity before the first bar.
    width : int
        Width in CSS pixels.
    """
    small = width < _SMALL_BELOW
    starts, ends = _chunks(len(close_time), width)
    when = close_time[ends]
    named = [("Strategy", own), *((base.name, base.equity) for base in baselines)]
    curves = [
        _curve(name, values, cash, starts, ends, style)
        for (name, values), style in zip(named, _STYLES, strict=False)
    ]
    with drawing(width, 420) as figure:
        top, low = figure.subplots(2, 1, sharex=True, height_ratios=[2.6, 1.0])
        figure.subplots_adjust(
            left=56 / width,
            right=1 - (8 if small else _LABEL_SPACE) / width,
            top=0.82 if small else 0.97,
            bottom=0.07,
            hspace=0.2,
        )
        for curve in curves:
            line = {"color": curve.colour, "linestyle": curve.dash}
            top.plot(when, curve.growth, linewidth=curve.thickness, **line)
            low.plot(when, curve.below, linewidth=0.7 * curve.thickness, **line)
        low.fill_between(when, curves[0].below, color=SOFT, linewidth=0)
        top.axhline(0.0, color=MUTED, linewidth=0.8)
        low.set_title("Below the highest point so far", loc="left", fontsize=FONT_SIZE - 1, color=MUTED)
        low.set_ylim(1.08 * min(-0.001, *(float(curve.below.min()) for curve in curves)), 0.0)
        top.margins(x=0)
        percent_axis(top.yaxis)
        percent_axis(low.yaxis)
        date_axis(low.xaxis, 5 if small else 9)
        (_labels_above if small else _labels_right)(top, curves)
        return svg(figure, f"equity{width}")


def funnel(steps: Sequence[tuple[str, int]], width: int) -> str:
    """Draw how many bars came through each step, on one scale, with counts and shares of all bars."""
    small = width < _SMALL_BELOW
    sizes = np.array([passed for _, passed in steps], np.float64)
    whole = max(float(sizes[0]), 1.0)
    at = np.arange(len(steps), dtype=np.float64)
    left = 0.0 if small else 190 / width
    with drawing(width, (44 if small else 30) * len(steps) + 6) as figure:
        axes = figure.add_axes((left, 0.0, 1.0 - left, 1.0))
        thickness = 0.26 if small else 0.56
        shown = np.where(sizes > 0, np.maximum(sizes, 0.002 * whole), 0.0)
        axes.barh(at, whole, height=thickness, color=SOFT, linewidth=0)
        axes.barh(at, shown, height=thickness, color=ACCENT, linewidth=0)
        for y, (name, passed) in zip(at, steps, strict=True):
            share = passed / whole
            counted = f"{count(passed)}  ({percent(share, 1 if share >= 0.01 or not passed else 2)})"
            if small:
                axes.text(0.0, y - 0.22, name, va="bottom", color=INK)
                axes.text(whole, y - 0.22, counted, va="bottom", ha="right", color=INK)
            else:
                axes.text(-0.015 * whole, y, name, va="center", ha="right", color=INK)
                axes.text(1.015 * whole, y, counted, va="center", color=INK)
        axes.set_xlim(0.0, whole * (1.0 if small else 1.26))
        axes.set_ylim(len(steps) - 0.5, -0.8 if small else -0.5)
        axes.set_axis_off()
        return svg(figure, f"funnel{width}")


def reliability(curve: Reliability, up_share: float, width: int) -> str:
    """Draw forecast against outcome with two binomial standard errors, and the line of perfect forecasts.

    The errors treat bars as independent; labels overlap, so the true ones are wider.
    """
    size = min(width, _HALF_WIDTH)
    error = 2.0 * np.sqrt(curve.share * (1.0 - curve.share) / curve.count)
    reach = np.r_[curve.prob, curve.share - error, curve.share + error, up_share]
    room = max(0.05 * float(np.ptp(reach)), 0.01)
    bounds = (max(float(reach.min()) - room, 0.0), min(float(reach.max()) + room, 1.0))
    note = {"ha": "right", "fontsize": FONT_SIZE - 1}
    with drawing(size, int(0.86 * size)) as figure:
        axes = figure.add_axes((62 / size, 0.13, 1 - 76 / size, 0.84))
        axes.plot(bounds, bounds, color=MUTED, linewidth=1.0, linestyle=(0, (4, 3)))
        axes.axhline(up_share, color=SECOND, linewidth=1.2, linestyle=(0, (1, 1.5)))
        axes.errorbar(
            curve.prob, curve.share, yerr=error, color=ACCENT, marker="o", markersize=5, linewidth=1.4
        )
        axes.text(bounds[1], up_share, "share of ups", color=SECOND, va="bottom", **note)
        axes.text(bounds[1] - 2 * room / 3, bounds[1], "perfect", color=MUTED, va="top", **note)
        axes.set(xlim=bounds, ylim=bounds, xlabel="forecast probability of up", ylabel="share that went up")
        percent_axis(axes.xaxis)
        percent_axis(axes.yaxis)
        return svg(figure, f"reliability{width}")


def skill(folds: Sequence[FoldRow], width: int) -> str:
    """Draw the log loss that each window gained over its base rate, summed over its bars.

    The sum keeps a window of few bars small; above zero the forecasts were better.
    """
    size = min(width, _HALF_WIDTH)
    gain = np.array([row.scored * (row.base_log_loss - row.log_loss) for row in folds])
    when = np.array([row.valid_from for row in folds], "datetime64[ns]")
    reach = float(np.max(np.abs(gain), initial=0.0)) or 0.01
    with drawing(size, int(0.86 * size)) as figure:
        axes = figure.add_axes((66 / size, 0.13, 1 - 80 / size, 0.84))
        axes.axhline(0.0, color=MUTED, linewidth=1.0)
        axes.vlines(when, 0.0, gain, color=SOFT, linewidth=5.0)
        axes.plot(when, gain, color=ACCENT, marker="o", markersize=6, linewidth=0.0)
        axes.set_ylim(-1.3 * reach, 1.3 * reach)
        note = {"transform": axes.transAxes, "ha": "right", "color": MUTED, "fontsize": FONT_SIZE - 1}
        axes.text(1.0, 0.985, "better than the base rate", va="top", **note)
        axes.text(1.0, 0.015, "worse", va="bottom", **note)
        axes.set_ylabel("log loss gained (nats, summed)")
        axes.margins(x=0.08)
        plain_axis(axes.yaxis)
        date_axis(axes.xaxis, 5)
        return svg(figure, f"skill{width}")


def _chunks(n: int, most: int) -> tuple[IntArray, IntArray]:
    """First and last index of runs of bars, at most one a pixel: more would only make the page heavier."""
    starts = np.unique(np.linspace(0, n, min(n, most), endpoint=False).astype(np.int64))
    return starts, np.r_[starts[1:] - 1, n - 1]


def _curve(
    name: str,
    values: FloatArray,
    cash: float,
    starts: IntArray,
    ends: IntArray,
    style: tuple[str, Any, float],
) -> _Curve:
    growth = values[ends] / cash - 1.0
    below = -np.maximum.reduceat(drawdown(values, cash), starts)
    return _Curve(f"{name} {percent(float(growth[-1]), signed=True)}", growth, below, *style)


def _labels_right(axes: Any, curves: Sequence[_Curve]) -> None:
    """Write each label beside the end of its curve, moved up where the one below is too near."""
    bottom, top = axes.get_ylim()
    line = (top - bottom) * 0.075
    lowest = bottom + 0.4 * line
    for curve in sorted(curves, key=lambda each: each.growth[-1]):
        height = max(float(curve.growth[-1]), lowest)
        axes.annotate(
            curve.label,
            (1.0, height),
            xycoords=axes.get_yaxis_transform(),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            color=curve.colour,
            annotation_clip=False,
        )
        lowest = height + line
    axes.set_ylim(bottom, top)


def _labels_above(axes: Any, curves: Sequence[_Curve]) -> None:
    """Write the labels in lines above the plot, where a phone has no room beside it."""
    for line, curve in enumerate(reversed(curves)):
        axes.annotate(
            curve.label,
            (0.0, 1.0),
            xycoords="axes fraction",
            xytext=(0, 8 + 1.5 * FONT_SIZE * line),
            textcoords="offset points",
            color=curve.colour,
        )
