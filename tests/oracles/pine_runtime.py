"""Pine twins as one script, and PyneCore to run it: offline, bar by bar, in double precision.

A twin is the body of a Pine v6 function: an expression, or lines that end in one. So it may name a value,
loop, or keep a `var`, and its names meet no others. Four laws, of TradingView and of PyneCore alike:

* What `?`, `and`, `or`, `if` and `for` may skip must not call `ta.*` or `math.sum`: these see only the bars
  on which they are called. Call them on lines of their own.
* Comparisons forgive 1e-10, whatever the unit of the price. `math.sign` does not: write
  `math.sign(top - bottom) == 0`.
* Running sums do not fall back to exactly 0 over a window of zeros, so a neutral value is chosen by the
  highest or lowest of the window, which are exact.
* `ta.stdev` subtracts squares: for prices, whose mean is large, sum squared distances in a loop.
"""

import math
import re
import warnings
from datetime import time
from pathlib import Path

import numpy as np

_STATEFUL = re.compile(r"\b(ta\.\w+|math\.sum)\b")
_SKIPS = re.compile(r"\?|\b(and|or)\b")


def script_of(twins: dict[str, str]) -> str:
    """Return an indicator that plots each twin under its name."""
    lines = ["//@version=6", 'indicator("twins")']
    for name, body in twins.items():
        lines += [f"{name}_twin() =>", *(f"    {line}" for line in body.split("\n"))]
        lines.append(f'plot({name}_twin(), "{name}")')
    return "\n".join(lines) + "\n"


def skipped_calls(body: str) -> list[str]:
    """Return the stateful calls that do not run on every bar.

    Stricter than Pine: nothing after the first `?`, `and` or `or` of a line may be one.
    """
    found: list[str] = []
    for line in body.split("\n"):
        skip = re.match(r"\s", line) or _SKIPS.search(line)
        if skip:
            found += _STATEFUL.findall(line[skip.start() :])
    return found


def compile_to(folder: Path, twins: dict[str, str]) -> Path:
    """Write the twins as a PyneCore script; what the compiler warns of is an error."""
    from pine2pyne import transpile

    path = folder / "twins.py"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path.write_text(transpile(script_of(twins)))
    return path


def run(script: Path, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Return what the script plots, by name, (n_bars,) float64 with NaN for na.

    `rows` is `Bars.matrix`; prices and volumes are taken as they are, not rounded to a tick.
    """
    from pynecore.core.script_runner import ScriptRunner
    from pynecore.types.ohlcv import OHLCV

    bars = [OHLCV(round(row[5] * 1000.0), *map(float, row[:5])) for row in rows]
    runner = ScriptRunner(script, bars, _symbol(), lossless_prices=True, lossless_volume=True)
    plots = [plot for _, plot in runner.run_iter()]
    columns = {name: np.array([float(plot[name]) for plot in plots]) for name in plots[0]}
    # An infinite number is na in Pine.
    return {name: np.where(np.isfinite(column), column, math.nan) for name, column in columns.items()}


def _symbol():
    from pynecore.core.syminfo import SymInfo, SymInfoInterval, SymInfoSession

    week, first, last = range(7), time(0), time(23, 59, 59)
    return SymInfo(
        prefix="T",
        description="T",
        ticker="T",
        currency="USD",
        period="60",
        type="crypto",
        mintick=0.01,
        pricescale=100,
        pointvalue=1.0,
        mincontract=1e-8,
        timezone="Etc/UTC",
        opening_hours=[SymInfoInterval(day=day, start=first, end=last) for day in week],
        session_starts=[SymInfoSession(day=day, time=first) for day in week],
        session_ends=[SymInfoSession(day=day, time=last) for day in week],
    )
