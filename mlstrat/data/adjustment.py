"""Signs of stock splits: prices that jump by a whole ratio, and prices that no exchange could have traded."""

from __future__ import annotations

import numpy as np

from mlstrat.arrays import BoolArray
from mlstrat.data.bars import PRICES, Bars
from mlstrat.data.gaps import missing_bars

SPLIT_RATIOS = (1.5, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 20.0)
# A night's own move comes on top of the ratio.
_NIGHT_LOG_MOVE = 0.03
# The split is no news, so its bar is about as wide as others; a crash makes a wide one.
_MOST_RANGES = 4.0
# Prices are off the tick where they miss it by more than float32 rounding, as some sources store them.
_FLOAT32_SHARE = 1e-6
_MOSTLY = 0.5
# Exchanges quote stocks to hundredths of a cent at most; finer ticks are only found among the cheap.
_FINEST_TICK = 1e-4
_CHEAP = 10.0


def splits(bars: Bars) -> BoolArray:
    """(n_bars,) whether the price jumps from a close to the next open by a ratio of `SPLIT_RATIOS`.

    Either way, right after the bar before, on a bar that is not wider than usual.
    """
    found = np.zeros(len(bars), bool)
    width = np.log(bars.high / bars.low)
    usual = float(np.median(width))
    jump = np.abs(np.log(bars.open[1:] / bars.close[:-1]))
    near = np.min(np.abs(jump[:, None] - np.log(SPLIT_RATIOS)), axis=1) <= _NIGHT_LOG_MOVE
    found[1:] = (
        near & (missing_bars(bars) <= 0) & (width[1:] <= _MOST_RANGES * usual) & (jump > _MOST_RANGES * usual)
    )
    return found


def looks_adjusted(bars: Bars) -> bool:
    """Whether most prices of a market that closes lie off its tick, as dividends and splits leave them."""
    if not bars.closes:
        return False
    tick = bars.instrument.tick
    if tick < _FINEST_TICK:
        if float(np.median(bars.close)) < _CHEAP:
            return False
        tick = _FINEST_TICK
    prices = np.concatenate([getattr(bars, name) for name in PRICES])
    off = np.abs(prices - np.round(prices / tick) * tick)
    return bool(np.mean(off > np.minimum(_FLOAT32_SHARE * prices, tick / 10)) > _MOSTLY)
