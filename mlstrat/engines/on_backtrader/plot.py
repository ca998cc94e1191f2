"""`plot`: Backtrader's own chart as a PNG, without a screen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import backtrader as bt

from mlstrat.errors import ConfigError, RunFolderError

_WIDTH_INCHES, _HEIGHT_INCHES = 16.0, 9.0


def plot(cerebro: bt.Cerebro, path: str | Path, *, dpi: int = 100, **scheme: Any) -> Path:
    """Write the chart of a finished run, of its first strategy where it has several, to a PNG file.

    Backtrader switches matplotlib to a window toolkit, counts days from another epoch than matplotlib,
    and hides the labels of every time axis; here the figure is drawn off screen, ticks are labelled from
    the bars themselves, and the backend that was in use is restored.

    Parameters
    ----------
    cerebro : bt.Cerebro
        After `cerebro.run()`.
    path : str or Path
        Where the PNG goes.
    dpi : int
        Dots per inch of a 16 by 9 inch figure.
    **scheme
        Options of Backtrader's plot scheme, such as `style="candle"`.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ConfigError
        The run has not happened, or shows no bars.
    RunFolderError
        The file cannot be written.
    """
    import matplotlib

    path = Path(path)
    if not getattr(cerebro, "runstrats", None):
        raise ConfigError("there is nothing to plot: call cerebro.run() first.")
    before = matplotlib.get_backend()
    try:
        figures = _figures(cerebro, scheme)
    finally:
        matplotlib.use(before, force=True)
    if not figures:
        raise ConfigError("the run has no bars to plot: feed it some, with exactbars=False.")
    _save(figures, path, dpi)
    return path


def _figures(cerebro: bt.Cerebro, scheme: dict[str, Any]) -> list[Any]:
    import backtrader.plot
    import matplotlib

    matplotlib.use("Agg", force=True)

    class OffScreen(backtrader.plot.Plot):  # type: ignore[misc]
        def setlocators(self, ax: Any) -> None:
            _label_by_bar(ax, self.pinf.xreal)

        def show(self) -> None:
            pass

    drawn = cerebro.plot(plotter=OffScreen(**scheme), iplot=False) or []
    return [figure for figures in drawn if figures for figure in figures]


def _label_by_bar(ax: Any, dates: Sequence[float]) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    days = dates[-1] - dates[0]
    form = "%Y-%m-%d" if days > 30 else "%Y-%m-%d %H:%M"

    def label(x: float, _position: int) -> str:
        bar = round(x)
        return bt.num2date(dates[bar]).strftime(form) if 0 <= bar < len(dates) else ""

    ax.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True))
    ax.xaxis.set_major_formatter(FuncFormatter(label))


def _save(figures: Sequence[Any], path: Path, dpi: int) -> None:
    import matplotlib.pyplot as plt

    figure = figures[0]
    figure.set_size_inches(_WIDTH_INCHES, _HEIGHT_INCHES)
    bottom = min(figure.axes, key=lambda ax: ax.get_position().y0)
    bottom.tick_params(axis="x", labelbottom=True)
    try:
        figure.savefig(path, dpi=dpi, bbox_inches="tight", format="png")
    except OSError as error:
        reason = error.strerror or str(error)
        raise RunFolderError(
            f"{path} cannot be written ({reason}): give a path in a folder that exists and can be written."
        ) from error
    finally:
        for drawn in figures:
            plt.close(drawn)
