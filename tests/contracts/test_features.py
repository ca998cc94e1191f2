"""What every registered feature must keep: a new feature is tested by being registered."""

import hashlib
import os
import subprocess
import sys
from functools import cache

import numpy as np
import pytest

from mlstrat.data import samples
from mlstrat.data.synthetic import random_walk
from mlstrat.features.lookup import registered
from mlstrat.features.program import compile_program
from mlstrat.features.registry import FAMILIES, INPUTS
from mlstrat.features.stream import FeatureStream

NAMES = tuple(registered())
OWN = tuple(name for name in NAMES if not registered()[name].pair)
HOUR = 3600
# Bars of a series, and of one that is long enough for 20 days.
N, LONG = 400, 1200
# Values of a market that does not move and does not trade; 0 where not named.
NEUTRAL = {
    "rsi_7": 50,
    "rsi_14": 50,
    "rsi_21": 50,
    "mfi_14": 50,
    "uo_7_14_28": 50,
    "stoch_k_14": 50,
    "stoch_d_14": 50,
    "williams_14": -50,
    "bb_position": 0.5,
    "keltner_position": 0.5,
    "donchian_position_20": 0.5,
    "donchian_position_55": 0.5,
    "close_position": 0.5,
    "rank_50": 0.5,
    "up_share_20": 0.5,
    "volume_ratio": 1,
    "volume_ratio_lag_1": 1,
    "volume_ratio_lag_2": 1,
    "volume_ratio_lag_3": 1,
    "vol_ratio_5_20": 1,
    "vol_ratio_20_100": 1,
    "supertrend_10": 1,
    "hurst_100": 0.5,
}
# The only features in price: levels, whose neutral value is the price, and the ATR.
LEVELS = tuple(f"{mean}_px_{n}" for mean in ("sma", "ema", "wma") for n in (5, 10, 20, 50, 100, 200)) + tuple(
    f"{side}_px_{n}" for side in ("high", "low") for n in (20, 55)
)
NEUTRAL |= dict.fromkeys(LEVELS, 123.4)


@cache
def smooth(n=N, seed=7):
    return random_walk(n, seed, step_ticks=4000.0).matrix


@cache
def coarse(n=N, seed=11):
    """Prices on few levels, with gaps between bars, bars without range and bars without volume."""
    rng = np.random.default_rng(seed)
    close = 150.0 + np.cumsum(rng.integers(-2, 3, n)) * 0.25
    open_ = close + rng.integers(-2, 3, n) * 0.25
    top = np.maximum(open_, close) + rng.integers(0, 3, n) * 0.25
    bottom = np.minimum(open_, close) - rng.integers(0, 3, n) * 0.25
    volume = rng.integers(0, 4, n) * 10.0
    still = slice(120, 190)
    for column in (open_, top, bottom, close):
        column[still] = close[119]
    volume[still] = 0.0
    time = 1.6e9 + HOUR * np.arange(n)
    return _frozen(np.column_stack([open_, top, bottom, close, volume, time]))


@cache
def real(n=N, seed=0):
    return samples.load_bars("ETHUSDT_1h" if seed else "BTCUSDT_1h")[:n].matrix


SERIES = {"smooth": smooth, "coarse": coarse, "real": real}


def bound(name):
    return registered()[name].bound(HOUR)


@cache
def rows_for(name, series="smooth", n=0):
    """Bars that the feature takes: enough of them, and for pairs those of another symbol beside them."""
    f = registered()[name]
    n = n or (LONG if f.period else N)
    rows = SERIES[series](n)
    return _frozen(np.hstack([rows, SERIES[series](n, 5)])) if f.pair else rows


def _frozen(rows):
    rows.setflags(write=False)
    return rows


@cache
def _program(name):
    return compile_program([bound(name)])


def values(name, rows):
    program = _program(name)
    out = np.full((len(rows), 1), -777.0)
    program.advance(program.start(), rows, out)
    return out[:, 0]


def scaled(rows, price=1.0, volume=1.0):
    own = np.array([price, price, price, price, volume, 1.0])
    return np.ascontiguousarray(rows * np.r_[own, np.ones(rows.shape[1] - 6)])


def assert_close(actual, expected, share=1e-9):
    """Equal within a share of the value, or of the column's usual size where the value crosses zero."""
    seen = np.isfinite(expected)
    np.testing.assert_array_equal(np.isfinite(actual), seen)
    size = np.maximum(np.abs(expected[seen]), np.mean(np.abs(expected[seen])))
    assert (np.abs(actual[seen] - expected[seen]) <= share * size).all()


@pytest.mark.parametrize("series", SERIES)
@pytest.mark.parametrize("name", NAMES)
def test_a_cut_at_any_bar_keeps_every_earlier_bit(name, series):
    rows = rows_for(name, series)
    whole = values(name, rows)
    for cut in range(1, len(rows)):
        assert values(name, rows[:cut]).tobytes() == whole[:cut].tobytes(), f"cut at bar {cut}"


@pytest.mark.parametrize("name", NAMES)
def test_later_bars_change_nothing(name):
    rows, t = rows_for(name), 300
    whole = values(name, rows)
    for later in (rows[t:] * np.nan, rows[t:] * 10.0, rows[t:][::-1]):
        tampered = np.ascontiguousarray(np.vstack([rows[:t], later]))
        np.testing.assert_array_equal(values(name, tampered)[:t], whole[:t])


@pytest.mark.parametrize("series", SERIES)
@pytest.mark.parametrize("name", NAMES)
def test_first_finite_value_is_at_the_lookback_and_all_later_ones_are_finite(name, series):
    column = values(name, rows_for(name, series))
    lookback = bound(name).lookback
    assert lookback < len(column)
    assert np.isnan(column[: lookback - 1]).all()
    assert np.isfinite(column[lookback - 1 :]).all()


