import pytest

pytest.importorskip("jinja2")
pytest.importorskip("plotly")


def test_it_prints_the_best_and_says_that_they_were_chosen(mlstrat, tiny, tmp_path):
    out = tmp_path / "out"
    grids = ("--grid", "signals.threshold=0.50:0.52:0.01", "--grid", "stops.atr=1,2.5")
    result = mlstrat("sweep", tiny, *grids, "-o", out)
    assert result.exit_code == 0, result.stderr
    printed = " ".join(result.stdout.split())
    assert "The best of 6 is the best of 6 tries: it was chosen after its result was seen" in printed
    assert "For each value of stops.atr the odds that Kelly bets on were estimated anew" in printed
    assert f"Page: {out / 'sweep.html'}" in result.stdout.replace("\n", "")
    assert "6 columns (2 stops.atr x 3 signals.threshold): models of 2 windows" in " ".join(
        result.stderr.split()
    )
    assert "6 of 6 columns" in result.stderr
    again = mlstrat("sweep", tiny, *grids, "-o", out)
    assert again.exit_code == 0
    assert "already complete; nothing to redo" in again.stdout.replace("\n", "")


def test_a_grid_that_is_too_large_is_refused_with_its_size(mlstrat, tiny, tmp_path):
    out = tmp_path / "out"
    grids = ("--grid", "signals.threshold=0.5:0.9:0.0001", "--grid", "kelly.multiplier=0.01:1:0.01")
    result = mlstrat("sweep", tiny, *grids, "-o", out)
    assert result.exit_code == 2
    assert "this grid has 400,100 columns, more than 100,000" in result.stderr
    assert "--max-columns 400100" in result.stderr
    assert not out.exists()
    result = mlstrat("sweep", tiny, "--grid", "stops.atr=1:100000000:0.5", "-o", out)
    assert result.exit_code == 2
    assert "this grid has 199,999,999 columns, more than 100,000" in result.stderr


def test_a_slip_in_a_key_is_named(mlstrat, tiny, tmp_path):
    result = mlstrat("sweep", tiny, "--grid", "stops.art=1,2", "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "did you mean stops.atr?" in result.stderr
