"""Columns on bars that charge funding and borrow: the trades of each alone bit for bit, the same numbers."""

from dataclasses import replace

import execution_cases as cases
import numpy as np
import pytest
from test_sweep_kernel import assert_same_numbers, assert_same_trades, entries_of

from mlstrat.data.carry import BORROW, FUNDING, RateSeries, carry_of
from mlstrat.errors import ConfigError
from mlstrat.execution.kernel import simulate
from mlstrat.pipeline import Watcher, run
from mlstrat.sentiment.align import neutral
from mlstrat.signals.terms import risk_rules
from mlstrat.sweep import sweep, sweep_run
from mlstrat.sweep.account import LOGGED, MEASURED
from mlstrat.sweep.candidates import candidates_of, choices_of
from mlstrat.sweep.charges import charges_of
from mlstrat.sweep.entries import returns_of_entries, sweep_entries
from mlstrat.sweep.entry_kernel import run_entries
from mlstrat.sweep.forecasts import Walked
from mlstrat.sweep.grid import config_of, make_grid
from mlstrat.sweep.measures import MEASURES, measures
from mlstrat.sweep.running import accounts_of


def charged(bars, seed):
    """The bars with rates at a third of the quarters of an hour between their first open and last close."""
    rng = np.random.default_rng(seed)
    clock = np.arange(bars.time[0], bars.close_time[-1], np.timedelta64(15, "m"))
    stamps = clock[rng.random(len(clock)) < 0.3]
    series = [
        RateSeries(FUNDING, stamps, rng.normal(0.0, 0.002, len(stamps))),
        RateSeries(BORROW, stamps[::4], rng.uniform(0.0, 0.002, len(stamps[::4]))),
    ]
    return replace(bars, carry=carry_of(bars.time, bars.close_time, series))


def paused(case, seed):
    """The case on bars with pauses, whose rates lie in them too."""
    places = np.arange(len(case.bars)) + np.cumsum(
        np.random.default_rng(seed).choice([0, 0, 0, 2], len(case.bars))
    )
    time = case.bars.time[0] + places * case.bars.timeframe.delta
    bars = charged(replace(case.bars, time=time), seed)
    return replace(case, bars=bars, decisions=replace(case.decisions, time=np.array(time)))


@pytest.mark.parametrize("seed", range(42))
def test_entries_are_charged_as_in_the_kernel(seed):
    case = paused(cases.make_case(seed), seed)
    result, entries = simulate(case.bars, case.decisions, case.rules), entries_of(case.decisions)
    assert np.abs(result.trades.funding).sum() > 0.0
    accounts, log = np.empty((1, len(MEASURED))), np.full((len(case.bars), len(LOGGED)), np.nan)
    tables = (entries.fraction, entries.units, entries.stop, entries.target, entries.max_bars)
    risks, gains = case.rules.as_row()[None], np.zeros((1, len(case.bars)))
    into = risks, accounts, log, gains, 1
    run_entries(case.bars.matrix, 3600.0, entries.side, *tables, *into, charges_of(case.bars))
    np.testing.assert_array_equal(gains[0], result.returns)
    assert_same_trades(log, result)
    row = measures(accounts, risks[:, 0], len(case.bars), case.bars.bars_per_year)[0]
    assert_same_numbers(row, result, case.bars)


def test_columns_of_entries_are_charged_each_on_its_own():
    case = paused(cases.make_case(5), 5)
    entries = entries_of(case.decisions)
    (row,) = sweep_entries(case.bars, entries, case.rules).to_numpy()
    result = simulate(case.bars, case.decisions, case.rules)
    assert_same_numbers(row, result, case.bars)
    returns, _ = returns_of_entries(case.bars, entries, case.rules)
    np.testing.assert_array_equal(returns[:, 0], result.returns)
    (free,) = sweep_entries(case.bars.without_carry(), entries, case.rules).to_numpy()
    assert free[MEASURES.index("final_equity")] != row[MEASURES.index("final_equity")]


def test_columns_of_settings_are_charged_as_a_run_is(walk, tiny_config):
    values = {
        "signals.threshold": [0.5, 0.51],
        "kelly.max_position": [0.08, 1.0],
        "breakers.max_drawdown": [0.0, 0.01],
    }
    grid = make_grid(tiny_config, values)
    forecasts = Walked(tiny_config, charged(walk, 1), Watcher())(tiny_config)
    bars = forecasts.bars
    rules = choices_of(tiny_config, bars, grid.taking).rules(tiny_config, bars)
    candidates, kelly = candidates_of(forecasts, rules)
    accounts = accounts_of(candidates, rules, kelly, 1)
    table = measures(accounts, rules.risks[:, 0], len(bars), bars.bars_per_year)
    for column, row in enumerate(table):
        config = config_of(tiny_config, grid.settings(column))
        result = simulate(bars, forecasts.decide(config), risk_rules(config, bars))
        assert np.abs(result.trades.funding).sum() > 0.0
        assert_same_numbers(row, result, bars)


def test_a_file_of_rates_cannot_be_swept(tiny_config):
    with pytest.raises(ConfigError, match=r"instrument\.funding cannot be swept: it names files"):
        make_grid(tiny_config, {"instrument.funding": ["a.csv", "b.csv"]})


def test_bars_in_memory_are_charged_the_rates_that_the_settings_name(walk, tiny_config, tmp_path):
    stamps = walk.close_time[::8]
    lines = [f"{np.datetime_as_string(stamp, unit='s')}Z,0.002" for stamp in stamps]
    (tmp_path / "funding.csv").write_text("\n".join(["time,rate", *lines]) + "\n")
    facts = tiny_config.instrument.model_copy(update={FUNDING: str(tmp_path / "funding.csv")})
    config = tiny_config.model_copy(update={"instrument": facts})
    paid = sweep_run(config, {"kelly.max_position": [0.08, 1.0]}, bars=walk)
    alone = run(paid.run_config(1), bars=walk, mood=neutral(walk))
    assert np.abs(alone.result.trades.funding).sum() > 0.0
    assert paid.measure("final_equity")[1] == alone.result.equity[-1]
    given = sweep(walk, alone.predictions, {"kelly.max_position": [0.08, 1.0]}, config=config)
    np.testing.assert_array_equal(given.result(1).equity, alone.result.equity)
