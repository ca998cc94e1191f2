"""Starting from another symbol's model: what is taken, that it knows no future, and the same bits."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from mlstrat.backtest import backtest
from mlstrat.capsule import load, save
from mlstrat.cli.options import from_here
from mlstrat.config import ModelsConfig, load_config, parse_config
from mlstrat.controls import permuted_panel
from mlstrat.data.synthetic import random_walk
from mlstrat.data.timeframe import Timeframe
from mlstrat.errors import ModelError, RunFolderError
from mlstrat.features.matrix import build
from mlstrat.foldcache import FoldCache, fold_key
from mlstrat.live import Predictor, train
from mlstrat.models.binning import fit_edges
from mlstrat.models.ensemble import start_state
from mlstrat.models.lstm import Lstm, fit_lstm, lstm_step
from mlstrat.models.sample import fit_rows
from mlstrat.models.transfer import ROWS_PER_EDGE, Start, start_edges, start_first
from mlstrat.online import OnlineWalkForward
from mlstrat.pipeline import load_panel, run, run_panel
from mlstrat.reproduce import reproduce
from mlstrat.sentiment.align import neutral
from mlstrat.transfer import start_from
from mlstrat.walkforward import schedule_for

KNOWN = 1700  # bars of the other symbol: they end two days before the first calibration tail of the walk
HOUR = np.timedelta64(1, "h")
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


def changed(config, **sections):
    content = config.model_dump()
    for name, values in sections.items():
        content[name] = {**content[name], **values}
    return parse_config(content)


def assert_same(a, b, part=slice(None)):
    for name in ROWS:
        np.testing.assert_array_equal(getattr(a, name)[part], getattr(b, name)[part], err_msg=name)
    assert [w.model_sha256 for w in a.windows] == [w.model_sha256 for w in b.windows]


def model_of(bars, config):
    return train(load_panel(bars, neutral(bars), config), config)


@pytest.fixture(scope="module")
def other(tiny_config):
    """A model of another symbol that knows less than the walk's windows are calibrated on."""
    return model_of(random_walk(KNOWN, seed=12, step_ticks=10_000.0, symbol="OTHER"), tiny_config)


@pytest.fixture(scope="module")
def file(other, tmp_path_factory):
    path = tmp_path_factory.mktemp("other") / "other.capsule"
    save(other, path)
    return path


@pytest.fixture(scope="module")
def config(tiny_config, file):
    return changed(tiny_config, models={"transfer": str(file)})


@pytest.fixture(scope="module")
def panel(walk, config):
    return load_panel(walk, neutral(walk), config)


@pytest.fixture(scope="module")
def made(panel, config):
    return run_panel(panel, config)


def folds_of(panel, config):
    schedule = schedule_for(panel.bars, panel.features.ready, config)
    known = panel.bars.close_time, panel.labels.resolved_at, panel.features.ready
    return [schedule.fold(k, *known) for k in range(len(schedule))]


def first_judged(panel, config):
    """Close of the first bar on which the first window is calibrated."""
    fold = folds_of(panel, config)[0]
    close_time, splits = panel.bars.close_time, config.splits
    known = fold.train, panel.labels.resolved_at, close_time
    _, tail = fit_rows(*known, splits.embargo_bars, splits.calibration_share)
    return close_time[tail[0]]


def start_of(n_features, inputs, units=3, n_edges=4, seed=0):
    """A start with random weights for these columns."""
    random = np.random.default_rng(seed)
    edges = np.sort(random.normal(size=(n_features, n_edges)), axis=1)
    w = random.normal(size=(len(inputs), 4 * units)), random.normal(size=(units, 4 * units))
    lstm = (np.array(inputs), np.full(len(inputs), 2.0), *w, random.normal(size=4 * units))
    ended = Lstm(*lstm, w_out=random.normal(size=units), b_out=0.25)
    return Start(edges, ended, np.datetime64("2020-01-01", "ns"), "OTHER", "a" * 64, "b" * 64)


# What is taken from the other model


def test_inputs_are_found_by_name_whatever_their_order(walk, other, config):
    names = ("hour_sin", "ret_20", "volume_ratio", "ret_1")
    panel = load_panel(walk, neutral(walk), changed(config, features={"names": names}))
    start, theirs = panel.start, other.ensemble.models
    for column, name in enumerate(names):
        if name not in other.about.features:
            assert np.isinf(start.edges[column]).all()
            assert column not in start.lstm.inputs
            continue
        there = other.about.features.index(name)
        np.testing.assert_array_equal(start.edges[column], theirs.edges[there])
        ours, row = list(start.lstm.inputs).index(column), list(theirs.lstm.inputs).index(there)
        np.testing.assert_array_equal(start.lstm.w_x[ours], theirs.lstm.w_x[row])
    for name in ("w_h", "bias", "w_out", "b_out"):
        np.testing.assert_array_equal(getattr(start.lstm, name), getattr(theirs.lstm, name))


