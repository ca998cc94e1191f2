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
from mlstrat.parity.script.at_hand import check_file
from mlstrat.parity.script.charts import Chart, read_chart
from mlstrat.parity.script.measure import due, held
from mlstrat.parity.script.sentences import sentences
from mlstrat.parity.script.verifying import Second, verify_script
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
    sections["sentiment"] |= {"source": "sample:headlines", "resolution": "1d", "features": True}
    sections["signals"] |= {"sentiment_gate": False}
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
    assert any("the run's own at" in sentence for sentence in said["verdict"])
    assert said["bars_with_probability"] == verified.spoken
    assert said["verdict"][1] == f"Compared at {verified.spoken:,} bars with a probability."
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
    assert sentences(found)[2] == "On the run's own bars: its probability differs by up to 1e-08."


def test_another_size_is_found(finished, script, config):
    share = config.kelly.multiplier
    found = alone(finished, changed(script, f"input.float({share}, ", f"input.float({share / 2}, "))
    measured = found.cases[0].measured
    assert not found.identical
    assert measured.prob_up < 1e-9
    assert measured.signals < measured.bars
    assert measured.comparison.identical < measured.comparison.total
    assert set(measured.comparison.causes) & {"size", "missing"}
    assert "trades are identical, and what differs is" in sentences(found)[2]


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
    assert f"it has none at {measured.mute} bars where Python has one" in sentences(found)[2]


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
    apart = replace(found, script=replace(script, libraries={"one": ""}))
    names = [path.name for path in script_certificate.write(copy, apart)]
    assert names == ["pine-certificate-latest-libraries.json", "pine-certificate-latest-libraries.html"]


def test_bars_of_several_charts_count_once(verified):
    said = {
        moment
        for case in verified.cases
        for moment, prob_up in zip(case.chart.bars.time.tolist(), case.prob_up, strict=True)
        if prob_up == prob_up
    }
    assert verified.spoken == len(said) < sum(case.measured.spoken for case in verified.cases)


def of_words(verified, words):
    """The verification as if the script had a probability at the first bars that it has one, and no more."""
    own = verified.cases[0]
    few = np.where(np.cumsum(np.isfinite(own.prob_up)) <= words, own.prob_up, np.nan)
    return replace(verified, cases=(replace(own, prob_up=few),))


def test_too_few_probabilities_certify_nothing(verified):
    assert of_words(verified, 100).identical
    for words, told in ((99, "at 99 bars"), (1, "at 1 bar"), (0, "at no bars")):
        found = of_words(verified, words)
        assert not found.identical
        assert sentences(found)[0] == (
            f"Nothing to compare: the script has a probability {told}, and 100 are needed: "
            "test the run on more bars."
        )
        assert script_certificate.as_json(found)["identical"] is False


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
    said = json.loads((copy / "pine-certificate.json").read_text())
    assert done.stdout.endswith(f"SHA-256 of the script: {said['script']['sha256'][:12]}.\n")


def test_the_newest_window_of_a_run_that_ends_soon_after_it_is_not_certified(command, config, tmp_path):
    """The last window is fitted two or three days before the bars end."""
    data = config.data.model_copy(update={"end": "2021-12-15"})
    run = backtest(config.model_copy(update={"data": data}), tmp_path / "run", engine="kernel").folder
    done = command(run, "--mode", "latest", "--no-starts")
    assert done.exit_code == 3, done.output
    said = json.loads((run / "pine-certificate-latest.json").read_text())
    assert 0 < said["bars_with_probability"] < 100
    assert said["identical"] is False
    assert said["charts"][0]["identical"] is True
    assert said["verdict"][0].startswith("Nothing to compare: the script has a probability at ")
    assert "give bars that begin with the run's own and end later with --bars FILE." in done.stdout
    data = load_bars(config)
    data.frame().to_parquet(tmp_path / "BTCUSDT_1h.parquet")
    done = command(run, "--mode", "latest", "--no-starts", "--bars", tmp_path / "BTCUSDT_1h.parquet")
    assert done.exit_code == 0, done.output
    assert "bars with a probability." in done.stdout


def test_the_script_at_hand_is_told_from_another(command, copy, tmp_path):
    publisher = ("--libraries", "--publisher", "me-2")
    made = export_run(copy, libraries=True, publisher="me-2")
    path = tmp_path / "s.pine"
    path.write_text("\ufeff" + made.text.rstrip("\n").replace("\n", "\r\n"), encoding="utf-8", newline="")
    for name, text in made.libraries.items():
        (tmp_path / f"{name}.pine").write_text(text)
    done = command(copy, *publisher, "--no-starts", "--script", path)
    assert done.exit_code == 0, done.output
    digest = sha256(made.text.encode()).hexdigest()
    assert done.stdout.endswith(f"SHA-256 of the script: {digest[:12]}. {path} holds this text.\n")
    said = json.loads((copy / "pine-certificate-libraries.json").read_text())
    assert said["script"]["sha256"] == digest
    assert not (copy / "pine-certificate.json").exists()

    (copy / "pine-certificate-libraries.json").unlink()
    first = next(iter(made.libraries))
    number = made.text.split("\n").index(f"import me-2/{first}/1 as {first}") + 1
    done = command(copy, "--libraries", "--script", path)
    assert done.exit_code == 3, done.output
    told = f'line {number} has "import me-2/{first[:40]}'
    assert told in done.stderr
    assert f'where the export has "import publisher/{first[:30]}' in done.stderr
    (tmp_path / f"{first}.pine").write_text(made.libraries[first] + "// more\n")
    done = command(copy, *publisher, "--script", path)
    assert done.exit_code == 3, done.output
    assert f"{first}.pine is not the script of this run: line " in done.stderr
    assert "is one too many: export it again" in done.stderr
    for wrong, told in ((tmp_path / "none.pine", "No such file"), (copy / "decisions.parquet", "utf-8")):
        done = command(copy, "--script", wrong)
        assert done.exit_code == 3, done.output
        assert told in done.stderr
        assert "give the file that mlstrat pine export wrote" in done.stderr
    assert not list(copy.glob("pine-certificate*.json"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: text.replace("//@version=6", "//@version=5", 1), '"//@version=5" where the export has'),
        (lambda text: text[: text.rindex("\n", 0, -1)], "is missing"),
        (lambda text: text.replace("input.float(", "input.int(", 1), 'where the export has "'),
    ],
)
def test_the_first_line_that_differs_is_told_in_part(script, tmp_path, change, told):
    path = tmp_path / "s.pine"
    path.write_text(change(script.text))
    with pytest.raises(DataError, match=r"line [\d,]+ ") as found:
        check_file(path, script)
    assert told in str(found.value)
    assert len(str(found.value)) < 500 + len(str(path))


def test_the_command_ends_with_code_3_where_something_differs(command, copy, monkeypatch):
    from mlstrat.pine import exported

    def wrong(folder, mode, **form):
        return changed(export_run(folder, mode, **form), "plot(probUp,", "plot(probUp * 1.1,")

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


def test_prices_off_the_tick_are_told_with_what_to_do(finished, script):
    found = alone(finished, script)
    (case,) = found.cases
    moved = {name: getattr(case.chart.bars, name) + 0.004 for name in ("open", "high", "low", "close")}
    shifted = replace(case.chart.bars, **moved)
    off = replace(found, cases=(replace(case, chart=replace(case.chart, bars=shifted)),))
    told = "Prices of the run's own bars are no multiples of the tick 0.01, to which a chart rounds"
    assert any(sentence.startswith(told) for sentence in sentences(off))
    assert not any("multiples of the tick" in sentence for sentence in sentences(found))
