"""A user's own file: its features in batch, stream, files and runs, and what is refused."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mlstrat import pipeline
from mlstrat.backtest import backtest
from mlstrat.config import parse_config
from mlstrat.data.synthetic import random_walk
from mlstrat.errors import ConfigError, DataError, FeatureLeakError, RunFolderError
from mlstrat.features.files import write
from mlstrat.features.lookup import find, registered
from mlstrat.features.matrix import build
from mlstrat.features.pieces import BarFile
from mlstrat.features.registry import REGISTRY
from mlstrat.features.stream import FeatureStream
from mlstrat.plugins import load_plugins
from mlstrat.sentiment.align import neutral
from mlstrat.signals.terms import risk_rules

ARRAY = """
import mlstrat

@mlstrat.feature("own_gap_{0}", inputs=("close",), each=((5,), (20,)), lookback=lambda n: n + 1)
def gap(frame, n):
    return frame.close / frame.close.shift(int(n)) - 1.0
"""
STEP = """
import mlstrat
from numba import njit

FACTOR = 2.0

@mlstrat.feature("own_range", inputs=("high", "low", "close"))
@njit
def step(state, bar, params):
    return FACTOR * (bar[1] - bar[2]) / bar[3]

@mlstrat.feature("own_mean_{0}", inputs=("close",), each=((3,),), state=3, lookback=lambda n: n)
@njit
def mean(state, bar, params):
    n = int(params[0])
    state[0], state[1], state[2] = state[1], state[2], bar[3]
    return (state[0] + state[1] + state[2]) / n / bar[3] if state[0] > 0.0 else float("nan")
"""
LEAK = """
import mlstrat

@mlstrat.feature("own_peek", inputs=("close",))
def peek(frame):
    return (frame.close.shift(-1) > frame.close) * 1.0
