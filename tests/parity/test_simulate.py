"""Decisions from a file: what is read from it, what is refused, and trades worked out by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from execution_cases import make_case

from mlstrat.engines import ENGINES, engine_of
from mlstrat.errors import ConfigError, DataError, MissingExtraError
from mlstrat.execution.kernel import simulate
from mlstrat.execution.types import DECISION_COLUMNS, RiskRules
from mlstrat.parity.decision_file import read_decisions
from mlstrat.parity.simulate import check_trades_path, simulate_file
from mlstrat.parity.trades_file import trades_bytes

# Hourly bars from 2024-01-01 00:00: open, high, low, close. Bar 2 gaps up; bar 5 falls through 95.
ROWS = [
    (100.0, 101.0, 99.0, 100.0),
    (100.0, 102.0, 99.5, 101.0),
    (104.0, 105.0, 103.0, 104.0),
    (104.0, 104.5, 103.5, 104.0),
    (104.0, 106.0, 103.0, 105.0),
    (105.0, 105.5, 94.0, 95.5),
    (95.5, 97.0, 95.0, 96.0),
    (96.0, 98.0, 95.5, 97.0),
]
HEAD = "time,side,quantity,fraction,stop,target,exit_time"


def hour(k: int) -> str:
    return f"2024-01-01 {k:02d}:00"


@pytest.fixture
def bars_csv(tmp_path):
    path = tmp_path / "bars.csv"
    lines = [f"{hour(k)},{','.join(f'{price:.2f}' for price in row)},1.000" for k, row in enumerate(ROWS)]
    path.write_text("\n".join(["timestamp,open,high,low,close,volume", *lines]) + "\n")
    return path


@pytest.fixture
def decide(tmp_path):
    def written(*lines: str, head: str = HEAD):
        path = tmp_path / "decisions.csv"
        path.write_text("\n".join([head, *lines]) + "\n")
        return path

    return written


def run(bars_csv, decisions, **options):
    return simulate_file(str(bars_csv), decisions, **options)


def trades_of(done):
    t = done.result.trades
    return list(zip(t.entry_bar, t.exit_bar, t.side, t.units, t.entry_price, t.exit_price, strict=True))


@pytest.mark.parametrize("name", ENGINES)
def test_trades_worked_out_by_hand(bars_csv, decide, name):
    if ENGINES[name].missing is not None:
        pytest.skip(f"the packages of {name} are not installed")
    decisions = decide(
        f"{hour(0)},long,10,,98,103,",  # enters at 100; bar 2 opens above the target: out at 104
        f"{hour(1)},short,10,,120,90,",  # the trade above is held: ignored
        f"{hour(2)},long,10,,95,110,",  # enters at 104; bar 5 falls through the stop: out at 95
        f"{hour(5)},short,2.5,,99,90,{hour(6)}",  # enters at 95.5; out at the open after bar 6: 96
    )
    done = run(bars_csv, decisions, engine=name, step=0.1)
    expected = [(1, 2, 1, 10, 100, 104), (3, 5, 1, 10, 104, 95), (6, 7, -1, 2.5, 95.5, 96)]
    np.testing.assert_allclose(trades_of(done), expected, rtol=1e-12)
    assert done.result.trades_frame().reason.tolist() == ["target", "stop", "time"]
    np.testing.assert_allclose(done.result.trades.profit, [40.0, -90.0, -1.25], rtol=1e-9)
    assert done.result.equity[-1] == pytest.approx(1_000_000 + 40 - 90 - 1.25)
    assert (done.decided, done.ignored) == (4, 1)
    assert done.result.engine == name


def test_fee_slippage_cash_and_grids(bars_csv, decide):
    rules = RiskRules(cash=5_000.0, fee_share=0.001, slippage_ticks=2)
    done = run(bars_csv, decide(f"{hour(2)},long,,0.5,95.2,110,"), rules=rules, tick=0.5, step=1.0)
    # 5,000 x 0.5 / 104 = 24.04 units; in at 104 + 2 x 0.5; stop 95.2 on the grid is 95, slipped to 94.
    assert trades_of(done) == [(3, 5, 1, 24, 105, 94)]
    fees = 24 * (105 + 94) * 0.001
    assert done.result.trades.commission[0] == pytest.approx(fees)
    assert done.result.equity[-1] == pytest.approx(5_000 - 24 * 11 - fees)
    assert "1 of 1 stops were off the tick of 0.5 and are rounded." in done.notes


def test_a_price_left_empty_is_never_reached(bars_csv, decide):
    for line in (f"{hour(0)},long,1,,,,", f"{hour(0)},short,1,,,,"):
        done = run(bars_csv, decide(line))
        assert not done.result.trades.closed.any()
        assert done.result.trades.exit_price[0] == 97.0  # marked to the last close
        assert "1 of 1 stops are empty: never reached." in done.notes
    done = run(bars_csv, decide(f"{hour(0)},short,1,,,95,"))
    assert trades_of(done)[0][1:] == (5, -1, 1, 100, 95)


def test_times_are_utc_unless_they_say_otherwise(bars_csv, decide):
    ways = (
        "2024-01-01T02:00:00Z",
        "2024-01-01T05:00:00+03:00",
        "1704074400",
        "1704074400000",
        "2024-01-01 02:00",
    )
    for way in ways:
        assert trades_of(run(bars_csv, decide(f"{way},long,1,,95,110,")))[0][0] == 3, way
    berlin = run(bars_csv, decide("2024-01-01 02:00,long,1,,95,110,"), tz="Europe/Berlin")
    assert trades_of(berlin)[0][0] == 3  # bars and decisions are both an hour earlier in UTC


def test_columns_may_lack_and_rows_come_in_any_order(bars_csv, decide):
    head = "side,stop,time,target,fraction,comment"
    path = decide(f"long,95,{hour(2)},110,0.1,b", f"LONG,98,{hour(0)},103,0.1,a", head=head)
    assert [row[:2] for row in trades_of(run(bars_csv, path))] == [(1, 2), (3, 5)]


def test_what_is_not_carried_out_is_said(bars_csv, decide):
    decisions = decide(f"{hour(0)},long,1000000,,98,103,", f"{hour(2)},long,0.00001,,95,110,")
    done = run(bars_csv, decisions, step=1.0)
    assert "1 quantity was reduced to what equity could pay." in done.notes
    assert "1 decision had a quantity that rounds to 0." in done.notes
    assert done.result.trades.units[0] == np.floor(1_000_000 / (100 * 1.01))
    last = run(bars_csv, decide(f"{hour(7)},long,1,,95,110,"))
    assert "1 decision came at the last bar, behind which nothing fills." in last.notes


LONG = ",long,1,,95,110,"


@pytest.mark.parametrize(
    ("lines", "match"),
    [
        (
            ["2024-01-01 00:30" + LONG],
            r"line 2 of .* has the time 2024-01-01T00:30:00Z, at which no bar of bars",
        ),
        (["2023-12-31 23:00" + LONG], r"line 2 .* no bar of bars opens \(2024-01-01T00:00:00Z to "),
        ([hour(0) + LONG, hour(1) + LONG, hour(0) + LONG], r"line 4 of .* repeats the time of line 2: give"),
        ([hour(0) + LONG, "soon" + LONG], r"line 3 of .*, column time, has a time that cannot be read: give"),
        ([hour(0) + LONG, LONG], r"line 3 of .*, column time, has no time: give"),
        ([f"{hour(0)},buy,1,,95,110,"], r"line 2 of .* has a side that is neither long nor short"),
        ([f"{hour(0)},,1,,95,110,"], r"line 2 of .* has a side that is neither long nor short"),
        ([f"{hour(0)},long,1,0.5,95,110,"], r"line 2 of .* gives both quantity and fraction"),
        ([f"{hour(0)},long,,,95,110,"], r"line 2 of .* gives neither quantity nor fraction"),
        ([f"{hour(0)},long,-1,,95,110,"], r"line 2 of .* has a quantity of zero or less"),
        ([f"{hour(0)},long,,1.5,95,110,"], r"line 2 of .* has a fraction outside \(0, 1\]"),
        ([f"{hour(0)},long,,0,95,110,"], r"line 2 of .* has a fraction outside \(0, 1\]"),
        ([f"{hour(0)},long,1,,110,120,"], r"stop 110 of a long on the wrong side of its bar's close 100"),
        ([f"{hour(0)},long,1,,95,99,"], r"target 99 of a long on the wrong side .* lies above the close\."),
        ([f"{hour(0)},short,1,,95,90,"], r"stop 95 of a short on the wrong side .* lies above the close\."),
        ([f"{hour(0)},short,1,,105,100,"], r"target 100 of a short on the wrong side"),
        ([f"{hour(0)},long,1,,-5,110,"], r"line 2 of .* has a stop of zero or less"),
        ([f"{hour(0)},long,1,,0.004,110,"], r"line 2 of .* has a stop or target that is 0 on the grid"),
        ([f"{hour(0)},long,1,,99.999,100.001,"], r"line 2 of .* has stop and target within one tick"),
        (
            [hour(0) + LONG, f"{hour(1)},long,many,,95,110,"],
            r"line 3 of .* has the quantity 'many': give a num",
        ),
        ([f"{hour(0)},long,inf,,95,110,"], r"line 2 of .* has the quantity 'inf': give a number"),
        ([hour(1) + LONG + hour(1)], r"line 2 of .* has an exit_time that is not after its time"),
        ([hour(1) + LONG + hour(0)], r"line 2 of .* has an exit_time that is not after its time"),
        (
            [hour(0) + LONG, hour(1) + LONG + hour(12)],
            r"line 3 of .* has the exit_time 2024-01-01T12:00:00Z, at",
        ),
        (
            [hour(0) + LONG, hour(1) + LONG + "late"],
            r"line 3 of .*, column exit_time, has a time that cannot",
        ),
    ],
)
def test_a_bad_line_is_named(bars_csv, decide, lines, match):
    with pytest.raises(DataError, match=match) as raised:
        run(bars_csv, decide(*lines))
    assert str(raised.value).endswith(".")
    assert "row" not in str(raised.value)


@pytest.mark.parametrize("gone", ["time", "side", "stop", "target"])
def test_a_missing_column_is_named(bars_csv, decide, gone):
    head = ",".join(name for name in ("time", "side", "quantity", "stop", "target") if name != gone)
    with pytest.raises(DataError, match=f"has no column {gone}: "):
        run(bars_csv, decide("1,1,1,1", head=head))


def test_a_size_and_a_row_must_be_there(bars_csv, decide):
    with pytest.raises(DataError, match="has neither quantity nor fraction: give the units"):
        run(bars_csv, decide(f"{hour(0)},long,95,110", head="time,side,stop,target"))
    with pytest.raises(DataError, match="holds no decisions: give one row for each"):
        run(bars_csv, decide())


def test_no_price_is_out_of_reach_below_one_tick(bars_csv, decide):
    with pytest.raises(DataError, match=r"line 2 of .* leaves open a price below the market, .*: give one\."):
        run(bars_csv, decide(f"{hour(0)},long,1,,,200,"), tick=100.0)


def test_a_runs_table_is_executed_as_the_run_executed_it(tmp_path):
    case = make_case(7)
    frame = case.decisions.frame()
    path = tmp_path / "decisions.parquet"
    frame.to_parquet(path)
    read = read_decisions(path, case.bars, case.rules.tick)
    for name in DECISION_COLUMNS:
        np.testing.assert_array_equal(getattr(read.decisions, name), getattr(case.decisions, name), name)
    assert read.notes == ()
    assert read.count == int((case.decisions.side != 0).sum())
    again = simulate(case.bars, read.decisions, case.rules)
    assert trades_bytes(again) == trades_bytes(simulate(case.bars, case.decisions, case.rules))
    frame.reset_index().to_csv(tmp_path / "decisions.csv", index=False)
    from_csv = read_decisions(tmp_path / "decisions.csv", case.bars, case.rules.tick).decisions
    np.testing.assert_array_equal(from_csv.stop, case.decisions.stop)


def test_a_runs_table_of_other_bars_is_refused_and_of_another_symbol_said(tmp_path):
    case, path = make_case(7), tmp_path / "decisions.parquet"
    case.decisions.frame().to_parquet(path)
    with pytest.raises(DataError, match=r"line 202 of .* at which no bar of TEST opens"):
        read_decisions(path, case.bars[:200], case.rules.tick)
    other = replace(case.bars, symbol="OTHER")
    assert read_decisions(path, other, 0.01).notes == ("The decisions are of TEST, the bars of OTHER.",)
    case.decisions.frame().assign(stop="low").to_parquet(path)
    with pytest.raises(DataError, match=r"column stop of .* holds text: give a run's own decisions"):
        read_decisions(path, case.bars, 0.01)
    case.decisions.frame().assign(max_bars=np.nan).to_parquet(path)
    with pytest.raises(DataError, match=r"column max_bars of .* does not hold whole numbers"):
        read_decisions(path, case.bars, 0.01)


def test_trades_have_the_columns_of_a_runs_file(bars_csv, decide, tmp_path):
    done = run(bars_csv, decide(hour(0) + LONG))
    (tmp_path / "trades.csv").write_bytes(trades_bytes(done.result))
    frame = pd.read_csv(tmp_path / "trades.csv")
    assert ",".join(frame.columns) == (
        "symbol,side,units,entry_time,exit_time,entry_price,exit_price,commission,profit,reason"
    )
    assert frame.entry_time[0] == "2024-01-01 01:00:00+0000"


def test_the_file_of_the_trades_is_a_csv_of_its_own(tmp_path):
    with pytest.raises(ConfigError, match=r"is no CSV file by its name: end it with \.csv\."):
        check_trades_path(tmp_path / "trades.parquet", "a.csv")
    with pytest.raises(ConfigError, match="is a file that is read: name another one"):
        check_trades_path(tmp_path / "a.csv", "sample:BTCUSDT_1h", tmp_path / "a.csv")


def test_engines_are_known_by_name_and_say_what_is_missing(monkeypatch, bars_csv, decide):
    with pytest.raises(ConfigError, match=r"there is no engine 'zipline': use one of kernel, backtrader, "):
        engine_of("zipline")
    monkeypatch.setattr("mlstrat.engines.registry.find_spec", lambda name: None)
    with pytest.raises(
        MissingExtraError, match=r'The vectorbt engine needs .* `pip install "mlstrat\[vectorbt\]"`'
    ):
        run(bars_csv, decide(hour(0) + LONG), engine="vectorbt")


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"cash": float("inf")}, r"cash is inf: give a finite amount above 0\."),
        ({"cash": -1.0}, r"cash is -1\.0: give a finite amount above 0\."),
        ({"cash": float("nan")}, r"cash is nan: give a finite amount"),
        ({"fee_share": 1.0}, r"fee_share is 1\.0: give a share from 0 to below 1, such as 0\.001\."),
        ({"gap_reserve": -0.1}, r"gap_reserve is -0\.1: give a share from 0 to below 1"),
        ({"slippage_ticks": float("inf")}, r"slippage_ticks is inf: give a finite number from 0\."),
        ({"min_notional": float("nan")}, r"min_notional is nan: give a finite number from 0\."),
        (
            {"tick": float("inf")},
            r"tick is inf: give a number from 1e-12 to 1e12 that is whole from 1 on, and",
        ),
        ({"step": 1e-320}, r"step is 1e-320: give a number from 1e-12"),
        ({"step": 1.5}, r"step is 1\.5: give a number .* such as 0\.01\."),
        ({"tick": 0.3}, r"tick is 0\.3: give a number"),
    ],
)
def test_each_rule_is_refused_by_its_own_sentence(given, match):
    with pytest.raises(ConfigError, match=match) as raised:
        RiskRules(**given)
    assert "RiskRules(" not in str(raised.value)


@pytest.mark.parametrize(
    "grid",
    [{fact: value} for fact in ("tick", "step") for value in (float("inf"), float("nan"), 1e-320, 0.0, -1.0)],
)
def test_a_grid_that_is_no_number_is_one_sentence(bars_csv, decide, grid):
    with pytest.raises(DataError, match=r"give a positive, finite number whose inverse is whole, such as"):
        run(bars_csv, decide(hour(0) + LONG), **grid)


def test_slippage_leaves_prices_above_zero(bars_csv, decide):
    # The lowest low is 94: of 1,880 ticks of 0.05 nothing would be left.
    decisions = decide(hour(0) + LONG)
    run(bars_csv, decisions, rules=RiskRules(slippage_ticks=1879), tick=0.05)
    with pytest.raises(
        ConfigError, match=r"lowest price of bars, 94, to zero or below: give fewer than 1,880"
    ):
        run(bars_csv, decisions, rules=RiskRules(slippage_ticks=1880), tick=0.05)


@pytest.mark.parametrize(
    ("head", "lines", "match"),
    [
        (HEAD + ",stop", [hour(0) + LONG + ",96"], r"has 2 columns stop: keep one of them\."),
        (HEAD, [hour(0) + LONG, hour(1) + ",long,1,,95"], r"line 3 of .* has 5 fields, fewer than the 7 of"),
        (HEAD, [hour(0) + LONG, "", hour(1) + LONG + ",,"], r"line 4 of .* has 9 fields, more than the 7 of"),
        (HEAD.replace("time", "TIME", 1), [hour(0) + LONG], r"has no column time, but one called 'TIME': wr"),
        (
            HEAD.replace(",exit_time", ", Exit_Time"),
            [hour(0) + LONG],
            r"one called ' Exit_Time': write exit_",
        ),
        (",,,", ["1,1,1,1"], r"has no column time: give the open time of each deciding bar there\."),
        (HEAD, [hour(0) + ",long,nan,,95,110,"], r"line 2 of .* has the quantity 'nan': give a number, or"),
        (
            HEAD,
            [hour(0) + ",long,1,,NaN,110,"],
            r"line 2 of .* has the stop 'NaN': give a price, or leave it",
        ),
        (HEAD, [hour(0) + ",long,1,,95,110,null"], r"line 2 of .* has the exit_time 'null': give a time, or"),
    ],
)
def test_a_table_that_would_be_misread_is_refused(bars_csv, decide, head, lines, match):
    with pytest.raises(DataError, match=match) as raised:
        run(bars_csv, decide(*lines, head=head))
    assert "CSV file (" not in str(raised.value)


def test_packed_tables_are_looked_at_too(bars_csv, decide, tmp_path):
    import gzip
    import zipfile

    text = decide(f"{hour(0)},long,1,,95").read_bytes()
    (tmp_path / "packed.csv.gz").write_bytes(gzip.compress(text))
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        archive.writestr("decisions.csv", text)
    for name in ("packed.csv.gz", "packed.zip"):
        with pytest.raises(DataError, match=r"line 2 of .* has 5 fields, fewer than the 7 of the header"):
            run(bars_csv, tmp_path / name)


def test_sides_by_name_are_of_no_run_whatever_columns_stand_beside_them(bars_csv, decide):
    head = HEAD + ",units,max_bars"
    done = run(bars_csv, decide(f"{hour(0)},long,10,,98,103,,7,0", head=head))
    assert trades_of(done) == [(1, 2, 1, 10, 100, 104)]
