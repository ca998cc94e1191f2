"""One Pine strategy, run bar by bar by PyneCore, offline."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.data.bars import Bars
from mlstrat.data.timeframe import Timeframe
from mlstrat.errors import PineError
from mlstrat.execution.types import RiskRules

if TYPE_CHECKING:
    from pynecore.core.syminfo import SymInfo

_DAY, _WEEK = 86_400, 604_800
# Bars between two calls of whoever is told of them.
_TOLD_EVERY = 500


@dataclass(frozen=True)
class Run:
    """What PyneCore made of a strategy.

    Parameters
    ----------
    plots : list of dict
        What the script plotted at each bar, by title.
    closed, open : list
        PyneCore's own trades, in order of exit and of entry.
    """

    plots: list[dict[str, Any]]
    closed: list[Any]
    open: list[Any]

    def column(self, title: str) -> FloatArray:
        """Return (n_bars,) what was plotted under a title; na, and what is not there, is NaN."""
        return np.array([float(plotted.get(title, np.nan)) for plotted in self.plots])


def run_strategy(
    script: str,
    bars: Bars,
    rules: RiskRules,
    folder: Path,
    libraries: Mapping[str, str] | None = None,
    told: Callable[[int], None] = lambda done: None,
) -> Run:
    """Compile a Pine strategy into the folder and run it over the bars.

    Parameters
    ----------
    script : str
        Pine v6.
    bars : Bars
        What the chart shows.
    rules : RiskRules
        Price and quantity grid of the chart's symbol.
    folder : Path
        Where the compiled script is written.
    libraries : mapping, optional
        Pine libraries that the script imports, by name; they are known while it runs, and not afterwards.
    told : callable
        Told now and then how many bars are done.
    """
    from pynecore.core.script_runner import ScriptRunner
    from pynecore.types.ohlcv import OHLCV

    path = folder / "strategy.py"
    libraries = libraries or {}
    for name, text in {**libraries, path.stem: script}.items():
        _compile(text, folder / f"{name}.py")
    rows = [OHLCV(round(row[5] * 1000.0), *row[:5]) for row in bars.matrix.tolist()]
    plots: list[dict[str, Any]] = []
    closed: list[Any] = []
    with _importable(folder, libraries):
        runner = ScriptRunner(path, rows, _symbol(bars, rules), lossless_prices=True, lossless_volume=True)
        for _, plotted, trades in runner.run_iter():
            plots.append(plotted)
            closed += trades
            if len(plots) % _TOLD_EVERY == 0:
                told(len(plots))
    return Run(plots, closed, list(runner.script.position.open_trades))


def _compile(script: str, path: Path) -> None:
    from pine2pyne import transpile
    from pine2pyne.errors import Pine2PyneError, SemanticWarning

    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a warning of the compiler means text that it did not understand
        try:
            path.write_text(transpile(script), encoding="utf-8")
        except (Pine2PyneError, SemanticWarning) as error:
            first = str(error).strip().splitlines()[0]
            raise PineError(
                f"the compiler of Pine refuses the script ({first}): do not use it, and report the settings "
                "of the run."
            ) from error


@contextmanager
def _importable(folder: Path, names: Mapping[str, str]) -> Iterator[None]:
    """Let modules of the folder be imported; afterwards nothing of them is left in this process."""
    from pynecore.core import script as registry

    known, place = len(registry._registered_libraries), str(folder)
    sys.path.insert(0, place)
    try:
        yield
    finally:
        sys.path.remove(place)
        # PyneCore would run a library that it still knows at every bar of the next script.
        del registry._registered_libraries[known:]
        for name in names:
            sys.modules.pop(name, None)


def _symbol(bars: Bars, rules: RiskRules) -> SymInfo:
    """Return the chart's symbol: the rules' grids, trading around the clock, so that no bar is hidden."""
    from pynecore.core.syminfo import SymInfo, SymInfoInterval, SymInfoSession

    week, first, last = range(7), time(0), time(23, 59, 59)
    return SymInfo(
        prefix="MLSTRAT",
        description=bars.symbol,
        ticker=bars.symbol,
        currency="USD",
        period=pine_period(bars.timeframe),
        type="crypto",
        mintick=rules.tick,
        pricescale=1 if rules.tick >= 1.0 else round(1.0 / rules.tick),
        minmove=round(rules.tick) if rules.tick >= 1.0 else 1,
        pointvalue=1.0,
        mincontract=min(rules.step, 1.0),
        timezone="Etc/UTC",
        opening_hours=[SymInfoInterval(day=day, start=first, end=last) for day in week],
        session_starts=[SymInfoSession(day=day, time=first) for day in week],
        session_ends=[SymInfoSession(day=day, time=last) for day in week],
    )


def pine_period(timeframe: Timeframe) -> str:
    """Return the bar length as Pine writes it: minutes as a number, days with D, weeks with W."""
    seconds = timeframe.seconds
    if seconds % _WEEK == 0:
        return f"{seconds // _WEEK}W"
    if seconds % _DAY == 0:
        return f"{seconds // _DAY}D"
    return str(seconds // 60)
