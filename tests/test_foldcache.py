"""The cache of fitted models: what refits a window and what does not, and what damage does."""

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlstrat import walkforward
from mlstrat.config import parse_config
from mlstrat.foldcache import FoldCache, fold_key
from mlstrat.models.ensemble import to_tensors
from mlstrat.pipeline import run
from mlstrat.sentiment.align import SentimentSeries, neutral

FEATURES = ("ret_1", "ret_5", "rsi_14", "bb_position", "atr_14", "volume_ratio", "hour_sin")
FIRST = 2900  # bars of the walk that hold one window less than all of it


class Fits:
    """Counts the fits of a run."""

    def __init__(self, monkeypatch):
        self.n, fit = 0, walkforward.fit_models

        def counted(*given):
            self.n += 1
            return fit(*given)

        monkeypatch.setattr(walkforward, "fit_models", counted)

    def during(self, action):
        before, result = self.n, action()
        return self.n - before, result


@pytest.fixture
def fits(monkeypatch):
    return Fits(monkeypatch)


@pytest.fixture(scope="module")
def filled(walk, tiny_config, tmp_path_factory):
    """A cache with the windows of the tiny run, and that run."""
    cache = FoldCache(tmp_path_factory.mktemp("filled"))
    return cache, run(tiny_config, bars=walk, mood=neutral(walk), cache=cache)


def changed(config, **sections):
    content = config.model_dump()
    for name, values in sections.items():
        content[name] = {**content[name], **values} if isinstance(values, dict) else values
    return parse_config(content)


