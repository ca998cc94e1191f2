"""Funding and borrow in every engine: identical where it is charged, refused and said where it is not."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from execution_cases import Case, make_case

from mlstrat.backtest import backtest
from mlstrat.config import load_config, parse_config
from mlstrat.data.carry import BORROW, FUNDING, RateSeries, carry_of
from mlstrat.data.timeframe import Timeframe
from mlstrat.engines import ENGINES
from mlstrat.errors import ConfigError, DataError, ReproductionError, RunFolderError
from mlstrat.execution.kernel import simulate
from mlstrat.execution.types import CHARGED_COLUMNS, OPEN, STOP, TARGET, TIME
from mlstrat.parity import certificate
from mlstrat.parity.compare import compare
from mlstrat.parity.verify import verify
from mlstrat.pipeline import load_bars
from mlstrat.pipeline import run as run_in_memory
from mlstrat.reproduce import reproduce

SEEDS = range(2000, 2070)
CHARGING = [name for name, engine in ENGINES.items() if engine.charges and name != "kernel"]


def charged_case(seed) -> Case:
    """A random case whose bars have pauses, are days in one of three, and have rates at random stamps."""
    case, rng = make_case(seed, 120), np.random.default_rng(seed)
    step = Timeframe("1d" if seed % 3 == 0 else "1h")
    places = np.arange(120) + np.cumsum(rng.choice([0, 0, 0, 0, 0, 2], 120))
    time = case.bars.time[0] + places * step.delta
    # Quarters of a bar, so that stamps fall on opens and closes, inside bars and into pauses.
    clock = np.arange(time[0], time[-1] + step.delta, step.delta // 4)
    stamps = np.sort(rng.choice(clock, int(rng.integers(5, len(clock) // 2)), replace=False))
    series = [
        RateSeries(FUNDING, stamps, rng.normal(0.0, rng.choice([0.0001, 0.003]), len(stamps))),
        RateSeries(BORROW, stamps[::3], rng.uniform(0.0, 0.002, len(stamps[::3]))),
    ][: 1 + seed % 2]
    bars = replace(case.bars, time=time, timeframe=step)
    bars = replace(bars, carry=carry_of(bars.time, bars.close_time, series))
    return Case(bars, replace(case.decisions, time=np.array(time)), case.rules)


def engine_or_skip(name):
    engine = ENGINES[name]
    if engine.missing is not None:
        pytest.skip(f"needs {engine.missing.distribution}: pip install 'mlstrat[{engine.extra}]'")
    return engine


@pytest.mark.parametrize("name", CHARGING)
def test_random_cases_are_charged_alike(name):
    engine, differences = engine_or_skip(name), {}
    for seed in SEEDS:
        case = charged_case(seed)
        kernel = simulate(case.bars, case.decisions, case.rules)
        other = engine.run(case.bars, case.decisions, case.rules)
        found = compare(kernel, other, case.bars)
        assert other.charged
        if not found.same:
            differences[seed] = found.differences[0]
        np.testing.assert_allclose(other.trades.funding, kernel.trades.funding, rtol=1e-9, atol=1e-9)
    assert differences == {}


def test_the_random_cases_reach_every_kind_of_charge():
    cases = [charged_case(seed) for seed in SEEDS]
    results = [simulate(case.bars, case.decisions, case.rules) for case in cases]
    bare = [simulate(case.bars.without_carry(), case.decisions, case.rules) for case in cases]
    trades = [result.trades for result in results]
    reasons = np.concatenate([one.reason for one in trades])
    funding = np.concatenate([one.funding for one in trades])
    assert set(reasons[funding > 0]) == set(reasons[funding < 0]) == {OPEN, STOP, TARGET, TIME}
    sides = np.concatenate([one.side for one in trades])
    assert {(side, paid) for side, paid in zip(sides, funding > 0, strict=True)} == {
        (1, True),
        (1, False),
        (-1, True),
        (-1, False),
    }
    moved = [one.blocked != other.blocked for one, other in zip(results, bare, strict=True)]
    assert sum(moved) > 3  # breakers that funding opened
    assert sum(len(one.trades) != len(other.trades) for one, other in zip(results, bare, strict=True)) > 3


def test_a_difference_in_funding_alone_is_named():
    case = charged_case(2000)
    result = simulate(case.bars, case.decisions, case.rules)
    moved = np.array(result.trades.funding)
    moved[4] += 0.5
    other = replace(result, trades=replace(result.trades, funding=moved))
    found = compare(result, other, case.bars)
    assert found.causes == {"funding": 1}


def test_pine_refuses_what_it_cannot_charge():
    engine, case = engine_or_skip("pine"), charged_case(2001)
    with pytest.raises(ConfigError, match=r"neither funding nor borrow: give bars.without_carry\(\)"):
        engine.run(case.bars, case.decisions, case.rules)


def test_a_vectorbt_portfolio_ends_with_the_results_equity_and_profits():
    engine_or_skip("vectorbt")
    from mlstrat.engines.on_vectorbt import portfolio

    case = charged_case(2005)
    result = simulate(case.bars, case.decisions, case.rules)
    made = portfolio(case.bars, result)
    np.testing.assert_allclose(made.value().iloc[-1], result.equity[-1], rtol=1e-9)
    closed = result.trades.closed
    np.testing.assert_allclose(
        made.trades.values["pnl"][: closed.sum()], result.trades.profit[closed], rtol=1e-6, atol=1e-6
    )


@pytest.fixture(scope="module")
def config(tiny_config, tmp_path_factory):
    """The tiny configuration on five months of bars, with funding three times a day and borrow once."""
    folder = tmp_path_factory.mktemp("data")
    sections = tiny_config.model_dump()
    sections["data"] |= {"start": "2023-01-01", "end": "2023-06-01"}
    sections["signals"] |= {"threshold": 0.5}
    bars = load_bars(parse_config(sections))
    bars.frame().to_parquet(folder / "BTCUSDT_1h.parquet")
    stamps = pd.date_range("2022-12-25", "2023-06-10", freq="8h", tz="UTC")
    rates = np.random.default_rng(1).normal(0.0001, 0.0005, len(stamps))
    pd.DataFrame({"time": stamps, "rate": rates}).to_csv(folder / "funding.csv", index=False)
    pd.DataFrame({"time": stamps[::3], "rate": 0.0002}).to_parquet(folder / "borrow.parquet", index=False)
    sections["data"]["bars"] = str(folder / "BTCUSDT_1h.parquet")
    sections["instrument"] |= {
        "funding": str(folder / "funding.csv"),
        "borrow": str(folder / "borrow.parquet"),
    }
    return parse_config(sections)


@pytest.fixture(scope="module")
def finished(config, tmp_path_factory):
    return backtest(config, tmp_path_factory.mktemp("runs") / "one", engine="kernel")


def test_a_run_charges_says_so_and_is_verified_in_every_engine(config, finished):
    trades = pd.read_csv(finished.folder / "trades.csv")
    assert tuple(trades.columns) == CHARGED_COLUMNS
    assert (trades.funding != 0).mean() > 0.2
    way = np.where(trades.side == "long", 1, -1)
    moved = way * trades.units * (trades.exit_price - trades.entry_price)
    np.testing.assert_allclose(trades.profit, moved - trades.commission - trades.funding, atol=1e-8)
    performance = json.loads((finished.folder / "metrics.json").read_text())
    assert f"{trades.funding.sum():.12g}"[:8] in json.dumps(performance)
    page = (finished.folder / "report.html").read_text()
    assert "Funding and borrow are charged at each stamp while a position is held" in page
    assert "are not charged" not in page
    assert "Funding and borrow paid (USDT)" in page
    assert "Profit after commission and funding (USDT)" in page
    assert ">Funding</th>" in page
    verified = verify(finished.folder)
    assert verified.identical
    assert [outcome.engine.name for outcome in verified.outcomes] == list(ENGINES)
    if ENGINES["pine"].missing is None:
        assert (
            "Pine charges neither funding nor borrow: it was compared with the kernel without them."
            in certificate.sentences(verified)
        )
    hashes = certificate.as_json(verified)["hashes"]
    assert hashes["carry_sha256"] == load_bars(config).carry.sha256


def test_a_run_is_made_again_from_any_folder(finished, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert reproduce(finished.folder).differences == ()


def test_other_rates_are_another_run_wherever_they_lie(config, finished, tmp_path):
    content = config.model_dump()
    moved = tmp_path / "elsewhere.csv"
    text = Path(config.instrument.funding).read_text()
    moved.write_text(text)
    content["instrument"]["funding"] = str(moved)
    assert backtest(parse_config(content), finished.folder, engine="kernel").reused
    lines = text.splitlines()
    lines[200] = lines[200].split(",")[0] + ",0.01"
    moved.write_text("\n".join(lines))
    with pytest.raises(RunFolderError, match="the bars or the instrument's facts or rates changed"):
        backtest(parse_config(content), finished.folder, engine="kernel")
    content["instrument"]["borrow"] = ""
    with pytest.raises(RunFolderError, match=r"instrument\.borrow was True and is None"):
        backtest(parse_config(content), finished.folder, engine="kernel")


def test_a_run_whose_rates_are_gone_or_changed_is_not_verified(config, finished, tmp_path):
    manifest = json.loads((finished.folder / "manifest.json").read_text())
    assert manifest["sources"]["funding"] == config.instrument.funding
    path = Path(config.instrument.funding)
    kept = path.read_text()
    try:
        path.write_text(kept.replace("2023-03-01 08:00:00", "2023-03-01 07:30:00"))
        with pytest.raises(ReproductionError, match=r"the facts or rates of BTCUSDT .* bring them back"):
            verify(finished.folder)
        path.unlink()
        with pytest.raises(DataError, match=r"funding\.csv, which is not there: put it back"):
            verify(finished.folder)
    finally:
        path.write_text(kept)


def test_a_series_that_ends_early_is_said_in_the_report(config, finished, tmp_path):
    content = config.model_dump()
    rates = pd.read_csv(config.instrument.funding)[:400]
    rates.to_csv(tmp_path / "short.csv", index=False)
    content["instrument"] |= {"funding": str(tmp_path / "short.csv"), "borrow": ""}
    done = backtest(parse_config(content), tmp_path / "run", engine="kernel")
    page = (done.folder / "report.html").read_text()
    assert "The series of funding ends with 2023-05-07" in page
    assert "Funding is charged at each stamp while a position is held" in page
    assert "no borrow is charged" in page


def test_a_relative_path_is_taken_from_the_run_files_folder(tmp_path):
    (tmp_path / "rates").mkdir()
    (tmp_path / "run.toml").write_text('[instrument]\nfunding = "rates/f.csv"\n')
    config = load_config(tmp_path / "run.toml", ["instrument.borrow=rates/b.csv"])
    assert config.instrument.funding == str(tmp_path / "rates" / "f.csv")
    assert config.instrument.borrow == str(tmp_path / "rates" / "b.csv")
    assert not {"funding", "borrow"} & config.result_content()["instrument"].keys()
    assert config.instrument.facts() == {}


def test_bars_in_memory_get_the_rates_of_the_settings(config):
    plain = config.model_copy(update={"instrument": config.instrument.model_copy(update={"funding": ""})})
    bare = load_bars(config).without_carry()
    made = run_in_memory(plain, bars=bare)
    assert [one.name for one in made.panel.bars.carry.series] == [BORROW]
    assert made.result.charged


def test_certificates_of_pine_are_of_the_run_without_funding(tiny_config, tmp_path):
    engine_or_skip("pine")
    from mlstrat.parity.frozen import read_run
    from mlstrat.parity.script.sentences import UNCHARGED, sentences
    from mlstrat.parity.script.verifying import verify_script
    from mlstrat.pine.exported import export_run

    sections = tiny_config.model_dump()
    sections["data"] |= {"start": "2021-09-06", "end": "2021-12-20"}
    sections["splits"] |= {"training_days": 36, "retrain": "week"}
    sections["features"]["names"] = ["ret_1", "ret_5", "rsi_7", "bb_position", "volume_ratio", "hour_sin"]
    sections["models"] |= {"characters": 2}
    sections["signals"] |= {"threshold": 0.5}
    sections["instrument"] |= {"fee_share": 0.0}
    stamps = pd.date_range("2021-09-01", "2021-12-24", freq="8h", tz="UTC")
    pd.DataFrame({"time": stamps, "rate": 0.01}).to_csv(tmp_path / "funding.csv", index=False)
    sections["instrument"] |= {"funding": str(tmp_path / "funding.csv")}
    folder = backtest(parse_config(sections), tmp_path / "run", engine="kernel").folder
    run = read_run(folder)
    assert run.past.bars.carry is not None
    assert run.on(run.past.bars).bars.carry is None
    verified = verify_script(folder, export_run(folder), starts=False)
    assert verified.identical
    assert verified.cases[0].measured.comparison.total > 0
    assert UNCHARGED in sentences(verified)
