"""Features against TA-Lib, to 1e-9 after warm-up."""

from functools import cache

import numpy as np
import pytest

from mlstrat.data import samples
from mlstrat.data.synthetic import random_walk
from mlstrat.features.lookup import registered
from mlstrat.features.matrix import build

talib = pytest.importorskip("talib")

SERIES = (*range(1, 19), "BTCUSDT_1h", "ETHUSDT_1h")
N = 4000


def _lag(x, k):
    return np.r_[np.full(k, np.nan), x[:-k]]


def _band(b, bars=20):
    return talib.BBANDS(b.close, bars, 2.0, 2.0)


def _channel(b, bars):
    return talib.MAX(b.high, bars), talib.MIN(b.low, bars)


def _place(b, bars):
    top, bottom = _channel(b, bars)
    return (b.close - bottom) / (top - bottom)


def _returns(b):
    return np.r_[0.0, b.close[1:] / b.close[:-1] - 1.0]


def _volume_share(signed, b, bars):
    return (signed - _lag(signed, bars)) / talib.SUM(b.volume, bars)


ORACLES = {
    "rsi_7": lambda b: talib.RSI(b.close, 7),
    "rsi_14": lambda b: talib.RSI(b.close, 14),
    "rsi_21": lambda b: talib.RSI(b.close, 21),
    "macd": lambda b: talib.MACD(b.close, 12, 26, 9)[0] / b.close,
    "macd_signal": lambda b: talib.MACD(b.close, 12, 26, 9)[1] / b.close,
    "macd_hist": lambda b: talib.MACD(b.close, 12, 26, 9)[2] / b.close,
    "bb_position": lambda b: (b.close - _band(b)[2]) / (_band(b)[0] - _band(b)[2]),
    "bb_width": lambda b: (_band(b)[0] - _band(b)[2]) / _band(b)[1],
    "atr_14": lambda b: talib.ATR(b.high, b.low, b.close, 14) / b.close,
    "atr_px": lambda b: talib.ATR(b.high, b.low, b.close, 14),
    "true_range": lambda b: talib.TRANGE(b.high, b.low, b.close) / b.close,
    "adx_14": lambda b: talib.ADX(b.high, b.low, b.close, 14),
    "plus_di_14": lambda b: talib.PLUS_DI(b.high, b.low, b.close, 14),
    "minus_di_14": lambda b: talib.MINUS_DI(b.high, b.low, b.close, 14),
    "aroon_25": lambda b: talib.AROONOSC(b.high, b.low, 25),
    "donchian_position_20": lambda b: _place(b, 20),
    "donchian_position_55": lambda b: _place(b, 55),
    "ichimoku_tenkan_9": lambda b: b.close / talib.MIDPRICE(b.high, b.low, 9) - 1,
    "ichimoku_kijun_26": lambda b: b.close / talib.MIDPRICE(b.high, b.low, 26) - 1,
    **{f"sma_{n}": lambda b, n=n: b.close / talib.SMA(b.close, n) - 1 for n in (5, 10, 20, 50, 100, 200)},
    **{f"ema_{n}": lambda b, n=n: b.close / talib.EMA(b.close, n) - 1 for n in (5, 10, 20, 50, 100, 200)},
    **{f"wma_{n}": lambda b, n=n: b.close / talib.WMA(b.close, n) - 1 for n in (5, 10, 20, 50, 100, 200)},
    "kama_10": lambda b: b.close / talib.KAMA(b.close, 10) - 1,
    "kama_200": lambda b: b.close / talib.KAMA(b.close, 200) - 1,
    "sma_cross_50_200": lambda b: talib.SMA(b.close, 50) / talib.SMA(b.close, 200) - 1,
    "ema_cross_20_50": lambda b: talib.EMA(b.close, 20) / talib.EMA(b.close, 50) - 1,
    "sma_slope_50_10": lambda b: talib.SMA(b.close, 50) / _lag(talib.SMA(b.close, 50), 10) - 1,
    "stoch_k_14": lambda b: talib.STOCH(b.high, b.low, b.close, 14, 3, 0, 3, 0)[0],
    "stoch_d_14": lambda b: talib.STOCH(b.high, b.low, b.close, 14, 3, 0, 3, 0)[1],
    "williams_14": lambda b: talib.WILLR(b.high, b.low, b.close, 14),
    "cci_20": lambda b: talib.CCI(b.high, b.low, b.close, 20),
    "roc_12": lambda b: talib.ROC(b.close, 12),
    "roc_48": lambda b: talib.ROC(b.close, 48),
    "ret_1": lambda b: talib.ROCP(b.close, 1),
    "log_ret_10": lambda b: talib.LN(b.close / _lag(b.close, 10)),
    "ret_20": lambda b: talib.ROCP(b.close, 20),
    "ret_lag_5": lambda b: _lag(talib.ROCP(b.close, 1), 5),
    "momentum_10": lambda b: talib.MOM(b.close, 10) / talib.ATR(b.high, b.low, b.close, 14),
    "trix_15": lambda b: talib.TRIX(b.close, 15),
    "uo_7_14_28": lambda b: talib.ULTOSC(b.high, b.low, b.close, 7, 14, 28),
    "awesome_5_34": lambda b: (
        (talib.SMA(talib.MEDPRICE(b.high, b.low), 5) - talib.SMA(talib.MEDPRICE(b.high, b.low), 34)) / b.close
    ),
    "mfi_14": lambda b: talib.MFI(b.high, b.low, b.close, b.volume, 14),
    "obv_20": lambda b: _volume_share(talib.OBV(b.close, b.volume), b, 20),
    "cmf_20": lambda b: _volume_share(talib.AD(b.high, b.low, b.close, b.volume), b, 20),
    "volume_ratio": lambda b: b.volume / talib.SMA(b.volume, 20),
    "volume_z_20": lambda b: (b.volume - talib.SMA(b.volume, 20)) / talib.STDDEV(b.volume, 20),
    "ret_mean_10": lambda b: talib.SMA(_returns(b), 10),
    "ret_max_20": lambda b: talib.MAX(_returns(b), 20),
    "ret_min_20": lambda b: talib.MIN(_returns(b), 20),
    "drawdown_200": lambda b: b.close / talib.MAX(b.close, 200) - 1,
    "rise_50": lambda b: b.close / talib.MIN(b.close, 50) - 1,
    "trend_slope_20": lambda b: talib.LINEARREG_SLOPE(b.close, 20) / b.close,
    "trend_r2_20": lambda b: talib.CORREL(b.close, np.arange(len(b.close), dtype=float), 20) ** 2,
    "volume_corr_20": lambda b: talib.CORREL(_returns(b), b.volume, 20),
    "zscore_50": lambda b: (b.close - talib.SMA(b.close, 50)) / talib.STDDEV(b.close, 50),
}


