"""Sweeps in memory against runs of each column alone."""

from dataclasses import replace

import numpy as np
import pytest

from mlstrat.config import parse_config
from mlstrat.errors import ConfigError, DataError
from mlstrat.execution import metrics
from mlstrat.pipeline import run
from mlstrat.sentiment.align import neutral
from mlstrat.signals.terms import trade_terms
from mlstrat.sweep import MEASURES, Sweep, sweep, sweep_run
from mlstrat.sweep.grid import Grid
from mlstrat.walkforward import fit_here

GRID = {"stops.atr": [1.5, 2.5], "instrument.fee_share": [0.0, 0.0002], "signals.threshold": ["auto", 0.51]}


def judged(result, bars, predictions):
    """The numbers of a result from the first predicted bar on."""
    first = int(np.argmax(predictions.known))
    t = result.trades
    trades = replace(
        t,
        **{name: getattr(t, name) - first for name in ("signal_bar", "entry_bar", "exit_bar")},
    )
    part = replace(result, time=result.time[first:], equity=result.equity[first:], trades=trades)
    return metrics.summary(part, bars[first:])


@pytest.fixture(scope="module")
def swept(walk, tiny_config):
    fitted = []

    def fits(panel, folds, config):
        fitted.extend(fold.index for fold in folds)
        yield from fit_here(panel, folds, config)

    return sweep_run(tiny_config, GRID, bars=walk, fits=fits), fitted


def test_a_column_is_the_run_with_its_settings(swept, walk, tiny_config):
    made, _ = swept
    traded = 0
    for column in (0, 1, 2, 5, 7):
        config = made.run_config(column)
        facts = walk.instrument.with_facts(fee_share=config.instrument.fee_share)
        alone = run(config, bars=replace(walk, instrument=facts), mood=neutral(walk))
        said = judged(alone.result, alone.panel.bars, alone.predictions)
        for place, name in enumerate(MEASURES[:-4]):
            np.testing.assert_allclose(made.table[column, place], said[name], rtol=1e-12, atol=1e-12)
        again = made.result(column)
        for name in ("entry_bar", "exit_bar", "units", "profit", "reason"):
            np.testing.assert_array_equal(getattr(again.trades, name), getattr(alone.result.trades, name))
        traded += len(again.trades)
    assert traded > 100


def test_models_are_fitted_once_and_odds_for_each_trade(swept, walk, tiny_config):
    made, fitted = swept
    windows = run(tiny_config, bars=walk, mood=neutral(walk)).predictions.windows
    assert sorted(fitted) == [window.fold for window in windows]
    near, wide = (made.forecaster(made.run_config(column)).predictions for column in (0, 4))
    assert (near.terms.stop_atr, wide.terms.stop_atr) == (1.5, 2.5)
    np.testing.assert_array_equal(near.prob_up, wide.prob_up)
    known = near.known
    assert not np.allclose(near.payoff[known], wide.payoff[known])


def test_settings_of_models_and_labels_are_fitted_for_each(walk, tiny_config):
    few = parse_config({**tiny_config.model_dump(), "splits": {"training_days": 60, "max_windows": 1}})
    made = sweep_run(few, {"models.rf_max_depth": [2, 3], "labels.target_periods": [3]}, bars=walk)
    for column in range(2):
        alone = run(made.run_config(column), bars=walk, mood=neutral(walk))
        assert made.result(column).equity[-1] == alone.result.equity[-1]
        said = judged(alone.result, walk, alone.predictions)["total_return"]
        assert made.table[column, MEASURES.index("total_return")] == said


def test_a_sweep_of_predictions_that_are_there(tiny_run, tiny_config):
    bars, predictions = tiny_run.panel.bars, tiny_run.predictions
    made = sweep(
        bars, predictions, ["signals.threshold=0.5,0.52", "kelly.shrink=off,strict"], config=tiny_config
    )
    assert (len(made), made.notes) == (4, ())
    config = made.run_config({"signals.threshold": 0.5, "kelly.shrink": "off"})
    alone = run(config, bars=bars, mood=neutral(bars))
    result = made.result((0.5, "off"))
    np.testing.assert_array_equal(result.equity, alone.result.equity)
    np.testing.assert_array_equal(made.decisions((0.5, "off")).side, alone.decisions.side)


def test_odds_of_another_trade_are_said_not_to_be_recalibrated(tiny_run):
    bars, predictions = tiny_run.panel.bars, tiny_run.predictions
    made = sweep(bars, predictions, {"stops.atr": [1.0, 2.5], "kelly.shrink": ["off"]})
    assert made.notes == (
        "Kelly is not recalibrated: in every column it bets on the odds that the predictions hold, though "
        "stops.atr varies; sweep_run estimates them for each trade.",
    )
    near = made.forecaster(made.run_config(0))
    np.testing.assert_array_equal(near.predictions.win_prob, predictions.win_prob)
    assert near.predictions.terms == trade_terms(made.run_config(0), bars.instrument)


