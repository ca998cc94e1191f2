"""A run's stored windows, asked again: the run's own bits on its own bars, and the stored state elsewhere."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mlstrat.backtest import backtest
from mlstrat.capsule import load
from mlstrat.config import parse_config
from mlstrat.data.resample import resample
from mlstrat.errors import DataError, RunFolderError
from mlstrat.features.matrix import build
from mlstrat.live import Predictor
from mlstrat.models.ensemble import predict_block
from mlstrat.parity.frozen import carried, frozen, read_run
from mlstrat.sentiment.align import SentimentSeries


@pytest.fixture(scope="module")
def finished(tiny_config, tmp_path_factory):
    """Three windows on the months in which the sample's headlines begin."""
    sections = tiny_config.model_dump()
    sections["data"] |= {"start": "2021-08-01", "end": "2022-01-10"}
    sections["sentiment"] |= {"source": "sample:headlines", "resolution": "1d"}
    sections["signals"] |= {"sentiment_gate": False}
    config = parse_config(sections)
    return backtest(config, tmp_path_factory.mktemp("runs") / "one", engine="kernel").folder


@pytest.fixture(scope="module")
def run(finished):
    return read_run(finished)


@pytest.fixture(scope="module")
def own(run):
    return run.on(run.past.bars)


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "copy")


def test_its_own_bars_give_what_the_run_wrote_bit_for_bit(finished, run):
    said = frozen(finished, run.past.bars)
    for name, frame in (("predictions", said.predictions.frame()), ("decisions", said.decisions.frame())):
        written = pd.read_parquet(finished / f"{name}.parquet")
        pd.testing.assert_frame_equal(frame, written, check_exact=True)
    assert len(said.predictions.windows) == 4
    assert said.mood.known.any()
    assert not said.mood.known.all()
    assert np.count_nonzero(said.decisions.side) > 20


def test_each_window_is_the_live_predictor_of_its_model(finished, run, own):
    bars, last = run.past.bars, sorted((finished / "folds").glob("[0-9]*"))[-1]
    live = Predictor(load(last / "model.capsule")).forecast(bars, run.mood)
    rows = slice(len(bars) - len(live.bars), None)
    np.testing.assert_array_equal(own.predictions.prob_up[rows], live.predictions.prob_up)
    np.testing.assert_array_equal(own.decisions.fraction[rows], live.decisions.fraction)


def test_later_bars_change_nothing(run, own):
    short = run.on(run.past.bars[:3000])
    for name in ("prob_up", "score", "win_prob", "threshold", "fold"):
        np.testing.assert_array_equal(
            getattr(short.predictions, name), getattr(own.predictions, name)[:3000], name
        )
    np.testing.assert_array_equal(short.decisions.fraction, own.decisions.fraction[:3000])


def test_bars_that_begin_inside_a_window_begin_with_its_stored_state(finished, run):
    """The expected rows are those of a plain call, from the first bar with all features."""
    window = run.windows[1].fitted.window
    begin = int(np.searchsorted(run.past.bars.close_time, window.valid_from)) + 200
    chart = run.past.bars[begin:]
    x = build(chart, run.windows[1].features).values
    known = np.flatnonzero(np.isfinite(x).all(axis=1))[0]
    end = int(np.searchsorted(chart.close_time, window.valid_to))
    capsule = load(finished / "folds" / "001" / "model.capsule")
    expected = predict_block(np.ascontiguousarray(x[known:end]), capsule.state.copy(), capsule.ensemble)
    said = run.on(chart).predictions
    np.testing.assert_array_equal(said.prob_up[known:end], expected[:, 0])
    assert np.isnan(said.prob_up[:known]).all()
    assert (said.fold[:known] == -1).all()
    assert (said.fold[known:end] == 1).all()


def test_warm_features_say_what_the_run_said_from_the_next_window_on(run, own):
    begin = int(np.searchsorted(run.past.bars.close_time, run.windows[1].fitted.window.valid_from)) + 100
    said = run.on(run.past.bars[begin:]).predictions
    later = said.fold >= 2
    np.testing.assert_allclose(said.prob_up[later], own.predictions.prob_up[begin:][later], rtol=1e-9)
    assert later.sum() > 500


def test_the_newest_window_alone_and_for_longer(run, own):
    newest = run.latest()
    said = newest.on(run.past.bars).predictions
    of_last = own.predictions.fold == 3
    np.testing.assert_array_equal(np.isfinite(said.prob_up), of_last)
    np.testing.assert_array_equal(said.prob_up[of_last], own.predictions.prob_up[of_last])
    moment = run.past.bars.close_time[np.flatnonzero(of_last)[10]]
    assert np.isfinite(newest.until(moment).on(run.past.bars).predictions.prob_up).sum() == 10


def test_sentiment_is_the_runs_own_by_the_day(run):
    bars = run.past.bars
    later = replace(bars, time=bars.time + np.timedelta64(30, "m"))
    np.testing.assert_array_equal(carried(run.mood, later, daily=True).score, run.mood.score)
    assert not carried(run.mood, later, daily=False).known.any()
    after = replace(bars, time=bars.time + (bars.time[-1] - bars.time[0]) + np.timedelta64(2, "D"))
    assert not carried(run.mood, after, daily=True).known.any()


def test_sentiment_can_be_given(run, own):
    bars = run.past.bars
    ones = np.ones(len(bars))
    glad = SentimentSeries(bars.time, ones, ones, np.ones(len(bars), np.int64))
    score = run.on(bars, glad).predictions.score
    known = own.predictions.known
    assert (score[known] > own.predictions.prob_up[known]).all()
    with pytest.raises(DataError, match="align it to these bars"):
        run.on(bars[1:], glad)


def test_other_bars_are_refused(run):
    bars = run.past.bars
    with pytest.raises(DataError, match=r"the run is of BTCUSDT .* these are of OTHER .*: give bars of BTC"):
        run.on(replace(bars, symbol="OTHER"))
    with pytest.raises(DataError, match="in bars of 4h: give bars of BTCUSDT of 1h"):
        run.on(resample(bars, "4h"))


def test_a_changed_folder_is_refused(copy):
    sentiment = copy / "sentiment.parquet"
    kept = sentiment.read_bytes()
    sentiment.write_bytes(kept[:-1])
    with pytest.raises(RunFolderError, match=r"sentiment\.parquet is missing or changed .* run again"):
        read_run(copy)
    sentiment.write_bytes(kept)
    model = copy / "folds" / "001" / "model.capsule"
    model.write_bytes(model.read_bytes()[:-1])
    with pytest.raises(RunFolderError, match=r"model\.capsule is missing or changed"):
        read_run(copy)
    shutil.rmtree(model.parent)
    with pytest.raises(RunFolderError, match=r"does not hold the 4 windows .* restore them, or run again"):
        read_run(copy)
