"""Bars on which features are tried: a smooth walk, coarse prices, wild jumps, and real ones."""

from __future__ import annotations

from functools import cache

import numpy as np

from mlstrat.arrays import FloatArray, read_only
from mlstrat.data import samples
from mlstrat.data.synthetic import random_walk

SMOOTH, COARSE, WILD, REAL = "a smooth walk", "coarse bars", "bars with jumps", "sample:BTCUSDT_1h"
HOUR = 3600
_FIRST_TIME = 1.6e9 - 1.6e9 % 86400


@cache
def smooth(n: int, seconds: int = HOUR, seed: int = 7) -> FloatArray:
    """Return rows of `Bars.matrix`: a random walk of which the first k are the same for every n >= k."""
    return _timed(random_walk(n, seed, step_ticks=4000.0).matrix, seconds)


@cache
def coarse(n: int, seconds: int = HOUR, seed: int = 11) -> FloatArray:
    """Return rows with prices on few levels, gaps, bars without range or volume, and a market at rest."""
    rng = np.random.default_rng(seed)
    close = 150.0 + np.abs(np.cumsum(rng.integers(-2, 3, n))) * 0.25
    open_ = close + rng.integers(-2, 3, n) * 0.25
    top = np.maximum(open_, close) + rng.integers(0, 3, n) * 0.25
    bottom = np.minimum(open_, close) - rng.integers(0, 3, n) * 0.25
    volume = rng.integers(0, 4, n) * 10.0
    rest = slice(min(120, n - 1), min(190, n))
    for column in (open_, top, bottom, close):
        column[rest] = close[rest.start - 1]
    volume[rest] = 0.0
    return _timed(np.column_stack([open_, top, bottom, close, volume, np.zeros(n)]), seconds)


@cache
def wild(n: int, seconds: int = HOUR, seed: int = 13) -> FloatArray:
    """Return rows of a walk that jumps by 3 to 50 % and trades a hundredfold, up and down, on a bar in six.

    A function may look ahead only where something rare happens: here it happens.
    """
    rng = np.random.default_rng(seed)
    rows = random_walk(n, seed, step_ticks=4000.0).matrix.copy()
    jumps = rng.random(n) < 1 / 6
    # Every second jump takes the one before back, so that the price keeps its level.
    size = np.repeat(np.log1p(rng.uniform(0.03, 0.5, n)), 2)[: jumps.sum()]
    level = np.zeros(n)
    level[jumps] = np.where(np.arange(len(size)) % 2 == 0, size, -size)
    jump = np.cumsum(level)
    before = np.r_[0.0, jump[:-1]]
    rows[:, 0] *= np.exp(before)
    rows[:, 3] *= np.exp(jump)
    rows[:, 1] = np.maximum(rows[:, 1] * np.exp(np.maximum(jump, before)), rows[:, [0, 3]].max(axis=1))
    rows[:, 2] = np.minimum(rows[:, 2] * np.exp(np.minimum(jump, before)), rows[:, [0, 3]].min(axis=1))
    rows[:, 4] *= np.where(jumps, 100.0, 1.0)
    return _timed(rows, seconds)


@cache
def real(n: int, seconds: int = HOUR) -> FloatArray:
    """Return the first rows of the bundled bitcoin bars, or all of them where n is more."""
    return _timed(samples.load_bars("BTCUSDT_1h").matrix[:n], seconds)


def _timed(rows: FloatArray, seconds: int) -> FloatArray:
    out = rows.copy()
    out[:, 5] = _FIRST_TIME + seconds * np.arange(len(rows))
    return read_only(out)
