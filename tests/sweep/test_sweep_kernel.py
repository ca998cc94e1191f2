"""Columns against the run of each alone: the same trades bit for bit, the same numbers."""

from dataclasses import replace

import execution_cases as cases
import numpy as np
import pytest

from mlstrat.config import parse_config
from mlstrat.errors import DataError
from mlstrat.execution import metrics
from mlstrat.execution.kernel import simulate
from mlstrat.execution.types import RiskRules
from mlstrat.pipeline import Watcher
from mlstrat.signals.rule import SignalRules, signal_rules
from mlstrat.signals.terms import risk_rules
from mlstrat.sweep.account import LOGGED, MEASURED
from mlstrat.sweep.candidates import candidates_of, choices_of
from mlstrat.sweep.entries import Entries, returns_of_entries, sweep_entries
from mlstrat.sweep.entry_kernel import run_entries
from mlstrat.sweep.forecasts import Walked
from mlstrat.sweep.grid import TAKING, config_of, make_grid
from mlstrat.sweep.kernel import run_columns, signal_rules_of
from mlstrat.sweep.measures import MEASURES, measures
from mlstrat.sweep.running import NO_GAINS, accounts_of

VALUES = {
    "signals.threshold": ["auto", 0.5, 0.51, 0.53],
    "signals.direction": ["both", "long", "short"],
    "signals.min_confidence": [0.0, 0.51],
    "signals.min_grade": ["F", "C"],
    "kelly.multiplier": [0.1, 0.5, 1.0],
    "kelly.max_position": [0.08, 1.0],
    "kelly.min_fraction": [0.001, 0.05],
    "kelly.basis": ["equity", "risk"],
    "kelly.shrink": ["off", "standard", "strict"],
    "execution.cash": [300.0, 1e5],
    "execution.gap_reserve": [0.01, 0.0],
    "instrument.step": [0.001, 1.0],
    "instrument.min_notional": [0.0, 500.0],
    "breakers.max_drawdown": [0.25, 0.01],
    "breakers.max_daily_loss": [0.0, 0.003],
    "breakers.max_losing_streak": [0, 2],
    "breakers.cooldown_bars": [24, 3],
}


def expected(result, bars):
    counts = {name: getattr(result, name) for name in ("sent", "blocked", "zero_units", "cancelled")}
    return {**metrics.summary(result, bars), **counts}


def assert_same_numbers(row, result, bars):
    said = expected(result, bars)
    for name, got in zip(MEASURES, row, strict=True):
        np.testing.assert_allclose(got, said[name], rtol=1e-12, atol=1e-12, err_msg=name)


def assert_same_trades(log, result):
    assert len(result.trades) <= len(log)
    for place, name in enumerate(LOGGED):
        np.testing.assert_array_equal(log[: len(result.trades), place], getattr(result.trades, name), name)


def entries_of(decisions):
    columns = (np.nan_to_num(getattr(decisions, name))[:, None] for name in ("stop", "target"))
    stop, target = columns
    rest = {name: getattr(decisions, name)[:, None] for name in ("fraction", "max_bars", "units")}
    return Entries(side=decisions.side[:, None], stop=stop, target=target, **rest)


@pytest.mark.parametrize("seed", range(63))
def test_entries_are_executed_as_the_kernel_does(seed):
    case = cases.make_case(seed)
    result, entries = simulate(case.bars, case.decisions, case.rules), entries_of(case.decisions)
    accounts, log = np.empty((1, len(MEASURED))), np.full((len(case.bars), len(LOGGED)), np.nan)
    tables = (entries.fraction, entries.units, entries.stop, entries.target, entries.max_bars)
    risks, gains = case.rules.as_row()[None], np.zeros((1, len(case.bars)))
    run_entries(case.bars.matrix, 3600.0, entries.side, *tables, risks, accounts, log, gains, 1)
    np.testing.assert_array_equal(gains[0], result.returns)
    assert_same_trades(log, result)
    assert np.isnan(log[len(result.trades) :]).all()
    row = measures(accounts, risks[:, 0], len(case.bars), case.bars.bars_per_year)[0]
    assert_same_numbers(row, result, case.bars)


def test_columns_of_entries_are_each_their_own():
    rng = np.random.default_rng(5)
    bars = cases.make_bars(rng, 400)
    decided = [cases.make_decisions(rng, bars, given_units=0.0) for _ in range(6)]
    rules = [cases.make_rules(rng) for _ in decided]
    stacked = {
        name: np.column_stack([np.nan_to_num(getattr(one, name)) for one in decided])
        for name in ("side", "fraction", "stop", "target", "max_bars")
    }
    entries = Entries(**stacked)
    frame = sweep_entries(bars, entries, rules, names=list("abcdef"), threads=2)
    assert list(frame.index) == list("abcdef")
    returns, trades = returns_of_entries(bars, entries, rules)
    for place, (row, one, rule) in enumerate(zip(frame.to_numpy(), decided, rules, strict=True)):
        result = simulate(bars, one, rule)
        assert_same_numbers(row, result, bars)
        np.testing.assert_array_equal(returns[:, place], result.returns)
        assert trades[place] == result.trades.closed.sum()
    np.testing.assert_array_equal(frame.to_numpy(), sweep_entries(bars, entries, rules, threads=1).to_numpy())