@cache
def _bars(series):
    if isinstance(series, str):
        return samples.load_bars(series)[-N:]
    return random_walk(N, series, step_ticks=8000.0)


@cache
def _matrix(series):
    return build(_bars(series), names=tuple(ORACLES))


def _tied(b, bars):
    """Where two typical prices of the window differ by the rounding of their sums alone: a coin decides."""
    typical = (b.high + b.low + b.close) / 3
    step = np.abs(np.diff(typical, prepend=typical[0]))
    tie = (step > 0) & (step < 1e-12 * typical)
    return talib.SUM(tie.astype(float), bars) > 0


@pytest.mark.parametrize("series", SERIES)
@pytest.mark.parametrize("name", ORACLES)
def test_feature_equals_talib(name, series):
    # Both start an adaptive mean from the same close.
    burn = registered()[name].lookback if name.startswith("kama") else registered()[name].warmup + 10
    actual = _matrix(series).column(name)[burn:]
    expected = ORACLES[name](_bars(series))[burn:]
    size = np.maximum(np.abs(expected), np.mean(np.abs(expected)))
    sure = ~_tied(_bars(series), 14)[burn:] if name == "mfi_14" else np.ones(len(actual), bool)
    assert sure.mean() > 0.98
    assert (np.abs(actual - expected) <= 1e-9 * size)[sure].all()
