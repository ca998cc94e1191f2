"""A past run comes out the same, or the first difference is named."""

import json
import re
import shutil
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from mlstrat.backtest import backtest
from mlstrat.config import parse_config
from mlstrat.errors import DataError, ReproductionError, RunFolderError
from mlstrat.pipeline import Watcher, load_bars
from mlstrat.reproduce import first_difference, reproduce


class Notes(Watcher):
    """Remembers the notes."""

    def __init__(self):
        self.said = []

    def note(self, text):
        self.said.append(text)


@pytest.fixture(scope="module")
def config(tiny_config, tmp_path_factory):
    """The tiny configuration on five months of bars in a file of their own."""
    sections = tiny_config.model_dump()
    sections["data"] |= {"start": "2023-01-01", "end": "2023-06-01"}
    sections["signals"] |= {"threshold": 0.5}
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


def rewrite(folder, change):
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_a_run_comes_out_the_same_without_its_windows_or_a_cache(copy, config):
    shutil.rmtree(copy / "folds")
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    same = reproduce(copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    assert (same.windows, same.bars) == (3, len(load_bars(config)))
    assert same.windows == len(manifest["windows"])
    assert same.trades == len(pd.read_csv(copy / "trades.csv")) > 10
    assert same.differences == ()
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before


def test_paths_are_remembered_from_any_folder(config, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    shutil.copy(config.data.bars, tmp_path / "data" / "BTCUSDT_1h.parquet")
    monkeypatch.chdir(tmp_path)
    data = config.data.model_copy(update={"bars": "data/BTCUSDT_1h.parquet"})
    folder = backtest(config.model_copy(update={"data": data}), tmp_path / "run", engine="kernel").folder
    monkeypatch.chdir("/")
    assert reproduce(folder).windows == 3


def test_other_bars_are_named_and_compared_only_when_asked(copy, config, tmp_path):
    frame = pd.read_parquet(config.data.bars)
    frame.iloc[3000:, frame.columns.get_loc("volume")] *= 1.5
    other = tmp_path / "BTCUSDT_1h.parquet"
    frame.to_parquet(other)
    with pytest.raises(
        ReproductionError, match=r"made from other things \(the bars or the instrument's facts"
    ):
        reproduce(copy, bars=str(other))
    notes = Notes()
    told = r"predictions\.parquet: at 2023-0\d-\d\d \d\d:00:00\+00:00, \w+ was .* and is .*\. Look for"
    with pytest.raises(ReproductionError, match=told) as raised:
        reproduce(copy, bars=str(other), anyway=True, watcher=notes)
    assert "the bars or the instrument's facts or rates changed" in notes.said
    told_at = pd.Timestamp(re.search(r"at (\S+ \S+),", str(raised.value))[1])
    assert told_at >= frame.index[3000]  # nothing before the first changed bar can differ


def test_the_same_bars_elsewhere_are_the_same(copy, config, tmp_path):
    elsewhere = tmp_path / "moved.parquet"
    shutil.copy(config.data.bars, elsewhere)
    rewrite(copy, lambda manifest: manifest["sources"].update(bars="/nowhere/BTCUSDT_1h.parquet"))
    with pytest.raises(
        DataError, match=r"made from /nowhere/BTCUSDT_1h\.parquet, which is not there: give it"
    ):
        reproduce(copy)
    rewrite(copy, lambda manifest: manifest["config"]["data"].update(symbol="BTCUSDT", timeframe="1h"))
    rewrite(
        copy, lambda manifest: manifest["inputs"]["config"]["data"].update(symbol="BTCUSDT", timeframe="1h")
    )
    assert reproduce(copy, bars=str(elsewhere)).windows == 3


def test_other_code_and_libraries_are_named_first(copy):
    def older(manifest):
        manifest["inputs"]["code_sha256"] = "f" * 64
        manifest["inputs"]["versions"]["numpy"] = "1.0"

    rewrite(copy, older)
    with pytest.raises(
        ReproductionError,
        match=r"numpy was 1\.0 and is [\d.]+; the code was ffffffff and is [0-9a-f]{8}\): bring",
    ):
        reproduce(copy)
    notes = Notes()
    same = reproduce(copy, anyway=True, watcher=notes)
    assert len(same.differences) == 2
    assert list(same.differences) == notes.said


def test_another_seed_is_another_run(copy):
    def reseeded(manifest):
        manifest["config"]["seed"] += 1
        manifest["inputs"]["config"]["seed"] += 1

    rewrite(copy, reseeded)
    with pytest.raises(
        ReproductionError, match=r"\(the first window whose models differ is 1 of 3\)\. Look for"
    ):
        reproduce(copy)


def test_trades_that_differ_are_named(copy):
    text = (copy / "trades.csv").read_text().replace("target", "stop", 1)
    (copy / "trades.csv").write_text(text)
    with pytest.raises(
        RunFolderError, match=r"trades\.csv is missing or changed since it was written, so there"
    ):
        reproduce(copy)
    from mlstrat.files import sha256_of

    digest = sha256_of(copy / "trades.csv")
    rewrite(copy, lambda manifest: manifest["outputs"].update({"trades.csv": digest}))
    with pytest.raises(
        ReproductionError, match=r"trades\.csv: at \d+, reason was 'stop' and is 'target'\. Look"
    ):
        reproduce(copy)


def test_a_folder_without_a_finished_run_is_said(copy, tmp_path):
    with pytest.raises(RunFolderError, match="holds no finished run: give the folder"):
        reproduce(tmp_path)
    rewrite(copy, lambda manifest: manifest.update(state="running"))
    with pytest.raises(RunFolderError, match="is not that of a finished run: run the same command again"):
        reproduce(copy)


def test_settings_that_this_version_does_not_know_are_said(copy):
    rewrite(copy, lambda manifest: manifest["config"].update(sideways=1))
    with pytest.raises(ReproductionError, match=r"does not know the settings .*: install mlstrat \d"):
        reproduce(copy)


def test_the_command_says_so_and_ends_with_its_code(copy):
    from typer.testing import CliRunner

    from mlstrat.cli.main import app

    same = CliRunner().invoke(app, ["reproduce", str(copy)])
    assert same.exit_code == 0, same.output
    assert "comes out the same, bit for bit: 3 windows" in same.stdout
    rewrite(copy, lambda manifest: manifest["inputs"].update(code_sha256="f" * 64))
    other = CliRunner().invoke(app, ["reproduce", str(copy)])
    assert other.exit_code == 7
    assert "the code was ffffffff" in other.stderr


def test_first_difference_names_row_column_and_both_values():
    index = pd.date_range("2021-01-01", periods=4, freq="h", tz="UTC")
    then = pd.DataFrame({"a": [1.0, np.nan, 3.0, 0.0], "b": ["x", "y", "z", "w"]}, index=index)
    assert first_difference(then, then.copy()) == ""
    now = then.copy()
    now.loc[index[2], "a"] = np.nextafter(3.0, 4.0)
    now.loc[index[1], "b"] = "v"
    assert first_difference(then, now) == "at 2021-01-01 01:00:00+00:00, b was 'y' and is 'v'"
    now = then.copy()
    now.loc[index[3], "a"] = -0.0
    assert "a was np.float64(0.0) and is np.float64(-0.0)" in first_difference(then, now)
    assert first_difference(then, then[:3]) == "there were 4 rows and there are 3"
    assert first_difference(then, then[["a"]]) == "the columns were ['a', 'b'] and are ['a']"
    assert first_difference(then, then.set_axis(index + index.freq)).startswith("row 0 was 2021-01-01 00:00")


def test_a_run_on_a_store_comes_out_the_same_though_the_store_has_learned_more(config, tmp_path, monkeypatch):
    pytest.importorskip("sqlalchemy")
    from mlstrat.sentiment.items import Item
    from mlstrat.sentiment.store import SentimentStore

    monkeypatch.chdir(tmp_path)
    then = datetime(2023, 4, 20, 12, tzinfo=UTC)
    with SentimentStore("news.db") as store:
        store.add([Item("rss", "1", "Bitcoin soars to a record high", then)], then)
    sentiment = config.sentiment.model_copy(update={"source": "sqlite:///news.db", "scorer": "learned"})
    run = backtest(config.model_copy(update={"sentiment": sentiment}), tmp_path / "run", engine="kernel")
    with SentimentStore("news.db") as store:
        later = Item("rss", "2", "Bitcoin crashes as investors panic", then)
        store.add([later], then + timedelta(days=30))
    monkeypatch.chdir(tmp_path.parent)
    assert reproduce(run.folder).windows == 3
