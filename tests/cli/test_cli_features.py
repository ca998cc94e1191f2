import json

import pytest

from mlstrat.features.lookup import registered


def test_json_lists_every_feature(mlstrat):
    rows = json.loads(mlstrat("features", "list", "--json").stdout)
    assert [row["name"] for row in rows] == list(registered())
    assert all(row["lookback"] <= row["warmup"] and row["unit"] and row["source"] for row in rows)
    assert all(bool(row["pine"]) != bool(row["no_pine"]) for row in rows)


@pytest.mark.parametrize("family", ["time", "volume"])
def test_one_family(mlstrat, family):
    rows = json.loads(mlstrat("features", "list", "--family", family, "--json").stdout)
    assert {row["family"] for row in rows} == {family}
    table = mlstrat("features", "list", "--family", family).stdout
    assert all(row["name"] in table for row in rows)
    assert f"{len(rows)} features" in table


def test_an_unknown_family(mlstrat):
    result = mlstrat("features", "list", "--family", "astrology")
    assert result.exit_code == 2
    assert "use one of price" in result.stderr


def test_build_writes_what_the_matrix_holds(mlstrat, tmp_path):
    import pyarrow.parquet as pq

    from mlstrat.data import samples
    from mlstrat.features.matrix import build

    out = tmp_path / "features.parquet"
    result = mlstrat(
        "features", "build", "sample:BTCUSDT_1h", "-o", str(out), "--names", "ret_1,rsi_14", "--chunk", "9000"
    )
    assert result.exit_code == 0
    assert "2 features of" in result.stdout
    assert "computing: 9,000 of" in result.stderr
    expected = build(samples.load_bars("BTCUSDT_1h"), names=("ret_1", "rsi_14"))
    stored = pq.read_table(out)
    for name in ("ret_1", "rsi_14"):
        assert stored[name].to_numpy().tobytes() == expected.column(name).tobytes()


def test_build_refuses_an_unknown_feature(mlstrat, tmp_path):
    out = tmp_path / "features.parquet"
    result = mlstrat("features", "build", "sample:BTCUSDT_1h", "-o", str(out), "--names", "rsi14")
    assert result.exit_code == 2
    assert "the nearest is 'rsi_14'" in result.stderr
    assert not out.exists()


def test_build_refuses_a_name_that_is_not_parquet(mlstrat, tmp_path):
    result = mlstrat("features", "build", "sample:BTCUSDT_1h", "-o", str(tmp_path / "features.csv"))
    assert result.exit_code == 2
    assert "give a file that ends in .parquet" in result.stderr


def test_build_says_what_it_leaves_out(mlstrat, walk_csv, tmp_path):
    import pandas as pd

    fx = tmp_path / "EURUSD_1h.csv"
    pd.read_csv(walk_csv).drop(columns="volume").to_csv(fx, index=False)
    result = mlstrat("features", "build", str(fx), "--tz", "UTC", "-o", str(tmp_path / "features.parquet"))
    assert result.exit_code == 0, result.stderr
    assert "features were left out: they need volume, and the bars have none" in result.stderr


def test_the_same_symbol_is_no_context(mlstrat, tmp_path):
    out = str(tmp_path / "features.parquet")
    sample = "sample:BTCUSDT_1h"
    result = mlstrat("features", "build", sample, "-o", out, "--names", "ret_1", "--context", sample)
    assert result.exit_code == 3
    assert "the bars of BTCUSDT are given twice" in result.stderr


def test_commas_between_brackets_belong_to_a_name():
    from mlstrat.cli.feature_options import split

    assert split(["ret_1, ta.stoch(window=9, smooth_window=3)/close", "rsi_14"]) == [
        "ret_1",
        "ta.stoch(window=9, smooth_window=3)/close",
        "rsi_14",
    ]
