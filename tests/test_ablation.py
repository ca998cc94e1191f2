"""The run with and without sentiment: each variant is the run that its settings give, bit for bit."""

from dataclasses import replace

import numpy as np
import pytest

from mlstrat.ablation import ablation_of
from mlstrat.controls import seed_row
from mlstrat.foldstore import FoldStore
from mlstrat.live import Predictor, train
from mlstrat.pipeline import load_panel, run
from mlstrat.sentiment.align import SentimentSeries


def mood_of(walk, knows):
    """Sentiment on 3 of 4 bars; where it knows, it leans to what the next 24 hours bring."""
    draw = np.random.default_rng(5)
    n = len(walk)
    ahead = np.sign(np.r_[walk.close[24:], np.full(24, walk.close[-1])] / walk.close - 1)
    lean = 0.5 * ahead if knows else np.repeat(draw.normal(size=n // 24), 24) * 0.4
    known = draw.random(n) < 0.75
    return SentimentSeries(
        walk.time, np.where(known, np.clip(lean, -1, 1), 0.0), known * 0.5, known.astype(np.int64)
    )


def signals(config, **changes):
    return config.model_copy(update={"signals": config.signals.model_copy(update=changes)})


@pytest.fixture(scope="module")
def config(tiny_config):
    """Trades of few bars, so that a calibration tail holds many independent ones."""
    stops = tiny_config.stops.model_copy(update={"max_bars": 6})
    splits = tiny_config.splits.model_copy(update={"training_days": 90, "calibration_share": 0.4})
    return tiny_config.model_copy(update={"stops": stops, "splits": splits})


@pytest.fixture(scope="module", params=[True, False], ids=["knows", "noise"])
def compared(request, walk, config, tmp_path_factory):
    mood = mood_of(walk, request.param)
    store = FoldStore(tmp_path_factory.mktemp("folds"), "key")
    made = run(config, bars=walk, mood=mood, store=store)
    return request.param, mood, made, ablation_of(made, store)


def test_what_knows_counts_and_noise_does_not(compared):
    knows, _, made, found = compared
    assert found.windows == len(made.predictions.windows)
    assert found.helps == knows
    assert (found.heard == found.windows) if knows else (found.heard <= 1)
    assert ("made the odds better" in found.sentence) == knows
    assert found.bars > 1_000


@pytest.mark.parametrize(
    ("variant", "changes"), [("without", {"sentiment_weight": 0.0}), ("always", {"sentiment_gate": False})]
)
def test_each_variant_is_the_run_that_its_settings_give(compared, walk, config, variant, changes):
    _, mood, _, found = compared
    told = getattr(found, variant)
    made = run(signals(config, **changes), bars=walk, mood=mood)
    money = seed_row(made)
    assert (told.trades, told.total_return, told.sharpe) == (money.trades, money.total_return, money.sharpe)
    net = made.panel.outcomes.net
    prob = made.predictions.win_prob
    loss = -np.where(net > 0, np.log(prob), np.log1p(-prob)).mean(axis=1)[
        mood.known & np.isfinite(prob).all(axis=1) & np.isfinite(net).all(axis=1)
    ]
    assert len(loss) == found.bars
    assert told.loss == pytest.approx(loss.mean(), abs=1e-12)
    assert told.gain.estimate == pytest.approx(found.without.loss - told.loss, abs=1e-12)


def test_where_it_does_not_count_sentiment_changes_nothing(compared, walk, config):
    """A window that is closed to it decides as if there were none: score, odds, grade and trades."""
    _, mood, made, _ = compared
    closed = made.predictions.sentiment_share == 0
    without = run(signals(config, sentiment_weight=0.0), bars=walk, mood=replace(mood, score=-mood.score))
    for name in ("score", "win_prob", "threshold"):
        np.testing.assert_array_equal(
            getattr(made.predictions, name)[closed], getattr(without.predictions, name)[closed]
        )
    for name in ("side", "fraction", "quality"):
        np.testing.assert_array_equal(
            getattr(made.decisions, name)[closed], getattr(without.decisions, name)[closed]
        )


def test_bars_after_the_cut_do_not_move_the_gate(compared, walk, config):
    """A capsule trained on the bars up to a window's cut has the gate of that window."""
    _, mood, made, _ = compared
    window = made.predictions.windows[0]
    known = int(np.searchsorted(walk.close_time, window.cut, side="right"))
    capsule = train(load_panel(walk[:known], mood.head(known), config), config)
    assert capsule.window == window
    live = Predictor(capsule).forecast(walk, mood).predictions
    rows = np.flatnonzero(made.predictions.fold == 0)
    np.testing.assert_array_equal(live.score[: len(rows)], made.predictions.score[rows])


def test_there_is_nothing_to_compare_without_sentiment(tiny_run, tmp_path):
    assert ablation_of(tiny_run, FoldStore(tmp_path, "key")) is None
