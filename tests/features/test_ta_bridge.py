"""Indicators of `ta` as features: every function, what is denied and why, and the measurements."""

import sys

import numpy as np
import pandas as pd
import pytest

from mlstrat.config import parse_config
from mlstrat.data.synthetic import random_walk
from mlstrat.errors import ConfigError, DataError, FeatureLeakError, MissingExtraError
from mlstrat.features.array_function import call, frame_of
from mlstrat.features.audit import audit, refuse_unsound
from mlstrat.features.audit_bars import smooth
from mlstrat.features.causality import SHARE
from mlstrat.features.lookup import find
from mlstrat.features.matrix import build
from mlstrat.features.memory_span import LONGEST, stream_difference
from mlstrat.features.runner import Runner
from mlstrat.features.stream import FeatureStream
from mlstrat.features.ta_bridge import DENIED, bridged, functions, parse, ta_feature
from mlstrat.pipeline import require

ta = pytest.importorskip("ta", reason="the package ta is not installed")

# What the audit found in ta 0.11, function by function.
SEES_THE_FUTURE = {"kst", "kst_sig"}
WRONG = {"psar_up", "psar_down", "psar_up_indicator", "psar_down_indicator"}
CUMULATIVE = {
    "acc_dist_index", "on_balance_volume", "negative_volume_index", "volume_price_trend", "cumulative_return",
}  # fmt: skip
IN_PRICE = {
    "awesome_oscillator", "kama", "dpo", "ema_indicator", "sma_indicator", "wma_indicator", "macd",
    "macd_diff", "macd_signal", "ichimoku_a", "ichimoku_b", "ichimoku_base_line", "ichimoku_conversion_line",
    "average_true_range", "bollinger_hband", "bollinger_lband", "bollinger_mavg", "donchian_channel_hband",
    "donchian_channel_lband", "donchian_channel_mband", "keltner_channel_hband", "keltner_channel_lband",
    "keltner_channel_mband", "volume_weighted_average_price",
}  # fmt: skip
IN_PRICE_AND_VOLUME = {"ease_of_movement", "force_index", "sma_ease_of_movement"}
FREE_OF_SCALE = {
    "ppo", "ppo_hist", "ppo_signal", "pvo", "pvo_hist", "pvo_signal", "roc", "rsi", "stoch", "stoch_signal",
    "stochrsi", "stochrsi_d", "stochrsi_k", "tsi", "ultimate_oscillator", "williams_r", "adx", "adx_neg",
    "adx_pos", "aroon_down", "aroon_up", "cci", "mass_index", "stc", "trix", "vortex_indicator_neg",
    "vortex_indicator_pos", "bollinger_hband_indicator", "bollinger_lband_indicator", "bollinger_pband",
    "bollinger_wband", "donchian_channel_pband", "donchian_channel_wband", "keltner_channel_hband_indicator",
    "keltner_channel_lband_indicator", "keltner_channel_pband", "keltner_channel_wband", "ulcer_index",
    "chaikin_money_flow", "money_flow_index", "daily_log_return", "daily_return",
}  # fmt: skip
UNIT = {
    **dict.fromkeys(IN_PRICE, "price"),
    **dict.fromkeys(IN_PRICE_AND_VOLUME, "price and volume"),
    **dict.fromkeys(FREE_OF_SCALE, "number"),
}
BARS = random_walk(1500, 5, step_ticks=4000.0)


def unmeasured(name):
    asked = parse(name)
    return bridged(name, asked, functions()[asked.indicator])


def test_the_table_has_every_function_and_the_denied_ones_are_those_that_failed():
    denied = SEES_THE_FUTURE | WRONG | CUMULATIVE
    assert set(DENIED) == denied
    assert set(functions()) == denied | set(UNIT)
    assert (len(denied), len(IN_PRICE), len(IN_PRICE_AND_VOLUME), len(FREE_OF_SCALE)) == (11, 24, 3, 42)


