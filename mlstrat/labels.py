"""What the models learn: the move from open to open, and the outcome of the trade itself.

Both are measured from the open of the next bar, where a decision fills, and both say when they are
known: `resolved_at`, the close time of the bar that supplies the last price.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlstrat.arrays import FloatArray, IntArray, TimeArray, njit
from mlstrat.data.bars import Bars
from mlstrat.execution.rule import bracket, bracket_holds, entry_price, step_bar
from mlstrat.execution.types import FEE, OPEN, SLIP, TICK, RiskRules

SIDES = (1, -1)  # columns of every (n_bars, 2) array: long, short


@dataclass(frozen=True, eq=False)
class HorizonLabels:
    """The move over the next `target_periods` bars.

    Parameters
    ----------
    ret : (n_bars,) float64
        Simple return from the open of bar t + 1 to the open of bar t + 1 + target_periods; NaN at the end.
    up : (n_bars,) float64
        1 where `ret` > 0, else 0; NaN at the end.
    resolved_at : (n_bars,) datetime64[ns]
        Close time of bar t + 1 + target_periods, UTC; NaT at the end.
    """

    ret: FloatArray
    up: FloatArray
    resolved_at: TimeArray


@dataclass(frozen=True, eq=False)
class TradeOutcomes:
    """What a trade decided at each bar would have made, per side (columns long, short).

    Parameters
    ----------
    net : (n_bars, 2) float64
        Profit after both commissions over entry value; NaN where the trade had not ended.
    held : (n_bars, 2) float64
        Bars from entry to exit, 0 when both fell on one bar; NaN likewise.
    resolved_at : (n_bars, 2) datetime64[ns]
        Close time of the bar on which the trade ended, UTC; NaT likewise.
    latest_at : (n_bars,) datetime64[ns]
        Close time of the bar of the time exit, by which any trade decided here has ended; NaT where that
        bar is not there, or there is no time exit. What estimates the odds of a trade is purged by this:
        to keep the trades that happened to end sooner would choose them by their outcome.
    """

    net: FloatArray
    held: FloatArray
    resolved_at: TimeArray
    latest_at: TimeArray


def horizon_labels(bars: Bars, target_periods: int) -> HorizonLabels:
    """Label every bar with the move that a decision at its close could have caught.

    Parameters
    ----------
    bars : Bars
        The bars; a horizon counts bars, whatever outages lie between.
    target_periods : int
        Bars from the entry open to the measured open.
    """
    n, ahead = len(bars), target_periods + 1
    ret = np.full(n, np.nan)
    resolved_at = np.full(n, np.datetime64("NaT", "ns"))
    known = max(n - ahead, 0)
    ret[:known] = bars.open[ahead:] / bars.open[1 : known + 1] - 1.0
    resolved_at[:known] = bars.close_time[ahead:]
    up = np.where(np.isnan(ret), np.nan, (ret > 0).astype(np.float64))
    return HorizonLabels(ret, up, resolved_at)


def trade_outcomes(
    bars: Bars,
    atr_px: FloatArray,
    rules: RiskRules,
    *,
    stop_atr: float,
    target_atr: float,
    max_bars: int,
) -> TradeOutcomes:
    """Label every bar with the outcome of the trade decided there, under the execution rule itself.

    Parameters
    ----------
    bars : Bars
        The bars.
    atr_px : (n_bars,) float64
        ATR at each close, in price; where it is NaN there is no outcome.
    rules : RiskRules
        Fee, slippage and tick.
    stop_atr, target_atr : float
        Distances of stop and target from the deciding close, in ATR.
    max_bars : int
        N of the time exit, 0 = none.
    """
    net, exits = _outcomes(bars.matrix, atr_px, rules.as_row(), stop_atr, target_atr, max_bars)
    ended = exits >= 0
    at = np.where(ended, exits, 0)
    resolved_at = np.where(ended, bars.close_time[at], np.datetime64("NaT", "ns"))
    first_bar_in = np.arange(len(bars))[:, None] + 1
    held = np.where(ended, at - first_bar_in, np.nan)
    latest_at = np.full(len(bars), np.datetime64("NaT", "ns"))
    known = max(len(bars) - max_bars - 1, 0) if max_bars else 0
    latest_at[:known] = bars.close_time[max_bars + 1 :][:known]
    return TradeOutcomes(net, held, resolved_at, latest_at)


@njit
def _outcomes(
    bars: FloatArray,
    atr_px: FloatArray,
    rules: FloatArray,
    stop_atr: float,
    target_atr: float,
    max_bars: int,
) -> tuple[FloatArray, IntArray]:
    n = len(bars)
    net = np.full((n, 2), np.nan)
    exits = np.full((n, 2), -1)
    slip = rules[SLIP] * rules[TICK]
    for t in range(n - 1):
        if np.isnan(atr_px[t]):
            continue
        for column in range(2):
            side = 1 - 2 * column
            stop, target = bracket(side, bars[t, 3], atr_px[t], stop_atr, target_atr, rules[TICK])
            if not bracket_holds(side, stop, target):
                continue
            paid = entry_price(side, bars[t + 1, 0], rules)
            for u in range(t + 1, n):
                due = max_bars > 0 and u > t + max_bars
                reason, price = step_bar(side, stop, target, due, bars[u, 0], bars[u, 1], bars[u, 2], slip)
                if reason != OPEN:
                    net[t, column] = side * (price / paid - 1.0) - rules[FEE] * (1.0 + price / paid)
                    exits[t, column] = u
                    break
    return net, exits