@pytest.mark.parametrize("key", ["models.rf_max_depth", "signals.ml_weight", "labels.target_periods"])
def test_predictions_that_are_there_cannot_become_others(tiny_run, key):
    value = {"signals.ml_weight": [0.5]}.get(key, [7])
    with pytest.raises(ConfigError, match=r"changes the predictions themselves, .* use sweep_run"):
        sweep(tiny_run.panel.bars, tiny_run.predictions, {key: value})


def test_terms_that_are_not_swept_are_checked(tiny_run):
    other = parse_config({"stops": {"max_bars": 5}})
    with pytest.raises(ConfigError, match=r"calibrated for max_bars = 24, .* says 5: run the walk-forward"):
        sweep(tiny_run.panel.bars, tiny_run.predictions, {"stops.atr": [1.0]}, config=other)


def test_a_frame_has_a_level_a_key(swept):
    frame = swept[0].frame()
    assert list(frame.index.names) == ["stops.atr", "instrument.fee_share", "signals.threshold"]
    assert list(frame.columns) == list(MEASURES)
    assert frame.loc[(2.5, 0.0002, 0.51), "trades"] == swept[0].table[7, MEASURES.index("trades")]


def table_sweep(sharpe, shape=(2, 3)):
    table = np.full((6, len(MEASURES)), np.nan)
    table[:, MEASURES.index("sharpe")] = sharpe
    table[:, MEASURES.index("max_drawdown")] = np.arange(6) / 10
    grid = Grid(("stops.atr", "signals.threshold"), ((1.0, 2.0), ("auto", 0.5, 0.6)))
    return Sweep(parse_config({}), grid, table, lambda config: None)


def test_the_best_columns_and_heat_maps():
    made = table_sweep([0.1, np.nan, 0.3, -1.0, 0.3, 0.2])
    assert list(made.ranking()) == [2, 4, 5, 0, 3]
    assert list(made.ranking("max_drawdown")) == [0, 1, 2, 3, 4, 5]
    assert made.best(count=2).index.tolist() == [(1.0, 0.6), (2.0, 0.5)]
    heat = made.heat_map("signals.threshold", "stops.atr")
    assert heat.shape == (3, 2)
    assert (heat.loc["auto", 2.0], heat.loc[0.6, 1.0]) == (-1.0, 0.3)
    assert np.isnan(heat.loc[0.5, 1.0])


def test_what_stands_for_the_other_keys_of_a_heat_map():
    grid = Grid(("a.b", "c.d", "e.f"), ((1, 2), (3, 4), (5, 6, 7)))
    sharpe = np.array([1.0, 2, 9, 3, np.nan, 5, 6, 7, 8, 0, 0, 1])
    table = np.full((12, len(MEASURES)), np.nan)
    table[:, MEASURES.index("sharpe")] = sharpe
    made = Sweep(parse_config({}), grid, table, lambda config: None)
    np.testing.assert_array_equal(made.heat_map("c.d", "a.b").to_numpy(), [[2.0, 7.0], [4.0, 0.0]])
    best = made.heat_map("c.d", "a.b", rest="best").to_numpy()
    np.testing.assert_array_equal(best, [[9.0, 8.0], [5.0, 1.0]])
    fixed = made.heat_map("a.b", "c.d", rest={"e.f": 6}).to_numpy()
    np.testing.assert_array_equal(fixed, [[2.0, np.nan], [7.0, 0.0]])
    with pytest.raises(ConfigError, match='rest is \'mean\': give "median", "best"'):
        made.heat_map("a.b", "c.d", rest="mean")


def test_what_is_not_there_is_said():
    made = table_sweep(np.full(6, np.nan))
    with pytest.raises(DataError, match="no column of this sweep has a sharpe: none made trades"):
        made.best()
    with pytest.raises(ConfigError, match="there is no measure 'sharp': use one of final_equity"):
        made.best("sharp")
    with pytest.raises(ConfigError, match=r"kelly.basis was not varied: use two of stops.atr, signals"):
        made.heat_map("kelly.basis", "stops.atr")
    with pytest.raises(ConfigError, match="there is no column 6: give a number from 0 to 5"):
        made.column(6)
    with pytest.raises(ConfigError, match=r"told by stops.atr, signals.threshold: give one value of each"):
        made.column((1.0,))


def test_a_column_as_a_portfolio(swept):
    pytest.importorskip("vectorbt")
    made, _ = swept
    portfolio, result = made.portfolio(0), made.result(0)
    assert portfolio.trades.count() == len(result.trades)
    assert float(portfolio.total_return()) == pytest.approx(result.equity[-1] / result.rules.cash - 1.0)
