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