def test_training_begins_with_its_weights_and_draws_the_others_as_ever():
    random, start = np.random.default_rng(1), start_of(4, (3, 0))
    bins, target = random.integers(0, 5, (200, 4)), random.normal(size=200)
    still = ModelsConfig(lstm_units=3, lstm_epochs=1, lstm_learning_rate=1e-30)
    inputs, half = np.array([0, 1, 3]), np.full(3, 2.0)
    begun = fit_lstm(bins, target, inputs, half, still, 5, start=start.lstm)
    usual = fit_lstm(bins, target, inputs, half, still, 5)
    np.testing.assert_allclose(begun.w_x[[0, 2]], start.lstm.w_x[[1, 0]], rtol=1e-6)
    np.testing.assert_array_equal(begun.w_x[1], usual.w_x[1])
    for name in ("w_h", "bias", "w_out", "b_out"):
        np.testing.assert_allclose(getattr(begun, name), getattr(start.lstm, name), rtol=1e-6)


def test_short_windows_take_its_edges_where_both_have_some():
    random = np.random.default_rng(2)
    x = random.normal(size=(100, 3))
    x[:, 1] = 7.0  # does not vary
    own, start = fit_edges(x, 6), start_of(3, (0,))
    unknown = replace(start, edges=np.where(np.arange(3)[:, None] == 2, np.inf, start.edges))
    short = start_edges(own, unknown, 6 * ROWS_PER_EDGE - 1)
    np.testing.assert_array_equal(short[0], [*start.edges[0], np.inf, np.inf])
    np.testing.assert_array_equal(short[1:], own[1:])
    assert start_edges(own, start, 6 * ROWS_PER_EDGE) is own
    assert start_edges(own, None, 10) is own


def test_its_inputs_come_before_more_important_ones():
    importances = np.array([0.1, 0.6, 0.0, 0.3])
    order = np.argsort(-start_first(importances, start_of(4, (0, 2))))
    np.testing.assert_array_equal(order, [0, 2, 1, 3])
    assert start_first(importances, None) is importances


def test_what_few_bars_cannot_teach_is_taken_over():
    """Short data alone learns little of a product of two bars; from a model of long data it keeps it."""
    random = np.random.default_rng(8)
    bins = random.integers(0, 16, size=(4000, 2))
    x = bins / 7.5 - 1.0
    target = np.r_[0.0, x[:-1, 0] * x[1:, 1]] + 0.1 * random.normal(size=4000)
    sizes = ModelsConfig(lstm_units=8, lstm_epochs=60, lstm_learning_rate=0.02)
    given = np.arange(2), np.full(2, 7.5)
    long = fit_lstm(bins[:2000], target[:2000], *given, sizes, 1)
    few, short = slice(2000, 2300), sizes.model_copy(update={"lstm_epochs": 5})
    alone = fit_lstm(bins[few], target[few], *given, short, 2)
    begun = fit_lstm(bins[few], target[few], *given, short, 2, start=long)

    def skill(lstm):
        state, gates = np.zeros((2, 8)), np.empty(32)
        told = [lstm_step(row, state, gates, *lstm) for row in bins[2300:]]
        return np.corrcoef(told, target[2300:])[0, 1]

    assert skill(alone) < 0.3
    assert skill(begun) > 0.7


# It may not know the future


def test_a_model_that_knows_bars_of_the_calibration_tail_is_refused(panel, config):
    judged = first_judged(panel, config)
    knowing = replace(panel, start=replace(panel.start, known_at=judged + HOUR))
    told = f"of OTHER that knows the bars until {judged + HOUR:.16}Z, .* on bars from {judged:.16}Z: give a"
    with pytest.raises(ModelError, match=told):
        run_panel(knowing, config)
    just = replace(panel, start=replace(panel.start, known_at=judged))
    short = changed(config, splits={"max_windows": 1, "start": str(folds_of(panel, config)[0].cut)[:10]})
    assert run_panel(just, short).predictions.known.any()


