"""Features against the package `ta`, where it is right, to 1e-9 after warm-up."""

from functools import cache

import numpy as np
import pytest

from mlstrat.data import samples
from mlstrat.data.synthetic import random_walk
from mlstrat.features.lookup import registered
from mlstrat.features.matrix import build

ta = pytest.importorskip("ta")

SERIES = (1, 2, "BTCUSDT_1h")
N = 4000
ORACLES = {
    "rsi_14": lambda b: ta.momentum.rsi(b.close, 14),
    "macd": lambda b: ta.trend.macd(b.close) / b.close,
    "macd_signal": lambda b: ta.trend.macd_signal(b.close) / b.close,
    "macd_hist": lambda b: ta.trend.macd_diff(b.close) / b.close,
    "bb_position": lambda b: ta.volatility.bollinger_pband(b.close, 20, 2),
    "atr_14": lambda b: ta.volatility.average_true_range(b.high, b.low, b.close, 14) / b.close,
    "donchian_position_20": lambda b: ta.volatility.donchian_channel_pband(b.high, b.low, b.close, 20),
    "williams_14": lambda b: ta.momentum.williams_r(b.high, b.low, b.close, 14),
    "roc_12": lambda b: ta.momentum.roc(b.close, 12),
    "tsi_25_13": lambda b: ta.momentum.tsi(b.close, 25, 13) / 100,
    "uo_7_14_28": lambda b: ta.momentum.ultimate_oscillator(b.high, b.low, b.close, 7, 14, 28),
    "awesome_5_34": lambda b: ta.momentum.awesome_oscillator(b.high, b.low, 5, 34) / b.close,
    "cci_20": lambda b: ta.trend.cci(b.high, b.low, b.close, 20),
    "cmf_20": lambda b: ta.volume.chaikin_money_flow(b.high, b.low, b.close, b.volume, 20),
    "mfi_14": lambda b: ta.volume.money_flow_index(b.high, b.low, b.close, b.volume, 14),
    "adx_14": lambda b: ta.trend.adx(b.high, b.low, b.close, 14),
    "trix_15": lambda b: ta.trend.trix(b.close, 15),
    "ema_20": lambda b: b.close / ta.trend.ema_indicator(b.close, 20) - 1,
    "sma_20": lambda b: b.close / ta.trend.sma_indicator(b.close, 20) - 1,
    "ichimoku_kijun_26": lambda b: b.close / ta.trend.ichimoku_base_line(b.high, b.low, 9, 26) - 1,
    "vwap_20": lambda b: (
        b.close / ta.volume.volume_weighted_average_price(b.high, b.low, b.close, b.volume, 20) - 1
    ),
}


@cache
def _bars(series):
    if isinstance(series, str):
        return samples.load_bars(series)[-N:]
    return random_walk(N, series, step_ticks=8000.0)


@cache
def _matrix(series):
    return build(_bars(series), names=tuple(ORACLES))


@pytest.mark.parametrize("series", SERIES)
@pytest.mark.parametrize("name", ORACLES)
def test_feature_equals_ta(name, series):
    burn = registered()[name].warmup + 10
    actual = _matrix(series).column(name)[burn:]
    expected = ORACLES[name](_bars(series).frame()).to_numpy()[burn:]
    size = np.maximum(np.abs(expected), np.mean(np.abs(expected)))
    assert (np.abs(actual - expected) <= 1e-9 * size).all()
