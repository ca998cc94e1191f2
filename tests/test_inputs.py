"""Sentiment as models see it: columns of the bar's own mood, the same in batch, live and from a folder."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numba import njit
from typer.testing import CliRunner

from mlstrat.ablation import ablation_of
from mlstrat.backtest import backtest
from mlstrat.capsule import load, save
from mlstrat.cli.main import app
from mlstrat.cli.own_bars import fit_to
from mlstrat.config import parse_config, with_overrides
from mlstrat.config_sentiment import MOOD_FEATURES
from mlstrat.controls import seed_row
from mlstrat.data.synthetic import random_walk
from mlstrat.errors import ConfigError, DataError, ModelError
from mlstrat.features.choose import market_of
from mlstrat.features.lookup import find
from mlstrat.features.matrix import build
from mlstrat.features.registry import feature
from mlstrat.foldcache import fold_key
from mlstrat.foldstore import FoldStore
from mlstrat.inputs import InputStream, asked_names, build_inputs, input_names, without_mood
from mlstrat.live import Predictor, train
from mlstrat.models.scores import log_losses
from mlstrat.parity.frozen import read_run
from mlstrat.pine.exported import export_run
from mlstrat.pine.largest import Asked
from mlstrat.pine.plan import size_of
from mlstrat.pipeline import Watcher, load_panel, run
from mlstrat.reproduce import reproduce
from mlstrat.sentiment.align import SentimentSeries, neutral
from mlstrat.sentiment.inputs import mood_columns
from mlstrat.smaller import keeping, pruned, training_rows
from mlstrat.sweep.forecasts import Walked
from mlstrat.walkforward import schedule_for

MARKET = ("ret_1", "rsi_14", "hour_sin")
MIXED = ("sentiment_lean", "ret_1", "sentiment_confidence", "rsi_14", "sentiment_score", "hour_sin")


def moody(bars, seed=0):
    draw = np.random.default_rng(seed)
    known = draw.random(len(bars)) < 0.6
    score = np.where(known, draw.uniform(-1, 1, len(bars)), 0.0)
    confidence = np.where(known, draw.uniform(0.1, 1, len(bars)), 0.0)
    return SentimentSeries(bars.time, score, confidence, known.astype(np.int64))


def knowing(bars, ahead):
    """A mood that leans to where the price will be so many bars later, on two bars of three."""
    later = np.r_[bars.close[ahead:], np.full(ahead, bars.close[-1])]
    known = np.arange(len(bars)) % 3 > 0
    score = np.where(known, 0.6 * np.sign(later / bars.close - 1), 0.0)
    return SentimentSeries(bars.time, score, known * 0.5, known.astype(np.int64))


def seeing(config, **signals):
    """The run with models that see sentiment; it has a vote in every window, where it has a weight."""
    sections = config.model_dump()
    sections["sentiment"] |= {"features": True}
    sections["signals"] |= {"sentiment_gate": False, **signals}
    return parse_config(sections)


@pytest.fixture(scope="module")
def bars():
    return random_walk(400, seed=3)


@pytest.fixture(scope="module")
def config(tiny_config):
    return seeing(tiny_config)


def test_the_columns_are_score_confidence_and_their_product():
    columns = mood_columns(np.array([0.5, -1.0, 0.0]), np.array([0.5, 0.25, 0.0]))
    np.testing.assert_array_equal(columns, [[0.5, 0.5, 0.25], [-1.0, 0.25, -0.25], [0.0, 0.0, 0.0]])
    assert MOOD_FEATURES == ("sentiment_score", "sentiment_confidence", "sentiment_lean")


def test_each_column_stands_where_its_name_does(bars):
    mood = moody(bars)
    made = build_inputs(bars, MIXED, mood)
    assert made.names == MIXED
    np.testing.assert_array_equal(made.column("sentiment_score"), mood.score)
    np.testing.assert_array_equal(made.column("sentiment_confidence"), mood.confidence)
    np.testing.assert_array_equal(made.column("sentiment_lean"), mood.score * mood.confidence)
    alone = build(bars, MARKET)
    for name, lookback in zip(MARKET, alone.lookback, strict=True):
        np.testing.assert_array_equal(made.column(name), alone.column(name))
        assert made.lookback[MIXED.index(name)] == lookback
    assert made.lookback[[0, 2, 4]].tolist() == [1, 1, 1]
    assert made.ready == alone.ready
    assert not made.values.flags.writeable


def test_an_unknown_mood_is_zero_and_never_nan(bars):
    values = build_inputs(bars, MIXED, neutral(bars)).values[:, [0, 2, 4]]
    np.testing.assert_array_equal(values, np.zeros((len(bars), 3)))


def test_without_its_columns_a_matrix_is_that_of_the_bars(bars):
    left, alone = without_mood(build_inputs(bars, MIXED, moody(bars))), build(bars, MARKET)
    assert left.names == alone.names
    np.testing.assert_array_equal(left.values, alone.values)
    np.testing.assert_array_equal(left.lookback, alone.lookback)


def test_cut_at_every_bar_nothing_changes(bars, tiny_config):
    """Later bars and later moods may be anything: here they are not there at all."""
    sections = tiny_config.model_dump()
    sections["features"]["names"] = list(MARKET)
    config, mood = seeing(parse_config(sections)), moody(bars)
    whole = load_panel(bars, mood, config).features
    assert whole.names == (*MARKET, *MOOD_FEATURES)
    for n in range(whole.ready + 1, len(bars) + 1):
        cut = load_panel(bars[:n], mood.head(n), config).features
        np.testing.assert_array_equal(cut.values, whole.values[:n])


def test_bar_by_bar_gives_the_same_bits(bars):
    mood = moody(bars)
    whole = build_inputs(bars, MIXED, mood).values
    stream = InputStream(MIXED, mood, bars.timeframe)
    rows = np.array([stream.update(row) for row in bars.matrix])
    np.testing.assert_array_equal(rows, whole)


def test_bar_by_bar_reads_no_later_mood(bars):
    mood = moody(bars)
    score = mood.score.copy()
    score[201:] = -score[201:]
    other = replace(mood, score=score)
    streams = [InputStream(MIXED, one, bars.timeframe) for one in (mood, other)]
    for row in bars.matrix[:201]:
        one, two = (stream.update(row) for stream in streams)
        np.testing.assert_array_equal(one, two)


def test_names_stand_behind_those_of_the_bars(bars, tiny_config, config):
    asked = tiny_config.features.names
    assert asked_names(tiny_config) == input_names(market_of(bars), tiny_config) == asked
    assert asked_names(config) == input_names(market_of(bars), config) == (*asked, *MOOD_FEATURES)


def test_a_mood_of_other_bars_is_refused(bars):
    with pytest.raises(DataError, match="align it to these bars"):
        build_inputs(bars, MIXED, neutral(bars[1:]))


def test_what_no_headline_can_tell_is_refused(bars, config):
    with pytest.raises(ConfigError, match=r"sentiment\.features needs headlines: set sentiment\.source, or"):
        load_panel(bars, neutral(bars), config)


def test_a_feature_of_bars_has_another_name():
    with pytest.raises(ConfigError, match=r"is of headlines, not of bars: set sentiment\.features = true"):
        find("sentiment_score")

    @njit
    def step(state, bar, params):
        return bar[3]

    with pytest.raises(ConfigError, match=r"'sentiment_lean' has the name of an input .* give it another"):
        feature("sentiment_lean", inputs=["close"])(step)


def test_a_window_is_another_one_where_a_mood_that_it_saw_is(walk, config, tiny_config):
    """The key of cached models reads every mood of the training rows, and none after them."""
    mood = moody(walk)

    def key(mood, config=config):
        panel = load_panel(walk, mood, config)
        schedule = schedule_for(walk, panel.features.ready, config)
        fold = schedule.fold(0, walk.close_time, panel.labels.resolved_at, panel.features.ready)
        return fold_key(panel, fold, config), fold

    def moved(row):
        confidence = mood.confidence.copy()
        confidence[row] = 1.0 - confidence[row]
        return replace(mood, confidence=confidence)

    was, fold = key(mood)
    last = int(fold.train[-1])
    for row in (fold.first, last):
        assert key(moved(row))[0] != was
    assert key(moved(last + 1))[0] == was
    unseen = key(mood, tiny_config)[0]
    assert key(moved(last), tiny_config)[0] == unseen != was


def test_models_use_what_a_mood_knows(walk, config, tiny_config):
    mood = knowing(walk, config.labels.target_periods)
    kinds = (config, tiny_config)
    seen, unseen = (run(one, bars=walk, mood=mood) for one in kinds)
    up = seen.panel.labels.up
    judged = mood.known & np.isfinite(seen.predictions.prob_up) & np.isfinite(up)
    loss, base = (log_losses(one.predictions.prob_up[judged], up[judged]).mean() for one in (seen, unseen))
    assert loss < base - 0.1


@pytest.fixture(scope="module")
def model(walk, config):
    """A model of the first 2,400 bars, and the mood of all."""
    known, mood = walk[:2400], moody(walk)
    return train(load_panel(known, mood.head(2400), config), config), mood


def test_a_model_file_keeps_the_names(model, tmp_path):
    save(model[0], tmp_path / "model.capsule")
    assert load(tmp_path / "model.capsule").about.features[-3:] == MOOD_FEATURES


def test_live_tells_where_no_mood_is_known(model, walk):
    predictor = Predictor(model[0])
    deaf, hearing = (predictor.forecast(walk[:2600], mood) for mood in (None, model[1].head(2600)))
    told = [note for note in deaf.notes if "sees sentiment, of which nothing is known" in note]
    assert len(told) == 1
    assert not [note for note in hearing.notes if "sees sentiment" in note]
    assert (deaf.predictions.prob_up != hearing.predictions.prob_up).any()


def test_a_model_of_another_lookback_is_refused(model):
    about = model[0].about
    wrong = replace(about, lookback=(*about.lookback[:-1], 2))
    with pytest.raises(ModelError, match="'sentiment_lean' has a lookback of 1 bars and had 2"):
        Predictor(replace(model[0], about=wrong))


def test_a_smaller_model_is_made_of_the_rows_that_it_saw(model, walk):
    capsule, mood = model
    rows = training_rows(capsule, walk, mood=mood)
    inside = (walk.time >= capsule.window.train_from) & (walk.close_time < capsule.window.cut)
    np.testing.assert_array_equal(rows[:, -3], mood.score[inside][-len(rows) :])
    smaller = pruned(capsule, walk, keeping(2, 0.0), mood=mood)
    assert len(smaller.ensemble.models.forest.roots) == 2
    with pytest.raises(DataError, match=r"the model sees sentiment, .* give the headlines"):
        pruned(capsule, walk, keeping(2, 0.0))


def test_a_model_file_becomes_no_script(model, tmp_path):
    save(model[0], tmp_path / "model.capsule")
    with pytest.raises(ConfigError, match=r"sees sentiment, .* export the run's folder"):
        export_run(tmp_path / "model.capsule", "latest")


def test_a_sweep_fits_anew_what_sees_another_mood(walk, config, tiny_config, monkeypatch):
    """Each column is the run with its settings, whichever came before it."""
    moods = {"bar": moody(walk, 1), "1d": moody(walk, 2)}
    monkeypatch.setattr("mlstrat.sweep.forecasts.mood_for", lambda _, cfg: moods[cfg.resolution])
    walked = Walked(config, walk, Watcher())

    def of(base, resolution):
        return base.model_copy(
            update={"sentiment": base.sentiment.model_copy(update={"resolution": resolution})}
        )

    kinds = [of(config, "bar"), of(config, "1d"), of(tiny_config, "1d"), of(config, "1d")]
    seen = [walked(one).predictions.prob_up for one in kinds]
    for one, said in zip(kinds[:3], seen, strict=False):
        whole = run(one, bars=walk, mood=moods[one.sentiment.resolution])
        np.testing.assert_array_equal(said, whole.predictions.prob_up)
    np.testing.assert_array_equal(seen[1], seen[3])
    assert (seen[0] != seen[1])[np.isfinite(seen[0])].any()


@pytest.mark.parametrize("weight", [0.4, 0.0])
def test_the_run_without_sentiment_has_models_that_do_not_see_it(walk, tiny_config, tmp_path, weight):
    """Each variant is the run that its settings give; with weight 0 there is no vote that could differ."""
    config = seeing(tiny_config, sentiment_weight=weight)
    mood, store = knowing(walk, config.labels.target_periods), FoldStore(tmp_path, "key")
    made = run(config, bars=walk, mood=mood, store=store)
    found = ablation_of(made, store)
    signals = tiny_config.signals.model_copy(update={"sentiment_weight": 0.0, "sentiment_gate": False})
    without = run(tiny_config.model_copy(update={"signals": signals}), bars=walk, mood=mood)
    net, judged = made.panel.outcomes.net, None
    for told, one in ((found.without, without), (found.gated, made), (found.always, made)):
        prob = one.predictions.win_prob
        judged = mood.known & np.isfinite(prob).all(axis=1) & np.isfinite(net).all(axis=1)
        loss = -np.where(net > 0, np.log(prob), np.log1p(-prob)).mean(axis=1)[judged]
        assert told.loss == pytest.approx(loss.mean(), abs=1e-12)
        money = seed_row(one)
        assert (told.trades, told.total_return, told.sharpe) == (
            money.trades,
            money.total_return,
            money.sharpe,
        )
    assert found.bars == judged.sum()
    assert found.seen
    assert found.judged == found.gated
    assert found.without.name == "not seen, no vote"
    assert found.helps == (found.gated.gain.low > 0)
    assert "sentiment that the models see" in found.sentence
    assert "than that of models which do not see it" in found.sentence
    assert "Its vote behind them counts in" in found.sentence


@pytest.fixture(scope="module")
def folder(tiny_config, tmp_path_factory):
    """Two windows in months of the sample's headlines, whose models see them."""
    sections = seeing(tiny_config).model_dump()
    sections["data"] |= {"start": "2021-09-06", "end": "2021-12-20"}
    sections["splits"] |= {"training_days": 60}
    sections["sentiment"] |= {"source": "sample:headlines", "resolution": "1d"}
    return backtest(parse_config(sections), tmp_path_factory.mktemp("runs") / "one", engine="kernel").folder


