"""The run: bars, decisions and rules in, the result of Pine's broker emulator out."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from mlstrat.data.bars import PRICES, Bars
from mlstrat.engines.on_pynecore.booked import result_of
from mlstrat.engines.on_pynecore.runtime import run_strategy
from mlstrat.errors import ConfigError, DataError
from mlstrat.execution.kernel import check_aligned
from mlstrat.execution.types import Decisions, Result, RiskRules
from mlstrat.pine.replay import replay_script

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
        Rules that Pine's emulator cannot follow, such as slippage in parts of a tick; or the bars have a
        carry, since a Pine strategy is charged no funding.
    """
    check_aligned(bars, decisions)
    if bars.carry is not None:
        raise ConfigError(
            "Pine charges neither funding nor borrow: give bars.without_carry(), or choose another engine."
        )
    chart = _on_the_grid(bars, rules)
    replay = replay_script(bars, decisions, chart, bars.symbol)
    with tempfile.TemporaryDirectory(prefix="mlstrat-pine-") as folder:
        run = run_strategy(replay.script, bars, chart, Path(folder))
    return result_of(run, bars, decisions.stop, rules)


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
