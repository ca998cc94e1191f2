"""The page of a sweep: what all columns came to, the best of them, and heat maps over any two keys."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.data.bars import Bars
from mlstrat.errors import MissingExtraError
from mlstrat.evidence.verdict import FEW_TRADES
from mlstrat.reports import wording
from mlstrat.reports.tables import Table
from mlstrat.reports.template import fill
from mlstrat.reports.wording import NO_VALUE, count, day, number, percent
from mlstrat.runfolder import Inputs
from mlstrat.sweep.judged import Judged
from mlstrat.sweep.measures import LOW
from mlstrat.sweep.page_evidence import evidence_table, tested_best
from mlstrat.sweep.result import Sweep

# Measures that the page offers: name, heading, whether it is a share, whether zero parts good from bad.
SHOWN = (
    ("sharpe", "Sharpe ratio", False, True),
    ("total_return", "Total return", True, True),
    ("max_drawdown", "Deepest drawdown", True, False),
    ("average_trade_share", "Average trade", True, True),
    ("profit_factor", "Profit factor", False, False),
    ("win_rate", "Win rate", True, False),
    ("trades", "Trades", False, False),
    ("exposure", "Time in the market", True, False),
)
_TEMPLATE = "sweep.html.j2"
_BEST = 10
_DIGITS = 5
_LEAST = 3  # neighbours whose median says something
_NO_TRADE = (
    'Lower signals.threshold, set kelly.shrink = "off" to look, or see what stopped the signals with mlstrat '
    "backtest."
)


def render(sweep: Sweep, judged: Judged, bars: Bars, inputs: Inputs) -> str:
    """Return the page as HTML; it stands alone and asks for nothing on the web.

    Parameters
    ----------
    sweep : Sweep
        What to show.
    judged : Judged
        The verdict on it.
    bars : Bars
        Those of the run from the first predicted one on.
    inputs : Inputs
        What the sweep was made from.

    Raises
    ------
    MissingExtraError
        jinja2 or plotly is not installed.
    """
    best, what = marked(sweep, judged)
    context = {
        "sweep": sweep,
        "bars": bars,
        "span": (day(bars.close_time[0]), day(bars.close_time[-1])),
        "verdict": verdict(sweep, judged.sentences),
        "headline": _headline(sweep, judged),
        "evidence": evidence_table(judged),
        "tested": tested_best(sweep, judged),
        "best": best_table(sweep),
        "keys": _keys_table(sweep),
        "facts": _facts(inputs),
        "marked": what,
        "data": _data(sweep, best),
        "plotly": _plotly(),
        "word": wording,
    }
    return fill(_TEMPLATE, "the page of a sweep", **context)


def verdict(sweep: Sweep, judged: Sequence[str]) -> tuple[str, ...]:
    """Return what a reader should take away, in plain sentences: what the test says, then the columns."""
    n, sharpe = len(sweep), sweep.measure("sharpe")
    known = sharpe[~np.isnan(sharpe)]
    if not len(known):
        said = "The 1 column made no trade." if n == 1 else f"None of the {columns_of(n)} made a trade."
        return (said, _NO_TRADE)
    order, returns = ranked(sweep), sweep.measure("total_return")
    best, tested = order[0], "" if len(order) == len(known) else f" with {FEW_TRADES} trades or more"
    return (
        *judged,
        f"The best of {columns_of(len(order) if tested else n)}{tested} has a Sharpe ratio of "
        f"{number(sharpe[best])}; the median of all columns has {number(float(np.median(known)))}.",
        f"The best of {count(n)} is the best of {count(n)} {'try' if n == 1 else 'tries'}: it was chosen "
        "after its result was seen. Expect less of it on bars to come.",
        f"{percent(float(np.mean(returns > 0.0)))} of the columns end with a profit after costs"
        + (f"; {percent(float(np.mean(np.isnan(sharpe))))} made no trade." if len(known) < n else "."),
    )


def ranked(sweep: Sweep) -> IntArray:
    """Return the columns by their Sharpe ratios, the best first; only those with 30 trades where any has."""
    order = sweep.ranking()
    enough = order[sweep.measure("trades")[order] >= FEW_TRADES]
    return enough if len(enough) else order


def marked(sweep: Sweep, judged: Judged) -> tuple[int | None, str]:
    """Return the column that the histogram marks, and what it is: the best by the test, else by the Sharpe
    ratio; None where no column made a trade."""
    order = ranked(sweep)
    enough = len(order) and sweep.measure("trades")[order[0]] >= FEW_TRADES
    those = f", of those with {FEW_TRADES} trades or more (others may lie beyond)" if enough else ""
    if judged.evidence is not None and judged.evidence.best >= 0:
        return judged.evidence.best, f"the column that the test found best{those}"
    return (int(order[0]) if len(order) else None), f"the column with the best Sharpe ratio{those}"


def columns_of(n: int) -> str:
    """Return a number of columns in words."""
    return f"{count(n)} column{'' if n == 1 else 's'}"


def best_table(sweep: Sweep, rows: int = _BEST) -> Table:
    """Return the columns with the best Sharpe ratios, with the median of their neighbours on the grid.

    Of columns with the very same numbers, as where a limit never binds, the first one stands for all. Those
    with fewer than 30 trades are left out where any has as many.
    """
    keys, order = sweep.grid.keys, _different(sweep, ranked(sweep))[:rows]
    head = (*keys, "Sharpe", "Neighbours", "Return", "Drawdown", "Trades", "Win rate")
    near = neighbours(sweep.measure("sharpe"), sweep.grid.shape, order)
    body = []
    for column, median in zip(order, near, strict=True):
        settings = sweep.grid.settings(int(column))
        said = {name: sweep.measure(name)[column] for name, *_ in SHOWN}
        body.append(
            (
                *(text_of(settings[key]) for key in keys),
                number(said["sharpe"]),
                number(float(median)),
                percent(said["total_return"], 2, signed=True),
                percent(said["max_drawdown"]),
                count(said["trades"]),
                percent(said["win_rate"]),
            )
        )
    return Table(head, body, texts=len(keys))


def _different(sweep: Sweep, columns: IntArray) -> IntArray:
    """Return the first of each set of columns with the same numbers, in the given order."""
    _, first = np.unique(sweep.table[columns], axis=0, return_index=True, equal_nan=True)
    return columns[np.sort(first)]


def neighbours(value: FloatArray, shape: tuple[int, ...], columns: Any) -> FloatArray:
    """Return for each column the median of those one step away along one key; NaN where fewer than three
    of them have a value."""
    cube, found = value.reshape(shape), np.full(len(columns), np.nan)
    for row, column in enumerate(columns):
        place, near = np.unravel_index(int(column), shape), []
        for axis, size in enumerate(shape):
            for at in (place[axis] - 1, place[axis] + 1):
                if 0 <= at < size:
                    near.append(cube[(*place[:axis], at, *place[axis + 1 :])])
        known = [v for v in near if not np.isnan(v)]
        if len(known) >= _LEAST:
            found[row] = np.median(known)
    return found


def text_of(value: Any) -> str:
    """Return a value of a grid as people write it."""
    if isinstance(value, tuple):
        return ", ".join(map(text_of, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _headline(sweep: Sweep, judged: Judged) -> list[tuple[str, str, str]]:
    sharpe, returns = sweep.measure("sharpe"), sweep.measure("total_return")
    known = sharpe[~np.isnan(sharpe)]
    quarter = np.quantile(known, (0.25, 0.75)) if len(known) else (np.nan, np.nan)
    apart = len(_different(sweep, np.arange(len(sweep))))
    p = judged.evidence.p if judged.evidence else math.nan
    return [
        ("SPA p-value", number(p, 3), "an edge is said up to 0.05"),
        (
            "Median Sharpe ratio",
            number(float(np.median(known))) if len(known) else NO_VALUE,
            f"half of all between {number(quarter[0])} and {number(quarter[1])}",
        ),
        (
            "Median return",
            percent(float(np.median(returns)), 2, signed=True),
            f"highest {percent(float(returns.max()), 2, signed=True)}, after costs",
        ),
        ("Columns", count(len(sweep)), f"{count(apart)} of them with numbers of their own"),
    ]


def _keys_table(sweep: Sweep) -> Table:
    """Return the median Sharpe ratio at each value of each key."""
    sharpe, body = sweep.measure("sharpe").reshape(sweep.grid.shape), []
    for axis, (key, values) in enumerate(zip(sweep.grid.keys, sweep.grid.values, strict=True)):
        for place, value in enumerate(values):
            part = np.take(sharpe, place, axis).ravel()
            known = part[~np.isnan(part)]
            row = (number(f(known)) if len(known) else NO_VALUE for f in (np.median, np.min, np.max))
            body.append((key if place == 0 else "", text_of(value), *row, count(len(known))))
    return Table(
        ("Setting", "Value", "Median Sharpe", "Lowest", "Highest", "Columns with trades"), body, texts=2
    )


def _facts(inputs: Inputs) -> list[tuple[str, str]]:
    return [
        ("Data SHA-256", inputs.data_sha256),
        ("Headlines SHA-256", inputs.sentiment_sha256),
        ("Code SHA-256", inputs.code_sha256),
        *((f"Version of {name}", version) for name, version in sorted(inputs.versions.items())),
    ]


def _data(sweep: Sweep, best: int | None) -> str:
    """Return what the page's script draws from, safe inside a script element."""
    content = {
        "keys": list(sweep.grid.keys),
        "values": [[text_of(value) for value in values] for values in sweep.grid.values],
        "measures": [
            {"name": name, "title": title, "share": share, "signed": signed, "low": name in LOW}
            for name, title, share, signed in SHOWN
        ],
        "columns": {name: [_short(v) for v in sweep.measure(name)] for name, *_ in SHOWN},
        "best": best,
    }
    return json.dumps(content, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _short(value: float) -> float | None:
    return None if np.isnan(value) else float(f"{value:.{_DIGITS}g}")


def _plotly() -> str:
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise MissingExtraError("report", "plotly", "the page of a sweep") from error
    return str(get_plotlyjs())
