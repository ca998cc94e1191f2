"""Trailing stops, entropy, Hurst and fractional differences against definitions of another form."""

from functools import cache
from itertools import permutations

import numpy as np
import pytest

from mlstrat.data import samples
from mlstrat.data.synthetic import random_walk
from mlstrat.features.matrix import build

SERIES = (1, "BTCUSDT_1h")
N = 1200


@cache
def bars_of(series):
    if isinstance(series, str):
        return samples.load_bars(series)[5000 : 5000 + N]
    return random_walk(N, series, step_ticks=8000.0)


@cache
def matrix_of(series):
    names = ("psar_100", "supertrend_10", "entropy_50", "entropy_100", "hurst_100", "fracdiff_40")
    return build(bars_of(series), names=names)


def parabolic(high, low, first):
    """Wilder's stop from bar `first` to the last one, as a list of trades: each runs until it is stopped."""
    day, rising, stop, best = first, True, low[first], high[first]
    speed = 0.02
    while day < len(high) - 1:
        day += 1
        yesterday = slice(day - 2, day)
        if rising:
            stop = min(stop + speed * (best - stop), *low[yesterday])
            if low[day] <= stop:
                rising, stop, best, speed = False, max(best, high[day], high[day - 1]), low[day], 0.02
                continue
            news = high[day] > best
            best = max(best, high[day])
        else:
            stop = max(stop + speed * (best - stop), *high[yesterday])
            if high[day] >= stop:
                rising, stop, best, speed = True, min(best, low[day], low[day - 1]), high[day], 0.02
                continue
            news = low[day] < best
            best = min(best, low[day])
        speed = min(speed + 0.02 * news, 0.2)
    return stop


@pytest.mark.parametrize("series", SERIES)
def test_parabolic_stop_is_that_of_a_path_over_the_last_hundred_bars(series):
    bars = bars_of(series)
    actual = matrix_of(series).column("psar_100")
    for t in range(100, N):
        stop = parabolic(bars.high[: t + 1], bars.low[: t + 1], t - 99)
        assert actual[t] == pytest.approx(bars.close[t] / stop - 1.0, rel=1e-12, abs=1e-15), t


@pytest.mark.parametrize("series", SERIES)
def test_parabolic_stop_meets_that_of_talib(series):
    talib = pytest.importorskip("talib")
    bars = bars_of(series)
    theirs = bars.close / talib.SAR(bars.high, bars.low, 0.02, 0.2) - 1.0
    agree = np.abs(matrix_of(series).column("psar_100") - theirs)[100:] < 1e-12
    assert agree.mean() > 0.95


def supertrend(high, low, close, n, mult, window):
    spread = np.maximum(high, np.r_[0.0, close[:-1]]) - np.minimum(low, np.r_[np.inf, close[:-1]])
    spread[0] = high[0] - low[0]
    sides = np.full(len(close), np.nan)
    mean = np.convolve(spread, np.ones(n) / n, "valid")
    mean = np.r_[np.full(n - 1, np.nan), mean]
    basic_up, basic_down = (high + low) / 2 + mult * mean, (high + low) / 2 - mult * mean
    for t in range(n + window - 2, len(close)):
        up, down, side = None, None, 1.0
        for i in range(t - window + 1, t + 1):
            if up is None:
                up, down = basic_up[i], basic_down[i]
                continue
            up = basic_up[i] if close[i - 1] > up else min(up, basic_up[i])
            down = basic_down[i] if close[i - 1] < down else max(down, basic_down[i])
            if (side > 0 and close[i] < down) or (side < 0 and close[i] > up):
                side = -side
        sides[t] = side
    return sides


@pytest.mark.parametrize("series", SERIES)
def test_supertrend_is_that_of_a_path_over_the_last_hundred_bars(series):
    bars = bars_of(series)
    expected = supertrend(bars.high, bars.low, bars.close, 10, 3.0, 100)
    actual = matrix_of(series).column("supertrend_10")
    np.testing.assert_array_equal(actual, expected)
    assert set(actual[200:]) == {1.0, -1.0}


@pytest.mark.parametrize("n", [50, 100])
@pytest.mark.parametrize("series", SERIES)
def test_entropy_of_orders(series, n):
    """Counted with the permutations themselves: argsort is stable, so equal closes count as rising."""
    close = bars_of(series).close
    kinds = list(permutations(range(3)))
    seen = np.array(
        [
            np.nan,
            np.nan,
            *(kinds.index(tuple(np.argsort(close[t - 2 : t + 1], kind="stable"))) for t in range(2, N)),
        ]
    )
    expected = np.full(N, np.nan)
    for t in range(n + 1, N):
        share = np.bincount(seen[t - n + 1 : t + 1].astype(int), minlength=6) / n
        share = share[share > 0]
        expected[t] = -np.sum(share * np.log(share)) / np.log(6)
    np.testing.assert_allclose(matrix_of(series).column(f"entropy_{n}"), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("series", SERIES)
def test_hurst_is_the_rescaled_range(series):
    close = bars_of(series).close
    returns = close[1:] / close[:-1] - 1.0
    expected = np.full(N, np.nan)
    for t in range(100, N):
        x = returns[t - 100 : t]
        walk = np.r_[0.0, np.cumsum(x - x.mean())]
        expected[t] = np.log(np.ptp(walk) / x.std()) / np.log(50)
    np.testing.assert_allclose(matrix_of(series).column("hurst_100"), expected, rtol=1e-9)


@pytest.mark.parametrize("series", SERIES)
def test_fractional_difference_by_the_weights_of_the_log_price(series):
    """Weights of (1 - B)^0.4 as binomial numbers, on log prices counted from the window's start."""
    from scipy.special import binom

    log_price = np.log(bars_of(series).close)
    weights = np.array([(-1.0) ** k * binom(0.4, k) for k in range(100)])
    expected = np.full(N, np.nan)
    for t in range(100, N):
        window = log_price[t - 99 : t + 1][::-1] - log_price[t - 100]
        expected[t] = weights @ window
    np.testing.assert_allclose(matrix_of(series).column("fracdiff_40"), expected, rtol=1e-9, atol=1e-12)
