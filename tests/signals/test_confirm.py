"""Confirming conditions against a plain reading of them, and their Pine text against Pine itself."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlstrat.config import parse_config
from mlstrat.data import samples
from mlstrat.data.synthetic import random_walk
from mlstrat.data.timeframe import Timeframe
from mlstrat.errors import ConfigError, DataError
from mlstrat.execution.kernel import simulate
from mlstrat.features.matrix import build
from mlstrat.live import Predictor, train
from mlstrat.pipeline import load_panel, require, run_panel
from mlstrat.sentiment.align import neutral
from mlstrat.signals.confirm import holds, parse, pine
from mlstrat.signals.confirmation import ConfirmStream, confirmation_of, confirmed_at
from mlstrat.signals.decide import decide
from mlstrat.signals.flags import bar_flags
from mlstrat.signals.funnel import QUALITY, funnel_of
from mlstrat.signals.stopper import stopper
from mlstrat.signals.terms import risk_rules

UP = "close > sma_50"


def asking(config, **signals):
    return config.model_copy(update={"signals": config.signals.model_copy(update=signals)})


def held(text, bars, others=()):
    condition = parse(text)
    names = condition.features
    columns = build(bars, names, others=others).values if names else np.empty((len(bars), 0))
    return holds(condition, bars.matrix, columns)


def mean_of(values, n):
    """(n_values,) mean of the last n, NaN before."""
    out = np.full(len(values), np.nan)
    out[n - 1 :] = np.convolve(values, np.full(n, 1.0 / n), mode="valid")
    return out


def test_the_close_above_its_mean_is_what_a_chart_shows():
    bars = random_walk(1200, 5)
    above = bars.close > mean_of(bars.close, 200)
    np.testing.assert_array_equal(held("close > sma_200", bars), above)
    assert not above[:199].any()
    assert 0.1 < above.mean() < 0.9


def test_each_operator_and_operand():
    bars = random_walk(400, 6)
    bars = replace(bars, close=bars.close.round(0).clip(bars.low, bars.high))
    o, high, low, c, v = (getattr(bars, name) for name in ("open", "high", "low", "close", "volume"))
    level = float(c[150])
    ret = np.r_[[np.nan] * 5, c[5:] / c[:-5] - 1.0]
    top = np.array([np.nan if t < 20 else high[t - 20 : t].max() for t in range(len(c))])
    bottom = np.array([np.nan if t < 20 else low[t - 20 : t].min() for t in range(len(c))])
    cases = {
        "close > open": c > o,
        f"close >= {level}": c >= level,
        f"close > {level}": c > level,
        f"close<={level}": c <= level,
        f"  close  <  {level} ": c < level,
        f"{level} < close": level < c,
        "high >= close and low<=close": np.full(len(c), True),
        "volume > 1e1": v > 10.0,
        "ret_5 >= -1.5e-2": ret >= -0.015,
        "ret_5 < .02 and ret_5 > -.02": (ret < 0.02) & (ret > -0.02),
        "close > high_px_20": c > top,
        "low < low_px_20 and close > open": (low < bottom) & (c > o),
        "sma_20 > sma_50": mean_of(c, 20) > mean_of(c, 50),
        "sma_20 > 0.01": c / mean_of(c, 20) - 1.0 > 0.01,
        "": np.full(len(c), True),
    }
    for text, expected in cases.items():
        np.testing.assert_array_equal(held(text, bars), expected, err_msg=text)


def test_an_indicator_of_ta_and_a_feature_of_a_plugin(tmp_path):
    pytest.importorskip("ta")
    from mlstrat.plugins import load_plugins

    file = tmp_path / "own.py"
    file.write_text(
        "import mlstrat\n\n\n"
        '@mlstrat.feature("own_mid", inputs=("high", "low"), unit="price", model_input=False)\n'
        "def mid(frame):\n    return (frame.high + frame.low) / 2.0\n"
    )
    load_plugins([str(file)])
    bars = random_walk(300, 7)
    np.testing.assert_array_equal(held("close > own_mid", bars), bars.close > (bars.high + bars.low) / 2.0)
    of_ta = held("close > ta.sma_indicator(window=30)", bars)
    np.testing.assert_array_equal(of_ta, bars.close > mean_of(bars.close, 30))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("close >", r"'close >' is none"),
        ("close", r"'close' is none"),
        ("close == open", r"'close == open' is none"),
        ("30 < rsi_14 < 70", r"'30 < rsi_14 < 70' is none"),
        ("close > open or low > 1", r"'close > open or low > 1' is none"),
        ("close > open and", r"'close > open and' is none"),
        ("close > sma_200 * 1.1", r"'close > sma_200 \* 1\.1' is none"),
        ("__import__('os').system('x') > 1", r"is none"),
        ("close > inf", r"asks for 'inf', which is not registered"),
        ("close > sma_2000", r"asks for 'sma_2000', which is not registered: the nearest is 'sma_200'"),
        ("clos > open", r"asks for 'clos', .* the nearest is 'close'; correct the name\."),
        (
            "close > rsi_14",
            r"compares close \(price\) with rsi_14 \(points, 0\.\.100\): compare like",
        ),
        ("close > sma_20_4h", r"compares close \(price\) with sma_20_4h \(share\)"),
        ("close > sma_200@BTCUSDT", r"compares close \(price\) with sma_200@BTCUSDT"),
        ("volume > close", r"compares volume \(volume\) with close \(price\)"),
        ("1 < 2", r"compares 1 with 2: compare a feature with one of them"),
        ("corr_100 > 0.5", r"corr_100' needs another symbol: write corr_100@BTCUSDT"),
    ],
)
def test_what_is_no_condition_is_refused_with_the_reason(text, says):
    with pytest.raises(ConfigError, match=says):
        parse(text, "signals.confirm")


def test_grammar_is_checked_with_the_file_and_names_before_any_work(tiny_config):
    with pytest.raises(ConfigError, match=r'signals\.confirm_long is "close >"; give comparisons joined by'):
        parse_config({"signals": {"confirm_long": "close >"}})
    with pytest.raises(ConfigError, match=r"confirm_short asks for 'rsi_144', .* nearest is 'rsi_14'"):
        require(asking(tiny_config, confirm_short="rsi_144 < 50"), "kernel")


def test_means_of_another_symbol_compare_with_each_other():
    other = replace(random_walk(900, 3), symbol="OTHER")
    bars = random_walk(900, 4)
    above = mean_of(other.close, 20) > mean_of(other.close, 50)
    np.testing.assert_array_equal(held("sma_20@OTHER > sma_50@OTHER", bars, [other]), above)


def test_a_stream_holds_where_the_batch_does(tiny_config):
    other = replace(random_walk(900, 3), symbol="OTHER")
    bars = random_walk(900, 4)
    config = asking(
        tiny_config,
        confirm="rsi_14_4h > 40 and corr_20@OTHER > -0.5",
        confirm_long="close > ema_50",
        confirm_short="close < ema_50 and volume > 0",
    )
    batch = confirmed_at(bars, config, [other])
    stream = ConfirmStream(confirmation_of(config.signals), Timeframe("1h"), [other])
    live = np.array([stream.step(row) for row in bars.matrix])
    np.testing.assert_array_equal(live, batch)
    for cut in (120, 500):
        np.testing.assert_array_equal(confirmed_at(bars[:cut], config, [other]), batch[:cut])
    assert 0.1 < batch[:, 0].mean() < 0.9
    assert not (batch[:, 0] & batch[:, 1]).any()
    assert confirmed_at(bars, tiny_config) is None


def test_a_side_is_taken_only_where_its_conditions_hold(tiny_run, walk, tiny_config):
    panel = tiny_run.panel
    config = asking(tiny_config, confirm_long="close < sma_50", confirm_short="close > sma_50")
    made = decide(walk, tiny_run.predictions, panel.mood, panel.atr_px, config)
    mean, before = mean_of(walk.close, 50), tiny_run.decisions
    kept = np.where(before.side > 0, walk.close < mean, walk.close > mean)
    np.testing.assert_array_equal(made.side, np.where(kept, before.side, 0))
    np.testing.assert_array_equal(made.stage, before.stage)
    np.testing.assert_array_equal(made.quality, before.quality)
    np.testing.assert_array_equal(made.fraction, np.where(kept, before.fraction, 0.0))
    np.testing.assert_array_equal(np.isnan(made.stop), made.side == 0)
    assert 0 < np.count_nonzero(made.side) < np.count_nonzero(before.side)
    # One condition for both sides is the same in both columns.
    both = decide(walk, tiny_run.predictions, panel.mood, panel.atr_px, asking(tiny_config, confirm=UP))
    np.testing.assert_array_equal(both.side, np.where(walk.close > mean, before.side, 0))


def test_a_run_tells_how_many_bars_were_confirmed(tiny_run, tiny_config):
    made = run_panel(tiny_run.panel, asking(tiny_config, confirm=UP))
    counts = dict(made.funnel.steps())
    assert counts["confirmed"] == np.count_nonzero(made.decisions.side)
    assert 0 < counts["while flat"] <= counts["confirmed"] < counts["no data flag"]
    assert list(counts.values()) == sorted(counts.values(), reverse=True)
    np.testing.assert_array_equal(made.confirmed, confirmed_at(tiny_run.panel.bars, made.config))


def test_a_run_that_nothing_confirms_says_so(tiny_run, walk, tiny_config):
    config, panel = asking(tiny_config, confirm="rsi_14 > 100"), tiny_run.panel
    made = decide(walk, tiny_run.predictions, panel.mood, panel.atr_px, config)
    funnel = funnel_of(made, simulate(walk, made, risk_rules(config, walk)))
    said = stopper(funnel, tiny_run.predictions, made, config)
    assert said == (
        f"At none of {funnel.unflagged:,} signals did the condition for its side hold "
        '(signals.confirm = "rsi_14 > 100"): loosen it, or leave it empty.'
    )


def test_live_decides_what_the_batch_does(walk, tiny_run, tiny_config):
    config = asking(tiny_config, confirm="close > sma_200")
    closed = int(np.searchsorted(walk.close_time, tiny_run.schedule.boundaries[1], side="right"))
    known = walk[:closed]
    capsule = train(load_panel(known, neutral(known), config), config)
    forecast = Predictor(capsule).forecast(walk)
    decisions, mean = forecast.decisions, mean_of(walk.close, 200)[-len(forecast.bars) :]
    content = {**capsule.about.config, "signals": tiny_config.signals.model_dump(mode="json")}
    free = replace(capsule, about=replace(capsule.about, config=content))
    before = Predictor(free).forecast(walk).decisions
    expected = np.where(forecast.bars.close > mean, before.side, 0)
    np.testing.assert_array_equal(decisions.side, expected)
    assert 0 < np.count_nonzero(decisions.side) < np.count_nonzero(before.side)
    stopped = (before.side != 0) & (decisions.side == 0)
    last = len(walk) - len(stopped) + 1 + int(np.flatnonzero(stopped)[-1])
    notes = Predictor(capsule).forecast(walk[:last]).notes
    why = 'its condition does not hold: signals.confirm = "close > sma_200".'
    assert notes[-1] == f"The last bar makes no entry, because {why}"


def test_confirmations_and_volume_that_are_not_there_are_refused(walk, tiny_run, tiny_config):
    panel, few = tiny_run.panel, np.ones((5, 2), bool)
    with pytest.raises(DataError, match=r"confirmations of shape \(5, 2\) do not match 3,600 bars: give one"):
        decide(walk, tiny_run.predictions, panel.mood, panel.atr_px, tiny_config, confirmed=few)
    bars = replace(walk, volume=np.zeros(len(walk)))
    for text in ("volume > 1", "volume_ratio > 1"):
        with pytest.raises(DataError, match=r"signals\.confirm asks for volume.* and WALK has no volume"):
            confirmed_at(bars, asking(tiny_config, confirm=text))


def test_a_flag_counts_before_a_condition(walk, tiny_run, tiny_config):
    panel, config = tiny_run.panel, asking(tiny_config, confirm="rsi_14 > 100")
    flags = bar_flags(walk, panel.atr_px, config, tiny_run.predictions.novelty)
    made = decide(walk, tiny_run.predictions, panel.mood, panel.atr_px, config, flags=flags)
    funnel = funnel_of(made, simulate(walk, made, risk_rules(config, walk)))
    assert funnel.unflagged == np.sum((made.stage == QUALITY) & (flags == 0))
    assert funnel.confirmed == 0


@pytest.fixture(scope="module")
def runtime():
    pytest.importorskip("pine2pyne", reason="needs opencode-pine2pyne: pip install 'mlstrat[pine]'")
    pytest.importorskip("pynecore", reason="needs pynesys-pynecore: pip install 'mlstrat[pine]'")
    sys.path.insert(0, str(Path(__file__).parents[1] / "oracles"))
    import pine_runtime

    yield pine_runtime
    sys.path.pop(0)


CONDITIONS = (
    "close > sma_200",
    "sma_20 > sma_50 and rsi_14 < 70 and close >= low_px_20",
    "ema_50 > -0.01 and 55 > rsi_14 and volume_ratio <= 1.5",
    "close > wma_100 and atr_px < 400 and ret_5 >= -1e-3",
)


def test_pine_holds_on_the_same_bars(runtime, tmp_path):
    bars = samples.load_bars("BTCUSDT_1h")[:1500]
    twins = {f"c{k}": f"{pine(parse(text), f'c{k}')}\nc{k} ? 1.0 : 0.0" for k, text in enumerate(CONDITIONS)}
    plots = runtime.run(compiled(twins, tmp_path), bars.matrix)
    for k, text in enumerate(CONDITIONS):
        condition = parse(text)
        expected = held(text, bars)
        # Before a feature's warm-up two histories may differ; both give na before its lookback.
        warm = max(f.warmup for f in map(feature, condition.features))
        np.testing.assert_array_equal(plots[f"c{k}"][warm:] == 1.0, expected[warm:], err_msg=text)
        assert 0.05 < expected[warm:].mean() < 0.95, text


def feature(name):
    from mlstrat.features.lookup import find

    return find(name)


def compiled(scripts, folder):
    """Write the conditions as one PyneCore script that plots each as 1 or 0."""
    from pine2pyne import transpile

    lines = ["//@version=6", 'indicator("conditions")']
    for name, text in scripts.items():
        *body, last = text.split("\n")
        lines += [*body, f'plot({last}, "{name}")']
    path = folder / "conditions.py"
    path.write_text(transpile("\n".join(lines) + "\n"))
    return path


def test_the_pine_text_calls_every_feature_on_every_bar():
    assert pine(parse("close > sma_200"), "ok") == (
        "ok0Of() =>\n    ta.sma(close, 200)\nfloat ok0 = ok0Of()\nbool ok = math.sign(close - ok0) > 0"
    )
    assert pine(parse("")) == "bool confirmed = true"


@pytest.mark.parametrize("text", ["rsi_14_4h > 50", "rsi_14@BTCUSDT > 50"])
def test_a_feature_without_a_pine_form_is_refused_with_the_reason(text):
    with pytest.raises(ConfigError, match=r"has no Pine form, because .+: leave it out of the condition\."):
        pine(parse(text))