@pytest.mark.parametrize("name", sorted(UNIT))
def test_an_indicator_that_is_not_denied_passes(name):
    f = ta_feature(f"ta.{name}")
    refuse_unsound(f)
    assert f.unit == UNIT[name]
    assert f.model_input == (name in FREE_OF_SCALE)
    assert 1 <= f.lookback <= f.warmup <= 2 * LONGEST


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(UNIT))
def test_an_indicator_that_is_not_denied_is_causal_at_every_bar(name):
    verdict = audit(ta_feature(f"ta.{name}"), n_bars=60)
    assert verdict.passed, verdict


@pytest.mark.parametrize("name", sorted(DENIED))
def test_a_denied_indicator_is_refused_with_the_reason_and_a_remedy(name):
    with pytest.raises(
        ConfigError, match=rf"ta\.{name} cannot be a feature, because .*: use (psar|ta|roc|obv)"
    ):
        find(f"ta.{name}")


@pytest.mark.parametrize(
    "name", [*(f"ta.{name}" for name in sorted(SEES_THE_FUTURE)), "ta.ichimoku_a(visual=True)"]
)
def test_what_is_denied_for_a_leak_leaks(name):
    leak = audit(unmeasured(name), n_bars=60).leak
    assert leak.saw > leak.bar
    assert leak.size > 1.0


def test_the_stop_is_wrong_where_bars_have_times():
    """`ta` assigns by position through labels: with a label for each position it writes where it means to."""
    frame = frame_of(smooth(1200, seed=9), ("high", "low", "close"))
    for name in sorted(WRONG):
        function = functions()[name]
        timed = np.asarray(function(**frame))
        counted = np.asarray(function(**frame.reset_index(drop=True)))
        assert (~np.isclose(timed, counted, equal_nan=True)).sum() > 3, name


@pytest.mark.parametrize("name", sorted(CUMULATIVE))
def test_what_is_denied_as_cumulative_depends_on_where_history_begins(name):
    f = unmeasured(f"ta.{name}")
    assert stream_difference(f, smooth(LONGEST + 100), LONGEST, 2) > 1e4 * SHARE


