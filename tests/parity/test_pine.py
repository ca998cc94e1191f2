"""The kernel and Pine's broker emulator, as PyneCore runs it, execute the same trades."""

import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from execution_cases import Case, make_bars, make_case, make_decisions, make_rules

from mlstrat.data import samples
from mlstrat.data.bars import Bars
from mlstrat.data.instrument import Instrument
from mlstrat.data.mending.repair import repair
from mlstrat.data.timeframe import Timeframe
from mlstrat.errors import ConfigError, DataError, MissingExtraError, PineError
from mlstrat.execution.kernel import simulate
from mlstrat.execution.types import FLAT, OPEN, STOP, TARGET, TIME, Result, RiskRules
from mlstrat.pine.replay import replay_script

pytest.importorskip("pine2pyne", reason="needs opencode-pine2pyne: pip install 'mlstrat[pine]'")
pytest.importorskip("pynecore", reason="needs pynesys-pynecore: pip install 'mlstrat[pine]'")

SPY = Path(__file__).parents[3] / "shared" / "data" / "bars" / "SPY_1d.parquet"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SEEDS = range(21)
EXACT = ("signal_bar", "entry_bar", "exit_bar", "side", "reason")
CLOSE = ("units", "entry_price", "exit_price", "commission", "profit")


def run_both(case: Case) -> tuple[Result, Result]:
    from mlstrat.engines import on_pynecore

    given = (case.bars, case.decisions, case.rules)
    return simulate(*given), on_pynecore.simulate(*given)


def assert_same(kernel: Result, pine: Result) -> None:
    counts = [(r.sent, r.blocked, r.zero_units, r.cancelled, len(r.trades)) for r in (kernel, pine)]
    assert counts[0] == counts[1]
    for name in EXACT:
        np.testing.assert_array_equal(getattr(pine.trades, name), getattr(kernel.trades, name), name)
    for name in CLOSE:
        # Pine books every commission to ten digits.
        atol = kernel.rules.cash * 1e-12 if name == "profit" else 0.0
        np.testing.assert_allclose(
            getattr(pine.trades, name), getattr(kernel.trades, name), rtol=1e-9, atol=atol, err_msg=name
        )
    np.testing.assert_allclose(pine.equity, kernel.equity, rtol=1e-9)


def on_grid(case: Case, factor: float, tick: float, **facts: float) -> Case:
    """The case with prices times `factor`, on another tick; decisions that it leaves untradable drop out."""

    def priced(column: np.ndarray) -> np.ndarray:
        ticks = np.round(np.asarray(column) * factor / tick)
        return ticks * tick if tick >= 1.0 else ticks / round(1.0 / tick)

    bars, decisions = case.bars, case.decisions
    prices = {name: priced(getattr(bars, name)) for name in ("open", "high", "low", "close")}
    stop, target = priced(decisions.stop), priced(decisions.target)
    side = np.where(decisions.side * (target - stop) > 0, decisions.side, FLAT).astype(np.int8)
    decisions = replace(decisions, side=side, stop=stop, target=target, units=decisions.units / factor)
    return Case(replace(bars, **prices), decisions, replace(case.rules, tick=tick, **facts))


@pytest.mark.parametrize("seed", SEEDS)
def test_same_trades(seed):
    case = make_case(seed)
    kernel, pine = run_both(case)
    assert_same(kernel, pine)
    assert pine.engine == "pine"
    assert pine.rules == case.rules
    np.testing.assert_array_equal(pine.time, case.bars.time)


def test_the_cases_reach_every_clause_of_the_rule():
    results = [simulate(case.bars, case.decisions, case.rules) for case in map(make_case, SEEDS)]
    reasons = np.concatenate([result.trades.reason for result in results])
    assert set(reasons.tolist()) == {OPEN, STOP, TARGET, TIME}
    for name in ("blocked", "zero_units", "cancelled"):
        assert sum(getattr(result, name) for result in results) > 50
    assert {result.rules.slippage_ticks > 0 for result in results} == {True, False}
    assert {result.rules.max_losing_streak > 0 for result in results} == {True, False}


@pytest.mark.parametrize(
    ("factor", "tick", "facts"),
    [
        (500.0, 5.0, {"step": 0.001}),
        (300.0, 1.0, {"step": 0.25}),
        (40.0, 0.25, {"step": 1.0}),
        (1e-6, 1e-8, {"step": 1.0, "fee_share": 0.0007}),
        (1e-3, 1e-5, {"step": 10.0}),
        (1.0, 0.01, {"cash": 1e9, "fee_share": 0.00075}),
    ],
)
@pytest.mark.parametrize("seed", [0, 3])
def test_grids_and_magnitudes(seed, factor, tick, facts):
    kernel, pine = run_both(on_grid(make_case(seed), factor, tick, **facts))
    assert len(kernel.trades) > 20
    assert_same(kernel, pine)


