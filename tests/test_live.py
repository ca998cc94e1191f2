"""The latest model: the walk-forward's own window, carried on through the bars that follow."""

import json
import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from mlstrat.answer import answer
from mlstrat.capsule import dumps, loads, save
from mlstrat.config import parse_config
from mlstrat.errors import ConfigError, DataError, ModelError, NotEnoughBarsError
from mlstrat.execution.types import SIDE_NAMES
from mlstrat.live import Predictor, train
from mlstrat.models.ensemble import predict_block
from mlstrat.pipeline import load_panel
from mlstrat.sentiment.align import SentimentSeries, neutral
from mlstrat.walkforward import schedule_for, walk_forward

ROWS = ("prob_up", "magnitude", "votes", "score", "win_prob", "win_se", "payoff", "threshold", "novelty")
DECIDED = ("side", "fraction", "stop", "target", "max_bars", "stage", "quality")


def moody(bars):
    draw = np.random.default_rng(0)
    known = draw.random(len(bars)) < 0.5
    score = np.where(known, draw.uniform(-1, 1, len(bars)), 0.0)
    return SentimentSeries(bars.time, score, known * 0.4, known.astype(np.int64))


@pytest.fixture(scope="module")
def boundary(walk, tiny_run):
    """The first boundary of the tiny run's schedule, and how many bars are closed there."""
    cut = tiny_run.schedule.boundaries[0]
    closed = int(np.searchsorted(walk.close_time, cut, side="right"))
    assert walk.close_time[closed - 1] == cut
    return cut, closed


@pytest.fixture(scope="module")
def made(walk, tiny_config, boundary):
    known = walk[: boundary[1]]
    return loads(dumps(train(load_panel(known, neutral(known), tiny_config), tiny_config)))


@pytest.fixture(scope="module")
def lively(walk, tiny_run, tiny_config):
    """The model of the second boundary: it believes its votes, and trades on some bars only."""
    known = walk[: int(np.searchsorted(walk.close_time, tiny_run.schedule.boundaries[1], side="right"))]
    return train(load_panel(known, neutral(known), tiny_config), tiny_config)


@pytest.fixture(scope="module")
def said(made, walk):
    return Predictor(made).forecast(walk)


def test_it_is_the_walk_forwards_window_with_that_cut(walk, tiny_run, made, said, boundary):
    """Later bars and the rest of the schedule change nothing, down to the last bit."""
    batch, decided = tiny_run.predictions, tiny_run.decisions
    assert made.window == batch.windows[0]
    bars = np.flatnonzero(batch.fold == 0)
    assert said.bars.time[0] == walk.time[bars[0]]
    part = slice(0, len(bars))
    for name in ROWS:
        np.testing.assert_array_equal(getattr(said.predictions, name)[part], getattr(batch, name)[bars], name)
    for name in DECIDED:
        np.testing.assert_array_equal(getattr(said.decisions, name)[part], getattr(decided, name)[bars], name)
    assert len(said.bars) > len(bars)  # it goes on until it is fitted anew
    assert np.count_nonzero(said.decisions.side) > 10


@pytest.mark.parametrize("seen", [False, True], ids=["unseen", "seen"])
def test_so_it_is_with_a_growing_window_and_sentiment(walk, tiny_config, boundary, seen):
    splits = tiny_config.splits.model_copy(update={"scheme": "expanding"})
    sentiment = tiny_config.sentiment.model_copy(update={"features": seen})
    signals = tiny_config.signals.model_copy(update={"sentiment_gate": not seen})
    config = tiny_config.model_copy(update={"splits": splits, "sentiment": sentiment, "signals": signals})
    mood = moody(walk)
    whole = load_panel(walk, mood, config)
    batch = walk_forward(whole, schedule_for(walk, whole.features.ready, config), config)
    known = walk[: boundary[1]]
    capsule = train(load_panel(known, mood.head(boundary[1]), config), config)
    live = Predictor(capsule).forecast(walk, mood).predictions
    bars = np.flatnonzero(batch.fold == 0)
    for name in ROWS:
        np.testing.assert_array_equal(getattr(live, name)[: len(bars)], getattr(batch, name)[bars], name)


