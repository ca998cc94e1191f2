"""The canvas of the figures: matplotlib without pyplot, as inline SVG in the colours of the page."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mlstrat.errors import MissingExtraError

# Stand-ins that matplotlib writes and `svg` swaps for CSS variables: one drawing fits light and dark.
_COLOURS = {
    "#000101": "ink",
    "#000202": "muted",
    "#000303": "line",
    "#000404": "accent",
    "#000505": "second",
    "#000606": "third",
    "#000707": "soft",
}
INK, MUTED, LINE, ACCENT, SECOND, THIRD, SOFT = _COLOURS
FONT_SIZE = 12.0
_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": FONT_SIZE,
    "svg.fonttype": "none",
    "svg.hashsalt": "mlstrat",
    "axes.edgecolor": LINE,
    "axes.facecolor": "none",
    "axes.labelcolor": MUTED,
    "axes.labelsize": FONT_SIZE - 1,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.unicode_minus": True,
    "figure.facecolor": "none",
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": FONT_SIZE - 1,
    "ytick.labelsize": FONT_SIZE - 1,
    "xtick.major.size": 0.0,
    "ytick.major.size": 0.0,
    "lines.solid_capstyle": "round",
}
# One point of the drawing is one unit of the SVG, which the page shows as one CSS pixel.
_DPI = 72.0


@contextmanager
def drawing(width: int, height: int) -> Iterator[Any]:
    """Yield an empty matplotlib Figure of this size in CSS pixels, under the house style.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("report", "matplotlib", "the report's figures") from error
    with matplotlib.rc_context(_STYLE):
        yield Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)


def svg(figure: Any, name: str) -> str:
    """Return the figure as an `<svg>` element for inlining: no header, no metadata, no web address.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Drawn inside `drawing`.
    name : str
        Prefix of the element ids, unique on the page.
    """
    buffer = io.StringIO()
    no_metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(buffer, format="svg", metadata=no_metadata, transparent=True)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", text)
    text = re.sub(r'\s(width|height)="[\d.]+pt"', "", text, count=2)
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    text = re.sub(r"'DejaVu Sans'(, [^;\"]*)?", "var(--font)", text)
    for stand_in, variable in _COLOURS.items():
        text = text.replace(stand_in, f"var(--{variable})")
    return text.replace("<svg", '<svg aria-hidden="true" focusable="false"', 1)


def percent_axis(axis: Any) -> None:
    """Label an axis in percent, with few ticks."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{share * 100:.4g}\u00a0%".replace("-", "−")))


def plain_axis(axis: Any) -> None:
    """Label an axis with signed plain numbers."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(5))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+.4g}".replace("-", "−")))


def date_axis(axis: Any, ticks: int) -> None:
    """Label an axis with at most so many dates, years written once."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=2, maxticks=ticks)
    axis.set_major_locator(locator)
    axis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))
