"""The run: bars, decisions and rules in, the result of Pine's broker emulator out."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mlstrat.data.bars import PRICES, Bars
from mlstrat.engines.on_pynecore.runtime import Run, run_strategy
from mlstrat.errors import DataError
from mlstrat.execution.kernel import check_aligned
from mlstrat.execution.rule import profit_of
from mlstrat.execution.types import OPEN, STOP, TARGET, TIME, Decisions, Result, RiskRules, Trades
from mlstrat.pine.execution import (
    BLOCKED,
    CANCELLED,
    EQUITY,
    SENT,
    STOP_COMMENT,
    TARGET_COMMENT,
    TIME_COMMENT,
    ZERO_UNITS,
)
from mlstrat.pine.replay import replay_script

_REASONS = {STOP_COMMENT: STOP, TARGET_COMMENT: TARGET, TIME_COMMENT: TIME}
_KINDS = {
    "signal_bar": np.int64,
    "entry_bar": np.int64,
    "exit_bar": np.int64,
    "side": np.int8,
    "units": np.float64,
    "entry_price": np.float64,
    "exit_price": np.float64,
    "commission": np.float64,
    "profit": np.float64,
    "reason": np.int8,
}
# A float64 of so many ticks still tells a fiftieth of one.
_MOST_TICKS = 1e14
_SAME_PRICE = 1e-10


def simulate(bars: Bars, decisions: Decisions, rules: RiskRules) -> Result:
    """Execute decisions on bars as a Pine strategy under PyneCore, by the one execution rule.

    Parameters
    ----------
    bars : Bars
        The bars decided on; a decision at bar t fills at the open of bar t + 1.
    decisions : Decisions
        One candidate a bar, aligned with `bars`.
    rules : RiskRules
        Cash, costs, grids and breakers.

    Returns
    -------
    Result
        The trades, equity and counters of the kernel (floats within 1e-9), as Pine's emulator booked them.

    Raises
    ------
    DataError
        The decisions are not aligned with the bars, or prices lie on no grid that Pine can show.
    ConfigError
        Rules that Pine's emulator cannot follow, such as slippage in parts of a tick.
    """
    check_aligned(bars, decisions)
    chart = _on_the_grid(bars, rules)
    replay = replay_script(bars, decisions, chart, bars.symbol)
    with tempfile.TemporaryDirectory(prefix="mlstrat-pine-") as folder:
        run = run_strategy(replay.script, bars, chart, Path(folder))
    counts = {name: int(run.plots[-1][name]) for name in (SENT, BLOCKED, ZERO_UNITS, CANCELLED)}
    return Result(
        symbol=bars.symbol,
        time=bars.time,
        equity=np.array([plotted[EQUITY] for plotted in run.plots], np.float64),
        trades=_trades(run, bars, decisions),
        cancelled=counts[CANCELLED],
        sent=counts[SENT],
        blocked=counts[BLOCKED],
        zero_units=counts[ZERO_UNITS],
        rules=rules,
        engine="pine",
    )


def _on_the_grid(bars: Bars, rules: RiskRules) -> RiskRules:
    """Return the rules with a tick on which every price of the bars lies, since Pine rounds prices to it.

    Prices adjusted for dividends lie on none: they get one that moves them by less than a part in 1e10.
    """
    prices = np.concatenate([getattr(bars, name) for name in PRICES])
    tick, finest = rules.tick, 10.0 * prices.max() / _MOST_TICKS
    while not (on_grid := _all_on(prices, tick)) and tick >= finest:
        tick = 1.0 if tick > 1.0 else 1.0 / (10 * round(1.0 / tick))
    if not on_grid and 0.5 * tick > _SAME_PRICE * prices.min():
        raise DataError(
            f"prices of {bars.symbol} lie on no grid down to {tick:g}, and Pine rounds them to one: round "
            f"the bars' prices to a multiple of {rules.tick:g}, or choose another engine."
        )
    finer = round(rules.tick / tick)
    return replace(rules, tick=tick, slippage_ticks=rules.slippage_ticks * finer)


def _all_on(prices: np.ndarray, tick: float) -> bool:
    counts = prices / tick
    nearest = np.round(counts)
    return bool(np.all(np.abs(counts - nearest) <= 1e-14 * nearest))


def _trades(run: Run, bars: Bars, decisions: Decisions) -> Trades:
    rows = [_closed(trade, decisions) for trade in run.closed] + [
        _still_open(trade, bars) for trade in run.open
    ]
    columns: Sequence[Sequence[float]] = list(zip(*rows, strict=True)) if rows else [()] * len(_KINDS)
    pairs = zip(_KINDS.items(), columns, strict=True)
    return Trades(**{name: np.array(column, kind) for (name, kind), column in pairs})


def _closed(trade: Any, decisions: Decisions) -> tuple[float, ...]:
    reason = _REASONS[trade.exit_comment] if trade.exit_comment else _gapped(trade, decisions)
    return _row(trade, int(trade.exit_bar_index), trade.exit_price, trade.commission, trade.profit, reason)


def _gapped(trade: Any, decisions: Decisions) -> int:
    """Return which price of its bracket a trade ended beyond: PyneCore writes no comment on a gap's fill."""
    stop = float(decisions.stop[int(trade.entry_bar_index) - 1])
    beyond_stop = _side(trade) * (trade.exit_price - stop) <= 1e-9 * stop
    return STOP if beyond_stop else TARGET


def _still_open(trade: Any, bars: Bars) -> tuple[float, ...]:
    """Mark a trade to the last close; Pine's own open profit has the exit's commission off already."""
    mark = float(bars.close[-1])
    profit = profit_of(_side(trade), abs(trade.size), trade.entry_price, mark, trade.commission)
    return _row(trade, len(bars) - 1, mark, trade.commission, profit, OPEN)


def _row(
    trade: Any, exit_bar: int, exit_price: float, fees: float, profit: float, reason: int
) -> tuple[float, ...]:
    entry_bar = int(trade.entry_bar_index)
    paid = (entry_bar - 1, entry_bar, exit_bar, _side(trade), abs(trade.size), trade.entry_price)
    return (*paid, exit_price, fees, profit, reason)


def _side(trade: Any) -> int:
    return 1 if trade.size > 0 else -1
