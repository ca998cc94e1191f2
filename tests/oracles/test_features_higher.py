"""Higher timeframes and other symbols against pandas: resampled bars, merged at the time they are known."""

import numpy as np
import pandas as pd
import pytest

from mlstrat.data.bars import COLUMNS, Bars
from mlstrat.data.sources import read_bars
from mlstrat.data.synthetic import random_walk
from mlstrat.errors import ConfigError, DataError, NotEnoughBarsError
from mlstrat.features.higher_timeframe import BASES, PERIODS
from mlstrat.features.matrix import build
from mlstrat.features.stream import FeatureStream

WALK = random_walk(3000, 3, step_ticks=4000.0)
OTHER = random_walk(3400, 4, step_ticks=4000.0)


def with_outages(bars: Bars, seed: int, start: int = 0) -> Bars:
    """Drop single bars, whole periods and a day, and begin inside a period."""
    rng = np.random.default_rng(seed)
    keep = rng.random(len(bars)) > 0.05
    for first in rng.integers(50, len(bars) - 100, 12):
        keep[first : first + rng.integers(2, 30)] = False
    keep[:start] = False
    frame = bars.frame()[keep]
    return read_bars(frame, symbol=bars.symbol, timeframe="1h")


def named(bars: Bars, symbol: str) -> Bars:
    return read_bars(bars.frame(), symbol=symbol, timeframe="1h")


def known_at_close(of: pd.Series, bars: Bars) -> np.ndarray:
    """Values by the time they are known, as seen at the close of each bar."""
    rows = pd.DataFrame({"close": bars.close_time})
    table = pd.DataFrame({"known": of.index.to_numpy(), "value": of.to_numpy()})
    merged = pd.merge_asof(rows, table, left_on="close", right_on="known")
    return merged["value"].to_numpy()


def period_bars(bars: Bars, label: str) -> tuple[Bars, pd.DatetimeIndex]:
    """Whole periods, and when each is known: at its end, or at the next bar's close where its last lacks."""
    frame = bars.frame()
    rule = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    whole = frame.resample(label).agg(rule).dropna()
    length = pd.Timedelta(label)
    closes = pd.DatetimeIndex(bars.close_time, tz="UTC")
    known = []
    for begin in whole.index:
        inside = closes[(frame.index >= begin) & (frame.index < begin + length)]
        if inside[-1] >= begin + length:
            known.append(inside[-1])
        else:
            later = closes[frame.index >= begin + length]
            known.append(later[0] if len(later) else pd.NaT)
    known_index = pd.DatetimeIndex(known)
    if frame.index[0] != whole.index[0]:
        whole, known_index = whole[1:], known_index[1:]
    done = ~known_index.isna()
    return read_bars(whole[done], symbol="WALK", timeframe=label), known_index[done].tz_localize(None)


@pytest.mark.parametrize("start", [0, 1, 23, 5])
@pytest.mark.parametrize("label", PERIODS)
def test_features_of_resampled_bars_merged_at_their_close(label, start):
    bars = with_outages(WALK, 9, start)
    names = [f"{name}_{label}" for name in BASES]
    ours = build(bars, names)
    theirs, known = period_bars(bars, label)
    of_period = build(theirs, BASES)
    for k, name in enumerate(BASES):
        expected = known_at_close(pd.Series(of_period.column(name), index=known), bars)
        first = int(ours.lookback[k]) - 1
        assert np.isnan(ours.values[:first, k]).all()
        # pandas sums volume in another order.
        np.testing.assert_allclose(ours.values[first:, k], expected[first:], rtol=1e-11, atol=1e-12)
        assert np.isfinite(ours.values[first:, k]).all()


def test_a_period_is_not_known_before_it_ends():
    bars = random_walk(300, 1, step_ticks=4000.0)
    column = build(bars, ["ret_1_4h"]).column("ret_1_4h")
    changes = np.flatnonzero(np.diff(column[20:])) + 21
    hours = bars.time[changes].astype("datetime64[h]").astype(int) % 24
    assert set(hours) == {3, 7, 11, 15, 19, 23}


@pytest.mark.parametrize("late", [False, True])
def test_features_of_another_symbol_are_those_of_its_own_bars_merged_at_their_close(late):
    bars, other = with_outages(WALK, 1), with_outages(named(OTHER, "OTHER"), 2)
    if late:
        bars, other = bars, other[300:]
    names = ("ret_5", "rsi_14", "volume_ratio", "sma_20_4h")
    ours = build(bars, [f"{name}@OTHER" for name in names], others=[other])
    alone = build(other, names)
    for k, name in enumerate(names):
        expected = known_at_close(pd.Series(alone.column(name), index=other.close_time), bars)
        np.testing.assert_array_equal(ours.values[:, k], expected)
        assert np.isfinite(expected[int(ours.lookback[k]) - 1 :]).all()
        assert not np.isfinite(expected[: int(ours.lookback[k]) - 1]).any()


