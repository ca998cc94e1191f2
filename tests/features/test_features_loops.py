"""Features against their definitions, written out with pandas, SciPy and plain loops."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mlstrat.data.synthetic import random_walk
from mlstrat.features.lookup import registered, resolve
from mlstrat.features.matrix import build
from mlstrat.features.program import compile_program


def _gap_walk():
    """A walk whose opens do not equal the closes before: every other bar is missing."""
    return random_walk(800, 5, step_ticks=6000.0)[::2]


@cache
def _frame():
    frame = _gap_walk().frame()
    frame["r"] = frame.close / frame.close.shift() - 1
    return frame


def over(column, n, function):
    """Apply a function of a plain window, oldest value first."""
    return column.rolling(n).apply(function, raw=True)


def ema(column, n):
    """Exponential mean seeded with the mean of the first n values."""
    seen, out, level = [], [], None
    for x in column:
        if not np.isnan(x):
            seen.append(x)
            if level is not None:
                level = level + (x - level) * 2 / (n + 1)
            elif len(seen) == n:
                level = sum(seen) / n
        out.append(np.nan if level is None else level)
    return pd.Series(out, column.index)


def true_range(f):
    before = f.close.shift()
    spreads = pd.concat([f.high - f.low, (f.high - before).abs(), (f.low - before).abs()], axis=1)
    return spreads.max(axis=1)


def streak(close, cap):
    out = [np.nan]
    for t in range(1, len(close)):
        sign = np.sign(close.iloc[t] - close.iloc[t - 1])
        count = 0
        while count < min(cap, t) and np.sign(close.iloc[t - count] - close.iloc[t - count - 1]) == sign:
            count += 1
        out.append(sign * count)
    return pd.Series(out, close.index)


def autocorrelation(x):
    off = x - x.mean()
    return sum(off[i] * off[i + 1] for i in range(len(x) - 1)) / sum(off**2)


def rogers_satchell(f):
    return np.log(f.high / f.close) * np.log(f.high / f.open) + np.log(f.low / f.close) * np.log(
        f.low / f.open
    )


def yang_zhang(f, n):
    k = 0.34 / (1.34 + (n + 1) / (n - 1))
    overnight = np.log(f.open / f.close.shift()).rolling(n).apply(lambda x: np.var(x, ddof=1), raw=True)
    intraday = np.log(f.close / f.open).rolling(n).apply(lambda x: np.var(x, ddof=1), raw=True)
    return np.sqrt(overnight + k * intraday + (1 - k) * over(rogers_satchell(f), n, np.mean))


def tsi(close, slow, fast):
    change = close.diff()
    return ema(ema(change, slow), fast) / ema(ema(change.abs(), slow), fast)


def mean_square(r, n):
    return over(r**2, n, np.mean)


def kama(close, n):
    out = pd.Series(np.nan, close.index)
    level = close.iloc[n - 1]
    for t in range(n, len(close)):
        steps = np.abs(np.diff(close.iloc[t - n : t + 1]))
        ratio = abs(close.iloc[t] - close.iloc[t - n]) / steps.sum()
        alpha = (ratio * (2 / 3 - 2 / 31) + 2 / 31) ** 2
        level = out.iloc[t] = alpha * close.iloc[t] + (1 - alpha) * level
    return out


def least_squares_r2(y):
    return np.corrcoef(y, np.arange(len(y)))[0, 1] ** 2


def angle(values, period):
    return 2 * np.pi * np.asarray(values) / period


def on(f, values):
    return pd.Series(np.asarray(values, float), f.index)


DEFINITIONS = {
    "gap": lambda f: f.open / f.close.shift() - 1,
    "close_to_open": lambda f: f.close / f.open - 1,
    "bar_range": lambda f: (f.high - f.low) / f.close,
    "body": lambda f: (f.close - f.open) / (f.high - f.low),
    "upper_shadow": lambda f: (f.high - f[["open", "close"]].max(axis=1)) / (f.high - f.low),
    "lower_shadow": lambda f: (f[["open", "close"]].min(axis=1) - f.low) / (f.high - f.low),
    "close_position": lambda f: (f.close - f.low) / (f.high - f.low),
    "high_to_open": lambda f: f.high / f.open - 1,
    "low_to_open": lambda f: f.low / f.open - 1,
    "high_to_close": lambda f: f.high / f.close - 1,
    "low_to_close": lambda f: f.low / f.close - 1,
    "log_ret_3": lambda f: np.log(f.close).diff(3),
    "kama_20": lambda f: f.close / kama(f.close, 20) - 1,
    "realised_vol_50": lambda f: np.sqrt(over(np.log(f.close).diff() ** 2, 50, np.sum)),
    "vol_of_vol_10_20": lambda f: over(np.sqrt(mean_square(f.r, 10)), 20, stats.variation),
    "ret_5": lambda f: f.close.pct_change(5),
    "ret_lag_3": lambda f: f.r.shift(3),
    "range_lag_2": lambda f: ((f.high - f.low) / f.close).shift(2),
    "volume_ratio_lag_2": lambda f: (f.volume / over(f.volume, 20, np.mean)).shift(2),
    "bb_position": lambda f: over(f.close, 20, lambda x: (x[-1] - x.mean() + 2 * x.std()) / (4 * x.std())),
    "bb_width": lambda f: over(f.close, 20, lambda x: 4 * x.std() / x.mean()),
    "keltner_position": lambda f: (
        0.5 + (f.close - over(f.close, 20, np.mean)) / (4 * over(true_range(f), 20, np.mean))
    ),
    "sma_cross_5_20": lambda f: over(f.close, 5, np.mean) / over(f.close, 20, np.mean) - 1,
    "sma_slope_20_5": lambda f: over(f.close, 20, np.mean).pct_change(5, fill_method=None),
    "ema_cross_5_20": lambda f: ema(f.close, 5) / ema(f.close, 20) - 1,
    "macd_hist": lambda f: (
        (ema(f.close, 12) - ema(f.close, 26) - ema(ema(f.close, 12) - ema(f.close, 26), 9)) / f.close
    ),
    "volume_z_50": lambda f: over(f.volume, 50, lambda x: (x[-1] - x.mean()) / x.std()),
    "volume_change_5": lambda f: f.volume.diff(5) / (f.volume + f.volume.shift(5)),
    "volume_cross_5_20": lambda f: over(f.volume, 5, np.mean) / over(f.volume, 20, np.mean) - 1,
    "vwap_20": lambda f: (
        f.close / (over((f.high + f.low + f.close) / 3 * f.volume, 20, np.sum) / over(f.volume, 20, np.sum))
        - 1
    ),
    "force_13": lambda f: (
        over(f.close.diff() * f.volume, 13, np.sum) / over(f.close.diff().abs() * f.volume, 13, np.sum)
    ),
    "volume_corr_20": lambda f: f.r.rolling(20).corr(f.volume),
    "cmo_14": lambda f: 100 * over(f.close.diff(), 14, np.sum) / over(f.close.diff().abs(), 14, np.sum),
    "tsi_25_13": lambda f: tsi(f.close, 25, 13),
    "efficiency_20": lambda f: f.close.diff(20) / over(f.close.diff().abs(), 20, np.sum),
    "ret_mean_50": lambda f: over(f.r, 50, np.mean),
    "ret_std_20": lambda f: over(f.r, 20, np.std),
    "ret_skew_50": lambda f: over(f.r, 50, stats.skew),
    "ret_kurt_50": lambda f: over(f.r, 50, stats.kurtosis),
    "ret_skew_20": lambda f: over(f.r, 20, stats.skew),
    "ret_kurt_20": lambda f: over(f.r, 20, stats.kurtosis),
    "autocorr_20": lambda f: over(f.r, 20, autocorrelation),
    "autocorr_50": lambda f: over(f.r, 50, autocorrelation),
    "up_share_20": lambda f: over(f.close.diff(), 20, lambda d: np.mean(0.5 + 0.5 * np.sign(d))),
    "streak_10": lambda f: streak(f.close, 10),
    "zscore_50": lambda f: over(f.close, 50, lambda x: stats.zscore(x)[-1]),
    "rank_50": lambda f: over(f.close, 50, lambda x: stats.percentileofscore(x[:-1], x[-1], "mean") / 100),
    "drawdown_50": lambda f: over(f.close, 50, lambda x: x[-1] / x.max() - 1),
    "rise_50": lambda f: over(f.close, 50, lambda x: x[-1] / x.min() - 1),
    "trend_slope_20": lambda f: over(f.close, 20, lambda y: stats.linregress(range(20), y).slope / y[-1]),
    "trend_r2_20": lambda f: over(f.close, 20, least_squares_r2),
    "parkinson_50": lambda f: np.sqrt(over(np.log(f.high / f.low) ** 2, 50, np.mean) / (4 * np.log(2))),
    "garman_klass_20": lambda f: np.sqrt(
        over(
            np.log(f.high / f.low) ** 2 / 2 - (2 * np.log(2) - 1) * np.log(f.close / f.open) ** 2, 20, np.mean
        )
    ),
    "rogers_satchell_20": lambda f: np.sqrt(over(rogers_satchell(f), 20, np.mean)),
    "yang_zhang_20": lambda f: yang_zhang(f, 20),
    "downside_20": lambda f: np.sqrt(over(f.r.clip(upper=0) ** 2, 20, np.mean)).where(f.r.notna()),
    "vol_ratio_5_20": lambda f: np.sqrt(mean_square(f.r, 5) / mean_square(f.r, 20)),
    "hour": lambda f: on(f, f.index.hour),
    "hour_sin": lambda f: on(f, np.sin(angle(f.index.hour, 24))),
    "hour_cos": lambda f: on(f, np.cos(angle(f.index.hour, 24))),
    "weekday": lambda f: on(f, f.index.dayofweek),
    "weekday_sin": lambda f: on(f, np.sin(angle(f.index.dayofweek, 7))),
    "weekday_cos": lambda f: on(f, np.cos(angle(f.index.dayofweek, 7))),
    "day": lambda f: on(f, f.index.day),
    "month": lambda f: on(f, f.index.month),
    "month_sin": lambda f: on(f, np.sin(angle(f.index.month - 1, 12))),
    "month_cos": lambda f: on(f, np.cos(angle(f.index.month - 1, 12))),
}


@cache
def _matrix():
    return build(_gap_walk(), names=tuple(DEFINITIONS))


@pytest.mark.parametrize("name", DEFINITIONS)
def test_feature_equals_its_definition(name):
    actual = _matrix().column(name)
    expected = DEFINITIONS[name](_frame()).to_numpy()
    np.testing.assert_array_equal(np.isnan(actual), np.isnan(expected))
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-11)


def test_calendar_is_right_on_every_day_of_four_centuries():
    days = pd.date_range("1899-12-31", "2301-01-01", freq="D")
    rows = np.ones((len(days), 6))
    rows[:, 5] = days.as_unit("s").astype("int64")
    program = compile_program(resolve(("day", "month", "weekday")))
    out = np.empty((len(days), 3))
    program.advance(program.start(), rows, out)
    np.testing.assert_array_equal(out, np.column_stack([days.day, days.month, days.dayofweek]))


def test_hour_has_its_minutes():
    bars = random_walk(60, 1, timeframe="15m")
    expected = bars.frame().index.hour + bars.frame().index.minute / 60
    np.testing.assert_array_equal(build(bars, names=("hour",)).column("hour"), expected)


def test_no_two_features_are_the_same():
    bars = random_walk(2000, 5, step_ticks=6000.0)[::2]
    matrix = build(bars, names=[name for name, f in registered().items() if not f.pair])
    seen = {}
    for name in matrix.names:
        column = matrix.column(name)[matrix.ready :].tobytes()
        assert column not in seen, f"{name} repeats {seen.get(column)}"
        seen[column] = name
