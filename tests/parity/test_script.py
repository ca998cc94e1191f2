"""A run's exported script says and trades what its stored windows do; whatever differs is found and told."""

import json
import shutil
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from mlstrat.backtest import backtest
from mlstrat.cli.group import Commands
from mlstrat.config import parse_config
from mlstrat.engines import ENGINES
from mlstrat.engines.registry import Package
from mlstrat.errors import DataError, MissingExtraError
from mlstrat.execution.kernel import simulate
from mlstrat.execution.types import OPEN
from mlstrat.parity.script import certificate as script_certificate
from mlstrat.parity.script import verifying as script_module
from mlstrat.parity.script.measure import due, held
from mlstrat.parity.script.sentences import sentences
from mlstrat.parity.script.verifying import Chart, Second, read_chart, verify_script
from mlstrat.parity.verify import read_past
from mlstrat.pine.exported import export_run, with_feature_plots
from mlstrat.pipeline import load_bars
from mlstrat.reports import tradingview

pytest.importorskip("pine2pyne", reason="needs opencode-pine2pyne: pip install 'mlstrat[pine]'")
pytest.importorskip("pynecore", reason="needs pynesys-pynecore: pip install 'mlstrat[pine]'")


@pytest.fixture(scope="module")
def config(tiny_config):
    sections = tiny_config.model_dump()
    sections["data"] |= {"start": "2021-09-06", "end": "2021-12-20"}
    sections["splits"] |= {"training_days": 36, "retrain": "week"}
    sections["features"]["names"] = ["ret_1", "ret_5", "rsi_7", "bb_position", "volume_ratio", "hour_sin"]
    sections["models"] |= {"characters": 2}
    sections["sentiment"] |= {"source": "sample:headlines", "resolution": "1d"}
    sections["instrument"] |= {"fee_share": 0.0}
    return parse_config(sections)


@pytest.fixture(scope="module")
def finished(config, tmp_path_factory):
    return backtest(config, tmp_path_factory.mktemp("runs") / "one", engine="kernel").folder


@pytest.fixture(scope="module")
def script(finished):
    return export_run(finished)


@pytest.fixture(scope="module")
def verified(finished, script, config):
    """The run's own bars, later beginnings, and bars that reach beyond the run on both sides."""
    data = config.data.model_copy(update={"start": "2021-09-01", "end": "2021-12-24"})
    more = load_bars(config.model_copy(update={"data": data}))
    return verify_script(finished, script, others=[Chart("other bars", more)])


@pytest.fixture(autouse=True)
def no_second_opinion(monkeypatch):
    monkeypatch.setattr(script_module, "find_pinets", lambda: None)


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "copy")


def changed(script, old, new):
    assert script.text.count(old) >= 1, old
    return replace(script, text=script.text.replace(old, new))


def alone(folder, script):
    return verify_script(folder, script, starts=False)


def test_the_script_is_python_on_every_chart(verified, script):
    assert verified.identical
    own, *later, other = (case.measured for case in verified.cases)
    assert len(later) >= 2
    known = verified.run.on(verified.run.past.bars).predictions.known
    assert own.spoken == known.sum()
    assert own.comparison.total > 20
    for measured in (own, *later, other):
        assert measured.spoken > 200
        assert (measured.loose, measured.mute) == (0, 0)
        assert measured.signals == measured.bars
        assert measured.comparison.identical == measured.comparison.total
        assert set(measured.features) == set(script.features)
        assert max(measured.features.values()) < 1e-9
    assert all(measured.from_run.bars == measured.spoken for measured in later)
    assert own.from_run is None
    assert other.spoken == own.spoken  # silent after the last bar that was tested


def test_a_later_chart_is_silent_until_it_is_warm(verified, script):
    for case in verified.cases[1:-1]:
        spoken = np.isfinite(case.prob_up)
        assert not spoken[: script.warmup].any()
        assert spoken[script.settled :].all()


