"""The figures of the evidence: what luck draws and where the run stands, and the decay of its score."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.reports.canvas import (
    ACCENT,
    FONT_SIZE,
    MUTED,
    SECOND,
    SOFT,
    drawing,
    percent_axis,
    plain_axis,
    svg,
)
from mlstrat.reports.evidence_numbers import RunEvidence

if TYPE_CHECKING:
    from mlstrat.evidence import InformationCoefficient

_HALF_WIDTH = 460
_BINS = 40


def luck(drawn: FloatArray, own: float, label: str, name: str, width: int) -> str:
    """Draw a histogram of random draws, and a line where the run itself stands.

    Parameters
    ----------
    drawn : (draws,) float64
        Shares.
    own : float
        The run's own.
    label : str
        What the axis counts.
    name : str
        Prefix of the element ids.
    width : int
        Width in CSS pixels.
    """
    size = min(width, _HALF_WIDTH)
    counts, edges = np.histogram(drawn, bins=_BINS, range=_reach(np.r_[drawn, own]))
    with drawing(size, int(0.5 * size)) as figure:
        axes = figure.add_axes((0.02, 0.24, 0.96, 0.66))
        axes.stairs(counts, edges, fill=True, color=SOFT)
        axes.stairs(counts, edges, color=ACCENT, linewidth=1.0)
        axes.axvline(own, color=SECOND, linewidth=2.0)
        right = own > 0.5 * (edges[0] + edges[-1])
        axes.annotate(
            "this run",
            (own, 1.0),
            xycoords=axes.get_xaxis_transform(),
            xytext=(-5 if right else 5, -2),
            textcoords="offset points",
            ha="right" if right else "left",
            va="top",
            color=SECOND,
        )
        axes.set_ylim(0.0, 1.25 * max(float(counts.max()), 1.0))
        axes.set_xlim(float(edges[0]), float(edges[-1]))
        axes.set_yticks([])
        axes.grid(False)
        axes.set_xlabel(label)
        percent_axis(axes.xaxis)
        return svg(figure, f"{name}{width}")


def _reach(values: FloatArray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    room = 0.04 * (high - low) or 0.001
    return low - room, high + room


def decay(ic: InformationCoefficient, ahead: int, width: int) -> str:
    """Draw the rank correlation at each horizon with its interval; the horizons stand at equal distances.

    The label horizon of the models, `ahead` bars, is marked where it lies among them.
    """
    height = 250
    at = np.arange(len(ic.horizons), dtype=np.float64)
    with drawing(width, height) as figure:
        axes = figure.add_axes((58 / width, 0.2, 1 - 66 / width, 0.76))
        axes.axhline(0.0, color=MUTED, linewidth=1.0)
        spread = np.array([ic.ic - ic.low, ic.high - ic.ic])
        axes.errorbar(
            at, ic.ic, yerr=spread, color=ACCENT, marker="o", markersize=6, linewidth=1.4, capsize=4
        )
        if ic.horizons[0] <= ahead <= ic.horizons[-1]:
            place = float(np.interp(np.log(ahead), np.log(ic.horizons), at))
            axes.axvline(place, color=SECOND, linewidth=1.2, linestyle=(0, (1, 1.5)))
            axes.annotate(
                "what the models learn",
                (place, 1.0),
                xycoords=axes.get_xaxis_transform(),
                xytext=(5, -2),
                textcoords="offset points",
                va="top",
                color=SECOND,
                fontsize=FONT_SIZE - 1,
            )
        axes.set_xticks(at, [str(h) for h in ic.horizons])
        axes.set_xlim(-0.4, len(at) - 0.6)
        axes.margins(y=0.15)
        axes.grid(False, axis="x")
        axes.set(xlabel="bars ahead", ylabel="rank correlation")
        plain_axis(axes.yaxis)
        return svg(figure, f"decay{width}")


def drawers(evidence: RunEvidence, ahead: int) -> dict[str, Callable[[int], str]]:
    """Return what draws each figure at a width; none where there is nothing to draw."""
    made: dict[str, Any] = {}
    order, entry, ic = evidence.order, evidence.entry, evidence.decay
    if np.isfinite(order.drawdown):
        label = "deepest drawdown between trades"
        made["order"] = lambda width: luck(order.drawn, order.drawdown, label, "order", width)
    if entry is not None and np.isfinite(entry.p):
        profit = "mean profit of a trade after costs"
        made["entry"] = lambda width: luck(entry.drawn, entry.mean_profit, profit, "entry", width)
    if ic.peak is not None:
        made["decay"] = lambda width: decay(ic, ahead, width)
    return made