def assert_same(a, b):
    for name in ("prob_up", "magnitude", "votes", "score", "win_prob", "win_se", "payoff", "threshold"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    assert a.windows == b.windows


def test_cached_models_give_the_same_bits_and_nothing_is_fitted(walk, tiny_config, tiny_run, filled, fits):
    cache, first = filled
    assert_same(first.predictions, tiny_run.predictions)
    n, again = fits.during(lambda: run(tiny_config, bars=walk, mood=neutral(walk), cache=cache))
    assert n == 0
    assert_same(again.predictions, tiny_run.predictions)


@pytest.mark.parametrize(
    "sections",
    [
        {"signals": {"threshold": 0.55}},
        {"signals": {"ml_weight": 0.5}},
        {"kelly": {"shrink": "strict"}},
        {"stops": {"atr": 1.5}},
        {"stops": {"max_bars": 12}},
        {"execution": {"slippage_ticks": 2.0}},
        {"breakers": {"max_losing_streak": 3}},
        {"name": "other"},
    ],
)
def test_what_no_model_reads_refits_nothing(walk, tiny_config, filled, fits, sections):
    config = changed(tiny_config, **sections)
    n, cached = fits.during(lambda: run(config, bars=walk, mood=neutral(walk), cache=filled[0]))
    assert n == 0
    if "stops" in sections or "signals" in sections:
        assert_same(cached.predictions, run(config, bars=walk, mood=neutral(walk)).predictions)


def test_headlines_and_fees_refit_nothing(walk, tiny_config, filled, fits):
    score = np.full(len(walk), 0.3)
    mood = SentimentSeries(walk.time, score, score, np.ones(len(walk), np.int64))
    dear = replace(walk, instrument=walk.instrument.with_facts(fee_share=0.001))
    for bars in (walk, dear):
        n, cached = fits.during(lambda bars=bars: run(tiny_config, bars=bars, mood=mood, cache=filled[0]))
        assert n == 0
        assert_same(cached.predictions, run(tiny_config, bars=bars, mood=mood).predictions)


@pytest.mark.parametrize(
    "sections",
    [
        {"seed": 8},
        {"features": {"names": (*FEATURES[:-1], "ret_2")}},
        {"features": {"names": FEATURES[::-1]}},
        {"features": {"select": 3}},
        {"labels": {"target_periods": 6}},
        {"splits": {"embargo_bars": 4}},
        {"splits": {"calibration_share": 0.31}},
        {"splits": {"training_days": 61}},
        {"splits": {"scheme": "expanding"}},
        {"models": {"rf_n_estimators": 6}},
        {"models": {"lstm_learning_rate": 0.004}},
    ],
)  # fmt: skip
def test_what_a_model_reads_refits_all(walk, tiny_config, filled, sections):
    config = changed(tiny_config, **sections)
    keys = [fold_key(*given, config) for given in folds_of(walk, config)]
    assert not any((filled[0].folder / f"{key}.fold").exists() for key in keys)
    assert len(set(keys)) == len(keys) > 1


@pytest.mark.parametrize(
    ("name", "value"), [("code_sha256", "0123"), ("versions", {"numpy": "9.9"}), ("sha256_of", "other")]
)
def test_other_code_libraries_or_plugins_refit_all(walk, tiny_config, monkeypatch, name, value):
    config = tiny_config.model_copy(update={"plugins": (__file__,)})
    panel, fold = folds_of(walk, config)[0]
    before = fold_key(panel, fold, config)
    monkeypatch.setattr(f"mlstrat.foldcache.{name}", lambda *given: value)
    assert fold_key(panel, fold, config) != before


def folds_of(bars, config):
    from mlstrat.pipeline import load_panel

    panel = load_panel(bars, neutral(bars), config)
    schedule = walkforward.schedule_for(bars, panel.features.ready, config)
    times = bars.close_time, panel.labels.resolved_at, panel.features.ready
    return [(panel, schedule.fold(k, *times)) for k in range(len(schedule))]


def test_a_month_of_new_bars_is_one_fit(walk, tiny_config, tiny_run, tmp_path, fits):
    cache, part = FoldCache(tmp_path), walk[:FIRST]
    earlier, short = fits.during(lambda: run(tiny_config, bars=part, mood=neutral(part), cache=cache))
    n, whole = fits.during(lambda: run(tiny_config, bars=walk, mood=neutral(walk), cache=cache))
    assert (earlier, n) == (len(whole.predictions.windows) - 1, 1)
    assert_same(whole.predictions, tiny_run.predictions)
    assert short.predictions.windows == whole.predictions.windows[:-1]  # valid_to among them


def test_bars_put_before_a_rolling_window_change_nothing_in_it(walk, tiny_config):
    """The key counts rows from the window's first one."""
    panel, fold = folds_of(walk, tiny_config)[1]
    cut = 100
    features = replace(panel.features, values=panel.features.values[cut:])
    labels = replace(
        panel.labels, **{k: getattr(panel.labels, k)[cut:] for k in ("ret", "up", "resolved_at")}
    )
    bars = panel.bars[cut:]
    mood = neutral(bars)
    later = replace(panel, bars=bars, features=features, labels=labels, mood=mood)
    moved = replace(fold, first=fold.first - cut, train=fold.train - cut, test=fold.test - cut)
    assert fold_key(later, moved, tiny_config) == fold_key(panel, fold, tiny_config)


def test_the_key_reads_every_row_of_the_window_and_none_beyond(walk, tiny_config):
    panel, fold = folds_of(walk, tiny_config)[0]
    key = fold_key(panel, fold, tiny_config)

    def with_change(name, row):
        values = getattr(panel.labels, name) if name != "x" else panel.features.values
        values = values.copy()
        values[row] = values[row] + 1
        if name == "x":
            return replace(panel, features=replace(panel.features, values=values))
        return replace(panel, labels=replace(panel.labels, **{name: values}))

    last = int(fold.train[-1])
    for name in ("x", "ret", "up", "resolved_at"):
        for row in (fold.first, last):
            assert fold_key(with_change(name, row), fold, tiny_config) != key
        for row in (fold.first - 1, last + 1):
            assert fold_key(with_change(name, row), fold, tiny_config) == key


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: b"",
        lambda content: content[:40] + bytes([content[40] ^ 1]) + content[41:],
        lambda content: content[:-9] + bytes([content[-9] ^ 128]) + content[-8:],
        lambda content: b"x" * len(content),
    ],
)
def test_a_damaged_entry_is_dropped_and_fitted_anew(
    walk, tiny_config, tiny_run, filled, tmp_path, fits, damage
):
    for path in filled[0].folder.glob("*.fold"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    bad = sorted(tmp_path.iterdir())[0]
    whole = bad.read_bytes()
    bad.write_bytes(damage(whole))
    n, again = fits.during(lambda: run(tiny_config, bars=walk, mood=neutral(walk), cache=FoldCache(tmp_path)))
    assert n == 1
    assert bad.read_bytes() == whole
    assert_same(again.predictions, tiny_run.predictions)


def test_an_entry_of_other_arrays_with_a_right_hash_is_dropped(walk, tiny_config, filled, tmp_path):
    from safetensors.numpy import load, save

    panel, fold = folds_of(walk, tiny_config)[0]
    key, n = fold_key(panel, fold, tiny_config), len(panel.features.names)
    tensors = dict(load((filled[0].folder / f"{key}.fold").read_bytes()[32:]))
    tensors["models.forest.left"] = tensors["models.forest.left"] - 1  # a node that leads back
    body = save(tensors)
    (tmp_path / f"{key}.fold").write_bytes(hashlib.sha256(body).digest() + body)
    assert FoldCache(tmp_path).load(key, fold, n) is None
    assert not list(tmp_path.iterdir())
    kept = filled[0].load(key, fold, n)
    assert all(array.flags.writeable for array in to_tensors(kept.ensemble).values())


def test_what_was_used_longest_ago_goes_first(walk, tiny_config, filled, tmp_path):
    panel, fold = folds_of(walk, tiny_config)[0]
    models = filled[0].load(fold_key(panel, fold, tiny_config), fold, len(panel.features.names))
    size = next(filled[0].folder.glob("*.fold")).stat().st_size
    cache = FoldCache(tmp_path, max_bytes=int(3.5 * size))
    (tmp_path / ".killed.fold.abc").write_bytes(b"x" * size)  # what a killed writer left
    for key in ("a", "b"):
        cache.save(key, fold, models)
    assert cache.load("a", fold, len(panel.features.names)) is not None  # used, so later than b
    for key in ("c", "d"):
        cache.save(key, fold, models)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "a.fold", "c.fold", "d.fold"]


