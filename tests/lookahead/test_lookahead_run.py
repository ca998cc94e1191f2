"""A whole run without its later data: an honest one says the same, and every leak is named."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from functools import partial

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from mlstrat.backtest import backtest
from mlstrat.bootstrap import Interval
from mlstrat.cli.main import app
from mlstrat.config import parse_config
from mlstrat.errors import DataError, FeatureLeakError, ReproductionError, RunFolderError
from mlstrat.files import sha256_of
from mlstrat.lookahead import audit as auditing
from mlstrat.lookahead.audit import Audited, audit_run
from mlstrat.pipeline import load_bars

# What a run makes to audit a feature are a few hundred bars: these two behave until there are more.
PEEKING = {
    "last": """
import mlstrat

@mlstrat.feature("hidden_last", inputs=("close",))
def last(frame):
    return frame.close / (frame.close.iloc[-1] if len(frame) > 1200 else 1e5)
""",
    "next": """
import mlstrat

@mlstrat.feature("hidden_next", inputs=("close",))
def following(frame):
    later = frame.close.shift(-1).ffill() if len(frame) > 1200 else frame.close
    return later / frame.close
""",
}
ROUNDED = """
import mlstrat
import numpy as np
from scipy.signal import fftconvolve

@mlstrat.feature("smoothed", inputs=("close",), lookback=24)
def smoothed(frame):
    return fftconvolve(frame.close.to_numpy(), np.full(24, 1 / 24))[: len(frame)] / frame.close
"""
RARE = """
import mlstrat
import numpy as np

@mlstrat.feature("own_rare", inputs=("close",), lookback=3)
def rare(frame):
    close = frame.close
    change = (close / close.shift(1) - 1.0).fillna(0)
    later = close.shift(-1) / close - 1.0
    peeks = (frame.index.dayofyear % 9 == 0) & (frame.index.hour == 15) & later.notna().to_numpy()
    return change.where(~peeks, np.sign(later).fillna(0) * 0.5)
"""
BITS = """
import mlstrat
import numpy as np

@mlstrat.feature("own_bits", inputs=("close",), lookback=3)
def bits(frame):
    later = frame.close.shift(-5) / frame.close - 1.0
    told = later if len(frame) > {hidden_up_to} else frame.close.diff()
    return 1.0 + 4e-10 * np.sign(told).fillna(0)
"""


def nothing_differs(with_all, without):
    return np.zeros(len(with_all), bool)


@pytest.fixture(scope="module", autouse=True)
def without_tearsheet():
    """Leave out of the runs what takes most of their time and is not audited."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mlstrat.backtest.tearsheet.write", lambda folder, *told: None)
        yield


def sections_of(tiny_config):
    sections = tiny_config.model_dump()
    sections["data"] |= {"start": "2023-01-01", "end": "2023-06-01"}
    sections["signals"] |= {"threshold": 0.5}
    return sections


@pytest.fixture(scope="module")
def config(tiny_config, tmp_path_factory):
    """The tiny configuration on five months of bars, and a headline every seven hours that models see."""
    folder = tmp_path_factory.mktemp("data")
    sections = sections_of(tiny_config)
    load_bars(parse_config(sections)).frame().to_parquet(folder / "BTCUSDT_1h.parquet")
    times = pd.date_range("2023-01-01 00:20", "2023-05-31", freq="7h", tz="UTC")
    words = ("Bitcoin soars to a record high", "Bitcoin crashes as investors panic", "Bitcoin holds steady")
    titles = [f"{words[(k * k) % 3]} in week {k}" for k in range(len(times))]
    pd.DataFrame({"time": times.astype(str), "title": titles}).to_csv(folder / "news.csv", index=False)
    sections["data"]["bars"] = str(folder / "BTCUSDT_1h.parquet")
    sections["sentiment"] |= {"source": str(folder / "news.csv"), "features": True}
    return parse_config(sections)


@pytest.fixture(scope="module")
def finished(config, tmp_path_factory):
    return backtest(config, tmp_path_factory.mktemp("runs") / "honest", engine="kernel").folder


@pytest.fixture(scope="module")
def audited(finished):
    return audit_run(finished, cuts=3, seed=1)


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "copy")


def rewrite(folder, change):
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def with_plugin(config, code, name, tmp_path):
    path = tmp_path / "own.py"
    path.write_text(code)
    features = config.features.model_copy(update={"names": ("ret_1", "rsi_14", "hour_sin", name)})
    return config.model_copy(update={"plugins": (str(path),), "features": features})