def test_the_certificate_is_the_same_every_time_and_names_the_script(copy, verified, script):
    paths = script_certificate.write(copy, verified)
    assert [path.name for path in paths] == [
        "pine-certificate.json",
        "pine-certificate.html",
        "report.html",
    ]
    first = [path.read_bytes() for path in paths]
    script_certificate.write(
        copy, replace(verified, cases=tuple(replace(c, seconds=9.0) for c in verified.cases))
    )
    assert [path.read_bytes() for path in paths] == first
    said = json.loads(first[0])
    assert said["identical"] is True
    assert said["script"]["sha256"] == sha256(script.text.encode()).hexdigest()
    assert set(said["versions"]) == {"pynesys-pynecore", "opencode-pine2pyne"}
    assert [chart["chart"] for chart in said["charts"]] == [case.chart.name for case in verified.cases]
    trades = sum(chart["trades"]["total"] for chart in said["charts"])
    assert said["verdict"][0].startswith(f"The script makes {trades} of {trades} trades as Python does on ")
    assert "the run's own at" in said["verdict"][2]
    page = first[1].decode()
    assert said["verdict"][0] in page
    assert "hour_sin" in page
    assert "http" not in page
    assert "<script" not in page


def test_the_report_gains_one_section_and_the_run_stays_whole(copy, verified, config):
    before = (copy / "report.html").read_text()
    assert "<h2>TradingView</h2>" not in before
    script_certificate.write(copy, verified)
    script_certificate.write(copy, verified)
    page = (copy / "report.html").read_text()
    assert page.count("<h2>TradingView</h2>") == 1
    assert sentences(verified)[0] in page
    manifest = json.loads((copy / "manifest.json").read_text())
    assert manifest["outputs"]["report.html"] == sha256(page.encode()).hexdigest()
    assert backtest(config, copy, engine="kernel").reused
    read_past(copy)
    (copy / "pine-certificate.json").unlink()
    assert tradingview.renew(copy)
    assert (copy / "report.html").read_text() == before


def test_a_report_that_is_not_the_runs_is_left_alone(copy, verified):
    page = copy / "report.html"
    page.write_text(page.read_text() + "mine")
    mine = page.read_bytes()
    assert "report.html" not in [path.name for path in script_certificate.write(copy, verified)]
    assert page.read_bytes() == mine


def test_the_certificate_of_another_run_is_not_in_the_page(copy, verified):
    script_certificate.write(copy, verified)
    path = copy / "pine-certificate.json"
    content = json.loads(path.read_text())
    for other in ({**content, "run": {**content["run"], "key": "0"}}, {**content, "schema": 0}, []):
        path.write_text(json.dumps(other))
        assert tradingview.renew(copy)
        assert "<h2>TradingView</h2>" not in (copy / "report.html").read_text()


def test_a_report_made_again_keeps_the_section(copy, verified, config):
    script_certificate.write(copy, verified)
    (copy / "metrics.json").unlink()  # as where a run was interrupted while it wrote
    assert not backtest(config, copy, engine="kernel").reused
    assert (copy / "report.html").read_text().count("<h2>TradingView</h2>") == 1


def test_another_probability_is_found(finished, script):
    found = alone(finished, changed(script, "plot(probUp,", "plot(probUp + 0.00000001,"))
    measured = found.cases[0].measured
    assert not found.identical
    assert measured.prob_up == pytest.approx(1e-8)
    assert measured.comparison.same
    assert sentences(found)[0] == "Not identical: the script differs from Python on 1 of 1 chart."
    assert sentences(found)[1] == "On the run's own bars: its probability differs by up to 1e-08."


def test_another_size_is_found(finished, script, config):
    share = config.kelly.multiplier
    found = alone(finished, changed(script, f"input.float({share}, ", f"input.float({share / 2}, "))
    measured = found.cases[0].measured
    assert not found.identical
    assert measured.prob_up < 1e-9
    assert measured.signals < measured.bars
    assert measured.comparison.identical < measured.comparison.total
    assert set(measured.comparison.causes) & {"size", "missing"}
    assert "trades are identical, and what differs is" in sentences(found)[1]


