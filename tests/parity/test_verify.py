"""A finished run is certified: every engine against the kernel, and nothing that was tampered with."""

import json
import shutil
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pandas as pd
import pytest
from planted import with_trade, without_trades

from mlstrat.backtest import backtest
from mlstrat.config import parse_config
from mlstrat.engines import ENGINES, registry
from mlstrat.errors import ConfigError, DataError, MissingExtraError, ReproductionError, RunFolderError
from mlstrat.execution.kernel import simulate
from mlstrat.execution.types import DECISION_COLUMNS
from mlstrat.parity import certificate
from mlstrat.parity.verify import read_past, verify
from mlstrat.pipeline import load_bars


@pytest.fixture(scope="module")
def config(tiny_config, tmp_path_factory):
    """The tiny configuration on five months of bars in a file of their own, without fees."""
    sections = tiny_config.model_dump()
    sections["data"] |= {"start": "2023-01-01", "end": "2023-06-01"}
    sections["signals"] |= {"threshold": 0.5}
    sections["instrument"] |= {"fee_share": 0.0}
    path = tmp_path_factory.mktemp("data") / "BTCUSDT_1h.parquet"
    load_bars(parse_config(sections)).frame().to_parquet(path)
    sections["data"]["bars"] = str(path)
    return parse_config(sections)


@pytest.fixture(scope="module")
def finished(config, tmp_path_factory):
    return backtest(config, tmp_path_factory.mktemp("runs") / "one", engine="kernel").folder


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "copy")


@pytest.fixture
def planted(monkeypatch):
    """Let an engine return the kernel's result with something changed."""

    def plant(change, name="backtrader"):
        def run(bars, decisions, rules):
            return replace(change(simulate(bars, decisions, rules)), engine=name)

        monkeypatch.setitem(ENGINES, name, replace(ENGINES[name], load=lambda: run, packages=()))

    return plant


def ticking():
    moments = iter(range(1000))
    return lambda: float(next(moments))


def test_every_installed_engine_makes_the_runs_trades(finished):
    verified = verify(finished, clock=ticking())
    written = len(pd.read_csv(finished / "trades.csv"))
    assert written > 10
    assert [outcome.engine.name for outcome in verified.outcomes] == list(ENGINES)
    for outcome in verified.outcomes:
        if outcome.engine.missing is None:
            assert outcome.comparison is not None
            assert (outcome.comparison.identical, outcome.comparison.total) == (written, written)
            assert outcome.seconds == 1.0
    assert verified.identical
    assert verified.outcomes[0].wrote_trades  # the run was executed by the kernel
    assert (verified.written.identical, verified.written.total) == (written, written)
    assert certificate.sentences(verified)[0].startswith(
        f"{written} of {written} trades identical in the kernel"
    )


def test_the_certificate_says_what_was_executed_and_is_the_same_every_time(copy, config):
    verified = verify(copy, engines=["backtrader"])
    paths = certificate.write(copy, verified)
    assert [path.name for path in paths] == ["certificate-backtrader.json", "certificate-backtrader.html"]
    first = [path.read_bytes() for path in paths]
    certificate.write(copy, verify(copy, engines=["backtrader"]))
    assert [path.read_bytes() for path in paths] == first
    said, manifest = json.loads(first[0]), json.loads((copy / "manifest.json").read_text())
    assert said["identical"] is True
    assert said["hashes"]["decisions_sha256"] == manifest["decisions_sha256"]
    assert said["hashes"]["data_sha256"] == manifest["inputs"]["data_sha256"]
    assert said["hashes"]["bars_sha256"] == load_bars(config).sha256
    assert set(said["engines"]) == {"kernel", "backtrader"}
    assert said["engines"]["kernel"]["same_trades_csv"] is True
    counted = said["engines"]["backtrader"]
    assert counted["identical"] == counted["total"] == said["trades"]
    assert set(counted["largest_difference"]) == {"price", "units", "profit", "equity"}
    assert counted["versions"]["backtrader"] != "not installed"
    page = first[1].decode()
    assert "Parity certificate" in page
    assert f"{counted['total']} of {counted['total']}" in page
    assert manifest["decisions_sha256"] in page
    assert "http" not in page
    assert "<script" not in page


def test_a_difference_is_certified_as_one(copy, planted):
    def change(result):
        later = with_trade(result, 2, exit_bar=result.trades.exit_bar[2] + 1)
        return without_trades(with_trade(later, 5, entry_price=result.trades.entry_price[5] + 3.0), 8)

    planted(change)
    verified = verify(copy, engines=["backtrader"])
    n = len(verified.reference.trades)
    assert not verified.identical
    paths = certificate.write(copy, verified)
    said = json.loads(paths[0].read_text())
    assert said["identical"] is False
    assert said["verdict"][0] == f"Not identical: Backtrader makes {n - 3} of {n} trades as the kernel does."
    assert "Backtrader differs in fill bar (1), price (1) and missing (1)." in said["verdict"]
    found = said["engines"]["backtrader"]
    assert [(item["trade"], item["cause"]) for item in found["differences"]] == [
        (2, "fill bar"),
        (5, "price"),
        (8, "missing"),
    ]
    assert found["largest_difference"]["price"] == pytest.approx(3.0)
    page = paths[1].read_text()
    assert "What differs in Backtrader" in page
    assert "300 ticks apart" in page