def test_a_finished_run_is_asked_again_and_made_again(folder):
    past = read_run(folder)
    said = past.on(past.past.bars)
    written = pd.read_parquet(folder / "predictions.parquet")
    pd.testing.assert_frame_equal(said.predictions.frame(), written, check_exact=True)
    np.testing.assert_array_equal(said.features.column("sentiment_score"), past.mood.score)
    assert past.mood.known.any()
    assert reproduce(folder).windows == len(past.windows)


def test_the_report_says_what_the_models_saw(folder):
    text = (folder / "report.html").read_text()
    assert "sentiment that the models see" in text
    assert "not seen, no vote" in text


@pytest.fixture(scope="module")
def mlstrat():
    def invoke(*arguments):
        return CliRunner().invoke(app, [*map(str, arguments)])

    return invoke


@pytest.mark.parametrize("how", ["prune", "distil"])
def test_a_smaller_model_by_command_needs_its_headlines(mlstrat, folder, tmp_path, how):
    asked = ("model", how, folder / "folds" / "000" / "model.capsule", "--bars", "sample:BTCUSDT_1h")
    asked = (*asked, "-o", tmp_path / "small", "--keep-trees", "2")
    refused = mlstrat(*asked)
    assert refused.exit_code == 3
    assert "give the headlines that it was fitted on" in refused.stderr
    assert not (tmp_path / "small").exists()
    made = mlstrat(*asked, "--headlines", "sample:headlines")
    assert made.exit_code == 0, made.stderr
    assert len(load(tmp_path / "small").ensemble.models.forest.roots) == 2


