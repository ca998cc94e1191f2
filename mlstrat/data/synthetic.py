"""Bars that hold no information about the future, or exactly as much as is planted: to test skill against."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.data.bars import PRICES, Bars
from mlstrat.data.instrument import facts_of
from mlstrat.data.timeframe import Timeframe
from mlstrat.errors import DataError

FIRST_TIME = np.datetime64("2020-01-01T00:00", "ns")
# Steps inside a bar: the extremes of so many points come within about 7 % of those of a continuous path.
SUBSTEPS = 60
# Below this a bar's range is so few ticks that rounding prices to the tick distorts it.
LEAST_STEP_TICKS = 240.0
# Spread of log volume from bar to bar.
_LOG_VOLUME_SPREAD = 0.5
_CHUNK = 20_000


def random_walk(
    n: int,
    seed: int,
    *,
    step_ticks: float = 400.0,
    tick: float = 0.01,
    start: float = 20_000.0,
    timeframe: str = "1h",
    symbol: str = "WALK",
    drift: float = 0.0,
) -> Bars:
    """Return bars of a random walk in log price, opening at 2020-01-01 00:00 UTC, without gaps.

    The price takes 60 normal steps inside every bar, and high and low are the extremes of that path. The
    open is the last close. The first k bars are the same for every n >= k.

    Parameters
    ----------
    n : int
        Bars.
    seed : int
        Seed of the numpy generator; the same seed gives the same bits.
    step_ticks : float
        Standard deviation of a bar's change at the starting price, in ticks; at least 240.
    tick : float
        Price grid.
    start : float
        First open, in quote currency.
    timeframe, symbol : str
        Length of a bar and name of the instrument.
    drift : float
        Mean log return of a bar; 0 = driftless in log price.

    Raises
    ------
    DataError
        No bars asked for, a step under 240 ticks, or a walk that fell so low that its steps got that small.
    """
    if n < 1:
        raise DataError(f"a walk of {n} bars was asked for: ask for at least 1.")
    if step_ticks < LEAST_STEP_TICKS:
        raise DataError(
            f"step_ticks is {step_ticks:g}: rounding to the tick would distort the bars; "
            f"give at least {LEAST_STEP_TICKS:g}."
        )
    step = step_ticks * tick / start
    log_open, log_high, log_low, log_close = _path(n, seed, step, drift)
    low = _on_grid(start * np.exp(log_low), tick)
    if low.min() * step < LEAST_STEP_TICKS * tick:
        raise DataError(
            f"the walk of seed {seed} fell to {low.min():g}, where a step is under "
            f"{LEAST_STEP_TICKS:g} ticks: raise step_ticks or start, or take fewer bars."
        )
    noise = np.random.default_rng([seed, 1]).standard_normal(n)
    length = Timeframe(timeframe)
    return Bars(
        time=FIRST_TIME + np.arange(n) * length.delta,
        open=_on_grid(start * np.exp(log_open), tick),
        high=_on_grid(start * np.exp(log_high), tick),
        low=low,
        close=_on_grid(start * np.exp(log_close), tick),
        volume=np.asarray(np.round(100.0 * np.exp(_LOG_VOLUME_SPREAD * noise), 3), np.float64),
        symbol=symbol,
        timeframe=length,
        instrument=facts_of(symbol, tick=tick),
    )


def planted(bars: Bars, seed: int, *, edge: float = 0.1) -> tuple[Bars, FloatArray]:
    """Return the bars of a walk with some turned upside down, so that the next direction is partly known.

    After a bar that rose on more than the mean volume of 20 bars, or fell on less, the next bar rises with
    probability 0.5 + `edge`; after the others with 0.5 - `edge`. Neither direction nor volume alone tells
    anything. The size of each move is that of the walk.

    Parameters
    ----------
    bars : Bars
        From `random_walk`: each opens where the last one closed.
    seed : int
        Seed of the numpy generator.
    edge : float
        In (0, 0.5).

    Returns
    -------
    Bars
        On the tick of their instrument.
    (n_bars,) float64
        Probability that the next bar rises, known at each close; 0.5 before 20 bars.

    Raises
    ------
    DataError
        An edge outside its range.
    """
    if not 0 < edge < 0.5:
        raise DataError(f"edge is {edge}: give a number in (0, 0.5).")
    log = {name: np.log(getattr(bars, name)) for name in PRICES}
    up, above, below = (log[name] - log["open"] for name in ("close", "high", "low"))
    busy = np.where(bars.volume > _mean_before(bars.volume, 20), 1.0, -1.0)
    uniform = np.random.default_rng([seed, 3]).random(len(bars))
    prob, turn = np.full(len(bars), 0.5), np.ones(len(bars))
    for t in range(19, len(bars) - 1):
        rose = 1.0 if up[t] * turn[t] > 0 else -1.0
        prob[t] = 0.5 + edge * rose * busy[t]
        wanted = 1.0 if uniform[t] < prob[t] else -1.0
        turn[t + 1] = wanted * (1.0 if up[t + 1] > 0 else -1.0)
    change = up * turn
    log_close = log["open"][0] + np.cumsum(change)
    log_open = log_close - change
    top, bottom = np.where(turn > 0, above, -below), np.where(turn > 0, below, -above)
    tick = bars.instrument.tick
    prices: dict[str, Any] = {
        "open": _on_grid(np.exp(log_open), tick),
        "high": _on_grid(np.exp(log_open + top), tick),
        "low": _on_grid(np.exp(log_open + bottom), tick),
        "close": _on_grid(np.exp(log_close), tick),
    }
    return replace(bars, **prices), prob


def _mean_before(values: FloatArray, n: int) -> FloatArray:
    """Mean of the last n values, this one included; infinite before there are n."""
    sums = np.cumsum(np.r_[0.0, values])
    return np.asarray(np.r_[np.full(n - 1, np.inf), (sums[n:] - sums[:-n]) / n], np.float64)


def gapping(bars: Bars, seed: int, *, share: float = 0.2, gap: float = 3.0) -> Bars:
    """Return the bars with opens away from the last close, as after a night, to test stops that are jumped.

    Before a random `share` of the bars all later prices are multiplied by one factor, so that each bar keeps
    its shape; the log of the factor is normal with a standard deviation of `gap` times that of the bars'
    log returns.

    Parameters
    ----------
    bars : Bars
        Bars to start from; prices stay on the tick of their instrument.
    seed : int
        Seed of the numpy generator.
    share : float
        Share of bars with a gap before them, in (0, 1].
    gap : float
        Size of a gap, in standard deviations of a bar's log return; more than 0.

    Raises
    ------
    DataError
        A share or size outside its range.
    """
    if not 0 < share <= 1 or not gap > 0:
        raise DataError(f"share is {share} and gap is {gap}: give a share in (0, 1] and a gap above 0.")
    generator = np.random.default_rng([seed, 2])
    jumps = generator.standard_normal(len(bars)) * (generator.random(len(bars)) < share)
    spread = float(np.std(np.log(bars.close / bars.open)))
    factor = np.exp(np.cumsum(jumps) * gap * spread)
    tick = bars.instrument.tick
    prices: dict[str, Any] = {name: _on_grid(getattr(bars, name) * factor, tick) for name in PRICES}
    return replace(bars, **prices)


def _path(
    n: int, seed: int, step: float, drift: float
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return log open, high, low and close relative to the start, each (n,), simulated in chunks of bars."""
    generator = np.random.default_rng([seed, 0])
    inside = step / np.sqrt(SUBSTEPS)
    change, top, bottom = np.empty(n), np.empty(n), np.empty(n)
    for first in range(0, n, _CHUNK):
        part = slice(first, min(first + _CHUNK, n))
        steps = generator.standard_normal((part.stop - first, SUBSTEPS)) * inside + drift / SUBSTEPS
        path = np.cumsum(steps, axis=1)
        change[part] = path[:, -1]
        top[part] = np.maximum(path.max(axis=1), 0.0)
        bottom[part] = np.minimum(path.min(axis=1), 0.0)
    log_close = np.cumsum(change)
    log_open = np.r_[0.0, log_close[:-1]]
    high = np.maximum(log_open + top, log_close)
    low = np.minimum(log_open + bottom, log_close)
    return log_open, high, low, log_close


def _on_grid(price: FloatArray, tick: float) -> FloatArray:
    """Round half up to the tick; divides by the whole inverse, as 0.01 has no exact float."""
    count = np.floor(price / tick + 0.5)
    return np.asarray(count / round(1 / tick) if tick < 1 else count * tick, np.float64)
