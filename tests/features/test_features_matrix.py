"""The registry, the matrix and the stream: what they return and what they refuse."""

import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from mlstrat.data.synthetic import random_walk
from mlstrat.errors import ConfigError, DataError, NotEnoughBarsError
from mlstrat.features.lookup import registered, resolve
from mlstrat.features.matrix import build
from mlstrat.features.program import compile_program
from mlstrat.features.registry import FAMILIES, REGISTRY, decay_bars, feature
from mlstrat.features.stream import FeatureStream

BARS = random_walk(1000, 1)
SILENT = replace(BARS, volume=np.zeros(len(BARS)))


def test_the_names_of_the_guide_exist():
    assert {"rsi_14", "bb_position", "volume_ratio", "atr_14", "atr_px", "sma_200"} <= registered().keys()


def test_every_family_has_features():
    assert {f.family for f in registered().values()} == set(FAMILIES) - {"user", "ta"}


def test_asking_for_nothing_gives_every_model_input():
    names = [f.name for f in resolve()]
    assert sorted(names) == sorted(f.name for f in registered().values() if f.model_input and not f.pair)
    assert "atr_px" not in names


def test_names_keep_their_order_and_families_follow_without_repeats():
    names = [f.name for f in resolve(("weekday", "atr_px", "weekday"), ("time",))]
    assert names[:2] == ["weekday", "atr_px"]
    assert len(names) == len(set(names))
    assert {f.family for f in resolve((), ("time", "lag"))} == {"time", "lag"}


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(
        ConfigError, match=r"feature 'rsi14' is not registered: the nearest is 'rsi_14'; correct"
    ):
        resolve(("rsi14",))
    with pytest.raises(ConfigError, match=r"feature family 'volumes' is not registered.*'volume'"):
        resolve((), ("volumes",))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "rsi_14"}, "registered twice: give the second another name"),
        ({"family": "astrology"}, "has family 'astrology': use one of price"),
        ({"inputs": ("colour",)}, r"has inputs \('colour',\): use some of open"),
        ({"inputs": ()}, "use some of open"),
        ({"lookback": 0}, "lookback 0 and warmup 0: give a lookback of at least 1"),
        ({"lookback": 9, "warmup": 8}, "lookback 9 and warmup 8"),
        ({"pine": None}, "must have either a Pine expression or a reason why not"),
        ({"no_pine": "because"}, "must have either a Pine expression or a reason why not"),
    ],
)
def test_a_contradictory_description_is_refused(changes, message):
    good = {
        "name": "mine",
        "family": "price",
        "inputs": ("close",),
        "unit": "1",
        "source": "test",
        "pine": "close",
    }
    asked = {**good, **changes}
    known = dict(registered())
    with pytest.raises(ConfigError, match=message):
        feature(asked.pop("name"), asked.pop("family"), **asked)(SimpleNamespace(py_func=None))
    assert known == REGISTRY


def test_decay_is_counted_to_a_trillionth():
    for length in (5, 27, 200):
        share = 1.0 - 2.0 / (length + 1.0)
        assert share ** decay_bars(length) <= 1e-12 < share ** (decay_bars(length) - 1)


def test_matrix_is_read_only_and_row_by_row():
    matrix = build(BARS, names=("ret_1", "sma_20", "rsi_14"))
    assert matrix.names == ("ret_1", "sma_20", "rsi_14")
    assert matrix.values.shape == (len(BARS), 3)
    assert matrix.values.flags.c_contiguous
    assert len(matrix) == len(BARS)
    np.testing.assert_array_equal(matrix.lookback, [2, 20, 15])
    assert matrix.lookback.dtype == np.int64
    with pytest.raises(ValueError, match="read-only"):
        matrix.values[0, 0] = 1.0
    np.testing.assert_array_equal(matrix.column("sma_20"), matrix.values[:, 1])


def test_ready_is_the_first_complete_row():
    matrix = build(BARS)
    complete = np.isfinite(matrix.values).all(axis=1)
    assert matrix.ready == int(np.argmax(complete))
    assert complete[matrix.ready :].all()


def test_an_absent_column_is_refused():
    with pytest.raises(ConfigError, match="'sma_20' is not among the 1 columns of this matrix: name it"):
        build(BARS, names=("ret_1",)).column("sma_20")


def test_too_few_bars_are_refused_with_the_count():
    with pytest.raises(NotEnoughBarsError, match=r"feature sma_200 needs 200 bars but got 150"):
        build(BARS[:150], names=("ret_1", "sma_200"))
    assert build(BARS[:200], names=("sma_200",)).ready == 199


def test_without_volume_its_features_are_dropped():
    names = build(SILENT).names
    assert names == tuple(f.name for f in resolve() if "volume" not in f.inputs)
    assert "volume_ratio_lag_1" not in names
    assert "ret_1" in names


def test_without_volume_a_volume_feature_asked_for_by_name_is_refused():
    with pytest.raises(
        DataError, match=r"volume_ratio cannot be computed, because WALK has no volume: take it out of"
    ):
        build(SILENT, names=("ret_1", "volume_ratio", "mfi_14"))
    with pytest.raises(DataError, match="no feature is left for WALK, which has no volume"):
        build(SILENT, families=("volume",))


def test_stream_says_how_much_history_it_wants():
    stream = FeatureStream(("ret_1", "rsi_14"))
    assert stream.names == ("ret_1", "rsi_14")
    assert stream.warmup == registered()["rsi_14"].warmup


def test_streams_do_not_share_their_state():
    first, second = FeatureStream(("sma_5",)), FeatureStream(("sma_5",))
    for row in BARS.matrix[:10]:
        first.update(row)
    assert np.isnan(second.update(BARS.matrix[10])).all()


def test_stream_takes_any_layout_of_a_row_and_refuses_another_length():
    expected = FeatureStream(("body",)).update(BARS.matrix[0])
    spread = np.zeros(12)
    spread[::2] = BARS.matrix[0]
    np.testing.assert_array_equal(FeatureStream(("body",)).update(spread[::2]), expected)
    with pytest.raises(DataError, match=r"a bar of shape \(5,\) cannot be used: give open, high"):
        FeatureStream(("body",)).update(BARS.matrix[0, :5])


@pytest.mark.parametrize(
    ("rows", "out", "message"),
    [
        (
            np.ones((4, 5)),
            np.ones((4, 1)),
            r"shape \(4, 5\).*give a contiguous float64 array of shape \(4, 6\)",
        ),
        (np.ones((4, 6)), np.ones((3, 1)), r"shape \(3, 1\).*of shape \(4, 1\)"),
        (np.ones((4, 6), np.float32), np.ones((4, 1)), "type float32 cannot be used"),
        (np.ones((8, 6))[::2], np.ones((4, 1)), "give a contiguous float64 array"),
    ],
)
def test_arrays_that_a_compiled_step_could_overrun_are_refused(rows, out, message):
    program = compile_program(resolve(("body",)))
    with pytest.raises(DataError, match=message):
        program.advance(program.start(), rows, out)


def test_listing_features_compiles_nothing():
    code = (
        "from mlstrat.features.lookup import registered\n"
        "from mlstrat.features import matrix, stream\n"
        "print(sum(len(f.step.overloads) for f in registered().values()), len(registered()))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    compiled, listed = run.stdout.split()
    assert int(compiled) == 0
    assert int(listed) >= 60
