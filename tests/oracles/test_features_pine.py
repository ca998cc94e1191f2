"""Features against their Pine twins and Pine's own indicators, run bar by bar by PyneCore."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import pytest
from pine_runtime import compile_to, run, skipped_calls

from mlstrat.data import samples
from mlstrat.data.bars import Bars
from mlstrat.data.instrument import Instrument
from mlstrat.data.timeframe import Timeframe
from mlstrat.features.lookup import registered
from mlstrat.features.matrix import build

pytest.importorskip("pine2pyne", reason="needs opencode-pine2pyne: pip install 'mlstrat[pine]'")
pytest.importorskip("pynecore", reason="needs pynesys-pynecore: pip install 'mlstrat[pine]'")

TWINS = {f.name: f.pine for f in registered().values() if f.pine and not f.origin}
SHARE = 1e-9

# Bars before the lookback on which the twin has a number already, where the feature waits for a full window.
EARLY = {"ret_max_20": 1, "ret_min_20": 1, "streak_10": 1, "entropy_50": 2, "entropy_100": 2}

# What a chart shows. Equal on bars that move and trade: the neutral values of the rest are mlstrat's own.
_DMI = "[plus, minus, adx] = ta.dmi(14, 14)\n"
_MACD = "[macd, signal, hist] = ta.macd(close, 12, 26, 9)\n"
_BAND = "[middle, upper, lower] = ta.bb(close, 20, 2)\n"
INDICATORS = {
    "rsi_7": "ta.rsi(close, 7)",
    "rsi_14": "ta.rsi(close, 14)",
    "rsi_21": "ta.rsi(close, 21)",
    "macd": _MACD + "macd / close",
    "macd_signal": _MACD + "signal / close",
    "macd_hist": _MACD + "hist / close",
    "bb_position": _BAND + "(close - lower) / (upper - lower)",
    "bb_width": "ta.bbw(close, 20, 2) / 100",
    "atr_px": "ta.atr(14)",
    "true_range": "ta.tr / close",
    "plus_di_14": _DMI + "plus",
    "minus_di_14": _DMI + "minus",
    "adx_14": _DMI + "adx",
    "stoch_k_14": "ta.sma(ta.stoch(close, high, low, 14), 3)",
    "stoch_d_14": "ta.sma(ta.sma(ta.stoch(close, high, low, 14), 3), 3)",
    "williams_14": "ta.wpr(14)",
    "cci_20": "ta.cci(hlc3, 20)",
    "cmo_14": "ta.cmo(close, 14)",
    "tsi_25_13": "ta.tsi(close, 13, 25)",
    "mfi_14": "ta.mfi(hlc3, 14)",
    "roc_24": "ta.roc(close, 24)",
    "momentum_10": "ta.mom(close, 10) / ta.atr(14)",
    "ema_50": "close / ta.ema(close, 50) - 1",
    "sma_50": "close / ta.sma(close, 50) - 1",
    "wma_50": "close / ta.wma(close, 50) - 1",
    "vwap_20": "close / ta.vwma(hlc3, 20) - 1",
    "obv_20": "balance = ta.obv\n(balance - balance[20]) / math.sum(volume, 20)",
    "cmf_20": "flow = ta.accdist\n(flow - flow[20]) / math.sum(volume, 20)",
    "volume_corr_20": "ta.correlation(close / close[1] - 1, volume, 20)",
    "trend_r2_20": "math.pow(ta.correlation(close, bar_index, 20), 2)",
    "zscore_50": "(close - ta.sma(close, 50)) / ta.stdev(close, 50)",
    "ret_std_20": "ta.stdev(close / close[1] - 1, 20)",
}
N = 1500


@cache
def btc():
    return samples.load_bars("BTCUSDT_1h")[:N]


@cache
def coarse():
    """Prices on few levels; bars without range, without volume, missing ones; and 260 bars of no trade."""
    n = 1000
    rng = np.random.default_rng(12)
    close = 150.0 + np.cumsum(rng.integers(-2, 3, n)) * 0.3
    open_ = close + rng.integers(-2, 3, n) * 0.3
    top = np.maximum(open_, close) + rng.integers(0, 3, n) * 0.3
    bottom = np.minimum(open_, close) - rng.integers(0, 3, n) * 0.3
    volume = rng.integers(0, 4, n) * 10.0
    still = slice(300, 560)
    for column in (open_, top, bottom, close):
        column[still] = close[299]
    volume[still] = 0.0
    seconds = 1_600_000_000 + 3600 * np.cumsum(rng.choice([1, 1, 1, 5], n))
    time = seconds.astype("datetime64[s]").astype("datetime64[ns]")
    return Bars(time, open_, top, bottom, close, volume, "T", Timeframe("1h"), Instrument("T"))


@cache
def tiny():
    """The coarse bars of a coin that costs millionths, in lots as small."""
    bars = coarse()
    prices = {name: getattr(bars, name) * 3e-7 for name in ("open", "high", "low", "close")}
    return replace(bars, **prices, volume=bars.volume * 1e-8)


SERIES = {"btc": btc, "coarse": coarse, "tiny": tiny}


@pytest.fixture(scope="module")
def twins_on(tmp_path_factory):
    script = compile_to(tmp_path_factory.mktemp("twins"), TWINS)
    return cache(lambda series: run(script, SERIES[series]().matrix))


@pytest.fixture(scope="module")
def indicators_on_btc(tmp_path_factory):
    return run(compile_to(tmp_path_factory.mktemp("indicators"), INDICATORS), btc().matrix)


@cache
def features_on(series):
    return build(SERIES[series](), names=tuple(TWINS))


def worst(actual, expected):
    """Largest difference, as a share of the value, or of the column's usual size where it crosses zero."""
    size = np.maximum(np.abs(expected), np.mean(np.abs(expected)))
    return np.max(np.abs(actual - expected) / np.where(size > 0.0, size, 1.0))