def test_the_last_bar_known_is_the_first_one_it_speaks_for(made, walk, boundary):
    known = walk[: boundary[1]]
    forecast = Predictor(made).forecast(known)
    np.testing.assert_array_equal(forecast.bars.time, known.time[-1:])
    assert forecast.bars.close_time[0] == made.window.cut == made.window.valid_from


def test_later_bars_change_no_forecast(made, walk, said):
    short = Predictor(made).forecast(walk[:3000])
    n = len(short.bars)
    for name in ROWS:
        np.testing.assert_array_equal(getattr(short.predictions, name), getattr(said.predictions, name)[:n])


def test_a_history_of_just_the_warm_up_is_enough(made, walk, said, boundary):
    late = Predictor(made).forecast(walk[boundary[1] - 700 :])
    np.testing.assert_array_equal(late.predictions.time, said.predictions.time)
    np.testing.assert_allclose(late.predictions.prob_up, said.predictions.prob_up, rtol=1e-9)


def test_rows_are_taken_as_they_are(made, walk, said):
    predictor = Predictor(made)
    block = predictor.predict_rows(said.x, made.about.features)
    np.testing.assert_array_equal(block[:, 0], said.predictions.prob_up)
    np.testing.assert_array_equal(block, predict_block(said.x, made.state.copy(), made.ensemble))
    np.testing.assert_array_equal(predictor.state_at(said, 0), made.state)


def test_other_rows_are_refused_by_the_first_difference(made, said):
    predictor, names = Predictor(made), list(made.about.features)
    swapped = [names[0], names[2], names[1], *names[3:]]
    with pytest.raises(ModelError, match="column 1 is 'rsi_14' and the model wants 'ret_5'"):
        predictor.predict_rows(said.x, swapped)
    with pytest.raises(ModelError, match=r"rows of 6 names, shape \(\d+, 6\) .* give 7 columns of float64"):
        predictor.predict_rows(said.x[:, :6], names[:6])
    with pytest.raises(ModelError, match="type float32"):
        predictor.predict_rows(said.x.astype(np.float32), names)


def test_bars_of_another_symbol_or_length_are_refused(made, walk):
    from mlstrat.data.resample import resample

    with pytest.raises(DataError, match="fitted on WALK and these are bars of OTHER: give bars of WALK"):
        Predictor(made).forecast(replace(walk, symbol="OTHER"))
    with pytest.raises(DataError, match="fitted on bars of 1h and these are of 4h: give bars of 1h"):
        Predictor(made).forecast(resample(walk, "4h"))


def test_bars_that_do_not_meet_the_models_last_bar_are_refused(made, walk, boundary):
    closed = boundary[1]
    with pytest.raises(DataError, match=r"do not hold it: load bars that do"):
        Predictor(made).forecast(walk[closed:])
    with pytest.raises(DataError, match=r"do not hold it: load bars that do"):
        Predictor(made).forecast(walk[: closed - 100])
    with pytest.raises(DataError, match="load bars that have closed since"):
        Predictor(made).forecast(walk[: closed - 1])
    with pytest.raises(NotEnoughBarsError, match=r"at the first bar to predict needs .* but got 100"):
        Predictor(made).forecast(walk[closed - 100 :])


def test_its_own_history_is_enough_even_if_a_warm_up_is_longer(walk, tiny_config):
    """`ema_200` settles after 2,763 bars; the model was fitted before that, on what it will see again."""
    features = {"names": ["ret_1", "ema_200"]}
    config = parse_config({**tiny_config.model_dump(), "features": features})
    known = walk[:2400]
    capsule = train(load_panel(known, neutral(known), config), config)
    assert len(Predictor(capsule).forecast(walk).bars) == len(walk) - 2399
    with pytest.raises(NotEnoughBarsError, match="feature ema_200 at the first bar"):
        Predictor(capsule).forecast(walk[1:])