def test_a_run_file_without_headlines_is_refused_before_any_bar_is_read(mlstrat, tmp_path):
    (tmp_path / "run.toml").write_text('[features]\nnames = ["ret_1"]\n[sentiment]\nfeatures = true\n')
    refused = mlstrat("config", "validate", tmp_path / "run.toml")
    assert refused.exit_code == 2
    assert "set sentiment.source, or sentiment.features = false." in refused.stderr
    named = ("--set", "sentiment.source=sample:headlines")
    assert "with 4 features" in mlstrat("config", "validate", tmp_path / "run.toml", *named).stdout


def test_own_bars_of_no_coin_have_no_headlines_to_see(config, bars, tmp_path):
    path = tmp_path / "ACME_1h.csv"
    bars.frame().to_csv(path)
    pairs = [f"data.bars={path}", "data.symbol=ACME", "sentiment.source=sample:headlines"]
    fitted, said = fit_to(parse_config(with_overrides(config.model_dump(mode="json"), pairs)), pairs)
    assert (fitted.sentiment.source, fitted.sentiment.features) == ("none", False)
    assert any("ACME is none: sentiment has no vote and no model sees it." in sentence for sentence in said)


def test_a_script_weighs_the_same_features_and_three_inputs(tiny_config):
    """Inputs of sentiment are three more columns, with edges and trees, and no function of their own."""
    instrument = random_walk(10, seed=1).instrument
    sections = tiny_config.model_dump()
    sections["models"] |= {"profile": "pine"}
    sections["sentiment"] |= {"source": "sample:headlines", "resolution": "1d"}
    config = parse_config(sections)
    seen = seeing(config)
    sizes = [
        size_of(Asked(one, asked_names(one), "WALK", "1h", instrument, rows=1000, days=200), "beta")
        for one in (config, seen)
    ]
    assert 0 < sizes[1].fixed - sizes[0].fixed < 100
    assert sizes[1].window > sizes[0].window
