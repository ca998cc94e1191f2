def test_clean_bars(mlstrat):
    result = mlstrat("data", "check", "sample:ETHUSDT_1h")
    assert result.exit_code == 0
    assert "ETHUSDT 1h" in " ".join(result.stdout.split())


def test_a_zone_is_asked_for_and_taken(mlstrat, walk_csv):
    asked = mlstrat("data", "check", walk_csv)
    assert asked.exit_code == 3
    assert "tz" in asked.stdout
    assert mlstrat("data", "check", walk_csv, "--tz", "UTC").exit_code == 0


def test_defects_are_all_listed(mlstrat, walk_csv):
    rows = walk_csv.read_text().splitlines()
    rows[5] = ",".join([*rows[5].split(",")[:4], "nan", "-1"])
    rows[9] = rows[8]
    walk_csv.write_text("\n".join(rows) + "\n")
    result = mlstrat("data", "check", walk_csv, "--tz", "UTC")
    assert result.exit_code == 3
    assert result.stdout.count("defect │") + result.stdout.count("│ defect") >= 3
    assert result.stderr.startswith("error: ")


def test_a_file_that_is_not_there(mlstrat, tmp_path):
    result = mlstrat("data", "check", tmp_path / "none.csv")
    assert result.exit_code == 3
    assert isinstance(result.exception, SystemExit)


def test_a_file_that_names_no_symbol_is_checked_all_the_same(mlstrat, walk_csv):
    other = walk_csv.rename(walk_csv.with_name("my prices.csv"))
    result = mlstrat("data", "check", other, "--tz", "UTC", "--timeframe", "1h")
    assert result.exit_code == 0
    assert "so the bars are called my prices" in " ".join(cells(result.stdout))


def cells(table: str) -> list[str]:
    """Words of a table's second column, where a sentence may go over several lines."""
    return " ".join(line.split("│")[2] for line in table.splitlines() if line.count("│") > 2).split()


def test_a_repair_is_listed_written_and_read_back(mlstrat, walk_csv, tmp_path):
    rows = walk_csv.read_text().splitlines()
    rows[5] = ",".join([*rows[5].split(",")[:5], "-1"])
    rows[9] = rows[8]
    walk_csv.write_text("\n".join(rows) + "\n")
    out = tmp_path / "WALK.parquet"
    result = mlstrat("data", "check", walk_csv, "--tz", "UTC", "--repair", out)
    assert result.exit_code == 0
    said = " ".join(cells(result.stdout))
    assert "1 row: has a negative volume" in said
    assert "1 row: has the time of a later row and its values" in said
    assert result.stdout.count("│ repaired │") == 2
    again = mlstrat("data", "check", out)
    assert again.exit_code == 0
    assert "defect" not in again.stdout
    assert "1 gaps, 1 bars missing" in " ".join(cells(again.stdout))


def test_what_no_repair_can_mend_is_an_error_and_writes_nothing(mlstrat, walk_csv, tmp_path):
    out = tmp_path / "out.parquet"
    result = mlstrat("data", "check", walk_csv, "--repair", out)
    assert result.exit_code == 3
    assert "pass tz" in result.stderr
    assert not out.exists()
    same = mlstrat("data", "check", walk_csv, "--tz", "UTC", "--repair", walk_csv)
    assert same.exit_code == 3
    assert "is the file that is read: name another file" in " ".join(same.stderr.split())


def test_resample_writes_bars_of_the_longer_timeframe(mlstrat, tmp_path):
    out = tmp_path / "BTCUSDT_1d.csv"
    result = mlstrat("data", "resample", "sample:BTCUSDT_1h", "--to", "1d", "-o", out)
    assert result.exit_code == 0
    assert "1,825 bars of BTCUSDT 1d" in " ".join(cells(result.stdout))
    assert "The last period had not closed with the last bar" in " ".join(cells(result.stdout))
    assert mlstrat("data", "check", out).exit_code == 0
    refused = mlstrat("data", "resample", "sample:BTCUSDT_1h", "--to", "90m", "-o", out)
    assert refused.exit_code == 3
    assert "give a longer timeframe that is a multiple of 1h" in " ".join(refused.stderr.split())


def test_a_calendar_that_does_not_exist(mlstrat, walk_csv):
    import pytest

    pytest.importorskip("exchange_calendars", reason="the extra data is not installed")
    result = mlstrat("data", "check", walk_csv, "--tz", "UTC", "--calendar", "MOON")
    assert result.exit_code == 3
    assert "'MOON' is not a calendar" in " ".join(cells(result.stdout))