def test_trades_that_the_run_did_not_write_are_no_parity(copy):
    manifest = json.loads((copy / "manifest.json").read_text())
    path = copy / "trades.csv"
    path.write_bytes(path.read_bytes().replace(b"stop", b"time", 1))
    manifest["outputs"]["trades.csv"] = sha256(path.read_bytes()).hexdigest()
    (copy / "manifest.json").write_text(json.dumps(manifest))
    verified = verify(copy, engines=["backtrader"])
    assert not verified.identical
    said = certificate.sentences(verified)
    assert said[0] == "Not identical: the trades are not those that the run wrote."
    assert "kernel, which executed the run, does not write the same bytes as the run's trades.csv." in said


def rewritten(folder, content, engine="kernel"):
    """Put other trades into a run's folder, with the hash of its manifest made to agree."""
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "trades.csv").write_bytes(content)
    manifest["outputs"]["trades.csv"] = sha256(content).hexdigest()
    manifest["inputs"]["engine"] = engine
    (folder / "manifest.json").write_text(json.dumps(manifest))


def lines_of(folder):
    return (folder / "trades.csv").read_bytes().splitlines(keepends=True)


def test_other_trades_are_found_whatever_engine_runs_and_executed_the_run(copy, planted):
    for name in ("backtrader", "vectorbt", "pine"):
        planted(lambda result: result, name)
    lines = lines_of(copy)
    n, third = len(lines) - 1, lines[3].decode().split(",")[3]
    dearer = lines[3].replace(b".", b"9.", 1)
    planted_files = {
        "a line less": [*lines[:3], *lines[4:]],
        "another number": [*lines[:3], dearer, *lines[4:]],
        "a field less": [*lines[:3], lines[3].rpartition(b",")[0], b"\n", *lines[4:]],
        "a field more": [*lines[:3], lines[3].rstrip(), b",1\n", *lines[4:]],
        "cut in a line": [*lines[:3], lines[3][:-4], b"\n", *lines[4:]],
    }
    for what, changed in planted_files.items():
        rewritten(copy, b"".join(changed), engine="vectorbt")
        for name in ("backtrader", "vectorbt", "pine"):
            verified = verify(copy, engines=[name])
            assert not verified.identical, (what, name)
            said = certificate.sentences(verified)
            assert f"The run's trades.csv holds {n - 1} of {n} trades of the kernel; the first" in said[1]
            assert said[1].endswith(f"the entry of {third}."), (what, name)
            written = json.loads(certificate.write(copy, verified)[0].read_text())
            assert written["identical"] is False
            assert written["trades.csv"]["by_own_engine"] is (name == "vectorbt")
    rewritten(copy, b"".join([*lines, lines[-1].replace(b"20", b"19")]))
    found = verify(copy, engines=["pine"]).written
    assert (found.identical, found.total) == (n, n + 1)
    rewritten(copy, b"".join([b"side,units\n", *lines[1:]]))
    verified = verify(copy, engines=["pine"])
    assert not verified.identical
    assert certificate.sentences(verified)[1] == "The run's trades.csv has not the columns of one."


def test_last_bits_of_another_engine_are_no_difference(copy, planted):
    planted(lambda result: result)
    lines = lines_of(copy)
    cells = lines[1].decode().split(",")
    cells[8] = repr(float(cells[8]) + 1e-12 * float(cells[2]) * float(cells[5]))
    rewritten(copy, b"".join([lines[0], ",".join(cells).encode(), *lines[2:]]), engine="pine")
    verified = verify(copy, engines=["backtrader"])
    assert verified.identical
    assert not verified.own_ran
    assert (
        "Pine, which executed the run, did not run here: that it writes these bytes is not certified."
        in certificate.sentences(verified)
    )


def test_a_certificate_of_some_engines_leaves_that_of_all(copy, planted):
    for name in ("backtrader", "vectorbt", "pine"):
        planted(lambda result: result, name)
    full = certificate.write(copy, verify(copy))
    assert [path.name for path in full] == ["certificate.json", "certificate.html"]
    before = [path.read_bytes() for path in full]
    some = certificate.write(copy, verify(copy, engines=["pine", "backtrader"]))
    assert [path.name for path in some] == [
        "certificate-backtrader-pine.json",
        "certificate-backtrader-pine.html",
    ]
    assert [path.read_bytes() for path in full] == before