def test_it_is_refused_by_train_too_and_before_the_folder_is_written(walk, config, tmp_path):
    late = model_of(replace(walk, symbol="OTHER"), changed(config, models={"transfer": ""}))
    save(late, tmp_path / "late.capsule")
    knowing = changed(config, models={"transfer": str(tmp_path / "late.capsule")})
    with pytest.raises(
        ModelError, match=r"knows the bars until 2020-05-30T00:00Z, .* give a model fitted until"
    ):
        model_of(walk, knowing)
    path = tmp_path / "BTCUSDT_1h.parquet"
    walk.frame().to_parquet(path)
    with pytest.raises(ModelError, match=r"give a model fitted until then, or set splits.start later"):
        backtest(changed(knowing, data={"bars": str(path)}), tmp_path / "run", engine="kernel")
    assert not (tmp_path / "run").exists()


def test_bar_by_bar_refuses_it_when_the_first_window_is_due(walk, panel, config):
    start = replace(panel.start, known_at=walk.close_time[-1])
    online = online_of(walk, panel, config, start)
    with pytest.raises(ModelError, match=r"models.transfer is a model of OTHER that knows the bars until"):
        feed(online, walk)


def test_a_search_refuses_what_knows_bars_on_which_its_trials_are_judged(panel, config):
    pytest.importorskip("optuna")
    tuned = changed(config, tune={"trials": 1})
    with pytest.raises(ModelError, match=r"models.transfer is a model of OTHER that knows"):
        run_panel(panel, tuned)


def test_later_bars_change_nothing_that_was_said_before(walk, panel, config, made):
    part = run(config, bars=walk[:2904], mood=neutral(walk[:2904])).predictions
    assert part.known.any()
    for name in ROWS:
        np.testing.assert_array_equal(
            getattr(part, name), getattr(made.predictions, name)[:2904], err_msg=name
        )


# The same bits, however it is run


def feed(online, bars):
    for row in bars.matrix:
        online.update(row)


def online_of(walk, panel, config, start):
    schedule = schedule_for(walk, panel.features.ready, config)
    known = panel.features.names, panel.features.lookback, schedule, config
    return OnlineWalkForward(*known, walk.timeframe, walk.instrument, neutral(walk), start=start)


def test_it_changes_every_window_and_bar_by_bar_is_the_batch(walk, panel, config, made, tiny_run):
    plain = [window.model_sha256 for window in tiny_run.predictions.windows]
    begun = [window.model_sha256 for window in made.predictions.windows]
    assert not set(plain) & set(begun)
    online = online_of(walk, panel, config, panel.start)
    feed(online, walk)
    assert_same(online.predictions(), made.predictions)


def test_backtrader_retrains_from_it(walk, config, made):
    backtrader = pytest.importorskip("backtrader")
    from mlstrat.engines.on_backtrader import MLStrategy, cerebro_for
    from mlstrat.signals.terms import risk_rules

    assert backtrader
    cerebro = cerebro_for(walk, risk_rules(config, walk), stdstats=False)
    cerebro.addstrategy(MLStrategy, config=config, retrain=True)
    (strategy,) = cerebro.run()
    assert_same(strategy.advisor.predictions, made.predictions)


def test_two_workers_and_the_cache_give_the_same_bits(walk, config, made, tmp_path):
    cache = FoldCache(tmp_path)
    two = run(config.model_copy(update={"jobs": 2}), bars=walk, mood=neutral(walk), cache=cache)
    seen = []
    again = run_panel(made.panel, config, cache=cache, watcher=Counting(seen))
    assert_same(two.predictions, made.predictions)
    assert_same(again.predictions, made.predictions)
    assert seen[-1] == len(made.predictions.windows)


class Counting:
    """Remembers how many windows came from the cache."""

    def __init__(self, seen):
        self.seen = seen

    def stage(self, text):
        """Say nothing."""

    def note(self, text):
        """Say nothing."""

    def windows(self, done, total, cached=0):
        self.seen.append(cached)


def test_the_key_of_a_window_is_that_of_the_files_content(walk, panel, config, file, tmp_path):
    fold = folds_of(panel, config)[0]
    moved = shutil.copy(file, tmp_path / "elsewhere.capsule")
    there = changed(config, models={"transfer": str(moved)})
    key = fold_key(panel, fold, config)
    assert fold_key(load_panel(walk, neutral(walk), there), fold, there) == key
    assert fold_key(replace(panel, start=replace(panel.start, sha256="0" * 64)), fold, config) != key
    assert fold_key(replace(panel, start=None), fold, config) != key