def test_bars_on_a_finer_grid_than_the_rules():
    case = make_case(4)
    coarse = on_grid(case, 1.0, 0.05, slippage_ticks=2.0)
    kernel, pine = run_both(Case(case.bars, coarse.decisions, coarse.rules))
    assert len(kernel.trades) > 30
    assert_same(kernel, pine)


@pytest.mark.parametrize("distance", [(0.003, 0.05), (0.0005, 0.004)], ids=["normal", "tight"])
def test_bitcoin(distance):
    bars = samples.load_bars("BTCUSDT_1h")[10_000:12_000]
    facts = bars.instrument
    rules = RiskRules(
        cash=100_000.0,
        fee_share=facts.fee_share,
        tick=facts.tick,
        step=facts.step,
        min_notional=facts.min_notional,
        max_drawdown=0.1,
        max_losing_streak=6,
    )
    decisions = make_decisions(np.random.default_rng(5), bars, distance=distance)
    kernel, pine = run_both(Case(bars, decisions, rules))
    assert len(kernel.trades) > 200
    assert_same(kernel, pine)


@pytest.mark.parametrize(
    "breaker", [{"max_drawdown": 0.03}, {"max_daily_loss": 0.01}, {"max_losing_streak": 3}]
)
def test_each_breaker_alone(breaker):
    case = make_case(0)
    none = {"max_drawdown": 0.0, "max_daily_loss": 0.0, "max_losing_streak": 0, "cooldown_bars": 9}
    decisions = replace(case.decisions, fraction=np.full(len(case.bars), 0.8))
    kernel, pine = run_both(Case(case.bars, decisions, replace(case.rules, **{**none, **breaker})))
    assert kernel.blocked > 5
    assert_same(kernel, pine)


@pytest.mark.parametrize(("opens_at", "entries"), [(100.0, 1), (100.01, 0)])
def test_an_entry_that_takes_all_the_cash(opens_at, entries):
    case = make_case(0, 3)
    level = np.full(3, 100.0)
    opens = np.array([100.0, opens_at, 100.0])
    bars = replace(case.bars, open=opens, high=np.maximum(opens, level), low=level, close=level)
    decisions = replace(
        case.decisions,
        side=np.array([1, 0, 0], np.int8),
        fraction=np.ones(3),
        units=np.full(3, np.nan),
        stop=level - 5.0,
        target=level + 5.0,
    )
    kernel, pine = run_both(Case(bars, decisions, RiskRules(cash=10_000.0, step=1.0, gap_reserve=0.0)))
    assert (len(pine.trades), pine.cancelled) == (entries, 1 - entries)
    assert_same(kernel, pine)


def sessions(n: int) -> Bars:
    """Weekdays stamped 00:00 UTC, one in nine a holiday, at dividend-adjusted prices that lie on no tick."""
    rng = np.random.default_rng(8)
    bars = make_bars(rng, n, noise=0.01, gap=0.006)
    days = np.arange(np.datetime64("2015-01-01"), np.datetime64("2030-01-01"))
    open_days = days[np.is_busday(days) & (np.arange(len(days)) % 9 != 0)][:n]
    adjusted = {name: getattr(bars, name) * 1.0873112217 for name in ("open", "high", "low", "close")}
    spy = Instrument("SPY", 0.01, 1.0, 0.0, 0.0001, "USD", 252.0, 6.5, "XNYS")
    return replace(
        bars, time=open_days.astype("datetime64[ns]"), timeframe=Timeframe("1d"), instrument=spy, **adjusted
    )


def test_daily_sessions_at_adjusted_prices():
    rng, bars = np.random.default_rng(9), sessions(600)
    rules = make_rules(rng, cash=100_000.0, fee_share=0.0001, step=1.0, slippage_ticks=1.0)
    kernel, pine = run_both(Case(bars, make_decisions(rng, bars, distance=(0.002, 0.05)), rules))
    assert len(kernel.trades) > 80
    assert_same(kernel, pine)


@pytest.mark.skipif(not SPY.exists(), reason="the daily bars of SPY are not beside this checkout")
def test_spy():
    bars = repair(SPY, now=NOW)[0]
    rules = RiskRules(cash=100_000.0, fee_share=0.0001, step=1.0, slippage_ticks=1.0, max_losing_streak=5)
    decisions = make_decisions(np.random.default_rng(1), bars, distance=(0.002, 0.05), rate=0.3)
    kernel, pine = run_both(Case(bars, decisions, rules))
    assert len(kernel.trades) > 250
    assert_same(kernel, pine)