@pytest.mark.parametrize("series", SERIES)
def test_stream_equals_batch_to_the_bit(series):
    rows = SERIES[series](LONG)
    stream = FeatureStream(OWN, timeframe="1h")
    live = np.array([stream.update(row) for row in rows])
    batch = np.column_stack([values(name, rows) for name in OWN])
    assert stream.names == OWN
    assert live.tobytes() == batch.tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_in_pieces_equals_the_whole(name):
    rows, program = rows_for(name), _program(name)
    state, out = program.start(), np.empty((len(rows), 1))
    for start in range(0, len(rows), 37):
        program.advance(state, rows[start : start + 37], out[start : start + 37])
    assert out[:, 0].tobytes() == values(name, rows).tobytes()


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_give_the_same_bits(threads):
    rows = smooth(2000)
    program = compile_program([bound(name) for name in OWN])
    one, several = np.empty((2, len(rows), len(OWN)))
    program.advance(program.start(), rows, one)
    program.advance(program.start(), rows, several, threads=threads)
    assert several.tobytes() == one.tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_bars_are_not_changed(name):
    rows = rows_for(name).copy()
    values(name, rows)
    np.testing.assert_array_equal(rows, rows_for(name))


@pytest.mark.parametrize("series", SERIES)
@pytest.mark.parametrize("name", [n for n in NAMES if registered()[n].model_input])
def test_model_inputs_ignore_the_unit_of_price_and_volume(name, series):
    rows = rows_for(name, series)
    plain = values(name, rows)
    for factor in (2.0, 1024.0):
        assert values(name, scaled(rows, price=factor)).tobytes() == plain.tobytes()
        assert values(name, scaled(rows, volume=factor)).tobytes() == plain.tobytes()
    assert_close(values(name, scaled(rows, price=10.0)), plain)
    assert_close(values(name, scaled(rows, volume=10.0)), plain)


def test_the_features_in_price_scale_with_it_and_feed_no_model():
    in_price = [name for name in NAMES if not registered()[name].model_input]
    assert sorted(in_price) == sorted(("atr_px", *LEVELS))
    rows = smooth()
    for name in in_price:
        assert registered()[name].unit == "price"
        np.testing.assert_array_equal(values(name, scaled(rows, price=2.0)), 2.0 * values(name, rows))


@pytest.mark.parametrize("name", NAMES)
def test_after_warmup_ten_times_the_history_gives_the_same_number(name):
    warmup, tail = bound(name).warmup, 100
    # A day begins where the short history does, so that both see the same days.
    step = max(registered()[name].period // HOUR, 1)
    tail += (-warmup - tail) % step
    rows = rows_for(name, n=10 * max(bound(other).warmup for other in NAMES) + tail)
    rows = rows[len(rows) % step :]
    long = values(name, rows[-10 * warmup - tail :])[-tail - 1 :]
    short = values(name, rows[-warmup - tail :])[-tail - 1 :]
    assert_close(short, long)


@pytest.mark.parametrize("name", NAMES)
def test_the_inputs_named_are_those_that_matter(name):
    rows = rows_for(name)
    plain = values(name, rows)
    for k, column in enumerate(INPUTS):
        changed = rows.copy()
        changed[:, k] *= 1.0 + 0.3 * np.random.default_rng(k).random(len(rows))
        same = values(name, changed).tobytes() == plain.tobytes()
        assert same == (column not in registered()[name].inputs), column


@pytest.mark.parametrize("name", NAMES)
def test_a_market_that_stands_still_gives_the_neutral_value(name):
    rows = rows_for(name).copy()
    rows[:, :4], rows[:, 4] = 123.4, 0.0
    rows[:, 6:10] = 99.0
    column = values(name, rows)[bound(name).lookback - 1 :]
    assert np.isfinite(column).all()
    if registered()[name].family != "time":
        neutral = NEUTRAL.get(name.removesuffix("_4h").removesuffix("_1d"), 0.0)
        np.testing.assert_allclose(column, neutral, rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_a_market_that_comes_to_rest_stays_finite(name):
    moving = rows_for(name)
    n = len(moving)
    rest = np.tile(moving[-1], (n, 1))
    rest[:, :3], rest[:, 4] = moving[-1, 3], 0.0
    rest[:, 5] += HOUR * np.arange(1, n + 1)
    column = values(name, np.vstack([moving, rest]))
    assert np.isfinite(column[bound(name).lookback - 1 :]).all()
    assert np.abs(column[n:]).max() <= 2.0 * np.nanmax(np.abs(column[:n])) + 100.0


@pytest.mark.parametrize("name", NAMES)
def test_description_is_complete(name):
    f = registered()[name]
    assert f.family in FAMILIES
    assert f.unit
    assert f.source
    assert (f.pine is None) == bool(f.no_pine)
    assert "{" not in (f.pine or "")
    assert name == f.name
    assert name.isidentifier()


_HASH = """
import hashlib, numpy as np
from mlstrat.data import samples
from mlstrat.data.synthetic import random_walk
from mlstrat.features.matrix import build
from mlstrat.features.lookup import registered
names = [name for name, f in registered().items() if not f.pair]
matrix = build(random_walk(1200, 7, step_ticks=4000.0), names=names)
print(hashlib.sha256(matrix.values.tobytes()).hexdigest())
"""


def test_other_processes_give_the_same_bits():
    own = np.ascontiguousarray(np.column_stack([values(name, smooth(LONG)) for name in OWN]))
    expected = hashlib.sha256(own.tobytes()).hexdigest()
    for seed in ("0", "1"):
        run = subprocess.run(
            [sys.executable, "-c", _HASH],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout.strip() == expected