def test_a_run_is_that_of_the_files_content_and_comes_out_the_same(walk, config, other, file, tmp_path):
    walk.frame().to_parquet(tmp_path / "BTCUSDT_1h.parquet")
    own = shutil.copy(file, tmp_path / "own.capsule")
    asked = changed(
        config, data={"bars": str(tmp_path / "BTCUSDT_1h.parquet")}, models={"transfer": str(own)}
    )
    folder = backtest(asked, tmp_path / "run", engine="kernel").folder
    manifest = json.loads((folder / "manifest.json").read_text())
    assert len(manifest["inputs"]["config"]["models"]["transfer"]) == 64
    assert manifest["sources"]["transfer"] == str(own)
    assert reproduce(folder).windows == len(manifest["windows"])
    moved = changed(asked, models={"transfer": str(shutil.copy(own, tmp_path / "moved.capsule"))})
    assert backtest(moved, folder, engine="kernel").reused
    save(replace(other, threshold=(0.9, 0.1)), tmp_path / "own.capsule")
    with pytest.raises(RunFolderError, match=r"models.transfer was '.*' and is '"):
        backtest(asked, folder, engine="kernel")


def test_a_file_that_is_not_there_is_told_before_any_work(config, tmp_path):
    asked = changed(config, models={"transfer": str(tmp_path / "no.capsule")})
    with pytest.raises(ModelError, match=r"no\.capsule cannot be read .*: give the path of a model file"):
        backtest(asked, tmp_path / "run", engine="kernel")
    assert not list(tmp_path.iterdir())


def test_a_trained_model_says_where_it_started_and_needs_the_file_no_more(
    walk, config, other, file, tmp_path
):
    known = walk[:2904]
    own = shutil.copy(file, tmp_path / "own.capsule")
    capsule = model_of(known, changed(config, models={"transfer": str(own)}))
    assert capsule.about.made_from == f"started from model {other.window.model_sha256} of OTHER"
    save(capsule, tmp_path / "made.capsule")
    own.unlink()
    forecast = Predictor(load(tmp_path / "made.capsule")).forecast(walk)
    assert np.isfinite(forecast.predictions.prob_up).all()


def test_models_of_permuted_labels_start_from_nothing(panel, config):
    assert panel.start is not None
    assert permuted_panel(panel, folds_of(panel, config)[0], config).start is None


# What cannot be done is refused


def test_paths_are_taken_from_the_folder_of_the_run_file(tmp_path):
    (tmp_path / "run.toml").write_text('[models]\ntransfer = "btc.capsule"\n')
    config = load_config(tmp_path / "run.toml")
    assert config.models.transfer == str(tmp_path / "btc.capsule")
    assert "transfer" not in config.result_content()["models"]
    (tmp_path / "plain.toml").write_text("")
    assert load_config(tmp_path / "plain.toml").models.transfer == ""


def test_on_the_command_line_it_is_taken_from_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (told,) = from_here(["models.transfer=btc.capsule"])
    assert told == f'models.transfer="{tmp_path / "btc.capsule"}"'
    assert from_here(["models.transfer="]) == ["models.transfer="]


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"models": {"bins": 7}}, r"models.bins is 7: set models.bins to 15, or give"),
        (
            {"models": {"lstm_units": 9}},
            r"has 3 units and models.lstm_units is 9: set models.lstm_units to 3",
        ),
        (
            {"tune": {"trials": 2, "params": {"lstm_units": (2, 4)}}},
            r"searches lstm_units, .* take lstm_units out of tune.params",
        ),
        ({"features": {"names": ("adx_14",)}}, r"no feature in common: give a model of the same features"),
    ],
)
def test_a_model_that_does_not_fit_is_refused_with_a_remedy(walk, config, sections, words):
    with pytest.raises(ModelError, match=words):
        load_panel(walk, neutral(walk), changed(config, **sections))


def test_bars_of_another_length_are_refused(config, walk):
    daily = replace(random_walk(400, seed=1, timeframe="4h"), symbol="OTHER")
    assert daily.timeframe == Timeframe("4h")
    with pytest.raises(ModelError, match=r"fitted on bars of 1h and these are of 4h, .*: give a model of 4h"):
        load_panel(daily, neutral(daily), config)


def test_a_model_without_an_lstm_is_refused_unless_the_run_has_none_either(walk, tiny_config, tmp_path):
    own = {"ridge": {"class": "sklearn.linear_model.Ridge", "replaces": "lstm", "trust": ()}}
    without = changed(tiny_config, models=own)
    capsule = train(load_panel(walk[:KNOWN], neutral(walk[:KNOWN]), without), without)
    plain = replace(capsule, guests=())
    assert not plain.ensemble.models.lstm.w_out.any()
    assert start_state(plain.ensemble.models).shape == (2, 1)
    with pytest.raises(ModelError, match="has no LSTM, because it was left out or replaced: give one"):
        start_from(plain, "0" * 64, tiny_config, build(walk, capsule.about.features).names, walk.timeframe)
    begun = start_from(plain, "0" * 64, without, capsule.about.features, walk.timeframe)
    np.testing.assert_array_equal(begun.edges, plain.ensemble.models.edges)