@pytest.mark.parametrize("series", SERIES)
@pytest.mark.parametrize("name", TWINS)
def test_feature_equals_its_twin_from_the_first_bar_it_has_a_value(name, series, twins_on):
    start = registered()[name].lookback - 1
    actual, expected = features_on(series).column(name), twins_on(series)[name]
    assert np.isfinite(expected[start:]).all()
    assert worst(actual[start:], expected[start:]) < SHARE


@pytest.mark.parametrize("series", SERIES)
@pytest.mark.parametrize("name", TWINS)
def test_twin_is_na_before_the_lookback(name, series, twins_on):
    before = registered()[name].lookback - 1 - EARLY.get(name, 0)
    assert np.isnan(twins_on(series)[name][:before]).all()


@pytest.mark.parametrize("name", INDICATORS)
def test_feature_equals_the_indicator_of_a_chart(name, indicators_on_btc):
    # The running totals of ta.obv and ta.accdist need one bar more.
    start = registered()[name].lookback
    expected = indicators_on_btc[name]
    assert np.isfinite(expected[start:]).all()
    assert worst(features_on("btc").column(name)[start:], expected[start:]) < SHARE


@pytest.mark.parametrize("name", TWINS)
def test_every_stateful_call_of_a_twin_runs_on_every_bar(name):
    assert skipped_calls(TWINS[name]) == []


@pytest.mark.parametrize(
    ("body", "calls"),
    [
        ("ta.atr(14) > 0 ? close / ta.atr(14) : 0.0", ["ta.atr"]),
        ("close > open and ta.tr > 1", ["ta.tr"]),
        ("if close > open\n    math.sum(close, 5)", ["math.sum"]),
        ("spread = ta.atr(14)\nspread > 0 ? close / spread : 0.0", []),
    ],
)
def test_a_skipped_call_is_found(body, calls):
    assert skipped_calls(body) == calls


# No math.sin, which differs between runtimes in the last digits, and nothing that looks beyond the bars.
CALLS = {
    *("na", "nz", "second", "minute", "hour", "dayofweek", "dayofmonth", "month"),
    *(f"math.{name}" for name in ("abs", "log", "max", "min", "pow", "sign", "sqrt", "sum")),
    *(f"ta.{name}" for name in ("sma", "ema", "rma", "wma", "stdev", "variance", "correlation", "linreg")),
    *(f"ta.{name}" for name in ("highest", "lowest", "change", "roc", "tr", "atr", "cci", "tsi")),
}


@pytest.mark.parametrize("name", TWINS)
def test_twin_calls_only_what_both_runtimes_agree_on(name):
    assert set(re.findall(r"[\w.]+(?=\()", TWINS[name])) <= CALLS


@pytest.mark.parametrize("name", TWINS)
def test_twin_hides_no_name_of_pine(name):
    from pynecore import lib

    own = set(re.findall(r"^\s*(?:var float )?(\w+) :?=", TWINS[name], re.MULTILINE))
    assert own.isdisjoint({*dir(lib), *lib.__all__})


def test_every_step_on_the_bars_themselves_has_a_twin():
    steps = [f for f in registered().values() if f.step and not (f.origin or f.pair or f.period)]
    assert [f.name for f in steps if not f.pine] == []


@pytest.fixture(scope="module")
def circles(tmp_path_factory):
    """A year of bars, 25 quarters of an hour apart: each quarter of the day, each weekday, each month."""
    begin = datetime(2021, 1, 4, tzinfo=UTC)
    moments = [begin + timedelta(minutes=375 * i) for i in range(1400)]
    rows = np.column_stack([np.ones((1400, 5)), [moment.timestamp() for moment in moments]])
    turning = {name: body for name, body in TWINS.items() if name.endswith(("_sin", "_cos"))}
    return moments, run(compile_to(tmp_path_factory.mktemp("circles"), turning), rows)


@pytest.mark.parametrize("function", ["sin", "cos"])
@pytest.mark.parametrize(
    ("circle", "turn"),
    [
        ("hour", lambda moment: (moment.hour + moment.minute / 60) / 24),
        ("weekday", lambda moment: moment.weekday() / 7),
        ("month", lambda moment: (moment.month - 1) / 12),
    ],
)
def test_a_series_is_the_sine_of_the_calendar_all_round_the_circle(circle, turn, function, circles):
    moments, found = circles
    turns = np.array([turn(moment) for moment in moments])
    exact = getattr(np, function)(2.0 * np.pi * turns)
    assert len(set(turns)) == {"hour": 96, "weekday": 7, "month": 12}[circle]
    np.testing.assert_allclose(found[f"{circle}_{function}"], exact, rtol=0, atol=1e-14)
