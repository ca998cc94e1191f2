"""Decisions from a file, whoever made them, executed by the one rule."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mlstrat.data.sources import take
from mlstrat.engines import engine_of
from mlstrat.errors import ConfigError
from mlstrat.execution.types import Result, RiskRules
from mlstrat.parity.decision_file import DecisionFile, read_decisions

CASH = 1_000_000.0


@dataclass(frozen=True, eq=False)
class Simulated:
    """What came of a file of decisions.

    Parameters
    ----------
    result : Result
        From the engine asked for.
    decided : int
        Decisions to trade in the file.
    notes : tuple of str
        What reading had to infer, to round or to leave out, and what execution did not carry out.
    """

    result: Result
    decided: int
    notes: tuple[str, ...]

    @property
    def ignored(self) -> int:
        """Decisions made while a trade was held."""
        return self.decided - self.result.sent


def simulate_file(
    bars: str,
    decisions: Path,
    *,
    engine: str = "kernel",
    rules: RiskRules | None = None,
    tick: float | None = None,
    step: float | None = None,
    symbol: str = "",
    timeframe: str = "",
    tz: str = "UTC",
) -> Simulated:
    """Execute a file of decisions on a file of bars.

    Parameters
    ----------
    bars : str
        CSV, Parquet or `sample:NAME`, as `read_bars` takes it; bars whose symbol nobody says are named
        after the file.
    decisions : Path
        See `read_decisions`.
    engine : str
        One of `mlstrat.engines.ENGINES`.
    rules : RiskRules, optional
        Cash, costs and breakers, whose tick and step are replaced; default a cash of 1,000,000, no costs and
        no breakers.
    tick, step : float, optional
        Price and quantity grid; default the instrument's.
    symbol, timeframe, tz : str
        What the files do not say; the zone is that of stamps without offset, in both.

    Raises
    ------
    DataError
        A file cannot be used; the message names the line.
    ConfigError, MissingExtraError
        The engine is not known, cannot follow the rules, or is not installed; or slippage would take a price
        to zero.
    """
    chosen = engine_of(engine)
    chosen.require()
    facts = {"tick": tick, "step": step}
    named = Path(bars).name.split(".")[0]
    read = take(bars, symbol, timeframe, tz, facts, unnamed=named).bars()
    grids = read.instrument
    rules = replace(rules or RiskRules(cash=CASH), tick=grids.tick, step=grids.step)
    _check_slippage(rules, float(read.low.min()), read.symbol)
    file = read_decisions(decisions, read, grids.tick, tz)
    result = chosen.run(read, file.decisions, rules)
    return Simulated(result, file.count, (*read.notes, *file.notes, *_undone(result, file)))


def _check_slippage(rules: RiskRules, lowest: float, symbol: str) -> None:
    lost = rules.slippage_ticks * rules.tick
    if lost >= lowest:
        raise ConfigError(
            f"slippage of {rules.slippage_ticks:g} ticks of {rules.tick:g} takes the lowest price of "
            f"{symbol}, {lowest:g}, to zero or below: give fewer than {lowest / rules.tick:,.0f} ticks."
        )


def check_trades_path(path: Path, *sources: str | Path) -> None:
    """Refuse a file for the trades that has another suffix than .csv or is one of those read.

    Raises
    ------
    ConfigError
        It cannot be used.
    """
    if path.suffix != ".csv":
        raise ConfigError(f"{path} is no CSV file by its name: end it with .csv.")
    if path.resolve() in {Path(source).resolve() for source in sources}:
        raise ConfigError(f"{path} is a file that is read: name another one for the trades.")


def _undone(result: Result, file: DecisionFile) -> list[str]:
    """Return sentences on decisions that were not ignored and yet are no trade of the asked size."""
    trades, decisions = result.trades, file.decisions
    asked = decisions.units[trades.signal_bar]
    # The step takes less than one step off a quantity; what is missing beyond that could not be paid.
    reduced = int(np.sum(np.isfinite(asked) & (trades.units < asked - result.rules.step * (1.0 + 1e-9))))
    last = int(decisions.side[-1] != 0 and not _held_at_the_end(result))
    cases = (
        (reduced, "quantity was", "quantities were", "reduced to what equity could pay"),
        (result.zero_units, "decision", "decisions", "had a quantity that rounds to 0"),
        (result.cancelled, "entry was", "entries were", "cancelled: the next open could not be paid"),
        (last, "decision", "decisions", "came at the last bar, behind which nothing fills"),
    )
    return [f"{n:,} {one if n == 1 else more} {what}." for n, one, more, what in cases if n]


def _held_at_the_end(result: Result) -> bool:
    return bool(len(result.trades) and not result.trades.closed[-1])