def test_writers_at_the_same_time_do_no_harm(walk, tiny_config, filled, tmp_path):
    """Four processes write the same few keys into a cache that holds two entries, and read them back."""
    panel, fold = folds_of(walk, tiny_config)[0]
    key, n = fold_key(panel, fold, tiny_config), len(panel.features.names)
    entry = filled[0].folder / f"{key}.fold"
    code = f"""
import sys
from pathlib import Path
import numpy as np
from mlstrat.foldcache import FoldCache
from mlstrat.splits import Fold
time = np.datetime64("2021-01-01", "ns")
fold = Fold(0, time, time, {fold.first}, np.arange(1), np.arange(1), 0)
models = FoldCache(Path({str(entry.parent)!r})).load({key!r}, fold, {n})
cache = FoldCache(Path(sys.argv[1]), max_bytes={int(2.5 * entry.stat().st_size)})
for k in range(30):
    cache.save(str(k % 4), fold, models)
    read = cache.load(str((k + 2) % 4), fold, {n})
    assert read is None or read.ensemble.models.unit == models.ensemble.models.unit
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    writers = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    for writer in writers:
        _, said = writer.communicate(timeout=120)
        assert writer.returncode == 0, said
    left = list(Path(tmp_path).glob("*.fold"))
    assert len(left) == 2
    assert all(path.read_bytes() == entry.read_bytes() for path in left)
