"""`MLSignal` chooses the sides that the signal rule chooses, for every threshold."""

import numpy as np
import pandas as pd
import pytest

from mlstrat.errors import ConfigError
from mlstrat.features.matrix import build
from mlstrat.sentiment.align import neutral
from mlstrat.signals.decide import decide
from mlstrat.signals.funnel import THRESHOLD

pytest.importorskip("vectorbt", reason="the vectorbt engine needs the extra mlstrat[vectorbt]")
from mlstrat.engines.on_vectorbt import MLSignal

SCORES = np.array([np.nan, 0.1, 0.455, 0.48, 0.5, 0.52, 0.54, 0.9, np.nan])


def chosen_by_decide(tiny_run, walk, config):
    """The side of each bar that came at least as far as the threshold."""
    predictions = tiny_run.predictions
    atr_px = build(walk, ("atr_px",)).column("atr_px")
    decisions = decide(walk, predictions, neutral(walk), atr_px, config)
    passed = decisions.stage >= THRESHOLD
    return passed & (predictions.score > 0.5), passed & (predictions.score < 0.5)


def with_threshold(config, threshold):
    return config.model_copy(
        update={"signals": config.signals.model_copy(update={"threshold": threshold, "direction": "both"})}
    )


def test_sides_are_those_of_the_signal_rule_on_real_predictions(tiny_run, walk, tiny_config):
    score = tiny_run.predictions.frame()["score"]
    thresholds = [0.5, 0.51, 0.55, 0.7]
    signal = MLSignal.run(score, threshold=thresholds)
    assert signal.long_entries.index.equals(score.index)
    for threshold in thresholds:
        longs, shorts = chosen_by_decide(tiny_run, walk, with_threshold(tiny_config, threshold))
        np.testing.assert_array_equal(signal.long_entries[threshold], longs)
        np.testing.assert_array_equal(signal.short_entries[threshold], shorts)
    assert signal.long_entries[0.51].sum() > 50


def test_each_bar_s_own_thresholds(tiny_run, walk, tiny_config):
    frame = tiny_run.predictions.frame()
    signal = MLSignal.run(frame["score"], frame["threshold_long"], frame["threshold_short"])
    longs, shorts = chosen_by_decide(tiny_run, walk, with_threshold(tiny_config, "auto"))
    assert longs.any()
    np.testing.assert_array_equal(signal.long_entries, longs)
    np.testing.assert_array_equal(signal.short_entries, shorts)
    assert isinstance(signal.long_entries, pd.Series)


def test_thresholds_are_broadcast_over_plain_scores():
    signal = MLSignal.run(SCORES, threshold=[0.52, 0.54])
    assert signal.long_entries.columns.tolist() == [0.52, 0.54]
    assert signal.long_entries.columns.name == "ml_threshold"
    assert np.flatnonzero(signal.long_entries[0.52]).tolist() == [5, 6, 7]
    assert np.flatnonzero(signal.long_entries[0.54]).tolist() == [6, 7]
    assert np.flatnonzero(signal.short_entries[0.52]).tolist() == [1, 2, 3]
    assert np.flatnonzero(signal.short_entries[0.54]).tolist() == [1, 2]
    assert signal.long_entries.dtypes.tolist() == [bool, bool]
    assert not (signal.long_entries & signal.short_entries).to_numpy().any()


def test_a_score_of_one_half_is_no_side():
    signal = MLSignal.run(SCORES, threshold=0.5)
    assert not signal.long_entries[4]
    assert not signal.short_entries[4]


def test_several_symbols_and_thresholds_make_a_multi_index():
    scores = pd.DataFrame({"BTC": SCORES, "ETH": SCORES[::-1]})
    signal = MLSignal.run(scores, threshold=[0.52, 0.54])
    assert signal.long_entries.columns.tolist() == [
        (0.52, "BTC"),
        (0.52, "ETH"),
        (0.54, "BTC"),
        (0.54, "ETH"),
    ]
    picked = signal[(0.54, "ETH")]
    assert isinstance(picked, MLSignal)
    assert np.flatnonzero(picked.long_entries).tolist() == [1, 2]


def test_own_thresholds_beside_one_for_all():
    never = np.full(len(SCORES), np.nan)
    signal = MLSignal.run(SCORES, long_at=np.full(len(SCORES), 0.9), short_at=never, threshold=[np.nan, 0.54])
    assert np.flatnonzero(signal.long_entries.iloc[:, 0]).tolist() == [7]
    assert not signal.short_entries.iloc[:, 0].any()
    assert np.flatnonzero(signal.long_entries.iloc[:, 1]).tolist() == [6, 7]


@pytest.mark.parametrize("threshold", [0.49, 1.0, [0.6, 0.2], np.inf], ids=str)
def test_a_threshold_out_of_range_is_refused(threshold):
    with pytest.raises(ConfigError, match=r"give numbers in \[0\.5, 1\), such as 0\.55\."):
        MLSignal.run(SCORES, threshold=threshold)


def test_no_threshold_at_all_is_refused():
    with pytest.raises(ConfigError, match=r"give threshold=0\.55, or long_at and short_at of"):
        MLSignal.run(SCORES)
