"""Bars on which features are tried: a smooth walk, prices on few levels with standstills, and real ones."""

from __future__ import annotations

from functools import cache

import numpy as np

from mlstrat.arrays import FloatArray, read_only
from mlstrat.data import samples
from mlstrat.data.synthetic import random_walk

SMOOTH, COARSE, REAL = "a smooth walk", "coarse bars", "sample:BTCUSDT_1h"
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
def real(n: int, seconds: int = HOUR) -> FloatArray:
    """Return the first rows of the bundled bitcoin bars, or all of them where n is more."""
    return _timed(samples.load_bars("BTCUSDT_1h").matrix[:n], seconds)


def _timed(rows: FloatArray, seconds: int) -> FloatArray:
    out = rows.copy()
    out[:, 5] = _FIRST_TIME + seconds * np.arange(len(rows))
    return read_only(out)
