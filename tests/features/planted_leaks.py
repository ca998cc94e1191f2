"""Thirty plausible functions that see the future, each beside an honest twin.

Frames hold hourly bars with a UTC index. A leak has the lookback that a careless author would give it; a twin
has the lookback and warm-up that it needs.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mlstrat.features.registry import Feature

BARS = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True)
class Pair:
    """A leak and its twin."""

    name: str
    leak: Feature
    twin: Feature


def array_feature(name, function, lookback=1, warmup=None):
    return Feature(
        name=name, family="user", step=None, function=function, params=(), inputs=BARS, state_size=0,
        lookback=lookback, warmup=warmup or lookback, unit="number", source="test", pine=None,
        no_pine="test", model_input=True,
    )  # fmt: skip


def pair(name, leak, twin, lookback, warmup=None, leak_lookback=1):
    first = array_feature(name, leak, leak_lookback)
    return Pair(name, first, array_feature(f"honest_{name}", twin, lookback, warmup))


def ret(f):
    return f.close.pct_change()


def day(f):
    return f.index.normalize()


def week(f):
    return day(f) - pd.to_timedelta(f.index.weekday, unit="D")


def trailing(values, n):
    """Windows that end at each bar, (n_bars, n); those before the first whole one hold NaN."""
    values = np.asarray(values, float)
    padded = np.concatenate([np.full(n - 1, np.nan), values])
    return np.lib.stride_tricks.sliding_window_view(padded, n)


def scaled_by_the_sample(f):
    from sklearn.preprocessing import StandardScaler

    return StandardScaler().fit_transform(f[["close"]].to_numpy())[:, 0]


def scaled_by_the_window(f):
    from sklearn.preprocessing import StandardScaler

    return StandardScaler().fit_transform(trailing(f.close, 50).T)[-1]


def known_at_hours(f, hours):
    return f.close.where(f.index.hour % hours == 0)


def week_close(f, weeks_ago):
    closes = f.close.groupby(week(f)).last().shift(weeks_ago)
    return closes.reindex(week(f)).to_numpy() / f.close


def headline(f, stamp):
    """The day's story is written at 15:00 and tells the move since midnight."""
    story = np.log(f.close).diff(15)[f.index.hour == 15]
    story.index = stamp(story.index)
    return story.reindex(f.index, method="ffill")


def shape(f):
    return np.column_stack([f.close / f.open, f.high / f.open, f.low / f.open]) - 1.0


def component_of_the_sample(f):
    from sklearn.decomposition import PCA

    return PCA(1, svd_solver="full").fit_transform(shape(f))[:, 0]


def component_of_the_window(f):
    windows = np.stack([trailing(column, 50) for column in shape(f).T], axis=1)
    centred = np.nan_to_num(windows - windows.mean(axis=2, keepdims=True))
    sizes = np.linalg.eigvalsh(centred @ centred.transpose(0, 2, 1))
    with np.errstate(invalid="ignore"):
        return sizes[:, -1] / sizes.sum(axis=1)


def detrended(f):
    from scipy.signal import detrend

    return detrend(f.close.to_numpy())


def detrended_window(f):
    line = np.column_stack([np.ones(50), np.arange(50.0)])
    last = np.eye(50)[-1] - line[-1] @ np.linalg.pinv(line)
    return trailing(f.close, 50) @ last


def smoothed(f):
    from scipy.signal import savgol_filter

    return savgol_filter(f.close.to_numpy(), 11, 2) / f.close


def smoothed_at_the_end(f):
    from scipy.signal import savgol_coeffs

    return trailing(f.close, 11) @ savgol_coeffs(11, 2, pos=10, use="dot") / f.close


def low_pass(values):
    spectrum = np.fft.rfft(values, axis=-1)
    spectrum[..., 6:] = 0.0
    return np.fft.irfft(spectrum, np.shape(values)[-1], axis=-1)


def filtered(f, run):
    from scipy.signal import butter

    return run(*butter(2, 0.1), f.close.to_numpy()) / f.close


def both_ways(*arguments):
    from scipy.signal import filtfilt

    return filtfilt(*arguments)


def forwards(*arguments):
    from scipy.signal import lfilter

    return lfilter(*arguments)


def winsorised(f, low, high):
    return ret(f).clip(low, high)


def merged(f, direction):
    moments = f.index[f.index.hour % 6 == 0]
    table = pd.DataFrame({"moment": moments, "level": f.close.reindex(moments).to_numpy()})
    bars = pd.DataFrame({"moment": f.index})
    return pd.merge_asof(bars, table, on="moment", direction=direction).level.to_numpy() / f.close


def clusters(f):
    from scipy.cluster.vq import kmeans2

    moves = ret(f).fillna(0.0).to_numpy()
    centres, member = kmeans2(moves, np.array([moves.min(), 0.0, moves.max()]), minit="matrix")
    return centres[member]


def rolling(f, n=50):
    return f.close.rolling(n)


def quintile_of_the_window(f):
    window = ret(f).rolling(50)
    return sum((ret(f) > window.quantile(q)) * 1.0 for q in (0.2, 0.4, 0.6, 0.8))


