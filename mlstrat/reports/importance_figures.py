"""The figures of an importance: bars with their errors, and the importance of each fold."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.importance_result import Importance
from mlstrat.reports.canvas import ACCENT, FONT_SIZE, INK, MUTED, SECOND, SOFT, drawing, svg
from mlstrat.reports.figures import NARROW, WIDE
from mlstrat.reports.wording import day, number

SHOWN = 20
UNIT = 1e5  # importances are shown in hundred-thousandths of a nat a bar
_ROW = 25
_NAMES = 190
_NAMES_NARROW = 146
_SMALL = FONT_SIZE - 1
_LEAST_CELL = 34  # pixels that the number in a cell needs
# Stand-in colours of the canvas as they are on white paper, for a picture without a page around it.
_PAPER = {"ink": INK, "muted": "#5b646e", "line": "#e2e5e8", "accent": "#1f5a99", "second": "#a3540f"}
_PAPER_SOFT = "#dfe8f3"


def bars(importance: Importance, width: int) -> str:
    """Draw the most important features with two standard errors and the noise level, impurity beside them.

    Parameters
    ----------
    importance : Importance
        What to draw.
    width : int
        Width in CSS pixels; impurity is left out where it is small.
    """
    shown = importance.order[:SHOWN]
    with drawing(width, _height(len(shown))) as figure:
        _draw_bars(figure, importance, shown, width, (ACCENT, SOFT, SECOND, MUTED))
        return svg(figure, f"importance{width}")


def bars_png(importance: Importance) -> bytes:
    """Return the same drawing as a PNG on white paper."""
    import io

    shown, buffer = importance.order[:SHOWN], io.BytesIO()
    colours = (_PAPER["accent"], _PAPER_SOFT, _PAPER["second"], _PAPER["muted"])
    with drawing(WIDE, _height(len(shown))) as figure:
        _draw_bars(figure, importance, shown, WIDE, colours)
        for axes in figure.axes:
            axes.grid(color=_PAPER["line"])
            axes.tick_params(axis="x", colors=_PAPER["muted"])
        figure.savefig(buffer, format="png", dpi=144, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()


def _height(rows: int) -> int:
    return _ROW * rows + 46


def _draw_bars(
    figure: Any, importance: Importance, shown: IntArray, width: int, colours: tuple[str, ...]
) -> None:
    small = width <= NARROW
    names = (_NAMES_NARROW if small else _NAMES) / width
    foot, tall = 42 / _height(len(shown)), 1 - 46 / _height(len(shown))
    accent, soft, second, muted = colours
    y = np.arange(len(shown), dtype=np.float64)
    left = figure.add_axes((names, foot, (0.98 if small else 0.70) - names, tall))
    alone = importance.permutation
    above = alone.above_noise[shown]
    mean, error = UNIT * alone.mean[shown], 2.0 * UNIT * alone.standard_error[shown]
    left.barh(y, mean, height=0.62, color=np.where(above, accent, soft), linewidth=0)
    left.errorbar(mean, y, xerr=error, fmt="none", ecolor=muted, elinewidth=1.1, capsize=2.5)
    level = UNIT * alone.noise_level[shown]
    left.vlines(level, y - 0.42, y + 0.42, color=second, linewidth=1.8)
    left.axvline(0.0, color=muted, linewidth=0.9)
    for at, column in zip(y, shown, strict=True):
        left.text(
            -8 / (width * (0.98 - names if small else 0.70 - names)),
            at,
            importance.names[column],
            transform=left.get_yaxis_transform(),
            ha="right",
            va="center",
            fontsize=_SMALL if small else FONT_SIZE,
        )
    left.set_xlabel("log loss gained, 1/100,000 nat a bar" if small else _gained())
    _plain_rows(left, len(shown))
    if small:
        return
    right = figure.add_axes((0.76, foot, 0.23, tall))
    right.barh(y, 100.0 * importance.impurity[shown], height=0.62, color=muted, linewidth=0)
    right.set_xlabel("impurity share, %")
    _plain_rows(right, len(shown))


def _gained() -> str:
    return "log loss gained out of sample, in hundred-thousandths of a nat a bar"


def _plain_rows(axes: Any, rows: int) -> None:
    axes.set_ylim(rows - 0.4, -0.6)
    axes.set_yticks([])
    axes.grid(visible=True, axis="x")


def folds(importance: Importance, width: int) -> str:
    """Draw the importance of the same features in each fold: blue helps, orange harms."""
    shown = importance.order[:SHOWN]
    values = UNIT * importance.permutation.by_fold[:, shown].T
    small = width <= NARROW
    names = (_NAMES_NARROW if small else _NAMES) / width
    tall = _ROW * len(shown) + 30
    with drawing(width, tall) as figure:
        axes = figure.add_axes((names, 0.0, 1.0 - names, 1 - 28 / tall))
        cell = width * (1.0 - names) / values.shape[1]
        _draw_cells(axes, values, numbered=cell >= _LEAST_CELL, small=small)
        space = 8 / cell
        for at, column in enumerate(shown):
            size = _SMALL if small else FONT_SIZE
            axes.text(-space, at, importance.names[column], ha="right", va="center", fontsize=size)
        for at, fold in enumerate(importance.folds):
            told = f"{at + 1}" if small else f"from {day(fold.cut)}"
            axes.text(at + 0.5, -0.75, told, ha="center", va="bottom", color=MUTED, fontsize=_SMALL)
        axes.set(xlim=(0, values.shape[1]), ylim=(len(shown) - 0.5, -0.5))
        axes.set_axis_off()
        return svg(figure, f"folds{width}")


def _draw_cells(axes: Any, values: FloatArray, numbered: bool, small: bool) -> None:
    from matplotlib.patches import Rectangle

    # The 95 % quantile keeps one extreme fold from bleaching all other cells.
    full = float(np.quantile(np.abs(values), 0.95)) or 1.0
    for (row, fold), value in np.ndenumerate(values):
        colour = ACCENT if value > 0 else SECOND
        strength = 0.6 * min(abs(float(value)) / full, 1.0)
        axes.add_patch(
            Rectangle((fold + 0.02, row - 0.44), 0.96, 0.88, facecolor=colour, alpha=strength, linewidth=0)
        )
        if numbered:
            told = number(float(value), 0 if small else 1, signed=True)
            axes.text(fold + 0.5, row, told, ha="center", va="center", fontsize=_SMALL - small)