def test_another_feature_is_measured(finished, script, monkeypatch):
    def wrong(exported):
        plotted = with_feature_plots(exported)
        for k, factor in ((1, "1.001"), (2, "(bar_index == 600 ? na : 1.0)")):
            plotted = plotted.replace(f"plot(array.get(x, {k}), ", f"plot(array.get(x, {k}) * {factor}, ")
        return plotted

    monkeypatch.setattr(script_module, "with_feature_plots", wrong)
    found = alone(finished, script)
    features = found.cases[0].measured.features
    assert features[script.features[1]] == pytest.approx(0.001)
    assert features[script.features[2]] == np.inf
    assert features[script.features[0]] < 1e-9
    assert f"The feature {script.features[2]} has no value in the script where Python has one." in sentences(
        found
    )
    json.dumps(script_certificate.as_json(found), allow_nan=False)


def test_silence_is_found(finished, script):
    spoken = "plot(probUp,"
    found = alone(finished, changed(script, spoken, "plot(bar_index % 50 == 0 ? na : probUp,"))
    measured = found.cases[0].measured
    assert not found.identical
    assert measured.mute > 10
    assert f"it has none at {measured.mute} bars where Python has one" in sentences(found)[1]


def test_a_word_too_early_is_found(finished, script):
    always = changed(script, "var bool trusted = false", "var bool trusted = true")
    always = changed(always, "trusted := ", "trusted := true or ")
    found = verify_script(finished, always)
    assert not found.identical
    assert found.cases[0].measured.identical
    assert any(case.measured.from_run.unlike for case in found.cases[1:])
    assert any("its probability is not the run's own" in sentence for sentence in sentences(found))


def test_windows_in_libraries_say_the_same_and_leave_nothing_behind(finished, verified):
    before = set(sys.modules), list(sys.path)
    script = export_run(finished, libraries=True)
    assert len(script.libraries) == script.windows
    found = alone(finished, script)
    assert found.identical
    np.testing.assert_array_equal(found.cases[0].prob_up, verified.cases[0].prob_up)
    assert not {name for name in set(sys.modules) - before[0] if name in script.libraries}
    assert sys.path == before[1]


def test_the_newest_window_alone(copy, config):
    script = export_run(copy, "latest")
    data = config.data.model_copy(update={"start": "2021-11-28", "end": "2022-01-12"})
    later = load_bars(config.model_copy(update={"data": data}))
    found = verify_script(copy, script, starts=False, others=[Chart("later bars", later)])
    assert found.identical
    run, speaks = found.run, np.isfinite(found.cases[1].prob_up)
    assert speaks[-1]  # it goes on, but enters no more when it is 14 days old
    stale = later.time - run.windows[-1].fitted.window.cut > np.timedelta64(14, "D")
    decided = run.on(later).decisions.side != 0
    assert (decided & stale & speaks).any()
    assert (decided & ~stale & speaks).any()
    names = [path.name for path in script_certificate.write(copy, found)]
    assert names == ["pine-certificate-latest.json", "pine-certificate-latest.html"]


def test_a_second_opinion_is_told_and_does_not_judge(verified):
    for second, told in (
        (Second("1.2", 3e-15, ""), "PineTS 1.2, another runtime, has the same probability within 3e-15"),
        (Second("1.2", None, "It broke."), "gave no second opinion: It broke."),
        (Second("1.2", float("inf"), ""), "has a probability at other bars of the run than PyneCore."),
    ):
        with_it = replace(verified, second=second)
        assert with_it.identical
        assert any(told in sentence for sentence in sentences(with_it))
        json.dumps(script_certificate.as_json(with_it), allow_nan=False)