def test_nothing_decided():
    case = make_case(0, 40)
    none = replace(case.decisions, side=np.zeros(40, np.int8))
    kernel, pine = run_both(replace_decisions(case, none))
    assert len(pine.trades) == 0
    assert_same(kernel, pine)


def test_an_open_trade_is_marked_to_the_last_close():
    case = make_case(0, 60)
    side = np.zeros(60, np.int8)
    side[50] = -1
    far = replace(
        case.decisions,
        side=side,
        fraction=np.full(60, 0.5),
        units=np.full(60, np.nan),
        stop=np.full(60, 500.0),
        target=np.full(60, 1.0),
        max_bars=np.zeros(60, np.int64),
    )
    kernel, pine = run_both(replace_decisions(case, far))
    assert pine.trades.reason.tolist() == [OPEN]
    assert pine.trades.exit_price[0] == case.bars.close[-1]
    assert_same(kernel, pine)


def test_odd_quantities_are_read_as_the_kernel_reads_them():
    case = make_case(1, 120)
    # 0.29 is 28.999999999999996 steps of 0.01.
    units = np.resize([-1.0, 0.29, 0.0, np.inf, 1e-9, 1e20, np.nan], 120)
    odd = replace(case.decisions, units=units, max_bars=np.resize([-3, 0, 2], 120))
    kernel, pine = run_both(Case(case.bars, odd, replace(case.rules, step=0.01)))
    assert 0.29 in kernel.trades.units
    assert kernel.zero_units > 5
    assert len(kernel.trades) > 10
    assert_same(kernel, pine)


def test_a_chart_that_begins_later_trades_what_it_shows(tmp_path):
    from mlstrat.engines.on_pynecore.runtime import run_strategy

    case, first = make_case(3), 57
    script = replay_script(case.bars, case.decisions, case.rules, "later").script
    shown = case.bars[first:]
    run = run_strategy(script, shown, case.rules, tmp_path)
    rows = {
        name: getattr(case.decisions, name)[first:]
        for name in case.decisions.__dataclass_fields__
        if isinstance(getattr(case.decisions, name), np.ndarray)
    }
    kernel = simulate(shown, replace(case.decisions, **rows), case.rules)
    closed = kernel.trades.closed
    assert [trade.exit_bar_index for trade in run.closed] == kernel.trades.exit_bar[closed].tolist()
    np.testing.assert_allclose([abs(t.size) for t in run.closed], kernel.trades.units[closed], rtol=1e-9)


def replace_decisions(case: Case, decisions) -> Case:
    return Case(case.bars, decisions, case.rules)


@pytest.mark.parametrize(
    ("facts", "match"),
    [
        ({"slippage_ticks": 0.5}, "Pine slips by whole ticks: give a whole number"),
        ({"step": 1e-9}, "in units of 0.00000001: give a step"),
        ({"step": 1.0 / 3.0}, "in units of 0.00000001: give a step"),
    ],
)
def test_rules_that_pine_cannot_follow(facts, match):
    case = make_case(0, 40)
    with pytest.raises(ConfigError, match=match):
        run_both(Case(case.bars, case.decisions, replace(case.rules, **facts)))


def test_prices_on_no_grid():
    case = make_case(0, 40)
    tiny = np.full(40, 1e-9)
    bars = replace(case.bars, low=np.minimum(case.bars.low, tiny * np.pi))
    with pytest.raises(DataError, match=r"lie on no grid down to .*: round the bars' prices"):
        run_both(Case(bars, case.decisions, case.rules))


def test_decisions_of_other_bars():
    case = make_case(0, 40)
    with pytest.raises(DataError, match="decide on the same bars that you execute on"):
        run_both(Case(case.bars[:30], case.decisions, case.rules))


@pytest.mark.parametrize("package", ["pine2pyne", "pynecore"])
def test_a_missing_package_is_named_with_its_extra(monkeypatch, package):
    for name in [name for name in sys.modules if name.startswith("mlstrat.engines.on_pynecore")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r'run `pip install "mlstrat\[pine\]"`'):
        import mlstrat.engines.on_pynecore  # noqa: F401


def test_a_script_that_does_not_compile_ends_in_a_sentence(tmp_path):
    from mlstrat.engines.on_pynecore.runtime import run_strategy

    case = make_case(0)
    script = '//@version=6\nstrategy("x")\nif close > open\n    float y = 1.0\nplot(y)\n'
    with pytest.raises(PineError, match=r"refuses the script \(.*declared only inside a block"):
        run_strategy(script, case.bars, case.rules, tmp_path)