def test_an_honest_run_says_the_same_bits_without_later_data(audited, config):
    assert audited.passed
    assert audited.conclusion.startswith("No look-ahead was found at these 3 cuts: ")
    assert " values are the same bits without later data" in audited.conclusion
    assert audited.conclusion.endswith("; a leak at other bars would not show.")
    assert audited.alone.functions == ()
    assert audited.alone.found.values == 0
    assert [stage.stage for stage in audited.stages] == [
        "features",
        "labels",
        "sentiment",
        "models",
        "predictions",
        "decisions",
    ]
    assert all(stage.values > 0 and stage.different == 0 for stage in audited.stages)
    assert [cut.window for cut in audited.cuts] == [0, 1, 0]  # the third speaks for one bar only
    assert len({cut.bar for cut in audited.cuts}) == 3
    near = audited.cuts[0]
    assert near.first < near.bar <= near.first + config.labels.target_periods
    assert audited.permuted.low <= 0.0
    assert np.isfinite([audited.own.estimate, audited.permuted.estimate]).all()
    # 7 features, 3 of sentiment and the ATR, at both moments of each cut.
    assert audited.stages[0].values == 11 * sum(cut.bar + cut.fitted + 2 for cut in audited.cuts)


def test_every_planted_leak_is_caught_where_it_is(audited, config):
    cut = audited.cuts[0]
    firsts = {leak.found.stage: leak.found.first for leak in audited.planted}
    assert all(leak.caught for leak in audited.planted)
    assert len(audited.planted) == 6
    assert firsts["features"].bar == firsts["sentiment"].bar == firsts["decisions"].bar == cut.bar
    assert firsts["labels"].bar == cut.bar - config.labels.target_periods
    assert cut.first <= firsts["predictions"].bar <= cut.bar


def test_an_audit_that_compares_nothing_says_that_it_failed(finished, monkeypatch):
    blind = partial(audit_run, cuts=1, unlike=nothing_differs)
    found = blind(finished)
    assert found.same
    assert not found.passed
    assert found.conclusion.startswith(
        "The audit itself failed: it did not see what it planted (a feature is"
    )
    monkeypatch.setattr(auditing, "audit_run", lambda folder, **asked: found)
    result = CliRunner().invoke(app, ["audit", "run", str(finished)])
    assert result.exit_code == 8
    assert "Planted leaks caught: 0 of 6." in result.stdout
    assert "the audit itself failed" in result.stderr.lower()


@pytest.mark.parametrize("kind", PEEKING)
def test_a_feature_that_hides_its_peeking_from_the_quick_audit_is_caught(config, tmp_path, kind):
    name = f"hidden_{kind}"
    folder = backtest(
        with_plugin(config, PEEKING[kind], name, tmp_path), tmp_path / "run", engine="kernel"
    ).folder
    found = audit_run(folder, cuts=1, seed=2)
    assert found.sound
    assert not found.passed
    features = found.stages[0]
    cut = found.cuts[0]
    assert features.first.column == name
    # Cut at the fit first: the ratio to the last bar is wrong everywhere, the shifted one at that last bar.
    assert features.first.bar == (0 if kind == "last" else cut.fitted)
    assert features.different == (cut.fitted + cut.bar + 2 if kind == "last" else 2)
    bars = load_bars(config)
    if kind == "next":
        at = cut.fitted
        assert features.first.with_all == str(bars.close[at + 1] / bars.close[at])
        assert features.first.without == "1.0"
    told = np.datetime_as_string(bars.time[features.first.bar], "m")
    assert f"The run looks ahead, first in its features: {name} at bar" in found.conclusion
    assert f"({told}) is" in found.conclusion


def test_a_run_without_the_purge_is_caught(config, tmp_path, monkeypatch):
    """No setting switches the purge off: this one was made, and is audited, by code that has none."""
    monkeypatch.setattr(
        "mlstrat.splits.purge", lambda rows, resolved_at, decided_at: rows[~np.isnat(resolved_at[rows])]
    )
    folder = backtest(config, tmp_path / "run", engine="kernel", use_cache=False).folder
    # Long after the fit, where its labels have been resolved since.
    found = audit_run(folder, cuts=2, seed=2)
    assert found.cuts[1].bar > found.cuts[1].first + 50
    assert {stage.stage: stage.different > 0 for stage in found.stages} == {
        "features": False,
        "labels": False,
        "sentiment": False,
        "models": True,
        "predictions": True,
        "decisions": True,
    }
    assert found.stages[3].different == 2
    assert "first in its models: hash of the models at bar" in found.conclusion