def test_pairs_against_pandas():
    bars, other = with_outages(WALK, 1), with_outages(named(OTHER, "OTHER"), 2)[60:]
    names = ["strength_5", "ratio_z_50", "corr_20", "beta_100"]
    ours = build(bars, [f"{name}@OTHER" for name in names], others=[other])
    frame = pd.DataFrame(
        {
            "own": bars.close,
            "other": known_at_close(pd.Series(other.close, index=other.close_time), bars),
        }
    ).dropna()
    change = frame.pct_change()
    ratio = frame["own"] / frame["other"]
    expected = {
        "strength_5": frame["own"].pct_change(5) - frame["other"].pct_change(5),
        "ratio_z_50": (ratio - ratio.rolling(50).mean()) / ratio.rolling(50).std(ddof=0),
        "corr_20": change["own"].rolling(20).corr(change["other"]),
        "beta_100": change["own"].rolling(100).cov(change["other"]) / change["other"].rolling(100).var(),
    }
    for k, name in enumerate(names):
        series = expected[name]
        # In an outage of the other symbol its returns are all 0, and so are ours; pandas gives NaN.
        series[series.index > series.first_valid_index()] = series.fillna(0.0)
        column = series.reindex(range(len(bars))).to_numpy()
        np.testing.assert_allclose(ours.values[:, k], column, rtol=1e-7, atol=1e-9)
        assert int(ours.lookback[k]) - 1 == int(np.argmax(np.isfinite(column)))


def test_the_stream_takes_the_other_symbol_bar_by_bar():
    bars, other = with_outages(WALK, 1)[:500], with_outages(named(OTHER, "OTHER"), 2)[:480]
    names = ("ret_1", "rsi_14@OTHER", "corr_20@OTHER", "ret_5_4h", "rsi_14_4h@OTHER")
    batch = build(bars, names, others=[other])
    known = FeatureStream(names, timeframe="1h", others=[other])
    fed = FeatureStream(names, timeframe="1h", others=[other[:1]])
    given, closes = 1, other.close_time
    for t in range(len(bars)):
        while given < len(other) and closes[given] <= bars.close_time[t]:
            fed.add("OTHER", other.matrix[given])
            given += 1
        row = bars.matrix[t]
        assert known.update(row).tobytes() == batch.values[t].tobytes()
        assert fed.update(row).tobytes() == batch.values[t].tobytes()


def test_later_bars_of_the_other_symbol_change_nothing():
    bars, other = WALK[:600], named(OTHER[:600], "OTHER")
    names = ("ret_5@OTHER", "corr_20@OTHER", "beta_100@OTHER", "rsi_14_4h@OTHER")
    whole = build(bars, names, others=[other]).values
    for cut in (200, 333, 450):
        part = build(bars, names, others=[other[:cut]]).values
        assert part[:cut].tobytes() == whole[:cut].tobytes()


def test_without_names_the_other_symbol_adds_its_family():
    bars, other = WALK[:900], named(OTHER[:900], "OTHER")
    alone, both = build(bars), build(bars, others=[other])
    added = set(both.names) - set(alone.names)
    assert {"corr_100@OTHER", "ret_1@OTHER", "strength_20@OTHER"} <= added
    assert all(name.endswith("@OTHER") for name in added)
    k = [both.names.index(name) for name in alone.names]
    assert both.values[:, k].tobytes() == alone.values.tobytes()


def test_what_does_not_fit_is_refused_by_name_and_left_out_otherwise():
    daily = read_bars(WALK.frame().resample("1D").first().dropna(), symbol="WALK", timeframe="1d")
    with pytest.raises(ConfigError, match="rsi_14_4h cannot be computed from bars of 86,400 seconds: take"):
        build(daily, ["rsi_14_4h"])
    assert not any(
        name.endswith(("_4h", "_1d")) for name in build(daily, families=["price", "momentum"]).names
    )
    with pytest.raises(DataError, match=r"ret_1@ABC needs bars of ABC: name their file in features\.context"):
        build(WALK, ["ret_1@ABC"])
    with pytest.raises(ConfigError, match="'corr_20' needs another symbol: write corr_20@BTCUSDT"):
        build(WALK, ["corr_20"])
    other = named(OTHER, "OTHER")
    with pytest.raises(DataError, match="bars of OTHER are given twice"):
        build(WALK, ["corr_20@OTHER"], others=[other, other])
    with pytest.raises(ConfigError, match="rsi_14_4h depends on the length of a bar: pass timeframe"):
        FeatureStream(["rsi_14_4h"])
    late = named(OTHER, "OTHER")[-3:]
    with pytest.raises(NotEnoughBarsError, match="feature ret_5@OTHER needs"):
        build(WALK, ["ret_5@OTHER"], others=[late])


def test_bars_of_the_oracle_are_whole():
    bars, _ = period_bars(WALK, "4h")
    assert len(bars) == 750
    assert all(np.isfinite(getattr(bars, name)).all() for name in COLUMNS)
