import json

import pytest

from mlstrat.features.registry import registered


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