def test_values_are_those_of_the_package():
    matrix = build(BARS, names=("ta.rsi(window=21)", "ta.kama(window=10)/close", "ta.chaikin_money_flow"))
    bars = BARS.frame()
    expected = {
        "ta.rsi(window=21)": ta.momentum.rsi(bars.close, window=21),
        "ta.kama(window=10)/close": ta.momentum.kama(bars.close, window=10) / bars.close,
        "ta.chaikin_money_flow": ta.volume.chaikin_money_flow(bars.high, bars.low, bars.close, bars.volume),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(matrix.column(name), values, rtol=1e-12)
    assert matrix.lookback.tolist() == [21, 10, 20]


def test_a_filled_warm_up_is_no_value():
    """`ta` fills the first 27 bars of its ADX with zeros."""
    column = build(BARS, names=("ta.adx",)).column("ta.adx")
    assert np.isnan(column[:27]).all()
    assert (column[27:] > 0).all()


@pytest.mark.parametrize(
    ("name", "lookback", "memory"),
    [
        ("ta.sma_indicator(window=30)", 30, 30),
        ("ta.roc(window=5)", 6, 6),
        ("ta.bollinger_pband(window=15, window_dev=3)", 15, 15),
        ("ta.daily_return", 2, 2),
    ],
)
def test_a_window_is_found(name, lookback, memory):
    f = ta_feature(name)
    assert (f.lookback, f.warmup) == (lookback, memory)


def test_a_fading_memory_is_given_enough_bars():
    for window in (12, 50):
        assert (1 - 2 / (window + 1)) ** ta_feature(f"ta.ema_indicator(window={window})").warmup < 1e-9


def test_the_stream_gives_what_the_batch_gives():
    names = ("ta.rsi", "ta.macd_diff/close", "ta.stoch(window=10)", "ret_1")
    stream = FeatureStream(names)
    live = np.array([stream.update(row) for row in BARS.matrix[:200]])
    batch = build(BARS[:200], names=names).values
    np.testing.assert_array_equal(np.isnan(live), np.isnan(batch))
    size = np.nanmean(np.abs(batch), axis=0)
    assert (
        np.nan_to_num(np.abs(live - batch)) <= 1e-9 * np.maximum(np.nan_to_num(np.abs(batch)), size)
    ).all()
    assert live[:, 3].tobytes() == batch[:, 3].tobytes()


def test_a_leak_that_is_not_on_the_list_is_refused_by_the_audit():
    leaking = unmeasured("ta.kst")
    with pytest.raises(FeatureLeakError, match=r"ta\.kst sees the future: .* bar 14 changes .* with bar 15"):
        Runner([leaking], 3600)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ta.rzi", r"ta has no indicator 'rzi': the nearest is ta\.rsi; correct the name"),
        ("ta.rsi(windw=3)", "rsi has no argument 'windw': the nearest is 'window'; correct"),
        ("ta.daily_return(window=3)", "daily_return has no argument 'window': it takes none"),
        ("ta.rsi(21)", r"arguments of 'ta\.rsi\(21\)' cannot be read: write it like ta\.rsi\(window=21\)"),
        ("ta.rsi(window=len('ab'))", "cannot be read: write it like"),
        ("ta.rsi(window=2", "is not the name of an indicator of ta: write it like"),
        ("ta.rsi/open", "is not the name of an indicator of ta: write it like"),
        (
            "ta.rsi(fillna=True)",
            "fillna is refused, because it makes up values before the lookback: leave it",
        ),
        ("ta.ichimoku_b(visual=True)", "visual is refused, because it fills its first bars with the mean"),
        ("ta.rsi(window=-3)", r"failed on 400 bars \(ValueError: .*Correct the arguments of ta\.rsi"),
        ("ta.roc(window=9000)", r"no value that changes within 8,192 bars.* Correct the arguments"),
        ("ta.ema_indicator(window=2000)", "4,096 bars of history do not settle its value: use a shorter"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused(name, message):
    with pytest.raises(ConfigError, match=message):
        find(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ta.kama", r"ta\.kama cannot feed a model, because its unit is price: write ta\.kama/close\."),
        ("ta.force_index/close", "its unit is volume: take it out of features.names"),
        ("atr_px", "atr_px cannot feed a model, because its unit is price: take it out"),
    ],
)
def test_a_value_in_price_or_volume_feeds_no_model(name, message):
    with pytest.raises(ConfigError, match=message):
        require(parse_config({"features": {"names": ("ret_1", name)}}), "kernel")
    require(parse_config({"features": {"names": ("ret_1", "ta.kama/close")}}), "kernel")


def test_another_symbol_has_its_indicators_too():
    f = find("ta.rsi@OTHER")
    assert (f.name, f.symbol, f.lookback) == ("ta.rsi@OTHER", "OTHER", 14)


def test_a_market_at_rest_is_refused_by_bar():
    frame = BARS.frame()
    frame.iloc[300:340, :4] = frame.iloc[299, 3]
    from mlstrat.data.sources import read_bars

    still = read_bars(frame, symbol="STILL", timeframe="1h")
    with pytest.raises(
        DataError, match=r"feature ta\.stoch is nan at bar 3\d\d \(2020.*: leave it out, or wrap"
    ):
        build(still, names=("ta.stoch",))


def test_without_the_package_the_extra_is_named(monkeypatch):
    functions.cache_clear()
    monkeypatch.setitem(sys.modules, "ta.momentum", None)
    with pytest.raises(MissingExtraError, match=r'pip install "mlstrat\[ta\]"'):
        find("ta.rsi(window=33)")
    monkeypatch.undo()
    assert "rsi" in functions()


def test_bars_are_not_changed():
    frame = frame_of(smooth(400), ("high", "low", "close"))
    before = frame.copy()
    call(unmeasured("ta.adx"), frame)
    pd.testing.assert_frame_equal(frame, before)