def test_values_that_columns_share_are_given_once():
    rng = np.random.default_rng(6)
    bars = cases.make_bars(rng, 300)
    one = cases.make_decisions(rng, bars, given_units=0.0)
    sizes = np.array([0.0, 0.1, 0.6])
    side = np.repeat(one.side[:, None], 3, axis=1)
    stop, target = np.nan_to_num(one.stop)[:, None], np.nan_to_num(one.target)[:, None]
    frame = sweep_entries(bars, Entries(side, sizes, stop, target, max_bars=12), RiskRules())
    for size, row in zip(sizes, frame.to_numpy(), strict=True):
        sized = replace(
            one,
            fraction=np.full(len(bars), size),
            max_bars=np.full(len(bars), 12),
            units=np.full(len(bars), np.nan),
        )
        assert_same_numbers(row, simulate(bars, sized, RiskRules()), bars)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"side": np.zeros(4)}, r"side has shape \(4,\): give a row a bar and a column a trial"),
        ({"fraction": np.zeros((3, 2))}, r"fraction of shape \(3, 2\) does not fit side of shape \(4, 2\)"),
        ({"stop": np.ones(4)}, r"one value, one a column, one a bar as stop\[:, None\], or one a bar and"),
        ({"stop": np.ones((4, 2, 1))}, r"stop of shape \(4, 2, 1\) does not fit side"),
        (
            {"side": np.zeros((4, 4)), "stop": np.ones(4)},
            r"stop of shape \(4,\) may be one value a bar or one a column: write stop\[:, None\]",
        ),
        ({"side": np.full((4, 2), 2)}, "bar 0 of column 0 has a side that is none of 1, 0, -1: give"),
        ({"fraction": [0.5, 1.5]}, r"bar 1 of column 1 has a fraction outside \[0, 1\]: give a share"),
        ({"target": 8.0}, "bar 1 of column 0 has no stop short of its target: a long's stop"),
        ({"stop": -1.0}, "bar 1 of column 0 has a stop or target of zero or less: give prices"),
    ],
)
def test_entries_that_cannot_be_executed_are_refused(changed, says):
    side = np.zeros((4, 2), np.int8)
    side[1] = 1
    with pytest.raises(DataError, match=says):
        Entries(**{"side": side, "fraction": 0.5, "stop": 9.0, "target": 11.0, **changed})


def test_entries_of_other_bars_are_refused():
    bars = cases.make_bars(np.random.default_rng(0), 30)
    entries = Entries(np.zeros((29, 3), np.int8), 0.5, 9.0, 11.0)
    with pytest.raises(DataError, match="entries for 29 bars were given with 30: give as many"):
        sweep_entries(bars, entries, RiskRules())
    with pytest.raises(DataError, match="entries for 3 rules were given with 2: give as many"):
        sweep_entries(bars[:29], entries, [RiskRules()] * 2)


@pytest.fixture(scope="module")
def walked(walk, tiny_config):
    return Walked(tiny_config, walk, Watcher())


def logged(candidates, rules, kelly, column):
    accounts = np.empty((1, len(MEASURED)))
    log = np.full((len(candidates.bars), len(LOGGED)), np.nan)
    part = slice(column, column + 1)
    run_columns(candidates, rules.signals[part], rules.risks[part], kelly[part], accounts, log, NO_GAINS, 0)
    return log


def test_values_for_every_setting_within_a_group():
    assert set(VALUES) == set(TAKING)


@pytest.mark.parametrize("keys", [TAKING[:8], TAKING[4:9] + TAKING[13:], TAKING[8:]])
def test_columns_are_decided_and_executed_as_each_alone(walked, tiny_config, keys):
    grid = make_grid(tiny_config, {key: VALUES[key] for key in keys})
    forecasts = walked(tiny_config)
    rules = choices_of(tiny_config, forecasts.bars, grid.taking).rules(tiny_config, forecasts.bars)
    candidates, kelly = candidates_of(forecasts, rules)
    accounts = accounts_of(candidates, rules, kelly, 2)
    np.testing.assert_array_equal(accounts, accounts_of(candidates, rules, kelly, 1))
    n_bars = len(forecasts.bars)
    gains, daily = np.zeros((len(grid), n_bars)), np.zeros((len(grid), -(-n_bars // 24)))
    np.testing.assert_array_equal(accounts, accounts_of(candidates, rules, kelly, 2, gains, 1))
    accounts_of(candidates, rules, kelly, 1, daily, 24)
    table = measures(accounts, rules.risks[:, 0], n_bars, forecasts.bars.bars_per_year)
    traded = 0
    for column in np.random.default_rng(1).choice(len(grid), 60, replace=False):
        config = config_of(tiny_config, grid.settings(int(column)))
        instrument = forecasts.bars.instrument.with_facts(**config.instrument.facts())
        bars = replace(forecasts.bars, instrument=instrument)
        np.testing.assert_array_equal(rules.signals[column], signal_rules(config, bars.instrument.tick))
        np.testing.assert_array_equal(rules.risks[column], risk_rules(config, bars).as_row())
        result = simulate(bars, forecasts.decide(config), risk_rules(config, bars))
        assert_same_trades(logged(candidates, rules, kelly, column), result)
        assert_same_numbers(table[column], result, bars)
        np.testing.assert_array_equal(gains[column], result.returns)
        whole = np.append(result.returns, np.zeros(-len(bars) % 24)).reshape(-1, 24)
        np.testing.assert_allclose(daily[column], whole.sum(axis=1), rtol=0.0, atol=1e-15)
        traded += len(result.trades)
    assert traded > 200


def test_the_rows_of_rules_have_the_order_of_their_fields():
    config = parse_config({"signals": {"direction": "short", "min_grade": "B"}, "kelly": {"basis": "risk"}})
    wanted = signal_rules(config, 0.01)
    got = signal_rules_of(np.array(wanted, np.float64))
    assert got._fields == SignalRules._fields
    np.testing.assert_array_equal(np.array(got, np.float64), np.array(wanted, np.float64))