def test_where_a_script_has_to_speak():
    fold = np.array([-1, 0, 0, 0, 0, 1, 1, -1])
    np.testing.assert_array_equal(due(fold, 0, 0), fold >= 0)
    np.testing.assert_array_equal(np.flatnonzero(due(fold, 3, 4)), [4, 5, 6])
    np.testing.assert_array_equal(np.flatnonzero(due(fold, 1, 9)), [1, 2, 3, 4, 5, 6])


def test_the_side_held_at_each_close(verified):
    past = verified.run.past
    result = simulate(past.bars, past.decisions, past.rules)
    side, expected = held(result), np.zeros(len(past.bars))
    for k in range(len(result.trades)):
        for bar in range(len(past.bars)):
            still = bar < result.trades.exit_bar[k] or result.trades.reason[k] == OPEN
            if result.trades.entry_bar[k] <= bar and still:
                expected[bar] = result.trades.side[k]
    np.testing.assert_array_equal(side, expected)


def test_bars_of_another_symbol_are_refused(finished, script, tmp_path):
    from mlstrat.data.synthetic import random_walk

    random_walk(700, 3).frame().to_parquet(tmp_path / "WALK_1h.parquet")
    chart = read_chart(finished, str(tmp_path / "WALK_1h.parquet"))
    assert chart.name == "the bars of WALK_1h.parquet"
    with pytest.raises(DataError, match=r"the run is of BTCUSDT .* these are of WALK"):
        verify_script(finished, script, starts=False, others=[chart])


def test_without_pynecore_nothing_is_done(finished, script, monkeypatch):
    missing = replace(ENGINES["pine"], packages=(Package("not_there", "pynesys-pynecore"),))
    monkeypatch.setitem(ENGINES, "pine", missing)
    with pytest.raises(MissingExtraError, match=r'pip install "mlstrat\[pine\]"'):
        verify_script(finished, script)


@pytest.fixture(scope="module")
def command():
    from mlstrat.cli.pine_verify_command import verify

    app = typer.Typer(cls=Commands)
    app.command("verify")(verify)
    app.command("other")(lambda: None)

    def run(*arguments):
        return CliRunner().invoke(app, ["verify", *map(str, arguments)])

    return run


def test_the_command_certifies(command, copy, tmp_path):
    file = tmp_path / "BTCUSDT_1h.parquet"
    read_past(copy).bars[:1500].frame().to_parquet(file)
    done = command(copy, "--no-starts", "--bars", file)
    assert done.exit_code == 0, done.output
    assert "The script makes" in done.stdout
    assert "on 2 charts" in done.stdout
    assert str(copy / "pine-certificate.html") in done.stdout
    assert "running the script on the run's own bars ..." in done.stderr


def test_the_command_ends_with_code_3_where_something_differs(command, copy, monkeypatch):
    from mlstrat.pine import exported

    def wrong(folder, mode, libraries):
        return changed(export_run(folder, mode, libraries=libraries), "plot(probUp,", "plot(probUp * 1.1,")

    monkeypatch.setattr(exported, "export_run", wrong)
    done = command(copy, "--no-starts")
    assert done.exit_code == 3, done.output
    assert "Not identical: the script differs from Python on 1 of 1 chart." in done.stdout
    assert json.loads((copy / "pine-certificate.json").read_text())["identical"] is False


def test_the_command_ends_with_the_codes_of_errors(command, copy, tmp_path, monkeypatch):
    assert command(tmp_path / "none").exit_code == 4
    assert command(copy, "--bars", tmp_path / "none.csv").exit_code == 3
    missing = replace(ENGINES["pine"], packages=(Package("not_there", "pynesys-pynecore"),))
    monkeypatch.setitem(ENGINES, "pine", missing)
    done = command(copy)
    assert done.exit_code == 5
    assert "Traceback" not in done.output
    assert Path(copy / "pine-certificate.json").exists() is False