def hour_mean_of_five_days(f):
    return sum(ret(f).shift(24 * days) for days in range(5)) / 5


PAIRS = (
    pair("next_return", lambda f: f.close.shift(-1) / f.close - 1,
         lambda f: f.close / f.close.shift(1) - 1, 2),
    pair("label", lambda f: np.sign(f.close.shift(-5) - f.close),
         lambda f: np.sign(f.close - f.close.shift(5)), 6),
    pair("z_score", lambda f: (f.close - f.close.mean()) / f.close.std(),
         lambda f: (f.close - rolling(f).mean()) / rolling(f).std(), 50),
    pair("min_max", lambda f: (f.close - f.close.min()) / (f.close.max() - f.close.min()),
         lambda f: (f.close - rolling(f).min()) / (rolling(f).max() - rolling(f).min()), 50),
    pair("scaler", scaled_by_the_sample, scaled_by_the_window, 50),
    pair("back_fill", lambda f: rolling(f, 20).mean().bfill() / f.close,
         lambda f: rolling(f, 20).mean() / f.close, 20),
    pair("interpolated", lambda f: known_at_hours(f, 4).interpolate() / f.close,
         lambda f: known_at_hours(f, 4).ffill() / f.close, 4),
    pair("mean_filled", lambda f: known_at_hours(f, 3).fillna(f.close.mean()) / f.close,
         lambda f: known_at_hours(f, 3).ffill() / f.close, 3),
    pair("centred", lambda f: f.close.rolling(11, center=True).mean() / f.close,
         lambda f: rolling(f, 11).mean() / f.close, 11),
    pair("shifted_mean", lambda f: f.close.shift(-3).rolling(5).mean() / f.close,
         lambda f: f.close.shift(3).rolling(5).mean() / f.close, 8),
    pair("daily", lambda f: f.close.resample("1D").last().reindex(f.index, method="ffill") / f.close,
         lambda f: f.close.resample("1D").last().shift(1).reindex(f.index, method="ffill") / f.close, 25),
    pair("weekly", lambda f: week_close(f, 0), lambda f: week_close(f, 1), 169),
    pair("four_hours", lambda f: f.close.resample("4h").last().reindex(f.index, method="ffill") / f.close,
         lambda f: f.close.resample("4h").last().shift(1).reindex(f.index, method="ffill") / f.close, 5),
    pair("headline", lambda f: headline(f, lambda t: t.normalize()), lambda f: headline(f, lambda t: t), 40),
    pair("rank", lambda f: f.close.rank(pct=True), lambda f: rolling(f).rank(pct=True), 50),
    pair("quintile", lambda f: pd.qcut(ret(f).fillna(0), 5, labels=False, duplicates="drop"),
         quintile_of_the_window, 51, leak_lookback=10),
    pair("component", component_of_the_sample, component_of_the_window, 50, leak_lookback=5),
    pair("detrended", detrended, detrended_window, 50, leak_lookback=2),
    pair("savgol", smoothed, smoothed_at_the_end, 11, leak_lookback=11),
    pair("fourier", lambda f: low_pass(f.close.to_numpy()) / f.close,
         lambda f: low_pass(trailing(f.close, 48))[:, -1] / f.close, 48, leak_lookback=20),
    pair("filtfilt", lambda f: filtered(f, both_ways),
         lambda f: filtered(f, forwards), 1, 200, leak_lookback=10),
    pair("day_mean", lambda f: f.close.groupby(day(f)).transform("mean") / f.close,
         lambda f: f.close.groupby(day(f)).expanding().mean().to_numpy() / f.close, 1, 24),
    pair("day_high", lambda f: f.high.groupby(day(f)).transform("max") / f.close,
         lambda f: f.high.groupby(day(f)).cummax() / f.close, 1, 24),
    pair("volume_share", lambda f: f.volume / f.volume.groupby(day(f)).transform("sum"),
         lambda f: f.volume / f.volume.rolling(24).sum(), 24),
    pair("to_the_bottom", lambda f: f.low.iloc[::-1].cummin().iloc[::-1] / f.close,
         lambda f: f.low.rolling(24).min() / f.close, 24),
    pair("hour_mean", lambda f: ret(f).groupby(f.index.hour).transform("mean"), hour_mean_of_five_days, 98),
    pair("winsorised", lambda f: winsorised(f, ret(f).quantile(0.05), ret(f).quantile(0.95)),
         lambda f: winsorised(f, ret(f).rolling(50).quantile(0.05), ret(f).rolling(50).quantile(0.95)), 51),
    pair("reversed_ewm", lambda f: f.close.iloc[::-1].ewm(span=10).mean().iloc[::-1] / f.close,
         lambda f: f.close.ewm(span=10).mean() / f.close, 1, 150),
    pair("merged", lambda f: merged(f, "nearest"), lambda f: merged(f, "backward"), 6),
    pair("clusters", clusters, lambda f: np.digitize(ret(f), [-0.002, 0.002]) * 1.0, 2),
)  # fmt: skip
