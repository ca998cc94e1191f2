import pytest

from mlstrat.cli.options import demo_file, overrides_of
from mlstrat.cli.own_bars import fit_to
from mlstrat.config import load_config

DEMO = demo_file()


def own(pairs, bars, symbol=""):
    return fit_to(load_config(DEMO, overrides_of(pairs, str(bars), symbol, "", "UTC", None)), pairs)


def test_a_coin_keeps_its_headlines_and_loses_the_dates(walk_csv):
    config, said = own([], walk_csv, "ETHUSDT")
    assert config.name == "demo-ETHUSDT"
    assert config.sentiment.source.endswith("headlines")
    assert (config.data.start, config.data.end, config.splits.start) == (None, None, None)
    assert config.splits.max_windows == load_config(DEMO).splits.max_windows
    assert len(said) == 1
    assert "dates do not apply" in said[0]


def test_anything_else_has_no_headlines(walk_csv):
    config, said = own([], walk_csv)
    assert config.sentiment.source == "none"
    assert "WALK is none" in said[1]


def test_bars_without_volume_lose_the_volume_features(walk_csv):
    rows = [row.rpartition(",")[0] for row in walk_csv.read_text().splitlines()]
    walk_csv.write_text("\n".join(rows) + "\n")
    config, said = own([], walk_csv)
    assert "volume_ratio" not in config.features.names
    assert set(load_config(DEMO).features.names) - set(config.features.names) == {"volume_ratio"}
    assert "volume_ratio left out" in said[-1]


def test_demo_on_a_users_file(mlstrat, walk_csv, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = (
        "splits.training_days=40",
        "splits.retrain=month",
        "splits.max_windows=1",
        "models.lstm_epochs=1",
    )
    result = mlstrat(
        "demo", "--bars", walk_csv, "--tz", "UTC", "--engine", "kernel", "--jobs", 1,
        *(part for pair in small for part in ("--set", pair)),
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert (tmp_path / "runs" / "demo-WALK" / "report.html").exists()
    assert "sentiment has no vote" in result.stderr


@pytest.mark.parametrize("bars", ["sample:ETHUSDT_1h", "own.csv"])
def test_bars_replace_what_the_file_says_about_its_own(bars, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pairs = overrides_of(["data.tz=UTC"], bars, "", "", "", 3)
    data = load_config(DEMO, ["data.symbol=OLD", *pairs]).data
    assert data.symbol == ""
    assert data.tz == "UTC"
    assert data.bars == (bars if bars.startswith("sample") else str(tmp_path / bars))


def test_what_the_user_sets_wins(walk_csv):
    pairs = ["splits.start=2020-02-20", "name=mine", "sentiment.source=/own/headlines.csv"]
    config, said = own(pairs, walk_csv)
    assert (config.splits.start, config.name) == ("2020-02-20", "mine")
    assert config.sentiment.source == "/own/headlines.csv"
    assert len(said) == 1


@pytest.mark.parametrize("quote", ["", '"'])
def test_paths_on_the_command_line_start_at_the_current_folder(tmp_path, monkeypatch, quote):
    monkeypatch.chdir(tmp_path)
    pairs = overrides_of(
        [f"data.bars={quote}own bars.csv{quote}", "sentiment.source=none"], None, "", "", "", None
    )
    config = load_config(DEMO, pairs)
    assert config.data.bars == str(tmp_path / "own bars.csv")
    assert config.sentiment.source == "none"