def test_where_no_other_engine_ran_nothing_is_certified(copy, planted, monkeypatch):
    def refuse(result):
        raise ConfigError("slippage is 0.5 ticks: give whole ticks.")

    for name in ("backtrader", "vectorbt", "pine"):
        planted(refuse, name)
    with pytest.raises(ConfigError, match=r"nothing can be compared, .* whole ticks\): change these"):
        verify(copy)
    gone = registry.Package("not_there_at_all", "vectorbt")
    monkeypatch.setitem(ENGINES, "vectorbt", replace(ENGINES["vectorbt"], packages=(gone,)))
    with pytest.raises(MissingExtraError, match=r"Nothing can be compared: the vectorbt engine needs .*pip"):
        verify(copy)


@pytest.mark.parametrize("name", ["decisions.parquet", "trades.csv"])
def test_tampered_files_are_refused(copy, name):
    path = copy / name
    if name.endswith("parquet"):
        frame = pd.read_parquet(path)
        frame.loc[frame.side != 0, "fraction"] *= 0.5
        frame.to_parquet(path)
    else:
        path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(RunFolderError, match=f"{name} is missing or changed since the run wrote it"):
        verify(copy)
    path.unlink()
    with pytest.raises(RunFolderError, match=r"so nothing can be certified: restore it, or run again\."):
        verify(copy)


def test_other_bars_are_refused_and_moved_ones_found(copy, config, tmp_path):
    moved = tmp_path / "BTCUSDT_1h.parquet"
    frame = pd.read_parquet(config.data.bars)
    frame.to_parquet(moved)
    assert verify(copy, engines=["backtrader"], bars=str(moved)).identical
    frame.iloc[500, frame.columns.get_loc("volume")] *= 2.0
    frame.to_parquet(moved)
    with pytest.raises(ReproductionError, match=r"are not those that .* was made from: bring them back"):
        verify(copy, bars=str(moved))
    with pytest.raises(DataError, match=r"which is not there: give its place with --bars\."):
        verify(copy, bars=str(tmp_path / "gone.parquet"))


def test_a_folder_without_a_finished_run_is_refused(copy, tmp_path):
    with pytest.raises(RunFolderError, match="holds no finished run: give the folder"):
        verify(tmp_path)
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, "state": "running"}))
    with pytest.raises(RunFolderError, match="is not that of a finished run: run the same command again"):
        verify(copy)


def test_engines_that_are_not_installed_are_listed(copy, planted, monkeypatch):
    planted(lambda result: result)
    find = registry.find_spec
    monkeypatch.setattr(
        registry, "find_spec", lambda name: None if name in ("vectorbt", "pynecore") else find(name)
    )
    verified = verify(copy)
    assert verified.identical
    assert [outcome.engine.name for outcome in verified.compared] == ["backtrader"]
    said = certificate.sentences(verified)
    assert 'vectorbt was not compared: not installed: pip install "mlstrat[vectorbt]".' in said
    assert 'Pine was not compared: not installed: pip install "mlstrat[pine]".' in said
    written = json.loads(certificate.write(copy, verified)[0].read_text())["engines"]["pine"]
    assert written["ran"] is False
    assert written["why_not"] == 'not installed: pip install "mlstrat[pine]"'
    with pytest.raises(MissingExtraError, match="The vectorbt engine needs the package vectorbt"):
        verify(copy, engines=["vectorbt"])


def test_without_any_other_engine_there_is_nothing_to_compare(copy, monkeypatch):
    monkeypatch.setattr(registry, "find_spec", lambda name: name in ("numba", "numpy") or None)
    with pytest.raises(MissingExtraError, match="Backtrader engine needs the package backtrader"):
        verify(copy)


def test_rules_that_an_engine_cannot_follow_are_listed_unless_it_was_asked_for(copy, planted):
    def refuse(result):
        raise ConfigError("slippage is 0.5 ticks: give whole ticks.")

    planted(lambda result: result, "vectorbt")
    planted(lambda result: result, "pine")
    planted(refuse)
    verified = verify(copy)
    assert verified.identical
    assert (
        "Backtrader was not compared: cannot execute this run: slippage is 0.5 ticks: give whole ticks."
        in certificate.sentences(verified)
    )
    with pytest.raises(ConfigError, match="give whole ticks"):
        verify(copy, engines=["backtrader"])


def test_engines_are_asked_for_by_name(copy):
    with pytest.raises(ConfigError, match="the engine kernel is what the others are compared with"):
        verify(copy, engines=["kernel"])
    with pytest.raises(ConfigError, match="there is no engine 'zipline'"):
        verify(copy, engines=["zipline"])


def test_the_rules_and_decisions_are_the_runs_own(copy, config):
    past = read_past(copy)
    assert past.rules.fee_share == config.instrument.fee_share == 0.0
    assert past.rules.cash == config.execution.cash
    frame = pd.read_parquet(copy / "decisions.parquet")
    for name in DECISION_COLUMNS:
        np.testing.assert_array_equal(getattr(past.decisions, name), frame[name].to_numpy(), name)


def test_no_page_without_jinja(copy, monkeypatch, planted):
    planted(lambda result: result)
    verified = verify(copy, engines=["backtrader"])
    monkeypatch.setattr(certificate, "find_spec", lambda name: None)
    assert [path.name for path in certificate.write(copy, verified)] == ["certificate-backtrader.json"]