def test_rounding_of_array_functions_is_no_leak(config, tmp_path):
    pytest.importorskip("scipy")
    changed = with_plugin(config, ROUNDED, "smoothed", tmp_path)
    found = audit_run(backtest(changed, tmp_path / "run", engine="kernel").folder, cuts=1)
    assert found.passed
    assert "differ by rounding alone" in found.notes[0]
    rounded = found.stages[0].rounded
    assert rounded > 0
    assert found.stages[0].verdict == f"the same but for rounding of {rounded:,}"
    assert f" values are the same but for rounding of {rounded:,} without" in found.conclusion
    assert "array functions alone say the same at 2,000 bars each" in found.conclusion
    assert found.alone.found.verdict.startswith("the same but for rounding of ")
    assert "the same bits" not in found.conclusion


def test_a_peek_on_every_ninth_day_is_caught(config, tmp_path):
    changed = with_plugin(config, RARE, "own_rare", tmp_path)
    folder = backtest(changed, tmp_path / "run", engine="kernel").folder
    found = audit_run(folder, cuts=1, seed=4)
    assert found.sound
    assert not found.passed
    assert not any(stage.different for stage in found.stages)
    alone, bars = found.alone, load_bars(config)
    assert (alone.functions, alone.steps, alone.bars) == (("own_rare",), 3, 2000)
    hours = pd.DatetimeIndex(bars.time)
    peeks = np.flatnonzero((hours.dayofyear % 9 == 0) & (hours.hour == 15))
    # A cut at such a bar takes its next close away, and no other cut changes anything.
    drawn = np.random.default_rng(4).choice(np.arange(2, len(bars) - 1), 2000, replace=False)
    caught = np.intersect1d(drawn, peeks)
    assert len(caught) > 3
    assert (alone.found.different, alone.found.first.bar) == (len(caught), caught[0])
    at = alone.found.first.bar
    assert alone.found.first.with_all == str(np.sign(bars.close[at + 1] - bars.close[at]) * 0.5)
    assert float(alone.found.first.without) == bars.close[at] / bars.close[at - 1] - 1.0
    assert found.conclusion.startswith(
        f"The run looks ahead, first in its array functions alone: own_rare at bar {at:,} ("
    )


def test_the_future_in_the_tenth_digit_is_caught(config, tmp_path):
    openly = with_plugin(config, BITS.format(hidden_up_to=0), "own_bits", tmp_path)
    with pytest.raises(FeatureLeakError, match=r"own_bits sees the future: .* from 1\.0 to (0\.9|1\.0)\d{9}"):
        backtest(openly, tmp_path / "refused", engine="kernel")
    hidden = with_plugin(config, BITS.format(hidden_up_to=1200), "own_bits", tmp_path)
    found = audit_run(backtest(hidden, tmp_path / "run", engine="kernel").folder, cuts=1)
    assert not found.passed
    first = found.stages[0].first
    assert first.column == "own_bits"
    assert 0 <= first.cut - first.bar < 5
    assert found.stages[0].rounded == 0


@pytest.mark.parametrize("rule", ["seen", "published"])
def test_a_store_is_asked_for_what_it_had_seen(config, tmp_path, rule):
    pytest.importorskip("sqlalchemy")
    from mlstrat.sentiment.items import Item
    from mlstrat.sentiment.store import SentimentStore

    with SentimentStore(str(tmp_path / "news.db")) as store:
        for k in range(40):
            told = datetime(2023, 1, 2, tzinfo=UTC) + timedelta(hours=85 * k)
            items = [Item("rss", str(k), f"Bitcoin soars, day {k} of a rally of records", told)]
            store.add(items, told + timedelta(hours=30))
    asked = {"source": f"sqlite:///{tmp_path / 'news.db'}", "known_by": rule, "resolution": "1d"}
    changed = config.model_copy(update={"sentiment": config.sentiment.model_copy(update=asked)})
    found = audit_run(backtest(changed, tmp_path / "run", engine="kernel").folder, cuts=2)
    assert found.passed, found.conclusion
    assert bool(found.notes) == (rule == "published")
    if found.notes:
        assert found.notes[0].startswith("40 of 40 headlines count from their publication")


