import pytest

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

NAMES = "ret_1,rsi_14,hour_sin"


def measure(mlstrat, bars, output, *more):
    few = ("--names", NAMES, "--folds", "2", "--repeats", "1", "--tz", "UTC")
    return mlstrat("features", "importance", bars, "-o", output, *few, *more)


def test_it_prints_the_order_and_the_notes_and_writes_the_page(mlstrat, walk_csv, tmp_path):
    out = tmp_path / "importance.html"
    result = measure(mlstrat, walk_csv, out, "--target-periods", "3")
    assert result.exit_code == 0, result.stderr
    for name in NAMES.split(","):
        assert name in result.stdout
    assert "above noise" in result.stdout
    assert f"{out} written" in result.stdout.replace("\n", "")
    assert "2 of 2 windows" in result.stderr
    assert "direction over the next 3 bars" in out.read_text(encoding="utf-8")


def test_it_writes_a_picture(mlstrat, walk_csv, tmp_path):
    out = tmp_path / "importance.png"
    assert measure(mlstrat, walk_csv, out).exit_code == 0
    assert out.read_bytes().startswith(b"\x89PNG")


def test_a_wrong_kind_of_file_is_refused_before_any_work(mlstrat, tmp_path):
    result = measure(mlstrat, tmp_path / "absent.csv", tmp_path / "importance.pdf")
    assert result.exit_code == 2
    assert "neither a .png nor an .html file" in result.stderr


def test_an_unknown_feature(mlstrat, walk_csv, tmp_path):
    result = measure(mlstrat, walk_csv, tmp_path / "x.html", "--names", "rsi14")
    assert result.exit_code == 2
    assert "'rsi_14'" in result.stderr
    assert not (tmp_path / "x.html").exists()


def test_too_few_bars_for_the_folds(mlstrat, walk_csv, tmp_path):
    result = measure(mlstrat, walk_csv, tmp_path / "x.html", "--folds", "40")
    assert result.exit_code == 3
    assert "The importance of features over 40 folds needs" in result.stderr


def test_help_is_light(mlstrat):
    result = mlstrat("features", "importance", "--help")
    assert result.exit_code == 0
    assert "--target-periods" in result.output