def test_bars_without_volume_are_refused(made, walk):
    with pytest.raises(DataError, match="volume_ratio cannot be computed, because WALK has no volume"):
        Predictor(made).forecast(replace(walk, volume=np.zeros(len(walk))))


def test_a_feature_that_is_not_there_is_named(made):
    about = replace(made.about, features=("ret_1", "my_feature", *made.about.features[2:]))
    with pytest.raises(ModelError, match=r"the model wants feature 'my_feature', .* load the plugin"):
        Predictor(replace(made, about=about))


def test_a_feature_that_became_another_is_named(made):
    about = replace(made.about, lookback=(2, 99, *made.about.lookback[2:]))
    with pytest.raises(
        ModelError, match=r"'ret_5' has a lookback of 6 bars and had 99 .* train the model again"
    ):
        Predictor(replace(made, about=about))


def test_sentiment_of_other_bars_is_refused(made, walk):
    with pytest.raises(DataError, match="align it to these bars"):
        Predictor(made).forecast(walk, neutral(walk[1:]))


def test_the_facts_are_those_of_the_model(made, walk):
    dear = replace(walk, instrument=walk.instrument.with_facts(fee_share=0.01))
    assert Predictor(made).forecast(dear).bars.instrument == walk.instrument


def test_an_overdue_model_says_so(made, walk, said):
    assert f"was due to be fitted again at {str(made.window.valid_to)[:16]}" in said.notes[0]
    in_time = int(np.searchsorted(walk.close_time, made.window.valid_to))
    assert Predictor(made).forecast(walk[:in_time]).notes == ()


@pytest.mark.parametrize(
    ("retrain", "due"),
    [("week", "MON"), ("month", "month"), ("quarter", "quarter"), ("year", "year")],
)
def test_it_is_due_when_the_next_period_begins(walk, tiny_config, retrain, due):
    splits = tiny_config.splits.model_copy(update={"retrain": retrain})
    config = tiny_config.model_copy(update={"splits": splits})
    known = walk[:2400]
    window = train(load_panel(known, neutral(known), config), config).window
    moment = window.valid_to.astype("datetime64[s]").item()
    assert window.valid_to > window.cut
    assert (moment.hour, moment.minute) == (0, 0)
    assert {
        "MON": moment.weekday() == 0,
        "month": moment.day == 1,
        "quarter": (moment.month % 3, moment.day) == (1, 1),
        "year": (moment.month, moment.day) == (1, 1),
    }[due]


def test_too_few_bars_for_a_model_are_refused(walk, tiny_config):
    with pytest.raises(NotEnoughBarsError, match="A model of 60 training days needs 1,4"):
        train(load_panel(walk[:1000], neutral(walk[:1000]), tiny_config), tiny_config)
    splits = tiny_config.splits.model_copy(update={"training_days": 10})
    config = tiny_config.model_copy(update={"splits": splits})
    with pytest.raises(ConfigError, match=r"set splits\.training_days to"):
        train(load_panel(walk[:1000], neutral(walk[:1000]), config), config)


def answers(made, walk, side):
    """The guide's form for the first bar that is decided so."""
    predictor = Predictor(made)
    whole = predictor.forecast(walk)
    at = int(np.flatnonzero(whole.decisions.side == side)[0])
    end = int(np.searchsorted(walk.time, whole.bars.time[at])) + 1
    return answer(predictor, predictor.forecast(walk[:end])), whole, at


GUIDE = (
    "direction_probability",
    "magnitude_prediction",
    "lstm_prediction",
    "ensemble_magnitude",
    "confidence",
    "signal_strength",
    "top_features",
    "recommendation",
)


