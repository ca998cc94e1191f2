"""The QuantStats tear sheet, fed one clean daily return series."""

from __future__ import annotations

import html
import logging
import re
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.data.bars import Bars
from mlstrat.errors import MissingExtraError
from mlstrat.execution.types import Result
from mlstrat.files import write_bytes
from mlstrat.reports.baselines import constant_weight, held_equity

if TYPE_CHECKING:
    import pandas as pd

FILE_NAME = "quantstats.html"
_ALWAYS_OPEN, _EXCHANGE = 365, 252
# QuantStats links its icon on the web: opening the page would ask for it.
_BODY = re.compile(r"<body[^>]*>")
_ICON = re.compile(r'<link rel="shortcut icon"[^>]*>')


def write(folder: Path, result: Result, bars: Bars, said: str = "") -> Path | None:
    """Write `quantstats.html` into the run folder, with buy and hold of the same bars as the benchmark.

    Parameters
    ----------
    folder : Path
        An existing folder.
    result : Result
        The strategy on the out-of-sample bars.
    bars : Bars
        The same bars.
    said : str
        The verdict, which stands before all numbers of the page.

    Returns
    -------
    Path or None
        The page; None where equity or the market never moves or there are fewer than 3 days, which
        QuantStats cannot draw; a page of an earlier run is then removed.

    Raises
    ------
    MissingExtraError
        QuantStats is not installed.
    RunFolderError
        The folder cannot be written to.
    """
    path, cash = folder / FILE_NAME, result.rules.cash
    held = held_equity(bars, constant_weight(len(bars), 1.0), result.rules)
    returns = daily_returns(result.equity, bars, cash, "Strategy")
    benchmark = daily_returns(held, bars, cash, "Buy and hold")
    if len(returns) < 3 or returns.nunique() < 2 or benchmark.nunique() < 2:
        path.unlink(missing_ok=True)
        return None
    title = f"{bars.symbol} {bars.timeframe}: out of sample, costs included"
    page = _page(returns, benchmark, title, periods_per_year(bars))
    write_bytes(path, _told_first(_ICON.sub("", page), said).encode())
    return path


def _told_first(page: str, said: str) -> str:
    """Return the page with a sentence before its title."""
    style = "max-width: 60em; margin: 1em auto; padding: 0 1em"
    told = f'<p style="{style}">{html.escape(said)} <a href="report.html">report.html</a> says why.</p>'
    return _BODY.sub(lambda found: found.group() + told, page, count=1) if said else page


def daily_returns(equity: FloatArray, bars: Bars, cash: float, name: str) -> pd.Series:
    """Return the compounded return of each UTC day, by the day in which bars close.

    Parameters
    ----------
    equity : (n_bars,) float64
        Equity at each close.
    bars : Bars
        The same bars. A bar that closes at midnight belongs to the day that ends there; a day without
        a bar has no row, and its move belongs to the next day that has one.
    cash : float
        Equity before the first bar.
    name : str
        Name of the series.

    Returns
    -------
    pandas.Series
        Simple returns on a naive daily DatetimeIndex (UTC days).
    """
    import pandas as pd

    days = (bars.close_time - np.timedelta64(1, "ns")).astype("datetime64[D]")
    last = np.flatnonzero(np.r_[days[1:] != days[:-1], True])
    at_end = equity[last]
    returns = at_end / np.r_[cash, at_end[:-1]] - 1.0
    return pd.Series(returns, pd.DatetimeIndex(days[last].astype("datetime64[ns]")), name=name)


def periods_per_year(bars: Bars) -> int:
    """Daily returns in a year: 365 for a market that never closes, else 252; fewer for bars beyond a day."""
    if bars.timeframe.seconds > 86_400:
        return max(1, round(bars.bars_per_year))
    return _EXCHANGE if bars.closes else _ALWAYS_OPEN


def _page(returns: pd.Series, benchmark: pd.Series, title: str, per_year: int) -> str:
    with _quietly(), tempfile.TemporaryDirectory() as folder:
        output = Path(folder, FILE_NAME)
        _quantstats().reports.html(
            returns,
            benchmark=benchmark,
            rf=0.0,
            title=title,
            output=str(output),
            download_filename=FILE_NAME,
            periods_per_year=per_year,
            compounded=True,
            match_dates=False,
        )
        return output.read_text(encoding="utf-8")


def _quantstats() -> Any:
    try:
        import quantstats
    except ImportError as error:
        raise MissingExtraError("report", "quantstats", "the tear sheet") from error
    return quantstats


@contextmanager
def _quietly() -> Iterator[None]:
    """Draw without a window, keep font searches and chart warnings off the screen, close what was opened."""
    _quantstats()
    import matplotlib.pyplot as plt

    fonts = logging.getLogger("matplotlib.font_manager")
    level, backend, opened = fonts.level, plt.get_backend(), set(plt.get_fignums())
    fonts.setLevel(logging.ERROR + 1)
    plt.switch_backend("Agg")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for figure in set(plt.get_fignums()) - opened:
            plt.close(figure)
        plt.switch_backend(backend)
        fonts.setLevel(level)
