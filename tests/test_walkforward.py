"""The walk-forward: no look-ahead, the same bits however it is run, nothing lost when it is interrupted."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mlstrat.capsule import load
from mlstrat.config import parse_config
from mlstrat.data.bars import COLUMNS
from mlstrat.data.sources import read_bars
from mlstrat.data.synthetic import random_walk
from mlstrat.errors import DataError, RunFolderError
from mlstrat.foldstore import FoldStore
from mlstrat.online import OnlineWalkForward
from mlstrat.pipeline import load_panel, run
from mlstrat.sentiment.align import SentimentSeries, neutral
from mlstrat.signals.decide import decide
from mlstrat.walkforward import schedule_for, walk_forward

ROWS = (
    "prob_up",
    "magnitude",
    "votes",
    "score",
    "win_prob",
    "win_se",
    "payoff",
    "threshold",
    "fold",
    "novelty",
)


def assert_same(a, b, part=slice(None)):
    for name in ROWS:
        np.testing.assert_array_equal(getattr(a, name)[part], getattr(b, name)[part], err_msg=name)


def moody(bars, seed=0):
    """A sentiment series that knows something on half of the bars."""
    rng = np.random.default_rng(seed)
    known = rng.random(len(bars)) < 0.5
    score = np.where(known, rng.uniform(-1, 1, len(bars)), 0.0)
    return SentimentSeries(bars.time, score, known * 0.4, known.astype(np.int64))


def predictions_of(bars, config, mood=None):
    panel = load_panel(bars, mood or neutral(bars), config)
    schedule = schedule_for(bars, panel.features.ready, config)
    return walk_forward(panel, schedule, config), panel, schedule


def test_later_bars_change_nothing_that_was_said_before(walk, tiny_config):
    whole, *_ = predictions_of(walk, tiny_config, moody(walk))
    for cut in (2184, 2185, 2903, 2904):  # 2184 and 2904 close where a month begins
        mood = moody(walk)
        short = SentimentSeries(walk.time[:cut], mood.score[:cut], mood.confidence[:cut], mood.count[:cut])
        part, *_ = predictions_of(walk[:cut], tiny_config, short)
        assert part.known.any()
        assert_same(whole, replace_length(part, len(walk)), slice(0, cut))


def replace_length(p, n):
    """Pad predictions with nothing known, to compare them with longer ones."""

    class Padded:
        pass

    padded = Padded()
    for name in ROWS:
        values = getattr(p, name)
        filler = np.full((n - len(values), *values.shape[1:]), -1 if name == "fold" else np.nan)
        setattr(padded, name, np.concatenate([values, filler.astype(values.dtype)]))
    return padded


@pytest.mark.parametrize("change", [lambda x: x * 10, lambda x: x[::-1]])
def test_other_later_bars_change_nothing_that_was_said_before(walk, tiny_config, change):
    cut = 2500
    columns = {name: getattr(walk, name).copy() for name in COLUMNS}
    for values in columns.values():
        values[cut:] = change(values[cut:])
    other = replace(walk, **columns)
    whole, panel, _ = predictions_of(walk, tiny_config)
    changed, *_ = predictions_of(other, tiny_config)
    said = slice(0, cut)
    assert whole.known[said].any()
    assert_same(whole, changed, said)
    before = decide(walk, whole, panel.mood, panel.atr_px, tiny_config)
    after_panel = load_panel(other, neutral(other), tiny_config)
    after = decide(other, changed, after_panel.mood, after_panel.atr_px, tiny_config)
    for name in ("side", "fraction", "stop", "target", "stage", "quality"):
        np.testing.assert_array_equal(getattr(before, name)[said], getattr(after, name)[said])


def test_every_prediction_is_out_of_sample(tiny_run):
    panel, predictions = tiny_run.panel, tiny_run.predictions
    known = predictions.known
    assert not known[: panel.features.ready].any()
    cut = np.array([window.cut for window in predictions.windows])[predictions.fold[known]]
    assert (panel.bars.close_time[known] >= cut).all()
    for index, window in enumerate(predictions.windows):
        fold = tiny_run.schedule.fold(
            index, panel.bars.close_time, panel.labels.resolved_at, panel.features.ready
        )
        assert window.n_train == len(fold.train)
        embargo = tiny_run.config.splits.embargo_bars * panel.bars.timeframe.delta
        assert panel.labels.resolved_at[fold.train].max() <= window.cut - embargo == fold.limit
        assert window.purged >= tiny_run.config.labels.target_periods
        assert window.purged_inner >= tiny_run.config.labels.target_periods


def test_two_workers_give_the_same_bits(walk, tiny_config, tiny_run):
    two = run(tiny_config.model_copy(update={"jobs": 2}), bars=walk, mood=neutral(walk))
    assert_same(tiny_run.predictions, two.predictions)
    assert [w.model_sha256 for w in two.predictions.windows] == [
        w.model_sha256 for w in tiny_run.predictions.windows
    ]


@pytest.mark.parametrize(
    ("scheme", "retrain"), [("rolling", "month"), ("expanding", "month"), ("rolling", 700)]
)
def test_bar_by_bar_is_the_batch_bit_for_bit(walk, tiny_config, scheme, retrain):
    splits = tiny_config.splits.model_copy(update={"scheme": scheme, "retrain": retrain})
    config = tiny_config.model_copy(update={"splits": splits})
    mood = moody(walk)
    batch, panel, schedule = predictions_of(walk, config, mood)
    names, lookback = panel.features.names, panel.features.lookback
    online = OnlineWalkForward(names, lookback, schedule, config, walk.timeframe, walk.instrument, mood)
    for t in range(len(walk)):
        forecast, atr_px = online.update(walk.matrix[t])
        assert (forecast is not None) == batch.known[t]
        np.testing.assert_array_equal(atr_px, panel.atr_px[t])
    live = online.predictions()
    assert_same(batch, live)
    assert [w.model_sha256 for w in live.windows] == [w.model_sha256 for w in batch.windows]
    assert [w.purged for w in live.windows] == [w.purged for w in batch.windows]


def test_daily_bars_are_known_at_their_sessions_close_in_both(tiny_config):
    pytest.importorskip("exchange_calendars")
    walk = random_walk(2500, seed=5, step_ticks=10_000.0, timeframe="1d").frame()
    days = np.busday_offset("2010-01-04", np.arange(len(walk)), roll="forward").astype("datetime64[ns]")
    bars = read_bars(
        walk.set_axis(pd.DatetimeIndex(days, tz="UTC", name="time")), symbol="SPY", timeframe="1d"
    )
    assert (bars.close_time < bars.time + np.timedelta64(1, "D")).any()
    splits = {**tiny_config.splits.model_dump(), "training_days": 2000, "retrain": "year"}
    config = parse_config({**tiny_config.model_dump(), "splits": splits})
    mood = neutral(bars)
    batch, panel, schedule = predictions_of(bars, config, mood)
    names, lookback = panel.features.names, panel.features.lookback
    online = OnlineWalkForward(names, lookback, schedule, config, bars.timeframe, bars.instrument, mood)
    for row in bars.matrix:
        online.update(row)
    assert batch.known.sum() > 500
    assert_same(batch, online.predictions())


def test_seed_and_data_change_the_models(walk, tiny_config, tiny_run):
    other = run(tiny_config.model_copy(update={"seed": 8}), bars=walk, mood=neutral(walk))
    assert other.predictions.windows[0].model_sha256 != tiny_run.predictions.windows[0].model_sha256


def test_finished_windows_are_not_fitted_again(walk, tiny_config, tiny_run, tmp_path, monkeypatch):
    store = FoldStore(tmp_path / "folds", "key")
    first = run(tiny_config, bars=walk, mood=neutral(walk), store=store)
    assert_same(first.predictions, tiny_run.predictions)
    monkeypatch.setattr("mlstrat.walkforward.fit_models", None)  # calling it would fail
    again = run(tiny_config, bars=walk, mood=neutral(walk), store=store)
    assert_same(again.predictions, first.predictions)
    assert again.predictions.windows == first.predictions.windows


def test_windows_of_other_inputs_are_not_read(walk, tiny_config, tmp_path):
    run(tiny_config, bars=walk, mood=neutral(walk), store=FoldStore(tmp_path, "one"))
    assert FoldStore(tmp_path, "one").load(0) is not None
    assert FoldStore(tmp_path, "two").load(0) is None


@pytest.mark.parametrize("name", ["model.capsule", "rows.safetensors", "window.json"])
def test_a_changed_window_file_is_refused(walk, tiny_config, tmp_path, name):
    store = FoldStore(tmp_path, "key")
    run(tiny_config, bars=walk, mood=neutral(walk), store=store)
    path = tmp_path / "000" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(RunFolderError, match=r"is missing or changed .* delete the folder .* run again"):
        store.load(0)


def test_a_stored_window_says_what_it_is(walk, tiny_config, tmp_path):
    made = run(tiny_config, bars=walk, mood=neutral(walk), store=FoldStore(tmp_path, "key"))
    capsule = load(tmp_path / "001" / "model.capsule")
    assert capsule.window == made.predictions.windows[1]
    assert capsule.about.features == made.panel.features.names
    assert np.datetime64(capsule.about.seen_until) < capsule.window.valid_from
    fitted, block = FoldStore(tmp_path, "key").load(1)
    assert fitted.window == made.predictions.windows[1]
    assert len(block) == int((made.predictions.fold == 1).sum())


def test_odds_rest_on_scores_that_nothing_was_fitted_on(walk, tiny_config, tmp_path):
    run(tiny_config, bars=walk, mood=neutral(walk), store=FoldStore(tmp_path, "key"))
    fitted, _ = FoldStore(tmp_path, "key").load(0)
    inner, h = fitted.inner, tiny_config.labels.target_periods
    first, second = inner.rows[inner.half == 0], inner.rows[inner.half == 1]
    assert first.max() + h + 1 + tiny_config.splits.embargo_bars <= second.min()
    assert abs(len(first) - len(second)) <= h + 1 + tiny_config.splits.embargo_bars
    assert not np.array_equal(inner.block[:, 0], inner.stacked)


def test_sentiment_of_other_bars_is_refused(walk, tiny_config):
    with pytest.raises(DataError, match="the sentiment of 3,599 bars does not match the 3,600 bars of WALK"):
        run(tiny_config, bars=walk, mood=neutral(walk[1:]))


def test_sentiment_moves_the_score_but_not_the_model(walk, tiny_config, tiny_run):
    signals = tiny_config.signals.model_copy(update={"sentiment_gate": False})
    config = tiny_config.model_copy(update={"signals": signals})
    with_mood = run(config, bars=walk, mood=moody(walk))
    np.testing.assert_array_equal(with_mood.predictions.prob_up, tiny_run.predictions.prob_up)
    assert not np.array_equal(with_mood.predictions.score, tiny_run.predictions.score, equal_nan=True)
    silent = tiny_run.predictions
    np.testing.assert_allclose(silent.score, silent.prob_up, rtol=1e-15)  # without headlines no vote


def test_a_settings_change_after_the_predictions_refits_nothing(walk, tiny_config, tiny_run):
    config = parse_config({**tiny_config.model_dump(), "kelly": {"shrink": "strict"}})
    strict = decide(walk, tiny_run.predictions, tiny_run.panel.mood, tiny_run.panel.atr_px, config)
    assert (strict.fraction <= tiny_run.decisions.fraction).all()