@pytest.mark.parametrize(("side", "action"), [(1, "buy"), (0, "hold")])
def test_the_guides_form(lively, walk, side, action):
    found, whole, at = answers(lively, walk, side)
    said, decided = whole.predictions, whole.decisions
    assert set(GUIDE) <= found.keys()
    assert found == json.loads(json.dumps(found, allow_nan=False)) | {"top_features": found["top_features"]}
    assert found["direction_probability"] == said.prob_up[at]
    assert found["magnitude_prediction"] == said.votes[at, 1]
    assert found["lstm_prediction"] == said.votes[at, 2]
    assert found["ensemble_magnitude"] == said.magnitude[at]
    assert found["signal_strength"] == abs(said.magnitude[at])
    assert found["confidence"] == max(said.prob_up[at], 1 - said.prob_up[at])
    assert found["recommendation"]["action"] == action
    assert found["side"] == SIDE_NAMES[side]
    assert found["fraction"] == decided.fraction[at]
    assert found["stop"] == (decided.stop[at] if side else None)
    assert np.datetime64(found["bar"][:-1]) == whole.bars.time[at]
    assert np.datetime64(found["valid_from"][:-1]) == whole.bars.close_time[at]
    assert 1 <= len(found["top_features"]) <= 5
    sizes = [abs(credit) for _, credit in found["top_features"]]
    assert sizes == sorted(sizes, reverse=True)
    assert {name for name, _ in found["top_features"]} <= set(lively.about.features)


def test_the_reason_names_the_step_that_stopped_the_trade(lively, walk):
    reason = answers(lively, walk, 1)[0]["recommendation"]["reason"]
    assert "Kelly's rule puts" in reason
    assert "A long trade" in reason
    high = lively.about.config | {"signals": lively.about.config["signals"] | {"threshold": 0.99}}
    strict = replace(lively, about=replace(lively.about, config=high))
    reason = answers(strict, walk, 0)[0]["recommendation"]["reason"]
    assert "passes no entry threshold: long from 0.990, short to 0.010" in reason
    picky = lively.about.config | {"signals": lively.about.config["signals"] | {"min_confidence": 0.99}}
    predictor = Predictor(replace(lively, about=replace(lively.about, config=picky)))
    whole = predictor.forecast(walk)
    assert not whole.decisions.side.any()
    stopped = int(np.flatnonzero(whole.decisions.stage == 3)[0])
    end = int(np.searchsorted(walk.time, whole.bars.time[stopped])) + 1
    found = answer(predictor, predictor.forecast(walk[:end]))
    assert found["recommendation"]["action"] == "hold"
    assert "is below what the settings ask for" in found["recommendation"]["reason"]


@pytest.mark.parametrize(
    ("prob_up", "word"), [(0.61, "high"), (0.44, "medium"), (0.53, "low"), (math.nan, "low")]
)
def test_words_for_confidence(made, walk, boundary, prob_up, word):
    predictor = Predictor(made)
    forecast = predictor.forecast(walk[: boundary[1] + 10])
    n = len(forecast.bars)
    predictions = replace(forecast.predictions, prob_up=np.full(n, prob_up))
    found = answer(predictor, replace(forecast, predictions=predictions))
    assert found["recommendation"]["confidence"] == word


def test_predicting_needs_no_library_that_trains(made, walk, tmp_path):
    save(made, tmp_path / "model.capsule")
    walk.frame().to_parquet(tmp_path / "WALK_1h.parquet")
    code = (
        "import sys\nfor name in ('torch', 'sklearn', 'joblib'): sys.modules[name] = None\n"
        "from mlstrat.cli.main import app\nfrom typer.testing import CliRunner\n"
        "done = CliRunner().invoke(app, ['predict', *sys.argv[1:]])\n"
        "assert done.exit_code == 0, (done.stderr, done.exception)\nprint(done.stdout)"
    )
    files = [str(tmp_path / "model.capsule"), str(tmp_path / "WALK_1h.parquet")]
    done = subprocess.run([sys.executable, "-c", code, *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["symbol"] == "WALK"