"""
BARS = random_walk(500, 5, step_ticks=4000.0)


@pytest.fixture(autouse=True)
def _forget():
    registered()
    before = dict(REGISTRY)
    yield
    REGISTRY.clear()
    REGISTRY.update(before)


@pytest.fixture
def plugin(tmp_path):
    def written(code, name="own.py"):
        path = tmp_path / name
        path.write_text(code)
        return path

    return written


def streamed(names, n=500):
    stream = FeatureStream(names)
    return np.array([stream.update(row) for row in BARS.matrix[:n]])


def test_an_array_function_gives_what_it_says_in_batch_and_stream(plugin):
    load_plugins([str(plugin(ARRAY))])
    names = ("own_gap_5", "ret_5", "own_gap_20")
    batch = build(BARS, names=names)
    assert batch.lookback.tolist() == [6, 6, 21]
    expected = np.r_[np.full(20, np.nan), BARS.close[20:] / BARS.close[:-20] - 1.0]
    np.testing.assert_array_equal(batch.column("own_gap_20"), expected)
    assert streamed(names, 100).tobytes() == batch.values[:100].tobytes()


def test_a_compiled_step_gives_the_same_bits_in_batch_and_stream(plugin):
    load_plugins([str(plugin(STEP))])
    names = ("own_range", "own_mean_3")
    batch = build(BARS, names=names).values
    np.testing.assert_array_equal(batch[:, 0], 2.0 * (BARS.high - BARS.low) / BARS.close)
    means = (BARS.close[2:] + BARS.close[1:-1] + BARS.close[:-2]) / 3 / BARS.close[2:]
    np.testing.assert_allclose(batch[2:, 1], means, rtol=1e-15)
    assert np.isnan(batch[:2, 1]).all()
    assert streamed(names).tobytes() == batch.tobytes()
    assert "gives no Pine form" in find("own_range").no_pine


def test_files_in_pieces_hold_what_the_matrix_holds(plugin, tmp_path):
    import pyarrow.parquet as pq

    load_plugins([str(plugin(ARRAY))])
    bars = random_walk(3000, 5, step_ticks=4000.0)
    source, out = tmp_path / "WALK_1h.parquet", tmp_path / "out.parquet"
    bars.frame().to_parquet(source)
    write(BarFile(str(source), 1000), out, names=("own_gap_5", "ta.rsi"))
    whole = build(bars, names=("own_gap_5", "ta.rsi"))
    stored = pq.read_table(out)
    assert stored["own_gap_5"].to_numpy().tobytes() == whole.column("own_gap_5").tobytes()
    np.testing.assert_allclose(stored["ta.rsi"].to_numpy(), whole.column("ta.rsi"), rtol=1e-9)


_PRINT = """
import sys
from mlstrat.data.synthetic import random_walk
from mlstrat.features.matrix import build
from mlstrat.plugins import load_plugins
load_plugins([sys.argv[1]])
print(build(random_walk(300, 5), names=("own_range",)).values[-1, 0])
"""


def test_an_edited_step_is_compiled_anew_in_another_process(plugin, tmp_path):
    def value():
        done = subprocess.run(
            [sys.executable, "-c", _PRINT, tmp_path / "own.py"], capture_output=True, text=True, check=True
        )
        return float(done.stdout)

    plugin(STEP)
    first, again = value(), value()
    plugin(STEP.replace("FACTOR = 2.0", "FACTOR = 3.0"))  # of the same length, within the same second
    assert first == again
    assert value() == pytest.approx(1.5 * first, rel=1e-12)


def test_a_file_run_again_replaces_its_features(plugin):
    path = plugin(STEP)
    load_plugins([str(path)])
    first = build(BARS, names=("own_range",)).values
    before = os.stat(path)
    path.write_text(STEP.replace("FACTOR = 2.0", "FACTOR = 4.0").replace("own_mean", "own_average"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    load_plugins([str(path)])
    np.testing.assert_array_equal(build(BARS, names=("own_range",)).values, 2.0 * first)
    assert "own_mean_3" not in registered()
    assert "own_average_3" in registered()
    assert not list(path.parent.glob("__pycache__"))


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("x = 1", "registers nothing: decorate a function with @mlstrat.feature"),
        ("x = ", r"failed \(SyntaxError: .*: mend it, or take it out of plugins"),
        ("import no_such_package", r"failed \(ModuleNotFoundError"),
        (ARRAY.replace("own_gap_{0}", "rsi_14"), "plugin .*own.py: feature 'rsi_14' is registered twice"),
        (ARRAY.replace('("close",)', '("colour",)'), r"has inputs \('colour',\): use some of open"),
        (
            STEP.replace("def mean", "def step"),
            "two steps are functions of the name 'step': give each a name",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(plugin, code, message):
    with pytest.raises(ConfigError, match=message):
        load_plugins([str(plugin(code))])


def test_a_path_that_is_no_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"no\.py is not a Python file: give the path of a \.py file"):
        load_plugins([str(tmp_path / "no.py")])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("frame.colour", r"feature own_bad failed on \d+ bars \(AttributeError: .*: mend it"),
        ("frame.close.mean()", r"feature own_bad returned shape \(\) for \d+ bars: return one number a bar"),
        ("frame.close[:-1]", r"returned shape \(\d+,\) for \d+ bars: return one number a bar"),
        ("['a'] * len(frame)", r"failed on \d+ bars \(ValueError"),
        ("frame.close.shift(1)", "feature own_bad has no finite value before bar 1: declare lookback=2"),
        ("frame.close.where(frame.index.day != 15)", "has the value nan at bar 48: give a finite number"),
        (
            "frame.close.where(frame.index.day != 3)",
            r"is nan at bar 48 \(2020-01-03T00:00\): return a finite",
        ),
    ],
)
def test_a_function_that_cannot_be_used_is_refused(plugin, body, message):
    head = 'import mlstrat\n@mlstrat.feature("own_bad", inputs=("close",))\ndef bad(frame):\n'
    load_plugins([str(plugin(f"{head}    return {body}\n"))])
    with pytest.raises(DataError, match=message):
        build(BARS, names=("own_bad",))


def test_a_step_that_numba_cannot_compile_is_refused(plugin):
    load_plugins([str(plugin(STEP.replace("FACTOR * (bar[1]", "FACTOR * str(bar[1]")))])
    with pytest.raises(
        DataError, match=r"step of feature own_range cannot be compiled \(TypingError: .*: mend"
    ):
        build(BARS, names=("ret_1", "own_range"))


def test_an_array_function_takes_no_other_symbol(plugin):
    code = ARRAY.replace('"own_gap_{0}",', '"own_gap_{0}", pair=True,')
    with pytest.raises(ConfigError, match="is of pairs and no step: compile it"):
        load_plugins([str(plugin(code))])


def test_a_plugins_feature_of_another_symbol(plugin):
    from dataclasses import replace

    load_plugins([str(plugin(ARRAY + STEP))])
    other = replace(random_walk(500, 8, step_ticks=4000.0), symbol="OTHER")
    names = ("own_gap_5@OTHER", "own_range@OTHER")
    beside = build(BARS, names=names, others=[other]).values
    alone = build(other, names=("own_gap_5", "own_range")).values
    assert beside.tobytes() == alone.tobytes()


def test_a_leak_is_refused_by_batch_stream_and_run(plugin, walk, tiny_config):
    path = plugin(LEAK)
    load_plugins([str(path)])
    message = r"own_peek sees the future: .* see mlstrat audit features .*own\.py"
    with pytest.raises(FeatureLeakError, match=message):
        build(BARS, names=("own_peek",))
    with pytest.raises(FeatureLeakError, match=message):
        FeatureStream(("own_peek",))
    with pytest.raises(FeatureLeakError, match=message):
        pipeline.run(with_features(tiny_config, path, "own_peek"), bars=walk, mood=neutral(walk))


def with_features(config, path, *names):
    content = config.model_dump()
    content["features"]["names"] = ("ret_1", "rsi_14", *names)
    content["plugins"] = (str(path),)
    return parse_config(content)


def test_a_run_with_a_plugin_and_an_indicator_of_ta(plugin, tiny_config, tmp_path):
    path = plugin(ARRAY + STEP)
    config = with_features(tiny_config, path, "own_gap_20", "own_range", "ta.bollinger_pband(window=20)")
    content = config.model_dump()
    content["data"] |= {"start": "2023-01-01", "end": "2023-06-01"}
    content["splits"]["max_windows"] = 1
    config, folder = parse_config(content), tmp_path / "run"
    run = backtest(config, folder, engine="kernel")
    assert run.metrics
    assert backtest(config, folder, engine="kernel").reused
    plugin(ARRAY + STEP.replace("FACTOR = 2.0", "FACTOR = 3.0"))
    with pytest.raises(RunFolderError, match=r"holds another run \(plugins was \['[0-9a-f]{64}'\] and is"):
        backtest(config, folder, engine="kernel")


def test_retraining_inside_backtrader_sees_the_same_features(plugin, walk, tiny_config):
    """A window recomputed from the same bars gives the same bits, so the same predictions."""
    pytest.importorskip("backtrader")
    from mlstrat.engines.on_backtrader import MLStrategy, cerebro_for

    path = plugin(ARRAY)
    config = with_features(tiny_config, path, "own_gap_20", "ta.roc(window=9)")
    expected = pipeline.run(config, bars=walk, mood=neutral(walk)).predictions
    cerebro = cerebro_for(walk, risk_rules(config, walk), stdstats=False)
    cerebro.addstrategy(MLStrategy, config=config, retrain=True)
    (strategy,) = cerebro.run()
    inside = strategy.advisor.predictions
    for name in ("prob_up", "votes", "score", "win_prob"):
        np.testing.assert_array_equal(getattr(inside, name), getattr(expected, name), err_msg=name)
    assert np.isfinite(inside.prob_up).sum() > 500


def test_the_example_of_the_page_runs(plugin):
    page = (Path(__file__).parents[1] / "docs" / "features.md").read_text(encoding="utf-8")
    blocks = [part.split("```")[0] for part in page.split("```python\n")[1:]]
    code = next(block for block in blocks if "@mlstrat.feature" in block)
    load_plugins([str(plugin(code))])
    own = [name for name, f in registered().items() if f.origin.endswith("own.py")]
    assert len(own) == 3
    assert np.isfinite(build(BARS, names=own).values[-1]).all()