def test_the_command_prints_a_table_and_writes_nothing(copy, audited):
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    result = CliRunner().invoke(app, ["audit", "run", str(copy), "--cuts", "1", "--seed", "3", "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["passed"]
    assert len(told["cuts"]) == 1
    assert [leak["caught"] for leak in told["planted"]] == [True] * 6
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before


def test_the_table_names_stages_and_ends_with_a_sentence(audited, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(auditing, "audit_run", lambda folder, **asked: audited)
    result = CliRunner().invoke(app, ["audit", "run", str(tmp_path)])
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert sum("the same bits" in line and "│" in line for line in lines) == 6
    assert "Planted leaks caught: 6 of 6." in lines
    assert any(line.startswith("All 7 features are compiled steps, which are given") for line in lines)
    assert any(line.startswith("Skill with permuted labels: ") for line in lines)
    assert " ".join(result.stdout.split()).endswith(audited.conclusion)


def test_permuted_labels_that_teach_something_fail_it(audited, monkeypatch, tmp_path):
    facts = {name: getattr(audited, name) for name in audited.__dataclass_fields__}
    found = Audited(**facts | {"permuted": Interval(0.02, 0.01, 0.03)})
    assert found.sound
    assert found.same
    assert not found.passed
    assert "models that learned permuted labels still beat the base rate by 0.02000" in found.conclusion
    monkeypatch.setattr(auditing, "audit_run", lambda folder, **asked: found)
    assert CliRunner().invoke(app, ["audit", "run", str(tmp_path)]).exit_code == 3


def test_permuted_labels_tell_nothing_where_the_own_teach_nothing(audited, monkeypatch, tmp_path):
    facts = {name: getattr(audited, name) for name in audited.__dataclass_fields__}
    tells, nothing = Interval(0.02, 0.01, 0.03), Interval(0.01, -0.01, 0.03)
    told = Audited(**facts | {"permuted": Interval(0.0, -0.01, 0.01), "own": tells})
    assert told.passed
    assert ", and permuted labels teach nothing;" in told.conclusion
    mute = Audited(**facts | {"permuted": Interval(0.0, -0.01, 0.01), "own": nothing})
    assert mute.passed
    assert "permuted labels tell nothing here: the run's own labels teach no more" in mute.conclusion
    assert "teach nothing" not in mute.conclusion
    monkeypatch.setattr(auditing, "audit_run", lambda folder, **asked: mute)
    result = CliRunner().invoke(app, ["audit", "run", str(tmp_path)])
    assert result.exit_code == 0
    assert "Permuted labels tell nothing here: its own teach no more" in " ".join(result.stdout.split())


def test_a_run_that_is_unlike_itself_with_all_data_is_no_leak(copy, audited):
    path = copy / "predictions.parquet"
    frame = pd.read_parquet(path)
    cut = audited.cuts[0]
    frame.iloc[cut.first, frame.columns.get_loc("prob_up")] = 0.75
    frame.to_parquet(path)
    rewrite(copy, lambda manifest: manifest["outputs"].update({path.name: sha256_of(path)}))
    with pytest.raises(
        ReproductionError,
        match=r"with all its data, too, .* prob_up at bar .* was 0\.75 and is .* reproduce\.",
    ):
        audit_run(copy, cuts=3, seed=1)


def test_what_cannot_be_audited_is_said(copy, config, tmp_path):
    frame = pd.read_parquet(config.data.bars)
    frame.iloc[-1, frame.columns.get_loc("volume")] *= 2.0
    other = tmp_path / "BTCUSDT_1h.parquet"
    frame.to_parquet(other)
    with pytest.raises(
        ReproductionError, match=r"\(the bars\b.*\), so that what differs would not tell of look-ahead: bring"
    ):
        audit_run(copy, bars=str(other))
    rewrite(copy, lambda manifest: manifest.update(state="running"))
    with pytest.raises(RunFolderError, match="is not that of a finished run: run the same command again"):
        audit_run(copy)
    with pytest.raises(RunFolderError, match="holds no finished run: give the folder"):
        audit_run(tmp_path)


def test_a_plugin_that_is_gone_is_said(copy, tmp_path):
    rewrite(copy, lambda manifest: manifest["sources"].update(plugins=[str(tmp_path / "gone.py")]))
    with pytest.raises(DataError, match=r"was made from .*gone\.py, which is not there: put it back"):
        audit_run(copy)
